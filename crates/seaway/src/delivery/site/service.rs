//! The page of one service.

mod size;

use super::changes::latest_changes;
use super::incidents::{self, latest_incidents};
use super::latest::{changes_of, outcome};
use super::window::Window;
use super::{Shown, deployment_url, figures, service_url, trail_of_groups};
use crate::app::App;
use crate::delivery::api::{Asked, OrganizationReport, Service, ServiceReport};
use crate::delivery::page::{charts, course};
use crate::delivery::store::After;
use crate::pages::chart::Chart;
use crate::pages::parts::{
    Column, Table, as_csv, chart_figure, contents, estimate_cell, finding_line, nothing, section,
};
use crate::pages::site::{Page, Place, escape};
use crate::pages::words::{LINE, NAME, count, counted, estimate, moment, outside};
use crate::problem::Problem;
use crate::url::Names;
use axum::extract::{RawQuery, State};
use maud::{Markup, html};
use seaway_core::catalog::{Architecture, ClassFilter};
use seaway_core::delivery::report::Estimate;
use seaway_core::delivery::view::{ChangeRow, DeploymentRow, IncidentRow};
use seaway_core::time::Time;
use serde_json::{Value, json};
use std::sync::Arc;

/// The latest changes and deployments that are looked at one by one.
const CHANGES: i64 = 400;
const DEPLOYMENTS: i64 = 200;
/// Deployments in the table behind the time line.
const LISTED: usize = 50;

/// The sections after those of all figures.
const SECTIONS: [(&str, &str); 6] = [
    ("changes", "Changes"),
    ("deployments", "Deployments"),
    ("incidents", "Incidents"),
    ("size", "Size"),
    ("architecture", "Architecture"),
    ("calendar", "Calendar"),
];

/// `GET /services/{service}`.
pub(crate) async fn service(
    State(app): State<Arc<App>>,
    Names(service): Names<String>,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    let window = Window::of(&app, query.as_deref(), &[]).await?;
    let now = ServiceReport::of(&app, &service, window.now.clone()).await?;
    let before = ServiceReport::of(&app, &service, window.before.clone()).await?;
    let newest = After { at: i64::MAX, key: String::new() };
    let deployments = app.store.latest_deployments_of(&service, DEPLOYMENTS).await?;
    let deployments: Vec<DeploymentRow> =
        deployments.iter().filter_map(|kept| serde_json::from_str(&kept.body).ok()).collect();
    let changes = app.store.changes(&service, &newest, CHANGES).await?;
    let changes: Vec<ChangeRow> =
        changes.iter().filter_map(|kept| serde_json::from_str(&kept.body).ok()).collect();
    let incidents = app.store.incidents(&service, &newest, incidents::LISTED).await?;
    let incidents: Vec<IncidentRow> =
        incidents.iter().filter_map(|kept| serde_json::from_str(&kept.body).ok()).collect();
    let as_of = app.store.newest().await?.unwrap_or(0);
    let others = architectures(&app, &window, &now).await?;
    let in_flight = format!("/in-flight?service={}", escape(&service));
    let json = format!("/api/v1{}{}", service_url(&service), window.query());
    let rows = figures::Rows { delivered: "#changes", in_flight: &in_flight };
    let known = &now.service;
    let report = &now.figures.report;
    let body = html! {
        header.hero { div.frame {
            p.eyebrow { "Time to value of a service" (described(known)) }
            h1 { (outside(known.title.as_deref().unwrap_or(&service), NAME)) }
            @if let Some(about) = &known.description { p.description { (outside(about, LINE * 2)) } }
            @if now.basis.approximate_services > 0 {
                p.note { "Some of its history is assumed, as nobody could read its repository." }
            }
            (figures::answer(&window, &now.figures, &before.figures, &rows))
            (window.form(false))
        } }
        (contents(&figures::SECTIONS.into_iter().chain(SECTIONS).collect::<Vec<_>>()))
        main.frame {
            (figures::evidence(&now.figures, &in_flight, &json))
            (section("changes", "Changes",
                "Those that reached the mainline last. Each has a page that tells its journey.",
                &latest_changes(&service, &changes, as_of)))
            (section("deployments", "Deployments",
                "Each dot is one of the latest deployments in production, higher the more changes it carried. Many \
                 small ones are safer than few big ones.", &timeline(&service, &deployments)))
            (section("incidents", "Incidents",
                "Those that opened last, each with the deployment that it belongs to: it failed customers.",
                &latest_incidents(&service, &incidents)))
            (section("size", "Size", size::about(&changes), &size::sizes(&changes, as_of)))
            (section("architecture", "Architecture",
                "The services of the organization by their architecture, in these days.",
                &html! { (by_architecture(known.architecture, &others))
                    @if others.len() > 1 { (as_csv(&architectures_sheet(&window), "All architectures")) } }))
            (section("calendar", "Calendar",
                "Each square is a day with a successful deployment, each column a week from Monday to Sunday.",
                &course::calendar(&report.flow.calendar)))
        }
    };
    let shown = Shown {
        title: service,
        place: Place::Elsewhere,
        trail: trail_of_groups(&known.groups),
        json: Some(json),
        body,
    };
    shown.page(&app).await
}

