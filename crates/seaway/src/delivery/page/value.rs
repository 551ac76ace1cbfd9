//! The sections that tell how long changes take: distribution, trend, stages, size, kinds.

use super::charts;
use crate::pages::parts::{
    Column, Table, chart_figure, estimate_cell, finding_line, nothing, stacked_bar,
};
use crate::pages::words::{LINE, NAME, clean, count, counted, decimal, interval, percent};
use maud::{Markup, html};
use seaway_core::delivery::report::{
    Correlation, Dimension, Estimate, SizeReport, Stage, TimeToValue, Trend,
};
use seaway_core::time::humanize;

pub(in crate::delivery) fn distribution(value: &TimeToValue) -> Markup {
    let Some(chart) = charts::survival(value) else {
        return nothing("There is no change to draw yet.");
    };
    let rows = value.curve.iter().map(|p| {
        vec![
            html! { (humanize(p.seconds as f64)) },
            html! { (percent(p.waiting_share)) },
            html! { (interval(p.low, p.high, percent).unwrap_or_else(|| "not known".to_owned())) },
            html! { (count(p.at_risk)) },
            html! { (count(p.censored)) },
        ]
    });
    let table = Table {
        caption: "Changes not yet delivered, by age".to_owned(),
        columns: &[
            Column::Number("Age"),
            Column::Number("Not delivered"),
            Column::Number("95 % interval"),
            Column::Number("At risk"),
            Column::Number("Waiting today, left out from here"),
        ],
        rows: rows.collect(),
    };
    let evidence = format!(
        "n = {} delivered, {}",
        count(value.n),
        counted(value.waiting, "waiting change", "waiting changes")
    );
    chart_figure(&in_a_sentence(value), &evidence, &chart, &table)
}

/// The distribution in one sentence.
fn in_a_sentence(value: &TimeToValue) -> String {
    if value.n == 0 {
        let waiting = counted(value.waiting, "change is", "changes are");
        return format!("No change has reached customers yet; {waiting} waiting");
    }
    let half = match (value.p50.seconds, value.p50.low) {
        (Some(seconds), _) => {
            format!("Half of all changes reach customers within {}", humanize(seconds))
        }
        (None, Some(low)) => format!(
            "Fewer than half of all changes have reached customers yet; the median is more than {}",
            humanize(low)
        ),
        (None, None) => "Fewer than half of all changes have reached customers yet".to_owned(),
    };
    match (value.p95.seconds, value.p95.low) {
        (Some(seconds), _) => format!("{half}; 5 % take longer than {}", humanize(seconds)),
        (None, Some(low)) if value.p50.seconds.is_some() => {
            format!(
                "{half}; the slowest 5 % take more than {}, how much more is open",
                humanize(low)
            )
        }
        _ => half,
    }
}

pub(in crate::delivery) fn trend(trend: &Trend) -> Markup {
    let Some(chart) = charts::trend(trend) else {
        return nothing("There are too few deliveries to tell a trend.");
    };
    let rows = trend.points.iter().map(|p| {
        vec![
            html! { span.nowrap { (clean(&p.label, NAME)) } @if !p.complete { span.bounds { "not whole" } } },
            html! { (count(p.n)) },
            html! { (count(p.waiting)) },
            estimate_or_none(p.n, &p.p50),
            estimate_or_none(p.n, &p.p85),
            estimate_or_none(p.n, &p.p95),
        ]
    });
    let table = Table {
        caption: "Time to value by period of delivery".to_owned(),
        columns: &[
            Column::Text("Period"),
            Column::Number("n"),
            Column::Number("Waiting at its end"),
            Column::Number("p50"),
            Column::Number("p85"),
            Column::Number("p95"),
        ],
        rows: rows.collect(),
    };
    let delivered: usize = trend.points.iter().map(|p| p.n).sum();
    let evidence = format!(
        "n = {} over {}; hollow points: the data does not cover the whole period",
        count(delivered),
        counted(trend.points.len(), "period", "periods")
    );
    chart_figure(&clean(&trend.finding, LINE * 4), &evidence, &chart, &table)
}

fn estimate_or_none(n: usize, e: &Estimate) -> Markup {
    if n == 0 && *e == Estimate::default() {
        html! { span.muted { "none delivered" } }
    } else {
        estimate_cell(e)
    }
}

pub(super) fn stages(stages: &[Stage]) -> Markup {
    let named: Vec<_> =
        stages.iter().map(|s| (format!("{} to {}", s.from, s.to), &s.p50, &s.p85)).collect();
    let Some(chart) = charts::groups(&named, "Time in the stage (log scale)") else {
        return nothing("No change has finished a stage yet.");
    };
    let rows = stages.iter().zip(&named).map(|(stage, (name, ..))| {
        vec![
            html! { (name) },
            html! { (count(stage.n)) },
            html! { (count(stage.waiting)) },
            estimate_cell(&stage.p50),
            estimate_cell(&stage.p85),
            html! { (stage.share.map_or_else(|| "not known".to_owned(), percent)) },
        ]
    });
    let table = Table {
        caption: "Time by stage".to_owned(),
        columns: &[
            Column::Text("Stage"),
            Column::Number("n"),
            Column::Number("In it now"),
            Column::Number("p50"),
            Column::Number("p85"),
            Column::Number("Share of all time"),
        ],
        rows: rows.collect(),
    };
    let ns: Vec<String> = stages.iter().map(|s| format!("n = {} {}", count(s.n), s.to)).collect();
    html! {
        figure {
            figcaption { (finding_line(&longest_stage(stages), &ns.join(", "))) }
            (shares_of_stages(stages))
            (chart.markup("Median and 85th percentile of each stage, with their intervals"))
            (table.folded())
        }
    }
}

