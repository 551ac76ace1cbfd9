//! The SQL of tokens and sessions. They stand beside the log: they are not computed from events,
//! and a backup of the log does not have them.

use super::token::{Fingerprint, Token};
use super::{Role, evaluators};
use crate::ledger::{Database, Error, Schema, migrate};

/// The tables of tokens and sessions. `hash` is the SHA-256 of what only the holder knows; moments
/// are Unix microseconds.
const ACCESS: Schema = Schema {
    name: "access",
    versions: &[
        &[
            "CREATE TABLE access_tokens (
            id TEXT PRIMARY KEY,
            hash {bytes} NOT NULL,
            name TEXT NOT NULL,
            role TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            created_by TEXT NOT NULL,
            expires_at BIGINT NOT NULL,
            revoked_at BIGINT,
            used_at BIGINT
        )",
            "CREATE UNIQUE INDEX access_tokens_hash ON access_tokens (hash)",
            "CREATE TABLE access_sessions (
            id TEXT PRIMARY KEY,
            hash {bytes} NOT NULL,
            token TEXT NOT NULL,
            expires_at BIGINT NOT NULL
        )",
            "CREATE UNIQUE INDEX access_sessions_hash ON access_sessions (hash)",
            "CREATE INDEX access_sessions_token ON access_sessions (token)",
        ],
        // Tokens that evaluate flags are for one environment.
        &["ALTER TABLE access_tokens ADD COLUMN environment TEXT"],
    ],
};

const COLUMNS: &str = "t.id, t.name, t.role, t.created_at, t.created_by, t.expires_at, \
                       t.revoked_at, t.used_at, t.environment";

type Row = (String, String, String, i64, String, i64, Option<i64>, Option<i64>, Option<String>);

/// The session of a person who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    /// What it is called by.
    pub(crate) id: String,
    /// When it ends, Unix microseconds.
    pub(crate) expires_at: i64,
}

/// Where tokens and sessions are kept.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: Database,
}

impl Store {
    /// The store in the database of the log; makes its tables where there are none.
    ///
    /// # Errors
    /// The tables are newer than this program, or the database fails.
    pub(crate) async fn open(database: Database) -> Result<Self, Error> {
        migrate(&database, &ACCESS).await?;
        Ok(Self { database })
    }

