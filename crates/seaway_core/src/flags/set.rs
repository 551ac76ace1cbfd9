//! All flags of one environment, in flagd's format.

use super::compile::Compiler;
use super::context::Context;
use super::evaluation::{ErrorCode, Evaluation};
use super::flag::{Around, Flag, metadata};
use super::json::{DEPTH_MAX, Json};
use super::problem::{Place, Problem};
use crate::time::Time;
use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// How many problems of one set are told.
const PROBLEMS_MAX: usize = 100;

/// The flags of one definition, ready to be evaluated.
///
/// A copy shares the flags with the original.
#[derive(Debug, Clone)]
pub struct FlagSet {
    flags: IndexMap<Arc<str>, Arc<Flag>>,
    around: Arc<Around>,
    /// The members of the definition in order; `None` stands for its flags.
    members: Arc<Vec<(String, Option<Box<RawValue>>)>>,
    /// Whether flags are an array whose items have a member `key`.
    listed: bool,
    bytes_max: usize,
    objections: Arc<Vec<Problem>>,
}

impl FlagSet {
    /// A set without flags, of which each may have `bytes_max` bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            flags: IndexMap::new(),
            around: Arc::default(),
            members: Arc::new(vec![("flags".to_owned(), None)]),
            listed: false,
            bytes_max,
            objections: Arc::default(),
        }
    }

    /// Reads a definition of at most `bytes_max` bytes and compiles it.
    ///
    /// Takes what flagd takes, but for what no evaluator can be trusted with: a member that is
    /// named twice, rules that loop, nest deeper than [`DEPTH_MAX`], or grow without bound by
    /// using shared rules.
    ///
    /// # Errors
    ///
    /// What makes the definition unusable, up to 100 problems with their places.
    pub fn parse(bytes: &[u8], bytes_max: usize) -> Result<Self, Vec<Problem>> {
        let top: Parts<'_> = read(text(bytes, bytes_max)?, &Place::ROOT)?;
        let mut problems = Vec::new();
        let mut evaluators = None;
        let mut set_metadata = None;
        for (name, raw) in top.0.iter().filter(|(name, _)| name != "flags") {
            match Json::parse_within(raw.get(), DEPTH_MAX - 1) {
                Ok(json) if name == "$evaluators" => evaluators = Some(json),
                Ok(json) if name == "metadata" => set_metadata = Some(json),
                Ok(_) => {}
                Err(problem) => {
                    let place = Place::ROOT.name(name).pointer() + &problem.place;
                    problems.push(Problem::new(place, problem.reason));
                }
            }
        }
        let (around, objections) = surroundings(evaluators, set_metadata, &mut problems);
        let Some((_, flags)) = top.0.iter().find(|(name, _)| name == "flags") else {
            problems.push(Problem::new("", "has no flags"));
            return Err(problems);
        };
        let (flags, listed) = read_flags(flags, &around, &mut problems);
        if !problems.is_empty() {
            problems.truncate(PROBLEMS_MAX);
            return Err(problems);
        }
        let members = top.0.into_iter().map(|(name, raw)| {
            let own = (name != "flags").then(|| raw.to_owned());
            (name, own)
        });
        Ok(Self {
            flags,
            around: Arc::new(around),
            members: Arc::new(members.collect()),
            listed,
            bytes_max,
            objections: Arc::new(objections),
        })
    }

    /// What the flag of this key is for this context.
    #[must_use]
    pub fn evaluate(&self, key: &str, context: &Context, now: Time) -> Evaluation<'_> {
        match self.flags.get(key) {
            Some(flag) => flag.evaluate(context, now),
            None => Evaluation::failed(ErrorCode::FlagNotFound, &self.around.metadata),
        }
    }

    /// The flag of this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Arc<Flag>> {
        self.flags.get(key)
    }

    /// All flags, in the order of the definition.
    pub fn flags(&self) -> impl ExactSizeIterator<Item = &Arc<Flag>> {
        self.flags.values()
    }

    /// The metadata of the set.
    #[must_use]
    pub fn metadata(&self) -> &[(String, Json)] {
        &self.around.metadata
    }

    /// What flagd takes although nobody can want it, as a variant that does not exist: for those
    /// to refuse who let people save definitions.
    pub fn objections(&self) -> impl Iterator<Item = &Problem> {
        let of_flags = self.flags.values().flat_map(|flag| flag.objections());
        self.objections.iter().chain(of_flags)
    }

    /// Adds a flag, or replaces the one of this key at its place in the order; costs the same
    /// however many flags there are. Gives the one that was there before.
    ///
    /// # Errors
    ///
    /// What makes the flag unusable; places are those that it would have in the set.
    pub fn insert(&mut self, key: &str, bytes: &[u8]) -> Result<Option<Arc<Flag>>, Vec<Problem>> {
        let flag = self.compile(key, bytes)?;
        Ok(self.flags.insert(flag.shared_key(), flag))
    }

    /// The flag that [`Self::insert`] would add.
    ///
    /// # Errors
    ///
    /// As [`Self::insert`].
    pub fn compile(&self, key: &str, bytes: &[u8]) -> Result<Arc<Flag>, Vec<Problem>> {
        let at = self.flags.get_index_of(key).unwrap_or(self.flags.len());
        let flags = Place::ROOT.name("flags");
        let place = if self.listed { flags.index(at) } else { flags.name(key) };
        let source: &RawValue = read(text(bytes, self.bytes_max)?, &place)?;
        if self.listed && key_of(source).as_deref() != Some(key) {
            return Err(vec![place.name("key").problem("is not the flag's key")]);
        }
        Flag::read(key, source, &place, &self.around).map(Arc::new)
    }

    /// Whether its flags are an array whose items have a member `key`.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.listed
    }

    /// Reads a definition as that of a flag of this set, with places within that definition.
    pub(super) fn read_alone(&self, key: &str, definition: &str) -> Result<Flag, Vec<Problem>> {
        let source: &RawValue = read(text(definition.as_bytes(), self.bytes_max)?, &Place::ROOT)?;
        Flag::read(key, source, &Place::ROOT, &self.around)
    }

    /// Whether some shared rule may spread units by their hash.
    pub(super) fn shared_rules_spread(&self) -> bool {
        let spreads = |raw: &RawValue| raw.get().contains("\"fractional\"");
        self.members
            .iter()
            .any(|(name, raw)| name == "$evaluators" && raw.as_deref().is_some_and(spreads))
    }

    /// Takes a flag away and gives it; the others keep their order.
    pub fn remove(&mut self, key: &str) -> Option<Arc<Flag>> {
        self.flags.shift_remove(key)
    }

    /// The definition in flagd's format: every member, number and text as it was written.
    #[must_use]
    pub fn export(&self) -> String {
        let mut text = String::from("{");
        for (at, (name, member)) in self.members.iter().enumerate() {
            text.push_str(if at == 0 { "\n  " } else { ",\n  " });
            push_name(&mut text, name);
            match member {
                Some(raw) => text.push_str(raw.get()),
                None => self.export_flags(&mut text),
            }
        }
        text.push_str("\n}\n");
        text
    }

    fn export_flags(&self, text: &mut String) {
        text.push(if self.listed { '[' } else { '{' });
        for (at, (key, flag)) in self.flags.iter().enumerate() {
            text.push_str(if at == 0 { "\n    " } else { ",\n    " });
            if !self.listed {
                push_name(text, key);
            }
            text.push_str(flag.source());
        }
        text.push_str(if self.listed { "\n  ]" } else { "\n  }" });
    }
}

