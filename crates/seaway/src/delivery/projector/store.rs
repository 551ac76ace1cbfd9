//! The SQL of the projector: knowledge by scope, and the views that are computed of it.

use super::rows::{Kept, RowStatements};
use super::settle::{Diffs, StoredRow};
use crate::ledger::{Database, Error, Many};
use seaway_core::delivery::view::{ChangeRow, DeploymentRow, FindingRow, IncidentRow};
use sqlx::{Any, AssertSqlSafe, FromRow, Transaction};
use std::collections::HashMap;

/// All tables of [`super::VIEWS`]: what must be equal after a rebuild, but for `knowledge` and
/// `progress`, which tell how the work was cut.
const TABLES: [&str; 13] = [
    "progress",
    "knowledge",
    "stale",
    "claims",
    "repositories",
    "arrivals",
    "malformed",
    "services",
    "changes",
    "deployments",
    "incidents",
    "findings",
    "summaries",
];

/// A transaction that writes.
pub(super) type Writing = Transaction<'static, Any>;

/// Where knowledge and views are written.
#[derive(Debug, Clone)]
pub(super) struct Store {
    database: Database,
    /// The number of the turn in which this process writes.
    turn: i64,
    insert_chunk: Many,
    insert_stale: Many,
    delete_stale: Many,
    delete_chunks: Many,
    insert_claim: Many,
    insert_repository: Many,
    add_arrivals: Many,
    insert_malformed: Many,
    set_progress: Many,
    upsert_service: Many,
    delete_service: Many,
    upsert_summary: Many,
    delete_summary: Many,
    changes: RowStatements,
    deployments: RowStatements,
    incidents: RowStatements,
    findings: RowStatements,
}

/// What reading some events added.
#[derive(Debug, Default)]
pub(super) struct Absorbed {
    /// The place on the log up to which events were read.
    pub(super) position: i64,
    /// By scope, what was added to it.
    pub(super) chunks: Vec<(String, Vec<u8>)>,
    /// Names of services and the repositories that they claim, or an empty text.
    pub(super) claims: Vec<(String, String)>,
    /// Repositories that were heard of.
    pub(super) repositories: Vec<String>,
    /// By kind of event and outcome, how many were read.
    pub(super) counts: Vec<(String, &'static str, i64)>,
    /// Events that could not be understood: source, identifier, kind, reason.
    pub(super) malformed: Vec<[String; 4]>,
}

/// What is kept of a service itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceRow {
    /// Its name.
    pub(super) service: String,
    /// Whether the catalog has it.
    pub(super) catalogued: bool,
    /// By `facts::repository_name`.
    pub(super) repository: Option<String>,
    /// The newest moment of its data.
    pub(super) newest: Option<i64>,
}

/// A summary as it is stored; without bytes it is empty and taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SummaryRow {
    pub(super) scope: String,
    pub(super) day: i64,
    /// Changes of the day that are open.
    pub(super) open: i64,
    /// Linked successful deployments.
    pub(super) deployments: i64,
    pub(super) body: Option<Vec<u8>>,
}

