//! The SQL of exposures: the key of units beside the log, and what is kept of the state in the
//! database of the views.

use super::batch::{EXPOSURES_KIND, OUTCOMES_KIND};
use super::state::{FORMAT, Kept, Limits, State};
use super::unit::{KEY_BYTES, Key};
use crate::ledger::{Database, Error, FLAG_KIND, Many, Schema, at_one_moment, migrate};
use sqlx::AssertSqlSafe;

/// The key of units, beside the tokens: who has a backup of the log and not this cannot tell who the
/// units are. And where on the log the events are that are followed.
const BESIDE_THE_LOG: Schema = Schema {
    name: "exposures",
    versions: &[&[
        "CREATE TABLE exposure_key (one BIGINT PRIMARY KEY, body {bytes} NOT NULL)",
        "CREATE INDEX events_exposures ON events (position) \
         WHERE kind IN ('dev.seaway.exposures', 'dev.seaway.outcomes')",
    ]],
};

/// The state of exposures, which is computed from the log. `format` is how its parts are written.
const STATE: Schema = Schema {
    name: "exposure_state",
    versions: &[&[
        "CREATE TABLE exposure_progress (
            one BIGINT PRIMARY KEY,
            format BIGINT NOT NULL,
            position BIGINT NOT NULL
        )",
        "CREATE TABLE exposure_parts (
            kind BIGINT NOT NULL,
            number BIGINT NOT NULL,
            part BIGINT NOT NULL,
            body {bytes} NOT NULL,
            PRIMARY KEY (kind, number, part)
        )",
    ]],
};

/// Parts that are read at once: some megabytes.
const PARTS_AT_ONCE: i64 = 64;

/// What an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Exposures,
    Outcomes,
    /// A revision of a flag, which may have a ramp.
    Revision,
}

impl What {
    fn of(kind: &str) -> Self {
        match kind {
            OUTCOMES_KIND => Self::Outcomes,
            FLAG_KIND => Self::Revision,
            _ => Self::Exposures,
        }
    }
}

/// An event that is followed.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) position: i64,
    pub(super) what: What,
    pub(super) data: Vec<u8>,
}

/// Events as they were read.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    pub(super) events: Vec<Recorded>,
    /// All up to this position has been told.
    pub(super) up_to: i64,
}

/// Where the key and the state are kept.
#[derive(Debug, Clone)]
pub(super) struct Store {
    log: Database,
    views: Database,
    upsert: Many,
}

impl Store {
    /// Makes the tables where there are none.
    ///
    /// # Errors
    /// The tables are newer than this program, or a database fails.
    pub(super) async fn open(log: Database, views: Database) -> Result<Self, Error> {
        migrate(&log, &BESIDE_THE_LOG).await?;
        migrate(&views, &STATE).await?;
        let upsert = Many::new(
            views.engine(),
            "INSERT INTO exposure_parts (kind, number, part, body) VALUES",
            4,
            "ON CONFLICT (kind, number, part) DO UPDATE SET body = excluded.body",
        );
        Ok(Self { log, views, upsert })
    }

    /// The database of the state.
    pub(super) fn views(&self) -> &Database {
        &self.views
    }

    /// The key of units: the one that is there, or else this new one.
    pub(super) async fn key(&self, new: [u8; KEY_BYTES]) -> Result<Key, Error> {
        sqlx::query(
            "INSERT INTO exposure_key (one, body) VALUES (1, $1) ON CONFLICT (one) DO NOTHING",
        )
        .bind(new.to_vec())
        .execute(self.log.pool())
        .await?;
        let query = sqlx::query_scalar("SELECT body FROM exposure_key WHERE one = 1");
        let body: Vec<u8> = query.fetch_one(self.log.pool()).await?;
        let key = Key::new(&body);
        Ok(key.ok_or_else(|| sqlx::Error::Decode("the key of units is damaged".into()))?)
    }

