//! Reading the log in order.

use super::error::is_damage;
use super::event::Recorded;
use super::row::{self, COLUMNS};
use super::{Error, Ledger};
use crate::ledger::database::Engine;
use futures_util::TryStreamExt as _;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

/// What a reader got.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Events in the order of their positions.
    pub(crate) events: Vec<Recorded>,
    /// Rows that are there and cannot be read.
    pub(crate) unreadable: Vec<Unreadable>,
    /// All up to this position has been told: what to read after next. Positions of events that
    /// were known already are given to none, so it may be beyond the last event.
    pub(crate) up_to: i64,
}

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// Its position.
    pub(crate) position: i64,
    /// Why, for people.
    pub(crate) why: String,
}

/// The newest position that was given.
pub(super) const NEWEST: &str = "SELECT newest FROM log_head WHERE one = 1";

impl Ledger {
    /// Reads the events after a position, at most so many and about so many bytes of data, but at
    /// least one if there is one. A row that is damaged is told apart and does not stop the reader.
    ///
    /// # Errors
    /// The database cannot be reached or fails: nothing was skipped, read again later.
    pub(crate) async fn read_after(
        &self,
        position: i64,
        events_max: u32,
        bytes_max: usize,
    ) -> Result<Stretch, Error> {
        match self.stretch(position, events_max, bytes_max).await {
            Err(error) if is_damage(&error) => self.one_by_one(position, events_max).await,
            stretch => Ok(stretch?),
        }
    }

    async fn stretch(
        &self,
        position: i64,
        events_max: u32,
        bytes_max: usize,
    ) -> Result<Stretch, sqlx::Error> {
        let mut connection = self.log.pool().acquire().await?;
        // Known before the events are read, so that none up to it can be missed.
        let newest: i64 = sqlx::query_scalar(NEWEST).fetch_one(&mut *connection).await?;
        let mut stretch = Stretch { up_to: position, ..Stretch::default() };
        let text =
            format!("SELECT {COLUMNS} FROM events WHERE position > $1 ORDER BY position LIMIT $2");
        let query = sqlx::query(AssertSqlSafe(text)).bind(position).bind(i64::from(events_max));
        let mut rows = query.fetch(&mut *connection);
        let (mut bytes, mut count) = (0, 0);
        while let Some(row) = rows.try_next().await? {
            bytes += stretch.add(&row)?;
            count += 1;
            if bytes >= bytes_max {
                break;
            }
        }
        drop(rows);
        if bytes < bytes_max && count < events_max {
            stretch.up_to = stretch.up_to.max(newest);
        }
        if bytes >= bytes_max && self.log.engine() == Engine::Postgres {
            // The server would send the rows that nobody wants before the connection is of use.
            connection.close_on_drop();
        }
        Ok(stretch)
    }

    /// Reads around damage: each position by itself. Damage can hide where the next row is, so all
    /// positions are tried.
    async fn one_by_one(&self, position: i64, events_max: u32) -> Result<Stretch, Error> {
        let newest = self.newest_in_database().await?;
        let up_to = position.saturating_add(i64::from(events_max)).min(newest).max(position);
        let mut stretch = Stretch { up_to, ..Stretch::default() };
        for position in position + 1..=up_to {
            match self.read_row("position = $1", |query| query.bind(position)).await {
                Ok(Some(row)) => {
                    stretch.add(&row)?;
                }
                Ok(None) => {}
                Err(error) if is_damage(&error) => {
                    stretch.unreadable.push(Unreadable { position, why: error.to_string() });
                }
                Err(error) => return Err(error.into()),
            }
        }
        stretch.up_to = up_to;
        Ok(stretch)
    }

    /// The event of this source and id, if it is on the log.
    ///
    /// # Errors
    /// The database fails, or the row is damaged.
    pub(crate) async fn read_one(&self, source: &str, id: &str) -> Result<Option<Recorded>, Error> {
        let key = row::key(source, id);
        let row = self.read_row("key = $1", |query| query.bind(key.to_vec())).await?;
        let decoded = row.map(|row| row::decode(&row)).transpose();
        Ok(decoded.map_err(|why| sqlx::Error::Decode(why.into()))?)
    }

    async fn read_row(
        &self,
        condition: &str,
        bind: impl FnOnce(Query) -> Query,
    ) -> Result<Option<AnyRow>, sqlx::Error> {
        let text = format!("SELECT {COLUMNS} FROM events WHERE {condition}");
        bind(sqlx::query(AssertSqlSafe(text))).fetch_optional(self.log.pool()).await
    }
}

type Query = sqlx::query::Query<'static, sqlx::Any, sqlx::any::AnyArguments>;

impl Stretch {
    /// Adds a row. Returns its bytes of data.
    fn add(&mut self, row: &AnyRow) -> Result<usize, sqlx::Error> {
        let position = sqlx::Row::try_get(row, 0)?;
        self.up_to = position;
        match row::decode(row) {
            Ok(recorded) => {
                let bytes = recorded.event.data.len();
                self.events.push(recorded);
                Ok(bytes)
            }
            Err(why) => {
                self.unreadable.push(Unreadable { position, why });
                Ok(0)
            }
        }
    }
}
