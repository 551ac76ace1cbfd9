//! The sections that tell what happened: deployments, flow, rework, DORA's measures, data quality.

use super::value::rate;
use crate::pages::calendar::{Day, calendar as squares};
use crate::pages::parts::{Column, Table, card, cards, figure, finding_line, nothing, share_bar};
use crate::pages::words::{
    HASH, LINE, NAME, clean, count, counted, day, decimal, interval, outside, percent,
};
use jiff::civil::{Date, Weekday};
use maud::{Markup, html};
use seaway_core::delivery::report::{
    CalendarDay, DoraMeasure, Finding, Flow, Rework, ReworkItem, WaitingChange,
};
use seaway_core::time::{DAY, humanize};

/// The calendar and its table show so many years, the latest: a page stays a page.
const YEARS: usize = 10;

pub(in crate::delivery) fn calendar(days: &[CalendarDay]) -> Markup {
    let known: Vec<Day> = days
        .iter()
        .filter_map(|d| {
            let date = d.day.parse::<Date>().ok()?;
            Some(Day { date, count: d.deployments, marked: d.rollbacks > 0 })
        })
        .collect();
    if known.is_empty() {
        return nothing("There is no successful deployment in the span.");
    }
    let years: Vec<&[Day]> = known.chunk_by(|a, b| a.date.year() == b.date.year()).collect();
    let hidden: usize =
        years.iter().take(years.len().saturating_sub(YEARS)).map(|year| year.len()).sum();
    let shown = &known[hidden..];
    let sum: usize = known.iter().map(|d| d.count).sum();
    let mut evidence = format!("n = {} on {}", count(sum), counted(known.len(), "day", "days"));
    if hidden > 0 {
        evidence.push_str(&format!(
            "; the latest {YEARS} years with deployments are shown, {} before them are not",
            counted(hidden, "day", "days")
        ));
    }
    let rows = days.iter().rev().take(shown.len()).map(|d| {
        vec![
            html! { (clean(&d.day, NAME)) },
            html! { (count(d.deployments)) },
            html! { (count(d.rollbacks)) },
        ]
    });
    let table = Table {
        caption: "Deployments by day, newest first".to_owned(),
        columns: &[
            Column::Text("Day"),
            Column::Number("Deployments"),
            Column::Number("of these rollbacks"),
        ],
        rows: rows.collect(),
    };
    let picture = squares(shown, "deployment", "deployments", "rollback");
    figure(&rhythm(&known), &evidence, &picture, &table)
}

/// On which weekday most is deployed, and the longest pause.
fn rhythm(days: &[Day]) -> String {
    let mut by_weekday = [0_usize; 7];
    for day in days {
        by_weekday[day.date.weekday().to_monday_zero_offset() as usize] += day.count;
    }
    let sum: usize = by_weekday.iter().sum();
    let most = by_weekday.iter().copied().max().unwrap_or(0);
    let at = by_weekday.iter().position(|n| *n == most).unwrap_or(0);
    let weekday = Weekday::from_monday_zero_offset(at as i8).map_or("Monday", name_of);
    let share = percent(most as f64 / sum.max(1) as f64);
    let pause = days
        .windows(2)
        .filter_map(|pair| pair[0].date.until(pair[1].date).ok())
        .map(|span| i64::from(span.get_days()))
        .max();
    match pause {
        Some(pause) => format!(
            "{weekday} is the busiest day, with {share} of all deployments; the longest pause between \
             two days with deployments was {}",
            humanize((pause * DAY) as f64)
        ),
        None => format!("All deployments happened on one day, a {weekday}"),
    }
}