fn push_name(text: &mut String, name: &str) {
    text.push_str(&serde_json::Value::from(name).to_string());
    text.push_str(": ");
}

fn text(bytes: &[u8], bytes_max: usize) -> Result<&str, Vec<Problem>> {
    if bytes.len() > bytes_max {
        let reason = format!("has {} bytes: at most {bytes_max} are taken", bytes.len());
        return Err(vec![Problem::new("", reason)]);
    }
    std::str::from_utf8(bytes).map_err(|error| {
        vec![Problem::new("", format!("is not UTF-8 after {} bytes", error.valid_up_to()))]
    })
}

fn read<'t, T: Deserialize<'t>>(text: &'t str, place: &Place<'_>) -> Result<T, Vec<Problem>> {
    serde_json::from_str(text).map_err(|error| vec![place.problem(error.to_string())])
}

/// Compiles what all flags share.
fn surroundings(
    evaluators: Option<Json>,
    set_metadata: Option<Json>,
    problems: &mut Vec<Problem>,
) -> (Around, Vec<Problem>) {
    let none = Around::default();
    let mut compiler = Compiler::new(&none.shared);
    match &evaluators {
        None => {}
        Some(Json::Object(sources)) => compiler.evaluators(sources),
        Some(_) => compiler.refuse(Problem::new("/$evaluators", "is an object")),
    }
    let metadata = metadata(set_metadata.as_ref(), &Place::ROOT, &mut compiler);
    problems.append(&mut compiler.refused);
    let objections = std::mem::take(&mut compiler.objections);
    (Around { shared: compiler.into_shared(), metadata }, objections)
}

