//! JSON as flags need it: members keep their order, names occur once, and nesting is bounded.

use super::problem::{Problem, push_step};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;
use std::cell::RefCell;
use std::fmt;

/// How deep a definition or a context may nest.
pub const DEPTH_MAX: usize = 100;
/// From how many members on an object is searched by halves.
const FEW: usize = 16;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(Members),
}

/// The members of an object, in the order in which they were written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Members {
    entries: Vec<(String, Json)>,
    /// Indexes of the entries by name, where there are more than [`FEW`].
    sorted: Vec<u32>,
}

impl Members {
    /// Members in this order.
    ///
    /// # Errors
    ///
    /// The name that occurs twice.
    pub fn new(entries: Vec<(String, Json)>) -> Result<Self, String> {
        if entries.len() <= FEW {
            let twice = entries
                .iter()
                .enumerate()
                .find(|(at, (name, _))| entries[..*at].iter().any(|(other, _)| other == name));
            return match twice {
                Some((_, (name, _))) => Err(name.clone()),
                None => Ok(Self { entries, sorted: Vec::new() }),
            };
        }
        let mut sorted: Vec<u32> = (0..u32::try_from(entries.len()).unwrap_or(u32::MAX)).collect();
        let name = |at: u32| entries[at as usize].0.as_str();
        sorted.sort_unstable_by(|&a, &b| name(a).cmp(name(b)));
        match sorted.windows(2).find(|pair| name(pair[0]) == name(pair[1])) {
            Some(pair) => Err(name(pair[0]).to_owned()),
            None => Ok(Self { entries, sorted }),
        }
    }

    /// The value of the member of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.entry(name).map(|(_, value)| value)
    }

    /// The member of this name.
    pub(super) fn entry(&self, name: &str) -> Option<(&str, &Json)> {
        let found = if self.sorted.is_empty() {
            self.entries.iter().find(|(other, _)| other == name)
        } else {
            let entry = |at: &u32| &self.entries[*at as usize];
            let found = self.sorted.binary_search_by(|at| entry(at).0.as_str().cmp(name));
            found.ok().map(|at| entry(&self.sorted[at]))
        };
        found.map(|(name, value)| (name.as_str(), value))
    }

    /// All members, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.entries.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The only member, where there is exactly one.
    pub(super) fn only(&self) -> Option<(&str, &Json)> {
        match &self.entries[..] {
            [(name, value)] => Some((name, value)),
            _ => None,
        }
    }
}

impl Json {
    /// Reads JSON text that nests no deeper than [`DEPTH_MAX`].
    ///
    /// # Errors
    ///
    /// Where it is not JSON, nests deeper, or names a member twice.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        Self::parse_within(text, DEPTH_MAX)
    }

    /// Reads JSON text that nests no deeper than `depth`.
    pub(super) fn parse_within(text: &str, depth: usize) -> Result<Self, Problem> {
        let trail = RefCell::default();
        let mut source = serde_json::Deserializer::from_str(text);
        // The bound on depth is this module's own, and lower than what a stack bears.
        Reader { depth, trail: &trail }
            .deserialize(&mut source)
            .and_then(|json| source.end().map(|()| json))
            .map_err(|error| {
                let mut place = String::new();
                trail.borrow().iter().rev().for_each(|step| push_step(&mut place, step));
                Problem::new(place, without_position(&error.to_string()))
            })
    }

    /// The members, of an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&Members> {
        if let Self::Object(members) = self { Some(members) } else { None }
    }

    /// The text, of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }
}

/// The message without the line and column, which count from the start of a part.
fn without_position(message: &str) -> &str {
    message.rfind(" at line ").map_or(message, |end| &message[..end])
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => value.serialize(serializer),
            Self::String(value) => serializer.serialize_str(value),
            Self::Array(items) => items.serialize(serializer),
            Self::Object(members) => members.serialize(serializer),
        }
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reader { depth: DEPTH_MAX, trail: &RefCell::default() }.deserialize(deserializer)
    }
}

/// Reads one value; `trail` gets the names on the way to an error, the innermost first.
#[derive(Clone, Copy)]
struct Reader<'t> {
    /// How much deeper it may nest.
    depth: usize,
    trail: &'t RefCell<Vec<String>>,
}

impl Reader<'_> {
    fn inner<E: Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(E::custom(format!("nests too deep: at most {DEPTH_MAX} levels"))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut items = Vec::new();
        loop {
            match seq.next_element_seed(inner) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => return Ok(Json::Array(items)),
                Err(error) => {
                    self.trail.borrow_mut().push(items.len().to_string());
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut entries = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            match map.next_value_seed(inner) {
                Ok(value) => entries.push((name, value)),
                Err(error) => {
                    self.trail.borrow_mut().push(name);
                    return Err(error);
                }
            }
        }
        Members::new(entries).map(Json::Object).map_err(|name| {
            self.trail.borrow_mut().push(name);
            A::Error::custom("is named twice")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{DEPTH_MAX, Json};

    #[test]
    fn members_keep_their_order_and_are_found() {
        let text: Vec<String> = (0..40).rev().map(|at| format!("\"m{at}\":{at}")).collect();
        let text = format!("{{{}}}", text.join(","));
        let json = Json::parse(&text).unwrap();
        assert_eq!(serde_json::to_string(&json).unwrap(), text);
        let members = json.as_object().unwrap();
        for at in 0..40 {
            assert_eq!(members.get(&format!("m{at}")), Some(&Json::Number(at.into())));
        }
        assert_eq!(members.get("m40"), None);
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        let twice = Json::parse(r#"{"a":[1,{"b":1,"b":2}]}"#).unwrap_err();
        assert_eq!((&*twice.place, &*twice.reason), ("/a/1/b", "is named twice"));
        let many: Vec<String> = (0..40).map(|at| format!("\"{}\":0", at % 39)).collect();
        assert_eq!(Json::parse(&format!("{{{}}}", many.join(","))).unwrap_err().place, "/0");
        assert!(Json::parse("[1] 2").is_err());
    }

    #[test]
    fn deep_nesting_is_refused_where_it_becomes_too_deep() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(&nested(DEPTH_MAX)).is_ok());
        let problem = Json::parse(&nested(10_000)).unwrap_err();
        assert_eq!(problem.place, "/0".repeat(DEPTH_MAX));
        assert!(problem.reason.contains("too deep"), "{}", problem.reason);
    }
}
