//! Small changes of a service against its large ones.

use crate::pages::chart::{Chart, count_axis, log_range, time_axis};
use crate::pages::parts::{Column, Table, chart_figure, estimate_cell, finding_line, nothing};
use crate::pages::words::{count, counted, lines};
use maud::{Markup, html};
use seaway_core::delivery::report::Estimate;
use seaway_core::delivery::view::{ChangeRow, Milestone};
use seaway_core::stats::survival::{Curve, Observation};
use seaway_core::time::humanize;
use serde_json::json;

/// What stands for the size of changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Measure {
    Lines,
    /// Where nobody tells the lines of any.
    Commits,
}

impl Measure {
    fn of(changes: &[ChangeRow]) -> Self {
        match changes.iter().any(|it| it.is_measured() && it.lines.is_some()) {
            true => Self::Lines,
            false => Self::Commits,
        }
    }

    /// `None` where it is not known.
    fn size(self, change: &ChangeRow) -> Option<u64> {
        match self {
            Self::Lines => change.lines,
            Self::Commits => Some(change.commits.into()),
        }
    }

    fn counted(self, size: u64) -> String {
        match self {
            Self::Lines => lines(size),
            Self::Commits => {
                counted(usize::try_from(size).unwrap_or(usize::MAX), "commit", "commits")
            }
        }
    }
}

/// What the section says of itself.
pub(super) fn about(changes: &[ChangeRow]) -> &'static str {
    match Measure::of(changes) {
        Measure::Lines => {
            "Lines that a change adds and removes, as its pull request or its commits tell them."
        }
        Measure::Commits => {
            "Nobody tells the lines of these changes: the number of commits in a change stands for its size."
        }
    }
}

/// A measured change with its size and its life so far.
struct Sized {
    size: u64,
    seen: Observation,
}

/// Those of some changes that are measured and of known size, and how many more are measured.
fn sized(changes: &[ChangeRow], measure: Measure, as_of: i64) -> (Vec<Sized>, usize) {
    let measured: Vec<&ChangeRow> = changes.iter().filter(|it| it.is_measured()).collect();
    let sized =
        |it: &&ChangeRow| Some(Sized { size: measure.size(it)?, seen: observation(it, as_of)? });
    let known: Vec<Sized> = measured.iter().filter_map(sized).collect();
    let unknown = measured.len() - known.len();
    (known, unknown)
}

/// The size up to which a change is small: the middle one of all, or where no change is larger, the
/// next smaller one. `None` where all are of one size.
fn border(known: &[Sized]) -> Option<u64> {
    let mut sizes: Vec<u64> = known.iter().map(|it| it.size).collect();
    sizes.sort_unstable();
    let (middle, largest) = (*sizes.get(sizes.len().checked_sub(1)? / 2)?, *sizes.last()?);
    let smaller = || sizes.iter().rev().find(|&&size| size < largest).copied();
    if middle < largest { Some(middle) } else { smaller() }
}

/// Small changes against large ones, of the latest ones.
pub(super) fn sizes(changes: &[ChangeRow], as_of: i64) -> Markup {
    let measure = Measure::of(changes);
    let (known, unknown) = sized(changes, measure, as_of);
    let Some(border) = border(&known) else {
        return nothing("The latest changes are all of one size.");
    };
    let groups = [
        (format!("up to {}", measure.counted(border)), Spread::of(&known, |size| size <= border)),
        (
            format!("more than {}", measure.counted(border)),
            Spread::of(&known, |size| size > border),
        ),
    ];
    let finding = match (groups[0].1.p50.seconds, groups[1].1.p50.seconds) {
        (Some(small), Some(large)) => format!(
            "Changes of up to {} take {}, larger ones {}, at the median",
            measure.counted(border),
            humanize(small),
            humanize(large)
        ),
        _ => "The median of one of the sizes is not reached yet".to_owned(),
    };
    let table = Table {
        caption: "Time to value by size".to_owned(),
        columns: &[
            Column::Text("Size"),
            Column::Number("n"),
            Column::Number("Waiting"),
            Column::Number("p50"),
            Column::Number("p85"),
        ],
        rows: groups.iter().map(|(name, spread)| spread.row(name)).collect(),
    };
    let latest = counted(known.len(), "change", "changes");
    let evidence = match unknown {
        0 => format!("Of the latest {latest} on the mainline"),
        _ => format!(
            "Of {latest} among the latest on the mainline; the lines of {} more are not known",
            count(unknown)
        ),
    };
    match chart(&known, measure) {
        Some(chart) => chart_figure(&finding, &evidence, &chart, &table),
        None => html! { (finding_line(&finding, &evidence)) (table.markup()) },
    }
}

