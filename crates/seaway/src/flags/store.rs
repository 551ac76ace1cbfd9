//! The SQL of flags: reading their revisions from the log.

use crate::ledger::{Database, Error};
use sqlx::AssertSqlSafe;

/// What is read of a revision: its place on the log, its name there, and its data.
pub(super) type Row = (i64, String, Vec<u8>);

/// The condition of the indexes that these statements are for.
const FLAGS: &str = "kind = 'dev.seaway.flag'";

/// Reads revisions from the log.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    log: Database,
}

impl Store {
    /// A reader of the database of the log.
    pub(crate) fn new(log: Database) -> Self {
        Self { log }
    }

    /// The newest revision of everything, after a name, in the order of the names; at most so many.
    ///
    /// # Errors
    /// The database fails.
    pub(super) async fn newest(&self, after: &str, most: i64) -> Result<Vec<Row>, Error> {
        let text = format!(
            "SELECT position, subject, data FROM events WHERE position IN (
                SELECT MAX(position) FROM events WHERE {FLAGS} AND subject > $1
                GROUP BY subject ORDER BY subject LIMIT $2)
             ORDER BY subject"
        );
        let query = sqlx::query_as(AssertSqlSafe(text)).bind(after).bind(most);
        self.log.fetch(query).await
    }

    /// The revisions after a position, the oldest first; at most so many.
    ///
    /// # Errors
    /// The database fails.
    pub(super) async fn after(&self, position: i64, most: i64) -> Result<Vec<Row>, Error> {
        let text = format!(
            "SELECT position, id, data FROM events WHERE {FLAGS} AND position > $1
             ORDER BY position LIMIT $2"
        );
        let query = sqlx::query_as(AssertSqlSafe(text)).bind(position).bind(most);
        self.log.fetch(query).await
    }

    /// The revisions of one flag before a position, the newest first; at most so many.
    ///
    /// # Errors
    /// The database fails.
    pub(super) async fn history(
        &self,
        subject: &str,
        before: i64,
        most: i64,
    ) -> Result<Vec<Row>, Error> {
        let text = format!(
            "SELECT position, id, data FROM events WHERE {FLAGS} AND subject = $1
             AND position < $2 ORDER BY position DESC LIMIT $3"
        );
        let query = sqlx::query_as(AssertSqlSafe(text));
        self.log.fetch(query.bind(subject).bind(before).bind(most)).await
    }
}
