//! Whether the log is what it should be.

use super::database::Engine;
use super::read::Unreadable;
use super::row::{self, COLUMNS};
use super::{Error, Ledger};
use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Row as _};

/// Problems that are told one by one; more are only counted.
const TOLD_MAX: usize = 100;
/// Rows that are looked at between two reports of progress.
const STRETCH_EVENTS: u32 = 2000;

/// What a check found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Events that can be read and are what they were.
    pub(crate) good: u64,
    /// What is wrong, for people: the first hundred.
    pub(crate) problems: Vec<String>,
    /// How many problems there are.
    pub(crate) problem_count: u64,
}

impl Checked {
    fn problem(&mut self, what: String) {
        self.problem_count += 1;
        if self.problems.len() < TOLD_MAX {
            self.problems.push(what);
        }
    }
}

impl Ledger {
    /// Looks at every row: whether the database finds itself whole (SQLite), whether each row can be
    /// read and has the key of its source and id, and whether there are as many as were counted.
    /// `progress` is told how many have been looked at. Run it when nothing is appended.
    ///
    /// # Errors
    /// The database cannot be reached; damage is told and is no error.
    pub(crate) async fn check(&self, mut progress: impl FnMut(u64)) -> Result<Checked, Error> {
        let mut checked = Checked::default();
        if self.log.engine() == Engine::Sqlite {
            let query = sqlx::query_scalar("PRAGMA integrity_check");
            let told: Result<Vec<String>, _> = query.fetch_all(self.log.pool()).await;
            for problem in told.unwrap_or_else(|error| vec![error.to_string()]) {
                if problem != "ok" {
                    checked.problem(problem);
                }
            }
        }
        let (newest, total) = (self.look_for_newer().await?, self.len().await?);
        let (mut position, mut seen) = (0, 0);
        loop {
            let stretch = self.read_after(position, STRETCH_EVENTS, usize::MAX).await?;
            if stretch.up_to == position {
                break;
            }
            for Unreadable { position, why } in &stretch.unreadable {
                checked.problem(format!("the row at {position} cannot be read: {why}"));
            }
            for wrong in self.wrong_keys(position, stretch.up_to).await? {
                checked.problem(format!("the key at {wrong} is not that of its event"));
            }
            seen += (stretch.events.len() + stretch.unreadable.len()) as u64;
            position = stretch.up_to;
            progress(seen);
        }
        if position > newest {
            checked.problem(format!("a row at {position} lies after the newest, {newest}"));
        }
        if seen != total {
            checked.problem(format!("{seen} rows are there, {total} were appended"));
        }
        checked.good = seen.saturating_sub(checked.problem_count);
        Ok(checked)
    }

    /// Positions of readable rows whose key is wrong, after one position and up to another.
    async fn wrong_keys(&self, after: i64, up_to: i64) -> Result<Vec<i64>, Error> {
        let text = format!(
            "SELECT {COLUMNS} FROM events WHERE position > $1 AND position <= $2 ORDER BY position"
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(after).bind(up_to);
        let mut rows = query.fetch(self.log.pool());
        let mut wrong = Vec::new();
        // Where it stops at damage, the damage has been told.
        while let Ok(Some(row)) = rows.try_next().await {
            let readable = row::decode(&row);
            if readable.is_ok_and(|recorded| !row::has_its_key(&row, &recorded.event)) {
                wrong.push(row.try_get(0)?);
            }
        }
        Ok(wrong)
    }
}
