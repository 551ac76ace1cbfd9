//! The rows behind the figures: changes, deployments, incidents.

use super::csv::{Column, Format, Sheet, listed, sheet};
use super::filter::FILTERS;
use super::parameters::Parameters;
use crate::app::App;
use crate::delivery::store::{After, Kept, ServiceRow};
use crate::delivery::waiting::{Waiting, WaitingPage};
use crate::problem::Problem;
use crate::url::Names;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use seaway_core::delivery::attribution::DeploymentKind;
use seaway_core::delivery::measured::Status;
use seaway_core::delivery::view::{ChangeRow, DeploymentRow, IncidentRow, Milestone};
use seaway_core::time::Time;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Changes of a deployment that are told with it.
const CHANGES_OF_DEPLOYMENT: i64 = 1_000;

/// Some of the rows.
#[derive(Serialize)]
pub(in crate::delivery) struct Page<T> {
    pub(in crate::delivery) rows: Vec<T>,
    /// What `after` has to be for the rows that follow; `None` at the end.
    pub(in crate::delivery) next: Option<String>,
}

/// A change. Its author is told only where it is asked for by name.
#[derive(Serialize)]
pub(in crate::delivery) struct Change {
    pub(in crate::delivery) service: String,
    pub(in crate::delivery) change: String,
    pub(in crate::delivery) kind: String,
    pub(in crate::delivery) pull_request: Option<String>,
    pub(in crate::delivery) subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::delivery) author: Option<String>,
    pub(in crate::delivery) commits: u32,
    /// Lines added and removed; `None` where nobody tells them.
    pub(in crate::delivery) lines: Option<u64>,
    pub(in crate::delivery) status: Status,
    pub(in crate::delivery) reverts: bool,
    pub(in crate::delivery) bot: bool,
    pub(in crate::delivery) assisted: bool,
    pub(in crate::delivery) approximate: bool,
    /// The milestones that are known, in order of the word.
    pub(in crate::delivery) milestones: BTreeMap<&'static str, Time>,
    /// The stages, which add up to the time to value.
    pub(in crate::delivery) stages: Vec<StageOfChange>,
    /// From the first milestone to the deployment, in seconds; `None` while it waits.
    pub(in crate::delivery) time_to_value_seconds: Option<i64>,
    /// Milestones that were moved up to the one before them.
    pub(in crate::delivery) moved: Vec<Milestone>,
    pub(in crate::delivery) deployment: Option<String>,
    /// The environment of `deployment`.
    pub(in crate::delivery) environment: Option<String>,
}

impl Sheet for Change {
    const FILE: &'static str = "changes";
    const COLUMNS: &'static [Column] = &[
        ("service", "/service"),
        ("change", "/change"),
        ("kind", "/kind"),
        ("pull_request", "/pull_request"),
        ("subject", "/subject"),
        ("commits", "/commits"),
        ("lines", "/lines"),
        ("status", "/status"),
        ("reverts", "/reverts"),
        ("bot", "/bot"),
        ("assisted", "/assisted"),
        ("approximate", "/approximate"),
        ("authored_at", "/milestones/authored"),
        ("opened_at", "/milestones/opened"),
        ("reviewed_at", "/milestones/reviewed"),
        ("approved_at", "/milestones/approved"),
        ("merged_at", "/milestones/merged"),
        ("built_at", "/milestones/built"),
        ("deployed_at", "/milestones/deployed"),
        ("time_to_value_seconds", "/time_to_value_seconds"),
        ("moved", "/moved"),
        ("deployment", "/deployment"),
        ("environment", "/environment"),
    ];
}

#[derive(Serialize)]
pub(in crate::delivery) struct StageOfChange {
    pub(in crate::delivery) to: &'static str,
    pub(in crate::delivery) seconds: i64,
}