fn shares_of_stages(stages: &[Stage]) -> Markup {
    let shares: Vec<f64> = stages.iter().filter_map(|s| s.share).collect();
    if shares.len() < stages.len() {
        return html! {};
    }
    html! {
        (stacked_bar(&shares))
        ul.parts { @for (i, stage) in stages.iter().enumerate() { li {
            svg viewBox="0 0 10 10" aria-hidden="true" { rect class={ "part-" (i % 4) } width="10" height="10" rx="2" {} }
            (stage.from) " to " (stage.to) ": " (percent(stage.share.unwrap_or_default())) " of all time"
        } } }
    }
}

fn longest_stage(stages: &[Stage]) -> String {
    let share = |s: &&Stage| s.share.unwrap_or(f64::NEG_INFINITY);
    match stages.iter().max_by(|a, b| share(a).total_cmp(&share(b))) {
        Some(Stage { from, to, share: Some(share), .. }) => {
            format!(
                "{} of the time of delivered changes passes from {from} to {to}",
                percent(*share)
            )
        }
        _ => "How the time is shared between the stages is not known yet".to_owned(),
    }
}

pub(super) fn size(size: Option<&SizeReport>) -> Markup {
    let Some(size) = size else {
        return nothing("Sizes were not asked for. Measure again without --no-sizes to see them.");
    };
    let Some(chart) = charts::size(size) else {
        return nothing("There is no delivered change with a known size.");
    };
    let points = Table {
        caption: "Lines changed and time to value of each dot".to_owned(),
        columns: &[Column::Number("Lines"), Column::Number("Time to value")],
        rows: size
            .points
            .iter()
            .map(|p| {
                vec![
                    html! { (charts::lines_in_words(p.lines)) },
                    html! { (humanize(p.seconds as f64)) },
                ]
            })
            .collect(),
    };
    let evidence = format!(
        "n = {} with a known size{}{}",
        count(size.n),
        match size.unknown {
            0 => String::new(),
            unknown => format!(", {} without", count(unknown)),
        },
        size.correlation.as_ref().map_or_else(String::new, rank_correlation)
    );
    html! {
        (chart_figure(&clean(&size.finding, LINE * 4), &evidence, &chart, &points))
        (quartiles(size).markup())
    }
}

fn rank_correlation(c: &Correlation) -> String {
    format!(
        "; rank correlation {:.2}, 95 % interval {:.2} to {:.2}, n = {} delivered",
        c.rho,
        c.low,
        c.high,
        count(c.n)
    )
    .replace('-', "−")
}

fn quartiles(size: &SizeReport) -> Table {
    let rows = size.quartiles.iter().map(|q| {
        vec![
            html! { span.nowrap { (charts::range_of_lines(q)) } },
            html! { (count(q.n)) },
            html! { (count(q.waiting)) },
            estimate_cell(&q.p50),
            estimate_cell(&q.p85),
        ]
    });
    Table {
        caption: "Time to value of each quarter of the changes by size".to_owned(),
        columns: &[
            Column::Text("Lines changed"),
            Column::Number("n"),
            Column::Number("Waiting"),
            Column::Number("p50"),
            Column::Number("p85"),
        ],
        rows: rows.collect(),
    }
}

pub(super) fn kinds(dimensions: &[Dimension]) -> Markup {
    if dimensions.is_empty() {
        return nothing("No kinds of changes were told apart.");
    }
    html! { @for dimension in dimensions { (kind(dimension)) } }
}

fn kind(dimension: &Dimension) -> Markup {
    let finding = clean(&dimension.finding, LINE * 4);
    let groups = &dimension.groups;
    let named: Vec<_> = groups.iter().map(|g| (g.label.to_owned(), &g.p50, &g.p85)).collect();
    let rows = groups.iter().map(|g| {
        vec![
            html! { (g.label) },
            html! { (count(g.n)) },
            html! { (count(g.waiting)) },
            estimate_or_none(g.n, &g.p50),
            estimate_or_none(g.n, &g.p85),
        ]
    });
    let table = Table {
        caption: format!("Time to value by {}", dimension.name),
        columns: &[
            Column::Text("Kind"),
            Column::Number("n"),
            Column::Number("Waiting"),
            Column::Number("p50"),
            Column::Number("p85"),
        ],
        rows: rows.collect(),
    };
    let ns: Vec<String> = groups.iter().map(|g| format!("{} {}", count(g.n), g.label)).collect();
    let evidence = format!("By {}: n = {}", dimension.name, ns.join(", "));
    match charts::groups(&named, "Time to value (log scale)") {
        Some(chart) => chart_figure(&finding, &evidence, &chart, &table),
        None => html! { div { (finding_line(&finding, &evidence)) (table.markup()) } },
    }
}

/// A rate with its noun, for sentences of other sections.
pub(super) fn rate(value: Option<f64>) -> String {
    value.map_or_else(|| "not known".to_owned(), decimal)
}
