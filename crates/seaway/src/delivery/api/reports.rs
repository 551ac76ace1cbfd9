//! The figures: of the organization, of a group, of a service.

use super::parameters::Parameters;
use super::rows::known_service;
use crate::app::App;
use crate::delivery::projector::{ORGANIZATION, scope_of_group, scope_of_service};
use crate::problem::Problem;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use seaway_core::catalog::{Catalog, EntityRef, Kind};
use seaway_core::delivery::rollup::{self, Question, Report, Scope, ScopeKind};
use seaway_core::delivery::summary::{Day, DaySummary};
use seaway_core::time::Time;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the URL of a report may say.
const SPAN: [&str; 2] = ["since", "until"];

/// Makes the report of a scope.
async fn report(
    app: &App,
    query: Option<&str>,
    kind: ScopeKind,
    name: &str,
    scope: &str,
) -> Result<Report, Problem> {
    let parameters = Parameters::of(query, &SPAN)?;
    let (since, until) = (parameters.day("since")?, parameters.day("until")?);
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        return Err(Problem::bad_request("since is not before until").hint("swap them"));
    }
    parameters.wait(app).await?;
    let as_of = app.store.newest().await?.unwrap_or(0);
    let first = since.map_or(i64::from(i32::MIN), |day| i64::from(day.0));
    let last = until.map_or(i64::from(i32::MAX), |day| i64::from(day.0));
    let mut rows = app.store.open_before(scope, first).await?;
    rows.extend(app.store.summaries(scope, first, last).await?);
    let first_deployment = app.store.first_deployment(scope).await?;
    let (days, name) = (Arc::clone(&app.days), name.to_owned());
    let work = move || {
        let summaries = summaries(&rows)?;
        let question = Question {
            scope: Scope { kind, name },
            since,
            until,
            as_of,
            days: &days,
            first_deployment: first_deployment.and_then(Day::of_number),
        };
        Some(rollup::report(question, summaries))
    };
    tokio::task::spawn_blocking(work).await.ok().flatten().ok_or_else(|| {
        tracing::error!(scope, "a summary of the views cannot be read");
        Problem::failed("a summary of the views cannot be read").hint("run seaway rebuild")
    })
}

fn summaries(rows: &[(i64, Vec<u8>)]) -> Option<BTreeMap<Day, DaySummary>> {
    rows.iter()
        .map(|(day, body)| Some((Day::of_number(*day)?, DaySummary::decode(body)?)))
        .collect()
}

/// `GET /api/v1/organization`.
pub(crate) async fn organization(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Json<impl Serialize>, Problem> {
    let kind = ScopeKind::Organization;
    report(&app, query.as_deref(), kind, "organization", ORGANIZATION).await.map(Json)
}

/// A group with its place in the tree.
#[derive(Serialize)]
struct Group {
    group: String,
    title: Option<String>,
    parent: Option<String>,
    /// Services that it owns itself.
    services: Vec<String>,
}

/// The name of an entity in URLs: without its namespace if that is the default.
fn name_of(entity: &EntityRef) -> String {
    match entity.namespace() {
        "default" => entity.name().to_owned(),
        namespace => format!("{namespace}/{}", entity.name()),
    }
}

#[derive(Serialize)]
struct Groups {
    groups: Vec<Group>,
}

fn groups_of(catalog: &Catalog) -> Groups {
    let group = |group: &seaway_core::catalog::Group| Group {
        group: name_of(&group.entity),
        title: group.title.clone(),
        parent: catalog.ancestors(&group.entity).next().map(name_of),
        services: catalog.services_of_group(&group.entity).map(|it| name_of(&it.entity)).collect(),
    };
    Groups { groups: catalog.groups().map(group).collect() }
}

/// `GET /api/v1/groups`.
pub(crate) async fn groups(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Json<impl Serialize>, Problem> {
    Parameters::of(query.as_deref(), &[])?.wait(&app).await?;
    let history = Arc::clone(&app.progress.borrow().catalog);
    Ok(Json(groups_of(&history.latest())))
}

/// `GET /api/v1/groups/{group}`.
pub(crate) async fn group(
    State(app): State<Arc<App>>,
    Path(group): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<impl Serialize>, Problem> {
    let unknown = || {
        Problem::not_found(format!("there is no group {group}")).hint("/api/v1/groups names all")
    };
    let entity = EntityRef::parse(&group, Kind::Group, "default").map_err(|_| unknown())?;
    // A group that is gone has its past still.
    let history = Arc::clone(&app.progress.borrow().catalog);
    if !history.knows(&entity) {
        return Err(unknown());
    }
    let scope = scope_of_group(&entity);
    report(&app, query.as_deref(), ScopeKind::Group, &name_of(&entity), &scope).await.map(Json)
}

/// A service in the list of all.
#[derive(Serialize)]
struct Service {
    service: String,
    /// The group that owns it now.
    group: Option<String>,
    catalogued: bool,
    repository: Option<String>,
    /// The newest moment of its data.
    newest: Option<Time>,
}

#[derive(Serialize)]
struct Services {
    rows: Vec<Service>,
    next: Option<String>,
}

/// `GET /api/v1/services`.
pub(crate) async fn services(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Json<impl Serialize>, Problem> {
    let parameters = Parameters::of(query.as_deref(), &["after", "limit"])?;
    parameters.wait(&app).await?;
    let limit = parameters.limit()?;
    let rows = app.store.services(parameters.text("after").unwrap_or_default(), limit).await?;
    let next = rows.last().filter(|_| rows.len() as i64 == limit).map(|row| row.service.clone());
    let history = Arc::clone(&app.progress.borrow().catalog);
    let group = |service: &str| {
        let entity = EntityRef::parse(service, Kind::Component, "default").ok()?;
        let last = history.owner_periods(&entity).pop()?;
        last.group.as_ref().map(name_of)
    };
    let service = |row: crate::delivery::store::ServiceRow| Service {
        group: row.catalogued.then(|| group(&row.service)).flatten(),
        service: row.service,
        catalogued: row.catalogued,
        repository: row.repository,
        newest: row.newest.map(Time),
    };
    Ok(Json(Services { rows: rows.into_iter().map(service).collect(), next }))
}

/// `GET /api/v1/services/{service}`.
pub(crate) async fn service(
    State(app): State<Arc<App>>,
    Path(service): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<impl Serialize>, Problem> {
    Parameters::of(query.as_deref(), &SPAN)?.wait(&app).await?;
    known_service(&app, &service).await?;
    let scope = scope_of_service(&service);
    report(&app, query.as_deref(), ScopeKind::Service, &service, &scope).await.map(Json)
}