impl Change {
    pub(super) fn of(service: String, row: ChangeRow, author: bool) -> Self {
        let milestones = Milestone::ALL
            .into_iter()
            .filter_map(|milestone| Some((milestone.name(), Time(row.milestones.get(milestone)?))));
        let stages = row.milestones.stages();
        let stages = stages.map(|(to, seconds)| StageOfChange { to: to.name(), seconds }).collect();
        let deployed = row.milestones.get(Milestone::Deployed);
        let total = deployed.zip(row.milestones.start()).map(|(end, start)| end - start);
        Self {
            service,
            milestones: milestones.collect(),
            stages,
            time_to_value_seconds: total,
            change: row.change,
            kind: row.kind,
            pull_request: row.pull_request,
            subject: row.subject,
            author: author.then_some(row.author),
            commits: row.commits,
            lines: row.lines,
            status: row.status,
            reverts: row.reverts,
            bot: row.bot,
            assisted: row.assisted,
            approximate: row.approximate,
            moved: row.moved,
            deployment: row.deployment,
            environment: row.environment,
        }
    }
}

/// A deployment.
#[derive(Serialize)]
pub(in crate::delivery) struct Deployment {
    pub(in crate::delivery) service: String,
    pub(in crate::delivery) environment: String,
    pub(in crate::delivery) name: String,
    pub(in crate::delivery) production: bool,
    pub(in crate::delivery) revision: Option<String>,
    pub(in crate::delivery) linked: bool,
    pub(in crate::delivery) started_at: Option<Time>,
    pub(in crate::delivery) finished_at: Option<Time>,
    pub(in crate::delivery) succeeded: Option<bool>,
    pub(in crate::delivery) kind: Option<DeploymentKind>,
    pub(in crate::delivery) changes: u32,
    pub(in crate::delivery) replaced: Option<String>,
    /// The environment of `replaced`: all that customers use are one line.
    pub(in crate::delivery) replaced_environment: Option<String>,
    pub(in crate::delivery) failed_by: Option<String>,
    pub(in crate::delivery) recovered_at: Option<Time>,
    pub(in crate::delivery) unplanned: bool,
    pub(in crate::delivery) url: Option<String>,
}

impl Deployment {
    pub(super) fn of(service: String, row: DeploymentRow) -> Self {
        Self {
            service,
            environment: row.environment,
            name: row.name,
            production: row.production,
            revision: row.revision,
            linked: row.linked,
            started_at: row.started_at.map(Time),
            finished_at: row.finished_at.map(Time),
            succeeded: row.succeeded,
            kind: row.kind,
            changes: row.changes,
            replaced: row.replaced,
            replaced_environment: row.replaced_environment,
            failed_by: row.failed_by,
            recovered_at: row.recovered_at.map(Time),
            unplanned: row.unplanned,
            url: row.url,
        }
    }
}

impl Sheet for Deployment {
    const FILE: &'static str = "deployments";
    const COLUMNS: &'static [Column] = &[
        ("service", "/service"),
        ("environment", "/environment"),
        ("name", "/name"),
        ("production", "/production"),
        ("revision", "/revision"),
        ("linked", "/linked"),
        ("started_at", "/started_at"),
        ("finished_at", "/finished_at"),
        ("succeeded", "/succeeded"),
        ("kind", "/kind"),
        ("changes", "/changes"),
        ("replaced", "/replaced"),
        ("replaced_environment", "/replaced_environment"),
        ("failed_by", "/failed_by"),
        ("recovered_at", "/recovered_at"),
        ("unplanned", "/unplanned"),
        ("url", "/url"),
    ];
}

/// A deployment with the changes that it delivered.
#[derive(Serialize)]
pub(in crate::delivery) struct Carried {
    #[serde(flatten)]
    pub(in crate::delivery) deployment: Deployment,
    /// At most 1,000.
    pub(in crate::delivery) delivered: Vec<Change>,
}

impl Carried {
    /// A deployment that a URL names.
    pub(in crate::delivery) async fn of(
        app: &App,
        [service, environment, name]: [&str; 3],
    ) -> Result<Self, Problem> {
        let body = app.store.deployment(service, environment, name).await?.ok_or_else(|| {
            Problem::not_found(format!("{service} has no deployment {name} in {environment}"))
        })?;
        let row: DeploymentRow = read(&body)?;
        let bodies = match row.production {
            true => app.store.changes_of(service, environment, name, CHANGES_OF_DEPLOYMENT).await?,
            false => Vec::new(),
        };
        let of = |body: &String| Ok(Change::of(service.to_owned(), read(body)?, false));
        let delivered: Result<Vec<Change>, Problem> = bodies.iter().map(of).collect();
        Ok(Self { deployment: Deployment::of(service.to_owned(), row), delivered: delivered? })
    }

