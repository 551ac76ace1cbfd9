//! The SQL of reports: reads the views, and writes nothing.

use crate::ledger::{Database, Engine, Error};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::QueryAs;
use sqlx::{Any, AssertSqlSafe, FromRow};
use std::collections::HashMap;
use std::fmt;

/// What reads the views.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: Database,
}

/// A service as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceRow {
    pub(crate) service: String,
    pub(crate) catalogued: bool,
    pub(crate) repository: Option<String>,
    /// The newest moment of its data, Unix seconds.
    pub(crate) newest: Option<i64>,
}

/// An order of services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceOrder {
    /// By name.
    Name,
    /// Those with the newest data first.
    Newest,
    /// Those of which most changes wait first.
    Waiting,
}

/// A row of a service: which service, what the page after it begins with, and its JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) service: String,
    pub(crate) at: i64,
    pub(crate) key: String,
    pub(crate) body: String,
}

/// Where a page of rows begins: after the row of this moment and key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct After {
    pub(crate) at: i64,
    pub(crate) key: String,
}

impl Kept {
    /// Where the rows after it begin.
    pub(crate) fn after(&self) -> After {
        After { at: self.at, key: self.key.clone() }
    }
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at, self.key)
    }
}

/// Findings of one service and kind: service, kind, how many, and the last subject.
pub(crate) type Unread = (String, String, i64, String);

/// A scope, a day and its summary.
pub(crate) type WindowRow = (String, i64, Vec<u8>);

/// A day's summary of a scope.
pub(crate) type SummaryOfDay = (i64, Vec<u8>);

impl Store {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Reads rows.
    pub(in crate::delivery) async fn fetch<T>(
        &self,
        query: QueryAs<'_, Any, T, AnyArguments>,
    ) -> Result<Vec<T>, Error>
    where
        T: for<'r> FromRow<'r, AnyRow> + Send + Unpin,
    {
        self.database.fetch(query).await
    }

    pub(in crate::delivery) async fn rows<T>(
        &self,
        sql: &'static str,
        values: &[&str],
    ) -> Result<Vec<T>, Error>
    where
        T: for<'r> FromRow<'r, AnyRow> + Send + Unpin,
    {
        let query = values.iter().fold(sqlx::query_as(sql), |query, value| query.bind(*value));
        self.fetch(query).await
    }

    /// Services by name, after one.
    pub(crate) async fn services(&self, after: &str, limit: i64) -> Result<Vec<ServiceRow>, Error> {
        let sql = "SELECT service, catalogued, repository, newest FROM services \
                   WHERE service > $1 ORDER BY service LIMIT $2";
        let rows: Vec<(String, i64, Option<String>, Option<i64>)> =
            self.fetch(sqlx::query_as(sql).bind(after).bind(limit)).await?;
        Ok(rows.into_iter().map(service_row).collect())
    }

    /// The names of all services in an order. The database puts them together: a row for each of
    /// thousands takes many times as long.
    pub(crate) async fn names_by(&self, order: ServiceOrder) -> Result<Vec<String>, Error> {
        let sql = match order {
            ServiceOrder::Name => "SELECT string_agg(service, $1 ORDER BY service) FROM services",
            ServiceOrder::Newest => {
                "SELECT string_agg(service, $1 ORDER BY COALESCE(newest, 0) DESC, service) \
                 FROM services"
            }
            ServiceOrder::Waiting => {
                "SELECT string_agg(services.service, $1 \
                 ORDER BY COALESCE(waiting, 0) DESC, services.service) FROM services \
                 LEFT JOIN (SELECT service, COUNT(*) AS waiting FROM changes \
                 WHERE status = 'waiting' GROUP BY service) AS waits \
                 ON waits.service = services.service"
            }
        };
        /// No name has a control character in it.
        const BETWEEN: &str = "\n";
        let rows: Vec<(Option<String>,)> = self.rows(sql, &[BETWEEN]).await?;
        let names = rows.into_iter().find_map(|row| row.0).unwrap_or_default();
        Ok(names.split(BETWEEN).filter(|it| !it.is_empty()).map(str::to_owned).collect())
    }

