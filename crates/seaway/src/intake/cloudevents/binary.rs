//! CloudEvents in binary mode: attributes in headers that begin with `ce-`, data in the body.

use super::envelope::is_attribute;
use super::{
    EXTENSION_CHARS_MAX, EXTENSIONS_MAX, JSON, NAME_CHARS_MAX, REFERENCE_CHARS_MAX, bounded,
    is_json, moment,
};
use crate::ledger::Event;
use bytes::Bytes;
use percent_encoding::percent_decode;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Attributes by name, decoded.
pub(super) type Attributes = BTreeMap<String, String>;

/// What the data are taken for if there is no `Content-Type` (RFC 9110, section 8.3).
const UNKNOWN: &str = "application/octet-stream";

/// The attributes that headers tell.
pub(super) fn attributes<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<Attributes, String> {
    let mut attributes = Attributes::new();
    for (header, value) in headers {
        let header = header.to_ascii_lowercase();
        let Some(name) = header.strip_prefix("ce-") else { continue };
        if !is_attribute(name) {
            let name = crate::pages::words::clean(name, 80);
            return Err(format!("ce-{name}: names of attributes have letters and digits only"));
        }
        if attributes.insert(name.to_owned(), decode(name, value)?).is_some() {
            return Err(format!("{name} is told twice"));
        }
        if attributes.len() > EXTENSIONS_MAX + 8 {
            return Err(format!("it has more than {EXTENSIONS_MAX} extensions"));
        }
    }
    Ok(attributes)
}

/// Takes double quotes away as RFC 9110 has them, then decodes percent signs, once.
fn decode(name: &str, value: &[u8]) -> Result<String, String> {
    let value = unquote(value.trim_ascii());
    let decoded = percent_decode(&value).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| format!("{name} is not UTF-8"))
}

fn unquote(value: &[u8]) -> Cow<'_, [u8]> {
    let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    let Some(inner) = inner else { return Cow::Borrowed(value) };
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        plain.push(if byte == b'\\' { bytes.next().unwrap_or(byte) } else { byte });
    }
    Cow::Owned(plain)
}

/// The event of these attributes and this body.
pub(super) fn event(
    mut attributes: Attributes,
    content_type: Option<&str>,
    body: &Bytes,
) -> Result<Event, String> {
    match attributes.remove("specversion").as_deref() {
        Some("1.0") => {}
        Some(_) => return Err("specversion is not 1.0".to_owned()),
        None => return Err("specversion is missing".to_owned()),
    }
    if attributes.contains_key("datacontenttype") {
        return Err("ce-datacontenttype is not allowed: Content-Type says it".to_owned());
    }
    let mut optional = |name: &str, chars_max| {
        attributes.remove(name).map(|text| bounded(name, text.into(), chars_max)).transpose()
    };
    let missing = |name: &str| format!("{name} is missing");
    let source = optional("source", REFERENCE_CHARS_MAX)?.ok_or_else(|| missing("source"))?;
    let id = optional("id", NAME_CHARS_MAX)?.ok_or_else(|| missing("id"))?;
    let kind = optional("type", NAME_CHARS_MAX)?.ok_or_else(|| missing("type"))?;
    let subject = optional("subject", REFERENCE_CHARS_MAX)?;
    let time = attributes.remove("time").map(|time| moment("time", &time)).transpose()?;
    let mut extensions = BTreeMap::new();
    for (name, text) in attributes {
        // Headers tell no types: every extension is text here.
        let text = match text.is_empty() {
            true => text,
            false => bounded(&name, text.into(), EXTENSION_CHARS_MAX)?,
        };
        extensions.insert(name, Value::String(text));
    }
    if extensions.len() > EXTENSIONS_MAX {
        return Err(format!("it has more than {EXTENSIONS_MAX} extensions"));
    }
    let content_type = match content_type {
        Some(told) => bounded("Content-Type", told.trim().into(), NAME_CHARS_MAX)?,
        None if body.is_empty() => JSON.to_owned(),
        None => UNKNOWN.to_owned(),
    };
    if is_json(&content_type) && !body.is_empty() {
        let json: &RawValue = serde_json::from_str(super::utf8(body)?).map_err(super::no_json)?;
        super::check_depth(json.get(), super::DEPTH_MAX)?;
    }
    Ok(Event { source, id, kind, subject, time, content_type, extensions, data: body.clone() })
}
