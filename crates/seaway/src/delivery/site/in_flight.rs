//! All waiting changes, oldest first.

use super::{Shown, change_url, chosen, group_url, service_url, with_query};
use crate::app::App;
use crate::delivery::api::filter::{FILTERS, Wanted};
use crate::delivery::api::parameters::Parameters;
use crate::delivery::api::{known_group, known_service, waiting_page};
use crate::delivery::store::{After, Kept};
use crate::pages::parts::{Column, Table, as_csv, nothing, section};
use crate::pages::site::{Page, Place, escape};
use crate::pages::words::{HASH, LINE, NAME, count, counted, day, outside, unbroken};
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
    let (kept, next) = waiting_page(&app, &wanted, service, after, ROWS).await?;
    let as_of = app.store.newest().await?.unwrap_or(0);
    let scope = query_of(&parameters);
    let rows = Rows { changes: changes_of(&kept), as_of, is_first, is_last: next.is_none() };
    let api = |last: &[String]| {
        let query = [&scope, last].concat().join("&");
        with_query("/api/v1/waiting", Some(&query))
    };
    let sheet = api(&["format=csv".to_owned()]);
    let url = |after: Option<&str>| with_query("/in-flight", Some(&joined(&scope, after)));
    let body = html! {
        header.hero { div.frame {
            p.eyebrow { "Waiting changes" @if let Some(name) = service {
                " of " a href=(service_url(name)) { (outside(name, NAME)) }
            } @else if let Some(name) = group {
                " of " a href=(group_url(name)) { (outside(name, NAME)) }
            } @else { " of all services" } }
            h1 { (unbroken(&rows.finding())) }
            @if let Some(told) = rows.by_stage() { p.verdict { (told) } }
        } }
        main.frame {
            (section("waiting", "Oldest first",
                "What has reached the mainline and no customer yet. It is in the stage after the last \
                 milestone that is known of it.", &html! {
                (rows.markup())
                (as_csv(&sheet, "All waiting changes"))
                @if !is_first || next.is_some() { nav.pager aria-label="Pages of changes" {
                    @if !is_first { a href=(url(None)) { "From the oldest" } }
                    @if let Some(next) = &next {
                        a rel="next" href=(url(Some(&next.to_string()))) { "Next" }
                    }
                } }
            }))
        }
    };
    let shown = Shown {
        title: "In flight".to_owned(),
        place: Place::InFlight,
        trail: Vec::new(),
        json: Some(api(&[])),
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

/// Changes with their services.
fn changes_of(kept: &[Kept]) -> Vec<(&str, ChangeRow)> {
    let read = |it: &Kept| serde_json::from_str(&it.body).ok();
    kept.iter().filter_map(|it| Some((it.service.as_str(), read(it)?))).collect()
}

struct Rows<'a> {
    changes: Vec<(&'a str, ChangeRow)>,
    as_of: i64,
    is_first: bool,
    is_last: bool,
}

impl Rows<'_> {
    fn markup(&self) -> Markup {
        if self.changes.is_empty() {
            return match self.is_last {
                true => nothing("All that reached the mainline has reached customers too."),
                false => nothing(
                    "None of those that were looked at is one of these: the next page looks on.",
                ),
            };
        }
        let table = Table {
            caption: "Waiting changes".to_owned(),
            columns: &[
                Column::Text("Waits since"),
                Column::Text("Change"),
                Column::Text("Service"),
                Column::Text("Last milestone"),
                Column::Number("Nothing happened for"),
            ],
            rows: self.changes.iter().map(|(service, it)| self.row(service, it)).collect(),
        };
        table.markup()
    }

    /// How many are in each stage; `None` without any.
    fn by_stage(&self) -> Option<String> {
        let mut by_stage: BTreeMap<Milestone, usize> = BTreeMap::new();
        for (_, change) in &self.changes {
            *by_stage.entry(last_of(change)).or_default() += 1;
        }
        let told: Vec<String> =
            by_stage.iter().map(|(last, n)| format!("{} {}", count(*n), last.name())).collect();
        let place = if self.is_first && self.is_last { "" } else { ", on this page" };
        (!told.is_empty()).then(|| format!("By their last milestone{place}: {}.", told.join(", ")))
    }

    fn finding(&self) -> String {
        if self.changes.is_empty() {
            return "Nothing is in flight".to_owned();
        }
        let n = counted(self.changes.len(), "change", "changes");
        let oldest = self.changes.first().and_then(|(_, it)| it.milestones.start());
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
            html! { span.nowrap { (since(start)) } span.bounds { (day(start.map(Time))) } },
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
