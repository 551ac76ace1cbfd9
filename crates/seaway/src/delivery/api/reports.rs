//! The figures: of the organization, of a group, of a service.

use super::csv::{Column, Sheet, listed};
use super::filter::{FILTERS, Told, Wanted};
use super::parameters::Parameters;
use super::rows::{Page, known_service};
use super::tables::{TELLING, told};
use crate::app::App;
use crate::delivery::projector::{ORGANIZATION, Parts, merge, scope_of_group, scope_of_service};
use crate::delivery::store::{ServiceOrder, ServiceRow, SummaryOfDay};
use crate::problem::Problem;
use crate::url::Names;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use seaway_core::catalog::{
    self, Architecture, Catalog, ClassFilter, EntityRef, Kind, Runtime, Tier,
};
use seaway_core::delivery::rollup::{self, Question, Report, Scope, ScopeKind, Waits};
use seaway_core::delivery::summary::Day;
use seaway_core::time::Time;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the URL of a report may say.
const SPAN: [&str; 2] = ["since", "until"];
/// All days.
const DAYS: std::ops::Range<i64> = i32::MIN as i64..i32::MAX as i64;

/// What the URL of a report asks for.
#[derive(Clone)]
pub(in crate::delivery) struct Asked {
    pub(in crate::delivery) since: Option<Day>,
    pub(in crate::delivery) until: Option<Day>,
    pub(in crate::delivery) filter: ClassFilter,
    /// Whether the report is compared with another one.
    pub(in crate::delivery) is_compared: bool,
    /// All that the URL says.
    pub(in crate::delivery) parameters: Parameters,
}

impl Asked {
    /// Reads a query, which may name `others` beside a span, and waits as it says.
    pub(in crate::delivery) async fn of(
        app: &App,
        query: Option<&str>,
        others: &[&str],
    ) -> Result<Self, Problem> {
        let parameters = Parameters::of(query, &[&SPAN[..], others].concat())?;
        let asked = Self::read(&parameters)?;
        parameters.wait(app).await?;
        Ok(asked)
    }

    /// The span and the filter of a query.
    pub(super) fn read(parameters: &Parameters) -> Result<Self, Problem> {
        let (since, until) = (parameters.day("since")?, parameters.day("until")?);
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            return Err(Problem::bad_request("since is not before until").hint("swap them"));
        }
        let filter = parameters.filter()?;
        Ok(Self { since, until, filter, is_compared: false, parameters: parameters.clone() })
    }

    /// The numbers of the first day, and of the day after the last one.
    pub(super) fn days(&self) -> (i64, i64) {
        let first = self.since.map_or(DAYS.start, |day| i64::from(day.0));
        (first, self.until.map_or(DAYS.end, |day| i64::from(day.0)))
    }

    /// Makes the report of a scope.
    pub(in crate::delivery) async fn report(
        &self,
        app: &App,
        named: Scope,
        scope: String,
    ) -> Result<Figures, Problem> {
        let (since, until, is_compared) = (self.since, self.until, self.is_compared);
        let as_of = app.store.newest().await?.unwrap_or(0);
        let parts = Parts::of(scope, &self.filter);
        let first_deployment = app.store.first_deployment(&parts.added, &parts.taken).await?;
        let knows_incidents = app.store.knows_incidents().await?;
        let rows = read_summaries(app, self, &parts).await?;
        let days = Arc::clone(&app.days);
        let work = move || {
            let summaries = merge(&rows[0], &rows[1])?;
            let question = Question {
                scope: named,
                since,
                until,
                as_of,
                days: &days,
                first_deployment: first_deployment.and_then(Day::of_number),
                knows_incidents,
            };
            let waits = rollup::waits(&question, &summaries);
            let compared = rollup::Compared { since, until, as_of, days: &days };
            let part = is_compared.then(|| rollup::Part::of(&compared, summaries.clone()));
            Some(Figures { report: rollup::report(question, summaries), waits, part })
        };
        tokio::task::spawn_blocking(work).await.ok().flatten().ok_or_else(|| {
            tracing::error!(?parts, "a summary of the views cannot be read");
            Problem::failed("a summary of the views cannot be read").hint("run seaway rebuild")
        })
    }
}

/// The summaries that sums are made of: those that are added, and those that are taken away.
pub(super) async fn read_summaries(
    app: &App,
    asked: &Asked,
    parts: &Parts,
) -> Result<[Vec<SummaryOfDay>; 2], Problem> {
    let (first, last) = asked.days();
    let mut rows = [Vec::new(), Vec::new()];
    for (rows, scopes) in rows.iter_mut().zip([&parts.added, &parts.taken]) {
        if !scopes.is_empty() {
            *rows = app.store.open_before(scopes, first).await?;
            rows.extend(app.store.summaries(scopes, first, last).await?);
        }
    }
    Ok(rows)
}

