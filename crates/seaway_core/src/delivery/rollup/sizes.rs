//! Changes of a span in quarters by how many lines they touch.

use super::compare::{Compared, Part, Seen};
use crate::delivery::summary::{Band, Day, DaySummary, Share};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// The changes of a span by size.
#[derive(Debug, Clone, PartialEq)]
pub struct Sizes {
    /// At most four, the smallest first. Fewer where so many changes are of about one size that no
    /// bands can be cut there, none where nobody tells the lines of any.
    pub parts: Vec<(Size, Part)>,
    /// Changes of which nobody tells the lines; they are in no part.
    pub unknown: usize,
}

/// Which changes are in a part.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Size {
    /// The fewest lines, added and removed, that a change may have to be in it.
    pub lines_min: u64,
    /// The most; `None` where there is no most.
    pub lines_max: Option<u64>,
    /// Its part of all changes of the span, delivered or waiting, whose lines are known: from 0 to
    /// 1. Near to a quarter where bands of powers of two can be cut there.
    pub share: f64,
}

impl Sizes {
    /// Puts the changes of summaries by
    /// [`day_summaries`](crate::delivery::summary::day_summaries), those that [`super::report`]
    /// takes, into quarters.
    #[must_use]
    pub fn of(compared: &Compared<'_>, summaries: &BTreeMap<Day, DaySummary>) -> Self {
        let seen = |share: Share| {
            let days = summaries.iter().map(|(&day, summary)| (day, summary.share(&share)));
            Seen::of(compared, days.collect())
        };
        let bands = Band::all().map(|band| seen(Share::Lines(band..=band)).changes());
        let changes: Vec<usize> = bands.collect();
        let all: usize = changes.iter().sum();
        let part = |bands: RangeInclusive<Band>| {
            let (lines_min, lines_max) = (bands.start().low(), bands.end().high());
            let seen = seen(Share::Lines(bands));
            let share = seen.changes() as f64 / all as f64;
            (Size { lines_min, lines_max, share }, seen.part())
        };
        let parts = quarters(&changes).into_iter().map(part).collect();
        Self { parts, unknown: seen(Share::UnknownLines).changes() }
    }
}

