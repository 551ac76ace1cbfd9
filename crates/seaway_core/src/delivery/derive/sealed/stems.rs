//! Sets of names, each kept in eight bytes. They may say yes for a name that is not in them, which
//! costs a computation of the whole, and never no for one that is.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The digits of a hash that are kept.
const DIGITS: usize = 16;
/// The fewest digits by which a commit is found.
const PREFIX_MIN: usize = 7;

/// Hashes of commits, whole or shortened, by their first sixteen digits.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Stems {
    /// Sorted.
    stems: Vec<u64>,
    /// A bit for each length, below sixteen, that one of them has.
    lengths: u16,
}

impl Stems {
    pub(super) fn extend<'a>(&mut self, hashes: impl Iterator<Item = &'a str>) {
        for hash in hashes {
            if hash.len() < DIGITS {
                self.lengths |= 1 << hash.len();
            }
            self.stems.push(stem(hash));
        }
        self.stems.sort();
        self.stems.dedup();
        self.stems.shrink_to_fit();
    }

    /// Whether a hash may be one of them, or the short form of one, or the other way round.
    pub(super) fn may_name(&self, hash: &str) -> bool {
        let (stem, length) = (stem(hash), hash.len().min(DIGITS));
        let has = |stem: u64| self.stems.binary_search(&stem).is_ok();
        if length < PREFIX_MIN {
            return has(stem);
        }
        let last = stem | !kept(length);
        let at = self.stems.partition_point(|&one| one < stem);
        let is_shorter = |length: &usize| self.lengths >> length & 1 == 1;
        self.stems.get(at).is_some_and(|&one| one <= last)
            || (PREFIX_MIN..length).filter(is_shorter).any(|length| has(stem & kept(length)))
    }

    pub(super) fn bytes(&self) -> usize {
        8 * self.stems.len()
    }
}

/// The bits of so many digits.
fn kept(digits: usize) -> u64 {
    match digits {
        0 => 0,
        _ => u64::MAX << (4 * (DIGITS - digits.min(DIGITS))),
    }
}

/// The first digits, one in four bits. What is no digit is taken for one.
fn stem(hash: &str) -> u64 {
    let digit = |byte: u8| match byte {
        b'a'..=b'f' | b'A'..=b'F' => (byte & 15) + 9,
        _ => byte & 15,
    };
    let digits = hash.bytes().map(digit).chain(std::iter::repeat(0)).take(DIGITS);
    digits.fold(0, |stem, digit| stem << 4 | u64::from(digit))
}

/// Names of any kind, each with a word that says what it names.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Keys(Vec<u64>);

impl Keys {
    pub(super) fn extend(&mut self, names: impl Iterator<Item = (&'static str, String)>) {
        self.0.extend(names.map(|(word, name)| fingerprint(word, &name)));
        self.0.sort();
        self.0.dedup();
        self.0.shrink_to_fit();
    }

    pub(super) fn may_have(&self, word: &'static str, name: &str) -> bool {
        self.0.binary_search(&fingerprint(word, name)).is_ok()
    }

    pub(super) fn bytes(&self) -> usize {
        8 * self.0.len()
    }
}

fn fingerprint(word: &str, name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (word, name).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_met_by_what_it_may_be_short_for() {
        let long = "0123456789abcdef0123456789abcdef01234567";
        let mut stems = Stems::default();
        stems.extend([long, "fedcba9", "abc"].into_iter());
        for met in [long, &long[..39], &long[..7], "FEDCBA9", "fedcba98", "abc"] {
            assert!(stems.may_name(met), "{met}");
        }
        let digits = "fedcba8000000000000000000000000000000000";
        for other in ["", "0123457", "012345", "fedcba8", digits, "ab", "abcd012"] {
            assert!(!stems.may_name(other), "{other}");
        }
        assert!(!Stems::default().may_name(""));
    }
}