impl Store {
    pub(super) fn new(database: Database) -> Self {
        let engine = database.engine();
        let many = |head: &str, width, tail: &str| Many::new(engine, head, width, tail);
        let nothing = "ON CONFLICT DO NOTHING";
        Self {
            insert_chunk: many("INSERT INTO knowledge (scope, position, body) VALUES", 3, ""),
            insert_stale: many("INSERT INTO stale (scope) VALUES", 1, nothing),
            delete_stale: many("DELETE FROM stale WHERE scope IN (VALUES", 1, ")"),
            delete_chunks: many("DELETE FROM knowledge WHERE scope IN (VALUES", 1, ")"),
            insert_claim: many("INSERT INTO claims (name, repository) VALUES", 2, nothing),
            insert_repository: many("INSERT INTO repositories (name) VALUES", 1, nothing),
            add_arrivals: many(
                "INSERT INTO arrivals (kind, outcome, count) VALUES",
                3,
                "ON CONFLICT (kind, outcome) DO UPDATE SET count = arrivals.count + excluded.count",
            ),
            insert_malformed: many(
                "INSERT INTO malformed (source, id, kind, reason) VALUES",
                4,
                nothing,
            ),
            set_progress: many(
                "INSERT INTO progress (name, position) VALUES",
                2,
                "ON CONFLICT (name) DO UPDATE SET position = excluded.position",
            ),
            upsert_service: many(
                "INSERT INTO services (service, catalogued, repository, newest) VALUES",
                4,
                "ON CONFLICT (service) DO UPDATE SET catalogued = excluded.catalogued, \
                 repository = excluded.repository, newest = excluded.newest",
            ),
            delete_service: many("DELETE FROM services WHERE service IN (VALUES", 1, ")"),
            upsert_summary: many(
                "INSERT INTO summaries (scope, day, open, deployments, body) VALUES",
                5,
                "ON CONFLICT (scope, day) DO UPDATE SET open = excluded.open, \
                 deployments = excluded.deployments, body = excluded.body",
            ),
            delete_summary: many("DELETE FROM summaries WHERE (scope, day) IN (VALUES", 2, ")"),
            changes: RowStatements::of::<ChangeRow>(engine),
            deployments: RowStatements::of::<DeploymentRow>(engine),
            incidents: RowStatements::of::<IncidentRow>(engine),
            findings: RowStatements::of::<FindingRow>(engine),
            database,
            turn: 0,
        }
    }

    /// Where it is written.
    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// Begins a turn of writing: whoever had the last one cannot write any more.
    pub(super) async fn begin_turn(&mut self) -> Result<(), Error> {
        let sql = "INSERT INTO progress (name, position) VALUES ('turn', 1) \
                   ON CONFLICT (name) DO UPDATE SET position = progress.position + 1 \
                   RETURNING position";
        let rows: Vec<(i64,)> = self.all(sql).await?;
        self.turn = rows.first().map_or(0, |row| row.0);
        Ok(())
    }

    /// Begins to write; nothing is written before it is committed.
    ///
    /// # Errors
    /// The database fails, or another process has had a turn since.
    pub(super) async fn begin(&self) -> Result<Writing, Error> {
        let mut writing = self.database.begin().await?;
        let sql = "UPDATE progress SET position = position WHERE name = 'turn' AND position = $1";
        let done = sqlx::query(sql).bind(self.turn).execute(&mut *writing).await?;
        match done.rows_affected() {
            0 => Err(Error::OthersTurn),
            _ => Ok(writing),
        }
    }

