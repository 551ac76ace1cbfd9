//! What could not be linked or understood, and how to mend it.

use super::csv::{Column, Sheet, listed};
use super::filter::{FILTERS, Wanted};
use super::parameters::Parameters;
use super::rows::Page;
use super::tables::{self, TELLING, Table};
use crate::app::{App, CatalogFiles};
use crate::delivery::quality::{Finding as Unlinked, Malformed as Misunderstood};
use crate::problem::Problem;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use seaway_core::catalog;
use serde::Serialize;
use std::sync::Arc;

/// Rows of each kind that are told at once.
const ROWS_MAX: i64 = 1_000;
const CATALOG_FINDINGS_MAX: usize = 1_000;

#[derive(Serialize)]
pub(in crate::delivery) struct Quality {
    /// Events by kind and by what became of them: `understood`, `unknown` or `malformed`.
    pub(in crate::delivery) arrivals: Vec<Arrivals>,
    /// Events that could not be understood, at most 1,000.
    pub(in crate::delivery) malformed: Vec<Malformed>,
    /// What was found about the data of services, by kind.
    pub(in crate::delivery) findings: Vec<FindingCount>,
    pub(in crate::delivery) services: i64,
    pub(in crate::delivery) uncatalogued: Uncatalogued,
    pub(in crate::delivery) catalog: Catalog,
}

/// The catalog: its files, and what does not fit together in what they say.
#[derive(Serialize)]
pub(in crate::delivery) struct Catalog {
    #[serde(flatten)]
    pub(in crate::delivery) files: CatalogFiles,
    /// At most 1,000.
    pub(in crate::delivery) findings: Vec<CatalogFinding>,
}

#[derive(Serialize)]
pub(in crate::delivery) struct CatalogFinding {
    #[serde(flatten)]
    pub(in crate::delivery) finding: catalog::Finding,
    pub(in crate::delivery) message: String,
}

#[derive(Serialize)]
pub(in crate::delivery) struct Arrivals {
    pub(in crate::delivery) kind: String,
    pub(in crate::delivery) outcome: String,
    pub(in crate::delivery) count: i64,
}

#[derive(Serialize)]
pub(in crate::delivery) struct Malformed {
    pub(in crate::delivery) source: String,
    pub(in crate::delivery) id: String,
    pub(in crate::delivery) kind: String,
    pub(in crate::delivery) reason: String,
}

impl Malformed {
    fn of(row: Misunderstood) -> Self {
        Self { source: row.source, id: row.id, kind: row.kind, reason: row.reason }
    }
}

impl Sheet for Malformed {
    const FILE: &'static str = "malformed";
    const COLUMNS: &'static [Column] =
        &[("source", "/source"), ("id", "/id"), ("kind", "/kind"), ("reason", "/reason")];
}

#[derive(Serialize)]
pub(in crate::delivery) struct FindingCount {
    pub(in crate::delivery) kind: String,
    pub(in crate::delivery) count: i64,
    /// What it means, and what to do about it.
    pub(in crate::delivery) message: &'static str,
}

#[derive(Serialize)]
pub(in crate::delivery) struct Finding {
    pub(in crate::delivery) service: String,
    pub(in crate::delivery) kind: String,
    pub(in crate::delivery) subject: String,
}

impl Sheet for Finding {
    const FILE: &'static str = "findings";
    const COLUMNS: &'static [Column] =
        &[("service", "/service"), ("kind", "/kind"), ("subject", "/subject")];
}

/// Services that no component of the catalog stands for.
#[derive(Serialize)]
pub(in crate::delivery) struct Uncatalogued {
    pub(in crate::delivery) count: i64,
    /// At most 1,000.
    pub(in crate::delivery) services: Vec<Entry>,
}

#[derive(Serialize)]
pub(in crate::delivery) struct Entry {
    pub(in crate::delivery) service: String,
    pub(in crate::delivery) repository: Option<String>,
    /// What to put into the catalog.
    pub(in crate::delivery) yaml: String,
}

/// What a kind of finding means.
pub(in crate::delivery) fn message(kind: &str) -> &'static str {
    match kind {
        "unknown_revision" => {
            "A deployment names a revision that is not in the known history, so it delivers \
             nothing. Send the pushes of the repository, or give Seaway access to it."
        }
        "deployment_before_history" => {
            "A deployment finished before the first commit that is known was made. Bring in the \
             history before it: by backfill, or by access to the repository."
        }
        "assumed_parents" => {
            "Nobody could read the repository, so a push is taken for a line of commits: the \
             figures are approximate. Give Seaway access to the repository."
        }
        "unknown_parent" => {
            "A commit names a parent that is not known, so the history begins there and what is at \
             its edge is not measured. Bring in the history before it."
        }
        "circle" => {
            "Commits are told to be their own ancestors, which no git history has; the circle was \
             cut. Some sender tells wrong parents."
        }
        "unknown_tip" => {
            "The default branch points to a commit that is not known; the newest of the known ones \
             is taken for its tip. Send the pushes of the repository, or give Seaway access to it."
        }
        "unknown_default_branch" => {
            "Commits are known, and not which branch is the default one, so the mainline is a \
             guess. Send a push to the default branch that says so."
        }
        "pull_request_off_mainline" => {
            "A pull request was merged, and what it was merged as is not on the mainline: its \
             milestones are missing. Send the pushes of the repository."
        }
        "clock_problem" => {
            "A milestone was told to be before the one that it follows, and was moved up to it."
        }
        "incident_without_deployment" => {
            "No deployment to production within the window came before the incident."
        }
        _ => OTHER,
    }
}

