//! Reading the log in order.

use super::error::is_damage;
use super::event::Recorded;
use super::row::{self, COLUMNS};
use super::{Error, Ledger, packet};
use crate::ledger::database::Engine;
use futures_util::TryStreamExt as _;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

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

    /// As [`Self::read_after`], for the one who follows the log: what this process has just appended
    /// need not be read from the database. It is handed out once.
    ///
    /// # Errors
    /// As [`Self::read_after`].
    pub(crate) async fn follow_after(
        &self,
        position: i64,
        events_max: u32,
        bytes_max: usize,
    ) -> Result<Stretch, Error> {
        match self.fresh.take_after(position, events_max, bytes_max) {
            Some(stretch) => Ok(stretch),
            None => self.read_after(position, events_max, bytes_max).await,
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
        let mut room = Room { events: events_max, bytes: bytes_max };
        match self.log.engine() {
            Engine::Sqlite => packets(&mut connection, &mut stretch, &mut room).await?,
            Engine::Postgres => rows(&mut connection, &mut stretch, &mut room).await?,
        }
        if room.is_left() {
            stretch.up_to = stretch.up_to.max(newest);
        }
        if room.bytes == 0 && self.log.engine() == Engine::Postgres {
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

/// How much more is wanted.
#[derive(Debug, Clone, Copy)]
struct Room {
    events: u32,
    bytes: usize,
}

impl Room {
    fn is_left(self) -> bool {
        self.events > 0 && self.bytes > 0
    }

    fn take(&mut self, events: u32, bytes: usize) {
        self.events = self.events.saturating_sub(events);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// Reads on row by row, until there is no room or no row.
async fn rows(
    connection: &mut AnyConnection,
    stretch: &mut Stretch,
    room: &mut Room,
) -> Result<(), sqlx::Error> {
    let text =
        format!("SELECT {COLUMNS} FROM events WHERE position > $1 ORDER BY position LIMIT $2");
    let query = sqlx::query(AssertSqlSafe(text)).bind(stretch.up_to).bind(i64::from(room.events));
    let mut rows = query.fetch(connection);
    while room.is_left()
        && let Some(row) = rows.try_next().await?
    {
        let bytes = stretch.add(&row)?;
        room.take(1, bytes);
    }
    Ok(())
}

/// Reads on with many events in a row, until there is no room or no event. Where one cannot be
/// taken apart, or is very long, they are read row by row.
async fn packets(
    connection: &mut AnyConnection,
    stretch: &mut Stretch,
    room: &mut Room,
) -> Result<(), sqlx::Error> {
    while room.is_left() {
        let limit = room.events.min(packet::EVENTS);
        let (count, bytes, last): (i64, i64, i64) = sqlx::query_as(packet::EXTENT)
            .bind(stretch.up_to)
            .bind(i64::from(limit))
            .fetch_one(&mut *connection)
            .await?;
        let count = u32::try_from(count).unwrap_or(limit);
        if count == 0 {
            return Ok(());
        }
        let events = match bytes <= packet::BYTES_MAX {
            true => read_packet(connection, [stretch.up_to, last], count).await?,
            false => None,
        };
        match events {
            Some(events) => {
                stretch.events.extend(events);
                stretch.up_to = last;
                room.take(count, usize::try_from(bytes).unwrap_or(usize::MAX));
            }
            None => {
                let mut some = Room { events: count, ..*room };
                rows(connection, stretch, &mut some).await?;
                room.take(count - some.events, room.bytes - some.bytes);
            }
        }
    }
    Ok(())
}

/// The events after one position up to another, of which there are so many; `None` if one of them
/// is damaged.
async fn read_packet(
    connection: &mut AnyConnection,
    [after, last]: [i64; 2],
    count: u32,
) -> Result<Option<Vec<Recorded>>, sqlx::Error> {
    let query = sqlx::query_scalar(packet::READ).bind(after).bind(last);
    let read: Option<Vec<u8>> = query.fetch_one(connection).await?;
    // An event with a NULL where none can be would be left out by SQLite.
    let is_whole = |events: &Vec<Recorded>| events.len() == count as usize;
    Ok(read.and_then(|read| packet::take_apart(read).ok()).filter(is_whole))
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
