//! What comes in: one file a source. Each turns what was sent into events of the ledger, and events
//! of the ledger into facts of the core.
//!
//! **Invariant:** reading an event is a pure function of the event, when it arrived, and the
//! configuration. So the past can be read again by a better program (`seaway rebuild`).

use crate::git::commit::AuthorPatterns;
use crate::ledger::{Recorded, is_own};
use seaway_core::delivery::facts::Fact;
use seaway_core::delivery::work::Plausible;

pub(crate) mod api;
#[allow(dead_code, unused_imports, reason = "wired next")]
pub(crate) mod backfill;
pub(crate) mod captured;
mod cdevents;
pub(crate) mod cloudevents;
mod commits;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub(crate) mod github;
pub(crate) mod gitlab;
pub(crate) mod mirrored;
mod payload;
mod push;
#[cfg(test)]
mod samples;
mod text;
pub(crate) mod webhook;

/// What reading an event brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reading {
    /// It tells of deliveries. Empty where what it tells is of no use here: a comment, a star.
    Facts(Vec<Fact>),
    /// Nobody here knows events of this kind: kept, counted and shown.
    Unknown,
    /// It should be understood and cannot be: why, for people.
    Malformed(String),
}

/// What the configuration says of how events are read.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Tell bots and AI assistance.
    pub(crate) patterns: AuthorPatterns,
    /// Labels that say of an issue that it is an incident. Case does not matter.
    pub(crate) incident_labels: Vec<String>,
}

impl Settings {
    /// A reader of events.
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader { patterns: &self.patterns, incident_labels: &self.incident_labels }
    }
}

/// What readers of events need to know of the configuration.
pub(crate) struct Reader<'a> {
    /// Tell bots and AI assistance.
    pub(crate) patterns: &'a AuthorPatterns,
    /// Labels that say of an issue that it is an incident. Case does not matter.
    pub(crate) incident_labels: &'a [String],
}

impl Reader<'_> {
    /// Reads one event.
    pub(crate) fn read(&self, recorded: &Recorded) -> Reading {
        let kind = recorded.event.kind.as_str();
        if let Some(event) = kind.strip_prefix("com.github.") {
            github::read(self, event, recorded)
        } else if let Some(event) = kind.strip_prefix("com.gitlab.") {
            gitlab::read(self, event, recorded)
        } else if kind.starts_with("dev.cdevents.") || kind.starts_with("dev.cdeventsx.") {
            cdevents::read(self, recorded)
        } else if is_own(kind) {
            // What people change here, and who sees which variant, tells nothing of deliveries.
            Reading::Facts(Vec::new())
        } else {
            Reading::Unknown
        }
    }
}

/// How far after its arrival an event may say that something happened. What lies further ahead is
/// a clock that is wrong, and its moment is left out.
const AHEAD_MAX: i64 = seaway_core::time::DAY;

impl Recorded {
    /// A moment that the event tells (Unix seconds), if it can be believed: not before 1972, when
    /// version control began, and not more than a day after the event arrived.
    pub(crate) fn believed(&self, moment: i64) -> Option<i64> {
        let latest = self.received_at / 1_000_000 + AHEAD_MAX;
        (Plausible::EARLIEST..=latest).contains(&moment).then_some(moment)
    }

    /// When the event says that it happened, or when it arrived. Unix seconds.
    pub(crate) fn moment(&self) -> i64 {
        let told = self.event.time.map(|time| time.div_euclid(1_000_000));
        told.and_then(|moment| self.believed(moment)).unwrap_or(self.received_at / 1_000_000)
    }
}