    /// The summaries of some scopes as [`Store::summaries`] tells them, and of the days before those
    /// in which changes are open, each with its scope.
    pub(crate) async fn summaries_by_scope(
        &self,
        scopes: &[String],
        since: i64,
    ) -> Result<Vec<(String, i64, Vec<u8>)>, Error> {
        let select = "SELECT scope, day, body";
        let numbers = [since];
        let mut rows = self.of_scopes(select, "day >= $1", &numbers, scopes, "").await?;
        let open = "day < $1 AND open > 0";
        rows.extend(self.of_scopes(select, open, &numbers, scopes, "").await?);
        Ok(rows)
    }

    /// One service.
    pub(crate) async fn service(&self, service: &str) -> Result<Option<ServiceRow>, Error> {
        let sql = "SELECT service, catalogued, repository, newest FROM services WHERE service = $1";
        let rows: Vec<(String, i64, Option<String>, Option<i64>)> =
            self.rows(sql, &[service]).await?;
        Ok(rows.into_iter().next().map(service_row))
    }

    /// The newest moment of all data, Unix seconds.
    pub(crate) async fn newest(&self) -> Result<Option<i64>, Error> {
        let sql = "SELECT MAX(newest) FROM services";
        let rows: Vec<(Option<i64>,)> = self.rows(sql, &[]).await?;
        Ok(rows.into_iter().find_map(|row| row.0))
    }

    /// The place on the log up to which everything is in the views.
    pub(crate) async fn settled(&self) -> Result<i64, Error> {
        let sql = "SELECT position FROM progress WHERE name = 'settled' \
                   OR (name = 'absorbed' AND NOT EXISTS (SELECT 1 FROM stale))";
        let rows: Vec<(i64,)> = self.rows(sql, &[]).await?;
        Ok(rows.into_iter().map(|row| row.0).max().unwrap_or(0))
    }

    /// The summaries of some scopes from one day on up to another.
    pub(crate) async fn summaries(
        &self,
        scopes: &[String],
        since: i64,
        until: i64,
    ) -> Result<Vec<SummaryOfDay>, Error> {
        let filter = "day >= $1 AND day <= $2";
        self.of_scopes("SELECT day, body", filter, &[since, until], scopes, "").await
    }

    /// The summaries of some scopes before a day in which changes are open.
    pub(crate) async fn open_before(
        &self,
        scopes: &[String],
        day: i64,
    ) -> Result<Vec<SummaryOfDay>, Error> {
        self.of_scopes("SELECT day, body", "day < $1 AND open > 0", &[day], scopes, "").await
    }

    /// Those of some scopes of which anything is in the days from one to another, or open before.
    pub(crate) async fn busy(
        &self,
        scopes: &[String],
        since: i64,
        until: i64,
    ) -> Result<Vec<String>, Error> {
        let places = (1..=scopes.len()).map(|number| format!("(${})", 2 + number));
        let sql = format!(
            "SELECT column1 FROM (VALUES {}) AS asked WHERE EXISTS (SELECT 1 FROM summaries \
             WHERE scope = column1 AND day >= $1 AND day <= $2) OR EXISTS (SELECT 1 \
             FROM summaries WHERE scope = column1 AND day < $1 AND open > 0)",
            places.collect::<Vec<_>>().join(", ")
        );
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(since).bind(until);
        let query = scopes.iter().fold(query, |query, scope| query.bind(scope.as_str()));
        let rows: Vec<(String,)> = self.fetch(query).await?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }

    /// Whether any incident is on record, of whatever service.
    pub(crate) async fn knows_incidents(&self) -> Result<bool, Error> {
        let rows: Vec<(i64,)> = self.rows("SELECT 1 FROM incidents LIMIT 1", &[]).await?;
        Ok(!rows.is_empty())
    }

    /// The first day on which anything was deployed in some scopes; what was deployed in `taken` is
    /// taken away from that.
    pub(crate) async fn first_deployment(
        &self,
        scopes: &[String],
        taken: &[String],
    ) -> Result<Option<i64>, Error> {
        if taken.is_empty() {
            let rows: Vec<(Option<i64>,)> =
                self.of_scopes("SELECT MIN(day)", "deployments > 0", &[], scopes, "").await?;
            return Ok(rows.into_iter().find_map(|row| row.0));
        }
        let select = "SELECT day, CAST(SUM(deployments) AS BIGINT)";
        let (filter, tail) = ("deployments > 0", "GROUP BY day");
        let taken: Vec<(i64, i64)> = self.of_scopes(select, filter, &[], taken, tail).await?;
        let taken: HashMap<i64, i64> = taken.into_iter().collect();
        let days: Vec<(i64, i64)> = self.of_scopes(select, filter, &[], scopes, tail).await?;
        let left = days.into_iter().filter(|(day, count)| taken.get(day) != Some(count));
        Ok(left.map(|(day, _)| day).min())
    }