/// The figures of a scope and a span.
#[derive(Serialize)]
pub(in crate::delivery) struct Figures {
    #[serde(flatten)]
    pub(in crate::delivery) report: Report,
    /// What stands in the way of the changes that were merged in the span.
    pub(in crate::delivery) waits: Waits,
    /// What a comparison of it with another one needs, if there is one.
    #[serde(skip)]
    pub(in crate::delivery) part: Option<rollup::Part>,
}

/// What the figures of a report rest on.
#[derive(Serialize)]
pub(in crate::delivery) struct Basis {
    /// Services that are in the scope now.
    pub(in crate::delivery) services: usize,
    /// Of these, services of which some history is assumed, as nobody could read the repository.
    pub(in crate::delivery) approximate_services: usize,
    /// How long after a deployment an incident may open that is taken to be caused by it.
    pub(in crate::delivery) incident_window_seconds: i64,
}

impl Basis {
    fn of(app: &App, services: usize, approximate_services: usize) -> Self {
        let incident_window_seconds = app.incident_window_seconds;
        Self { services, approximate_services, incident_window_seconds }
    }

    /// Of all services that are wanted.
    async fn of_all(app: &App, wanted: &Wanted) -> Result<Self, Problem> {
        let services = match wanted.filter.is_any() {
            true => usize::try_from(app.store.service_counts().await?.0).unwrap_or(0),
            false => {
                let names = app.store.names_by(ServiceOrder::Name).await?;
                names.iter().filter(|it| wanted.has(it)).count()
            }
        };
        let approximate = app.store.approximate().await?;
        Ok(Self::of(app, services, approximate.iter().filter(|it| wanted.has(it)).count()))
    }

    /// Of the wanted services that a group and the groups in it own now.
    async fn of_group(app: &App, wanted: &Wanted, group: &EntityRef) -> Result<Self, Problem> {
        let owned = wanted.catalog.services_under(group);
        let owned = owned.iter().map(|it| name_of(&it.entity));
        let owned: BTreeSet<String> = owned.filter(|it| wanted.has(it)).collect();
        let approximate = app.store.approximate().await?;
        let approximate = approximate.iter().filter(|it| owned.contains(*it)).count();
        Ok(Self::of(app, owned.len(), approximate))
    }

    async fn of_service(app: &App, service: &str) -> Result<Self, Problem> {
        Ok(Self::of(app, 1, usize::from(app.store.is_approximate(service).await?)))
    }
}

/// The report of the organization.
#[derive(Serialize)]
pub(in crate::delivery) struct OrganizationReport {
    #[serde(flatten)]
    pub(in crate::delivery) figures: Figures,
    filter: Told,
    pub(in crate::delivery) basis: Basis,
}

impl OrganizationReport {
    /// The report that a query asks for.
    pub(in crate::delivery) async fn of(app: &App, asked: Asked) -> Result<Self, Problem> {
        let named = Scope { kind: ScopeKind::Organization, name: "organization".to_owned() };
        let figures = asked.report(app, named, ORGANIZATION.to_owned()).await?;
        let wanted = Wanted::new(app, asked.filter);
        let (filter, basis) = (Told::of(&wanted.filter), Basis::of_all(app, &wanted).await?);
        Ok(Self { figures, filter, basis })
    }
}

/// `GET /api/v1/organization`.
pub(crate) async fn organization(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let others = [&FILTERS[..], &TELLING].concat();
    let asked = Asked::of(&app, query.as_deref(), &others).await?;
    let parameters = asked.parameters.clone();
    told(&parameters, &OrganizationReport::of(&app, asked).await?)
}

/// A group with its place in the tree.
#[derive(Serialize)]
pub(in crate::delivery) struct Group {
    pub(in crate::delivery) group: String,
    title: Option<String>,
    pub(in crate::delivery) description: Option<String>,
    #[serde(rename = "type")]
    form: Option<String>,
    parent: Option<String>,
    /// The groups directly in it.
    pub(in crate::delivery) children: Vec<String>,
    /// Services that it owns itself.
    services: Vec<String>,
}

/// The name of an entity in URLs: without its namespace if that is the default.
pub(in crate::delivery) fn name_of(entity: &EntityRef) -> String {
    match entity.namespace() {
        "default" => entity.name().to_owned(),
        namespace => format!("{namespace}/{}", entity.name()),
    }
}

