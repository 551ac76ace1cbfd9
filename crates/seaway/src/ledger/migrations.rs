//! The tables, and how older ones become newer ones.

use super::Error;
use super::database::{Database, Engine};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _};

/// The versions of a group of tables, oldest first. Each is a list of statements that leads from
/// the version before it; what has been released is never changed, only followed by another.
///
/// `{position}` stands for a primary key that grows, `{bytes}` for the type of bytes,
/// `{pull_request}` for that field of a JSON in the column `body`, and, after a column of an index,
/// `{bytewise}` for the order of texts by their bytes.
pub(crate) struct Schema {
    /// Its name, among the groups in one database and in messages.
    pub(crate) name: &'static str,
    /// What leads to version 1, then to version 2 and so on.
    pub(crate) versions: &'static [&'static [&'static str]],
}

/// The tables of the log.
///
/// `key` is what events are deduplicated by: see [`super::row::key`]. An index on 16 bytes is a
/// third of one on (source, id) with a typical URL and UUID in it, and it has no rows that are too
/// long for it. `log_head` has one row with the newest position and the number of events: whoever
/// appends updates it first, which makes appending transactions wait for each other on PostgreSQL
/// too. So positions become visible in order: who has read up to one never sees a smaller one
/// appear.
pub(super) const LOG: Schema = Schema {
    name: "log",
    versions: &[
        &[
            "CREATE TABLE events (
            position {position},
            key {bytes} NOT NULL,
            received_at BIGINT NOT NULL,
            time BIGINT,
            source TEXT NOT NULL,
            id TEXT NOT NULL,
            kind TEXT NOT NULL,
            subject TEXT,
            content_type TEXT NOT NULL,
            extensions TEXT NOT NULL,
            data {bytes} NOT NULL
        )",
            "CREATE UNIQUE INDEX events_key ON events (key)",
            "CREATE TABLE log_head (
            one BIGINT PRIMARY KEY,
            newest BIGINT NOT NULL,
            total BIGINT NOT NULL
        )",
            "INSERT INTO log_head (one, newest, total) VALUES (1, 0, 0)",
        ],
        // What people changed is told the newest first, and is a small part of the log.
        &["CREATE INDEX events_audit ON events (position) WHERE kind = 'dev.seaway.audit'"],
        // Flags are read from the log when a server starts, and followed by their positions.
        &[
            "CREATE INDEX events_flags ON events (position) WHERE kind = 'dev.seaway.flag'",
            "CREATE INDEX events_flag ON events (subject, position) WHERE kind = 'dev.seaway.flag'",
        ],
    ],
};

/// Any number, known to nobody else who locks in this database.
const MIGRATING: i64 = 0x5ea_3a11_0ca5;

/// Brings tables to the newest version, one version a transaction.
///
/// # Errors
/// They are newer than this program, or a statement fails; what was complete before stays.
pub(crate) async fn migrate(database: &Database, schema: &Schema) -> Result<(), Error> {
    // All steps on one connection: SQLite's others may otherwise have read the schema between two.
    let mut connection = database.pool().acquire().await?;
    while step(&mut connection, database, schema).await? {}
    Ok(())
}

/// Whether a database has no tables of this program yet.
///
/// # Errors
/// The database fails.
pub(super) async fn is_new(database: &Database) -> Result<bool, Error> {
    let text = match database.engine() {
        Engine::Sqlite => "SELECT COUNT(*) FROM sqlite_master WHERE name = 'schema_versions'",
        Engine::Postgres => {
            "SELECT COUNT(*) FROM pg_catalog.pg_class WHERE oid = to_regclass('schema_versions')"
        }
    };
    let count: i64 = sqlx::query_scalar(text).fetch_one(database.pool()).await?;
    Ok(count == 0)
}

/// Looks whether tables have just the version that this program knows, and changes nothing.
///
/// # Errors
/// They are newer or older, or a statement fails.
pub(crate) async fn check_version(database: &Database, schema: &Schema) -> Result<(), Error> {
    let query = sqlx::query_scalar("SELECT version FROM schema_versions WHERE name = $1");
    let found: Option<i64> = query.bind(schema.name).fetch_optional(database.pool()).await?;
    let found = found.unwrap_or(0);
    let known = schema.versions.len().try_into().unwrap_or(i64::MAX);
    let (name, schema) = (database.name().to_owned(), schema.name);
    match found.cmp(&known) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(Error::Older { database: name, schema, found, known }),
        std::cmp::Ordering::Greater => Err(Error::Newer { database: name, schema, found, known }),
    }
}

/// Goes one version ahead. Returns whether there was one.
async fn step(
    connection: &mut AnyConnection,
    database: &Database,
    schema: &Schema,
) -> Result<bool, Error> {
    let mut transaction = connection.begin_with(database.engine().begin()).await?;
    if database.engine() == Engine::Postgres {
        // Servers that start at once take turns; SQLite's have the folder's lock.
        let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(MIGRATING);
        lock.execute(&mut *transaction).await?;
    }
    let table = "CREATE TABLE IF NOT EXISTS schema_versions (
        name TEXT PRIMARY KEY, version BIGINT NOT NULL)";
    sqlx::query(table).execute(&mut *transaction).await?;
    let found: Option<i64> =
        sqlx::query_scalar("SELECT version FROM schema_versions WHERE name = $1")
            .bind(schema.name)
            .fetch_optional(&mut *transaction)
            .await?;
    let found = found.unwrap_or(0);
    let known = schema.versions.len().try_into().unwrap_or(i64::MAX);
    if found > known {
        let database = database.name().to_owned();
        return Err(Error::Newer { database, schema: schema.name, found, known });
    }
    let next = usize::try_from(found).ok().and_then(|found| schema.versions.get(found));
    let Some(statements) = next else { return Ok(false) };
    for statement in *statements {
        let statement = AssertSqlSafe(dialect(database.engine(), statement));
        sqlx::query(statement).execute(&mut *transaction).await?;
    }
    sqlx::query(
        "INSERT INTO schema_versions (name, version) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET version = excluded.version",
    )
    .bind(schema.name)
    .bind(found + 1)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(true)
}

fn dialect(engine: Engine, statement: &str) -> String {
    let pull_request = match engine {
        Engine::Sqlite => "json_extract(body, '$.pull_request')",
        Engine::Postgres => "body::json ->> 'pull_request'",
    };
    let bytewise = match engine {
        Engine::Sqlite => "",
        Engine::Postgres => " COLLATE \"C\"",
    };
    let (position, bytes) = match engine {
        // In SQLite, only a column of exactly this type is the key of the table itself.
        Engine::Sqlite => ("INTEGER PRIMARY KEY", "BLOB"),
        Engine::Postgres => ("BIGINT PRIMARY KEY", "BYTEA"),
    };
    let words = [
        ("{position}", position),
        ("{bytes}", bytes),
        ("{pull_request}", pull_request),
        ("{bytewise}", bytewise),
    ];
    words.iter().fold(statement.to_owned(), |text, (word, meant)| text.replace(word, meant))
}
