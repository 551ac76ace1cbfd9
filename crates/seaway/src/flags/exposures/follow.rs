//! Following the log: what every server knows of exposures is what stands there.

use super::batch::{read_exposures, read_outcomes};
use super::state::State;
use super::store::{Recorded, What};
use super::{Exposures, Shared};
use crate::error::Error;
use crate::flags::ramps::Course;
use crate::ledger::{Engine, Turn};
use futures_util::FutureExt as _;
use serde::Deserialize;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Events that are read at once.
const EVENTS_AT_ONCE: i64 = 32;
/// When to look for what other servers have written, and to try again after a failure.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How often the state is kept, and at most which part of all time that takes.
const KEEP_EVERY: Duration = Duration::from_secs(30);
const KEEP_SHARE: u32 = 20;
/// The number of the turn of keeping the state: known to nobody else who locks in this database.
const TURN: i64 = 0x5ea_3a11_0ca7;

/// What is looked at of a revision of a flag.
#[derive(Deserialize)]
struct Ramping {
    environment: String,
    key: String,
    revision: u64,
    #[serde(default)]
    ramp: Option<Course>,
}

impl Ramping {
    fn of(data: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(data)
    }
}

/// Keeps the state in the database. Of several servers one does.
struct Keeper {
    turn: Option<Turn>,
    /// The position of what is kept, if it is what this process knows of.
    kept: Option<i64>,
    next: Instant,
}

impl Exposures {
    /// Follows the log until `stop` says so. What fails is tried again.
    pub(crate) async fn follow(self, stop: watch::Receiver<bool>) {
        tokio::join!(self.shared.follow_log(stop.clone()), self.shared.flush(stop));
    }

    /// Forgets what is known and computes it from the start of the log.
    ///
    /// # Errors
    /// A server keeps the state, or a database fails.
    pub(crate) async fn rebuild(&self) -> Result<(), Error> {
        let shared = &self.shared;
        let Some(turn) = Turn::take(shared.store.views(), TURN).await? else {
            return Err(crate::ledger::Error::OthersTurn.into());
        };
        shared.store.forget().await?;
        *shared.write() = State::new(shared.limits);
        shared.catch_up().await?;
        let mut keeper = Keeper { turn: Some(turn), kept: None, next: Instant::now() };
        keeper.keep(shared).await
    }
}

impl Shared {
    async fn follow_log(&self, mut stop: watch::Receiver<bool>) {
        let mut newest = self.ledger.newest();
        let is_shared = self.store.views().engine() == Engine::Postgres;
        let position = self.read().position();
        let kept = (position > 0).then_some(position);
        let mut keeper = Keeper { turn: None, kept, next: Instant::now() + KEEP_EVERY };
        loop {
            let step = AssertUnwindSafe(self.step(&mut keeper)).catch_unwind().await;
            let is_well = match step {
                Ok(Ok(())) => true,
                Ok(Err(error)) => {
                    tracing::error!(%error, "exposures could not be followed; trying again");
                    false
                }
                // The state may be half of something: it is read anew.
                Err(_) => self.restore(&mut keeper).await,
            };
            let position = self.read().position();
            tokio::select! {
                changed = newest.wait_for(|newest| *newest > position), if is_well => {
                    if changed.is_err() {
                        break;
                    }
                }
                () = tokio::time::sleep(LOOK_AGAIN), if is_shared || !is_well => {}
                () = tokio::time::sleep_until(keeper.next.into()) => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        if let Err(error) = keeper.keep(self).await {
            tracing::warn!(%error, "the state of exposures was not kept; it is read from the log");
        }
    }

    async fn step(&self, keeper: &mut Keeper) -> Result<(), Error> {
        self.catch_up().await?;
        match Instant::now() < keeper.next {
            true => Ok(()),
            false => keeper.keep(self).await,
        }
    }

    /// Reads on to the end of the log.
    async fn catch_up(&self) -> Result<(), Error> {
        loop {
            let position = self.read().position();
            let stretch = self.store.read_after(position, EVENTS_AT_ONCE).await?;
            let is_all = (stretch.events.len() as i64) < EVENTS_AT_ONCE;
            tokio::task::block_in_place(|| {
                stretch.events.iter().for_each(|event| self.apply(event));
                self.write().is_at(stretch.up_to);
            });
            self.followed.send_replace(stretch.up_to);
            if is_all {
                return Ok(());
            }
        }
    }

    fn apply(&self, event: &Recorded) {
        let position = event.position;
        let problem = match event.what {
            What::Exposures => match read_exposures(&event.data) {
                Ok(groups) => return self.write().expose(position, &groups),
                Err(damaged) => damaged.to_string(),
            },
            What::Outcomes => match read_outcomes(&event.data) {
                Ok(groups) => return self.write().conclude(position, &groups),
                Err(damaged) => damaged.to_string(),
            },
            What::Revision => match Ramping::of(&event.data) {
                Ok(Ramping { environment, key, revision, ramp }) => {
                    return self.write().revise(position, (&environment, &key), revision, ramp);
                }
                Err(error) => error.to_string(),
            },
        };
        tracing::error!(position, problem, "an event was passed over by who counts exposures");
    }

    /// Takes the state that is kept in the place of the one in memory. Tells whether that went well.
    async fn restore(&self, keeper: &mut Keeper) -> bool {
        tracing::error!("a fault of this program; exposures are read anew from what is kept");
        match self.store.state(self.limits).await {
            Ok(mut state) => {
                keeper.kept = None;
                state.soil();
                *self.write() = state;
                true
            }
            Err(error) => {
                tracing::error!(%error, "what is kept of exposures could not be read");
                false
            }
        }
    }
}

impl Keeper {
    /// Keeps what has changed, if it is this process's turn.
    async fn keep(&mut self, shared: &Shared) -> Result<(), Error> {
        let begun = Instant::now();
        self.next = begun + KEEP_EVERY;
        if !self.has_turn(shared).await? {
            return Ok(());
        }
        let is_anew = self.kept.is_none();
        let kept = tokio::task::block_in_place(|| {
            let mut state = shared.write();
            if is_anew {
                state.soil();
            }
            state.take_changes()
        });
        if kept.parts.is_empty() && !is_anew {
            return Ok(());
        }
        let before = self.kept.take();
        // As long as it is not known to be written, all of it is to be written again.
        if shared.store.keep(before, &kept).await? {
            self.kept = Some(kept.position);
        }
        self.next = begun + KEEP_EVERY.max(begun.elapsed() * KEEP_SHARE);
        let (units, bytes) = shared.read().size();
        tracing::debug!(units, bytes, parts = kept.parts.len(), "the state of exposures was kept");
        Ok(())
    }

    async fn has_turn(&mut self, shared: &Shared) -> Result<bool, Error> {
        if let Some(turn) = &mut self.turn
            && turn.holds().await
        {
            return Ok(true);
        }
        self.turn = Turn::take(shared.store.views(), TURN).await?;
        Ok(self.turn.is_some())
    }
}
