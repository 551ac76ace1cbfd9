//! Where texts mention the keys of flags.
//!
//! A key is mentioned where it stands by itself: not as a part of a longer name. Code often writes
//! a key another way (`new-checkout` as `newCheckout`): such aliases are made by [`Style`]s.

mod style;

pub use style::Style;

use aho_corasick::{AhoCorasick, BuildError, MatchKind};
use std::collections::HashMap;

/// The keys of flags, ready to be looked for in many texts.
#[derive(Debug, Clone)]
pub struct Keys {
    automaton: AhoCorasick,
    /// The keys that each pattern stands for, by their numbers.
    stands_for: Vec<Vec<u32>>,
    /// Whether a dot, a slash or a colon beside each pattern makes it a part of a longer name.
    joined_by: Vec<Joints>,
}

/// A key that a text mentions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mention {
    /// Where it begins, in bytes.
    pub start: usize,
    /// Where it ends, in bytes.
    pub end: usize,
    /// Which key, by its number.
    pub key: u32,
}

/// Which characters join a key to a longer name: `checkout.new` is not mentioned by
/// `checkout.new.v2`, while `newCheckout` is by `flags.newCheckout`.
#[derive(Debug, Clone, Copy)]
struct Joints {
    dot: bool,
    slash: bool,
    colon: bool,
}

impl Joints {
    fn of(pattern: &str) -> Self {
        let has = |sign| pattern.contains(sign);
        Self { dot: has('.'), slash: has('/'), colon: has(':') }
    }

    fn has(self, sign: u8) -> bool {
        match sign {
            b'-' => true,
            b'.' => self.dot,
            b'/' => self.slash,
            b':' => self.colon,
            _ => false,
        }
    }
}

impl Keys {
    /// Looks for keys, which are numbered in their order, and for their aliases in some styles. An
    /// empty key is mentioned nowhere.
    ///
    /// # Errors
    /// They are too many or too long to be looked for at once.
    pub fn new<'k>(
        keys: impl IntoIterator<Item = &'k str>,
        styles: &[Style],
    ) -> Result<Self, BuildError> {
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let (mut patterns, mut stands_for): (Vec<String>, Vec<Vec<u32>>) = Default::default();
        for (number, key) in (0..).zip(keys) {
            let aliases = styles.iter().filter_map(|style| style.alias(key));
            for pattern in std::iter::once(key.to_owned()).chain(aliases) {
                if pattern.is_empty() {
                    continue;
                }
                let at = *numbers.entry(pattern).or_insert_with_key(|pattern| {
                    patterns.push(pattern.clone());
                    stands_for.push(Vec::new());
                    patterns.len() - 1
                });
                if let Some(keys) = stands_for.get_mut(at).filter(|it| it.last() != Some(&number)) {
                    keys.push(number);
                }
            }
        }
        let automaton = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&patterns)?;
        let joined_by = patterns.iter().map(|it| Joints::of(it)).collect();
        Ok(Self { automaton, stands_for, joined_by })
    }

    /// The mentions in a text, by where they end; longer and shorter ones may overlap.
    pub fn find<'t>(&'t self, text: &'t [u8]) -> impl Iterator<Item = Mention> + 't {
        self.automaton.find_overlapping_iter(text).flat_map(move |found| {
            let pattern = found.pattern().as_usize();
            let joints = self.joined_by.get(pattern).copied();
            let stands_alone = joints.is_some_and(|joints| {
                let (before, after) = (text.get(..found.start()), text.get(found.end()..));
                !ends_in_name(before.unwrap_or_default(), joints)
                    && !begins_in_name(after.unwrap_or_default(), joints)
            });
            let keys = self.stands_for.get(pattern).filter(|_| stands_alone);
            let mention = move |&key| Mention { start: found.start(), end: found.end(), key };
            keys.into_iter().flatten().map(mention)
        })
    }
}

/// Whether a byte is one of a name: letters, digits, the underscore, and whatever is not ASCII.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// Whether what stands before a key makes it the end of a longer name.
fn ends_in_name(before: &[u8], joints: Joints) -> bool {
    match before {
        [.., joint, sign] if joints.has(*sign) => is_of_name(*joint),
        [.., byte] => is_of_name(*byte),
        [] => false,
    }
}

