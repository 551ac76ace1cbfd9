//! The views are a function of the set of events: not of their order, nor of how the work was cut,
//! broken off or tried again.
//!
//! `received_at` is the same for all events here. It bounds which moments are believed and stands
//! in where none is told, so the same event arriving at another time may be read as another; that
//! is the one thing of an arrival that the views know.

mod events;
mod faults;
mod sames;
mod store;

use super::*;
use crate::ledger::tests::{Ground, run};
use crate::ledger::{Databases, Event, Limits as LedgerLimits, Place};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};

/// When events of tests arrive: Unix microseconds.
const NOW: i64 = 1_750_000_000_000_000;

fn settings() -> Settings {
    let config = crate::config::Config::load(None).unwrap();
    Settings {
        reader: Arc::new(config.reader_settings()),
        catalog: events::change_of,
        days: Arc::new(Days::new(jiff::tz::TimeZone::UTC)),
        incident_window_seconds: config.incident_window_seconds,
    }
}

/// The smallest limits: nothing is kept, everything is done in the smallest steps.
fn small(events_at_once: u32) -> Limits {
    Limits {
        events_at_once,
        round_max: 4,
        backlog_max: 5,
        scopes_at_once: 3,
        bytes_at_once: 700,
        entities_max: 3,
        rows_max: 1,
        seal_from: 2,
        past_bytes_max: 1 << 20,
    }
}

/// A log and its views.
struct Log {
    databases: Databases,
    ledger: Ledger,
    _ground: Ground,
}

impl Log {
    async fn of(ground: Ground, events: impl IntoIterator<Item = Event>) -> Self {
        let place: &Place = &ground.place;
        let databases = Databases::open(place).await.unwrap();
        let limits = LedgerLimits::default();
        let ledger = Ledger::start(databases.log.clone(), limits).await.unwrap();
        let events: Vec<Event> = events.into_iter().collect();
        if !events.is_empty() {
            ledger.append(events, NOW).await.unwrap();
        }
        Self { databases, ledger, _ground: ground }
    }

    fn views(&self) -> &Database {
        &self.databases.views
    }

    async fn projector(&self, limits: Limits) -> Projector {
        let ledger = self.ledger.clone();
        let mut projector =
            Projector::start(ledger, self.views().clone(), settings()).await.unwrap();
        // The one before may take a moment to give its turn back.
        while !projector.has_turn().await.unwrap() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        projector.limits = limits;
        projector
    }

    /// What the views hold once all is in them.
    async fn settled(&self, projector: &mut Projector) -> Vec<String> {
        projector.catch_up().await.unwrap();
        store::dump(self.views()).await
    }

    async fn close(self) {
        self.ledger.finish().await;
        self.databases.close().await;
    }
}

/// The first lines that differ, for people.
fn compare(what: &str, expected: &[String], found: &[String]) -> Result<(), TestCaseError> {
    let missing: Vec<_> = expected.iter().filter(|line| !found.contains(line)).take(8).collect();
    let surplus: Vec<_> = found.iter().filter(|line| !expected.contains(line)).take(8).collect();
    prop_assert!(expected == found, "{what}: missing {missing:#?}, surplus {surplus:#?}");
    Ok(())
}
