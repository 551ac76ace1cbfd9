//! The page of `seaway measure --html`: one report as one file, the answer first.

pub(in crate::delivery) mod charts;
pub(in crate::delivery) mod course;
pub(in crate::delivery) mod value;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

use crate::pages::layout::document;
use crate::pages::parts::{card, section, share_bar, sparkline};
use crate::pages::words::{
    HASH, LINE, NAME, clean, count, counted, day, estimate, interval, moment, outside, percent,
    unbroken,
};
use maud::{Markup, html};
use seaway_core::delivery::report::{Estimate, Report, Share, Source, TimeToValue};
use seaway_core::time::humanize;

/// As many deployment specifications or paths are listed by name.
const LISTED: usize = 12;

/// The sections of the page, in their order: the anchor, the name, how to read it.
const SECTIONS: [(&str, &str, &str); 11] = [
    (
        "distribution",
        "Distribution",
        "How many changes still wait at each age, by Kaplan–Meier: changes that are waiting today \
         count for as long as they have waited. Small strokes mark their ages.",
    ),
    (
        "trend",
        "Trend",
        "The same by the time of delivery. Whiskers are 95 % intervals: where they overlap widely, \
         a difference may be noise.",
    ),
    (
        "stages",
        "Stages",
        "Where the time goes. A stage lies between two milestones of a change; its stages add up \
         to its whole time.",
    ),
    (
        "size",
        "Size",
        "Each dot is a delivered change. Bars are quarters of all changes by size, at their median.",
    ),
    (
        "calendar",
        "Deployments",
        "Each square is a day with a successful deployment, each column a week from Monday to \
         Sunday.",
    ),
    (
        "flow",
        "Flow and what is waiting",
        "A change is waiting from its first commit until a deployment contains it.",
    ),
    ("rework", "Rework", "Work that undoes work. It is left out of time to value."),
    (
        "dora",
        "DORA’s five measures",
        "By DORA’s definitions of 2025, as far as git can tell. They are the counterweights: speed \
         with a rising fail rate is not speed.",
    ),
    ("kinds", "Kinds of changes", "Time to value of different kinds of changes, side by side."),
    (
        "quality",
        "Data quality",
        "What could not be understood or linked, and what was mended on the way.",
    ),
    ("source", "What was measured", "And how it was chosen."),
];

/// The whole page, as one HTML file that loads nothing from elsewhere and stays under 6 MB.
#[must_use]
pub(crate) fn render(report: &Report) -> String {
    let contents = [
        value::distribution(&report.time_to_value),
        value::trend(&report.trend),
        value::stages(&report.stages),
        value::size(report.size.as_ref()),
        course::calendar(&report.flow.calendar),
        course::flow(&report.flow),
        course::rework(&report.rework),
        course::dora(&report.dora),
        value::kinds(&report.dimensions),
        course::quality(&report.data_quality),
        source(report),
    ];
    let body = html! {
        (hero(report))
        nav aria-label="Sections" { div.frame { ul {
            @for (id, name, _) in SECTIONS { li { a href={ "#" (id) } { (name) } } }
        } } }
        main.frame {
            @for ((id, name, about), content) in SECTIONS.iter().zip(&contents) {
                (section(id, name, about, content))
            }
        }
        footer.frame {
            "Made by Seaway. Spans: a month is 30 days, a year 365. Intervals are at 95 %. \
             n counts delivered changes unless it says otherwise."
        }
    };
    document(&format!("Time to value of {}", clean(&report.source.repository, NAME)), &body)
}

fn hero(report: &Report) -> Markup {
    let value = &report.time_to_value;
    html! {
        header.hero { div.frame {
            p.eyebrow { "Time to value, measured by Seaway" @if report.source.as_of.is_some() {
                " as of " (day(report.source.as_of))
            } }
            h1 { (outside(&report.source.repository, NAME)) }
            @if value.n == 0 && value.waiting == 0 { (no_answer(report)) } @else { (answer(report)) }
        } }
    }
}

fn no_answer(report: &Report) -> Markup {
    let why = match report.deployments.count {
        0 => "No deployment was found, so no change has reached anyone yet.",
        _ => "No change lies between two deployments of the span that was asked for.",
    };
    html! {
        div.median { p.big.long { "Nothing to measure yet" } }
        p { (why) }
        p.note { (clean(&report.source.advice, LINE * 4)) }
    }
}

