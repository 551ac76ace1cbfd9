//! Who saw which variant of a flag, and what came of it.
//!
//! What is sent is checked and put together by `intake` (as plain JSON by `api`, as OpenTelemetry's
//! logs by `otlp`, at evaluation by `record`), and is on the log as one event a batch before it is
//! answered (`batch` has the format). Every server follows these events (`follow`) and keeps in
//! memory what is known (`state`), which is kept now and then in the database of the views
//! (`store`), so that a start reads the newest events and not all. Units are known by a keyed hash
//! alone (`unit`).

mod api;
mod audience;
mod batch;
mod codec;
mod follow;
mod intake;
mod otlp;
mod record;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod told;
mod unit;

pub(crate) use api::{send_exposures, send_outcomes};
pub(crate) use audience::Audience;
pub(crate) use otlp::logs;
pub(crate) use state::{Counts, GRACE_SECONDS, Ramped};
pub(crate) use told::exposures;

use crate::app::Clock;
use crate::error::Error;
use crate::ledger::{Database, Ledger};
use batch::Exposures as Recorded;
use state::{Limits, State};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use store::Store;
use tokio::sync::watch;
use unit::{KEY_BYTES, Key};

/// Exposures and outcomes: what is known of them, and where more is told. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Exposures {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ledger: Ledger,
    store: Store,
    key: Key,
    clock: Clock,
    limits: Limits,
    state: RwLock<State>,
    /// The place on the log up to which the state knows everything.
    followed: watch::Sender<i64>,
    /// What was recorded at evaluation, and is not on the log yet.
    recorded: Mutex<Recorded>,
}

impl Exposures {
    /// Opens what is known, in the databases of a log and of its views; makes the key of units
    /// where there is none.
    ///
    /// # Errors
    /// The tables are newer than this program, a database fails, or the operating system has no
    /// randomness to give.
    pub(crate) async fn start(
        ledger: Ledger,
        log: Database,
        views: Database,
        clock: Clock,
    ) -> Result<Self, Error> {
        let store = Store::open(log, views).await?;
        let mut new = [0; KEY_BYTES];
        getrandom::fill(&mut new).map_err(|error| Error::Failed {
            what: format!("the operating system has no randomness to give: {error}"),
            hint: None,
        })?;
        let key = store.key(new).await?;
        let limits = Limits::default();
        let state = store.state(limits).await?;
        let followed = watch::Sender::new(state.position());
        let (state, recorded) = (RwLock::new(state), Mutex::default());
        let shared = Shared { ledger, store, key, clock, limits, state, followed, recorded };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What was counted for the ramp of a flag, within its attempt; `None` if it has none. All servers
    /// tell the same, as soon as they have come to the same place on the log.
    pub(crate) fn ramped(&self, environment: &str, flag: &str) -> Option<Ramped> {
        self.shared.read().ramped(environment, flag)
    }

    /// When a flag was first seen by somebody outside the team in a variant that is wanted: the
    /// milestone *released*. Unix milliseconds; `None` if that has not been.
    pub(crate) fn released(
        &self,
        environment: &str,
        flag: &str,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Option<i64> {
        let told = self.shared.read().told(environment, flag)?;
        let wanted = told.variants.iter().filter(|variant| is_wanted(&variant.name));
        wanted.filter_map(state::VariantTold::released).min()
    }

    /// When a flag was last seen by anybody, in any variant. Unix milliseconds.
    pub(crate) fn last_exposure(&self, environment: &str, flag: &str) -> Option<i64> {
        self.shared.read().last_exposure(environment, flag)
    }

    /// The place on the log up to which everything is known, now and later.
    pub(crate) fn followed(&self) -> watch::Receiver<i64> {
        self.shared.followed.subscribe()
    }
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        // After a panic the state is read anew from what is kept: see `follow`.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}