    /// What of the summaries of some scopes fits a condition on `numbers`.
    async fn of_scopes<T>(
        &self,
        select: &str,
        condition: &str,
        numbers: &[i64],
        scopes: &[String],
        tail: &str,
    ) -> Result<Vec<T>, Error>
    where
        T: for<'r> FromRow<'r, AnyRow> + Send + Unpin,
    {
        let places = (1..=scopes.len()).map(|number| format!("${}", numbers.len() + number));
        let places = places.collect::<Vec<_>>().join(", ");
        let sql =
            format!("{select} FROM summaries WHERE {condition} AND scope IN ({places}) {tail}");
        let query = sqlx::query_as(AssertSqlSafe(sql));
        let query = numbers.iter().fold(query, |query, number| query.bind(*number));
        let query = scopes.iter().fold(query, |query, scope| query.bind(scope.as_str()));
        self.fetch(query).await
    }

    /// Changes of a service by the moment they were merged, newest first.
    pub(crate) async fn changes(
        &self,
        service: &str,
        after: &After,
        limit: i64,
    ) -> Result<Vec<Kept>, Error> {
        let sql = "SELECT service, COALESCE(merged_at, 0), change, body FROM changes \
                   WHERE service = $1 AND COALESCE(merged_at, 0) <= $2 \
                   AND (COALESCE(merged_at, 0), change) < ($2, $3) \
                   ORDER BY COALESCE(merged_at, 0) DESC, change DESC LIMIT $4";
        self.page(sql, Some(service), after, limit).await
    }

    /// Deployments of a service by the moment they finished, newest first.
    pub(crate) async fn deployments(
        &self,
        service: &str,
        after: &After,
        limit: i64,
    ) -> Result<Vec<Kept>, Error> {
        let sql = "SELECT service, COALESCE(finished_at, 0), environment || ' ' || name, body \
                   FROM deployments WHERE service = $1 AND COALESCE(finished_at, 0) <= $2 \
                   AND (COALESCE(finished_at, 0), environment || ' ' || name) < ($2, $3) \
                   ORDER BY COALESCE(finished_at, 0) DESC, environment || ' ' || name DESC \
                   LIMIT $4";
        self.page(sql, Some(service), after, limit).await
    }

    /// The deployments in production that finished last, of all services, newest first.
    pub(crate) async fn latest_deployments(&self, limit: i64) -> Result<Vec<Kept>, Error> {
        let sql = "SELECT service, finished_at, name, body FROM deployments \
                   WHERE production = 1 AND finished_at IS NOT NULL \
                   ORDER BY finished_at DESC, service, name LIMIT $1";
        let rows: Vec<KeptRow> = self.fetch(sqlx::query_as(sql).bind(limit)).await?;
        Ok(rows.into_iter().map(kept).collect())
    }

    /// The same of one service.
    pub(crate) async fn latest_deployments_of(
        &self,
        service: &str,
        limit: i64,
    ) -> Result<Vec<Kept>, Error> {
        let sql = "SELECT service, finished_at, name, body FROM deployments \
                   WHERE service = $1 AND production = 1 AND finished_at IS NOT NULL \
                   ORDER BY finished_at DESC, name LIMIT $2";
        let query = sqlx::query_as(sql).bind(service).bind(limit);
        let rows: Vec<KeptRow> = self.fetch(query).await?;
        Ok(rows.into_iter().map(kept).collect())
    }

    /// Those of some services that have deployed to production, with the moment at which the last
    /// deployment finished.
    pub(crate) async fn last_deployed(
        &self,
        services: &[String],
    ) -> Result<Vec<(i64, String)>, Error> {
        let places = (1..=services.len()).map(|number| format!("(${number})"));
        let sql = format!(
            "SELECT last, service FROM (SELECT column1 AS service, (SELECT MAX(finished_at) \
             FROM deployments WHERE deployments.service = column1 AND production = 1) AS last \
             FROM (VALUES {}) AS asked) AS found WHERE last IS NOT NULL",
            places.collect::<Vec<_>>().join(", ")
        );
        let query = sqlx::query_as(AssertSqlSafe(sql));
        self.fetch(services.iter().fold(query, |query, service| query.bind(service.as_str()))).await
    }

