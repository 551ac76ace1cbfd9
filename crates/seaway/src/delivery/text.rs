//! The report as text of at most 80 columns.

use crate::pages::words::{clean, count, counted, decimal, estimate, interval, percent};
use seaway_core::delivery::report::{
    Dimension, DoraMeasure, Estimate, Finding, Flow, Report, Rework, SizeReport, Source, Stage,
    TimeToValue, Trend,
};
use seaway_core::time::{Time, humanize};
use std::fmt::Write;

/// The widest line.
const WIDTH: usize = 80;
const BOLD: &str = "\x1b[1m";
const CYAN: &str = "\x1b[36m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

/// Renders the report. Colours are escape sequences that the stream takes out where the output is
/// no terminal or the user does not want them; they count nothing in the width.
pub(crate) fn render(report: &Report) -> String {
    let mut page = Page::default();
    page.source(&report.source, report);
    page.time_to_value(&report.time_to_value);
    page.trend(&report.trend);
    page.stages(&report.stages);
    if let Some(size) = &report.size {
        page.size(size);
    }
    page.flow(&report.flow);
    page.rework(&report.rework);
    page.dora(&report.dora);
    page.dimensions(&report.dimensions);
    page.data_quality(&report.data_quality);
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn heading(&mut self, title: &str) {
        self.line("");
        self.line(&format!("{BOLD}{CYAN}{title}{RESET}"));
    }

    /// A paragraph, broken at words.
    fn prose(&mut self, indent: usize, text: &str) {
        for line in wrap(text, WIDTH - indent) {
            self.line(&format!("{:indent$}{line}", ""));
        }
    }

    /// Cells in columns: the first to the left, the others to the right. The first is cut where
    /// a line would be too wide.
    fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let mut widths: Vec<usize> = head.iter().map(|cell| width(cell)).collect();
        for row in rows {
            for (at, cell) in row.iter().enumerate() {
                widths[at] = widths[at].max(width(cell));
            }
        }
        let others: usize = widths.iter().skip(1).map(|width| width + 2).sum();
        widths[0] = widths[0].min(WIDTH.saturating_sub(2 + others));
        let format = |cells: &[String]| {
            let mut line = "  ".to_owned();
            for (at, cell) in cells.iter().enumerate() {
                let cell = if at == 0 { cut(cell, widths[0]) } else { cell.clone() };
                let pad = widths[at].saturating_sub(width(&cell));
                let (before, after) = if at == 0 { (0, pad) } else { (pad + 2, 0) };
                let _ = write!(line, "{:before$}{cell}{:after$}", "", "");
            }
            line
        };
        let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
        self.line(&format!("{DIM}{}{RESET}", format(&head).trim_end()));
        for row in rows {
            self.line(&format(row));
        }
    }

    fn source(&mut self, source: &Source, report: &Report) {
        let branch = source.branch.as_deref().unwrap_or("no branch");
        let head = source.head.as_deref().map_or(String::new(), |head| format!(" at {head:.12}"));
        let name = clean(&source.repository, 40);
        self.line(&format!("{BOLD}Time to value of {name}{RESET} ({}{head})", clean(branch, 30)));
        let deploys: Vec<String> = source.deploys.iter().map(|spec| clean(spec, 60)).collect();
        self.prose(
            0,
            &format!(
                "{}{}: {}, because {}.",
                sentence(&counted(report.deployments.count, "deployment", "deployments")),
                match report.deployments.count {
                    0 => String::new(),
                    _ => format!(
                        " ({} to {})",
                        day(report.deployments.first),
                        day(report.deployments.last)
                    ),
                },
                deploys.join(", "),
                clean(&source.reason, 200),
            ),
        );
        self.prose(0, &format!("To take others, {}.", source.advice));
        self.prose(
            0,
            &format!(
                "{} commits: {} baseline, {} delivered, {} waiting as of {}.",
                count(report.commits.baseline + report.commits.delivered + report.commits.waiting),
                count(report.commits.baseline),
                count(report.commits.delivered),
                count(report.commits.waiting),
                day(source.as_of),
            ),
        );
        if source.since.is_some() || source.until.is_some() {
            let from = source.since.map_or("the beginning".to_owned(), |since| day(Some(since)));
            let to = source.until.map_or("the end".to_owned(), |until| day(Some(until)));
            self.prose(0, &format!("Only what was delivered from {from} to {to}."));
        }
        if !source.paths.is_empty() {
            let paths: Vec<String> = source.paths.iter().map(|path| clean(path, 60)).collect();
            self.prose(0, &format!("Only changes that touch {}.", paths.join(", ")));
        }
    }

    fn time_to_value(&mut self, value: &TimeToValue) {
        self.heading("Time to value");
        if value.n + value.waiting == 0 {
            self.prose(2, "No change was delivered or is waiting: there is nothing to measure.");
            return;
        }
        self.prose(2, &sample(value.n, value.waiting));
        let rows = [("half of all changes", value.p50), ("85 %", value.p85), ("95 %", value.p95)]
            .map(|(label, quantile)| {
                vec![label.to_owned(), estimate(&quantile), bounds(&quantile)]
            });
        self.table(&["delivered within", "", "95 % interval"], &rows);
        let rows: Vec<Vec<String>> = value
            .within
            .iter()
            .map(|share| {
                let between = interval(share.low, share.high, percent).unwrap_or_default();
                let known = share.share.map_or("not known".to_owned(), percent);
                vec![format!("within {}", share.label), known, between]
            })
            .collect();
        self.table(&["share of changes", "", "95 % interval"], &rows);
    }

    fn trend(&mut self, trend: &Trend) {
        self.heading("Trend");
        if trend.points.is_empty() {
            self.prose(2, "Nothing was delivered, so there is no trend.");
            return;
        }
        let medians: Vec<Option<f64>> =
            trend.points.iter().map(|point| point.p50.seconds).collect();
        self.line(&format!("  median  {}", sparkline(&medians)));
        let rows: Vec<Vec<String>> = trend
            .points
            .iter()
            .map(|point| {
                let mark = if point.complete { "" } else { " *" };
                vec![
                    format!("{}{mark}", point.label),
                    count(point.n),
                    count(point.waiting),
                    if point.n == 0 { String::new() } else { estimate(&point.p50) },
                    if point.n == 0 { String::new() } else { bounds(&point.p50) },
                    if point.n == 0 { String::new() } else { estimate(&point.p85) },
                ]
            })
            .collect();
        self.table(&["", "n", "waiting", "p50", "95 % interval", "p85"], &rows);
        if trend.points.iter().any(|point| !point.complete) {
            self.prose(2, "* The data covers a part of this period only.");
        }
        self.prose(2, &trend.finding);
    }

    fn stages(&mut self, stages: &[Stage]) {
        self.heading("Stages");
        let rows: Vec<Vec<String>> = stages
            .iter()
            .map(|stage| {
                vec![
                    format!("{} to {}", stage.from, stage.to),
                    count(stage.n),
                    estimate(&stage.p50),
                    bounds(&stage.p50),
                    stage.share.map_or("not known".to_owned(), percent),
                ]
            })
            .collect();
        self.table(&["", "n", "p50", "95 % interval", "share"], &rows);
    }

    fn size(&mut self, size: &SizeReport) {
        self.heading("Size");
        if size.n == 0 {
            self.prose(2, "No size of a measured change is known.");
            return;
        }
        let rows: Vec<Vec<String>> = size
            .quartiles
            .iter()
            .map(|part| {
                let (from, to) = (part.lines_min as usize, part.lines_max as usize);
                let lines = match from == to {
                    true => count(from),
                    false => format!("{} to {}", count(from), count(to)),
                };
                vec![
                    lines,
                    count(part.n),
                    count(part.waiting),
                    estimate(&part.p50),
                    bounds(&part.p50),
                ]
            })
            .collect();
        self.table(&["lines changed", "n", "waiting", "p50", "95 % interval"], &rows);
        if let Some(correlation) = size.correlation {
            self.prose(
                2,
                &format!(
                    "Rank correlation of size and time: {:.2} ({:.2} to {:.2}; n = {}).",
                    correlation.rho,
                    correlation.low,
                    correlation.high,
                    count(correlation.n)
                ),
            );
        }
        self.prose(2, &size.finding);
        if size.unknown > 0 {
            self.prose(2, &format!("The size of {} could not be read.", changes(size.unknown)));
        }
    }

    fn flow(&mut self, flow: &Flow) {
        self.heading("Flow");
        let per_week = flow.deployments_per_week.map_or("not known".to_owned(), decimal);
        let weeks = match flow.weeks > 0.0 {
            true => format!(" over {} weeks", decimal(flow.weeks)),
            false => String::new(),
        };
        self.prose(2, &format!("Deployments a week: {per_week}{weeks}."));
        if let (Some(median), Some(mean)) =
            (flow.changes_per_deployment_p50, flow.changes_per_deployment_mean)
        {
            self.prose(
                2,
                &format!(
                    "Changes in a delivering deployment: {} at the median, {} at the mean (n = {}).",
                    decimal(median),
                    decimal(mean),
                    count(flow.delivering_deployments)
                ),
            );
        }
        let age = flow.waiting_age_p50.map_or(String::new(), |age| {
            format!(", half of them for longer than {}", humanize(age))
        });
        self.prose(2, &format!("Waiting: {}{age}.", changes(flow.waiting)));
        if flow.waiting > 0 {
            let ages: Vec<String> = flow
                .waiting_by_age
                .iter()
                .map(|band| format!("{} {}", count(band.changes), band.label))
                .collect();
            self.prose(2, &format!("By age: {}.", ages.join(", ")));
        }
        for change in &flow.oldest {
            let age = humanize(change.seconds as f64);
            let line =
                format!("{:>12}  {:.10}  {}", age, change.change, clean(&change.subject, 80));
            self.line(&cut(&format!("  {line}"), WIDTH));
        }
    }

    fn rework(&mut self, rework: &Rework) {
        self.heading("Rework");
        let share = rework.share.map_or(String::new(), |share| {
            format!(" ({} of all measured changes)", percent(share))
        });
        self.prose(
            2,
            &format!(
                "{}, {} reverted{share}.",
                sentence(&counted(rework.reverts, "revert", "reverts")),
                changes(rework.reverted)
            ),
        );
        let unsuccessful = match rework.unsuccessful_deployments {
            0 => String::new(),
            n => format!("; {} on record as not successful", count(n)),
        };
        let taken_back = match rework.rollbacks {
            0 => String::new(),
            _ => format!(
                " that took back {}",
                counted(rework.failed_deployments, "deployment", "deployments")
            ),
        };
        self.prose(
            2,
            &format!(
                "{}{taken_back}; {}{unsuccessful}.",
                sentence(&counted(rework.rollbacks, "rollback", "rollbacks")),
                counted(rework.redeployments, "redeployment", "redeployments"),
            ),
        );
        for item in &rework.latest {
            let subject = clean(&item.subject, 80);
            let line = format!("  {:<8}  {}  {subject}", item.kind, day(item.at));
            self.line(&cut(&line, WIDTH));
        }
    }

    fn dora(&mut self, measures: &[DoraMeasure]) {
        self.heading("DORA, as far as git can tell");
        for measure in measures {
            let write = |value: f64| match measure.unit {
                Some("seconds") => humanize(value),
                Some("share") => percent(value),
                _ => decimal(value),
            };
            let unit = if measure.unit == Some("per week") { " a week" } else { "" };
            let value = measure.value.map_or("not known".to_owned(), write);
            let between = interval(measure.low, measure.high, write)
                .map_or(String::new(), |between| format!(" ({between})"));
            let n = measure.n.map_or(String::new(), |n| format!(", n = {}", count(n)));
            self.line(&format!("  {BOLD}{}{RESET}: {value}{unit}{between}{n}", measure.name));
            self.prose(4, &measure.note);
        }
    }

    fn dimensions(&mut self, dimensions: &[Dimension]) {
        self.heading("Dimensions");
        for dimension in dimensions {
            let rows: Vec<Vec<String>> = dimension
                .groups
                .iter()
                .map(|group| {
                    let known = group.n + group.waiting > 0;
                    let show = |text: String| if known { text } else { String::new() };
                    vec![
                        group.label.to_owned(),
                        count(group.n),
                        count(group.waiting),
                        show(estimate(&group.p50)),
                        show(bounds(&group.p50)),
                        show(estimate(&group.p85)),
                    ]
                })
                .collect();
            let head = [dimension.name, "n", "waiting", "p50", "95 % interval", "p85"];
            self.table(&head, &rows);
            self.prose(2, &dimension.finding);
        }
    }

    fn data_quality(&mut self, findings: &[Finding]) {
        self.heading("Data quality");
        if findings.is_empty() {
            self.prose(2, "Nothing to report.");
        }
        for finding in findings {
            self.prose(2, &format!("{}: {}", count(finding.count), clean(&finding.message, 400)));
            if !finding.examples.is_empty() {
                let examples: Vec<String> =
                    finding.examples.iter().map(|example| clean(example, 60)).collect();
                self.prose(4, &format!("for example {}", examples.join(", ")));
            }
        }
    }
}