    /// What came after it in its service, and so what it is now: the deployment that replaced it.
    pub(in crate::delivery) async fn replaced_by(
        &self,
        app: &App,
    ) -> Result<Option<Deployment>, Problem> {
        let Deployment { service, environment, name, .. } = &self.deployment;
        let body = app.store.replacing(service, environment, name).await?;
        body.map(|body| Ok(Deployment::of(service.clone(), read(&body)?))).transpose()
    }
}

impl Carried {
    /// The rollback that showed that it failed, if it was one: perhaps of several deployments, and
    /// so not always the one that replaced it.
    pub(in crate::delivery) async fn taken_back_by(
        &self,
        app: &App,
        next: Option<&Deployment>,
    ) -> Result<Option<Deployment>, Problem> {
        let Deployment { service, environment, failed_by, .. } = &self.deployment;
        let Some(by) = failed_by else { return Ok(None) };
        let is_it = |it: &Deployment| it.name == *by && it.kind == Some(DeploymentKind::Rollback);
        let environment = next.filter(|next| is_it(next)).map_or(environment, |it| &it.environment);
        let body = app.store.deployment(service, environment, by).await?;
        let row = body.map(|body| read::<DeploymentRow>(&body)).transpose()?;
        Ok(row.map(|row| Deployment::of(service.clone(), row)).filter(is_it))
    }
}

/// The first changes of a service that wait, oldest first.
pub(in crate::delivery) async fn waiting_in(
    app: &App,
    service: &str,
    limit: i64,
) -> Result<Vec<Change>, Problem> {
    let kept = app
        .store
        .waiting(&Waiting { services: Some(&[service]), last: None }, &oldest(), limit)
        .await?;
    kept.into_iter().map(|kept| Ok(Change::of(kept.service, read(&kept.body)?, false))).collect()
}

/// An incident.
#[derive(Serialize)]
struct Incident {
    service: String,
    id: String,
    title: String,
    opened_at: Option<Time>,
    resolved_at: Option<Time>,
    deployment: Option<String>,
    /// The environment of `deployment`.
    environment: Option<String>,
    url: Option<String>,
}

impl Incident {
    fn of(service: String, row: IncidentRow) -> Self {
        Self {
            service,
            id: row.id,
            title: row.title,
            opened_at: row.opened_at.map(Time),
            resolved_at: row.resolved_at.map(Time),
            deployment: row.deployment,
            environment: row.environment,
            url: row.url,
        }
    }
}

impl Sheet for Incident {
    const FILE: &'static str = "incidents";
    const COLUMNS: &'static [Column] = &[
        ("service", "/service"),
        ("incident", "/id"),
        ("title", "/title"),
        ("opened_at", "/opened_at"),
        ("resolved_at", "/resolved_at"),
        ("deployment", "/deployment"),
        ("environment", "/environment"),
        ("url", "/url"),
    ];
}

/// What the URL of a list asks for.
struct Asked {
    parameters: Parameters,
    after: After,
    limit: i64,
}

impl Asked {
    /// Reads a query, which may name `others` beside what all lists take, and waits as it says.
    /// `first` is where the first page begins.
    async fn of(
        app: &App,
        query: Option<&str>,
        others: &[&str],
        first: After,
    ) -> Result<Self, Problem> {
        let parameters = Parameters::of(query, &[others, &["after", "limit", "format"]].concat())?;
        parameters.wait(app).await?;
        let (after, limit) = (parameters.after(first)?, parameters.limit()?);
        Ok(Self { parameters, after, limit })
    }

    /// The same for the rows of one service, newest first.
    async fn of_service(app: &App, query: Option<&str>, service: &str) -> Result<Self, Problem> {
        let asked = Self::of(app, query, &[], newest()).await?;
        known_service(app, service).await?;
        Ok(asked)
    }
}

/// Where pages in descending order begin.
fn newest() -> After {
    After { at: i64::MAX, key: String::new() }
}