    async fn all<T>(&self, sql: &'static str) -> Result<Vec<T>, Error>
    where
        T: for<'r> FromRow<'r, sqlx::any::AnyRow> + Send + Unpin,
    {
        Ok(sqlx::query_as(sql).fetch_all(self.database.pool()).await?)
    }

    /// The place on the log up to which events were read.
    pub(super) async fn position(&self) -> Result<i64, Error> {
        let rows: Vec<(i64,)> =
            self.all("SELECT position FROM progress WHERE name = 'absorbed'").await?;
        Ok(rows.first().map_or(0, |row| row.0))
    }

    /// The place on the log up to which everything is in the views, also if another process
    /// computes them.
    pub(super) async fn settled(&self) -> Result<i64, Error> {
        let sql = "SELECT position FROM progress WHERE name = 'settled' \
                   OR (name = 'absorbed' AND NOT EXISTS (SELECT 1 FROM stale))";
        let rows: Vec<(i64,)> = self.all(sql).await?;
        Ok(rows.into_iter().map(|row| row.0).max().unwrap_or(0))
    }

    /// Writes what reading some events added.
    pub(super) async fn absorb(&self, absorbed: &Absorbed) -> Result<(), Error> {
        let mut writing = self.begin().await?;
        let to = &mut writing;
        let position = absorbed.position;
        self.insert_chunk
            .run(to, &absorbed.chunks, |(scope, body), values| {
                values.text(scope).int(position).bytes(body);
            })
            .await?;
        self.insert_stale
            .run(to, &absorbed.chunks, |(scope, _), values| {
                values.text(scope);
            })
            .await?;
        self.insert_claim
            .run(to, &absorbed.claims, |(name, repository), values| {
                values.text(name).text(repository);
            })
            .await?;
        self.insert_repository
            .run(to, &absorbed.repositories, |name, values| {
                values.text(name);
            })
            .await?;
        self.add_arrivals
            .run(to, &absorbed.counts, |(kind, outcome, count), values| {
                values.text(kind).text(outcome).int(*count);
            })
            .await?;
        self.insert_malformed
            .run(to, &absorbed.malformed, |row, values| {
                row.iter().for_each(|text| {
                    values.text(text);
                });
            })
            .await?;
        self.set_progress
            .run(to, &[("absorbed", position)], |(name, position), values| {
                values.text(name).int(*position);
            })
            .await?;
        Ok(writing.commit().await?)
    }

    /// All chunks of some scopes, by scope.
    pub(super) async fn chunks(
        &self,
        scopes: &[String],
    ) -> Result<HashMap<String, Vec<Vec<u8>>>, Error> {
        let rows: Vec<(String, Vec<u8>)> =
            self.named("SELECT scope, body FROM knowledge WHERE scope", scopes).await?;
        Ok(by_name(rows.into_iter()))
    }

    /// The rows of a statement for each of some names; it ends in the column that has the names.
    async fn named<T>(&self, head: &str, names: &[impl AsRef<str>]) -> Result<Vec<T>, Error>
    where
        T: for<'r> FromRow<'r, sqlx::any::AnyRow> + Send + Unpin,
    {
        let mut found = Vec::new();
        for some in names.chunks(NAMES_AT_ONCE) {
            let marks: Vec<String> = (1..=some.len()).map(|n| format!("${n}")).collect();
            let sql = format!("{head} IN ({})", marks.join(", "));
            let query = some.iter().fold(sqlx::query_as(AssertSqlSafe(sql)), |query, name| {
                query.bind(name.as_ref().to_owned())
            });
            found.extend(query.fetch_all(self.database.pool()).await?);
        }
        Ok(found)
    }

    /// Puts one chunk in the place of all that each of some scopes has.
    pub(super) async fn compact(
        &self,
        writing: &mut Writing,
        position: i64,
        scopes: &[(String, Vec<u8>)],
    ) -> Result<(), Error> {
        self.delete_chunks
            .run(writing, scopes, |(scope, _), values| {
                values.text(scope);
            })
            .await?;
        self.insert_chunk
            .run(writing, scopes, |(scope, body), values| {
                values.text(scope).int(position).bytes(body);
            })
            .await?;
        Ok(())
    }

    /// Scopes whose services have to be computed anew, at most `limit`.
    pub(super) async fn stale(&self, limit: i64) -> Result<Vec<String>, Error> {
        let sql = "SELECT scope FROM stale ORDER BY scope LIMIT $1";
        let rows: Vec<(String,)> =
            sqlx::query_as(sql).bind(limit).fetch_all(self.database.pool()).await?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }

    /// The bytes of knowledge of some scopes; those of which nothing is known are left out.
    pub(super) async fn sizes(&self, scopes: &[&str]) -> Result<HashMap<String, i64>, Error> {
        let head = "SELECT scope, CAST(LENGTH(body) AS BIGINT) FROM knowledge WHERE scope";
        let rows: Vec<(String, i64)> = self.named(head, scopes).await?;
        let mut sizes = HashMap::new();
        for (scope, bytes) in rows {
            let size: &mut i64 = sizes.entry(scope).or_default();
            *size = size.saturating_add(bytes);
        }
        Ok(sizes)
    }

    /// Says that the services of some scopes have to be computed.
    pub(super) async fn mark_stale(
        &self,
        writing: &mut Writing,
        scopes: &[String],
    ) -> Result<(), Error> {
        self.insert_stale
            .run(writing, scopes, |scope, values| {
                values.text(scope);
            })
            .await?;
        Ok(())
    }

    /// Says that the services of some scopes were computed, and where they were the last ones, up
    /// to which place on the log everything is in the views now.
    pub(super) async fn settle(
        &self,
        writing: &mut Writing,
        scopes: &[String],
        settled: Option<i64>,
    ) -> Result<(), Error> {
        self.delete_stale
            .run(writing, scopes, |scope, values| {
                values.text(scope);
            })
            .await?;
        let settled = settled.map(|position| ("settled", position));
        self.set_progress
            .run(writing, settled.as_slice(), |(name, position), values| {
                values.text(name).int(*position);
            })
            .await?;
        Ok(())
    }

    /// Names of services with the repositories that they claim, or an empty text.
    pub(super) async fn claims(&self) -> Result<Vec<(String, String)>, Error> {
        self.all("SELECT name, repository FROM claims").await
    }

    /// Repositories of which anything is known.
    pub(super) async fn repositories(&self) -> Result<Vec<String>, Error> {
        let rows: Vec<(String,)> = self.all("SELECT name FROM repositories").await?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }

    /// The rows of one kind that services have: by service, their keys and their JSON.
    pub(super) async fn rows<T: Kept>(
        &self,
        services: &[&str],
    ) -> Result<HashMap<String, Vec<StoredRow>>, Error> {
        // Every kind has one or two columns after the service.
        let (first, last) = (T::KEY[0], T::KEY[T::KEY.len() - 1]);
        let head = format!("SELECT service, {first}, {last}, body FROM {} WHERE service", T::TABLE);
        let rows: Vec<(String, String, String, String)> = self.named(&head, services).await?;
        let key = |first, last| match T::KEY.len() {
            1 => vec![first],
            _ => vec![first, last],
        };
        let row = |(service, first, last, body)| (service, (key(first, last), body));
        Ok(by_name(rows.into_iter().map(row)))
    }

    /// Writes the rows of services that differ from those before.
    pub(super) async fn write_rows(
        &self,
        writing: &mut Writing,
        diffs: &[(&str, Diffs<'_>)],
    ) -> Result<(), Error> {
        let changes: Vec<_> = diffs.iter().map(|(name, it)| (*name, &it.changes)).collect();
        self.changes.write(writing, &changes).await?;
        let deployments: Vec<_> = diffs.iter().map(|(name, it)| (*name, &it.deployments)).collect();
        self.deployments.write(writing, &deployments).await?;
        let incidents: Vec<_> = diffs.iter().map(|(name, it)| (*name, &it.incidents)).collect();
        self.incidents.write(writing, &incidents).await?;
        let findings: Vec<_> = diffs.iter().map(|(name, it)| (*name, &it.findings)).collect();
        self.findings.write(writing, &findings).await
    }

    /// The services that have rows.
    pub(super) async fn services(&self) -> Result<Vec<String>, Error> {
        let rows: Vec<(String,)> = self.all("SELECT service FROM services").await?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }

    /// Writes what is kept of services themselves.
    pub(super) async fn write_services(
        &self,
        writing: &mut Writing,
        rows: &[ServiceRow],
    ) -> Result<(), Error> {
        self.upsert_service
            .run(writing, rows, |row, values| {
                values
                    .text(&row.service)
                    .int(i64::from(row.catalogued))
                    .maybe_text(row.repository.as_deref())
                    .maybe_int(row.newest);
            })
            .await?;
        Ok(())
    }

    /// Takes away names that are no services any more.
    pub(super) async fn remove_services(
        &self,
        writing: &mut Writing,
        names: &[String],
    ) -> Result<(), Error> {
        self.delete_service
            .run(writing, names, |name, values| {
                values.text(name);
            })
            .await?;
        Ok(())
    }

    /// The summaries of some scopes: by scope, their days and bodies.
    pub(super) async fn summaries(
        &self,
        scopes: &[String],
    ) -> Result<HashMap<String, Vec<(i64, Vec<u8>)>>, Error> {
        let head = "SELECT scope, day, body FROM summaries WHERE scope";
        let rows: Vec<(String, i64, Vec<u8>)> = self.named(head, scopes).await?;
        Ok(by_name(rows.into_iter().map(|(scope, day, body)| (scope, (day, body)))))
    }

    /// The summaries of some scopes on some days each: by scope, the days and bodies that there are.
    pub(super) async fn summaries_of_days(
        &self,
        days: &[(String, i64)],
    ) -> Result<HashMap<String, Vec<(i64, Vec<u8>)>>, Error> {
        let mut found = Vec::new();
        for some in days.chunks(NAMES_AT_ONCE) {
            let marks: Vec<String> =
                (1..=some.len()).map(|n| format!("(${}, ${})", 2 * n - 1, 2 * n)).collect();
            let sql = format!(
                "SELECT scope, day, body FROM summaries WHERE (scope, day) IN (VALUES {})",
                marks.join(", ")
            );
            let query = sqlx::query_as(AssertSqlSafe(sql));
            let query =
                some.iter().fold(query, |query, (scope, day)| query.bind(scope.clone()).bind(*day));
            let rows: Vec<(String, i64, Vec<u8>)> = query.fetch_all(self.database.pool()).await?;
            found.extend(rows);
        }
        Ok(by_name(found.into_iter().map(|(scope, day, body)| (scope, (day, body)))))
    }

    /// The summaries of a scope from one day to another, both counted in.
    pub(super) async fn summaries_between(
        &self,
        scope: &str,
        [first, last]: [i64; 2],
    ) -> Result<Vec<(i64, Vec<u8>)>, Error> {
        let sql = "SELECT day, body FROM summaries WHERE scope = $1 AND day BETWEEN $2 AND $3";
        let query = sqlx::query_as(sql).bind(scope).bind(first).bind(last);
        Ok(query.fetch_all(self.database.pool()).await?)
    }

    /// Writes summaries, and takes away the empty ones.
    pub(super) async fn write_summaries(
        &self,
        writing: &mut Writing,
        summaries: &[SummaryRow],
    ) -> Result<(), Error> {
        let (written, gone): (Vec<_>, Vec<_>) =
            summaries.iter().partition(|summary| summary.body.is_some());
        self.upsert_summary
            .run(writing, &written, |row, values| {
                let body = row.body.as_deref().unwrap_or_default();
                values.text(&row.scope).int(row.day).int(row.open);
                values.int(row.deployments).bytes(body);
            })
            .await?;
        self.delete_summary
            .run(writing, &gone, |row, values| {
                values.text(&row.scope).int(row.day);
            })
            .await?;
        Ok(())
    }

    /// Forgets everything: the log will be read again from its start.
    pub(super) async fn forget(&self) -> Result<(), Error> {
        let mut writing = self.begin().await?;
        for table in TABLES {
            let sql = match table {
                "progress" => "DELETE FROM progress WHERE name <> 'turn'".to_owned(),
                _ => format!("DELETE FROM {table}"),
            };
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *writing).await?;
        }
        Ok(writing.commit().await?)
    }
}

/// Names that are asked for at once.
const NAMES_AT_ONCE: usize = 64;

/// What belongs to each name, in the order in which it comes.
fn by_name<T>(rows: impl Iterator<Item = (String, T)>) -> HashMap<String, Vec<T>> {
    let mut found: HashMap<String, Vec<T>> = HashMap::new();
    for (name, row) in rows {
        found.entry(name).or_default().push(row);
    }
    found
}
