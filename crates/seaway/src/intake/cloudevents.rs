//! CloudEvents 1.0 as they come over HTTP: structured, binary and in batches; and CDEvents that are
//! sent as they are, without the envelope of a CloudEvent.
//!
//! See the JSON event format and the HTTP protocol binding at <https://github.com/cloudevents/spec>.
//! The data are kept as they came, byte by byte; only the envelope is read here.

use super::text::{Text, micros};
use crate::ledger::Event;
use base64::Engine;
use bytes::Bytes;
use serde_json::value::RawValue;
use std::borrow::Cow;

mod binary;
mod envelope;

use envelope::Envelope;

/// Events in one batch.
pub(crate) const BATCH_MAX: usize = 10_000;
/// Characters of an `id` and of a `type`.
pub(crate) const NAME_CHARS_MAX: usize = 256;
/// Characters of `source`, `subject` and `dataschema`.
pub(crate) const REFERENCE_CHARS_MAX: usize = 1_024;
/// Characters of an extension attribute.
pub(crate) const EXTENSION_CHARS_MAX: usize = 4_096;
/// Extension attributes of one event.
pub(crate) const EXTENSIONS_MAX: usize = 64;
/// Characters of the name of an attribute.
const ATTRIBUTE_CHARS_MAX: usize = 64;
/// Levels of arrays and objects in the data of one event, to which a JSON envelope adds one. Readers
/// of JSON commonly stop at 128.
pub(crate) const DEPTH_MAX: usize = 100;

const JSON: &str = "application/json";
const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

/// An event of a batch that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Its place in the batch, from 0.
    pub(crate) index: usize,
    /// Why, for people.
    pub(crate) reason: String,
}

/// Why a whole request cannot be taken, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// It is not in a form that is understood here (HTTP 415).
    #[error("{0}")]
    Form(String),
    /// It is not what its form says (HTTP 400).
    #[error("{0}")]
    Malformed(String),
    /// It has more events than are taken at once (HTTP 413).
    #[error("a batch has at most {BATCH_MAX} events")]
    TooMany,
}

/// What a request brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Received {
    /// One event.
    One(Event),
    /// A batch, in its order.
    Batch(Vec<Result<Event, Problem>>),
}

/// The events of one HTTP request: its content type, its headers (names in any case), its body.
///
/// # Errors
///
/// A [`Refusal`] of the whole request: its form is unknown, a single event is not well-formed, or
/// a batch is no JSON array. A bad event within a batch is reported in its place.
pub(crate) fn receive<'a>(
    content_type: Option<&str>,
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    body: &Bytes,
) -> Result<Received, Refusal> {
    let media_type = content_type.map(media_type).unwrap_or_default();
    match media_type.as_str() {
        STRUCTURED => structured(body).map(Received::One).map_err(Refusal::Malformed),
        BATCH => batch(body).map(Received::Batch),
        _ if media_type.starts_with("application/cloudevents") => Err(Refusal::Form(format!(
            "{} is not taken here: send {STRUCTURED} or {BATCH}",
            crate::pages::words::clean(&media_type, 80)
        ))),
        _ => {
            let attributes = binary::attributes(headers).map_err(Refusal::Malformed)?;
            if attributes.is_empty() {
                return alone(&media_type, body);
            }
            let event = binary::event(attributes, content_type, body);
            event.map(Received::One).map_err(Refusal::Malformed)
        }
    }
}

/// A request that is no CloudEvent: a CDEvent as it is, or nothing that is known here.
fn alone(media_type: &str, body: &Bytes) -> Result<Received, Refusal> {
    if media_type != JSON {
        return Err(Refusal::Form(format!(
            "this is no CloudEvent: send {STRUCTURED}, {BATCH}, or headers that begin with ce-"
        )));
    }
    bare_cdevent(body).map(Received::One).map_err(Refusal::Malformed)
}

/// The event that a JSON object tells by the JSON event format.
///
/// # Errors
///
/// Why it is none, for people.
pub(crate) fn structured(body: &Bytes) -> Result<Event, String> {
    let json: &RawValue = serde_json::from_str(utf8(body)?).map_err(no_json)?;
    item(json, body)
}

/// The events of a JSON array.
fn batch(body: &Bytes) -> Result<Vec<Result<Event, Problem>>, Refusal> {
    let text = utf8(body).map_err(Refusal::Malformed)?;
    let items: envelope::Items<'_> =
        serde_json::from_str(text).map_err(|error| match error.is_data() {
            true => Refusal::Malformed("a batch is a JSON array of events".to_owned()),
            false => Refusal::Malformed(no_json(error)),
        })?;
    let items = items.0.ok_or(Refusal::TooMany)?;
    let read = |(index, json): (usize, &RawValue)| {
        item(json, body).map_err(|reason| Problem { index, reason })
    };
    Ok(items.into_iter().enumerate().map(read).collect())
}

