//! Several sets of changes side by side: do they really differ?

use super::{Shown, chosen, group_url, service_url, with_query};
use crate::app::App;
use crate::delivery::api::{By, ComparedPart, Comparison, PARTS_MAX};
use crate::pages::chart::{Chart, log_range, time_axis};
use crate::pages::parts::{Column, Table, as_csv, chart_figure, estimate_cell, nothing, section};
use crate::pages::site::{Page, Place};
use crate::pages::words::{NAME, clean, count, counted, decimal, outside, percent, unbroken};
use crate::problem::Problem;
use axum::extract::{RawQuery, State};
use maud::{Markup, html};
use seaway_core::time::humanize;
use serde_json::{Value, json};
use std::sync::Arc;

/// How each line is drawn: its letter, its colour, and its dashes by Plotly and by SVG. Names come
/// from outside and stay out of the chart.
const LINES: [(&str, &str, &str, &str); PARTS_MAX] = [
    ("A", "--accent", "solid", ""),
    ("B", "--second", "solid", ""),
    ("C", "--ink", "solid", ""),
    ("D", "--accent", "dash", "6 4"),
    ("E", "--second", "dash", "6 4"),
    ("F", "--ink", "dash", "6 4"),
    ("G", "--accent", "dot", "2 3"),
    ("H", "--second", "dot", "2 3"),
];

/// The columns of the table; the last one where size tells the sets apart.
const COLUMNS: [Column; 7] = [
    Column::Text("Line"),
    Column::Number("Delivered"),
    Column::Number("Waiting"),
    Column::Number("p50"),
    Column::Number("p85"),
    Column::Number("p95"),
    Column::Number("Share"),
];

/// `GET /compare`.
pub(crate) async fn compare(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    let query = chosen(query.as_deref());
    let value = Comparison::of(&app, query.as_deref()).await?;
    let body = html! {
        header.hero { div.frame {
            p.eyebrow { (eyebrow(&value)) }
            h1 { bdi { (unbroken(&value.difference.finding)) } }
            (form(&value))
        } }
        main.frame {
            (section("curves", "Time to value", "The lower a line, the more is delivered at that age. \
                Changes that wait still are in it as not delivered yet.", &curves(&value, query.as_deref().unwrap_or_default())))
            (section("limits", "What this can tell", "And what it cannot.", &limits(&value)))
        }
    };
    let shown = Shown {
        title: "Compare".to_owned(),
        place: Place::Compare,
        trail: Vec::new(),
        json: Some(with_query("/api/v1/compare", query.as_deref())),
        body,
    };
    shown.page(&app).await
}

fn eyebrow(value: &Comparison) -> Markup {
    html! {
        "By " (value.by.word())
        @if let Some(group) = &value.group { " in " (outside(group, NAME)) }
        @if let Some(since) = &value.since { ", since " (since) }
        @match &value.until { Some(until) => { ", until " (until) } None => { ", until now" } }
    }
}

/// The form that asks for another comparison; it works without JavaScript.
fn form(value: &Comparison) -> Markup {
    let date = |name: &str, label: &str, day: &Option<String>| {
        html! {
            label { (label) input type="date" name=(name) value=[day.as_deref()]; }
        }
    };
    let names = matches!(value.by, By::Group | By::Service);
    html! {
        form.filters action="/compare" method="get" {
            label { "Compare by" select name="by" { @for (word, by) in By::WORDS {
                option value=(word) selected[by == value.by] { (word) }
            } } }
            @if value.by != By::Group || value.group.is_some() {
                label { "In the group" input name="group" value=[value.group.as_deref()] maxlength="200"; }
            }
            (date("since", "Since", &value.since))
            (date("until", "Until", &value.until))
            (filters(value))
            button type="submit" { "Compare" }
        }
        @if names {
            details.choose {
                summary { "Choose which " (value.by.word()) "s" }
                form.filters action="/compare" method="get" {
                    input type="hidden" name="by" value=(value.by.word());
                    @if let Some(since) = &value.since { input type="hidden" name="since" value=(since); }
                    @if let Some(until) = &value.until { input type="hidden" name="until" value=(until); }
                    @if let Some(group) = &value.group { input type="hidden" name="group" value=(group); }
                    (filters(value))
                    @for place in 0..PARTS_MAX {
                        @let name = value.parts.get(place).map(|part| part.name.as_str());
                        // What cannot be shown cannot be typed either.
                        @let typed = name.filter(|name| clean(name, NAME) == *name);
                        label { (LINES[place].0)
                            input name="of" value=[typed] maxlength="200"; }
                    }
                    button type="submit" { "Compare these" }
                }
            }
        }
    }
}

