//! Where a unit falls: hashes for `fractional`.

use super::json::Json;
use super::value::Value;
use std::io::Read;

/// How the value that units are spread by becomes the bytes that are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bucketing {
    /// flagd's second version, and the default: the UTF-8 text, or that of key and targeting key.
    #[default]
    V2,
    /// flagd's third version, a draft: deterministic CBOR (RFC 8949, 4.2.1) of the value, or of
    /// the list of key and targeting key. Whole numbers are integers, also where they were
    /// written as `1.0`.
    V3,
}

impl Bucketing {
    /// The hash of a value; `None` where this version cannot hash it.
    pub(super) fn of_value(self, value: &Value<'_>) -> Option<u32> {
        match (self, value) {
            (Self::V2, Value::Text(text)) => Some(hash(text.as_bytes())),
            (Self::V3, Value::Null) | (Self::V2, _) => None,
            (Self::V3, value) => {
                let mut bytes = Vec::new();
                encode(&mut bytes, value);
                Some(hash(&bytes[..]))
            }
        }
    }

    /// The hash of a unit that is known by its targeting key.
    pub(super) fn of_unit(self, flag: &str, targeting_key: &str) -> Option<u32> {
        match self {
            Self::V2 => Some(position(flag, targeting_key)),
            Self::V3 if targeting_key.is_empty() => None,
            Self::V3 => {
                let mut bytes = Vec::new();
                head(&mut bytes, ARRAY, 2);
                text(&mut bytes, flag);
                text(&mut bytes, targeting_key);
                Some(hash(&bytes[..]))
            }
        }
    }
}

/// Where a unit falls for a flag, on the circle of 2³² positions that `fractional` cuts by its
/// weights, if that is by the targeting key in the default version: `murmur3_32(flag ‖ unit)`.
pub fn position(flag: &str, targeting_key: &str) -> u32 {
    hash(flag.as_bytes().chain(targeting_key.as_bytes()))
}

/// The first position that is beyond the first `weight` of `total` parts of all 2³²: those before
/// it are of a variant that comes first and has this weight. `total` is at least 1.
pub fn edge(weight: u32, total: u32) -> u64 {
    (u64::from(weight.min(total)) << 32).div_ceil(u64::from(total.max(1)))
}

/// Murmur3 for 32 bits, seed 0.
fn hash(mut bytes: impl Read) -> u32 {
    // Reading from memory cannot fail.
    murmur3::murmur3_32(&mut bytes, 0).unwrap_or_default()
}

/// The place of a hash among `total` places: `(hash · total) >> 32`, below `total`.
pub(super) fn place_of(hash: u32, total: u32) -> u32 {
    // Below `total`, as the hash is below 2³²: the cast is exact.
    ((u64::from(hash) * u64::from(total)) >> 32) as u32
}

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1 << 5;
const TEXT: u8 = 3 << 5;
const ARRAY: u8 = 4 << 5;
const MAP: u8 = 5 << 5;

/// The head of a CBOR item: its major type, and a number in as few bytes as it needs.
fn head(bytes: &mut Vec<u8>, major: u8, number: u64) {
    let be = number.to_be_bytes();
    match number {
        0..24 => bytes.push(major | be[7]),
        24..0x100 => bytes.extend([major | 24, be[7]]),
        0x100..0x1_0000 => {
            bytes.push(major | 25);
            bytes.extend(&be[6..]);
        }
        0x1_0000..0x1_0000_0000 => {
            bytes.push(major | 26);
            bytes.extend(&be[4..]);
        }
        _ => {
            bytes.push(major | 27);
            bytes.extend(be);
        }
    }
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    head(bytes, TEXT, text.len() as u64);
    bytes.extend(text.as_bytes());
}

fn encode(bytes: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Null => bytes.push(0xf6),
        Value::Bool(value) => bytes.push(0xf4 + u8::from(*value)),
        Value::Number(value) => number(bytes, *value),
        Value::Text(value) => text(bytes, value),
        Value::Json(Json::Object(members)) => {
            head(bytes, MAP, members.len() as u64);
            let mut entries: Vec<(&str, &Json)> = members.iter().collect();
            // The order of the encoded names: heads of shorter names are smaller.
            entries.sort_unstable_by_key(|(name, _)| (name.len(), *name));
            for (name, value) in entries {
                text(bytes, name);
                encode(bytes, &value.into());
            }
        }
        Value::Json(_) | Value::List(_) => {
            let items = value.items().unwrap_or_default();
            head(bytes, ARRAY, items.len() as u64);
            items.iter().for_each(|item| encode(bytes, item));
        }
    }
}

/// A number: whole ones of 64 bits as integers, others as the shortest float that keeps them.
fn number(bytes: &mut Vec<u8>, value: f64) {
    const TWO_64: f64 = 18_446_744_073_709_551_616.0;
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    if value.trunc() == value && (0.0..TWO_64).contains(&value) {
        return head(bytes, UNSIGNED, value as u64);
    }
    if value.trunc() == value && (-TWO_63..0.0).contains(&value) {
        return head(bytes, NEGATIVE, (-1 - value as i64) as u64);
    }
    let single = value as f32;
    if f64::from(single) != value {
        bytes.push(0xfb);
        bytes.extend(value.to_be_bytes());
    } else if let Some(half) = half(single) {
        bytes.push(0xf9);
        bytes.extend(half.to_be_bytes());
    } else {
        bytes.push(0xfa);
        bytes.extend(single.to_be_bytes());
    }
}

/// The bits of the IEEE 754 half that is exactly this single, where there is one.
fn half(single: f32) -> Option<u16> {
    let bits = single.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let exponent = ((bits >> 23) & 0xff) as i32 - 127;
    let fraction = bits & 0x007f_ffff;
    match exponent {
        -14..=15 if fraction.trailing_zeros() >= 13 => {
            Some(sign | ((exponent + 15) as u16) << 10 | (fraction >> 13) as u16)
        }
        -24..=-15 => {
            // Below the smallest normal half: its fraction counts in units of 2⁻²⁴.
            let whole = fraction | 0x0080_0000;
            let shift = (-exponent - 1).unsigned_abs();
            (whole.trailing_zeros() >= shift).then(|| sign | (whole >> shift) as u16)
        }
        _ => None,
    }
}