/// What the catalog says of it, for the line above its name.
fn described(service: &Service) -> Markup {
    let architecture = service.architecture.map(|it| it.word().to_owned());
    let runtime = service.runtime.map(|it| it.word().to_owned());
    let tier = service.tier.map(|it| format!("tier {}", it.number()));
    let words = [architecture, runtime, tier].into_iter().flatten();
    let owner = service.group.is_none().then(|| "owned by no group".to_owned());
    html! { @for word in words.chain(owner) { " · " (word) } }
}

fn timeline(service: &str, all: &[DeploymentRow]) -> Markup {
    let rows: Vec<&DeploymentRow> = all.iter().collect();
    let linked = rows.iter().filter(|it| it.kind.is_some());
    if rows.is_empty() {
        return nothing("Nothing was deployed to production yet.");
    }
    let failed = linked.clone().filter(|it| it.failed_by.is_some()).count();
    let mut carried: Vec<u32> = linked.map(|it| it.changes).collect();
    carried.sort_unstable();
    let n = carried.len();
    let failed = match failed {
        0 => "none".to_owned(),
        some => count(some),
    };
    let finding = match carried.get(n / 2) {
        Some(&middle) => {
            let carried = match middle {
                0 => "no change".to_owned(),
                some => counted(some as usize, "change", "changes") + " or fewer",
            };
            let latest = counted(n, "deployment", "deployments");
            format!("Half of the latest {latest} carried {carried}; {failed} of them failed")
        }
        None => "What the latest deployments carried is not known".to_owned(),
    };
    let table = Table {
        caption: "The latest deployments in production".to_owned(),
        columns: &[
            Column::Text("Finished (UTC)"),
            Column::Text("Deployment"),
            Column::Number("Changes"),
            Column::Text("What it was"),
        ],
        rows: rows
            .iter()
            .take(LISTED)
            .map(|it| {
                let url = deployment_url(service, &it.environment, &it.name);
                vec![
                    html! { span.nowrap { (moment(it.finished_at.map(Time))) } },
                    html! { a href=(url) { (outside(&it.name, NAME)) } },
                    html! { (changes_of(it)) },
                    html! { (outcome(it)) },
                ]
            })
            .collect(),
    };
    let first = rows.last().and_then(|it| it.finished_at);
    let mut evidence = format!("n = {} since {} UTC", count(n), moment(first.map(Time)));
    if rows.len() > n {
        evidence.push_str(&format!(
            "; besides {} that did not become live, or of an unknown revision",
            count(rows.len() - n)
        ));
    }
    let sheet = format!("/api/v1/services/{}/deployments?format=csv", escape(service));
    html! {
        (chart_figure(&finding, &evidence, &dots(&rows), &table))
        (as_csv(&sheet, "All deployments"))
    }
}

