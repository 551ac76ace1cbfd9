//! The catalog's folders and repositories while the server runs: read again whenever a file changes.
//!
//! A folder is read when it looks the same twice in a row, so that no file is read while it is
//! being written, and what was read counts only if it looks the same still. What then differs from
//! the catalog that the log has is appended as one batch: all of it or nothing.

use super::{Entities, Fingerprint, Problem, Source, event_of, read_all, source};
use crate::ledger::{Event, Ledger};
use seaway_core::catalog::History;
use seaway_core::time::Time;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often it is looked whether a file changed.
const EVERY: Duration = Duration::from_secs(1);
/// Problems that are told one by one in the server's log; data quality shows all.
const LOGGED_MAX: usize = 20;

/// How the catalog's files are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct State {
    /// The folders and repositories that are watched.
    folders: Vec<String>,
    /// When the files were read that count; `None` before the first time.
    read_at: Option<Time>,
    /// Why the files as they are now do not count; empty when they do.
    pub(crate) problems: Vec<Problem>,
    /// What to know of the files that count.
    notes: Vec<Problem>,
}

impl State {
    /// Why the files do not count, or else what to know of them, for people.
    pub(crate) fn told(&self) -> Vec<String> {
        self.problems.iter().chain(&self.notes).map(ToString::to_string).collect()
    }
}

/// How all sources look, or why it cannot be told.
type Look = Result<Vec<Fingerprint>, Vec<Problem>>;

/// What all files define, each definition with the moment at which its file was written.
struct Read {
    entities: Entities,
    written: Vec<Option<i64>>,
}

/// Watches the sources of a catalog. `K` tells the catalog as it is by all events of the log up to
/// a place, when it is known; `None` if it never will be.
pub(crate) struct Watcher<K> {
    sources: Arc<[Source]>,
    ledger: Ledger,
    known: K,
    clock: fn() -> i64,
    state: watch::Sender<Arc<State>>,
    /// How the sources looked the last time.
    seen: Option<Look>,
    /// How they looked when they were read.
    done: Option<Look>,
}

impl<K, F> Watcher<K>
where
    K: Fn(i64) -> F,
    F: Future<Output = Option<Arc<History>>>,
{
    /// `clock` tells Unix microseconds.
    pub(crate) fn new(sources: Vec<Source>, ledger: Ledger, known: K, clock: fn() -> i64) -> Self {
        let shown = sources.iter().map(Source::shown).collect();
        let state = Arc::new(State { folders: shown, ..State::default() });
        let state = watch::Sender::new(state);
        Self { sources: sources.into(), ledger, known, clock, state, seen: None, done: None }
    }

    /// How the files are, now and later.
    pub(crate) fn state(&self) -> watch::Receiver<Arc<State>> {
        self.state.subscribe()
    }

    /// Watches until `stop` says so.
    pub(crate) async fn follow(mut self, mut stop: watch::Receiver<bool>) {
        if self.sources.is_empty() {
            return;
        }
        self.sources.iter().for_each(Source::watch);
        loop {
            let look_and_rest = async {
                self.look().await;
                tokio::time::sleep(EVERY).await;
            };
            // What is appended when it stops is found on the log when it starts again.
            tokio::select! {
                () = look_and_rest => {}
                _ = stop.wait_for(|stop| *stop) => return source::stop(),
            }
        }
    }

    /// Looks once whether there is something to read, and reads it.
    async fn look(&mut self) {
        let sources = Arc::clone(&self.sources);
        let look = tokio::task::spawn_blocking(move || look_at(&sources)).await;
        let Ok(Some(look)) = look else { return };
        let is_quiet = self.seen.as_ref().is_none_or(|seen| *seen == look);
        self.seen = Some(look);
        if !is_quiet || self.seen == self.done {
            return;
        }
        let sources = Arc::clone(&self.sources);
        let read = tokio::task::spawn_blocking(move || (read(&sources), look_at(&sources)));
        let Ok((read, Some(look))) = read.await else { return };
        if Some(&look) != self.seen.as_ref() {
            return;
        }
        let is_done = match read {
            Ok(read) => self.apply(read).await,
            Err(problems) => {
                self.refuse(problems);
                true
            }
        };
        if is_done {
            self.done = Some(look);
        }
    }

    /// Puts what differs onto the log. Tells whether that went well.
    async fn apply(&self, read: Read) -> bool {
        let newest = *self.ledger.newest().borrow();
        let Some(known) = (self.known)(newest).await else { return false };
        let received_at = (self.clock)();
        let now = received_at.div_euclid(1_000_000);
        let Read { entities, written } = read;
        let changes = known.changes_to(entities.definitions.iter().zip(written), now);
        let events: Result<Vec<Event>, _> = changes.into_iter().map(event_of).collect();
        let appended = match events {
            Ok(events) => {
                let changes = events.len();
                let appended = self.ledger.append(events, received_at).await;
                appended.map(|_| changes).map_err(|refusal| refusal.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match appended {
            Ok(changes) => {
                let entities = entities.definitions.len();
                tracing::info!(entities, changes, "the catalog was read");
            }
            Err(error) => {
                tracing::warn!(error, "the catalog could not be put onto the log; trying again");
                return false;
            }
        }
        for note in entities.notes.iter().take(LOGGED_MAX) {
            tracing::info!("the catalog: {note}");
        }
        self.state.send_modify(|state| {
            let folders = state.folders.clone();
            let (problems, notes) = (Vec::new(), entities.notes);
            *state = Arc::new(State { folders, read_at: Some(Time(now)), problems, notes });
        });
        true
    }

    fn refuse(&self, problems: Vec<Problem>) {
        let count = problems.len();
        tracing::warn!(problems = count, "the catalog stays as it was: its files are wrong");
        for problem in problems.iter().take(LOGGED_MAX) {
            tracing::warn!("the catalog: {problem}");
        }
        self.state.send_modify(|state| Arc::make_mut(state).problems = problems);
    }
}

/// How all sources look; `None` while one of them was never looked at: without it, the catalog would
/// seem to be smaller than it is.
fn look_at(sources: &[Source]) -> Option<Look> {
    let looks: Option<Vec<_>> = sources.iter().map(Source::look).collect();
    Some(looks?.into_iter().collect())
}

/// Reads all files of all sources.
fn read(sources: &[Source]) -> Result<Read, Vec<Problem>> {
    let (mut texts, mut written, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for source in sources {
        match source.files() {
            Ok(found) => {
                let named = |(name, text)| (name_among(sources, source, name), text);
                texts.extend(found.texts.into_iter().map(named));
                written.extend(found.written);
            }
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let entities = read_all(&texts)?;
    let of_file = |&number: &usize| written.get(number).copied().flatten();
    let written = entities.files.iter().map(of_file).collect();
    Ok(Read { entities, written })
}

/// The name of a file; where there are several sources, with its source.
fn name_among(sources: &[Source], source: &Source, name: String) -> String {
    match sources {
        [_] => name,
        _ => format!("{}/{name}", source.shown().trim_end_matches('/')),
    }
}

#[cfg(test)]
mod tests;
