//! Reading what people changed.

use super::event::Recorded;
use super::row::{self, COLUMNS};
use super::{Error, Ledger};
use sqlx::AssertSqlSafe;

/// What kind of events tell what people changed. Only this program writes them.
pub(crate) const AUDIT_KIND: &str = "dev.seaway.audit";

impl Ledger {
    /// The newest events that tell what people changed, before a position; the newest first. Those
    /// that cannot be read are left out.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn audit_before(
        &self,
        position: i64,
        most: i64,
    ) -> Result<Vec<Recorded>, Error> {
        // The kind stands in the text, as it does in the index, so that this is found.
        let text = format!(
            "SELECT {COLUMNS} FROM events WHERE kind = '{AUDIT_KIND}' AND position < $1 \
             ORDER BY position DESC LIMIT $2"
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(position).bind(most);
        let rows = query.fetch_all(self.log.pool()).await?;
        Ok(rows.iter().filter_map(|row| row::decode(row).ok()).collect())
    }
}
