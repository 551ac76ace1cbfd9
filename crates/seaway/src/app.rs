//! What the parts of a running server share, and how it is started.

use crate::access::Access;
use crate::body::Budget;
use crate::catalog;
use crate::config::Config;
use crate::delivery::projector::{Progress, Projector, Settings};
use crate::delivery::site::Live;
use crate::delivery::store::Store;
use crate::error::Error;
use crate::flags::{Exposures, Flags, Store as FlagStore};
use crate::ledger::{Database, Databases, Event, Ledger, Limits, Outcome, Place, Refusal};
use crate::serve::connections_max;
use clap::Args;
use seaway_core::delivery::summary::Days;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Reads the clock: Unix microseconds.
pub(crate) type Clock = fn() -> i64;

/// How the files of the catalog are, for those who may not name the catalog.
pub(crate) type CatalogFiles = catalog::State;

/// Memory that all bodies together may take, in bytes.
const BODIES_BYTES_MAX: usize = 256 << 20;

/// Where the data are.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlaceArguments {
    /// The folder of the data [default: $SEAWAY_DATA, or seaway-data here]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A PostgreSQL database in the place of files: postgres://user:password@host/database
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    database: Option<String>,
    /// Settings over the defaults [default: $SEAWAY_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl PlaceArguments {
    /// A folder, with the usual configuration.
    pub(crate) fn of_folder(folder: PathBuf) -> Self {
        Self { data: Some(folder), database: None, config: None }
    }

    /// Where the events and views are.
    pub(crate) fn place(&self) -> Place {
        match &self.database {
            Some(url) => Place::Postgres(url.clone()),
            None => Place::Folder(self.folder()),
        }
    }

    /// The folder of the data; with PostgreSQL, of what is kept beside the database.
    pub(crate) fn folder(&self) -> PathBuf {
        let named = || std::env::var_os("SEAWAY_DATA").map(PathBuf::from);
        self.data.clone().or_else(named).unwrap_or_else(|| PathBuf::from("seaway-data"))
    }

    /// Whether the command line names a place.
    pub(crate) fn is_given(&self) -> bool {
        self.data.is_some() || self.database.is_some()
    }

    /// The configuration.
    pub(crate) fn config(&self) -> Result<Config, Error> {
        let named = || std::env::var_os("SEAWAY_CONFIG").map(PathBuf::from);
        Config::load(self.config.clone().or_else(named).as_deref())
    }
}

/// Secrets that webhooks prove to know. Empty: nothing is proven.
#[derive(Default)]
pub(crate) struct Secrets {
    pub(crate) github: Vec<String>,
    pub(crate) gitlab: Vec<String>,
}

impl Secrets {
    /// Reads them from `SEAWAY_GITHUB_SECRET` and `SEAWAY_GITLAB_SECRET`. Several, with spaces
    /// between them, let a secret be changed without a gap.
    pub(crate) fn of_environment() -> Self {
        let read = |name: &str| {
            let text = std::env::var(name).unwrap_or_default();
            text.split_whitespace().map(str::to_owned).collect()
        };
        Self { github: read("SEAWAY_GITHUB_SECRET"), gitlab: read("SEAWAY_GITLAB_SECRET") }
    }
}

/// The log and the views of a place, opened.
pub(crate) struct Opened {
    databases: Databases,
    pub(crate) ledger: Ledger,
}

impl Opened {
    /// Opens a place, making it where there is none.
    pub(crate) async fn at(place: &Place) -> Result<Self, Error> {
        let databases = Databases::open(place).await?;
        let ledger = Ledger::start(databases.log.clone(), Limits::default()).await?;
        Ok(Self { databases, ledger })
    }

    /// Opens a place that a server may be using, to read its log and nothing else.
    pub(crate) async fn to_read(place: &Place) -> Result<Self, Error> {
        let databases = Databases::open_to_read(place).await?;
        let ledger = Ledger::start_reading(databases.log.clone()).await?;
        Ok(Self { databases, ledger })
    }

    /// A projector of its views.
    pub(crate) async fn projector(&self, config: &Config) -> Result<Projector, Error> {
        let settings = Settings {
            reader: Arc::new(config.reader_settings()),
            catalog: catalog::change_of,
            days: Arc::new(Days::new(config.time_zone.clone())),
            incident_window_seconds: config.incident_window_seconds,
        };
        Projector::start(self.ledger.clone(), self.databases.views.clone(), settings).await
    }

