//! The text of a definition, changed here and there and left alone elsewhere.

use seaway_core::flags::{Flag, Json};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The member of a flag's metadata that names the variant that everybody gets when it is off.
const OFF_VARIANT: &str = "offVariant";

/// The members of a JSON object in their order, their values as they were written.
#[derive(Debug)]
pub(super) struct Object<'t>(Vec<(String, &'t str)>);

impl<'t> Object<'t> {
    /// Reads an object. Names that occur twice are kept twice.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn of(text: &'t str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The value of a member.
    pub(super) fn get(&self, name: &str) -> Option<&'t str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| *value)
    }

    /// The members.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &'t str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// Sets a member to some JSON, at its place or as the last one.
    pub(super) fn set(&mut self, name: &str, value: &'t str) {
        match self.0.iter_mut().find(|(other, _)| other == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Takes a member away.
    fn remove(&mut self, name: &str) {
        self.0.retain(|(other, _)| other != name);
    }

    /// The text of the object.
    pub(super) fn text(&self) -> String {
        let mut text = String::from("{");
        for (at, (name, value)) in self.0.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            text.push_str(&quoted(name));
            text.push(':');
            text.push_str(value);
        }
        text.push('}');
        text
    }
}

/// A text as JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl<'de: 't, 't> Deserialize<'de> for Object<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    members.push((name, value.get()));
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// The definition of a flag that is off: everybody gets the variant that stands for off, and where
/// none does, the flag is disabled, so that the code's own default stands.
pub(super) fn off(source: &str, flag: &Flag) -> Result<String, serde_json::Error> {
    let variant = off_variant(flag).map(quoted);
    let mut object = Object::of(source)?;
    match &variant {
        Some(variant) => {
            object.remove("targeting");
            object.set("state", "\"ENABLED\"");
            object.set("defaultVariant", variant);
        }
        None => object.set("state", "\"DISABLED\""),
    }
    Ok(object.text())
}

/// The variant that stands for off: the one that the metadata name; else that of a truth value which
/// is false, if there is one such; else the one of this name.
pub(super) fn off_variant(flag: &Flag) -> Option<&str> {
    let variants = flag.variants();
    let named = flag.metadata().iter().find(|(name, _)| name == OFF_VARIANT);
    let named = named.and_then(|(_, name)| name.as_str());
    let known = |wanted: &str| variants.iter().map(|(name, _)| name).find(|name| *name == wanted);
    if let Some(variant) = named.and_then(known) {
        return Some(variant);
    }
    let mut all = variants.iter().filter(|(_, value)| **value == Json::Bool(false));
    match (all.next(), all.next()) {
        (Some((name, _)), None) => Some(name),
        _ => known("off"),
    }
}

/// The definition with its state enabled; `None` if it is enabled already.
pub(super) fn enabled(source: &str) -> Result<Option<String>, serde_json::Error> {
    let mut object = Object::of(source)?;
    let is_disabled = object.get("state").is_some_and(|state| state == "\"DISABLED\"");
    if is_disabled {
        object.set("state", "\"ENABLED\"");
    }
    Ok(is_disabled.then(|| object.text()))
}

/// The definition with its state disabled.
pub(super) fn disabled(source: &str) -> Result<String, serde_json::Error> {
    let mut object = Object::of(source)?;
    object.set("state", "\"DISABLED\"");
    Ok(object.text())
}

/// A definition that names its key, as those in a list do; `None` if it does so already, or is none.
pub(super) fn with_key(key: &str, source: &str) -> Option<String> {
    let mut object = Object::of(source).ok()?;
    let quoted = quoted(key);
    object.get("key").is_none().then(|| {
        object.set("key", &quoted);
        object.text()
    })
}

/// A definition with the targeting and the default variant of another one, if it has those that are
/// served; `None` if it has its own.
pub(super) fn with_targeting_of(
    other: &str,
    served: &str,
    source: &str,
) -> Result<Option<String>, serde_json::Error> {
    const RULES: [&str; 2] = ["targeting", "defaultVariant"];
    let (other, served) = (Object::of(other)?, Object::of(served)?);
    let mut object = Object::of(source)?;
    let value = |object: &Object<'_>, name: &str| -> Option<Json> {
        object.get(name).and_then(|text| Json::parse(text).ok())
    };
    if RULES.iter().any(|name| value(&object, name) != value(&served, name)) {
        return Ok(None);
    }
    for name in RULES {
        match other.get(name) {
            Some(value) => object.set(name, value),
            None => object.remove(name),
        }
    }
    Ok(Some(object.text()))
}

/// Whether two definitions decide the same, whatever else they say.
pub(super) fn decide_alike(one: &str, other: &str) -> bool {
    const DECIDE: [&str; 4] = ["state", "variants", "defaultVariant", "targeting"];
    let (Ok(one), Ok(other)) = (Object::of(one), Object::of(other)) else { return false };
    let value = |object: &Object<'_>, name: &str| -> Option<Json> {
        object.get(name).and_then(|text| Json::parse(text).ok())
    };
    DECIDE.iter().all(|name| value(&one, name) == value(&other, name))
}
