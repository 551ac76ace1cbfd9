//! The one that appends: a task that writes all waiting batches in one transaction.

use super::database::Database;
use super::fresh::Fresh;
use super::many::Many;
use super::pace::{Followed, Pace};
use super::row::Row;
use sqlx::pool::PoolConnection;
use sqlx::{Any, Connection as _};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

/// What became of an event that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is on the log now, at this position.
    New(i64),
    /// One of the same source and id was there before.
    Known,
}

/// Why a batch was not taken. None of its events was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// Too much is waiting already.
    #[error("too many events are waiting; try again in {retry_after_seconds} s")]
    Busy {
        /// When to try again, seconds.
        retry_after_seconds: u32,
    },
    /// An event cannot be kept as it is, now or later.
    #[error("event {index} of the batch cannot be kept: {why}")]
    Unfit {
        /// Which one, from 0.
        index: usize,
        /// Why.
        why: String,
    },
    /// The database failed. The batch may be sent again, whether it was written or not.
    #[error("the log cannot be written: {0}")]
    Failed(String),
}

/// How much may wait to be written, and how much is written at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Events that wait or are being written.
    pub(crate) waiting_events: u32,
    /// Bytes of events that wait or are being written.
    pub(crate) waiting_bytes: u32,
    /// Events in a transaction; a batch is never cut, so a greater one is written alone.
    pub(crate) group_events: usize,
    /// Bytes of events in a transaction; likewise.
    pub(crate) group_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let (waiting_events, waiting_bytes) = (50_000, 128 << 20);
        Self { waiting_events, waiting_bytes, group_events: 4096, group_bytes: 8 << 20 }
    }
}

/// How long a transaction may take before it counts as failed: a database that is reached and does
/// not answer.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);
/// When to try again if the queue is full: at the budgeted rate it is empty by then.
const RETRY_AFTER_SECONDS: u32 = 1;

/// The head of the statement that appends; its values are those of [`Row::values`].
pub(super) const INSERT: &str = "INSERT INTO events (position, key, received_at, time, source, \
     id, kind, subject, content_type, extensions, data) VALUES";
const INSERT_WIDTH: usize = 11;

/// A batch in the queue.
struct Waiting {
    rows: Vec<Row>,
    bytes: usize,
    /// Whether none of them is written if one is known.
    whole: bool,
    answer: oneshot::Sender<Result<Vec<Outcome>, Refusal>>,
    /// Its room in the queue, given back before the answer.
    room: [OwnedSemaphorePermit; 2],
}

/// Where batches are handed in.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    sender: mpsc::UnboundedSender<Waiting>,
    events: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    limits: Limits,
}

impl Queue {
    /// Starts a writer. It ends when all clones of the queue are gone and what waited is written.
    pub(super) fn start(
        database: Database,
        limits: Limits,
        newest: watch::Sender<i64>,
        fresh: Arc<Fresh>,
        followed: Followed,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let insert =
            Many::new(database.engine(), INSERT, INSERT_WIDTH, "ON CONFLICT (key) DO NOTHING");
        let writer = Writer {
            database,
            limits,
            newest,
            fresh,
            pace: Pace::new(followed),
            insert,
            receiver,
            next: None,
            connection: None,
        };
        let queue = Self {
            sender,
            events: Arc::new(Semaphore::new(limits.waiting_events as usize)),
            bytes: Arc::new(Semaphore::new(limits.waiting_bytes as usize)),
            limits,
        };
        (queue, tokio::spawn(writer.run()))
    }

    /// Waits until the rows are durable. What is in the queue is written even if nobody waits any
    /// more. If they are to be written as a `whole`, one that is known keeps all from being written.
    pub(super) async fn append(
        &self,
        rows: Vec<Row>,
        whole: bool,
    ) -> Result<Vec<Outcome>, Refusal> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let bytes = rows.iter().map(Row::bytes).sum();
        let room = [
            take(&self.events, rows.len(), self.limits.waiting_events)?,
            take(&self.bytes, bytes, self.limits.waiting_bytes)?,
        ];
        let (answer, answered) = oneshot::channel();
        let ended = || Refusal::Failed("the writer has ended".to_owned());
        let waiting = Waiting { rows, bytes, whole, answer, room };
        self.sender.send(waiting).map_err(|_| ended())?;
        answered.await.unwrap_or_else(|_| Err(ended()))
    }
}

/// Takes room in the queue. A batch that is greater than the whole queue has to have it for itself.
fn take(room: &Arc<Semaphore>, amount: usize, all: u32) -> Result<OwnedSemaphorePermit, Refusal> {
    let amount = u32::try_from(amount).unwrap_or(u32::MAX).min(all);
    Arc::clone(room)
        .try_acquire_many_owned(amount)
        .map_err(|_| Refusal::Busy { retry_after_seconds: RETRY_AFTER_SECONDS })
}

struct Writer {
    database: Database,
    limits: Limits,
    newest: watch::Sender<i64>,
    fresh: Arc<Fresh>,
    pace: Pace,
    insert: Many,
    receiver: mpsc::UnboundedReceiver<Waiting>,
    /// A batch that was taken from the queue and did not fit into the last group.
    next: Option<Waiting>,
    /// Kept from one transaction to the next, with its prepared statements; given up when one
    /// fails.
    connection: Option<PoolConnection<Any>>,
}

/// What a transaction has written.
struct Written {
    /// The position of the first row, if all are new or not; the others follow.
    first: i64,
    /// The position of the last one.
    newest: i64,
    /// The positions that are taken now; `None` if all are.
    taken: Option<HashSet<i64>>,
}

