//! The JSON of flags, described by `docs/openapi.json`.

mod edits;
mod rows;

pub(crate) use edits::{delete, export, import, off, on, preview, restore, set};
pub(super) use rows::found;
pub(crate) use rows::{history, list, one};

use super::edit::{Base, Refused};
use super::revision::Revision;
use super::snapshot::Entry;
use crate::author::Author;
use crate::problem::{Misfit, Problem};
use axum::http::{HeaderMap, HeaderName, header};
use seaway_core::flags::{Bucketing, Flag, Kind};
use seaway_core::time::Time;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A flag as lists show it.
#[derive(Serialize)]
pub(crate) struct Row<'e> {
    pub(crate) environment: &'e str,
    pub(crate) key: &'e str,
    pub(crate) revision: u64,
    /// `on`, `off`, `disabled` or `broken`.
    pub(crate) state: &'static str,
    /// `boolean`, `string`, `number`, `object` or `null`; `None` without variants.
    pub(crate) kind: Option<&'static str>,
    pub(crate) variants: Vec<&'e str>,
    pub(crate) default_variant: Option<&'e str>,
    /// What everybody gets while it is off; `None`: the code's own default.
    pub(crate) off_variant: Option<&'e str>,
    pub(crate) targeted: bool,
    pub(crate) owner: Option<&'e str>,
    pub(crate) purpose: Option<&'e str>,
    pub(crate) expires: Option<&'e str>,
    pub(crate) bucketing: Option<u8>,
    pub(crate) locked: bool,
    pub(crate) ramping: bool,
    pub(crate) action: &'static str,
    pub(crate) changed_at: Time,
    pub(crate) changed_by: &'e Author,
    pub(crate) reason: &'e str,
}

/// All of a flag.
#[derive(Serialize)]
pub(super) struct Whole<'e> {
    #[serde(flatten)]
    row: Row<'e>,
    definition: Option<&'e RawValue>,
    ramp: Option<&'e RawValue>,
    lock: &'e Option<Value>,
}

/// The word for how a flag is.
pub(crate) fn state(entry: &Entry) -> &'static str {
    match &entry.flag {
        None => "broken",
        Some(_) if entry.revision.off => "off",
        Some(flag) if flag.is_disabled() => "disabled",
        Some(_) => "on",
    }
}

fn kind(flag: &Flag) -> Option<&'static str> {
    let kinds = flag.variants().iter().map(|(_, value)| Kind::of(value));
    let kind = kinds.max_by_key(|kind| *kind != Kind::Null)?;
    Some(match kind {
        Kind::Boolean => "boolean",
        Kind::String => "string",
        Kind::Number => "number",
        Kind::Object => "object",
        Kind::Null => "null",
    })
}

impl<'e> Row<'e> {
    pub(crate) fn of(entry: &'e Entry) -> Self {
        let (flag, revision) = (entry.flag.as_deref(), &entry.revision);
        let variants = flag.iter().flat_map(|flag| flag.variants().iter());
        Self {
            environment: &revision.environment,
            key: &revision.key,
            revision: revision.revision,
            state: state(entry),
            kind: flag.and_then(kind),
            variants: variants.map(|(name, _)| name).collect(),
            default_variant: flag.and_then(Flag::default_variant),
            off_variant: flag.and_then(super::definition::off_variant),
            targeted: flag.is_some_and(Flag::is_targeted),
            owner: entry.metadata("owner"),
            purpose: entry.metadata("purpose"),
            expires: entry.metadata("expires"),
            bucketing: flag.map(|flag| match flag.bucketing() {
                Bucketing::V2 => 2,
                Bucketing::V3 => 3,
            }),
            locked: revision.lock.is_some(),
            ramping: revision.ramp.is_some(),
            action: revision.action.name(),
            changed_at: revision.at,
            changed_by: &revision.by,
            reason: &revision.reason,
        }
    }
}

impl<'e> Whole<'e> {
    pub(super) fn of(entry: &'e Entry) -> Self {
        let Revision { definition, ramp, lock, .. } = &entry.revision;
        Self { row: Row::of(entry), definition: definition.as_deref(), ramp: ramp.as_deref(), lock }
    }
}

/// A number as the tag of what it counts.
pub(in crate::flags) fn tag(text: impl std::fmt::Display) -> [(HeaderName, String); 1] {
    [(header::ETAG, format!("\"{text}\""))]
}

/// What the headers say that is changed: the text of a tag, or `*`.
pub(in crate::flags) fn precondition(headers: &HeaderMap) -> Result<Option<Tag>, Problem> {
    let unclear = || Problem::bad_request("If-Match or If-None-Match cannot be understood");
    let text = |name: HeaderName| {
        let mut all = headers.get_all(name).iter();
        let one = all.next().map(|it| it.to_str().map_err(|_| unclear()));
        match all.next() {
            Some(_) => Err(unclear()),
            None => one.transpose(),
        }
    };
    match (text(header::IF_MATCH)?, text(header::IF_NONE_MATCH)?) {
        (None, None) => Ok(None),
        (Some(text), None) => match text.trim() {
            "*" => Ok(Some(Tag::Any)),
            text => {
                let tag = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
                tag.map(|tag| Some(Tag::Text(tag.to_owned()))).ok_or_else(unclear)
            }
        },
        (None, Some(text)) if text.trim() == "*" => Ok(Some(Tag::Nothing)),
        _ => Err(unclear()),
    }
}

/// What is changed.
#[derive(Debug, PartialEq)]
pub(in crate::flags) enum Tag {
    Any,
    Nothing,
    Text(String),
}

impl Tag {
    /// The revision that it names.
    pub(in crate::flags) fn base(self) -> Result<Base, Problem> {
        match self {
            Self::Any => Ok(Base::Any),
            Self::Nothing => Ok(Base::Nothing),
            Self::Text(text) => text.parse().map(Base::Revision).map_err(|_| {
                Problem::bad_request(format!("\"{text}\" is the tag of no revision"))
                    .hint("write its number: If-Match: \"3\"")
            }),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let what = refused.to_string();
        match refused {
            Refused::NotFound(_) => Self::not_found(what),
            Refused::NoBase { current } => Self::no_base(what)
                .hint(format!("send If-Match: \"{current}\", or If-None-Match: * for a new one"))
                .newest(current),
            Refused::Conflict { current } => Self::changed_meanwhile(what)
                .hint("look at it as it is now, and change that")
                .newest(current),
            Refused::Objections(problems) => {
                let places = problems.iter().map(|it| Misfit::of(&it.place, &it.reason)).collect();
                Self::unfit(what).at_places(places)
            }
            Refused::Locked(_) => Self::conflict(what)
                .hint("say why it may go on: send \"unlock\": true with a reason"),
            Refused::NotNow(_) => Self::conflict(what),
            Refused::Wrong(_) => Self::unfit(what),
            Refused::Log(refusal) => refusal.into(),
            Refused::Database(_) | Refused::Json(_) => {
                tracing::error!(error = what, "a flag could not be read or written");
                Self::failed("flags cannot be changed now; they are served as they are")
                    .hint("try again; the server's log tells more")
            }
        }
    }
}