/// Reads the flags, and tells whether they are an array.
fn read_flags(
    raw: &RawValue,
    around: &Around,
    problems: &mut Vec<Problem>,
) -> (IndexMap<Arc<str>, Arc<Flag>>, bool) {
    let place = Place::ROOT.name("flags");
    let mut flags = IndexMap::new();
    let mut add = |key: &str, source: &RawValue, place: &Place<'_>| {
        if problems.len() >= PROBLEMS_MAX {
            return;
        }
        match Flag::read(key, source, place, around) {
            Ok(flag) if flags.contains_key(flag.key()) => {
                problems.push(place.problem("is named twice"));
            }
            Ok(flag) => {
                flags.insert(flag.shared_key(), Arc::new(flag));
            }
            Err(found) => problems.extend(found),
        }
    };
    let listed = raw.get().starts_with('[');
    if listed {
        match read::<Vec<&RawValue>>(raw.get(), &place) {
            Ok(items) => {
                for (at, source) in items.into_iter().enumerate() {
                    // A flag without a key gets an empty one, which is objected to.
                    add(&key_of(source).unwrap_or_default(), source, &place.index(at));
                }
            }
            Err(found) => problems.extend(found),
        }
    } else {
        match read::<Parts<'_>>(raw.get(), &place) {
            Ok(parts) => {
                for (key, source) in parts.0 {
                    add(&key, source, &place.name(&key));
                }
            }
            Err(found) => problems.extend(found),
        }
    }
    (flags, listed)
}

/// The member `key` of a flag that is an item of an array.
fn key_of(source: &RawValue) -> Option<String> {
    let Parts(members) = serde_json::from_str(source.get()).ok()?;
    let (_, key) = members.into_iter().find(|(name, _)| name == "key")?;
    serde_json::from_str(key.get()).ok()
}

/// The members of an object, their values unread.
pub(super) struct Parts<'t>(pub(super) Vec<(String, &'t RawValue)>);

impl<'de: 't, 't> Deserialize<'de> for Parts<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Parts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts<'de>, A::Error> {
                let mut parts = Vec::new();
                let mut names = HashSet::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if !names.insert(name.clone()) {
                        let name = super::compile::short(&name);
                        let reason = format!("“{name}” is named twice");
                        return Err(serde::de::Error::custom(reason));
                    }
                    parts.push((name, value));
                }
                Ok(Parts(parts))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}