    /// The database of the log.
    pub(crate) fn log(&self) -> &Database {
        &self.databases.log
    }

    /// All flags, as the log has them.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn flags(&self, clock: Clock) -> Result<Arc<Flags>, Error> {
        let store = FlagStore::new(self.databases.log.clone());
        Ok(Arc::new(Flags::start(store, self.ledger.clone(), clock).await?))
    }

    /// Exposures of flags.
    pub(crate) async fn exposures(&self, clock: Clock) -> Result<Exposures, Error> {
        let Databases { log, views } = self.databases.clone();
        Exposures::start(self.ledger.clone(), log, views, clock).await
    }

    /// What reads the views.
    pub(crate) fn store(&self) -> Store {
        Store::new(self.databases.views.clone())
    }

    /// Writes what waits, and closes everything.
    pub(crate) async fn close(self) {
        self.ledger.finish().await;
        self.databases.close().await;
    }
}

/// What became of events that were appended.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Appended {
    /// How many were new.
    pub(crate) new: u64,
    /// The newest place on the log that they have; 0 where all were known.
    pub(crate) position: i64,
}

/// Appends events that nobody else would send again: waits where too much is waiting already.
pub(crate) async fn append_patiently(
    ledger: &Ledger,
    events: Vec<Event>,
    clock: Clock,
) -> Result<Appended, Error> {
    loop {
        match ledger.append(events.clone(), clock()).await {
            Ok(outcomes) => {
                let mut appended = Appended::default();
                for outcome in outcomes {
                    if let Outcome::New(position) = outcome {
                        appended.new += 1;
                        appended.position = appended.position.max(position);
                    }
                }
                return Ok(appended);
            }
            Err(Refusal::Busy { retry_after_seconds }) => {
                tokio::time::sleep(Duration::from_secs(retry_after_seconds.into())).await;
            }
            Err(refusal) => {
                return Err(Error::Failed { what: refusal.to_string(), hint: None });
            }
        }
    }
}

/// What all requests share.
pub(crate) struct App {
    pub(crate) ledger: Ledger,
    pub(crate) store: Store,
    pub(crate) budget: Budget,
    pub(crate) secrets: Secrets,
    /// Who is let in.
    pub(crate) access: Access,
    pub(crate) clock: Clock,
    pub(crate) days: Arc<Days>,
    /// How long after a deployment an incident may open that is taken to be caused by it.
    pub(crate) incident_window_seconds: i64,
    pub(crate) progress: watch::Receiver<Progress>,
    /// How the files of the catalog are.
    pub(crate) catalog: watch::Receiver<Arc<catalog::State>>,
    /// What was refused of what came in.
    pub(crate) refusals: crate::refusals::Refusals,
    /// What monitoring was told last.
    pub(crate) metrics: crate::delivery::metrics::Kept,
    /// All flags.
    pub(crate) flags: Arc<Flags>,
    /// The environment whose flags are evaluated where none is named.
    pub(crate) default_environment: String,
    /// Where open pages hear that the views have moved.
    pub(crate) live: Live,
    /// Who saw which variants of flags, and what came of it.
    pub(crate) exposures: Exposures,
}

impl App {
    pub(crate) fn new(
        opened: &Opened,
        config: &Config,
        progress: watch::Receiver<Progress>,
        catalog: watch::Receiver<Arc<catalog::State>>,
        (secrets, access): (Secrets, Access),
        (flags, exposures): (Arc<Flags>, Exposures),
        clock: Clock,
    ) -> Self {
        Self {
            ledger: opened.ledger.clone(),
            store: opened.store(),
            budget: Budget::of_bytes(BODIES_BYTES_MAX),
            secrets,
            access,
            clock,
            days: Arc::new(Days::new(config.time_zone.clone())),
            incident_window_seconds: config.incident_window_seconds,
            // Half of the connections are for those who listen to flags, and the others for what is
            // asked and what comes in.
            live: Live::start(progress.clone(), connections_max() / 4),
            flags,
            default_environment: config.default_environment.clone(),
            progress,
            catalog,
            refusals: crate::refusals::Refusals::default(),
            metrics: crate::delivery::metrics::Kept::default(),
            exposures,
        }
    }
}
