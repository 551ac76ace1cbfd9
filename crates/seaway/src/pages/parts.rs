//! The parts that pages are made of: sections, figures, tables, cards and small pictures.

use super::chart::Chart;
use super::words::{counted, estimate, interval, unbroken};
use maud::{Markup, html};
use seaway_core::delivery::report::Estimate;
use seaway_core::time::humanize;

/// A table of at most so many rows is open from the start.
const SHORT_TABLE: usize = 6;
/// A table of at least so many columns is too wide for a phone …
const WIDE_TABLE: usize = 5;
/// … and, with at most so many rows, is stacked there: a block a row, each cell under its name.
const STACKED_ROWS: usize = 30;

/// How a column is set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Words, from the left.
    Text(&'static str),
    /// Numbers, to the right and unbroken.
    Number(&'static str),
}

/// A table; the first cell of a row names the row.
pub(crate) struct Table {
    /// What it shows; also its name for those who cannot see it.
    pub(crate) caption: String,
    /// Its columns.
    pub(crate) columns: &'static [Column],
    /// Its rows, each with as many cells as there are columns.
    pub(crate) rows: Vec<Vec<Markup>>,
}

impl Table {
    /// The table itself. A wide one scrolls in its frame, never the page.
    pub(crate) fn markup(&self) -> Markup {
        let stacked = self.columns.len() >= WIDE_TABLE && self.rows.len() <= STACKED_ROWS;
        html! {
            div.scroll role="region" tabindex="0" aria-label=(self.caption) {
                table .stacks[stacked] {
                    caption.hidden { (self.caption) }
                    thead { tr { @for column in self.columns { (head(*column)) } } }
                    tbody { @for row in &self.rows { tr {
                        @for (i, (cell, column)) in row.iter().zip(self.columns).enumerate() {
                            @let kind = matches!(column, Column::Number(_)).then_some("number");
                            @if i == 0 { th class=[kind] scope="row" { (cell) } }
                            @else { td class=[kind] data-name=[stacked.then_some(column.name())] { (cell) } }
                        }
                    } } }
                }
            }
        }
    }

    /// A table that is less than what stands above it: on a phone it begins folded away, where
    /// scripts run.
    pub(crate) fn folded_on_phones(&self) -> Markup {
        html! {
            details.on-phones open {
                summary { (self.caption) " (" (counted(self.rows.len(), "row", "rows")) ")" }
                (self.markup())
            }
        }
    }

    /// The table behind a chart, folded away unless it is short.
    pub(crate) fn folded(&self) -> Markup {
        html! {
            details open[self.rows.len() <= SHORT_TABLE] {
                summary { (self.caption) " (" (counted(self.rows.len(), "row", "rows")) ")" }
                (self.markup())
            }
        }
    }
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Text(name) | Self::Number(name) => name,
        }
    }
}

fn head(column: Column) -> Markup {
    match column {
        Column::Text(name) => html! { th scope="col" { (name) } },
        Column::Number(name) => html! { th.number scope="col" { (name) } },
    }
}

/// A section: its name and how to read it beside what it shows.
pub(crate) fn section(id: &str, name: &str, about: &str, content: &Markup) -> Markup {
    html! {
        section id=(id) aria-labelledby={ (id) "-name" } {
            div.about { h2 id={ (id) "-name" } { (name) } p { (about) } }
            div.content { (content) }
        }
    }
}

/// The sections of a long page, each its identifier and its name.
pub(crate) fn contents(sections: &[(&str, &str)]) -> Markup {
    html! {
        nav.contents aria-label="Sections" { div.frame { ul {
            @for (id, name) in sections { li { a href={ "#" (id) } { (name) } } }
        } } }
    }
}

/// The way to the rows of a table in a file, for those who go on with them elsewhere.
pub(crate) fn as_csv(url: &str, what: &str) -> Markup {
    html! { p.csv { a href=(url) { (what) " as CSV" } } }
}

/// A picture under its finding, with a line of evidence and its data in a table behind it.
pub(crate) fn figure(finding: &str, evidence: &str, picture: &Markup, table: &Table) -> Markup {
    html! {
        figure {
            figcaption { (finding_line(finding, evidence)) }
            (picture)
            (table.folded())
        }
    }
}

/// As [`figure`], the picture being a chart.
pub(crate) fn chart_figure(finding: &str, evidence: &str, chart: &Chart, table: &Table) -> Markup {
    figure(finding, evidence, &chart.markup(finding), table)
}

/// A finding as a heading, with its n in a line below.
pub(crate) fn finding_line(finding: &str, evidence: &str) -> Markup {
    html! {
        h3.finding { (unbroken(finding)) }
        @if !evidence.is_empty() { p.evidence { (unbroken(evidence)) } }
    }
}

