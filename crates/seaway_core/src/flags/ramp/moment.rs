//! Moments in what is kept of a ramp: RFC 3339 in UTC.

use crate::time::Time;
use serde::{Deserialize, Deserializer, Serializer, de, ser};

pub(super) fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    match time.rfc3339() {
        Some(text) => serializer.serialize_str(&text),
        None => Err(ser::Error::custom("the moment is outside the years 0 to 9999")),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    let text = String::deserialize(deserializer)?;
    let moment: jiff::Timestamp = text.parse().map_err(de::Error::custom)?;
    Ok(Time(moment.as_second()))
}
