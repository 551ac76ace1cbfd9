//! One moment for all that a request reads.
//!
//! A page or a report takes several statements, and the views move meanwhile: a change that is
//! delivered between two of them would be counted twice, or not at all. So what one request reads is
//! read in one transaction. It begins with the first statement, after whatever the request waits
//! for, and keeps nobody from writing.

use super::{Database, Error};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::QueryAs;
use sqlx::{Any, FromRow, Transaction};
use std::sync::Arc;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

/// Requests that read at one time; others wait. They hold fewer connections than there are, so that
/// whoever writes the views always finds one.
const AT_ONCE: usize = 4;

static SLOTS: Semaphore = Semaphore::const_new(AT_ONCE);

/// A transaction that reads, and its slot.
type Reading = (Transaction<'static, Any>, SemaphorePermit<'static>);

tokio::task_local! {
    /// What the request reads in, once it has read anything.
    static READING: Arc<Mutex<Option<Reading>>>;
}

/// Answers a request: all that [`Database::fetch`] reads for it is as it was at one moment.
pub(crate) async fn at_one_moment<T>(answering: impl Future<Output = T>) -> T {
    let reading = Arc::default();
    let answer = READING.scope(Arc::clone(&reading), answering).await;
    if let Some((transaction, _slot)) = reading.lock().await.take() {
        // It has written nothing, so nothing is lost if that fails.
        let _ = transaction.rollback().await;
    }
    answer
}

impl Database {
    /// Reads rows: within [`at_one_moment`] those of that moment, elsewhere those of now.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn fetch<T>(
        &self,
        query: QueryAs<'_, Any, T, AnyArguments>,
    ) -> Result<Vec<T>, Error>
    where
        T: for<'r> FromRow<'r, AnyRow> + Send + Unpin,
    {
        let Ok(reading) = READING.try_with(Arc::clone) else {
            return Ok(query.fetch_all(self.pool()).await?);
        };
        let mut reading = reading.lock().await;
        let (transaction, _) = match &mut *reading {
            Some(reading) => reading,
            none => {
                // The semaphore is never closed.
                let slot = SLOTS.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
                none.insert((self.begin_reading().await?, slot))
            }
        };
        Ok(query.fetch_all(&mut **transaction).await?)
    }
}
