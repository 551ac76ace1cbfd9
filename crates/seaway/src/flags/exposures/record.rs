//! Recording at evaluation, for flags that ask for it.

use super::audience::Audience;
use super::batch::{Exposures as Recorded, Placed, Series};
use super::intake::Batch;
use super::{Exposures, Shared};
use seaway_core::flags::position;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::watch;

/// How long what was recorded waits for more.
const WAITS: Duration = Duration::from_millis(500);
/// The longest pause before it is tried again to put them on the log.
const PAUSE_MAX: Duration = Duration::from_secs(16);
/// Exposures that wait at most: some 30 MiB. More are lost while the database does not answer.
const WAITING_MAX: usize = 500_000;

impl Exposures {
    /// Records that a variant was evaluated for a unit, at a moment (Unix microseconds). It is on
    /// the log within a second, and nobody waits for it: what a crash finds before is lost.
    pub(crate) fn record(
        &self,
        environment: &str,
        flag: &str,
        variant: &str,
        unit: Option<&str>,
        audience: Option<Audience>,
        now: i64,
    ) {
        let shared = &self.shared;
        let placed = unit.map(|unit| Placed {
            unit: shared.key.unit(environment, unit),
            position: position(flag, unit),
        });
        let state = shared.read();
        let place = state.place(environment, flag, variant);
        if state.refuses(&place).is_some() {
            return;
        }
        let audience = audience.or_else(|| place.audience(variant, now));
        let audience = audience.unwrap_or(Audience::Unknown);
        let series = Series { environment, flag, variant, audience, tag: place.tag(unit, now) };
        let second = u32::try_from(now.div_euclid(1_000_000)).unwrap_or(0);
        let new = placed.filter(|it| !place.is_known(it.unit, second, series.tag));
        drop(state);
        let mut recorded = shared.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        if recorded.len() < WAITING_MAX {
            recorded.add(&series, now, new);
        }
    }
}

impl Shared {
    pub(super) fn take_recorded(&self) -> Recorded {
        std::mem::take(&mut self.recorded.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts what was recorded on the log, until `stop` says so and then once more.
    pub(super) async fn flush(&self, mut stop: watch::Receiver<bool>) {
        loop {
            let is_over = tokio::select! {
                () = tokio::time::sleep(WAITS) => false,
                _ = stop.wait_for(|stop| *stop) => true,
            };
            let recorded = self.take_recorded();
            if recorded.len() > 0 {
                self.put(recorded).await;
            }
            if is_over {
                return;
            }
        }
    }

    /// Puts it on the log; tries again while that is busy or does not answer, for half a minute.
    async fn put(&self, recorded: Recorded) {
        let (count, now) = (recorded.len(), (self.clock)());
        let Ok(batch) = Batch::of_own(recorded, now) else { return };
        let events = batch.events();
        let mut pause = WAITS;
        while let Err(error) = self.append_events(events.clone(), now).await {
            if pause > PAUSE_MAX {
                return tracing::error!(%error, count, "exposures of evaluations are lost");
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
}