/// The filters, for a form that keeps them.
fn filters(value: &Comparison) -> Markup {
    html! { @for (name, values) in value.filter.values() { @for value in values {
        input type="hidden" name=(name) value=(value);
    } } }
}

fn curves(value: &Comparison, query: &str) -> Markup {
    if value.parts.is_empty() {
        return html! {
            (nothing("There is nothing to compare: no changes are in these days."))
            (unknown(value))
        };
    }
    let rows = value.parts.iter().zip(LINES).map(|(part, line)| row(value.by, part, line));
    let table = Table {
        caption: "Time to value of each, with 95 % intervals".to_owned(),
        columns: if value.by == By::Size { &COLUMNS } else { &COLUMNS[..COLUMNS.len() - 1] },
        rows: rows.collect(),
    };
    let finding = headline(value);
    let n: usize = value.parts.iter().map(|part| part.time_to_value.n).sum();
    let sheet = [query, "format=csv"].into_iter().filter(|it| !it.is_empty());
    let sheet = sheet.collect::<Vec<_>>().join("&");
    let evidence =
        format!("n = {}; {}", counted(n, "delivered change", "delivered changes"), test(value));
    html! {
        @match chart(&value.parts) {
            Some(chart) => { (legend(value)) (chart_figure(&finding, &evidence, &chart, &table)) }
            None => { (nothing("Nothing was delivered in these days.")) (table.markup()) }
        }
        (as_csv(&with_query("/api/v1/compare", Some(&sheet)), "This table"))
        (unknown(value))
        @if value.left_out > 0 {
            p.note { (counted(value.left_out, "other is", "others are")) " left out: the first "
                (PARTS_MAX) " by name are shown. Choose others above." }
        }
    }
}

/// Which changes are in no set, as nobody tells their lines.
fn unknown(value: &Comparison) -> Markup {
    html! { @if let Some(unknown) = value.unknown_lines.filter(|&unknown| unknown > 0) {
        p.note { "Left out " (if unknown == 1 { "is " } else { "are " })
            (counted(unknown, "change", "changes")) ", delivered or waiting, of which nobody tells the lines." }
    } }
}

/// The title of the chart: what it shows, without names from outside.
fn headline(value: &Comparison) -> String {
    let medians = value
        .parts
        .iter()
        .zip(LINES)
        .filter_map(|(part, line)| Some((line.0, part.time_to_value.p50.seconds?)));
    let mut medians: Vec<(&str, f64)> = medians.collect();
    medians.sort_by(|a, b| a.1.total_cmp(&b.1));
    match (medians.first(), medians.last()) {
        (Some(fast), Some(slow)) if medians.len() > 1 => format!(
            "Half of {} is delivered within {}, half of {} within {}",
            fast.0,
            humanize(fast.1),
            slow.0,
            humanize(slow.1)
        ),
        _ => "The share that is not delivered yet, by age".to_owned(),
    }
}

fn test(value: &Comparison) -> String {
    let difference = &value.difference;
    match (difference.chi_squared, difference.p) {
        (Some(chi_squared), Some(p)) => format!(
            "log-rank χ² = {}, {}, p {}",
            decimal(chi_squared),
            counted(difference.degrees, "degree of freedom", "degrees of freedom"),
            if p < 0.001 { "< 0.001".to_owned() } else { format!("= {p:.3}") }
        ),
        _ => "no test was possible".to_owned(),
    }
}

fn stroke((letter, colour, _, dashes): (&str, &str, &str, &str)) -> Markup {
    html! {
        svg.line width="34" height="12" viewBox="0 0 34 12" role="img" aria-label={ "Line " (letter) } {
            line x1="0" y1="6" x2="34" y2="6" stroke-width="2.5" stroke-dasharray=(dashes)
                style={ "stroke:var(" (colour) ")" } {}
        }
        b { (letter) }
    }
}