/// What stands where data is missing.
pub(crate) fn nothing(sentence: &str) -> Markup {
    html! { p.nothing { (sentence) } }
}

/// A quantile in a cell: its value over its interval.
pub(crate) fn estimate_cell(e: &Estimate) -> Markup {
    html! {
        span.nowrap { (estimate(e)) }
        @if e.seconds.is_none() && e.low.is_some() {
            span.bounds { "not reached yet" }
        } @else if let Some(bounds) = interval(e.low, e.high, humanize) {
            span.bounds { (unbroken(&bounds)) }
        }
    }
}

/// A number with what it means, and optionally what it rests on.
pub(crate) fn card(value: &str, label: &str, basis: &str) -> Markup {
    html! {
        div.card {
            dt { (label) }
            dd { span.value { (value) } @if !basis.is_empty() { span.basis { (basis) } } }
        }
    }
}

/// Cards side by side.
pub(crate) fn cards(cards: &[Markup]) -> Markup {
    html! { dl.cards { @for card in cards { (card) } } }
}

/// A bar of a share (0 to 1), with its interval as a darker stretch.
pub(crate) fn share_bar(share: f64, low: Option<f64>, high: Option<f64>) -> Markup {
    let at = |value: f64| format!("{:.2}", value.clamp(0.0, 1.0) * 100.0);
    html! {
        svg.share-bar viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" {
            rect.track width="100" height="6" {}
            rect.fill width=(at(share)) height="6" {}
            @if let (Some(low), Some(high)) = (low, high) {
                rect.range x=(at(low)) width=(at((high - low).max(0.006))) height="6" {}
            }
        }
    }
}

/// Shares of one whole as one bar; `parts` are shares (0 to 1) in their order.
pub(crate) fn stacked_bar(parts: &[f64]) -> Markup {
    let mut from = 0.0;
    let placed: Vec<(f64, f64)> = parts
        .iter()
        .map(|&part| {
            let at = from;
            from += part;
            (at, part)
        })
        .collect();
    html! {
        svg.stacked viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
            @for (i, (at, part)) in placed.iter().enumerate() {
                rect class={ "part-" (i % 6) } x=(format!("{:.3}", at * 100.0))
                    width=(format!("{:.3}", part * 100.0)) height="10" {}
            }
        }
    }
}

/// A line of positive values on a log scale, without axes; gaps where a value is missing.
/// Nothing if fewer than two values are there.
pub(crate) fn sparkline(values: &[Option<f64>], name: &str) -> Markup {
    let logs: Vec<Option<f64>> = values.iter().map(|v| v.map(|v| v.max(1.0).ln())).collect();
    let known: Vec<f64> = logs.iter().flatten().copied().collect();
    if known.len() < 2 {
        return html! {};
    }
    let low = known.iter().copied().fold(f64::INFINITY, f64::min);
    let high = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let place = |i: usize, value: f64| {
        let x = 4.0 + 192.0 * i as f64 / (logs.len() - 1) as f64;
        (x, 36.0 - 32.0 * (value - low) / (high - low).max(0.1))
    };
    let mut path = String::new();
    let mut last = None;
    for (i, value) in logs.iter().enumerate() {
        let Some(value) = value else {
            last = None;
            continue;
        };
        let (x, y) = place(i, *value);
        path.push_str(&format!("{}{x:.1} {y:.1}", if last.is_some() { "L" } else { "M" }));
        last = Some((x, y));
    }
    html! {
        svg.sparkline viewBox="0 0 200 40" role="img" aria-label=(name) {
            title { (name) }
            path d=(path) {}
            @if let Some((x, y)) = last { circle cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r="3" {} }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_breaks_at_gaps_and_needs_two_values() {
        assert_eq!(sparkline(&[None, Some(5.0)], "x").into_string(), "");
        let line = sparkline(&[Some(60.0), Some(600.0), None, Some(60.0)], "x").into_string();
        assert_eq!(line.matches('M').count(), 2, "{line}");
        assert_eq!(line.matches('L').count(), 1, "{line}");
    }

    #[test]
    fn tables_name_their_rows_and_columns() {
        let table = Table {
            caption: "c".to_owned(),
            columns: &[Column::Text("Name"), Column::Number("n")],
            rows: vec![vec![html! { "a" }, html! { "1" }]],
        };
        let markup = table.folded().into_string();
        assert!(markup.contains("<details open>") && markup.contains("<th scope=\"row\">a</th>"));
        assert!(markup.contains("<th class=\"number\" scope=\"col\">n</th>"), "{markup}");
    }
}
