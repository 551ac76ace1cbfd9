//! Who falls where, against a second implementation and against numbers that others computed.

use super::{NOW, context, set};
use crate::flags::{Context, FlagSet, Json, Members, edge, position};
use proptest::prelude::*;

/// Murmur3 for 32 bits, seed 0, byte by byte.
fn murmur(bytes: &[u8]) -> u32 {
    let mix =
        |block: u32| block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut hash = 0_u32;
    for chunk in bytes.chunks(4) {
        let block = chunk.iter().rev().fold(0, |block, byte| block << 8 | u32::from(*byte));
        hash ^= mix(block);
        if chunk.len() == 4 {
            hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
        }
    }
    hash ^= u32::try_from(bytes.len()).unwrap();
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

/// The share of a hash: each weight as a part of all hashes, one share after the other.
fn naive_share(hash: u32, weights: &[u32]) -> Option<usize> {
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let mut end = 0_u128;
    weights.iter().position(|weight| {
        end += u128::from(*weight);
        // hash · total / 2³² < end, without rounding.
        u128::from(hash) * total < end << 32
    })
}

/// A flag `key` whose variants are numbers, with these weights.
fn shares(key: &str, seed: &str, weights: &[u32]) -> FlagSet {
    let variants: Vec<String> = (0..weights.len()).map(|at| format!("\"v{at}\":{at}")).collect();
    let pairs: Vec<String> =
        weights.iter().enumerate().map(|(at, weight)| format!("[\"v{at}\",{weight}]")).collect();
    set(&format!(
        r#"{{"flags":{{{}:{{"state":"ENABLED","variants":{{{}}},
            "targeting":{{"fractional":[{seed}{}]}}}}}}}}"#,
        serde_json::Value::from(key),
        variants.join(","),
        pairs.join(",")
    ))
}

fn unit(name: &str) -> Context {
    let member = ("targetingKey".to_owned(), Json::String(name.to_owned()));
    Context::new(Members::new(vec![member]).unwrap())
}

fn variant(set: &FlagSet, key: &str, context: &Context) -> Option<usize> {
    set.evaluate(key, context, NOW).variant.map(|name| name[1..].parse().unwrap())
}

proptest! {
    #[test]
    fn a_unit_is_before_the_edge_of_the_variant_that_it_gets(
        name in "\\PC{1,20}",
        weight in 0_u32..=1_000_000,
        rest in 1_u32..=1_000_000,
    ) {
        let set = shares("flag", "", &[weight, rest]);
        let is_first = u64::from(position("flag", &name)) < edge(weight, weight + rest);
        prop_assert_eq!(position("flag", &name), murmur(format!("flag{name}").as_bytes()));
        prop_assert_eq!(variant(&set, "flag", &unit(&name)), Some(usize::from(!is_first)));
    }

    #[test]
    fn a_naive_second_implementation_agrees(
        key in "\\PC{1,12}",
        name in "\\PC{0,20}",
        weights in prop::collection::vec(
            prop_oneof![Just(0_u32), 0_u32..200, 0_u32..300_000_000], 1..7),
    ) {
        let flags = shares(&key, "", &weights);
        let hash = murmur(format!("{key}{name}").as_bytes());
        let wanted = naive_share(hash, &weights);
        prop_assert_eq!(variant(&flags, &key, &unit(&name)), wanted);
        // The same, with all of it written as expressions.
        let seed = r#"{"cat":[{"var":"$flagd.flagKey"},{"var":"targetingKey"}]},"#;
        let flags = shares(&key, seed, &weights);
        prop_assert_eq!(variant(&flags, &key, &unit(&name)), wanted);
    }

    #[test]
    fn raising_a_share_only_adds_units(
        total in 1_u32..=i32::MAX.unsigned_abs(),
        parts in (0.0_f64..=1.0, 0.0_f64..=1.0),
        names in prop::collection::vec("[a-zé0-9]{1,8}", 40),
    ) {
        let of = |part: f64| (f64::from(total) * part) as u32;
        let (less, more) = (of(parts.0.min(parts.1)), of(parts.0.max(parts.1)));
        let before = shares("ramp", "", &[less, total - less]);
        let after = shares("ramp", "", &[more, total - more]);
        for name in &names {
            if variant(&before, "ramp", &unit(name)) == Some(0) {
                prop_assert_eq!(variant(&after, "ramp", &unit(name)), Some(0));
            }
        }
    }
}

#[test]
fn shares_are_as_large_as_they_say() {
    let flags = shares("even", "", &[10, 30, 60]);
    let mut counts = [0.0_f64; 3];
    for at in 0..20_000 {
        counts[variant(&flags, "even", &unit(&format!("unit-{at}"))).unwrap()] += 1.0;
    }
    for (count, share) in counts.iter().zip([0.1_f64, 0.3, 0.6]) {
        // Five standard deviations of a binomial count.
        let deviation = (20_000.0 * share * (1.0 - share)).sqrt();
        assert!((count - 20_000.0 * share).abs() < 5.0 * deviation, "{counts:?}");
    }
}

