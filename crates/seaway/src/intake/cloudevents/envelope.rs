//! The envelope of a CloudEvent in JSON, read without copies.

use super::{
    ATTRIBUTE_CHARS_MAX, BATCH_MAX, EXTENSION_CHARS_MAX, EXTENSIONS_MAX, JSON, NAME_CHARS_MAX,
    REFERENCE_CHARS_MAX, bounded, moment, name,
};
use crate::intake::text::Text;
use crate::ledger::Event;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// The members of a CloudEvent, as they stand in JSON. A member that is `null` is not there, but
/// for `data`.
#[derive(Default)]
pub(super) struct Envelope<'a> {
    specversion: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    source: Option<&'a RawValue>,
    kind: Option<&'a RawValue>,
    subject: Option<&'a RawValue>,
    time: Option<&'a RawValue>,
    datacontenttype: Option<&'a RawValue>,
    others: Vec<(Text<'a>, &'a RawValue)>,
    pub(super) data: Option<&'a RawValue>,
    pub(super) data_base64: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// The event without its data.
    pub(super) fn event(&self) -> Result<Event, String> {
        let text = |name, json: Option<&'a RawValue>| json.map(|it| Text::of(name, it)).transpose();
        match text("specversion", self.specversion)? {
            Some(version) if version.as_str() == "1.0" => {}
            Some(_) => return Err("specversion is not 1.0".to_owned()),
            None => return Err("specversion is missing".to_owned()),
        }
        let mut extensions = BTreeMap::new();
        for (name, json) in &self.others {
            extensions.insert(name.as_str().to_owned(), extension(name.as_str(), json)?);
        }
        let optional = |name, json, chars_max| {
            text(name, json)?.map(|text| bounded(name, text.0, chars_max)).transpose()
        };
        let time = text("time", self.time)?;
        let content_type = optional("datacontenttype", self.datacontenttype, NAME_CHARS_MAX)?;
        Ok(Event {
            source: name("source", text("source", self.source)?, REFERENCE_CHARS_MAX)?,
            id: name("id", text("id", self.id)?, NAME_CHARS_MAX)?,
            kind: name("type", text("type", self.kind)?, NAME_CHARS_MAX)?,
            subject: optional("subject", self.subject, REFERENCE_CHARS_MAX)?,
            time: time.map(|time| moment("time", time.as_str())).transpose()?,
            content_type: content_type.unwrap_or_else(|| JSON.to_owned()),
            extensions,
            data: Bytes::new(),
        })
    }

    /// Where the member of this name belongs; `None` for extensions.
    fn place(&mut self, name: &str) -> Option<&mut Option<&'a RawValue>> {
        Some(match name {
            "specversion" => &mut self.specversion,
            "id" => &mut self.id,
            "source" => &mut self.source,
            "type" => &mut self.kind,
            "subject" => &mut self.subject,
            "time" => &mut self.time,
            "datacontenttype" => &mut self.datacontenttype,
            "data" => &mut self.data,
            "data_base64" => &mut self.data_base64,
            _ => return None,
        })
    }
}

/// The value of an extension: the type system of CloudEvents has text, whole numbers and truth.
fn extension(name: &str, json: &RawValue) -> Result<Value, String> {
    let wrong = || format!("{name} is neither text nor a whole number, true or false");
    if json.get().starts_with(['[', '{']) {
        return Err(wrong());
    }
    let chars_max = match name {
        "dataschema" => REFERENCE_CHARS_MAX,
        _ => EXTENSION_CHARS_MAX,
    };
    match serde_json::from_str(json.get()).map_err(|_| wrong())? {
        // Extensions may be empty, other than the attributes of the specification.
        Value::String(text) if text.is_empty() => Ok(Value::String(text)),
        Value::String(text) => bounded(name, text.into(), chars_max).map(Value::String),
        value @ (Value::Bool(_) | Value::Number(_)) if !value.is_f64() => Ok(value),
        _ => Err(wrong()),
    }
}

/// Whether the specification allows this name of an attribute: `a` to `z` and digits, but not
/// `data`, which is where the data stand in JSON.
pub(super) fn is_attribute(name: &str) -> bool {
    (1..=ATTRIBUTE_CHARS_MAX).contains(&name.len())
        && name != "data"
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a CloudEvent is a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
        let mut envelope = Envelope::default();
        while let Some(name) = map.next_key::<Text<'de>>()? {
            let value: &RawValue = map.next_value()?;
            let twice = || de::Error::custom(format_args!("{} is told twice", name.as_str()));
            if let Some(place) = envelope.place(name.as_str()) {
                if place.is_some() {
                    return Err(twice());
                }
                let is_set = value.get() != "null" || name.as_str() == "data";
                *place = is_set.then_some(value);
            } else if !is_attribute(name.as_str()) {
                let said = "names of attributes have lower-case letters and digits only, unlike ";
                return Err(de::Error::custom(format_args!("{said}{}", name.as_str())));
            } else if value.get() != "null" {
                if envelope.others.iter().any(|(other, _)| *other == name) {
                    return Err(twice());
                }
                if envelope.others.len() == EXTENSIONS_MAX {
                    let said = format_args!("it has more than {EXTENSIONS_MAX} extensions");
                    return Err(de::Error::custom(said));
                }
                envelope.others.push((name, value));
            }
        }
        Ok(envelope)
    }
}

/// The items of a batch as they stand in JSON; `None` if there are more than [`BATCH_MAX`].
pub(super) struct Items<'a>(pub(super) Option<Vec<&'a RawValue>>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ItemsVisitor)
    }
}

struct ItemsVisitor;

impl<'de> Visitor<'de> for ItemsVisitor {
    type Value = Items<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<&RawValue>()? {
            items.push(item);
            if items.len() > BATCH_MAX {
                // The rest is read, as serde wants it, and not kept.
                while seq.next_element::<de::IgnoredAny>()?.is_some() {}
                return Ok(Items(None));
            }
        }
        Ok(Items(Some(items)))
    }
}

/// What a CDEvent says of itself.
#[derive(Deserialize)]
pub(super) struct Bare<'a> {
    #[serde(borrow)]
    pub(super) context: BareContext<'a>,
    /// It has to be there: without it, this is something else.
    #[serde(borrow, rename = "subject")]
    _subject: &'a RawValue,
}

#[derive(Deserialize)]
pub(super) struct BareContext<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) source: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) timestamp: Option<Text<'a>>,
}
