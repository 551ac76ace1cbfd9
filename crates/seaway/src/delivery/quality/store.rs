//! The SQL of what arrived, and of what could not be linked or understood.

use crate::delivery::store::{ServiceRow, Store, Unread, WindowRow, service_row};
use crate::ledger::Error;
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row as _};

/// How many events of a kind there were, by what became of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrivals {
    pub(crate) kind: String,
    pub(crate) outcome: String,
    pub(crate) count: i64,
}

/// An event that could not be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) source: String,
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) reason: String,
}

/// Something found about a service's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) service: String,
    pub(crate) kind: String,
    pub(crate) subject: String,
}

impl Store {
    /// How many events of each kind there were.
    pub(crate) async fn arrivals(&self) -> Result<Vec<Arrivals>, Error> {
        self.rows("SELECT kind, outcome, count FROM arrivals ORDER BY kind, outcome", &[]).await
    }

    /// The summaries of services, groups and the organization from a day on, and of the days before
    /// it in which changes are open; those of a scope stand together.
    pub(crate) async fn window(&self, first: i64) -> Result<Vec<WindowRow>, Error> {
        let sql = "SELECT scope, day, body FROM summaries WHERE (day >= $1 OR open > 0) \
                   AND (scope = 'organization' OR scope LIKE 'service %' \
                   OR (scope LIKE 'group %' AND scope NOT LIKE 'group % %')) ORDER BY scope";
        self.fetch(sqlx::query_as(sql).bind(first)).await
    }

    /// How many changes wait, by service.
    pub(crate) async fn waiting_by_service(&self) -> Result<Vec<(String, i64)>, Error> {
        let sql = "SELECT service, COUNT(*) FROM changes WHERE status = 'waiting' GROUP BY service";
        self.rows(sql, &[]).await
    }

    /// Events that could not be understood, by source and identifier, after one.
    pub(crate) async fn malformed(
        &self,
        (source, id): (&str, &str),
        limit: i64,
    ) -> Result<Vec<Malformed>, Error> {
        let sql = "SELECT source, id, kind, reason FROM malformed WHERE (source, id) > ($1, $2) \
                   ORDER BY source, id LIMIT $3";
        self.fetch(sqlx::query_as(sql).bind(source).bind(id).bind(limit)).await
    }

    /// How many findings of each kind there are.
    pub(crate) async fn finding_counts(&self) -> Result<Vec<(String, i64)>, Error> {
        self.rows("SELECT kind, COUNT(*) FROM findings GROUP BY kind ORDER BY kind", &[]).await
    }

    /// Findings of a kind, of all services or of one, after a service and subject.
    pub(crate) async fn findings(
        &self,
        kind: &str,
        after: (&str, &str),
        limit: i64,
    ) -> Result<Vec<Finding>, Error> {
        let sql = "SELECT service, kind, subject FROM findings \
                   WHERE kind = $1 AND (service, subject) > ($2, $3) \
                   ORDER BY service, subject LIMIT $4";
        self.fetch(sqlx::query_as(sql).bind(kind).bind(after.0).bind(after.1).bind(limit)).await
    }

    /// Services of which some history is assumed, by name.
    pub(crate) async fn approximate(&self) -> Result<Vec<String>, Error> {
        let sql = "SELECT service FROM services WHERE EXISTS (SELECT 1 FROM findings \
                   WHERE findings.service = services.service \
                   AND findings.kind = 'assumed_parents') ORDER BY service";
        let rows: Vec<(String,)> = self.rows(sql, &[]).await?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }

    /// Whether some of a service's history is assumed.
    pub(crate) async fn is_approximate(&self, service: &str) -> Result<bool, Error> {
        let sql = "SELECT COUNT(*) FROM findings WHERE service = $1 AND kind = 'assumed_parents'";
        let rows: Vec<(i64,)> = self.rows(sql, &[service]).await?;
        Ok(rows.iter().any(|row| row.0 > 0))
    }

