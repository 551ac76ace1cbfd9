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
pub(crate) use state::{Band, Bands, Seen, Watch};
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

    /// Counts the units of a flag by band from now on, until [`Self::unwatch`]. To watch as before
    /// costs nothing; to watch otherwise counts all units of the flag once.
    ///
    /// A server knows by this since when units are to be counted anew, and puts that on the log
    /// with their exposures. So every server has to watch a flag whose ramp is on a step, soon
    /// after the step began; one that does not leaves out what it takes in. The counts come from
    /// the log, so that all servers tell the same.
    pub(crate) fn watch(&self, environment: &str, flag: &str, watch: Watch) {
        self.shared.write().watch(environment, flag, watch);
    }

    /// Watches a flag no longer.
    pub(crate) fn unwatch(&self, environment: &str, flag: &str) {
        self.shared.write().unwatch(environment, flag);
    }

    /// What was counted for the watch of a flag; `None` if it is not watched. Costs as much as
    /// there are bands and variants, so it may be asked for at any time.
    pub(crate) fn bands(&self, environment: &str, flag: &str) -> Option<Bands> {
        self.shared.read().bands(environment, flag)
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