    /// Incidents of a service by the moment they opened, newest first.
    pub(crate) async fn incidents(
        &self,
        service: &str,
        after: &After,
        limit: i64,
    ) -> Result<Vec<Kept>, Error> {
        let sql = "SELECT service, COALESCE(opened_at, 0), id, body FROM incidents \
                   WHERE service = $1 AND (COALESCE(opened_at, 0), id) < ($2, $3) \
                   ORDER BY COALESCE(opened_at, 0) DESC, id DESC LIMIT $4";
        self.page(sql, Some(service), after, limit).await
    }

    async fn page(
        &self,
        sql: &'static str,
        service: Option<&str>,
        after: &After,
        limit: i64,
    ) -> Result<Vec<Kept>, Error> {
        let query = service.into_iter().fold(sqlx::query_as(sql), |query, it| query.bind(it));
        let rows: Vec<KeptRow> =
            self.fetch(query.bind(after.at).bind(after.key.as_str()).bind(limit)).await?;
        Ok(rows.into_iter().map(kept).collect())
    }

    /// Changes whose hash begins so.
    pub(crate) async fn changes_hashed(&self, hash: &str, limit: i64) -> Result<Vec<Kept>, Error> {
        // No digit comes after f.
        let short: String = hash.chars().take(12).collect();
        let sql = "SELECT service, COALESCE(merged_at, 0), change, body FROM changes \
                   WHERE substr(change, 1, 12) >= $1 AND substr(change, 1, 12) < $2 \
                   AND change >= $3 AND change < $4 ORDER BY substr(change, 1, 12) LIMIT $5";
        let rows: Vec<KeptRow> = self
            .fetch(
                sqlx::query_as(sql)
                    .bind(short.as_str())
                    .bind(format!("{short}g"))
                    .bind(hash)
                    .bind(format!("{hash}g"))
                    .bind(limit),
            )
            .await?;
        Ok(rows.into_iter().map(kept).collect())
    }

    /// Changes of a pull request of this number, of whatever service, newest first.
    pub(crate) async fn changes_pulled(
        &self,
        number: &str,
        limit: i64,
    ) -> Result<Vec<Kept>, Error> {
        let sql = "SELECT service, COALESCE(merged_at, 0), change, body FROM changes \
                   WHERE pull_request = $1 ORDER BY merged_at DESC LIMIT $2";
        let query = sqlx::query_as(sql).bind(number).bind(limit);
        let rows: Vec<KeptRow> = self.fetch(query).await?;
        Ok(rows.into_iter().map(kept).collect())
    }

    /// Of the newest changes those whose subject has some words in it, and perhaps others.
    pub(crate) async fn changes_about(
        &self,
        words: &[String],
        newest: i64,
    ) -> Result<Vec<Kept>, Error> {
        // What JSON writes in another way, and letters whose case databases do not know, are left
        // to whoever reads the rows.
        let plain = |word: &&String| word.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
        let longest = words.iter().filter(plain).max_by_key(|word| word.len());
        let pattern = longest.map_or_else(|| "%".to_owned(), |word| format!("%{word}%"));
        // In the JSON, most words stand for fields that every row has.
        let subject = match self.database.engine() {
            Engine::Sqlite => "json_extract(body, '$.subject')",
            Engine::Postgres => "body::json ->> 'subject'",
        };
        let sql = format!(
            "SELECT service, at, change, body FROM \
             (SELECT service, merged_at AS at, change, body FROM changes \
             WHERE merged_at IS NOT NULL ORDER BY merged_at DESC LIMIT $1) AS newest \
             WHERE LOWER({subject}) LIKE $2 ORDER BY at DESC"
        );
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(newest).bind(pattern);
        let rows: Vec<KeptRow> = self.fetch(query).await?;
        Ok(rows.into_iter().map(kept).collect())
    }