fn sample(n: usize, waiting: usize) -> String {
    match waiting {
        0 => format!("{} delivered, none waiting.", changes(n)),
        _ => format!("{} delivered, {} waiting and counted as such.", changes(n), count(waiting)),
    }
}

/// A text with a capital at its beginning.
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or(String::new(), |first| first.to_uppercase().chain(rest).collect())
}

fn changes(n: usize) -> String {
    counted(n, "change", "changes")
}

fn day(time: Option<Time>) -> String {
    crate::pages::words::day(time)
}

fn bounds(estimate: &Estimate) -> String {
    interval(estimate.low, estimate.high, humanize).unwrap_or_default()
}

/// One character a value, on a logarithmic scale; a dot where there is none.
fn sparkline(values: &[Option<f64>]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let logarithm = |value: f64| value.max(1.0).ln();
    let known = || values.iter().flatten().map(|&value| logarithm(value));
    let (low, high) = (known().fold(f64::MAX, f64::min), known().fold(f64::MIN, f64::max));
    let span = (high - low).max(f64::EPSILON);
    values
        .iter()
        .map(|value| match value {
            Some(value) => {
                let place = (logarithm(*value) - low) / span * (BARS.len() - 1) as f64;
                BARS[place.round().clamp(0.0, 7.0) as usize]
            }
            None => '·',
        })
        .collect()
}

/// How many columns a text takes. Characters that take two are counted as such.
fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Columns of one character: East Asian wide characters and most pictographs take two.
fn char_width(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36F | 0x200B..=0x200F | 0xFE00..=0xFE0F => 0,
        0x1100..=0x115F
        | 0x2E80..=0xA4CF
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1FAFF
        | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

/// A text of at most so many columns.
fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += char_width(c);
        if used > columns {
            break;
        }
        kept.push(c);
    }
    kept + "…"
}

/// Breaks a text into lines of at most so many columns; a longer word is cut.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let word = cut(word, columns);
        let more = width(&word);
        if used > 0 && used + 1 + more > columns {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(&word);
            used += more;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_words_and_never_too_wide() {
        let lines = wrap("one two three four", 9);
        assert_eq!(lines, ["one two", "three", "four"]);
        assert_eq!(wrap("abcdefghij", 4), ["abc…"]);
        assert_eq!(cut("漢字漢字", 5), "漢字…");
    }

    #[test]
    fn sparklines_rise_with_their_values() {
        let line = sparkline(&[Some(60.0), None, Some(3600.0), Some(86_400.0)]);
        assert_eq!(line, "▁·▅█");
        assert_eq!(sparkline(&[Some(5.0)]), "▁");
    }
}
