//! What comes next on the log: read from it, and understood, while what came before is written.

use super::absorb::{self, Brought};
use super::{Limits, Settings};
use crate::error::Error;
use crate::ledger::{Ledger, Stretch, Unreadable};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// About how many bytes of events are absorbed at once.
const BYTES_AT_ONCE: usize = 48 << 20;

/// A stretch of the log that was understood.
#[derive(Default)]
pub(super) struct Understood {
    pub(super) brought: Brought,
    pub(super) unreadable: Vec<Unreadable>,
    /// All up to this position has been told.
    pub(super) up_to: i64,
    /// What comes after it, as it is being read.
    then: Option<Reading>,
}

type Reading = JoinHandle<Result<Stretch, crate::ledger::Error>>;

/// Reads the log in order. Two steps are taken ahead: while a stretch is written, the next one is
/// interpreted, and the one after that is read.
pub(super) struct Ahead {
    ledger: Ledger,
    settings: Settings,
    threads: usize,
    /// What comes after a position, as it is being understood.
    next: Option<(i64, JoinHandle<Result<Understood, Error>>)>,
}

impl Ahead {
    pub(super) fn new(ledger: Ledger, settings: Settings, threads: usize) -> Self {
        Self { ledger, settings, threads, next: None }
    }

    /// What comes after a position, on the way to one that is known to be on the log. If there is
    /// more on this way, it is begun with.
    pub(super) async fn next(
        &mut self,
        position: i64,
        goal: i64,
        limits: Limits,
    ) -> Result<Understood, Error> {
        let mut next = Understood { up_to: position, ..Understood::default() };
        if let Some((after, understanding)) = self.next.take()
            && after == position
        {
            next = understanding.await.map_err(ended)??;
        }
        if next.up_to == position {
            // What was read ahead is older than the goal.
            next = self.understand(self.read(position, limits), None).await?;
        }
        if next.up_to == position {
            // Events that were known before leave positions without a row, also at the end.
            next.up_to = goal;
        }
        if next.up_to < goal {
            let after = next.up_to;
            let reading = next.then.take().unwrap_or_else(|| self.read(after, limits));
            let understanding = tokio::spawn(self.understand(reading, Some((goal, limits))));
            self.next = Some((after, understanding));
        }
        Ok(next)
    }

    fn read(&self, after: i64, limits: Limits) -> Reading {
        tokio::spawn(read(self.ledger.clone(), after, limits))
    }

    /// Understands what is being read, and meanwhile begins to read on, if there is a way to go.
    fn understand(
        &self,
        reading: Reading,
        way: Option<(i64, Limits)>,
    ) -> impl Future<Output = Result<Understood, Error>> + Send + 'static {
        let ledger = self.ledger.clone();
        let reader = Arc::clone(&self.settings.reader);
        let (catalog, threads) = (self.settings.catalog, self.threads);
        async move {
            let Stretch { events, unreadable, up_to } = reading.await.map_err(ended)??;
            let then = way.filter(|&(goal, _)| up_to < goal && !events.is_empty());
            let then = then.map(|(_, limits)| tokio::spawn(read(ledger, up_to, limits)));
            let interpret = move || absorb::read(&events, &reader.reader(), catalog, threads);
            let brought = tokio::task::spawn_blocking(interpret).await.map_err(ended)?;
            Ok(Understood { brought, unreadable, up_to, then })
        }
    }
}

async fn read(ledger: Ledger, after: i64, limits: Limits) -> Result<Stretch, crate::ledger::Error> {
    ledger.follow_after(after, limits.events_at_once, BYTES_AT_ONCE).await
}

/// A task that did not come to its end.
fn ended(error: tokio::task::JoinError) -> Error {
    Error::Failed { what: format!("log: {error}"), hint: None }
}