/// The quantiles of some changes.
struct Spread {
    n: usize,
    waiting: usize,
    p50: Estimate,
    p85: Estimate,
}

impl Spread {
    fn of(known: &[Sized], is_meant: impl Fn(u64) -> bool) -> Self {
        let meant = known.iter().filter(|it| is_meant(it.size));
        let seen: Vec<Observation> = meant.map(|it| it.seen).collect();
        let curve = Curve::of(seen.iter().copied()).until_exhausted();
        let estimate = |p| {
            let quantile = curve.quantile(p);
            Estimate { seconds: quantile.estimate, low: quantile.low, high: quantile.high }
        };
        let n = seen.iter().filter(|it| it.event).count();
        Self { n, waiting: seen.len() - n, p50: estimate(0.5), p85: estimate(0.85) }
    }

    fn row(&self, name: &str) -> Vec<Markup> {
        vec![
            html! { (name) },
            html! { (count(self.n)) },
            html! { (count(self.waiting)) },
            estimate_cell(&self.p50),
            estimate_cell(&self.p85),
        ]
    }
}

fn observation(change: &ChangeRow, as_of: i64) -> Option<Observation> {
    let start = change.milestones.start()?;
    let deployed = change.milestones.get(Milestone::Deployed);
    let time = deployed.unwrap_or(as_of).saturating_sub(start).max(0);
    Some(Observation { entry: 0, time, event: deployed.is_some() })
}

fn chart(known: &[Sized], measure: Measure) -> Option<Chart> {
    let delivered: Vec<&Sized> = known.iter().filter(|it| it.seen.event).collect();
    // A log axis has no 0; where one stands is marked as such.
    let on_log = |size: u64| if size == 0 { 0.5 } else { size as f64 };
    let xs: Vec<f64> = delivered.iter().map(|it| on_log(it.size)).collect();
    let ys: Vec<f64> = delivered.iter().map(|it| it.seen.time.max(1) as f64).collect();
    let (sizes, times) = (log_range(xs.iter().copied())?, log_range(ys.iter().copied())?);
    let told = |it: &&Sized| {
        format!("{}, {}", measure.counted(it.size), humanize(it.seen.time.max(1) as f64))
    };
    let trace = json!({
        "x": xs, "y": ys, "customdata": delivered.iter().map(told).collect::<Vec<_>>(),
        "mode": "markers", "name": "a change",
        "marker": { "size": 6, "color": "--accent-dots" },
        "hovertemplate": "%{customdata}<extra></extra>",
    });
    let axis = match measure {
        Measure::Lines => "Lines added and removed (log scale)",
        Measure::Commits => "Commits (log scale)",
    };
    Some(Chart {
        height: 320,
        traces: vec![trace],
        layout: json!({
            "xaxis": count_axis(axis, sizes),
            "yaxis": time_axis("Time to value (log scale)", times),
        }),
        narrow: json!({}),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_changes_are_the_smaller_half() {
        let border = |sizes: &[u64]| {
            let seen = Observation { entry: 0, time: 1, event: true };
            border(&sizes.iter().map(|&size| Sized { size, seen }).collect::<Vec<_>>())
        };
        assert_eq!([border(&[]), border(&[4]), border(&[4, 4])], [None, None, None]);
        assert_eq!(border(&[9, 1, 5, 3]), Some(3));
        assert_eq!(border(&[1, 9, 5]), Some(5));
        assert_eq!(border(&[0, 7, 7, 7]), Some(0));
    }
}
