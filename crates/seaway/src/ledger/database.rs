//! Where the data are: two SQLite files in a folder, or one PostgreSQL database.
//!
//! Both are spoken to through `sqlx::Any` with the same statements. What a statement may use so
//! that it is the same on both: `$1` for values, BIGINT, TEXT and bytes and nothing else, times as
//! integers of microseconds or seconds, JSON as text, `ON CONFLICT`, `RETURNING`, row values;
//! `CAST(SUM(…) AS BIGINT)`, as PostgreSQL sums to another type.

use super::Error;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions, Connection as _, Transaction};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Once};
use std::time::Duration;

/// Where an organization's data are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A folder with `ledger.sqlite` and `views.sqlite`; for one server at a time.
    Folder(PathBuf),
    /// A PostgreSQL database with the tables of both; several servers may use it at once.
    Postgres(String),
}

/// Which database it is, for the few statements that differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// The connections to one database. Clones share them, and the lock of the folder.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pool: AnyPool,
    /// For transactions that write. With SQLite one connection: there is one writer at a time, and
    /// what it keeps of the file in memory stays true as long as no other connection has written.
    writers: AnyPool,
    engine: Engine,
    /// Where it is, for messages: no password in it.
    name: Arc<str>,
    /// Held as long as anybody can write there.
    _lock: Option<Arc<File>>,
}

/// The databases of a place.
#[derive(Debug, Clone)]
pub(crate) struct Databases {
    /// The log of events: what cannot be computed anew.
    pub(crate) log: Database,
    /// The views, which can: with SQLite a file of their own, so that computing them does not
    /// keep the log's writer waiting.
    pub(crate) views: Database,
}

/// Connections to a SQLite file that read.
const SQLITE_CONNECTIONS: u32 = 6;
/// Connections to PostgreSQL.
const POSTGRES_CONNECTIONS: u32 = 10;
/// How long to wait for a connection before it counts as a failure.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// What every connection to a SQLite file sets. The write-ahead log is copied back to the file
/// every so often: rarely enough to write each page of the index once for many changes, often
/// enough that no writer waits long for it. There is no `mmap_size`: with it, a disk that fails to read
/// would end the process and not the statement.
const SQLITE_PRAGMAS: &str = "\
    PRAGMA busy_timeout = 10000;
    PRAGMA journal_mode = WAL;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA cache_size = -32768;
    PRAGMA temp_store = MEMORY;
    PRAGMA fullfsync = ON;
    PRAGMA checkpoint_fullfsync = ON;";

/// A commit of the log is on disk when it returns. Each 32 MiB are copied back.
const SQLITE_DURABLE: &str = "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 8000;";
/// A power cut may take back the newest commits of the views, and leaves them whole: they are
/// computed on from the cursor that is in them. They are copied back beside the work
/// ([`Database::copy_back`]); this bound is for when that never comes to an end.
const SQLITE_WHOLE: &str = "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 32000;";

/// A server may be configured not to wait for its disk; here, it waits.
const POSTGRES_DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) \
     WHERE current_setting('synchronous_commit') = 'off'";

impl Databases {
    /// Opens both databases of a place, and makes the folder where there is none.
    ///
    /// # Errors
    /// The folder is in use or cannot be used, or the database cannot be reached.
    pub(crate) async fn open(place: &Place) -> Result<Self, Error> {
        Self::open_with(place, "").await
    }

    /// Opens them; `pragmas` are set on each connection to the log if it is SQLite's.
    pub(super) async fn open_with(place: &Place, pragmas: &str) -> Result<Self, Error> {
        install_drivers();
        match place {
            Place::Folder(folder) => {
                let (folder, lock) = lock(folder)?;
                let file = |name: &str| folder.join(name);
                let durable = format!("{SQLITE_PRAGMAS}{SQLITE_DURABLE}{pragmas}");
                let whole = format!("{SQLITE_PRAGMAS}{SQLITE_WHOLE}");
                Ok(Self {
                    log: Database::sqlite(&file("ledger.sqlite"), durable, Some(&lock)).await?,
                    views: Database::sqlite(&file("views.sqlite"), whole, Some(&lock)).await?,
                })
            }
            Place::Postgres(url) => {
                let log = Database::postgres(url).await?;
                Ok(Self { views: log.clone(), log })
            }
        }
    }

    /// Opens the databases of a place for reading, also while a server uses them: nothing is locked,
    /// made or brought to a newer version.
    ///
    /// # Errors
    /// There is nothing, or the database cannot be reached.
    pub(crate) async fn open_to_read(place: &Place) -> Result<Self, Error> {
        install_drivers();
        match place {
            Place::Folder(folder) => {
                let pragmas = "PRAGMA busy_timeout = 10000; PRAGMA query_only = ON;";
                let open = async |name: &str| {
                    let file = folder.join(name);
                    match file.is_file() {
                        true => Database::sqlite(&file, pragmas.to_owned(), None).await,
                        false => Err(Error::Nothing { folder: folder.clone() }),
                    }
                };
                Ok(Self { log: open("ledger.sqlite").await?, views: open("views.sqlite").await? })
            }
            Place::Postgres(url) => {
                let log = Database::postgres(url).await?;
                Ok(Self { views: log.clone(), log })
            }
        }
    }

