//! The log of all events: append-only, deduplicated by (source, id), durable before it answers.
//!
//! The only folder, with the nouns' `store.rs`, that speaks SQL.

mod audit;
mod backup;
mod check;
mod database;
mod error;
mod event;
mod fresh;
mod kinds;
mod line;
mod many;
mod migrations;
mod moment;
mod pace;
mod packet;
mod read;
mod row;
mod turn;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use backup::restore;

pub(crate) use database::{Database, Databases, Engine, Place};
pub(crate) use error::Error;
pub(crate) use event::{Event, Recorded};
pub(crate) use kinds::{AUDIT_KIND, FLAG_KIND, is_own};
pub(crate) use line::{RECEIVED_AT, parse as parse_line, write as write_line, write_object};
pub(crate) use many::{Many, Values};
pub(crate) use migrations::{Schema, migrate};
pub(crate) use moment::at_one_moment;
pub(crate) use read::{Stretch, Unreadable};
pub(crate) use turn::Turn;
pub(crate) use writer::{Limits, Outcome, Refusal};

use fresh::Fresh;
use pace::Followed;
use row::Row;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The log. Clones are the same log.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    log: Database,
    queue: writer::Queue,
    newest: watch::Sender<i64>,
    fresh: Arc<Fresh>,
    followed: Followed,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Ledger {
    /// Brings the log's tables to the newest version and starts the writer; needs a tokio runtime.
    ///
    /// # Errors
    /// The tables are newer than this program, or the database fails.
    pub(crate) async fn start(log: Database, limits: Limits) -> Result<Self, Error> {
        migrate(&log, &migrations::LOG).await?;
        Self::start_writer(log, limits).await
    }

    /// Reads a log that another process may be writing. What is appended here is refused by a
    /// database that was opened for reading.
    ///
    /// # Errors
    /// The tables have another version than this program knows, or the database fails.
    pub(crate) async fn start_reading(log: Database) -> Result<Self, Error> {
        migrations::check_version(&log, &migrations::LOG).await?;
        Self::start_writer(log, Limits::default()).await
    }

    /// Appends to a log beside another process that may be using it: makes the tables where there
    /// are none, and does not bring older ones to a newer version.
    ///
    /// # Errors
    /// The tables have another version than this program knows, or the database fails.
    pub(crate) async fn start_beside(log: Database) -> Result<Self, Error> {
        if migrations::is_new(&log).await? {
            migrate(&log, &migrations::LOG).await?;
        }
        Self::start_reading(log).await
    }

    async fn start_writer(log: Database, limits: Limits) -> Result<Self, Error> {
        let newest = watch::Sender::new(0);
        let fresh = Arc::<Fresh>::default();
        let followed = Followed::default();
        let (queue, writer) = writer::Queue::start(
            log.clone(),
            limits,
            newest.clone(),
            Arc::clone(&fresh),
            followed.clone(),
        );
        let writer = Arc::new(Mutex::new(Some(writer)));
        let ledger = Self { log, queue, newest, fresh, followed, writer };
        ledger.look_for_newer().await?;
        Ok(ledger)
    }

    /// Appends events that arrived at a moment (Unix microseconds) and answers when they are
    /// durable: what became of each, in their order. All of a batch or nothing is written.
    ///
    /// If the future is dropped, the events may be written or not.
    ///
    /// # Errors
    /// None of the batch was taken: too much is waiting, an event cannot be kept, or the database
    /// failed.
    pub(crate) async fn append(
        &self,
        events: Vec<Event>,
        received_at: i64,
    ) -> Result<Vec<Outcome>, Refusal> {
        self.append_received(events.into_iter().map(|event| (event, received_at))).await
    }

    /// Appends events that arrived at moments of their own (Unix microseconds), as [`parse_line`]
    /// gives them.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub(crate) async fn append_received(
        &self,
        events: impl IntoIterator<Item = (Event, i64)>,
    ) -> Result<Vec<Outcome>, Refusal> {
        self.queue.append(rows(events)?, false).await
    }

    /// Appends events as [`Self::append`], but none of them if one is known: then all are told to
    /// be.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub(crate) async fn append_whole(
        &self,
        events: Vec<Event>,
        received_at: i64,
    ) -> Result<Vec<Outcome>, Refusal> {
        let events = events.into_iter().map(|event| (event, received_at));
        self.queue.append(rows(events)?, true).await
    }

    /// The newest position, and a way to wait for a newer one. It knows what this process has
    /// appended, and what [`Self::look_for_newer`] has found.
    pub(crate) fn newest(&self) -> watch::Receiver<i64> {
        self.newest.subscribe()
    }

    /// Says that all up to a position is in the reports: while they are behind, appending keeps pace
    /// with them.
    pub(crate) fn has_followed(&self, position: i64) {
        self.followed.up_to(position);
    }

    /// Looks for what other servers have appended, and wakes who waits at [`Self::newest`]. Returns
    /// the newest position.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn look_for_newer(&self) -> Result<i64, Error> {
        let found = self.newest_in_database().await?;
        self.newest.send_if_modified(|known| {
            let is_newer = found > *known;
            *known = found.max(*known);
            is_newer
        });
        Ok(found)
    }

    async fn newest_in_database(&self) -> Result<i64, Error> {
        let query = sqlx::query_scalar(read::NEWEST);
        Ok(query.fetch_one(self.log.pool()).await?)
    }

    /// How many events are on the log.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn len(&self) -> Result<u64, Error> {
        let query = sqlx::query_scalar("SELECT total FROM log_head WHERE one = 1");
        let total: i64 = query.fetch_one(self.log.pool()).await?;
        Ok(total.try_into().unwrap_or(0))
    }

    /// Writes what waits and ends the writer, once all other clones are gone.
    pub(crate) async fn finish(self) {
        let writer = self.writer.lock().ok().and_then(|mut writer| writer.take());
        drop(self);
        if let Some(writer) = writer {
            // It ends by itself, and only a panic makes it an error.
            let _ = writer.await;
        }
    }
}

/// Events that arrived at moments of their own, as rows that can be written.
fn rows(events: impl IntoIterator<Item = (Event, i64)>) -> Result<Vec<Row>, Refusal> {
    let row = |(index, (event, received_at))| {
        Row::of(event, received_at).map_err(|why| Refusal::Unfit { index, why })
    };
    events.into_iter().enumerate().map(row).collect()
}
