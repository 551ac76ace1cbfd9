//! Text in JSON, taken without a copy where it has no escapes.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// A JSON string. It points into the JSON that it was read from, unless it has escapes there.
///
/// `Cow<str>` alone would copy each string: serde borrows for it only where it is the whole type of
/// a field, and not within an `Option` or a `Vec`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Reads an RFC 3339 time: Unix microseconds, rounded down. `None` where it is none.
pub(super) fn micros(time: &str) -> Option<i64> {
    // Longer text is no time, however it goes on.
    let time = (time.len() <= 64).then_some(time)?;
    let moment: jiff::Timestamp = time.parse().ok()?;
    i64::try_from(moment.as_nanosecond().div_euclid(1_000)).ok()
}