fn answer(report: &Report) -> Markup {
    let value = &report.time_to_value;
    html! {
        div.answer {
            div.median {
                p.lead { (lead(value)) }
                p.big .long[value.p50.seconds.is_none()] { (unbroken(&estimate(&value.p50))) }
                p.evidence { "p50, the median. " (unbroken(&basis(&value.p50))) }
                p.evidence { (population(value)) }
            }
            div {
                dl.quantiles {
                    (quantile("p85", &value.p85))
                    (quantile("p95", &value.p95))
                    (card(&count(value.waiting), "Waiting", "changes, not yet delivered"))
                }
                @let medians: Vec<_> = report.trend.points.iter().map(|p| p.p50.seconds).collect();
                @if medians.iter().flatten().count() > 1 {
                    div.trend-line {
                        p.evidence { (unbroken(&course_of_medians(report))) }
                        (sparkline(&medians, "The median over time, on a log scale"))
                    }
                }
            }
        }
        ul.shares { @for share in &value.within { (share_within(share)) } }
    }
}

fn lead(value: &TimeToValue) -> &'static str {
    match (value.n, value.p50.seconds) {
        (0, _) => "No change has reached customers yet; the median will be",
        (_, None) => "Fewer than half of all changes have reached customers yet; the median is",
        _ => "Half of all changes reach customers within",
    }
}

fn course_of_medians(report: &Report) -> String {
    let told: Vec<String> = report
        .trend
        .points
        .iter()
        .filter_map(|p| Some(format!("{} in {}", humanize(p.p50.seconds?), clean(&p.label, NAME))))
        .collect();
    let end = |told: Option<&String>| told.cloned().unwrap_or_default();
    format!("The median was {}, and {}", end(told.first()), end(told.last()))
}

fn basis(e: &Estimate) -> String {
    interval(e.low, e.high, humanize).map_or_else(
        || "95 % interval not known".to_owned(),
        |bounds| format!("95 % interval: {bounds}"),
    )
}

fn population(value: &TimeToValue) -> String {
    let waiting = counted(value.waiting, "waiting change", "waiting changes");
    format!("n = {} delivered, with {waiting} taken into account", count(value.n))
}

fn quantile(name: &str, e: &Estimate) -> Markup {
    let bounds = interval(e.low, e.high, humanize);
    let bounds = bounds.unwrap_or_else(|| "interval not known".to_owned());
    html! {
        (card(&unbroken(&estimate(e)), name, &unbroken(&bounds)))
    }
}

fn share_within(share: &Share) -> Markup {
    html! {
        li {
            span.value { (share.share.map_or_else(|| "not known".to_owned(), percent)) }
            span.label { "within " (share.label) }
            @if let Some(value) = share.share { (share_bar(value, share.low, share.high)) }
            span.basis { (interval(share.low, share.high, percent).unwrap_or_default()) }
        }
    }
}

fn source(report: &Report) -> Markup {
    let source = &report.source;
    html! {
        dl.facts {
            dt { "Repository" } dd { (outside(&source.repository, LINE)) }
            dt { "Default branch" } dd {
                @match &source.branch {
                    Some(name) => (outside(name, NAME)),
                    None => "none: HEAD is detached",
                }
                @if let Some(head) = &source.head { " at " code { (outside(head, HASH)) } }
            }
            dt { "Deployments taken" } dd { (listed(&source.deploys)) }
            dt { "Why these" } dd { (clean(&source.reason, LINE * 4)) }
            dt { "To choose others" } dd { (clean(&source.advice, LINE * 4)) }
            dt { "Changes" } dd {
                @if source.paths.is_empty() { "all" } @else { "those that touch " (listed(&source.paths)) }
            }
            dt { "Span" } dd { (span(source)) }
            dt { "As of" } dd { (moment(source.as_of)) @if source.as_of.is_some() { " UTC" } }
            dt { "Time zone" } dd { (outside(&source.time_zone, NAME)) }
            dt { "Deployments" } dd {
                (count(report.deployments.count))
                @if report.deployments.count > 0 {
                    ", from " (day(report.deployments.first)) " to " (day(report.deployments.last))
                }
            }
            dt { "Commits" } dd {
                (count(report.commits.delivered)) " delivered, " (count(report.commits.waiting))
                " waiting, " (count(report.commits.baseline))
                " baseline (already there at the first deployment: not measured); without merges, over the whole history"
            }
        }
    }
}

fn span(source: &Source) -> String {
    match (source.since, source.until) {
        (None, None) => "the whole history".to_owned(),
        (Some(_), None) => format!("delivered since {} UTC", moment(source.since)),
        (None, Some(_)) => format!("delivered before {} UTC", moment(source.until)),
        _ => format!(
            "delivered from {} to before {} UTC",
            moment(source.since),
            moment(source.until)
        ),
    }
}

fn listed(texts: &[String]) -> Markup {
    html! {
        @for (i, text) in texts.iter().take(LISTED).enumerate() {
            @if i > 0 { ", " }
            code { (outside(text, NAME)) }
        }
        @if texts.len() > LISTED { " and " (count(texts.len() - LISTED)) " more" }
        @if texts.is_empty() { "none" }
    }
}