fn dots(rows: &[&DeploymentRow]) -> Chart {
    let trace = |name: &str, color: &str, symbol: &str, of: &dyn Fn(&DeploymentRow) -> bool| {
        let some: Vec<&&DeploymentRow> = rows.iter().filter(|it| of(it)).collect();
        let at: Vec<String> = some.iter().map(|it| moment(it.finished_at.map(Time))).collect();
        let told: Vec<String> = some
            .iter()
            .map(|it| match it.kind {
                Some(_) => counted(it.changes as usize, "change", "changes") + ", " + outcome(it),
                None => outcome(it).to_owned(),
            })
            .collect();
        (!some.is_empty()).then(|| {
            json!({
                "x": at, "y": some.iter().map(|it| height(it)).collect::<Vec<_>>(),
                "customdata": told, "mode": "markers", "name": name,
                "marker": { "size": 8, "color": color, "symbol": symbol },
                "hovertemplate": "%{x} UTC<br>%{customdata}<extra></extra>",
            })
        })
    };
    let has_failed = |it: &DeploymentRow| it.failed_by.is_some();
    let is_linked = |it: &DeploymentRow| it.kind.is_some();
    let traces: Vec<Value> = [
        trace("went well", "--accent", "circle", &|it| is_linked(it) && !has_failed(it)),
        trace("failed", "--second", "x", &has_failed),
        trace("carried what is not known, or nothing", "--muted", "line-ns-open", &|it| {
            !is_linked(it) && !has_failed(it)
        }),
    ]
    .into_iter()
    .flatten()
    .collect();
    Chart {
        height: 300,
        traces,
        layout: json!({
            "xaxis": { "type": "date", "title": { "text": "Finished (UTC)" } },
            "yaxis": { "title": { "text": "Changes carried" }, "rangemode": "tozero" },
            "showlegend": true,
            "margin": { "t": 30 },
        }),
        narrow: json!({}),
    }
}

/// How high a deployment is in the chart. One of which nothing is known is a mark on the axis.
fn height(row: &DeploymentRow) -> u32 {
    if row.kind.is_some() { row.changes } else { 0 }
}

/// A row of the comparison: a name, and the figures of its services.
struct Kind {
    architecture: Option<Architecture>,
    name: String,
    n: usize,
    waiting: usize,
    p50: Estimate,
    p85: Estimate,
}

/// This service, and all services of each architecture, in the days of the page.
async fn architectures(
    app: &App,
    window: &Window,
    own: &ServiceReport,
) -> Result<Vec<Kind>, Problem> {
    let kind =
        |architecture, name: String, value: &seaway_core::delivery::report::TimeToValue| Kind {
            architecture,
            name,
            n: value.n,
            waiting: value.waiting,
            p50: value.p50,
            p85: value.p85,
        };
    let mut kinds = vec![kind(None, "this service".to_owned(), &own.figures.report.time_to_value)];
    for (word, architecture) in Architecture::WORDS {
        let mut filter = ClassFilter::default();
        filter.architectures.insert(Some(architecture));
        let asked = Asked { filter, ..window.now.clone() };
        let all = OrganizationReport::of(app, asked).await?;
        if all.basis.services > 0 {
            let value = &all.figures.report.time_to_value;
            kinds.push(kind(Some(architecture), format!("all of {word}"), value));
        }
    }
    Ok(kinds)
}

/// Where the figures of all architectures are as a file.
fn architectures_sheet(window: &Window) -> String {
    format!("/api/v1/compare{}&by=architecture&format=csv", window.query())
}

fn by_architecture(own: Option<Architecture>, kinds: &[Kind]) -> Markup {
    if kinds.len() < 2 {
        return nothing("The catalog does not tell the architecture of any service.");
    }
    let same = kinds.iter().find(|it| own.is_some() && it.architecture == own);
    let finding = match (own, same) {
        (Some(own), Some(same)) => format!(
            "This service is a {}: half of its changes take {}, those of all such services {}",
            own.word(),
            estimate(&kinds[0].p50),
            estimate(&same.p50)
        ),
        _ => "The catalog does not tell the architecture of this service".to_owned(),
    };
    let named: Vec<_> = kinds.iter().map(|it| (it.name.clone(), &it.p50, &it.p85)).collect();
    let table = Table {
        caption: "Time to value by architecture".to_owned(),
        columns: &[
            Column::Text("Services"),
            Column::Number("n"),
            Column::Number("Waiting"),
            Column::Number("p50"),
            Column::Number("p85"),
        ],
        rows: kinds
            .iter()
            .map(|it| {
                vec![
                    html! { (it.name) },
                    html! { (count(it.n)) },
                    html! { (count(it.waiting)) },
                    estimate_cell(&it.p50),
                    estimate_cell(&it.p85),
                ]
            })
            .collect(),
    };
    match charts::groups(&named, "Time to value (log scale)") {
        Some(chart) => chart_figure(&finding, "", &chart, &table),
        None => html! { (finding_line(&finding, "")) (table.markup()) },
    }
}
