//! The overview of the organization or of a group.

use super::latest::latest;
use super::services::Services;
use super::window::Window;
use super::{Shown, figures, group_url, trail_of_groups};
use crate::app::App;
use crate::delivery::api::filter::{FILTERS, Wanted};
use crate::delivery::api::{Figures, Group, GroupReport, OrganizationReport, known_group, name_of};
use crate::pages::parts::{as_csv, contents, nothing, section};
use crate::pages::site::{Page, Place, escape};
use crate::pages::words::{LINE, NAME, counted, outside};
use crate::problem::Problem;
use crate::url::Names;
use axum::extract::{RawQuery, State};
use maud::{Markup, html};
use seaway_core::catalog::EntityRef;
use std::sync::Arc;

/// What the URL may say beside a span.
fn others() -> Vec<&'static str> {
    [&FILTERS[..], &["sort", "page"]].concat()
}

/// `GET /`.
pub(crate) async fn organization(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    let window = Window::of(&app, query.as_deref(), &others()).await?;
    let now = OrganizationReport::of(&app, window.now.clone()).await?;
    let before = OrganizationReport::of(&app, window.before.clone()).await?;
    let catalog = Arc::clone(&app.progress.borrow().latest);
    let roots: Vec<_> = catalog.roots().map(|it| &it.entity).collect();
    // An organization that is one group tells nothing by it: those in it do.
    let inner = match roots.as_slice() {
        [only] => catalog.children(only),
        _ => &[],
    };
    let groups: Vec<String> = roots.into_iter().chain(inner).map(name_of).collect();
    let scope = Scope {
        title: "All services",
        about: None,
        wanted: Wanted::new(&app, window.now.filter.clone()),
        group: None,
        groups: &groups,
        services: now.basis.services,
        approximate: now.basis.approximate_services,
    };
    let body = scope.body(&app, &window, &now.figures, &before.figures).await?;
    let shown = Shown {
        title: "Overview".to_owned(),
        place: Place::Overview,
        trail: Vec::new(),
        json: Some(format!("/api/v1/organization{}", window.query())),
        body,
    };
    shown.page(&app).await
}

/// `GET /groups/{group}`.
pub(crate) async fn group(
    State(app): State<Arc<App>>,
    Names(group): Names<String>,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    let window = Window::of(&app, query.as_deref(), &others()).await?;
    let entity = known_group(&app, &group).await?;
    let now = GroupReport::of(&app, &group, window.now.clone()).await?;
    let before = GroupReport::of(&app, &group, window.before.clone()).await?;
    let name = name_of(&entity);
    let wanted = Wanted::new(&app, window.now.filter.clone()).of_group(&entity);
    let above: Vec<String> = wanted.catalog.ancestors(&entity).map(name_of).collect();
    let known = now.group.as_ref();
    let scope = Scope {
        title: &name,
        about: known.and_then(|it: &Group| it.description.as_deref()),
        wanted,
        group: Some(&entity),
        groups: known.map_or(&[], |it| &it.children),
        services: now.basis.services,
        approximate: now.basis.approximate_services,
    };
    let body = scope.body(&app, &window, &now.figures, &before.figures).await?;
    let shown = Shown {
        title: name.clone(),
        place: Place::Overview,
        trail: trail_of_groups(&above),
        json: Some(format!("/api/v1{}{}", group_url(&name), window.query())),
        body,
    };
    shown.page(&app).await
}

/// What an overview is about.
struct Scope<'a> {
    title: &'a str,
    about: Option<&'a str>,
    wanted: Wanted,
    /// `None`: the organization.
    group: Option<&'a EntityRef>,
    /// The groups directly in it.
    groups: &'a [String],
    services: usize,
    approximate: usize,
}

impl Scope<'_> {
    async fn body(
        &self,
        app: &App,
        window: &Window,
        now: &Figures,
        before: &Figures,
    ) -> Result<Markup, Problem> {
        let in_flight = self.with_scope("/in-flight", window);
        let services = Services::of(app, &self.wanted, window, self.services).await?;
        let latest = latest(app, &self.wanted).await?;
        let live = self.with_scope("/live/deployments", window);
        let json = format!("{}{}", self.json(), window.query());
        let sheet = format!("/api/v1/services?format=csv{}", window.filters());
        let rows = figures::Rows { delivered: "#services", in_flight: &in_flight };
        Ok(html! {
            header.hero { div.frame {
                p.eyebrow { "Time to value of " (counted(self.services, "service", "services"))
                    @if self.approximate > 0 {
                        ", of " (self.approximate) " of which some history is assumed"
                    }
                }
                h1 { (outside(self.title, NAME)) }
                @if let Some(about) = self.about { p.description { (outside(about, LINE * 2)) } }
                (figures::answer(window, now, before, &rows))
                (window.form(true))
            } }
            (contents(&self.sections()))
            main.frame {
                (figures::evidence(now, &in_flight, &json))
                @if !self.groups.is_empty() {
                    (section("groups", "Groups", "Each has an overview of its own.",
                        &self.subgroups(window)))
                }
                (section("services", "Services",
                    "Time to value of each in these days. A service with few changes has a wide interval.",
                    &match self.services { 0 => nothing("There is no service."), _ => html! {
                        (services.markup(window))
                        @if self.group.is_none() { (as_csv(&sheet, "All services")) }
                    } }))
                (section("latest", "Latest deployments", "In production. New ones appear by themselves.",
                    &html! { div data-live=(live) { (latest) } }))
            }
        })
    }

    /// Where the report is as JSON.
    fn json(&self) -> String {
        match self.group {
            Some(group) => format!("/api/v1{}", group_url(&name_of(group))),
            None => "/api/v1/organization".to_owned(),
        }
    }

    fn sections(&self) -> Vec<(&'static str, &'static str)> {
        let groups = [("groups", "Groups")].into_iter().filter(|_| !self.groups.is_empty());
        let last = [("services", "Services"), ("latest", "Latest deployments")];
        figures::SECTIONS.into_iter().chain(groups).chain(last).collect()
    }

    fn subgroups(&self, window: &Window) -> Markup {
        html! {
            ul.links { @for group in self.groups {
                li { a href={ (group_url(group)) (window.query()) } { (outside(group, NAME)) } }
            } }
            @if self.groups.len() > 1 { p { a href="/compare?by=group" { "Groups side by side" } } }
        }
    }

    /// A URL that is about the same services.
    fn with_scope(&self, path: &str, window: &Window) -> String {
        let group = self.group.map(|group| format!("&group={}", escape(&name_of(group))));
        let query = window.filters() + &group.unwrap_or_default();
        match query.strip_prefix('&') {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        }
    }
}