fn name_of(weekday: Weekday) -> &'static str {
    match weekday {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

pub(super) fn flow(flow: &Flow) -> Markup {
    if flow.deployments_per_week.is_none() && flow.delivering_deployments == 0 && flow.waiting == 0
    {
        return nothing("Nothing was delivered, and nothing is waiting.");
    }
    let weeks = format!("over {} weeks", decimal(flow.weeks));
    let delivering =
        counted(flow.delivering_deployments, "delivering deployment", "delivering deployments");
    html! {
        (finding_line(&in_a_sentence(flow), ""))
        (cards(&[
            card(&rate(flow.deployments_per_week), "Deployments a week", &weeks),
            card(&rate(flow.changes_per_deployment_p50), "Changes a deployment, median", &format!("n = {delivering}")),
            card(&rate(flow.changes_per_deployment_mean), "Changes a deployment, mean", &format!("n = {delivering}")),
            card(&count(flow.waiting), "Changes waiting", ""),
            card(&flow.waiting_age_p50.map_or_else(|| "not known".to_owned(), humanize),
                "Their median age", &format!("n = {} waiting", count(flow.waiting))),
        ]))
        @if flow.waiting > 0 { (ages(flow)) }
        @if !flow.oldest.is_empty() { (oldest(&flow.oldest)) }
    }
}

fn in_a_sentence(flow: &Flow) -> String {
    let pace = match flow.deployments_per_week {
        Some(rate) => format!("{} deployments a week", decimal(rate)),
        None => "Too few deployments to tell a pace".to_owned(),
    };
    match (flow.waiting, flow.waiting_age_p50) {
        (0, _) => format!("{pace}; nothing is waiting"),
        (1, Some(age)) => format!("{pace}; 1 change is waiting, for {}", humanize(age)),
        (n, Some(age)) => {
            format!(
                "{pace}; {} changes are waiting, half of them longer than {}",
                count(n),
                humanize(age)
            )
        }
        (n, None) => format!("{pace}; {} waiting", counted(n, "change is", "changes are")),
    }
}

fn ages(flow: &Flow) -> Markup {
    let sum: usize = flow.waiting_by_age.iter().map(|band| band.changes).sum();
    let rows = flow.waiting_by_age.iter().map(|band| {
        let share = band.changes as f64 / sum.max(1) as f64;
        vec![
            html! { (band.label) },
            html! { (count(band.changes)) },
            html! { (percent(share)) " " span.in-cell { (share_bar(share, None, None)) } },
        ]
    });
    let table = Table {
        caption: "Waiting changes by age".to_owned(),
        columns: &[Column::Text("Age"), Column::Number("Waiting"), Column::Text("Share")],
        rows: rows.collect(),
    };
    table.markup()
}

fn oldest(changes: &[WaitingChange]) -> Markup {
    let rows = changes.iter().map(|change| {
        vec![
            html! { span.nowrap { (humanize(change.seconds as f64)) } },
            html! { span.nowrap { (day(change.authored_at)) } },
            html! { (outside(&change.subject, LINE)) " " code.muted { (outside(&change.change, HASH)) } },
        ]
    });
    let table = Table {
        caption: "The oldest waiting changes".to_owned(),
        columns: &[
            Column::Text("Waiting for"),
            Column::Text("Authored"),
            Column::Text("The oldest waiting changes"),
        ],
        rows: rows.collect(),
    };
    table.markup()
}

pub(super) fn rework(rework: &Rework) -> Markup {
    html! {
        (finding_line(&undone(rework), ""))
        (cards(&[
            card(&rework.share.map_or_else(|| "not known".to_owned(), percent), "Rework", "share of all measured changes"),
            card(&count(rework.reverts), "Reverts", &counted(rework.reverted, "change was reverted", "changes were reverted")),
            card(&count(rework.rollbacks), "Rollbacks", &counted(rework.failed_deployments, "deployment was taken back", "deployments were taken back")),
            card(&count(rework.redeployments), "Redeployments", "of what was already there"),
            card(&count(rework.unsuccessful_deployments), "Not successful", "on record; known from file: only"),
        ]))
        @if !rework.latest.is_empty() { (latest(&rework.latest)) }
    }
}

fn undone(rework: &Rework) -> String {
    if rework.reverts == 0 && rework.rollbacks == 0 {
        return "No revert and no rollback is on record".to_owned();
    }
    let share = rework.share.map_or_else(
        || "There is rework".to_owned(),
        |s| format!("{} of changes are rework", percent(s)),
    );
    format!(
        "{share}: {} and {}",
        counted(rework.reverts, "revert", "reverts"),
        counted(rework.rollbacks, "rollback", "rollbacks")
    )
}

fn latest(items: &[ReworkItem]) -> Markup {
    let rows = items.iter().map(|item| {
        vec![
            html! { span.nowrap { (day(item.at)) } },
            html! { span.nowrap { (item.kind) } },
            html! { (outside(&item.subject, LINE)) " " code.muted { (outside(&item.name, NAME)) } },
        ]
    });
    let table = Table {
        caption: "The latest reverts and rollbacks".to_owned(),
        columns: &[
            Column::Text("When"),
            Column::Text("Kind"),
            Column::Text("The latest reverts and rollbacks"),
        ],
        rows: rows.collect(),
    };
    table.markup()
}

pub(in crate::delivery) fn dora(measures: &[DoraMeasure]) -> Markup {
    if measures.is_empty() {
        return nothing("None of the measures could be computed.");
    }
    let known = measures.iter().filter(|m| m.value.is_some()).count();
    let evidence = format!("{known} of DORA’s {} measures are known", measures.len());
    let rows = measures.iter().map(|m| {
        let write = |value: f64| in_unit(m.unit, value);
        vec![
            html! { (m.name) p.note { (clean(&m.note, LINE * 3)) } },
            html! {
                span.nowrap { (m.value.map_or_else(|| "not known".to_owned(), write)) }
                @if let Some(bounds) = interval(m.low, m.high, write) { span.bounds { (bounds) } }
            },
            html! { (m.n.map_or_else(|| "not known".to_owned(), count)) },
        ]
    });
    let table = Table {
        caption: "DORA’s five measures".to_owned(),
        columns: &[
            Column::Text("Measure, and how it was computed or what is missing"),
            Column::Number("Value"),
            Column::Number("n"),
        ],
        rows: rows.collect(),
    };
    html! { (finding_line(&pace_and_failing(measures), &evidence)) (table.markup()) }
}

/// How often is deployed, and how often that fails: the one is worth little without the other.
fn pace_and_failing(measures: &[DoraMeasure]) -> String {
    let value = |name: &str| measures.iter().find(|it| it.name == name).and_then(|it| it.value);
    let Some(pace) = value("deployment frequency") else {
        return "How often is deployed is not known".to_owned();
    };
    let failing = value("change fail rate").map_or_else(
        || "how many of them fail is not known".to_owned(),
        |share| format!("{} of them fail", percent(share)),
    );
    format!("{} deployments a week; {failing}", decimal(pace))
}

fn in_unit(unit: Option<&str>, value: f64) -> String {
    match unit {
        Some("seconds") => humanize(value),
        Some("share") => percent(value),
        Some(unit) => format!("{} {unit}", decimal(value)),
        None => decimal(value),
    }
}

pub(super) fn quality(findings: &[Finding]) -> Markup {
    if findings.is_empty() {
        return nothing("Everything could be understood and linked.");
    }
    let rows = findings.iter().map(|f| {
        vec![
            html! { (count(f.count)) },
            html! {
                (clean(&f.message, LINE * 4)) " " code.muted { (f.kind) }
                @if !f.examples.is_empty() {
                    div.examples { "For example " @for (i, example) in f.examples.iter().take(5).enumerate() {
                        @if i > 0 { ", " } code { (outside(example, NAME)) }
                    } }
                }
            },
        ]
    });
    let table = Table {
        caption: "What the reader should know of the data".to_owned(),
        columns: &[Column::Number("Rows"), Column::Text("What, and what was done")],
        rows: rows.collect(),
    };
    let finding = format!("{} to know of the data", counted(findings.len(), "thing", "things"));
    html! { (finding_line(&finding, "")) (table.markup()) }
}