impl Group {
    fn of(catalog: &Catalog, group: &catalog::Group) -> Self {
        let entity = &group.entity;
        Self {
            group: name_of(entity),
            title: group.title.clone(),
            description: group.description.clone(),
            form: group.form.clone(),
            parent: catalog.ancestors(entity).next().map(name_of),
            children: catalog.children(entity).iter().map(name_of).collect(),
            services: catalog.services_of_group(entity).map(|it| name_of(&it.entity)).collect(),
        }
    }
}

#[derive(Serialize)]
struct Groups {
    groups: Vec<Group>,
}

/// The groups that a service is in now, as `namespace/name`: its own and those above it.
pub(in crate::delivery) fn groups_of(app: &App, service: &str) -> Vec<String> {
    let catalog = latest(app);
    let entity = EntityRef::parse(service, Kind::Component, "default").ok();
    let group = entity.and_then(|entity| catalog.group_of(catalog.service(&entity)?).cloned());
    let Some(group) = group else { return Vec::new() };
    let full = |group: &EntityRef| format!("{}/{}", group.namespace(), group.name());
    std::iter::once(full(&group)).chain(catalog.ancestors(&group).map(full)).collect()
}

/// The catalog that the views were computed by, as it is now.
pub(in crate::delivery) fn latest(app: &App) -> Arc<Catalog> {
    Arc::clone(&app.progress.borrow().latest)
}

/// `GET /api/v1/groups`.
pub(crate) async fn groups(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Json<impl Serialize>, Problem> {
    Parameters::of(query.as_deref(), &[])?.wait(&app).await?;
    let catalog = latest(&app);
    Ok(Json(Groups { groups: catalog.groups().map(|it| Group::of(&catalog, it)).collect() }))
}

/// The report of a group, with what the catalog says of it now.
#[derive(Serialize)]
pub(in crate::delivery) struct GroupReport {
    #[serde(flatten)]
    pub(in crate::delivery) figures: Figures,
    filter: Told,
    pub(in crate::delivery) basis: Basis,
    /// `None` where the catalog does not have the group any more.
    pub(in crate::delivery) group: Option<Group>,
}

/// A group that has figures, now or in the past.
pub(in crate::delivery) async fn known_group(app: &App, group: &str) -> Result<EntityRef, Problem> {
    let unknown = || {
        Problem::not_found(format!("there is no group {group}")).hint("/api/v1/groups names all")
    };
    let entity = EntityRef::parse(group, Kind::Group, "default").map_err(|_| unknown())?;
    let (history, catalog) = {
        let progress = app.progress.borrow();
        (Arc::clone(&progress.catalog), Arc::clone(&progress.latest))
    };
    // A group that is gone has its past still, and one that no file defines may own services.
    let is_known = history.knows(&entity) || catalog.services_of_group(&entity).next().is_some();
    let all = [scope_of_group(&entity)];
    if !is_known && app.store.summaries(&all, DAYS.start, DAYS.end).await?.is_empty() {
        return Err(unknown());
    }
    Ok(entity)
}

impl GroupReport {
    /// The report that a query asks for.
    pub(in crate::delivery) async fn of(
        app: &App,
        group: &str,
        asked: Asked,
    ) -> Result<Self, Problem> {
        let entity = known_group(app, group).await?;
        let wanted = Wanted::new(app, asked.filter.clone());
        let named = Scope { kind: ScopeKind::Group, name: name_of(&entity) };
        let figures = asked.report(app, named, scope_of_group(&entity)).await?;
        let basis = Basis::of_group(app, &wanted, &entity).await?;
        let catalog = &wanted.catalog;
        let group = catalog.group(&entity).map(|group| Group::of(catalog, group));
        Ok(Self { figures, filter: Told::of(&wanted.filter), basis, group })
    }
}

/// `GET /api/v1/groups/{group}`.
pub(crate) async fn group(
    State(app): State<Arc<App>>,
    Names(group): Names<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let others = [&FILTERS[..], &TELLING].concat();
    let asked = Asked::of(&app, query.as_deref(), &others).await?;
    let parameters = asked.parameters.clone();
    told(&parameters, &GroupReport::of(&app, &group, asked).await?)
}

/// A service, with what the catalog says of it now.
#[derive(Serialize)]
pub(in crate::delivery) struct Service {
    pub(in crate::delivery) service: String,
    catalogued: bool,
    pub(in crate::delivery) repository: Option<String>,
    /// The newest moment of its data.
    newest_at: Option<Time>,
    /// The group that owns it.
    pub(in crate::delivery) group: Option<String>,
    /// `group` and the groups above it, to the organization.
    pub(in crate::delivery) groups: Vec<String>,
    pub(in crate::delivery) title: Option<String>,
    pub(in crate::delivery) description: Option<String>,
    system: Option<String>,
    lifecycle: Option<String>,
    #[serde(rename = "type")]
    form: Option<String>,
    pub(in crate::delivery) architecture: Option<Architecture>,
    pub(in crate::delivery) runtime: Option<Runtime>,
    pub(in crate::delivery) tier: Option<Tier>,
    traits: BTreeMap<String, String>,
}

impl Service {
    fn of(catalog: &Catalog, row: ServiceRow) -> Self {
        let entity = EntityRef::parse(&row.service, Kind::Component, "default").ok();
        let entity = entity.filter(|_| row.catalogued);
        let known = entity.and_then(|entity| catalog.service(&entity));
        let group = known.and_then(|known| catalog.group_of(known));
        let above = group.into_iter().flat_map(|group| catalog.ancestors(group));
        let text =
            |of: fn(&catalog::Service) -> &Option<String>| known.and_then(|it| of(it).clone());
        Self {
            service: row.service,
            catalogued: row.catalogued,
            repository: row.repository,
            newest_at: row.newest.map(Time),
            group: group.map(name_of),
            groups: group.into_iter().chain(above).map(name_of).collect(),
            title: text(|it| &it.title),
            description: text(|it| &it.description),
            system: known.and_then(|it| it.system.as_ref()).map(name_of),
            lifecycle: text(|it| &it.lifecycle),
            form: text(|it| &it.form),
            architecture: known.and_then(|it| it.architecture),
            runtime: known.and_then(|it| it.runtime),
            tier: known.and_then(|it| it.tier),
            traits: known.map(|it| it.traits.clone()).unwrap_or_default(),
        }
    }
}

impl Sheet for Service {
    const FILE: &'static str = "services";
    const COLUMNS: &'static [Column] = &[
        ("service", "/service"),
        ("catalogued", "/catalogued"),
        ("repository", "/repository"),
        ("newest_at", "/newest_at"),
        ("group", "/group"),
        ("groups", "/groups"),
        ("title", "/title"),
        ("system", "/system"),
        ("lifecycle", "/lifecycle"),
        ("type", "/type"),
        ("architecture", "/architecture"),
        ("runtime", "/runtime"),
        ("tier", "/tier"),
    ];
}