    /// Reads the events of exposures and outcomes and the revisions of flags after a position, in the
    /// order of the log, at most so many. One that is damaged is passed over.
    pub(super) async fn read_after(&self, position: i64, most: i64) -> Result<Stretch, Error> {
        // Known before the events are read, so that none up to it can be missed.
        let newest: i64 = sqlx::query_scalar("SELECT newest FROM log_head WHERE one = 1")
            .fetch_one(self.log.pool())
            .await?;
        // The kinds stand in the text, as they do in the index, so that this is found.
        let read = |columns: &str| {
            let [exposures, revisions] = [
                format!("kind IN ('{EXPOSURES_KIND}', '{OUTCOMES_KIND}')"),
                format!("kind = '{FLAG_KIND}'"),
            ]
            .map(|of_kind| {
                format!(
                    "SELECT {columns} FROM events WHERE {of_kind} AND position > $1 \
                             ORDER BY position LIMIT $2"
                )
            });
            format!(
                "SELECT {columns} FROM (SELECT {columns} FROM ({exposures}) AS exposures \
                 UNION ALL SELECT {columns} FROM ({revisions}) AS revisions) AS followed \
                 ORDER BY position LIMIT $2"
            )
        };
        let text = read("position, kind, data");
        let query = sqlx::query_as(AssertSqlSafe(text)).bind(position).bind(most);
        let found: Result<Vec<(i64, String, Vec<u8>)>, _> = query.fetch_all(self.log.pool()).await;
        let rows = match found {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "exposures are read one by one");
                let query =
                    sqlx::query_scalar(AssertSqlSafe(read("position"))).bind(position).bind(most);
                self.one_by_one(query.fetch_all(self.log.pool()).await?).await?
            }
        };
        let is_all = i64::try_from(rows.len()).is_ok_and(|rows| rows < most);
        let last = rows.last().map_or(position, |(position, ..)| *position);
        let up_to = if is_all { last.max(newest).max(position) } else { last };
        let recorded = |(position, kind, data): (i64, String, Vec<u8>)| Recorded {
            position,
            what: What::of(&kind),
            data,
        };
        Ok(Stretch { events: rows.into_iter().map(recorded).collect(), up_to })
    }

    /// Reads around damage. One that cannot be read stands there without data.
    async fn one_by_one(&self, positions: Vec<i64>) -> Result<Vec<(i64, String, Vec<u8>)>, Error> {
        let mut rows = Vec::new();
        for position in positions {
            let query = sqlx::query_as("SELECT kind, data FROM events WHERE position = $1");
            let read: Result<(String, Vec<u8>), _> =
                query.bind(position).fetch_one(self.log.pool()).await;
            match read {
                Ok((kind, data)) => rows.push((position, kind, data)),
                Err(error @ sqlx::Error::Database(_)) => {
                    tracing::error!(position, %error, "exposures on the log cannot be read");
                    rows.push((position, EXPOSURES_KIND.to_owned(), Vec::new()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(rows)
    }

    /// The state as it is kept; one that is not there, damaged or of another program is empty.
    pub(super) async fn state(&self, limits: Limits) -> Result<State, Error> {
        at_one_moment(self.read_state(limits)).await
    }

    async fn read_state(&self, limits: Limits) -> Result<State, Error> {
        let query = sqlx::query_as("SELECT format, position FROM exposure_progress WHERE one = 1");
        let found: Vec<(i64, i64)> = self.views.fetch(query).await?;
        let Some(&(FORMAT, position)) = found.first() else { return Ok(State::new(limits)) };
        let mut state = State::at(limits, position);
        let mut last = (-1, -1, -1);
        loop {
            let query = sqlx::query_as(
                "SELECT kind, number, part, body FROM exposure_parts \
                 WHERE (kind, number, part) > ($1, $2, $3) ORDER BY kind, number, part LIMIT $4",
            );
            let (kind, number, part) = last;
            let query = query.bind(kind).bind(number).bind(part).bind(PARTS_AT_ONCE);
            let parts: Vec<(i64, i64, i64, Vec<u8>)> = self.views.fetch(query).await?;
            for (kind, number, part, body) in &parts {
                last = (*kind, *number, *part);
                if let Err(damaged) = state.read_part(*kind, *number, *part, body) {
                    tracing::error!(%damaged, "the state of exposures is computed anew");
                    return Ok(State::new(limits));
                }
            }
            if i64::try_from(parts.len()).is_ok_and(|parts| parts < PARTS_AT_ONCE) {
                return Ok(state);
            }
        }
    }

    /// Keeps what has changed since `before`, the position of what was kept last. Returns whether
    /// it still was the last.
    pub(super) async fn keep(&self, before: Option<i64>, kept: &Kept) -> Result<bool, Error> {
        let mut writing = self.views.begin().await?;
        let query = match before {
            Some(before) => sqlx::query(
                "UPDATE exposure_progress SET position = $1 \
                 WHERE one = 1 AND format = $2 AND position = $3",
            )
            .bind(kept.position)
            .bind(FORMAT)
            .bind(before),
            None => {
                sqlx::query("DELETE FROM exposure_parts").execute(&mut *writing).await?;
                sqlx::query(
                    "INSERT INTO exposure_progress (one, position, format) VALUES (1, $1, $2) \
                     ON CONFLICT (one) DO UPDATE SET position = excluded.position, \
                     format = excluded.format",
                )
                .bind(kept.position)
                .bind(FORMAT)
            }
        };
        if query.execute(&mut *writing).await?.rows_affected() != 1 {
            return Ok(false);
        }
        let int = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        for (kind, number, count) in &kept.counts {
            sqlx::query(
                "DELETE FROM exposure_parts WHERE kind = $1 AND number = $2 AND part >= $3",
            )
            .bind(kind.number())
            .bind(int(*number))
            .bind(int(*count))
            .execute(&mut *writing)
            .await?;
        }
        // Small ones many at a time, great ones a few: a statement holds all its values in memory.
        for parts in kept.parts.chunks(64) {
            self.upsert
                .run(&mut writing, parts, |part, values| {
                    values
                        .int(part.kind.number())
                        .int(int(part.number))
                        .int(int(part.part))
                        .bytes(&part.body);
                })
                .await?;
        }
        writing.commit().await?;
        Ok(true)
    }

    /// Forgets the state. It is computed anew from the log.
    pub(super) async fn forget(&self) -> Result<(), Error> {
        let mut writing = self.views.begin().await?;
        for text in ["DELETE FROM exposure_parts", "DELETE FROM exposure_progress"] {
            sqlx::query(text).execute(&mut *writing).await?;
        }
        Ok(writing.commit().await?)
    }
}

#[cfg(test)]
impl Store {
    /// All that is kept of the state: kind, number, part and body.
    pub(super) async fn all_parts(&self) -> Result<Vec<(i64, i64, i64, Vec<u8>)>, Error> {
        let query = sqlx::query_as(
            "SELECT kind, number, part, body FROM exposure_parts ORDER BY kind, number, part",
        );
        Ok(query.fetch_all(self.views.pool()).await?)
    }

    /// Takes a part away.
    pub(super) async fn damage(&self) -> Result<(), Error> {
        let query = sqlx::query("DELETE FROM exposure_parts WHERE number = 0 AND part = 0");
        Ok(query.execute(self.views.pool()).await.map(drop)?)
    }
}
