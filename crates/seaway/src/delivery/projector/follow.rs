//! Following the log: one process computes the views of a place, the others wait for their turn.

use super::absorb::CATALOG_APPLIED;
use super::catalog::applied;
use super::{Progress, Projector};
use crate::error::Error;
use crate::ledger::{Engine, Turn};
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// When to look again for what other processes have written, and after something failed.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// The number of the turn of computing views: known to nobody else who locks in this database.
const TURN: i64 = 0x5ea_3a11_0ca6;

impl Projector {
    /// Whether it is this process that computes the views. When its turn begins, everything is read
    /// anew.
    pub(super) async fn has_turn(&mut self) -> Result<bool, Error> {
        if let Some(turn) = &mut self.turn
            && turn.holds().await
        {
            return Ok(true);
        }
        self.turn = None;
        let Some(turn) = Turn::take(self.store.database(), TURN).await? else { return Ok(false) };
        self.store.begin_turn().await?;
        self.remember().await?;
        self.turn = Some(turn);
        Ok(true)
    }

    /// Looks how far another process has come that computes the views.
    pub(super) async fn watch(&mut self) -> Result<(), Error> {
        let settled = self.store.settled().await?;
        let chunks = self.store.chunks(&[CATALOG_APPLIED.to_owned()]).await?;
        let catalog = applied(&chunks)?;
        // Before anybody is told how far the views are: they never seem to be ahead of the log.
        self.ledger.look_for_newer().await?;
        self.ledger.has_followed(settled);
        let latest = Arc::new(catalog.latest());
        self.progress.send_replace(Progress { settled, catalog: Arc::new(catalog), latest });
        Ok(())
    }

    /// Follows the log until `stop` says so. What fails is tried again. Of several processes on
    /// one database one computes the views; the others wait for their turn.
    pub(crate) async fn follow(mut self, mut stop: watch::Receiver<bool>) {
        let mut newest = self.ledger.newest();
        let is_shared = self.store.database().engine() == Engine::Postgres;
        loop {
            // What is kept in memory is read anew after a panic, as after any failure.
            let done = AssertUnwindSafe(self.step()).catch_unwind().await.unwrap_or_else(|_| {
                Err(Error::Failed { what: "a fault of this program".to_owned(), hint: None })
            });
            let goes_on = match &done {
                Ok(has_turn) => *has_turn,
                Err(error) => {
                    tracing::error!(%error, "the views could not be computed; trying again");
                    // Whether a commit that failed was written is not known, so that what is kept
                    // in memory may be older than what is in the tables.
                    self.turn = None;
                    false
                }
            };
            let position = self.position;
            tokio::select! {
                changed = newest.wait_for(|newest| *newest > position), if goes_on => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = tokio::time::sleep(LOOK_AGAIN), if is_shared || !goes_on => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Goes on as far as it is this process's turn; tells whether it is.
    async fn step(&mut self) -> Result<bool, Error> {
        let has_turn = self.has_turn().await?;
        match has_turn {
            true => {
                // Others may have appended to a database that is shared.
                self.ledger.look_for_newer().await?;
                self.catch_up().await?;
            }
            false => self.watch().await?,
        }
        Ok(has_turn)
    }
}
