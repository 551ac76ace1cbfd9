//! Other ways in which code writes the key of a flag.

use serde::Deserialize;

/// A way to write a name of several words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// `newCheckout`
    Camel,
    /// `NewCheckout`
    Pascal,
    /// `new_checkout`
    Snake,
    /// `NEW_CHECKOUT`
    ScreamingSnake,
    /// `new-checkout`
    Kebab,
    /// `new.checkout`
    Dotted,
}

impl Style {
    /// A key in this style; `None` for one of a single word, which would be found everywhere.
    #[must_use]
    pub fn alias(self, key: &str) -> Option<String> {
        let words = words(key);
        if words.len() < 2 {
            return None;
        }
        let capital = |word: &String| -> String {
            let mut letters = word.chars();
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
        };
        Some(match self {
            Self::Camel => {
                words.iter().take(1).cloned().chain(words.iter().skip(1).map(capital)).collect()
            }
            Self::Pascal => words.iter().map(capital).collect(),
            Self::Snake => words.join("_"),
            Self::ScreamingSnake => words.join("_").to_uppercase(),
            Self::Kebab => words.join("-"),
            Self::Dotted => words.join("."),
        })
    }
}

/// The words of a key, in small letters: it is cut where there is neither a letter nor a digit, and
/// where a capital follows a small letter or a digit.
fn words(key: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut is_new, mut before) = (true, ' ');
    for letter in key.chars() {
        let is_hump = letter.is_uppercase() && (before.is_lowercase() || before.is_numeric());
        before = letter;
        if !letter.is_alphanumeric() {
            is_new = true;
            continue;
        }
        match words.last_mut().filter(|_| !is_new && !is_hump) {
            Some(word) => word.extend(letter.to_lowercase()),
            None => words.push(letter.to_lowercase().collect()),
        }
        is_new = false;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_in_every_style() {
        use Style::{Camel, Dotted, Kebab, Pascal, ScreamingSnake, Snake};
        let all = [Camel, Pascal, Snake, ScreamingSnake, Kebab, Dotted];
        let expected = [
            "newCheckoutV2",
            "NewCheckoutV2",
            "new_checkout_v2",
            "NEW_CHECKOUT_V2",
            "new-checkout-v2",
            "new.checkout.v2",
        ];
        for key in [
            "new-checkout-v2",
            "newCheckoutV2",
            "NEW_CHECKOUT_v2",
            "new.checkout/v2",
            "-new checkout--v2-",
        ] {
            for (style, expected) in all.into_iter().zip(expected) {
                assert_eq!(style.alias(key).as_deref(), Some(expected), "{key}");
            }
        }
        for key in ["", "--", "search", "SEARCH"] {
            assert_eq!(all.map(|style| style.alias(key)), [None, None, None, None, None, None]);
        }
        assert_eq!(Camel.alias("größe-ändern").as_deref(), Some("größeÄndern"));
    }
}
