//! The pages of delivery: one file a page, and what they share.

pub(crate) mod badge;
mod change;
mod changes;
mod compare;
mod deployment;
mod figures;
mod in_flight;
mod incidents;
mod latest;
mod live;
mod overview;
mod quality;
mod search;
mod service;
mod services;
mod unknown;
mod window;

pub(crate) use change::change;
pub(crate) use compare::compare;
pub(crate) use deployment::deployment;
pub(crate) use in_flight::in_flight;
pub(crate) use latest::latest_deployments;
pub(crate) use live::{Live, live};
pub(crate) use overview::{group, organization};
pub(crate) use quality::quality;
pub(crate) use search::search;
pub(crate) use service::service;
pub(crate) use unknown::unknown;

use crate::app::App;
use crate::delivery::api::groups_of;
use crate::pages::site::{Freshness, Page, Place, Step, escape};
use crate::problem::Problem;
use maud::Markup;
use seaway_core::time::Time;

/// Where a service's page is.
pub(in crate::delivery) fn service_url(service: &str) -> String {
    format!("/services/{}", escape(service))
}

/// Where a group's page is.
pub(in crate::delivery) fn group_url(group: &str) -> String {
    format!("/groups/{}", escape(group))
}

/// Where a change's page is.
pub(in crate::delivery) fn change_url(service: &str, change: &str) -> String {
    format!("/services/{}/changes/{}", escape(service), escape(change))
}

/// Where a deployment's page is.
pub(in crate::delivery) fn deployment_url(service: &str, environment: &str, name: &str) -> String {
    let [service, environment, name] = [service, environment, name].map(escape);
    format!("/services/{service}/deployments/{environment}/{name}")
}

/// Where people see a commit or a pull request of a repository: on the forges whose URLs are known.
pub(in crate::delivery) fn forge_url(
    repository: Option<&str>,
    what: &str,
    name: &str,
) -> Option<String> {
    let repository = repository?;
    let path: Vec<String> = repository.split('/').map(escape).collect();
    let (path, name) = (path.join("/"), escape(name));
    match (repository.split('/').next(), what) {
        (Some("github.com"), _) => Some(format!("https://{path}/{what}/{name}")),
        (Some("gitlab.com"), "pull") => Some(format!("https://{path}/-/merge_requests/{name}")),
        (Some("gitlab.com"), _) => Some(format!("https://{path}/-/{what}/{name}")),
        _ => None,
    }
}

/// The way to the organization.
pub(in crate::delivery) fn top() -> Step {
    Step { url: "/".to_owned(), name: "Organization".to_owned() }
}

/// A URL with the query that was asked for, if there is one.
pub(in crate::delivery) fn with_query(path: &str, query: Option<&str>) -> String {
    match query.filter(|query| !query.is_empty()) {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

/// A query without what nobody has chosen: a form sends that with no value.
pub(in crate::delivery) fn chosen(query: Option<&str>) -> Option<String> {
    let parts = query?.split('&').filter(|part| !part.is_empty() && !part.ends_with('='));
    Some(parts.collect::<Vec<_>>().join("&"))
}

/// How far the views have come.
pub(in crate::delivery) async fn freshness(app: &App) -> Result<Freshness, Problem> {
    // Of the moment that the whole page was read in: what moved since is not in it.
    let settled = app.store.settled().await?;
    let arrived = *app.ledger.newest().borrow();
    let newest = app.store.newest().await?.map(Time);
    let made = Time((app.clock)().div_euclid(1_000_000));
    Ok(Freshness { newest, behind: (arrived - settled).max(0), settled, made })
}

/// A page with its footer filled; see [`Page`] for the rest.
pub(in crate::delivery) struct Shown {
    pub(in crate::delivery) title: String,
    pub(in crate::delivery) place: Place,
    pub(in crate::delivery) trail: Vec<Step>,
    pub(in crate::delivery) json: Option<String>,
    pub(in crate::delivery) body: Markup,
}

impl Shown {
    /// The page, with how fresh its data are.
    pub(in crate::delivery) async fn page(self, app: &App) -> Result<Page, Problem> {
        Ok(Page {
            title: self.title,
            place: self.place,
            trail: self.trail,
            freshness: Some(freshness(app).await?),
            searched: String::new(),
            json: self.json,
            body: self.body,
        })
    }
}

/// The way to what belongs to a service: its groups, the highest first, and itself.
pub(in crate::delivery) fn trail_of_service(app: &App, service: &str) -> Vec<Step> {
    let short = |group: String| group.strip_prefix("default/").map_or(group.clone(), str::to_owned);
    let groups: Vec<String> = groups_of(app, service).into_iter().map(short).collect();
    let itself = Step { url: service_url(service), name: service.to_owned() };
    trail_of_groups(&groups).into_iter().chain([itself]).collect()
}

/// The way to a group: the organization and the groups above it, the highest first.
pub(in crate::delivery) fn trail_of_groups(above: &[String]) -> Vec<Step> {
    let groups = above.iter().rev();
    let groups = groups.map(|group| Step { url: group_url(group), name: group.clone() });
    std::iter::once(top()).chain(groups).collect()
}
