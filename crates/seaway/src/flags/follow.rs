//! Following the log: what other servers change comes into the memory of this one.

use super::registry::Flags;
use super::revision::{Revision, parts};
use super::store::{Row, Store};
use crate::app::Clock;
use crate::ledger::{Error, Ledger};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;

/// Revisions that are read at once.
const AT_ONCE: i64 = 1_000;
/// How often it is looked for what other servers have changed.
const LOOK_AGAIN: Duration = Duration::from_millis(300);
/// Reads are at least so far apart: what this server changes is in its memory already.
const PAUSE: Duration = Duration::from_millis(20);

impl Flags {
    /// All flags, as the log has them.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn start(store: Store, ledger: Ledger, clock: Clock) -> Result<Self, Error> {
        let flags = Self::empty(store, ledger, clock);
        let newest = flags.ledger.look_for_newer().await?;
        let mut after = String::new();
        loop {
            let rows = flags.store.newest(&after, AT_ONCE).await?;
            let Some((_, last, _)) = rows.last() else { break };
            after = last.clone();
            flags.apply(rows.iter().filter_map(read).collect()).await;
        }
        flags.position.store(newest, Ordering::Release);
        Ok(flags)
    }

    /// Follows the log until `stop` says so.
    pub(crate) async fn follow(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut newest = self.ledger.newest();
        loop {
            let known = self.position.load(Ordering::Acquire);
            let step = async {
                tokio::select! {
                    // The one who appends is held by this object, so that it does not end before.
                    _ = newest.wait_for(|newest| *newest > known) => {}
                    () = tokio::time::sleep(LOOK_AGAIN) => {}
                }
                self.note(self.catch_up().await);
                tokio::time::sleep(PAUSE).await;
            };
            tokio::select! {
                () = step => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Keeps whether the log can be read.
    fn note(&self, read: Result<(), Error>) {
        match read {
            Ok(()) if self.failing_since.swap(0, Ordering::Relaxed) != 0 => {
                tracing::info!("the log can be read again: flags are up to date");
            }
            Ok(()) => {}
            Err(error) => {
                let now = (self.clock)().max(1);
                let since = &self.failing_since;
                if since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                    tracing::error!(%error, "the log cannot be read: flags stay as they are");
                }
            }
        }
    }

    /// Takes in all that is on the log now.
    ///
    /// # Errors
    /// The database fails: what was read counts.
    pub(super) async fn catch_up(&self) -> Result<(), Error> {
        let newest = self.ledger.look_for_newer().await?;
        let mut position = self.position.load(Ordering::Acquire);
        while position < newest {
            let rows = self.store.after(position, AT_ONCE).await?;
            let last = rows.last().map(|(position, ..)| *position);
            let is_full = rows.len() == usize::try_from(AT_ONCE).unwrap_or(usize::MAX);
            let unknown: Vec<_> = rows.iter().filter(|row| !self.is_known(row)).collect();
            self.apply(unknown.into_iter().filter_map(read).collect()).await;
            position = match last {
                Some(last) if is_full => last,
                last => last.unwrap_or(newest).max(newest),
            };
            self.position.fetch_max(position, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Whether a revision, or a newer one, is in memory.
    fn is_known(&self, (_, id, _): &Row) -> bool {
        let Some((environment, key, revision)) = parts(id) else { return false };
        self.newest(environment, key).is_some_and(|known| known.revision.revision >= revision)
    }
}

/// The revision in a row. What cannot be read is passed over: nothing but this program writes them.
fn read((position, name, data): &Row) -> Option<(i64, Revision)> {
    match Revision::of(data) {
        Ok(revision) => Some((*position, revision)),
        Err(problem) => {
            tracing::error!(position, name, problem, "a revision of a flag cannot be read");
            None
        }
    }
}
