//! All waiting changes, oldest first.

use super::{Shown, change_url, chosen, group_url, service_url, with_query};
use crate::app::App;
use crate::delivery::api::filter::{FILTERS, Wanted};
use crate::delivery::api::parameters::Parameters;
use crate::delivery::api::{known_group, known_service};
use crate::delivery::store::{After, Kept};
use crate::pages::parts::{Column, Table, finding_line, nothing, section};
use crate::pages::site::{Page, Place, escape};
use crate::pages::words::{HASH, LINE, NAME, counted, day, outside};
use crate::problem::Problem;
use axum::extract::{RawQuery, State};
use maud::{Markup, html};
use seaway_core::delivery::view::{ChangeRow, Milestone};
use seaway_core::time::{Time, humanize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Changes on a page.
const ROWS: i64 = 50;

/// `GET /in-flight`.
pub(crate) async fn in_flight(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    let allowed = [&FILTERS[..], &["service", "group", "after"]].concat();
    let parameters = Parameters::of(chosen(query.as_deref()).as_deref(), &allowed)?;
    parameters.wait(&app).await?;
    let first = After { at: i64::MIN, key: String::new() };
    let is_first = parameters.text("after").is_none();
    let after = parameters.after(first)?;
    let (service, group) = (parameters.text("service"), parameters.text("group"));
    let mut wanted = Wanted::of(&app, &parameters)?;
    if let Some(service) = service {
        known_service(&app, service).await?;
    }
    if let Some(group) = group {
        wanted = wanted.of_group(&known_group(&app, group).await?);
    }
    let mut page = wanted.page::<Kept>(after, ROWS);
    while let Some((after, portion)) = page.needs() {
        let found = app.store.waiting(service, after, portion).await?;
        page.take(found);
    }
    let (kept, next) = page.done();
    let as_of = app.store.newest().await?.unwrap_or(0);
    let scope = query_of(&parameters);
    let rows = Rows { kept: &kept, as_of, is_first, is_last: next.is_none() };
    let url = |after: Option<&str>| with_query("/in-flight", Some(&joined(&scope, after)));
    let body = html! {
        header.hero { div.frame {
            p.eyebrow { "Waiting changes" @if let Some(name) = service {
                " of " a href=(service_url(name)) { (outside(name, NAME)) }
            } @else if let Some(name) = group {
                " of " a href=(group_url(name)) { (outside(name, NAME)) }
            } @else { " of all services" } }
            h1 { "In flight" }
        } }
        main.frame {
            (section("waiting", "Oldest first",
                "What has reached the mainline and no customer yet. It is in the stage after the last \
                 milestone that is known of it.", &html! {
                (rows.markup())
                nav.pager aria-label="Pages of changes" {
                    @if !is_first { a href=(url(None)) { "From the oldest" } }
                    @if let Some(next) = &next {
                        a rel="next" href=(url(Some(&next.to_string()))) { "Next" }
                    }
                }
            }))
        }
    };
    // The API has no groups in this list.
    let json =
        (group.is_none()).then(|| with_query("/api/v1/waiting", Some(&joined(&scope, None))));
    let shown = Shown {
        title: "In flight".to_owned(),
        place: Place::InFlight,
        trail: Vec::new(),
        json,
        body,
    };
    shown.page(&app).await
}

/// What the URL says of the services, each as `name=value`.
fn query_of(parameters: &Parameters) -> Vec<String> {
    let names = FILTERS.into_iter().chain(["service", "group"]);
    let pair = |name: &'static str| {
        let values = parameters.values(name).iter();
        values.map(move |value| format!("{name}={}", escape(value)))
    };
    names.flat_map(pair).collect()
}

fn joined(scope: &[String], after: Option<&str>) -> String {
    let after = after.map(|after| format!("after={}", escape(after)));
    let all: Vec<String> = scope.iter().cloned().chain(after).collect();
    all.join("&")
}

struct Rows<'a> {
    kept: &'a [Kept],
    as_of: i64,
    is_first: bool,
    is_last: bool,
}

impl Rows<'_> {
    fn markup(&self) -> Markup {
        let changes: Vec<(&str, ChangeRow)> = self
            .kept
            .iter()
            .filter_map(|kept| {
                Some((kept.service.as_str(), serde_json::from_str(&kept.body).ok()?))
            })
            .collect();
        if changes.is_empty() {
            return nothing("Nothing waits here.");
        }
        let mut by_stage: BTreeMap<Milestone, usize> = BTreeMap::new();
        for (_, change) in &changes {
            *by_stage.entry(last_of(change)).or_default() += 1;
        }
        let told = by_stage.iter().map(|(last, n)| format!("{n} {}", last.name()));
        let told = format!(
            "By their last milestone, on this page: {}",
            told.collect::<Vec<_>>().join(", ")
        );
        let table = Table {
            caption: "Waiting changes".to_owned(),
            columns: &[
                Column::Text("Waits for"),
                Column::Text("Change"),
                Column::Text("Service"),
                Column::Text("Last milestone"),
                Column::Text("Since"),
            ],
            rows: changes.iter().map(|(service, change)| self.row(service, change)).collect(),
        };
        html! { (finding_line(&self.finding(&changes), &told)) (table.markup()) }
    }

    fn finding(&self, changes: &[(&str, ChangeRow)]) -> String {
        let n = counted(changes.len(), "change", "changes");
        let oldest = changes.first().and_then(|(_, it)| it.milestones.start());
        let oldest = oldest.map(|start| humanize((self.as_of - start).max(0) as f64));
        let oldest = oldest.unwrap_or_else(|| "a time that is not known".to_owned());
        match (self.is_first, self.is_last) {
            (true, true) => format!("{n} in flight; the oldest has waited for {oldest}"),
            (true, false) => format!("The oldest change has waited for {oldest}; the first {n}"),
            (false, _) => format!("{n} that have waited for {oldest} and less"),
        }
    }

    fn row(&self, service: &str, change: &ChangeRow) -> Vec<Markup> {
        let since = |moment: Option<i64>| {
            let seconds = moment.map(|moment| (self.as_of - moment).max(0) as f64);
            seconds.map_or_else(|| "not known".to_owned(), humanize)
        };
        let start = change.milestones.start();
        let url = change_url(service, &change.change);
        vec![
            html! { span.nowrap { (since(start)) } span.bounds { "since " (day(start.map(Time))) } },
            html! { a href=(url) { (outside(&change.subject, LINE)) } " "
            code.muted { (outside(&change.change.chars().take(HASH).collect::<String>(), HASH)) } },
            html! { a href=(service_url(service)) { (outside(service, NAME)) } },
            html! { (last_of(change).name()) },
            html! { span.nowrap { (since(change.milestones.before_deployed())) } },
        ]
    }
}

/// The last milestone that is known of a change.
fn last_of(change: &ChangeRow) -> Milestone {
    let known = |milestone: &&Milestone| change.milestones.get(**milestone).is_some();
    Milestone::ALL.iter().rev().find(known).copied().unwrap_or(Milestone::Authored)
}