/// The bands of each quarter, by the changes in each band: the cuts between them are those nearest
/// to 25, 50 and 75 % of the changes that leave some on both sides, the lower one of two.
fn quarters(changes: &[usize]) -> Vec<RangeInclusive<Band>> {
    let all: usize = changes.iter().sum();
    let mut below = 0;
    let cuts = Band::all().zip(changes).map(|(band, count)| {
        let cut = (band, below);
        below += count;
        cut
    });
    let cuts: Vec<(Band, usize)> = cuts.filter(|&(_, below)| below > 0 && below < all).collect();
    let nearest = |quarter: usize| {
        let distance = |&&(_, below): &&(Band, usize)| (4 * below).abs_diff(quarter * all);
        cuts.iter().min_by_key(distance).map(|&(band, _)| band)
    };
    let chosen: BTreeSet<Band> = (1..4).filter_map(nearest).collect();
    let starts = (all > 0).then_some(Band::FIRST).into_iter().chain(chosen.iter().copied());
    let ends = chosen.iter().filter_map(|band| band.before()).chain([Band::LAST]);
    starts.zip(ends).map(|(first, last)| first..=last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::summary::day_summaries;
    use crate::delivery::summary::fixture::{TODAY, ZONES, horizons, services};
    use crate::delivery::view::ServiceView;
    use proptest::prelude::*;

    fn told(changes: &[usize]) -> Vec<(u64, Option<u64>)> {
        let mut all = [0; Band::COUNT];
        all[..changes.len()].copy_from_slice(changes);
        quarters(&all).iter().map(|bands| (bands.start().low(), bands.end().high())).collect()
    }

    #[test]
    fn cuts_are_nearest_to_quarters() {
        let four = [(0, Some(1)), (2, Some(3)), (4, Some(7)), (8, None)];
        assert_eq!(told(&[5, 5, 5, 5]), four);
        assert_eq!(told(&[2, 2, 2, 2, 2, 2, 2, 2])[1..3], [(4, Some(15)), (16, Some(63))]);
        // A band that holds half of all is not divided.
        assert_eq!(told(&[1, 6, 1]), [(0, Some(1)), (2, Some(3)), (4, None)]);
        assert_eq!(told(&[0, 0, 7, 0, 1]), [(0, Some(7)), (8, None)]);
        assert_eq!(told(&[0, 0, 7]), [(0, None)]);
        assert_eq!(told(&[]), []);
    }

    proptest! {
        /// Whatever the counts, each change is in one part, and no other cut is nearer.
        #[test]
        fn parts_follow_each_other(changes in prop::collection::vec(0..9_usize, Band::COUNT)) {
            let all: usize = changes.iter().sum();
            let parts = quarters(&changes);
            prop_assert_eq!(parts.is_empty(), all == 0);
            let of = |bands: &RangeInclusive<Band>| -> usize {
                let counts = Band::all().zip(&changes);
                counts.filter(|(band, _)| bands.contains(band)).map(|(_, count)| count).sum()
            };
            prop_assert!(parts.iter().all(|part| of(part) > 0) && parts.len() <= 4);
            prop_assert_eq!(parts.iter().map(of).sum::<usize>(), all);
            let ends = |part: &[RangeInclusive<Band>]| {
                part[0].end().high().map(|high| high + 1) == Some(part[1].start().low())
            };
            prop_assert!(parts.windows(2).all(ends));
            let cuts: Vec<usize> = (1..parts.len()).map(|n| parts[..n].iter().map(of).sum()).collect();
            for quarter in [0.25, 0.5, 0.75] {
                let off = |below: usize| (below as f64 / all as f64 - quarter).abs();
                for below in (1..Band::COUNT).map(|cut| changes[..cut].iter().sum()) {
                    let is_cut = below > 0 && below < all;
                    prop_assert!(!is_cut || cuts.iter().any(|&cut| off(cut) <= off(below) + 1e-9));
                }
            }
        }

        /// A part tells what its changes alone tell.
        #[test]
        fn parts_are_those_of_their_changes(
            view in services(40),
            zone in 0..3_usize,
            horizon in horizons(),
            span in prop::option::of((0..50_i32, 1..40_i32)),
        ) {
            let days = &ZONES[zone];
            let since = span.map(|(from, _)| Day(TODAY.0 + from));
            let until = span.map(|(from, length)| Day(TODAY.0 + from + length));
            let compared = Compared { since, until, as_of: horizon, days };
            let of = |is_meant: &dyn Fn(Option<u64>) -> bool| {
                let changes = view.changes.iter().filter(|it| is_meant(it.lines)).cloned();
                let view = ServiceView { changes: changes.collect(), ..view.clone() };
                Part::of(&compared, day_summaries(&view, days))
            };
            let sizes = Sizes::of(&compared, &day_summaries(&view, days));
            let unknown = of(&|lines| lines.is_none()).time_to_value;
            prop_assert_eq!(sizes.unknown, unknown.n + unknown.waiting);
            let known = of(&|lines| lines.is_some()).time_to_value;
            let mut seen = 0;
            for (size, part) in &sizes.parts {
                let high = size.lines_max.unwrap_or(u64::MAX);
                let exact = of(&|lines| lines.is_some_and(|it| size.lines_min <= it && it <= high));
                prop_assert_eq!(part, &exact);
                let changes = part.time_to_value.n + part.time_to_value.waiting;
                prop_assert!(changes > 0);
                let share = changes as f64 / (known.n + known.waiting) as f64;
                prop_assert!((size.share - share).abs() < 1e-9);
                seen += changes;
            }
            prop_assert_eq!(seen, known.n + known.waiting);
        }
    }
}
