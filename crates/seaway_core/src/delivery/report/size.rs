//! Time to value by size: does this history bear out that small changes are faster?

use super::model::{Correlation, SizePoint, SizeQuartile, SizeReport};
use super::span::Span;
use super::value::{Spread, in_words};
use crate::delivery::measured::{Change, Size};
use crate::stats::rank;
use crate::stats::survival::Observation;

/// How many points a picture of size against time is given.
const MOST_POINTS: usize = 2_000;

/// A measured change of known size that the span sees.
#[derive(Clone, Copy)]
struct Sized {
    lines: u64,
    seen: Observation,
}

/// Builds the report on size; `sizes` go with `changes`.
pub(super) fn of(changes: &[Change], sizes: &[Option<Size>], span: Span) -> SizeReport {
    let mut unknown = 0;
    let mut known = Vec::new();
    for (change, size) in changes.iter().zip(sizes).filter(|(change, _)| change.is_measured()) {
        match (span.observe_change(change), size) {
            (Some(seen), Some(size)) => known.push(Sized { lines: size.lines(), seen }),
            (Some(_), None) => unknown += 1,
            (None, _) => {}
        }
    }
    let delivered: Vec<Sized> = known.iter().copied().filter(|change| change.seen.event).collect();
    let points = points(&delivered);
    let correlation = correlation(&delivered);
    known.sort_by_key(|change| change.lines);
    let quartiles = quartiles(&known);
    let finding = finding(delivered.len(), correlation, &quartiles);
    SizeReport { n: known.len(), unknown, quartiles, correlation, finding, points }
}

fn points(delivered: &[Sized]) -> Vec<SizePoint> {
    let stride = delivered.len().div_ceil(MOST_POINTS).max(1);
    let point = |change: &Sized| SizePoint { lines: change.lines, seconds: change.seen.time };
    delivered.iter().step_by(stride).map(point).collect()
}

/// The correlation. Where all pairs are in perfect order the data has no say in how far the truth
/// may be, so the interval is all that a correlation can be.
fn correlation(delivered: &[Sized]) -> Option<Correlation> {
    let lines: Vec<f64> = delivered.iter().map(|change| change.lines as f64).collect();
    let seconds: Vec<f64> = delivered.iter().map(|change| change.seen.time as f64).collect();
    let rank::Correlation { n, rho, low, high } = rank::spearman(&lines, &seconds)?;
    Some(Correlation { n, rho, low: low.unwrap_or(-1.0), high: high.unwrap_or(1.0) })
}

/// Cuts changes, sorted by size, into quarters. Equal sizes stay together: they all go to the
/// quarter that their middle is in.
fn quartiles(sorted: &[Sized]) -> Vec<SizeQuartile> {
    let mut groups: Vec<(usize, usize, usize)> = Vec::new(); // quarter, start, end
    let mut start = 0;
    for equal in sorted.chunk_by(|a, b| a.lines == b.lines) {
        let end = start + equal.len();
        let quarter = 2 * (start + end) / sorted.len();
        match groups.last_mut() {
            Some((last, _, last_end)) if *last == quarter => *last_end = end,
            _ => groups.push((quarter, start, end)),
        }
        start = end;
    }
    groups.into_iter().map(|(_, start, end)| quartile(&sorted[start..end])).collect()
}

fn quartile(group: &[Sized]) -> SizeQuartile {
    let seen: Vec<Observation> = group.iter().map(|change| change.seen).collect();
    let Spread { n, waiting, p50, p85, .. } = Spread::of(&seen);
    SizeQuartile {
        lines_min: group.first().map_or(0, |smallest| smallest.lines),
        lines_max: group.last().map_or(0, |largest| largest.lines),
        n,
        waiting,
        p50,
        p85,
    }
}

fn finding(
    delivered: usize,
    correlation: Option<Correlation>,
    quartiles: &[SizeQuartile],
) -> String {
    let Some(Correlation { rho, low, high, .. }) = correlation else {
        return match delivered {
            0..4 => "Too few changes were delivered to say whether small changes are faster.",
            _ => {
                "All delivered changes are of one size or took equally long, so this history \
                 cannot show whether small changes are faster."
            }
        }
        .to_owned();
    };
    let numbers = format!("rank correlation {rho:.2}, 95 % interval {low:.2} to {high:.2}");
    let claim = match (low > 0.0, high < 0.0) {
        (true, _) => "Small changes are faster here",
        (_, true) => "Here small changes are slower",
        _ => {
            return format!(
                "This history does not show that small changes are faster ({numbers})."
            );
        }
    };
    match quartiles {
        [smallest, .., largest] => format!(
            "{claim}: {} for {}, {} for {} at the median ({numbers}).",
            in_words(&smallest.p50),
            lines(smallest),
            in_words(&largest.p50),
            lines(largest),
        ),
        _ => format!("{claim} ({numbers})."),
    }
}

/// The sizes of a group in words: `1 to 5 lines`.
fn lines(group: &SizeQuartile) -> String {
    match (group.lines_min, group.lines_max) {
        (1, 1) => "1 line".to_owned(),
        (min, max) if min == max => format!("{} lines", count(min)),
        (min, max) => format!("{} to {} lines", count(min), count(max)),
    }
}

