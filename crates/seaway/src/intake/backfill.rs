//! The past of an owner's repositories, and what webhooks have missed, from GitHub's REST API.
//!
//! What is found becomes events `com.github.rest.<event>` in the form of the webhook of that name,
//! so that the same functions read both into equal facts. An event's identifier is made of what it
//! tells: whoever reads the same twice adds nothing to the log.
//!
//! **Invariant:** a [`Cursor`] that was handed to the sink says of no object that it was read
//! unless its events were handed over before or with it. So whoever keeps the cursor with the
//! events may stop anywhere and go on without a hole.

use crate::ledger::Event;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod client;
mod listing;
mod objects;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub(crate) use client::Client;
#[cfg(any(test, fuzzing))]
pub use listing::fuzzing::backfill;

/// What is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct What {
    /// An organization or a user.
    pub(crate) owner: String,
    /// One repository of it; all of them where it is `None`.
    pub(crate) repository: Option<String>,
    /// What changed before this moment (Unix seconds) is left out.
    pub(crate) since: i64,
    /// Labels of issues that are incidents.
    pub(crate) incident_labels: Vec<String>,
}

impl What {
    /// Reads `OWNER` or `OWNER/REPO`; `None` where it is neither.
    pub(crate) fn parse(text: &str, since: i64, incident_labels: &[String]) -> Option<Self> {
        let is_name = |name: &str| {
            (1..=100).contains(&name.len())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
                && !name.chars().all(|c| c == '.')
        };
        let (owner, repository) = match text.split_once('/') {
            Some((owner, repository)) => (owner, Some(repository)),
            None => (text, None),
        };
        (is_name(owner) && repository.is_none_or(is_name)).then(|| Self {
            owner: owner.to_owned(),
            repository: repository.map(str::to_owned),
            since,
            incident_labels: incident_labels.to_vec(),
        })
    }
}

/// How far everything was read: kept by the caller between two runs, and while one goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Cursor(BTreeMap<String, BTreeMap<String, Progress>>);

/// How far one listing of one repository was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Progress {
    /// Everything that changed from the first moment to the second was read. Unix seconds, by the
    /// clock of GitHub.
    read: Option<(i64, i64)>,
    /// A reading that has not ended.
    going: Option<Going>,
    /// What GitHub calls the state of the listing that was read; only where an equal state means
    /// that nothing at all has changed.
    etag: Option<String>,
}

impl Cursor {
    fn of(&self, repository: &str, listing: &str) -> Progress {
        self.0.get(repository).and_then(|it| it.get(listing)).cloned().unwrap_or_default()
    }

    fn set(&mut self, repository: &str, listing: &str, progress: Progress) {
        self.0.entry(repository.to_owned()).or_default().insert(listing.to_owned(), progress);
    }
}

impl Progress {
    /// From when on all is read once what changed after `since` is.
    fn reaches_from(&self, since: i64) -> i64 {
        match self.read {
            Some((from, until)) if (from..=until).contains(&since) => from,
            _ => since,
        }
    }
}

/// A reading that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Going {
    /// What changed before is left out.
    since: i64,
    /// When it began, by the clock of GitHub; `None` before the first answer.
    began: Option<i64>,
    /// The page that was read last. It is read once more, since what was deleted meanwhile moves
    /// the pages.
    page: String,
}

/// What a run has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Repositories that were looked at.
    pub(crate) repositories: usize,
    /// Events handed to the sink, those among them that were known before.
    pub(crate) events: usize,
    /// What could not be read: its path, and why. At most [`SKIPPED_MAX`]. The cursor of a listing
    /// that cannot be read stays where it is.
    pub(crate) skipped: Vec<(String, String)>,
}

/// Notes on what could not be read that are kept.
const SKIPPED_MAX: usize = 100;

impl Summary {
    fn skip(&mut self, path: String, reason: String) {
        if self.skipped.len() < SKIPPED_MAX {
            self.skipped.push((path, reason));
        }
    }
}

/// Why a run has stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The base URL, the token or the cursor cannot be used.
    #[error("{0}")]
    Wrong(String),
    /// GitHub answered that it will not; the status, and its reason.
    #[error("GitHub refuses {path} (status {status}): {reason}")]
    Refused { path: String, status: u16, reason: String },
    /// GitHub cannot be reached, or has failed again and again.
    #[error("GitHub does not answer {path}: {reason}")]
    Unreachable { path: String, reason: String },
    /// GitHub answered something else than it documents.
    #[error("the answer to {path} cannot be read: {reason}")]
    Unreadable { path: String, reason: String },
    /// What was found could not be kept.
    #[error("{0}")]
    Sink(String),
}

/// Reads all there is since `what.since`, as far as `cursor` does not say that it was read before,
/// and hands it to `sink` with the cursor to keep once the events are durable. Newest first.
///
/// # Errors
/// Stops at the first [`Error`]; what was handed to the sink until then stays right. A listing that
/// the token may not read, or that the repository has not, is no error but is in the summary; so is
/// a part of an object (its reviews, its statuses) that GitHub cannot tell.
pub(crate) async fn run<S>(
    client: &Client,
    what: &What,
    mut cursor: Cursor,
    mut sink: S,
) -> Result<Summary, Error>
where
    S: AsyncFnMut(Vec<Event>, &Cursor) -> Result<(), String>,
{
    let mut summary = Summary::default();
    for repository in listing::repositories(client, what).await? {
        summary.repositories += 1;
        summary.events += 1;
        sink(vec![repository.event()], &cursor).await.map_err(Error::Sink)?;
        for listing in listing::listings(what) {
            let reading =
                listing::Reading { client, repository: &repository, listing: &listing, what };
            // Going on with an older reading leaves out what changed since that one began.
            while reading.run(&mut cursor, &mut summary, &mut sink).await? == End::Resumed {}
        }
    }
    Ok(summary)
}

/// How the reading of a listing has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// All that there is was read, or cannot be read.
    Whole,
    /// All that there was when the reading began, which was earlier, was read.
    Resumed,
}
