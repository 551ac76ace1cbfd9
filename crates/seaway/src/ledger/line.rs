//! An event as a line of an export: one CloudEvents 1.0 event in JSON.
//!
//! The data of the event come back byte for byte. They stand in the line as JSON where they are
//! JSON that can stand there as it is, and in Base64 otherwise.

use super::event::{Event, Recorded};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The extension attribute that tells when the event arrived.
pub(crate) const RECEIVED_AT: &str = "seawayreceivedat";

#[derive(Serialize)]
struct Line<'a> {
    specversion: &'a str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    datacontenttype: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seawayreceivedat: Option<String>,
    #[serde(flatten)]
    extensions: &'a BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

/// Writes an event and a line end.
///
/// # Errors
/// A moment that RFC 3339 cannot tell, which no event of a log has.
pub(crate) fn write(recorded: &Recorded, out: &mut Vec<u8>) -> Result<(), String> {
    write_object(&recorded.event, Some(recorded.received_at), out)?;
    out.push(b'\n');
    Ok(())
}

/// Writes an event as one JSON object: with when it arrived (Unix microseconds), or as it would be
/// sent.
///
/// # Errors
/// As [`write()`].
pub(crate) fn write_object(
    event: &Event,
    received_at: Option<i64>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let moment = |micros| Timestamp::from_microsecond(micros).map(|it| it.to_string());
    let moment = |micros: Option<i64>| micros.map(moment).transpose();
    let data = inlined(event);
    let line = Line {
        specversion: "1.0",
        id: &event.id,
        source: &event.source,
        kind: &event.kind,
        subject: event.subject.as_deref(),
        time: moment(event.time).map_err(|error| error.to_string())?,
        datacontenttype: &event.content_type,
        seawayreceivedat: moment(received_at).map_err(|error| error.to_string())?,
        extensions: &event.extensions,
        data,
        data_base64: data.is_none().then(|| STANDARD.encode(&event.data)),
    };
    serde_json::to_writer(&mut *out, &line).map_err(|error| error.to_string())
}

/// The data, if they are JSON in name and in fact, and stay what they are when they stand in a
/// line: nothing before or after them, and no line end between.
fn inlined(event: &Event) -> Option<&RawValue> {
    let media_type = event.content_type.split(';').next()?.trim().to_ascii_lowercase();
    let is_json = matches!(media_type.as_str(), "application/json" | "text/json")
        || media_type.split_once('/').is_some_and(|(_, kind)| kind.ends_with("+json"));
    if !is_json || event.data.contains(&b'\n') || event.data.contains(&b'\r') {
        return None;
    }
    let raw: &RawValue = serde_json::from_slice(&event.data).ok()?;
    (raw.get().as_bytes() == &*event.data).then_some(raw)
}

/// Reads a line: the event, and when it arrived if the line tells it (Unix microseconds).
///
/// # Errors
/// What is wrong with it, for people.
pub(crate) fn parse(line: &[u8]) -> Result<(Event, Option<i64>), String> {
    let mut attributes: BTreeMap<String, &RawValue> =
        serde_json::from_slice(line).map_err(|error| format!("no JSON object: {error}"))?;
    let mut text = |name: &str| match attributes.remove(name) {
        None => Ok(None),
        Some(raw) => serde_json::from_str::<Option<String>>(raw.get())
            .map_err(|_| format!("{name} is not a text")),
    };
    let needed = |name: &str, value: Option<String>| value.ok_or_else(|| format!("no {name}"));
    let moment = |name: &str, value: Option<String>| {
        let parse = |it: String| it.parse::<Timestamp>().map(Timestamp::as_microsecond);
        value.map(parse).transpose().map_err(|error| format!("{name}: {error}"))
    };
    if text("specversion")?.as_deref() != Some("1.0") {
        return Err("specversion is not 1.0".to_owned());
    }
    let received_at = moment(RECEIVED_AT, text(RECEIVED_AT)?)?;
    let mut event = Event {
        source: needed("source", text("source")?)?,
        id: needed("id", text("id")?)?,
        kind: needed("type", text("type")?)?,
        subject: text("subject")?,
        time: moment("time", text("time")?)?,
        content_type: text("datacontenttype")?.unwrap_or_default(),
        extensions: BTreeMap::new(),
        data: bytes::Bytes::new(),
    };
    let base64 = text("data_base64")?;
    event.data = match (attributes.remove("data"), base64) {
        (Some(_), Some(_)) => return Err("both data and data_base64".to_owned()),
        (Some(raw), None) => raw.get().as_bytes().to_vec().into(),
        (None, base64) => {
            let decoded = STANDARD.decode(base64.unwrap_or_default());
            decoded.map_err(|error| format!("data_base64: {error}"))?.into()
        }
    };
    for (name, raw) in attributes {
        let value = serde_json::from_str(raw.get()).map_err(|error| format!("{name}: {error}"))?;
        event.extensions.insert(name, value);
    }
    Ok((event, received_at))
}