/// A whole number with its thousands set apart: `409,934`.
fn count(n: u64) -> String {
    match n {
        0..1_000 => n.to_string(),
        _ => format!("{},{:03}", count(n / 1_000), n % 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Story;
    use super::*;
    use crate::time::HOUR;

    const T: i64 = 1_000_000;

    /// Direct changes of a size that take some hours, one deployment each, and some that wait.
    fn story(delivered: &[(u32, i64)], waiting: &[Option<u32>]) -> Story {
        let of = |lines| Size { files: 1, lines_added: lines, lines_deleted: 0 };
        let at = |i: usize| T + i as i64 * 1_000 * HOUR;
        let lives: Vec<_> =
            delivered.iter().enumerate().map(|(i, &(_, hours))| (at(i), hours * HOUR)).collect();
        let mut story = Story::of_lives(T, &lives);
        let mut sizes = vec![None]; // the baseline
        sizes.extend(delivered.iter().map(|&(lines, _)| Some(of(lines))));
        for &lines in waiting {
            story.direct(at(delivered.len()), at(delivered.len()));
            sizes.push(lines.map(of));
        }
        story.sizes = Some(sizes);
        story
    }

    fn report(delivered: &[(u32, i64)], waiting: &[Option<u32>]) -> SizeReport {
        story(delivered, waiting).report().size.unwrap()
    }

    fn groups(report: &SizeReport) -> Vec<(u64, u64, usize, usize)> {
        let group = |q: &SizeQuartile| (q.lines_min, q.lines_max, q.n, q.waiting);
        report.quartiles.iter().map(group).collect()
    }

    #[test]
    fn quarters_hold_as_many_changes_each() {
        let hours = [(8, 80), (1, 10), (7, 70), (2, 20), (6, 60), (3, 30), (5, 50), (4, 40)];
        let found = report(&hours, &[]);
        assert_eq!((found.n, found.unknown), (8, 0));
        assert_eq!(groups(&found), [(1, 2, 2, 0), (3, 4, 2, 0), (5, 6, 2, 0), (7, 8, 2, 0)]);
        assert_eq!(found.quartiles[3].p50.seconds, Some((70 * HOUR) as f64));
        assert_eq!(found.points.len(), 8);
        assert_eq!(found.points[0], SizePoint { lines: 8, seconds: 80 * HOUR });
    }

    #[test]
    fn equal_sizes_stay_together() {
        // Six of eight are of size 2; their middle is the third quarter's beginning.
        let mut hours = vec![(2, 10); 6];
        hours.extend([(1, 10), (9, 10)]);
        assert_eq!(groups(&report(&hours, &[])), [(1, 1, 1, 0), (2, 2, 6, 0), (9, 9, 1, 0)]);
        assert_eq!(groups(&report(&[(5, 10); 9], &[])), [(5, 5, 9, 0)]);
        assert_eq!(groups(&report(&[(5, 10)], &[])), [(5, 5, 1, 0)]);
        assert_eq!(groups(&report(&[], &[])), []);
    }

    #[test]
    fn waiting_changes_count_in_the_quarters_only() {
        let found = report(&[(1, 10), (2, 20), (3, 30)], &[Some(4), None]);
        assert_eq!((found.n, found.unknown), (4, 1));
        assert_eq!(groups(&found), [(1, 1, 1, 0), (2, 2, 1, 0), (3, 3, 1, 0), (4, 4, 0, 1)]);
        assert_eq!((found.correlation, found.points.len()), (None, 3));
        assert_eq!(
            found.finding,
            "Too few changes were delivered to say whether small changes are faster."
        );
    }

    #[test]
    fn the_finding_says_what_the_interval_allows() {
        let noisy = |i: i64| i + (i * 7) % 5;
        let growing: Vec<_> = (1..=20).map(|i| (i as u32, noisy(i))).collect();
        let found = report(&growing, &[]);
        assert!(found.correlation.unwrap().low > 0.5, "{:?}", found.correlation);
        assert!(
            found.finding.starts_with("Small changes are faster here: 5 h for 1 to 5 lines, "),
            "{}",
            found.finding
        );
        let falling: Vec<_> = (1..=20).map(|i| (i as u32, noisy(21 - i))).collect();
        let finding = report(&falling, &[]).finding;
        assert!(finding.starts_with("Here small changes are slower: "), "{finding}");
        let mixed: Vec<_> = (1..=20).map(|i| (i as u32, 1 + (i * 7) % 20)).collect();
        let finding = report(&mixed, &[]).finding;
        assert!(finding.starts_with("This history does not show that small"), "{finding}");
        let same = report(&[(5, 10); 9], &[]).finding;
        assert!(same.starts_with("All delivered changes are of one size"), "{same}");
    }

    #[test]
    fn a_perfect_order_has_no_interval() {
        let found = report(&[(1, 1), (2, 2), (3, 3), (4, 4)], &[]).correlation.unwrap();
        assert_eq!((found.n, found.rho, found.low, found.high), (4, 1.0, -1.0, 1.0));
    }

    #[test]
    fn points_are_taken_evenly() {
        let of = |i: u64| Sized { lines: i, seen: Observation { entry: 0, time: 0, event: true } };
        for (n, kept) in [(0, 0), (2_000, 2_000), (2_001, 1_001), (10_000, 2_000)] {
            assert_eq!(points(&(0..n).map(of).collect::<Vec<_>>()).len(), kept);
        }
    }

    #[test]
    fn without_sizes_there_is_no_report() {
        let mut story = story(&[(1, 1)], &[]);
        story.sizes = None;
        assert_eq!(story.report().size, None);
    }
}
