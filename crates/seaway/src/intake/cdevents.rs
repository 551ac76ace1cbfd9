//! CDEvents 0.4, 0.5 and the draft of 0.6, and Seaway's own events beside them, turned into facts.
//!
//! The types of events carry versions of their own (`dev.cdevents.service.deployed.0.2.0`). Subject
//! and predicate say what an event is; any version is read, by the members that are there.
//! `docs/events.md` tells senders what is read, `docs/schemas/` describes Seaway's own events.
//!
//! See <https://cdevents.dev>. What is read of the standard's events are a few members of some; the
//! data stay as they came, so nothing is lost by that.

use super::text::{Text, micros};
use super::{Reader, Reading};
use crate::ledger::Recorded;
use crate::pages::words;
use model::{CdEvent, CustomData};
use seaway_core::delivery::facts::{Entity, Fact, Latest, Scope, repository_name};
use serde::Deserialize;
use serde_json::value::RawValue;

mod custom;
mod model;
mod pull_requests;
mod pushed;
mod standard;

/// Bytes of an identifier that is kept. Entities are looked up by these; one that is longer is
/// refused, as a cut one could be another's.
const KEY_BYTES_MAX: usize = 1_024;

/// Subjects of the standard and their predicates: of 0.4, 0.5 and the draft of 0.6.
const KNOWN: [(&str, &[&str]); 17] = [
    ("approval", &["created", "updated", "closed"]),
    ("artifact", &["packaged", "signed", "published", "downloaded", "deleted"]),
    ("branch", &["created", "deleted"]),
    ("build", &["queued", "started", "finished"]),
    ("change", &["created", "reviewed", "merged", "abandoned", "updated"]),
    ("environment", &["created", "modified", "deleted"]),
    ("incident", &["detected", "reported", "resolved"]),
    ("pipelinerun", &["queued", "started", "finished"]),
    ("repository", &["created", "modified", "deleted"]),
    ("service", &["deployed", "upgraded", "rolledback", "removed", "published"]),
    ("taskrun", &["started", "finished"]),
    ("testcase", &["queued", "started", "finished"]),
    ("testcaserun", &["queued", "started", "finished", "skipped"]),
    ("testoutput", &["published"]),
    ("testsuite", &["queued", "started", "finished"]),
    ("testsuiterun", &["queued", "started", "finished"]),
    ("ticket", &["created", "updated", "closed"]),
];

/// Reads one event whose type begins with `dev.cdevents.` or `dev.cdeventsx.`.
pub(super) fn read(reader: &Reader<'_>, recorded: &Recorded) -> Reading {
    let kind = recorded.event.kind.as_str();
    let (is_custom, rest) = match kind.strip_prefix("dev.cdeventsx.seaway-") {
        Some(rest) => (true, rest),
        None => (false, kind.strip_prefix("dev.cdevents.").unwrap_or_default()),
    };
    let mut parts = rest.split('.');
    let what = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let is_known = match is_custom {
        true => custom::KNOWN.contains(&what),
        false => KNOWN
            .iter()
            .any(|(subject, predicates)| what.0 == *subject && predicates.contains(&what.1)),
    };
    if !is_known {
        return Reading::Unknown;
    }
    let read = Telling::of(reader, recorded).and_then(|telling| match is_custom {
        true => custom::facts(&telling, what),
        false => standard::facts(&telling, what),
    });
    read.map_or_else(Reading::Malformed, Reading::Facts)
}

/// An event while it is read.
struct Telling<'a> {
    reader: &'a Reader<'a>,
    recorded: &'a Recorded,
    event: CdEvent<'a>,
    /// What the sender added for Seaway to standard events.
    custom_data: CustomData<'a>,
    /// When it happened: by its context, else by its envelope, else by its arrival. Unix seconds.
    moment: i64,
}

