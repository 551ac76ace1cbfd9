//! Reading what people changed.

use super::event::Recorded;
use super::kinds::{AUDIT_KIND, FLAG_KIND};
use super::row::{self, COLUMNS};
use super::{Error, Ledger};
use sqlx::AssertSqlSafe;

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
        // The kinds stand in the text, as they do in the indexes, so that these are found.
        let newest = |kind: &str| {
            format!(
                "SELECT position FROM events WHERE kind = '{kind}' AND position < $1 \
                 ORDER BY position DESC LIMIT $2"
            )
        };
        let text = format!(
            "SELECT {COLUMNS} FROM events WHERE position IN (SELECT position FROM ({}) a) \
             OR position IN (SELECT position FROM ({}) f) ORDER BY position DESC LIMIT $2",
            newest(AUDIT_KIND),
            newest(FLAG_KIND),
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(position).bind(most);
        let rows = query.fetch_all(self.log.pool()).await?;
        Ok(rows.iter().filter_map(|row| row::decode(row).ok()).collect())
    }
}
