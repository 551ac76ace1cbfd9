//! All waiting changes, oldest first.

use super::{Shown, change_url, chosen, group_url, service_url, with_query};
use crate::app::App;
use crate::delivery::api::filter::FILTERS;
use crate::delivery::api::parameters::Parameters;
use crate::delivery::store::{After, Kept};
use crate::delivery::waiting::WaitingPage;
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
    let allowed = [&FILTERS[..], &["service", "group", "last", "after"]].concat();
    let parameters = Parameters::of(chosen(query.as_deref()).as_deref(), &allowed)?;
    parameters.wait(&app).await?;
    let first = After { at: i64::MIN, key: String::new() };
    let is_first = parameters.text("after").is_none();
    let after = parameters.after(first)?;
    let (service, group) = (parameters.text("service"), parameters.text("group"));
    let found = WaitingPage::of(&app, &parameters, after, ROWS).await?;
    let next = found.next;
    let as_of = app.store.newest().await?.unwrap_or(0);
    let scope = query_of(&parameters);
    let rows = Rows {
        changes: changes_of(&found.rows),
        as_of,
        is_first,
        is_last: next.is_none(),
        last: parameters.text("last"),
        counted: found.by_last_milestone,
    };
    let api = |last: &[String]| {
        let query = [&scope, last].concat().join("&");
        with_query("/api/v1/waiting", Some(&query))
    };
    let sheet = api(&["format=csv".to_owned()]);
    let by_last = |last: Option<&str>| {
        let others = scope.iter().filter(|it| !it.starts_with("last="));
        let last = last.map(|last| format!("last={last}"));
        let all: Vec<String> = others.cloned().chain(last).collect();
        with_query("/in-flight", Some(&all.join("&")))
    };
    let url = |after: Option<&str>| with_query("/in-flight", Some(&joined(&scope, after)));
    let body = html! {
        header.hero { div.frame {
            p.eyebrow { "Waiting changes" @if let Some(name) = service {
                " of " a href=(service_url(name)) { (outside(name, NAME)) }
            } @else if let Some(name) = group {
                " of " a href=(group_url(name)) { (outside(name, NAME)) }
            } @else { " of all services" } }
            h1 { (unbroken(&rows.finding())) }
            (rows.by_stage(&by_last))
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
    let names = FILTERS.into_iter().chain(["service", "group", "last"]);
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
    /// The last milestone that is asked for.
    last: Option<&'a str>,
    /// How many wait in all, by their last milestone.
    counted: Option<BTreeMap<String, i64>>,
}

impl Rows<'_> {
    fn markup(&self) -> Markup {
        if self.changes.is_empty() {
            return match self.is_last {
                true if self.last.is_some() => nothing("No change waits in this stage."),
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

    /// How many are in each stage, each leading to these.
    fn by_stage(&self, url: &dyn Fn(Option<&str>) -> String) -> Markup {
        let mut of_page: BTreeMap<String, i64> = BTreeMap::new();
        for last in self.changes.iter().filter_map(|(_, change)| change.milestones.last()) {
            *of_page.entry(last.name().to_owned()).or_default() += 1;
        }
        let all = self.counted.as_ref().unwrap_or(&of_page);
        // In the order in which changes reach them.
        let each = Milestone::ALL.map(Milestone::name).into_iter();
        let each: Vec<(&str, i64)> =
            each.filter_map(|name| Some((name, *all.get(name)?))).collect();
        let place = match self.counted.is_none() && !(self.is_first && self.is_last) {
            true => ", on this page",
            false => "",
        };
        html! { @if !each.is_empty() || self.last.is_some() { p.verdict {
            "By their last milestone" (place) ": "
            @for (at, (name, n)) in each.into_iter().enumerate() {
                @let told = html! { (count(usize::try_from(n).unwrap_or(0))) " " (name) };
                @if at > 0 { ", " }
                @if self.last == Some(name) { strong { (told) } } @else { a href=(url(Some(name))) { (told) } }
            }
            @if self.last.is_some() { ", " a href=(url(None)) { "all" } }
            "."
        } } }
    }

    fn finding(&self) -> String {
        if self.changes.is_empty() {
            let after = self.last.map_or_else(String::new, |last| format!(" after it was {last}"));
            return format!("Nothing is in flight{after}");
        }
        let n = counted(self.changes.len(), "change", "changes");
        let after = self.last.map_or_else(String::new, |last| format!(" after they were {last}"));
        let oldest = self.changes.first().and_then(|(_, it)| it.milestones.start());
        let oldest = oldest.map(|start| humanize((self.as_of - start).max(0) as f64));
        let oldest = oldest.unwrap_or_else(|| "a time that is not known".to_owned());
        match (self.is_first, self.is_last) {
            (true, true) => format!("{n} in flight{after}; the oldest has waited for {oldest}"),
            (true, false) => {
                format!("The oldest change in flight{after} has waited for {oldest}; the first {n}")
            }
            (false, _) => format!("{n} in flight{after} that have waited for {oldest} and less"),
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
            html! { (change.milestones.last().map_or("not known", Milestone::name)) },
            html! { span.nowrap { (since(change.milestones.before_deployed())) } },
        ]
    }
}
