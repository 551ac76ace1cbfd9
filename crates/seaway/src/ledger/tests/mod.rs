//! Every test of the ledger runs on SQLite and on PostgreSQL.

mod appending;
mod backups;
mod damage;
mod lines;
mod moments;
mod opening;
pub(crate) mod postgres;
mod reading;

use super::*;
use postgres::Cluster;
use std::collections::BTreeMap;
use std::sync::{Mutex, Weak};

/// When events of tests arrive: Unix microseconds.
const NOW: i64 = 1_750_000_000_000_000;

/// A place of a test, and what keeps it there.
pub(crate) struct Ground {
    pub(crate) place: Place,
    _folder: Option<tempfile::TempDir>,
    _cluster: Option<Arc<Cluster>>,
}

impl Ground {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Folder(folder.path().join("data"));
        Self { place, _folder: Some(folder), _cluster: None }
    }

    pub(crate) fn postgres() -> Option<Self> {
        let cluster = shared()?;
        let place = Place::Postgres(cluster.database());
        Some(Self { place, _folder: None, _cluster: Some(cluster) })
    }
}

/// The cluster that running tests share; it stops when the last of them is done.
fn shared() -> Option<Arc<Cluster>> {
    static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap();
    if let Some(cluster) = shared.upgrade() {
        return Some(cluster);
    }
    let cluster = Arc::new(Cluster::start()?);
    *shared = Arc::downgrade(&cluster);
    Some(cluster)
}

/// Makes two tests of each function, one for each database.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[test]
            fn on_sqlite() {
                let ground = crate::ledger::tests::Ground::sqlite();
                crate::ledger::tests::run(super::$name(ground.place.clone()));
            }

            #[test]
            fn on_postgres() {
                if let Some(ground) = crate::ledger::tests::Ground::postgres() {
                    crate::ledger::tests::run(super::$name(ground.place.clone()));
                }
            }
        }
    )*};
}
pub(crate) use on_both;

pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    runtime_of(runtime).block_on(test);
}

fn runtime_of(mut builder: tokio::runtime::Builder) -> tokio::runtime::Runtime {
    builder.worker_threads(2).enable_all().build().unwrap()
}

/// A ledger and its connections.
struct Open {
    databases: Databases,
    ledger: Ledger,
}

impl Open {
    async fn at(place: &Place) -> Self {
        Self::with(place, Limits::default(), "").await
    }

    async fn with(place: &Place, limits: Limits, pragmas: &str) -> Self {
        let databases = Databases::open_with(place, pragmas).await.unwrap();
        let ledger = Ledger::start(databases.log.clone(), limits).await.unwrap();
        Self { databases, ledger }
    }

    /// Runs a statement behind the ledger's back.
    async fn execute(&self, statement: &'static str) {
        sqlx::query(statement).execute(self.databases.log.pool()).await.unwrap();
    }

    async fn close(self) {
        self.ledger.finish().await;
        self.databases.close().await;
    }

    /// All events, read in small stretches.
    async fn all(&self) -> Vec<Recorded> {
        let (mut all, mut position) = (Vec::new(), 0);
        loop {
            let stretch = self.ledger.read_after(position, 7, 2000).await.unwrap();
            assert_eq!(stretch.unreadable, []);
            if stretch.up_to == position {
                return all;
            }
            position = stretch.up_to;
            all.extend(stretch.events);
        }
    }
}

/// An event with a name of its own.
pub(super) fn event(id: impl ToString) -> Event {
    let id = id.to_string();
    Event {
        source: "https://ci.example.com/main".to_owned(),
        kind: "dev.cdevents.service.deployed.0.2.0".to_owned(),
        subject: Some(format!("service/{id}")),
        time: Some(NOW - 1),
        content_type: "application/json".to_owned(),
        extensions: BTreeMap::from([("tracestate".to_owned(), "a=\0\u{1F600}".into())]),
        data: format!(r#"{{"id": "{id}"}}"#).into(),
        id,
    }
}

fn events(ids: std::ops::Range<u32>) -> Vec<Event> {
    ids.map(event).collect()
}

/// The positions of outcomes that are all new.
fn positions(outcomes: &[Outcome]) -> Vec<i64> {
    let position = |outcome: &Outcome| match outcome {
        Outcome::New(position) => *position,
        Outcome::Known => panic!("known: {outcomes:?}"),
    };
    outcomes.iter().map(position).collect()
}