impl Writer {
    async fn run(mut self) {
        while let Some(first) = self.next_waiting().await {
            let pause = self.pace.pause(*self.newest.borrow(), Instant::now());
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            let begun = Instant::now();
            let group = self.gather(first);
            self.pace.wrote(group.iter().map(|waiting| waiting.rows.len()).sum(), begun);
            let written = tokio::time::timeout(TRANSACTION_TIMEOUT, self.write(&group)).await;
            let written = match written {
                Ok(Ok(written)) => Ok(written),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("no answer for {} s", TRANSACTION_TIMEOUT.as_secs())),
            };
            if let Err(error) = &written {
                tracing::error!(error, batches = group.len(), "events could not be written");
                if let Some(mut connection) = self.connection.take() {
                    connection.close_on_drop();
                }
            }
            self.answer(group, written);
        }
    }

    async fn next_waiting(&mut self) -> Option<Waiting> {
        match self.next.take() {
            Some(waiting) => Some(waiting),
            None => self.receiver.recv().await,
        }
    }

    /// Takes what waits, up to the limits of a transaction.
    fn gather(&mut self, first: Waiting) -> Vec<Waiting> {
        let (mut events, mut bytes) = (first.rows.len(), first.bytes);
        // What may have to be taken back as a whole has its transaction for itself.
        let is_alone = first.whole;
        let mut group = vec![first];
        while !is_alone && let Ok(waiting) = self.receiver.try_recv() {
            events += waiting.rows.len();
            bytes += waiting.bytes;
            let is_full = events > self.limits.group_events || bytes > self.limits.group_bytes;
            if is_full || waiting.whole {
                self.next = Some(waiting);
                break;
            }
            group.push(waiting);
        }
        group
    }

    /// Writes a group in one transaction.
    async fn write(&mut self, group: &[Waiting]) -> Result<Written, sqlx::Error> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.database.pool().acquire().await?),
        };
        let rows: Vec<&Row> = group.iter().flat_map(|waiting| &waiting.rows).collect();
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let mut transaction = connection.begin_with(self.database.engine().begin()).await?;
        // Every writer comes through this row, and holds it until its commit.
        let newest: Vec<i64> = sqlx::query_scalar(
            "UPDATE log_head SET newest = newest + $1, total = total + $1 WHERE one = 1
             RETURNING newest",
        )
        .bind(count)
        .fetch_all(&mut *transaction)
        .await?;
        let newest = *newest.first().ok_or(sqlx::Error::RowNotFound)?;
        let first = newest - count + 1;
        let rows: Vec<(i64, &Row)> = (first..).zip(rows).collect();
        let values = |&(position, row): &(i64, &Row), values: &mut _| row.values(position, values);
        let inserted = self.insert.run(&mut transaction, &rows, values).await?;
        let mut taken = None;
        if inserted < rows.len() as u64 && group.iter().any(|waiting| waiting.whole) {
            transaction.rollback().await?;
            return Ok(Written { first, newest: first - 1, taken: Some(HashSet::new()) });
        }
        if inserted < rows.len() as u64 {
            let found: Vec<i64> =
                sqlx::query_scalar("SELECT position FROM events WHERE position BETWEEN $1 AND $2")
                    .bind(first)
                    .bind(newest)
                    .fetch_all(&mut *transaction)
                    .await?;
            let known = count - i64::try_from(found.len()).unwrap_or(i64::MAX);
            sqlx::query("UPDATE log_head SET total = total - $1 WHERE one = 1")
                .bind(known)
                .execute(&mut *transaction)
                .await?;
            taken = Some(found.into_iter().collect());
        }
        transaction.commit().await?;
        Ok(Written { first, newest, taken })
    }

    /// Hands on what was written, and tells all batches of a group what became of them.
    fn answer(&self, mut group: Vec<Waiting>, written: Result<Written, String>) {
        let outcomes: Vec<_> = match &written {
            Ok(written) => written.outcomes(&group).into_iter().map(Ok).collect(),
            Err(why) => vec![Err(Refusal::Failed(why.clone())); group.len()],
        };
        if let Ok(written) = &written
            && written.newest >= written.first
        {
            self.hand_on(&mut group, written, &outcomes);
        }
        for (waiting, outcome) in group.into_iter().zip(outcomes) {
            // Who has the answer finds the room that it had.
            drop(waiting.room);
            // Whoever has stopped waiting does not want the answer.
            let _ = waiting.answer.send(outcome);
        }
    }

    /// Wakes who waits for something newer, and has it at hand for the one who reads it first.
    fn hand_on(
        &self,
        group: &mut [Waiting],
        &Written { first, newest, .. }: &Written,
        outcomes: &[Result<Vec<Outcome>, Refusal>],
    ) {
        if self.fresh.is_wanted() {
            let bytes = group.iter().map(|waiting| waiting.bytes).sum();
            let rows = group.iter_mut().flat_map(|waiting| std::mem::take(&mut waiting.rows));
            let new = rows.zip(outcomes.iter().flatten().flatten());
            let new = new.filter_map(|(row, outcome)| match outcome {
                Outcome::New(position) => Some(row.recorded(*position)),
                Outcome::Known => None,
            });
            self.fresh.keep([first, newest], new.collect(), bytes);
        }
        self.newest.send_if_modified(|known| {
            let is_newer = newest > *known;
            *known = newest.max(*known);
            is_newer
        });
    }
}

impl Written {
    /// What became of each row of each batch.
    fn outcomes(&self, group: &[Waiting]) -> Vec<Vec<Outcome>> {
        let is_new = |it: &i64| self.taken.as_ref().is_none_or(|taken| taken.contains(it));
        let outcome = |it| if is_new(&it) { Outcome::New(it) } else { Outcome::Known };
        let mut positions = (self.first..).map(outcome);
        group.iter().map(|waiting| positions.by_ref().take(waiting.rows.len()).collect()).collect()
    }
}