/// Where pages in ascending order begin.
fn oldest() -> After {
    After { at: i64::MIN, key: String::new() }
}

pub(super) fn read<T: DeserializeOwned>(body: &str) -> Result<T, Problem> {
    serde_json::from_str(body).map_err(|error| {
        tracing::error!(%error, "a row of the views cannot be read");
        Problem::failed("a row of the views cannot be read").hint("run seaway rebuild")
    })
}

fn page<R: DeserializeOwned, T>(
    kept: Vec<Kept>,
    limit: i64,
    of: impl Fn(String, R) -> T,
) -> Result<Page<T>, Problem> {
    let full = kept.len() as i64 == limit;
    let next = kept.last().filter(|_| full).map(|last| last.after().to_string());
    let rows: Result<Vec<T>, Problem> =
        kept.into_iter().map(|kept| Ok(of(kept.service, read(&kept.body)?))).collect();
    Ok(Page { rows: rows?, next })
}

pub(in crate::delivery) async fn known_service(
    app: &App,
    service: &str,
) -> Result<ServiceRow, Problem> {
    match app.store.service(service).await? {
        Some(row) => Ok(row),
        None => Err(Problem::not_found(format!("there is no service {service}"))
            .hint("/api/v1/services names all")),
    }
}

/// `GET /api/v1/services/{service}/changes`.
pub(crate) async fn changes(
    State(app): State<Arc<App>>,
    Names(service): Names<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = Asked::of_service(&app, query.as_deref(), &service).await?;
    let kept = app.store.changes(&service, &asked.after, asked.limit).await?;
    listed(
        &asked.parameters,
        page(kept, asked.limit, |service, row| Change::of(service, row, false))?,
    )
}

/// `GET /api/v1/services/{service}/deployments`.
pub(crate) async fn deployments(
    State(app): State<Arc<App>>,
    Names(service): Names<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = Asked::of_service(&app, query.as_deref(), &service).await?;
    let kept = app.store.deployments(&service, &asked.after, asked.limit).await?;
    listed(&asked.parameters, page(kept, asked.limit, Deployment::of)?)
}

/// `GET /api/v1/services/{service}/deployments/{environment}/{name}`.
pub(crate) async fn deployment(
    State(app): State<Arc<App>>,
    Names((service, environment, name)): Names<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(query.as_deref(), &["format"])?;
    parameters.wait(&app).await?;
    let value = Carried::of(&app, [&service, &environment, &name]).await?;
    match parameters.format()? {
        Format::Json => Ok(Json(value).into_response()),
        Format::Csv => sheet(&value.delivered),
    }
}

/// `GET /api/v1/services/{service}/incidents`.
pub(crate) async fn incidents(
    State(app): State<Arc<App>>,
    Names(service): Names<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = Asked::of_service(&app, query.as_deref(), &service).await?;
    let kept = app.store.incidents(&service, &asked.after, asked.limit).await?;
    listed(&asked.parameters, page(kept, asked.limit, Incident::of)?)
}

/// Some of the waiting changes.
#[derive(Serialize)]
struct WaitingChanges {
    #[serde(flatten)]
    page: Page<Change>,
    by_last_milestone: Option<BTreeMap<String, i64>>,
}

/// `GET /api/v1/waiting`: all waiting changes, oldest first.
pub(crate) async fn waiting(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let others = [&FILTERS[..], &["service", "group", "last"]].concat();
    let Asked { parameters, after, limit } =
        Asked::of(&app, query.as_deref(), &others, oldest()).await?;
    let found = WaitingPage::of(&app, &parameters, after, limit).await?;
    let change = |kept: Kept| Ok(Change::of(kept.service, read(&kept.body)?, false));
    let rows: Result<Vec<Change>, Problem> = found.rows.into_iter().map(change).collect();
    let page = Page { rows: rows?, next: found.next.map(|after| after.to_string()) };
    match parameters.format()? {
        Format::Csv => listed(&parameters, page),
        Format::Json => {
            let by_last_milestone = found.by_last_milestone;
            Ok(Json(WaitingChanges { page, by_last_milestone }).into_response())
        }
    }
}
