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
const ROWS: usize = 20;
/// The last page that can be asked for.
const PAGES_MAX: usize = 10_000;
/// The medians of all services of a page have to be computed to put them in their order: only of so
/// many.
const SLOWEST_MAX: usize = 100;

/// The orders by their words in the URL; the first one is that of a URL that names none.
const ORDERS: [(&str, &str, Order); 4] = [
    ("newest", "newest data first", Order::Kept(ServiceOrder::Newest)),
    ("name", "by name", Order::Kept(ServiceOrder::Name)),
    ("waiting", "most waiting changes first", Order::Kept(ServiceOrder::Waiting)),
    ("p50", "slowest first", Order::Slowest),
];

/// An order of services.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// One that their rows are kept in.
    Kept(ServiceOrder),
    /// By the median time to value, the longest first; services that have none come last.
    Slowest,
}

/// A page of services.
pub(super) struct Services {
    rows: Vec<(String, Brief)>,
    sort: &'static str,
    page: usize,
    has_more: bool,
    /// Whether they can be put in the order of their medians.
    are_few: bool,
}

impl Services {
    /// The page that the URL asks for, of the `all` services that are wanted.
    pub(super) async fn of(
        app: &App,
        wanted: &Wanted,
        window: &Window,
        all: usize,
    ) -> Result<Self, Problem> {
        let parameters = &window.now.parameters;
        let asked = parameters.text("sort").filter(|it| !it.is_empty()).unwrap_or(ORDERS[0].0);
        let (sort, _, order) =
            ORDERS.into_iter().find(|(name, ..)| *name == asked).ok_or_else(|| {
                Problem::bad_request(format!("there is no order {asked}"))
                    .hint("sort is one of newest, name, waiting, p50")
            })?;
        let page = parameters.text("page").unwrap_or("1");
        let page: usize =
            page.parse().ok().filter(|it| (1..=PAGES_MAX).contains(it)).ok_or_else(|| {
                Problem::bad_request(format!("page={page} is not a number from 1 to {PAGES_MAX}"))
            })?;
        let first = (page - 1) * ROWS;
        let are_few = all <= SLOWEST_MAX;
        let mut rows = match order {
            Order::Kept(order) => {
                let names = named(app, wanted, order, (first, ROWS + 1)).await?;
                briefs(app, names, window).await?
            }
            Order::Slowest if are_few => {
                let all = (0, SLOWEST_MAX);
                let names = named(app, wanted, ServiceOrder::Name, all).await?;
                let mut rows = briefs(app, names, window).await?;
                rows.sort_by(|(_, a), (_, b)| slowness(b).total_cmp(&slowness(a)));
                rows.into_iter().skip(first).take(ROWS + 1).collect()
            }
            Order::Slowest => {
                let what = format!("sort=p50 orders {SLOWEST_MAX} services at most, not {all}");
                return Err(Problem::bad_request(what).hint("ask for a group, or filter"));
            }
        };
        let has_more = rows.len() > ROWS;
        rows.truncate(ROWS);
        Ok(Self { rows, sort, page, has_more, are_few })
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
        let url = |sort: &str, page: usize| {
            format!("{}&sort={sort}&page={page}#services", window.query())
        };
        html! {
            @let orders = ORDERS.iter().filter(|it| self.are_few || it.2 != Order::Slowest);
            p.orders { "In order: " @for (i, (name, told, _)) in orders.enumerate() {
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

/// The names of so many wanted services after so many others, in an order.
async fn named(
    app: &App,
    wanted: &Wanted,
    order: ServiceOrder,
    (first, limit): (usize, usize),
) -> Result<Vec<String>, Problem> {
    let names = app.store.names_by(order).await?;
    Ok(names.into_iter().filter(|it| wanted.has(it)).skip(first).take(limit).collect())
}

/// What services are ordered by. A median that is not reached yet is longer than its lower bound.
fn slowness(brief: &Brief) -> f64 {
    match (brief.n + brief.waiting, brief.p50.seconds) {
        (0, _) => -1.0,
        (_, Some(seconds)) => seconds,
        (_, None) => f64::INFINITY,
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