    /// Keeps a new token. Returns whether there was room for it: for at most so many. Tokens that
    /// ended before a moment are forgotten first.
    pub(crate) async fn create(
        &self,
        token: &Token,
        hash: &Fingerprint,
        most: i64,
        forget_before: i64,
    ) -> Result<bool, Error> {
        let mut transaction = self.database.begin().await?;
        sqlx::query("DELETE FROM access_tokens WHERE expires_at < $1 OR revoked_at < $1")
            .bind(forget_before)
            .execute(&mut *transaction)
            .await?;
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM access_tokens")
            .fetch_one(&mut *transaction)
            .await?;
        if count < most {
            sqlx::query(
                "INSERT INTO access_tokens \
                 (id, hash, name, role, created_at, created_by, expires_at, environment) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(token.id.as_str())
            .bind(hash.to_vec())
            .bind(token.name.as_str())
            .bind(token.role.name())
            .bind(token.created_at)
            .bind(token.created_by.as_str())
            .bind(token.expires_at)
            .bind(token.environment.as_deref())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(count < most)
    }

    /// All tokens, the newest first.
    pub(crate) async fn all(&self) -> Result<Vec<Token>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM access_tokens t ORDER BY created_at DESC, id");
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql));
        let rows: Vec<Row> = query.fetch_all(self.database.pool()).await?;
        rows.into_iter().map(token).collect()
    }

    /// The token with a fingerprint, whether it is good still or not.
    pub(crate) async fn token_of(&self, hash: &Fingerprint) -> Result<Option<Token>, Error> {
        self.one("hash = $1", hash.to_vec()).await
    }

    /// The token with an id, whether it is good still or not.
    pub(crate) async fn token(&self, id: &str) -> Result<Option<Token>, Error> {
        self.one("id = $1", id.to_owned()).await
    }

    async fn one<'q, T>(&self, condition: &str, value: T) -> Result<Option<Token>, Error>
    where
        T: 'q + Send + sqlx::Encode<'q, sqlx::Any> + sqlx::Type<sqlx::Any>,
    {
        let sql = format!("SELECT {COLUMNS} FROM access_tokens t WHERE t.{condition}");
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(value);
        let row: Option<Row> = query.fetch_optional(self.database.pool()).await?;
        row.map(token).transpose()
    }

    /// Ends a token and its sessions at a moment. Returns the token as it is now; `None` if there
    /// is none with this id. One that is revoked already stays as it is.
    pub(crate) async fn revoke(&self, id: &str, now: i64) -> Result<Option<Token>, Error> {
        let mut transaction = self.database.begin().await?;
        sqlx::query(
            "UPDATE access_tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
        )
        .bind(id)
        .bind(now)
        .execute(&mut *transaction)
        .await?;
        sqlx::query("DELETE FROM access_sessions WHERE token = $1")
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.token(id).await
    }

    /// The tokens that evaluate flags and are good at a moment.
    pub(super) async fn evaluators(&self, now: i64) -> Result<Vec<evaluators::Row>, Error> {
        let query = sqlx::query_as(
            "SELECT id, hash, role, environment, expires_at, used_at FROM access_tokens \
             WHERE role IN ('evaluate', 'sync') AND revoked_at IS NULL AND expires_at > $1",
        );
        type Found = (String, Vec<u8>, String, Option<String>, i64, Option<i64>);
        let rows: Vec<Found> = query.bind(now).fetch_all(self.database.pool()).await?;
        let row = |(id, hash, role, environment, expires_at, used_at): Found| {
            let (role, environment) = (Role::of_name(&role)?, environment?);
            Some(evaluators::Row { id, hash, role, environment, expires_at, used_at })
        };
        Ok(rows.into_iter().filter_map(row).collect())
    }

    /// Whether there is a token that may do everything and is good at a moment.
    pub(crate) async fn has_admin(&self, now: i64) -> Result<bool, Error> {
        let count: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM access_tokens \
             WHERE role = $1 AND revoked_at IS NULL AND expires_at > $2",
        )
        .bind(Role::Admin.name())
        .bind(now)
        .fetch_one(self.database.pool())
        .await?;
        Ok(count > 0)
    }

    /// Keeps that a token was used at a moment, unless it is known to have been after another one.
    pub(crate) async fn used(&self, id: &str, now: i64, unless_after: i64) -> Result<(), Error> {
        sqlx::query(
            "UPDATE access_tokens SET used_at = $2 \
             WHERE id = $1 AND (used_at IS NULL OR used_at < $3)",
        )
        .bind(id)
        .bind(now)
        .bind(unless_after)
        .execute(self.database.pool())
        .await?;
        Ok(())
    }

    /// Begins a session of a token, and forgets those that ended before a moment.
    pub(crate) async fn begin_session(
        &self,
        session: &Session,
        hash: &Fingerprint,
        token: &str,
        now: i64,
    ) -> Result<(), Error> {
        let mut transaction = self.database.begin().await?;
        sqlx::query("DELETE FROM access_sessions WHERE expires_at < $1")
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO access_sessions (id, hash, token, expires_at) VALUES ($1, $2, $3, $4)",
        )
        .bind(session.id.as_str())
        .bind(hash.to_vec())
        .bind(token)
        .bind(session.expires_at)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// The session with a fingerprint, and its token, whether they are good still or not.
    pub(crate) async fn session_of(
        &self,
        hash: &Fingerprint,
    ) -> Result<Option<(Session, Token)>, Error> {
        let sql = "SELECT id, token, expires_at FROM access_sessions WHERE hash = $1";
        let query = sqlx::query_as(sql).bind(hash.to_vec());
        let row: Option<(String, String, i64)> = query.fetch_optional(self.database.pool()).await?;
        let Some((id, token, expires_at)) = row else { return Ok(None) };
        let token = self.token(&token).await?;
        Ok(token.map(|token| (Session { id, expires_at }, token)))
    }

    /// Ends a session.
    pub(crate) async fn end_session(&self, id: &str) -> Result<(), Error> {
        let query = sqlx::query("DELETE FROM access_sessions WHERE id = $1").bind(id);
        query.execute(self.database.pool()).await?;
        Ok(())
    }
}

fn token(row: Row) -> Result<Token, Error> {
    let (id, name, role, created_at, created_by, expires_at, revoked_at, used_at, environment) =
        row;
    let role = Role::of_name(&role)
        .ok_or_else(|| sqlx::Error::Decode(format!("there is no role {role}").into()))?;
    Ok(Token {
        id,
        name,
        role,
        environment,
        created_at,
        created_by,
        expires_at,
        revoked_at,
        used_at,
    })
}