/// Whether what stands after a key makes it the beginning of a longer name.
fn begins_in_name(after: &[u8], joints: Joints) -> bool {
    match after {
        [sign, joint, ..] if joints.has(*sign) => is_of_name(*joint),
        [byte, ..] => is_of_name(*byte),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys_in(text: &str, keys: &[&str], styles: &[Style]) -> Vec<u32> {
        let all = Keys::new(keys.iter().copied(), styles).unwrap();
        all.find(text.as_bytes()).map(|it| it.key).collect()
    }

    #[test]
    fn a_key_is_mentioned_where_it_stands_alone() {
        let is_in = |text: &str, key: &str| !keys_in(text, &[key], &[]).is_empty();
        for text in [
            "new-checkout",
            "if (flag(\"new-checkout\")) {",
            "'new-checkout'",
            "new-checkout, others",
            "see new-checkout.",
            "flags.new-checkout",
            "a/new-checkout/b",
            "- new-checkout",
            "x - new-checkout - y",
            "(new-checkout)",
            "new-checkout-",
        ] {
            assert!(is_in(text, "new-checkout"), "{text}");
        }
        for text in [
            "new-checkout-v2",
            "a-new-checkout",
            "new-checkouts",
            "renew-checkout",
            "_new-checkout",
            "new-checkout_2",
            "new-checkoutß",
            "ñew-checkout",
            "NEW-CHECKOUT",
            "new_checkout",
            "",
        ] {
            assert!(!is_in(text, "new-checkout"), "{text}");
        }
        assert!(is_in("checkout.new", "checkout.new"));
        assert!(is_in("use checkout.new.", "checkout.new"));
        assert!(!is_in("checkout.new.v2", "checkout.new"));
        assert!(!is_in("shop.checkout.new", "checkout.new"));
        assert!(is_in("flags.search.enabled", "search"));
        assert!(!is_in("team/checkout/new", "team/checkout"));
        assert!(is_in("größe", "größe"));
    }

    #[test]
    fn aliases_are_mentions_of_their_key() {
        let styles = [Style::Camel, Style::Pascal, Style::Snake, Style::ScreamingSnake];
        let keys = ["new-checkout", "search", "new.checkout"];
        // Both keys are written alike; a key of one word has no alias.
        assert_eq!(keys_in("newCheckout", &keys, &styles), [0, 2]);
        assert_eq!(keys_in("NEW_CHECKOUT", &keys, &styles), [0, 2]);
        assert_eq!(keys_in("NewCheckout", &keys, &styles), [0, 2]);
        assert_eq!(keys_in("Search SEARCH", &keys, &styles), [0; 0]);
        assert_eq!(keys_in("search", &keys, &styles), [1]);
        assert_eq!(keys_in("newCheckoutFlow", &keys, &styles), [0; 0]);
    }

    #[test]
    fn keys_within_keys_are_each_their_own() {
        let keys = ["a.b", "a.b.c", "b"];
        assert_eq!(keys_in("a.b.c", &keys, &[]), [2, 1]);
        assert_eq!(keys_in("a.b", &keys, &[]), [0, 2]);
        assert_eq!(keys_in("", &["", "x"], &[]), [0; 0]);
        assert_eq!(keys_in("anything", &[], &[]), [0; 0]);
    }

    /// A character at a time, from every place of the text.
    fn naive(text: &str, keys: &[String]) -> Vec<Mention> {
        let mut found = Vec::new();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
        for (start, _) in text.char_indices() {
            for (number, key) in keys.iter().enumerate() {
                if key.is_empty() || !text[start..].starts_with(key.as_str()) {
                    continue;
                }
                let joins = |c: char| c == '-' || (".:/".contains(c) && key.contains(c));
                let is_longer = |mut beside: Box<dyn Iterator<Item = char>>| match beside.next() {
                    Some(sign) if joins(sign) => beside.next().is_some_and(is_name),
                    Some(letter) => is_name(letter),
                    None => false,
                };
                let end = start + key.len();
                let before: Vec<char> = text[..start].chars().rev().collect();
                let after: Vec<char> = text[end..].chars().collect();
                let is_part = is_longer(Box::new(before.into_iter()))
                    || is_longer(Box::new(after.into_iter()));
                if !is_part {
                    found.push(Mention { start, end, key: u32::try_from(number).unwrap() });
                }
            }
        }
        found.sort();
        found
    }

    proptest! {
        #[test]
        fn the_same_as_looking_everywhere(
            text in "[ab.:/é -]{0,40}",
            keys in proptest::collection::vec("[ab.:/é-]{0,4}", 0..6),
        ) {
            let all = Keys::new(keys.iter().map(String::as_str), &[]).unwrap();
            let mut found: Vec<Mention> = all.find(text.as_bytes()).collect();
            found.sort();
            prop_assert_eq!(found, naive(&text, &keys));
        }
    }
}