impl<'a> Telling<'a> {
    fn of(reader: &'a Reader<'a>, recorded: &'a Recorded) -> Result<Self, String> {
        let event: CdEvent<'a> =
            serde_json::from_slice(&recorded.event.data).map_err(|error| reason("", &error))?;
        let custom_data = event.custom_data.map(CustomData::of).unwrap_or_default();
        let told = micros(event.context.timestamp.as_str());
        let told = told.and_then(|time| recorded.believed(time.div_euclid(1_000_000)));
        let moment = told.unwrap_or_else(|| recorded.moment());
        Ok(Self { reader, recorded, event, custom_data, moment })
    }

    /// The content of its subject.
    fn content<T: Deserialize<'a>>(&self) -> Result<T, String> {
        let content: &'a RawValue = self.event.subject.content;
        serde_json::from_str(content.get()).map_err(|error| reason("subject.content: ", &error))
    }

    /// An RFC 3339 time of its content, Unix seconds. `None` if it is not there or not believed.
    fn time(&self, name: &str, text: Option<&Text<'_>>) -> Result<Option<i64>, String> {
        let Some(text) = text else { return Ok(None) };
        let time = micros(text.as_str())
            .ok_or_else(|| format!("{name} is not a time as RFC 3339 has it"))?;
        Ok(self.recorded.believed(time.div_euclid(1_000_000)))
    }
}

/// What serde says, without the place that it adds.
fn reason(before: &str, error: &serde_json::Error) -> String {
    let said = error.to_string();
    let end = said.rfind(" at line ").unwrap_or(said.len());
    words::clean(&format!("{before}{}", &said[..end]), 200)
}

fn fact(scope: Scope, entity: Entity) -> Fact {
    Fact { scope, entity }
}

/// An identifier.
fn key(name: &str, text: &Text<'_>) -> Result<String, String> {
    let text = text.as_str().trim();
    if text.is_empty() {
        Err(format!("{name} is empty"))
    } else if text.len() > KEY_BYTES_MAX {
        Err(format!("{name} is longer than {KEY_BYTES_MAX} bytes"))
    } else if text.chars().any(char::is_control) {
        Err(format!("{name} has control characters"))
    } else {
        Ok(text.to_owned())
    }
}

/// An identifier that need not be there.
fn optional_key(name: &str, text: Option<&Text<'_>>) -> Result<Option<String>, String> {
    text.map(|text| key(name, text)).transpose()
}

/// A repository by the name that all sources agree on.
fn repository(name: &str, text: &Text<'_>) -> Result<String, String> {
    let repository = repository_name(&key(name, text)?);
    match repository.trim_matches('/').is_empty() {
        true => Err(format!("{name} names no repository")),
        // Lower case can be longer than what it was made of.
        false if repository.len() > KEY_BYTES_MAX => {
            Err(format!("{name} is longer than {KEY_BYTES_MAX} bytes"))
        }
        false => Ok(repository),
    }
}

/// A whole commit hash in lower case, if this is one.
fn commit_hash(text: &str) -> Option<String> {
    let is_hash = matches!(text.len(), 40 | 64)
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && text.bytes().any(|byte| byte != b'0');
    is_hash.then(|| text.to_ascii_lowercase())
}

/// A whole commit hash that has to be one.
fn hash(name: &str, text: &Text<'_>) -> Result<String, String> {
    commit_hash(text.as_str()).ok_or_else(|| format!("{name} is no commit hash of 40 or 64 digits"))
}

/// `value` as of `moment`, where there is one.
fn latest<T>(moment: i64, value: Option<T>) -> Latest<T> {
    Latest(value.map(|value| (moment, value)))
}

/// The lines that something touches, of those that it adds and those that it removes.
fn lines(added: Option<u32>, deleted: Option<u32>) -> Option<u64> {
    Some(u64::from(added?) + u64::from(deleted?))
}

/// What a deployment, a build or an artifact says that it was made of: a commit hash, or a name
/// that nobody will find, which the data quality then shows.
fn revision(name: &str, text: &Text<'_>) -> Result<String, String> {
    let told = key(name, text)?;
    Ok(commit_hash(&told).unwrap_or(told))
}

/// An address that people may follow; `None` where it is something else.
fn link(text: &str) -> Option<String> {
    let is_link = (text.starts_with("https://") || text.starts_with("http://"))
        && text.len() <= KEY_BYTES_MAX
        && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    is_link.then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