/// A CDEvent that came without the envelope of a CloudEvent: what the envelope would say stands in
/// its context.
fn bare_cdevent(body: &Bytes) -> Result<Event, String> {
    let text = utf8(body)?;
    let json: &RawValue = serde_json::from_str(text).map_err(no_json)?;
    check_depth(json.get(), DEPTH_MAX)?;
    let bare: envelope::Bare<'_> = serde_json::from_str(text).map_err(|_| {
        "this is neither a CloudEvent nor a CDEvent with its context and subject".to_owned()
    })?;
    let context = bare.context;
    Ok(Event {
        source: name("context.source", context.source, REFERENCE_CHARS_MAX)?,
        id: name("context.id", context.id, NAME_CHARS_MAX)?,
        kind: name("context.type", context.kind, NAME_CHARS_MAX)?,
        subject: None,
        time: context
            .timestamp
            .map(|time| moment("context.timestamp", time.as_str()))
            .transpose()?,
        content_type: JSON.to_owned(),
        extensions: Default::default(),
        data: body.slice_ref(json.get().as_bytes()),
    })
}

/// The event that stands in `body` as `json`.
fn item(json: &RawValue, body: &Bytes) -> Result<Event, String> {
    check_depth(json.get(), DEPTH_MAX + 1)?;
    let envelope: Envelope<'_> = serde_json::from_str(json.get()).map_err(|error| {
        // Without the place that serde adds: it counts from the start of the item.
        let said = error.to_string();
        let end = said.rfind(" at line ").unwrap_or(said.len());
        crate::pages::words::clean(&said[..end], 200)
    })?;
    let mut event = envelope.event()?;
    event.data = match (envelope.data, envelope.data_base64) {
        (Some(_), Some(_)) => return Err("it has data and data_base64: only one may be".to_owned()),
        (None, None) => Bytes::new(),
        (None, Some(text)) => {
            let text = Text::of("data_base64", text)?;
            let data = base64::engine::general_purpose::STANDARD.decode(text.as_str());
            Bytes::from(data.map_err(|_| "data_base64 is not base64".to_owned())?)
        }
        (Some(json), None) if is_json(&event.content_type) => body.slice_ref(json.get().as_bytes()),
        (Some(json), None) => {
            let text = Text::of("data", json).map_err(|_| {
                "data has to be text, as datacontenttype says that it is no JSON".to_owned()
            })?;
            Bytes::from(text.0.into_owned())
        }
    };
    Ok(event)
}

impl<'a> Text<'a> {
    /// The text of one attribute.
    fn of(name: &str, json: &'a RawValue) -> Result<Self, String> {
        serde_json::from_str(json.get()).map_err(|_| format!("{name} is not text"))
    }
}

/// An attribute that has to be there.
fn name(name: &str, text: Option<Text<'_>>, chars_max: usize) -> Result<String, String> {
    let text = text.ok_or_else(|| format!("{name} is missing"))?;
    bounded(name, text.0, chars_max)
}

/// Checks what the specification asks of every attribute: it is not empty, not too long, and has no
/// control characters (which databases and terminals would trip over).
fn bounded(name: &str, text: Cow<'_, str>, chars_max: usize) -> Result<String, String> {
    if text.is_empty() {
        return Err(format!("{name} is empty"));
    }
    if text.len() > chars_max && text.chars().nth(chars_max).is_some() {
        return Err(format!("{name} is longer than {chars_max} characters"));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{name} has control characters"));
    }
    Ok(text.into_owned())
}

/// Unix microseconds.
fn moment(name: &str, text: &str) -> Result<i64, String> {
    micros(text).ok_or_else(|| format!("{name} is not a time as RFC 3339 has it"))
}

/// The type and subtype alone, in lower case.
fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether data of this content type are JSON: `*/json` or `*/*+json`.
fn is_json(content_type: &str) -> bool {
    let media_type = media_type(content_type);
    media_type.split_once('/').is_some_and(|(_, kind)| kind == "json" || kind.ends_with("+json"))
}

fn utf8(body: &Bytes) -> Result<&str, String> {
    std::str::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())
}

fn no_json(error: serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    format!("it is not JSON from line {line}, column {column} on")
}

/// Refuses JSON of too many levels. serde_json skips over raw values without recursion, so they
/// come this far however deep they are; what reads them later recurses.
fn check_depth(json: &str, levels_max: usize) -> Result<(), String> {
    // Most events have fewer brackets than levels are allowed, which is told at once.
    if json.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count() <= levels_max {
        return Ok(());
    }
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for &byte in json.as_bytes() {
        if is_text {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => is_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => is_text = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > levels_max {
            return Err(format!("it has more than {DEPTH_MAX} levels"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