fn name(by: By, part: &ComparedPart) -> Markup {
    let shown = outside(&part.name, NAME);
    match by {
        By::Group => html! { a href=(group_url(&part.name)) { (shown) } },
        By::Service => html! { a href=(service_url(&part.name)) { (shown) } },
        _ => shown,
    }
}

fn legend(value: &Comparison) -> Markup {
    html! { ul.lines { @for (part, line) in value.parts.iter().zip(LINES) {
        li { (stroke(line)) " " (name(value.by, part)) }
    } } }
}

fn row(by: By, part: &ComparedPart, line: (&str, &str, &str, &str)) -> Vec<Markup> {
    let time = &part.time_to_value;
    let mut cells = vec![
        html! { (line.0) " " (name(by, part)) },
        html! { (count(time.n)) },
        html! { (count(time.waiting)) },
        estimate_cell(&time.p50),
        estimate_cell(&time.p85),
        estimate_cell(&time.p95),
    ];
    cells.extend(part.size.map(|size| html! { (percent(size.share)) }));
    cells
}

fn chart(parts: &[ComparedPart]) -> Option<Chart> {
    let curves = || parts.iter().map(|part| &part.time_to_value.curve);
    // The flat start, where hardly anything is delivered, would take half of a log axis.
    let begin = curves().filter_map(|curve| curve.iter().find(|it| it.waiting_share < 0.99));
    let begin = begin.map(|it| it.seconds).min()?;
    let seen = curves().flatten().filter(|it| it.seconds >= begin);
    let (low, high) = log_range(seen.map(|it| it.seconds.max(1) as f64))?;
    let trace = |(part, (letter, colour, dash, _)): (&ComparedPart, _)| -> Value {
        let (mut x, mut y, mut told) = (vec![low * 0.5], vec![100.0], vec![String::new()]);
        for point in &part.time_to_value.curve {
            x.push(point.seconds.max(1) as f64);
            y.push(point.waiting_share * 100.0);
            let share = percent(point.waiting_share);
            told.push(format!(
                "{letter} at {}: {share} not yet delivered, {} at risk",
                humanize(point.seconds as f64),
                count(point.at_risk)
            ));
        }
        json!({
            "x": x, "y": y, "customdata": told, "mode": "lines", "name": letter,
            "line": { "shape": "hv", "color": colour, "width": 2, "dash": dash },
            "hovertemplate": "%{customdata}<extra></extra>",
        })
    };
    Some(Chart {
        height: 400,
        traces: parts.iter().zip(LINES).map(trace).collect(),
        layout: json!({
            "xaxis": time_axis("Age since the first commit was authored (log scale)", (low, high * 1.15)),
            "yaxis": { "title": { "text": "Changes not yet delivered (%)" }, "range": [0, 103],
                       "tickvals": [0, 25, 50, 75, 100] },
            "showlegend": false, "margin": { "t": 30 },
        }),
        narrow: json!({ "yaxis": { "title": { "text": "Not yet delivered (%)" } },
                        "xaxis": { "title": { "text": "Age since first commit (log scale)" } } }),
    })
}

fn limits(value: &Comparison) -> Markup {
    html! {
        p { "The log-rank test asks whether changes of the same age are delivered at the same pace on all \
            lines, over all ages at once. Changes that are deployed together are not independent of each \
            other, so the true p is larger than the one above; and with many changes even a small \
            difference is beyond noise, so look at the medians too. It tells that they differ, not why." }
        p { "Durations come from sums by day and are within 1 % of what they were." }
        @match value.by {
            By::Bots => p { "By bots alone is a change of which every commit has a bot as its author." }
            By::Assisted => p { "AI-assisted is a change of which a commit says so in its trailers or by its \
                author. Where nobody says it, nobody knows." }
            By::Size => {
                p { "Size is the number of lines that a change adds and removes: as its pull request tells it, or the \
                    commit that it is, or the sum of its commits. Some forges and pipelines do not tell them. "
                    code { "seaway measure" } " reads them from a repository." }
                p { "The parts are quarters of the changes in these days, as near as they can be cut at powers of \
                    two. " @if value.parts.len() < 4 { "Here there are fewer than four, as too many changes are of \
                    about one size." } }
            }
            _ => {}
        }
    }
}
