//! What could not be linked or understood, and how to mend it.

use super::parameters::Parameters;
use super::rows::Page;
use crate::app::App;
use crate::problem::Problem;
use axum::Json;
use axum::extract::{RawQuery, State};
use seaway_core::catalog;
use serde::Serialize;
use std::sync::Arc;

/// Rows of each kind that are told at once.
const ROWS_MAX: i64 = 1_000;
const CATALOG_FINDINGS_MAX: usize = 1_000;

#[derive(Serialize)]
struct Quality<F> {
    /// Events by kind and by what became of them: `understood`, `unknown` or `malformed`.
    arrivals: Vec<Arrivals>,
    /// Events that could not be understood, at most 1,000.
    malformed: Vec<Malformed>,
    /// What was found about the data of services, by kind.
    findings: Vec<FindingCount>,
    services: i64,
    uncatalogued: Uncatalogued,
    catalog: Catalog<F>,
}

/// The catalog: its files, and what does not fit together in what they say.
#[derive(Serialize)]
struct Catalog<F> {
    #[serde(flatten)]
    files: F,
    /// At most 1,000.
    findings: Vec<CatalogFinding>,
}

#[derive(Serialize)]
struct CatalogFinding {
    #[serde(flatten)]
    finding: catalog::Finding,
    message: String,
}

#[derive(Serialize)]
struct Arrivals {
    kind: String,
    outcome: String,
    count: i64,
}

#[derive(Serialize)]
struct Malformed {
    source: String,
    id: String,
    kind: String,
    reason: String,
}

#[derive(Serialize)]
struct FindingCount {
    kind: String,
    count: i64,
    /// What it means, and what to do about it.
    message: &'static str,
}

#[derive(Serialize)]
struct Finding {
    service: String,
    kind: String,
    subject: String,
}

/// Services that no component of the catalog stands for.
#[derive(Serialize)]
struct Uncatalogued {
    count: i64,
    /// At most 1,000.
    services: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    service: String,
    repository: Option<String>,
    /// What to put into the catalog.
    yaml: String,
}

/// What a kind of finding means.
fn message(kind: &str) -> &'static str {
    match kind {
        "unknown_revision" => {
            "A deployment names a revision that is not in the known history, so it delivers \
             nothing. Send the pushes of the repository, or give Seaway access to it."
        }
        "assumed_parents" => {
            "Nobody could read the repository, so a push is taken for a line of commits: the \
             figures are approximate. Give Seaway access to the repository."
        }
        "clock_problem" => {
            "A milestone was told to be before the one that it follows, and was moved up to it."
        }
        "incident_without_deployment" => {
            "No deployment to production within the window came before the incident."
        }
        _ => "See the rows.",
    }
}

/// `GET /api/v1/quality`.
pub(crate) async fn quality(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Json<impl Serialize>, Problem> {
    Parameters::of(query.as_deref(), &[])?.wait(&app).await?;
    let arrivals = app.store.arrivals().await?.into_iter().map(|row| Arrivals {
        kind: row.kind,
        outcome: row.outcome,
        count: row.count,
    });
    let malformed = app.store.malformed(ROWS_MAX).await?.into_iter().map(|row| Malformed {
        source: row.source,
        id: row.id,
        kind: row.kind,
        reason: row.reason,
    });
    let findings = app
        .store
        .finding_counts()
        .await?
        .into_iter()
        .map(|(kind, count)| FindingCount { message: message(&kind), kind, count });
    let (services, count) = app.store.service_counts().await?;
    let entry = |row: crate::delivery::store::ServiceRow| {
        let is_repository = row.repository.as_deref() == Some(row.service.as_str());
        let name = (!is_repository).then_some(row.service.as_str());
        Entry {
            yaml: catalog::entry(row.repository.as_deref(), name),
            service: row.service,
            repository: row.repository,
        }
    };
    let uncatalogued = app.store.uncatalogued(ROWS_MAX).await?.into_iter().map(entry).collect();
    let files = app.catalog.borrow().as_ref().clone();
    let known = Arc::clone(&app.progress.borrow().latest);
    let told = |finding: &catalog::Finding| CatalogFinding {
        message: finding.to_string(),
        finding: finding.clone(),
    };
    let told = known.findings().iter().take(CATALOG_FINDINGS_MAX).map(told).collect();
    Ok(Json(Quality {
        arrivals: arrivals.collect(),
        malformed: malformed.collect(),
        findings: findings.collect(),
        services,
        uncatalogued: Uncatalogued { count, services: uncatalogued },
        catalog: Catalog { files, findings: told },
    }))
}

/// `GET /api/v1/quality/findings?kind=…`: the rows of one kind of finding.
pub(crate) async fn findings(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Json<impl Serialize>, Problem> {
    let parameters = Parameters::of(query.as_deref(), &["kind", "after", "limit"])?;
    parameters.wait(&app).await?;
    let Some(kind) = parameters.text("kind") else {
        return Err(Problem::bad_request("the parameter kind is missing")
            .hint("/api/v1/quality names the kinds"));
    };
    let limit = parameters.limit()?;
    let after = parameters.text("after").unwrap_or_default();
    let after = after.split_once('\n').unwrap_or((after, ""));
    let found = app.store.findings(kind, after, limit).await?;
    let full = found.len() as i64 == limit;
    let next = found.last().filter(|_| full).map(|it| format!("{}\n{}", it.service, it.subject));
    let rows = found.into_iter().map(|row| Finding {
        service: row.service,
        kind: row.kind,
        subject: row.subject,
    });
    Ok(Json(Page { rows: rows.collect(), next }))
}