/// What is said of a kind that has no words of its own.
const OTHER: &str = "See the rows.";

impl Quality {
    /// What is known of the quality of the data, with at most so many rows of each kind.
    pub(in crate::delivery) async fn of(app: &App, rows: i64) -> Result<Self, Problem> {
        let arrivals = app.store.arrivals().await?.into_iter().map(|row| Arrivals {
            kind: row.kind,
            outcome: row.outcome,
            count: row.count,
        });
        let malformed = app.store.malformed(("", ""), rows).await?.into_iter().map(Malformed::of);
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
        let uncatalogued = app.store.uncatalogued(rows).await?.into_iter().map(entry).collect();
        let files = app.catalog.borrow().as_ref().clone();
        let known = Arc::clone(&app.progress.borrow().latest);
        let told = |finding: &catalog::Finding| CatalogFinding {
            message: finding.to_string(),
            finding: finding.clone(),
        };
        let told = known.findings().iter().take(CATALOG_FINDINGS_MAX).map(told).collect();
        Ok(Self {
            arrivals: arrivals.collect(),
            malformed: malformed.collect(),
            findings: findings.collect(),
            services,
            uncatalogued: Uncatalogued { count, services: uncatalogued },
            catalog: Catalog { files, findings: told },
        })
    }
}

/// `GET /api/v1/quality`.
pub(crate) async fn quality(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(query.as_deref(), &TELLING)?;
    parameters.wait(&app).await?;
    tables::any(&parameters, &Quality::of(&app, ROWS_MAX).await?, &TABLES)
}

const TABLES: [Table; 5] = [
    Table {
        name: "arrivals",
        rows: "/arrivals",
        columns: &[("kind", "/kind"), ("outcome", "/outcome"), ("count", "/count")],
    },
    Table { name: "malformed", rows: "/malformed", columns: Malformed::COLUMNS },
    Table {
        name: "findings",
        rows: "/findings",
        columns: &[("kind", "/kind"), ("count", "/count"), ("message", "/message")],
    },
    Table {
        name: "uncatalogued",
        rows: "/uncatalogued/services",
        columns: &[("service", "/service"), ("repository", "/repository"), ("yaml", "/yaml")],
    },
    Table { name: "catalog", rows: "/catalog/findings", columns: &[("message", "/message")] },
];

/// The rows of one kind of finding, as a query asks for them.
pub(in crate::delivery) struct Findings {
    pub(in crate::delivery) parameters: Parameters,
    pub(in crate::delivery) page: Page<Finding>,
}

impl Findings {
    pub(in crate::delivery) async fn of(app: &App, query: Option<&str>) -> Result<Self, Problem> {
        let others = [&FILTERS[..], &["kind", "after", "limit", "format"]].concat();
        let parameters = Parameters::of(query, &others)?;
        parameters.wait(app).await?;
        let Some(kind) = parameters.text("kind") else {
            return Err(Problem::bad_request("the parameter kind is missing")
                .hint("/api/v1/quality names the kinds"));
        };
        let limit = parameters.limit()?;
        let after = parameters.text("after").unwrap_or_default();
        let after = after.split_once('\n').unwrap_or((after, ""));
        let after = (after.0.to_owned(), after.1.to_owned());
        let wanted = Wanted::of(app, &parameters)?;
        let mut page = wanted.page::<Unlinked>(after, limit);
        while let Some(((service, subject), portion)) = page.needs() {
            let found = app.store.findings(kind, (service, subject), portion).await?;
            page.take(found);
        }
        let (found, next) = page.done();
        let next = next.map(|(service, subject)| format!("{service}\n{subject}"));
        let row =
            |row: Unlinked| Finding { service: row.service, kind: row.kind, subject: row.subject };
        let page = Page { rows: found.into_iter().map(row).collect(), next };
        Ok(Self { parameters, page })
    }
}

/// `GET /api/v1/quality/findings?kind=…`: the rows of one kind of finding.
pub(crate) async fn findings(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let Findings { parameters, page } = Findings::of(&app, query.as_deref()).await?;
    listed(&parameters, page)
}

/// `GET /api/v1/quality/malformed`: the events that could not be understood.
pub(crate) async fn malformed(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(query.as_deref(), &["after", "limit", "format"])?;
    parameters.wait(&app).await?;
    let limit = parameters.limit()?;
    let after = parameters.text("after").unwrap_or_default();
    let after = after.split_once('\n').unwrap_or((after, ""));
    let mut found = app.store.malformed(after, limit + 1).await?;
    let has_more = found.len() as i64 > limit;
    found.truncate(limit as usize);
    let last = found.last().filter(|_| has_more);
    let next = last.map(|row| format!("{}\n{}", row.source, row.id));
    listed(&parameters, Page { rows: found.into_iter().map(Malformed::of).collect(), next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_finding_has_words() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../seaway_core/src/delivery/derive");
        let mut kinds = Vec::new();
        for file in std::fs::read_dir(folder).unwrap().filter_map(Result::ok) {
            let text = std::fs::read_to_string(file.path()).unwrap_or_default();
            let told = text.split("findings.add(\"").skip(1);
            kinds.extend(told.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
        assert!(kinds.len() >= 10, "{kinds:?}");
        for kind in kinds {
            assert_ne!(message(&kind), OTHER, "{kind}");
        }
    }
}
