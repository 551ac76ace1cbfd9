//! The services of an overview as rows: a page of them, in the order that the URL asks for.

use super::service_url;
use super::window::Window;
use crate::app::App;
use crate::delivery::api::filter::Wanted;
use crate::delivery::projector::{merge, scope_of_service};
use crate::delivery::store::ServiceOrder;
use crate::pages::parts::{Column, Table, estimate_cell};
use crate::pages::words::{NAME, count, outside};
use crate::problem::Problem;
use maud::{Markup, html};
use seaway_core::delivery::rollup::{self, Brief, Question, Scope, ScopeKind};
use std::collections::HashMap;
use std::sync::Arc;

/// Services on a page.
const ROWS: i64 = 20;
/// The last page that can be asked for.
const PAGES_MAX: i64 = 10_000;
/// Services that are looked at to find those that are wanted.
const LOOKED_AT_MAX: i64 = 100_000;

const ORDERS: [(&str, &str, ServiceOrder); 3] = [
    ("newest", "newest data first", ServiceOrder::Newest),
    ("name", "by name", ServiceOrder::Name),
    ("waiting", "most waiting changes first", ServiceOrder::Waiting),
];

/// A page of services.
pub(super) struct Services {
    rows: Vec<(String, Brief)>,
    sort: &'static str,
    page: i64,
    has_more: bool,
}

impl Services {
    /// The page that the URL asks for.
    pub(super) async fn of(app: &App, wanted: &Wanted, window: &Window) -> Result<Self, Problem> {
        let parameters = &window.now.parameters;
        let asked = parameters.text("sort").filter(|it| !it.is_empty()).unwrap_or(ORDERS[0].0);
        let (sort, _, order) =
            ORDERS.into_iter().find(|(name, ..)| *name == asked).ok_or_else(|| {
                Problem::bad_request(format!("there is no order {asked}"))
                    .hint("sort is one of newest, name, waiting")
            })?;
        let page = parameters.text("page").unwrap_or("1");
        let page: i64 =
            page.parse().ok().filter(|it| (1..=PAGES_MAX).contains(it)).ok_or_else(|| {
                Problem::bad_request(format!("page={page} is not a number from 1 to {PAGES_MAX}"))
            })?;
        let first = (page - 1) * ROWS;
        let mut names: Vec<String> = match wanted.is_all() {
            true => {
                let rows = app.store.services_by(order, ROWS + 1, first).await?;
                rows.into_iter().map(|row| row.service).collect()
            }
            false => {
                let rows = app.store.services_by(order, LOOKED_AT_MAX, 0).await?;
                let names = rows.into_iter().map(|row| row.service).filter(|it| wanted.has(it));
                names.skip(first as usize).take(ROWS as usize + 1).collect()
            }
        };
        let has_more = names.len() as i64 > ROWS;
        names.truncate(ROWS as usize);
        let rows = briefs(app, names, window).await?;
        Ok(Self { rows, sort, page, has_more })
    }

    pub(super) fn markup(&self, window: &Window) -> Markup {
        let rows = self.rows.iter().map(|(service, value)| {
            let url = format!("{}{}", service_url(service), window.query());
            vec![
                html! { a href=(url) { (outside(service, NAME)) } },
                html! { @if value.n == 0 && value.waiting == 0 { span.muted { "nothing delivered" } }
                        @else { (estimate_cell(&value.p50)) } },
                html! { (count(value.n)) },
                html! { (count(value.waiting)) },
                html! { (count(value.deployments)) },
            ]
        });
        let table = Table {
            caption: "Services".to_owned(),
            columns: &[
                Column::Text("Service"),
                Column::Number("p50"),
                Column::Number("n"),
                Column::Number("Waiting"),
                Column::Number("Deployments"),
            ],
            rows: rows.collect(),
        };
        let url =
            |sort: &str, page: i64| format!("{}&sort={sort}&page={page}#services", window.query());
        html! {
            p.orders { "In order: " @for (i, (name, told, _)) in ORDERS.iter().enumerate() {
                @if i > 0 { ", " }
                @if *name == self.sort { strong { (told) } } @else { a href=(url(name, 1)) { (told) } }
            } }
            (table.markup())
            @if self.page > 1 || self.has_more {
                nav.pager aria-label="Pages of services" {
                    @if self.page > 1 { a rel="prev" href=(url(self.sort, self.page - 1)) { "Before" } }
                    span { "Page " (self.page) }
                    @if self.has_more { a rel="next" href=(url(self.sort, self.page + 1)) { "Next" } }
                }
            }
        }
    }
}

/// The figures of some services in the days of a page.
async fn briefs(
    app: &App,
    names: Vec<String>,
    window: &Window,
) -> Result<Vec<(String, Brief)>, Problem> {
    let (since, until) = (window.now.since, window.now.until);
    let as_of = app.store.newest().await?.unwrap_or(0);
    let scopes: Vec<String> = names.iter().map(|it| scope_of_service(it)).collect();
    let rows = match scopes.is_empty() {
        true => Vec::new(),
        false => app.store.summaries_by_scope(&scopes, i64::from(window.since.0)).await?,
    };
    let mut by_scope: HashMap<String, Vec<(i64, Vec<u8>)>> = HashMap::new();
    for (scope, day, body) in rows {
        by_scope.entry(scope).or_default().push((day, body));
    }
    let days = Arc::clone(&app.days);
    let work = move || {
        let brief = |name: String| {
            let rows = by_scope.remove(&scope_of_service(&name)).unwrap_or_default();
            let question = Question {
                scope: Scope { kind: ScopeKind::Service, name: name.clone() },
                since,
                until,
                as_of,
                days: &days,
                first_deployment: None,
                knows_incidents: false,
            };
            Some((name, rollup::brief(&question, &merge(&rows, &[])?)))
        };
        names.into_iter().map(brief).collect::<Option<Vec<_>>>()
    };
    tokio::task::spawn_blocking(work).await.ok().flatten().ok_or_else(|| {
        tracing::error!("a summary of the views cannot be read");
        Problem::failed("a summary of the views cannot be read").hint("run seaway rebuild")
    })
}