    /// Services that the catalog does not have.
    pub(crate) async fn uncatalogued(&self, limit: i64) -> Result<Vec<ServiceRow>, Error> {
        let sql = "SELECT service, catalogued, repository, newest FROM services \
                   WHERE catalogued = 0 ORDER BY service LIMIT $1";
        let rows: Vec<(String, i64, Option<String>, Option<i64>)> =
            self.fetch(sqlx::query_as(sql).bind(limit)).await?;
        Ok(rows.into_iter().map(service_row).collect())
    }

    /// The services whose repository is known, with that repository and the newest moment of their
    /// data (Unix seconds; 0 where there is none).
    pub(crate) async fn repositories(&self) -> Result<Vec<(String, String, i64)>, Error> {
        let sql = "SELECT service, repository, COALESCE(newest, 0) FROM services WHERE repository IS NOT NULL \
                   ORDER BY service";
        self.rows(sql, &[]).await
    }

    /// Of each service, the findings that reading its repository may end: their kind, how many
    /// there are, and the last subject.
    pub(crate) async fn unread(&self) -> Result<Vec<Unread>, Error> {
        let sql = "SELECT service, kind, COUNT(*), MAX(subject) FROM findings \
                   WHERE kind IN ('assumed_parents', 'unknown_default_branch', 'unknown_parent', \
                   'unknown_revision', 'unknown_tip') GROUP BY service, kind ORDER BY service, kind";
        self.rows(sql, &[]).await
    }

    /// What a service's repository has to be asked for: the JSON of the newest deployments and of
    /// those whose revision is not known, and the hashes of commits that are only named.
    pub(crate) async fn wanted(
        &self,
        service: &str,
        limit: i64,
    ) -> Result<(Vec<String>, Vec<String>), Error> {
        let deployments = "SELECT body FROM deployments WHERE service = $1 \
                           ORDER BY finished_at DESC LIMIT $2";
        let unknown = "SELECT DISTINCT deployments.body FROM deployments JOIN findings \
                       ON findings.service = deployments.service AND kind = 'unknown_revision' \
                       AND subject = name WHERE deployments.service = $1 LIMIT $2";
        let named = "SELECT subject FROM findings WHERE service = $1 \
                     AND kind IN ('unknown_parent', 'unknown_tip') LIMIT $2";
        let mut found = [Vec::new(), Vec::new(), Vec::new()];
        for (found, sql) in found.iter_mut().zip([deployments, unknown, named]) {
            let query = sqlx::query_as(sql).bind(service).bind(limit);
            let rows: Vec<(String,)> = self.fetch(query).await?;
            found.extend(rows.into_iter().map(|row| row.0));
        }
        let [mut deployments, unknown, named] = found;
        deployments.extend(unknown);
        Ok((deployments, named))
    }

    /// How many services there are, and how many of them the catalog does not have.
    pub(crate) async fn service_counts(&self) -> Result<(i64, i64), Error> {
        let sql = "SELECT COUNT(*), CAST(COALESCE(SUM(1 - catalogued), 0) AS BIGINT) FROM services";
        let rows: Vec<(i64, i64)> = self.rows(sql, &[]).await?;
        Ok(rows.into_iter().next().unwrap_or((0, 0)))
    }
}

impl FromRow<'_, AnyRow> for Arrivals {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self { kind: row.try_get(0)?, outcome: row.try_get(1)?, count: row.try_get(2)? })
    }
}

impl FromRow<'_, AnyRow> for Malformed {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        let (source, id) = (row.try_get(0)?, row.try_get(1)?);
        Ok(Self { source, id, kind: row.try_get(2)?, reason: row.try_get(3)? })
    }
}

impl FromRow<'_, AnyRow> for Finding {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self { service: row.try_get(0)?, kind: row.try_get(1)?, subject: row.try_get(2)? })
    }
}
