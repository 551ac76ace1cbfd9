//! What can go wrong with the ledger, in words for people.

use std::path::PathBuf;

/// Why the ledger cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Another process has the data folder open.
    #[error("the data folder {} is in use by another seaway", .folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// There are no data to read.
    #[error("there are no data in {}", .folder.display())]
    Nothing {
        /// The folder.
        folder: PathBuf,
    },
    /// The data were written by an older program, and are only to be read.
    #[error("{database} has version {found} of the {schema}, and this seaway needs {known}")]
    Older {
        /// Where the data are.
        database: String,
        /// Which part of the data.
        schema: &'static str,
        /// The version of the data.
        found: i64,
        /// The version that this program needs.
        known: i64,
    },
    /// The data were written by a newer program.
    #[error("{database} has version {found} of the {schema}, and this seaway knows {known}")]
    Newer {
        /// Where the data are.
        database: String,
        /// Which part of the data.
        schema: &'static str,
        /// The version of the data.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The data folder cannot be made or locked.
    #[error("the data folder {} cannot be used: {source}", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What was given as the database is no address of one.
    #[error("this is not the URL of a PostgreSQL database: {0}")]
    Url(String),
    /// The database cannot be opened or reached.
    #[error("{database} cannot be opened: {source}")]
    Open {
        /// Where it is, without the password.
        database: String,
        /// Why.
        source: sqlx::Error,
    },
    /// Another server does what only one may do.
    #[error("another server computes the views of this database now")]
    OthersTurn,
    /// A statement failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// A backup is only restored where nothing is.
    #[error("there are events on this log already: {0}")]
    NotEmpty(u64),
    /// A line of an export or a backup is not one.
    #[error("line {line} cannot be read: {why}")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// Why.
        why: String,
    },
    /// A backup is not whole.
    #[error("{} is no whole backup: {why}", .file.display())]
    Backup {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// A file failed.
    #[error("{what}: {source}")]
    Io {
        /// What was done with which file.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The log did not take what was restored.
    #[error("the log did not take the events: {0}")]
    Refused(#[from] super::Refusal),
}

/// Whether a failed read tells that the data themselves are damaged, so that reading them again
/// would fail again, and not that the database is away, full or busy.
pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::AnyDriverError(_) => true,
        sqlx::Error::Database(database) => database.code().is_some_and(|code| {
            // SQLite: SQLITE_CORRUPT and SQLITE_NOTADB, below the extended bits.
            let sqlite = |code: i32| matches!(code & 0xff, 11 | 26);
            match code.len() {
                // PostgreSQL: data_corrupted, index_corrupted, character_not_in_repertoire.
                5 => matches!(&*code, "XX001" | "XX002" | "22021"),
                _ => code.parse().is_ok_and(sqlite),
            }
        }),
        _ => false,
    }
}