    /// Deployments whose name begins so.
    pub(crate) async fn deployments_named(
        &self,
        name: &str,
        limit: i64,
    ) -> Result<Vec<Kept>, Error> {
        let by = match self.database.engine() {
            Engine::Sqlite => "name",
            Engine::Postgres => "name COLLATE \"C\"",
        };
        let sql = format!(
            "SELECT service, COALESCE(finished_at, 0), environment || ' ' || name, body \
             FROM deployments WHERE {by} >= $1 AND {by} < $2 ORDER BY {by} LIMIT $3"
        );
        let rows: Vec<KeptRow> = self
            .fetch(
                sqlx::query_as(AssertSqlSafe(sql))
                    .bind(name)
                    .bind(format!("{name}\u{10ffff}"))
                    .bind(limit),
            )
            .await?;
        Ok(rows.into_iter().map(kept).collect())
    }

    /// The JSON of the deployment that replaced one of a service.
    pub(crate) async fn replacing(
        &self,
        service: &str,
        environment: &str,
        name: &str,
    ) -> Result<Option<String>, Error> {
        let sql = "SELECT body FROM deployments WHERE service = $1 AND replaced = $2 \
                   AND replaced_environment = $3 ORDER BY finished_at LIMIT 1";
        let rows: Vec<(String,)> = self.rows(sql, &[service, name, environment]).await?;
        Ok(rows.into_iter().next().map(|row| row.0))
    }

    /// Services whose name has a text in it. Looks at all of them: they are few.
    pub(crate) async fn services_like(
        &self,
        text: &str,
        limit: i64,
    ) -> Result<Vec<ServiceRow>, Error> {
        let text = text.to_ascii_lowercase();
        let text = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let sql = "SELECT service, catalogued, repository, newest FROM services \
                   WHERE LOWER(service) LIKE $1 ESCAPE '\\' ORDER BY service LIMIT $2";
        let rows: Vec<(String, i64, Option<String>, Option<i64>)> =
            self.fetch(sqlx::query_as(sql).bind(format!("%{text}%")).bind(limit)).await?;
        Ok(rows.into_iter().map(service_row).collect())
    }

    /// The JSON of one change.
    pub(crate) async fn change(
        &self,
        service: &str,
        change: &str,
    ) -> Result<Option<String>, Error> {
        let sql = "SELECT body FROM changes WHERE service = $1 AND change = $2";
        let rows: Vec<(String,)> = self.rows(sql, &[service, change]).await?;
        Ok(rows.into_iter().next().map(|row| row.0))
    }

    /// The JSON of one deployment.
    pub(crate) async fn deployment(
        &self,
        service: &str,
        environment: &str,
        name: &str,
    ) -> Result<Option<String>, Error> {
        let sql = "SELECT body FROM deployments \
                   WHERE service = $1 AND environment = $2 AND name = $3";
        let rows: Vec<(String,)> = self.rows(sql, &[service, environment, name]).await?;
        Ok(rows.into_iter().next().map(|row| row.0))
    }

    /// The JSON of the first deployments of a service that finished at a moment or later.
    pub(crate) async fn deployments_since(
        &self,
        service: &str,
        since: i64,
        limit: i64,
    ) -> Result<Vec<String>, Error> {
        let sql = "SELECT body FROM deployments \
                   WHERE service = $1 AND COALESCE(finished_at, 0) >= $2 \
                   ORDER BY COALESCE(finished_at, 0), environment || ' ' || name LIMIT $3";
        let query = sqlx::query_as(sql).bind(service).bind(since).bind(limit);
        let rows: Vec<(String,)> = self.fetch(query).await?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }

    /// The JSON of the changes that a deployment delivered.
    pub(crate) async fn changes_of(
        &self,
        service: &str,
        environment: &str,
        deployment: &str,
        limit: i64,
    ) -> Result<Vec<String>, Error> {
        let sql = "SELECT body FROM changes WHERE service = $1 AND deployment = $2 \
                   AND environment = $3 ORDER BY merged_at, change LIMIT $4";
        let rows: Vec<(String,)> = self
            .fetch(sqlx::query_as(sql).bind(service).bind(deployment).bind(environment).bind(limit))
            .await?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }
}

/// The columns of a [`Kept`].
pub(in crate::delivery) type KeptRow = (String, i64, String, String);

pub(in crate::delivery) fn kept((service, at, key, body): KeptRow) -> Kept {
    Kept { service, at, key, body }
}

pub(in crate::delivery) fn service_row(
    row: (String, i64, Option<String>, Option<i64>),
) -> ServiceRow {
    let (service, catalogued, repository, newest) = row;
    ServiceRow { service, catalogued: catalogued != 0, repository, newest }
}