/// `GET /api/v1/services`.
pub(crate) async fn services(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let others = [&FILTERS[..], &["after", "limit", "format"]].concat();
    let parameters = Parameters::of(query.as_deref(), &others)?;
    parameters.wait(&app).await?;
    let (after, limit) = (parameters.text("after").unwrap_or_default(), parameters.limit()?);
    let wanted = Wanted::of(&app, &parameters)?;
    let mut page = wanted.page::<ServiceRow>(after.to_owned(), limit);
    while let Some((after, portion)) = page.needs() {
        let found = app.store.services(after, portion).await?;
        page.take(found);
    }
    let (rows, next) = page.done();
    let rows = rows.into_iter().map(|row| Service::of(&wanted.catalog, row)).collect();
    listed(&parameters, Page { rows, next })
}

/// The report of a service, with what the catalog says of it now.
#[derive(Serialize)]
pub(in crate::delivery) struct ServiceReport {
    #[serde(flatten)]
    pub(in crate::delivery) figures: Figures,
    pub(in crate::delivery) basis: Basis,
    pub(in crate::delivery) service: Service,
}

impl ServiceReport {
    /// The report that a query asks for.
    pub(in crate::delivery) async fn of(
        app: &App,
        service: &str,
        asked: Asked,
    ) -> Result<Self, Problem> {
        let row = known_service(app, service).await?;
        let named = Scope { kind: ScopeKind::Service, name: service.to_owned() };
        let figures = asked.report(app, named, scope_of_service(service)).await?;
        let basis = Basis::of_service(app, service).await?;
        Ok(Self { figures, basis, service: Service::of(&latest(app), row) })
    }
}

/// `GET /api/v1/services/{service}`.
pub(crate) async fn service(
    State(app): State<Arc<App>>,
    Names(service): Names<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = Asked::of(&app, query.as_deref(), &TELLING).await?;
    let parameters = asked.parameters.clone();
    told(&parameters, &ServiceReport::of(&app, &service, asked).await?)
}
