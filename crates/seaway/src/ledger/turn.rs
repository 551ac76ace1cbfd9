//! Whose turn it is, where of several servers on one database only one may do something.

use super::Error;
use super::database::{Database, Engine};
use sqlx::Any;
use sqlx::pool::PoolConnection;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long a database may take to say whether a turn still holds.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// The turn of this process, until it is dropped. With SQLite the lock of the folder has seen to it
/// that there is no other process.
///
/// With PostgreSQL it is an advisory lock of a connection of its own: when this process or the
/// database dies, it is free for the next. The database may have given it to another before this
/// process knows that its connection is broken, so whoever writes has to check in each transaction
/// that nobody else has had a turn since.
pub(crate) struct Turn {
    /// The mutex is never waited for: it makes a turn fit into what threads share.
    connection: Option<Mutex<PoolConnection<Any>>>,
}

impl Turn {
    /// Takes the turn that has this number; `None` while another process has it.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn take(database: &Database, number: i64) -> Result<Option<Self>, Error> {
        if database.engine() == Engine::Sqlite {
            return Ok(Some(Self { connection: None }));
        }
        let mut connection = database.pool().acquire().await?;
        let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(number)
            .fetch_one(&mut *connection)
            .await?;
        if !taken {
            return Ok(None);
        }
        // The lock ends with the connection, so that is not to be used by anyone else.
        connection.close_on_drop();
        Ok(Some(Self { connection: Some(Mutex::new(connection)) }))
    }

    /// Whether it is still this process's turn, as far as the database says.
    pub(crate) async fn holds(&mut self) -> bool {
        let Some(connection) = &mut self.connection else { return true };
        let asked = sqlx::query("SELECT 1").execute(&mut **connection.get_mut());
        matches!(tokio::time::timeout(ANSWER_TIME_MAX, asked).await, Ok(Ok(_)))
    }
}