    /// Opens the log of a place for writing a little, also while a server uses it; nothing is
    /// locked. Makes the folder and the file where there are none, if `make` says so.
    ///
    /// # Errors
    /// There is nothing, the folder cannot be made, or the database cannot be reached.
    pub(crate) async fn open_beside(place: &Place, make: bool) -> Result<Database, Error> {
        install_drivers();
        match place {
            Place::Folder(folder) => {
                let file = folder.join("ledger.sqlite");
                if !make && !file.is_file() {
                    return Err(Error::Nothing { folder: folder.clone() });
                }
                std::fs::create_dir_all(folder)
                    .map_err(|source| Error::Folder { folder: folder.clone(), source })?;
                Database::sqlite(&file, format!("{SQLITE_PRAGMAS}{SQLITE_DURABLE}"), None).await
            }
            Place::Postgres(url) => Database::postgres(url).await,
        }
    }

    /// Waits until all connections are given back, and closes them. A ledger that has not
    /// finished keeps one, so [`super::Ledger::finish`] comes first.
    pub(crate) async fn close(&self) {
        self.log.close().await;
        self.views.close().await;
    }
}

fn install_drivers() {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(sqlx::any::install_default_drivers);
}

/// Makes the folder and locks it for this process. The system takes the lock away when the process
/// ends, however it ends.
fn lock(folder: &Path) -> Result<(PathBuf, Arc<File>), Error> {
    let failed = |source| Error::Folder { folder: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let folder = folder.canonicalize().map_err(failed)?;
    if let Some(parent) = folder.parent() {
        // Makes the name of a new folder durable, where a system can; SQLite does so for its files.
        let _ = File::open(parent).and_then(|parent| parent.sync_all());
    }
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("seaway.lock"))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok((folder, Arc::new(file))),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { folder }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Whether a connection has no transaction. A full disk makes SQLite take a transaction back by
/// itself; the library's own attempt fails then, and it takes the connection to be in a transaction
/// ever after.
async fn is_at_rest(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // It may be about to take one back: this comes after that.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

impl Database {
    async fn sqlite(file: &Path, pragmas: String, lock: Option<&Arc<File>>) -> Result<Self, Error> {
        let name: Arc<str> = file.display().to_string().into();
        let failed = |source| Error::Open { database: name.to_string(), source };
        let path: String = file.as_os_str().as_encoded_bytes().iter().map(|&b| escape(b)).collect();
        let options =
            AnyConnectOptions::from_str(&format!("sqlite://{path}?mode=rwc")).map_err(failed)?;
        let pragmas: Arc<str> = pragmas.into();
        let pool = |connections| {
            let (pragmas, options) = (Arc::clone(&pragmas), options.clone());
            let pool = AnyPoolOptions::new()
                .max_connections(connections)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .after_connect(move |connection, _| {
                    let pragmas = Arc::clone(&pragmas);
                    Box::pin(async move {
                        let pragmas = sqlx::raw_sql(sqlx::AssertSqlSafe(pragmas));
                        pragmas.execute(connection).await.map(drop)
                    })
                })
                .before_acquire(|connection, _| Box::pin(is_at_rest(connection)));
            pool.connect_with(options.disable_statement_logging())
        };
        let writers = pool(1).await.map_err(failed)?;
        let pool = pool(SQLITE_CONNECTIONS).await.map_err(failed)?;
        Ok(Self { pool, writers, engine: Engine::Sqlite, name, _lock: lock.cloned() })
    }

    async fn postgres(url: &str) -> Result<Self, Error> {
        let options =
            AnyConnectOptions::from_str(url).map_err(|error| Error::Url(error.to_string()))?;
        if !matches!(options.database_url.scheme(), "postgres" | "postgresql") {
            return Err(Error::Url("it does not begin with postgres://".to_owned()));
        }
        let mut shown = options.database_url.clone();
        // Both fail only for URLs that cannot have a password.
        let _ = shown.set_password(None);
        shown.set_query(None);
        let pool = AnyPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    sqlx::query(POSTGRES_DURABLE).execute(connection).await.map(drop)
                })
            })
            .connect_with(options.disable_statement_logging())
            .await
            .map_err(|source| Error::Open { database: shown.to_string(), source })?;
        let (writers, name) = (pool.clone(), shown.as_str().into());
        Ok(Self { pool, writers, engine: Engine::Postgres, name, _lock: None })
    }

    /// The connections, for statements that read.
    pub(crate) fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// Waits until all connections are given back, and closes them.
    pub(crate) async fn close(&self) {
        self.writers.close().await;
        self.pool.close().await;
    }

    /// Which database it is.
    pub(crate) fn engine(&self) -> Engine {
        self.engine
    }

    /// Where it is, for messages; without a password.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Begins a transaction that reads: all that is read in it is as it was at one moment. It keeps
    /// nobody from writing.
    ///
    /// # Errors
    /// No connection.
    pub(super) async fn begin_reading(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        let begin = match self.engine {
            Engine::Sqlite => "BEGIN DEFERRED",
            Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        self.pool.begin_with(begin).await
    }

    /// Begins a transaction that writes.
    ///
    /// # Errors
    /// No connection, or with SQLite another writer for ten seconds.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        self.writers.begin_with(self.engine.begin()).await
    }

    /// Copies what was written back from SQLite's write-ahead log to the file, as far as that keeps
    /// nobody waiting. PostgreSQL does so by itself.
    ///
    /// # Errors
    /// The database fails; it is copied later.
    pub(crate) async fn copy_back(&self) -> Result<(), sqlx::Error> {
        match self.engine {
            Engine::Sqlite => {
                sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&self.pool).await.map(drop)
            }
            Engine::Postgres => Ok(()),
        }
    }
}

impl Engine {
    /// The statement that begins a transaction that writes. SQLite has to know at once: a reader
    /// cannot become a writer when another has written in between.
    pub(super) fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            // Whatever the server's default is: with a stricter one, writers that meet would fail
            // where they have to wait.
            Self::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
        }
    }
}

/// A byte of a path as it stands in a URL.
fn escape(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    }
}