/// What flagd's testbed expects of version 3 (its draft of fractional.feature), as numbers.
#[test]
fn the_third_version_spreads_as_the_draft_says() {
    let buckets: Vec<String> = (1..=25).map(|at| format!("\"bucket{at}\":{at}")).collect();
    let pairs: Vec<String> = (1..=25).map(|at| format!("[\"bucket{at}\",1]")).collect();
    let flags = set(&format!(
        r#"{{"metadata":{{"bucketingVersion":3}},"flags":{{
            "basic":{{"state":"ENABLED","variants":{{{}}},
                "targeting":{{"fractional":[{{"var":"input"}},{}]}}}},
            "fractional-flag-shorthand":{{"state":"ENABLED","variants":{{"heads":1,"tails":2}},
                "targeting":{{"fractional":[["heads"],["tails",1]]}}}}}}}}"#,
        buckets.join(","),
        pairs.join(",")
    ));
    let wrong: Vec<String> = V3_BUCKETS
        .iter()
        .filter_map(|(input, wanted)| {
            let context = context(&format!("{{\"input\":{input}}}"));
            let got = flags.evaluate("basic", &context, NOW).variant.unwrap_or_default();
            (got != format!("bucket{wanted}")).then(|| format!("{input}: {got}, not {wanted}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), V3_BUCKETS.len());
    for (name, wanted) in [
        ("jon@company.com", "tails"),
        ("jane@company.com", "tails"),
        ("user-1", "heads"),
        ("user-2", "tails"),
        ("user-3", "heads"),
    ] {
        let evaluation = flags.evaluate("fractional-flag-shorthand", &unit(name), NOW);
        assert_eq!(evaluation.variant, Some(wanted), "{name}");
    }
    assert_eq!(flags.evaluate("basic", &Context::default(), NOW).variant, None);
}

/// Inputs, as JSON, and the bucket of 25 equal ones.
const V3_BUCKETS: [(&str, u8); 62] = [
    ("true", 5),
    ("false", 1),
    ("\"user1\"", 22),
    ("\"user2\"", 16),
    ("123", 20),
    ("456", 12),
    ("1.23", 14),
    ("4.56", 18),
    ("\"123\"", 22),
    ("\"true\"", 24),
    ("\"null\"", 8),
    ("\"1.23\"", 4),
    ("0", 8),
    ("0.0", 8),
    ("-0.0", 8),
    ("1.0", 23),
    ("1", 23),
    ("-2.0", 12),
    ("-2", 12),
    ("9007199254740992.0", 10),
    ("2147483647", 10),
    ("-2147483648", 8),
    ("23", 21),
    ("24", 11),
    ("255", 13),
    ("256", 13),
    ("65535", 4),
    ("65536", 11),
    ("-24", 4),
    ("-25", 16),
    ("1e20", 19),
    ("-1e20", 25),
    ("65504.0", 16),
    ("-65504.0", 9),
    ("0.00006103515625", 22),
    ("0.000000059604644775390625", 23),
    ("3.4028234663852886e+38", 10),
    ("-3.4028234663852886e+38", 3),
    ("1.1754943508222875e-38", 24),
    ("3.5e+38", 1),
    ("1.7976931348623157e+308", 17),
    ("-1.7976931348623157e+308", 9),
    ("2.2250738585072014e-308", 11),
    ("4.9406564584124654e-324", 2),
    (r#"{"a":1,"b":2}"#, 23),
    (r#"{"b":2,"a":1}"#, 23),
    (r#"{"c":3,"a":1,"b":2}"#, 18),
    (r#"{"aa":2,"z":1}"#, 21),
    (r#"{"b":2,"a":{"b":1}}"#, 9),
    (r#"{"a":true,"bbb":1,"c":"text","dddd":2.5}"#, 25),
    (r#"{"aaa":1,"ÿ":2}"#, 12),
    (r#"{"":2,"abc":1}"#, 25),
    (r#"{"key":-0.0}"#, 10),
    (r#"{"café":"façade","b":{"résumé":{"ÿ":true}}}"#, 22),
    ("{}", 3),
    (r#"{"a":[1,[],3],"b":null}"#, 3),
    (r#"{"a":[1,"two",true,[],null]}"#, 23),
    (r#"{"x":[{"a":{"b":null}}]}"#, 6),
    ("\"\"", 4),
    ("\"12345678901234567890123\"", 4),
    ("\"123456789012345678901234\"", 14),
    ("\"あいうえおかきく\"", 16),
];
