//! What the summaries of a service gain and lose when a few of its rows change.

use super::rows::Rows;
use super::{Day, DaySummary, Days};
use crate::delivery::measured::CommitLife;
use crate::delivery::view::ServiceView;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What is to be added to the kept summaries of a service ([`super::day_summaries`]) when its view
/// was `before` and is `now`. A difference may hold less than nothing; days without any are left
/// out.
///
/// Summaries are sums over rows, so rows that are in both views cancel out: the cost is that of
/// comparing the rows, and of summing up those that differ.
#[must_use]
pub fn day_differences(
    before: &ServiceView,
    now: &ServiceView,
    days: &Days,
) -> BTreeMap<Day, DaySummary> {
    let changes = differing(&before.changes, &now.changes, |a, b| a.change.cmp(&b.change));
    let deployments = differing(&before.deployments, &now.deployments, |a, b| {
        (&a.environment, &a.name).cmp(&(&b.environment, &b.name))
    });
    let incidents = differing(&before.incidents, &now.incidents, |a, b| a.id.cmp(&b.id));
    let commits = differing(&before.commits, &now.commits, CommitLife::cmp);
    let [gone, new] = [0, 1].map(|side| Rows {
        changes: &changes[side],
        deployments: &deployments[side],
        incidents: &incidents[side],
        commits: &commits[side],
    });
    let mut differences = new.day_summaries(days);
    for (day, summary) in gone.day_summaries(days) {
        differences.entry(day).or_default().subtract(&summary);
    }
    differences.retain(|_, difference| !difference.is_empty());
    differences
}

/// The rows that are in one of two lists and not in the other: those of the first, and those of the
/// second. `order` tells rows apart.
fn differing<'a, T: PartialEq>(
    before: &'a [T],
    now: &'a [T],
    order: impl Fn(&T, &T) -> Ordering,
) -> [Vec<&'a T>; 2] {
    // Most rows stay where they were.
    let same = before.iter().zip(now).take_while(|(a, b)| a == b).count();
    let (before, now) = (&before[same..], &now[same..]);
    let same = before.iter().rev().zip(now.iter().rev()).take_while(|(a, b)| a == b).count();
    let mut sides = [&before[..before.len() - same], &now[..now.len() - same]]
        .map(|rows| rows.iter().collect::<Vec<&T>>());
    sides.iter_mut().for_each(|rows| rows.sort_unstable_by(|a, b| order(a, b)));
    let [before, now] = sides;
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    let (mut before, mut now) = (before.into_iter().peekable(), now.into_iter().peekable());
    while let (Some(old), Some(row)) = (before.peek(), now.peek()) {
        match order(old, row) {
            Ordering::Less => gone.extend(before.next()),
            Ordering::Greater => new.extend(now.next()),
            Ordering::Equal => {
                let is_same = old == row;
                let (old, row) = (before.next(), now.next());
                if !is_same {
                    gone.extend(old);
                    new.extend(row);
                }
            }
        }
    }
    gone.extend(before);
    new.extend(now);
    [gone, new]
}

#[cfg(test)]
mod tests {
    use super::super::day_summaries;
    use super::super::fixture::{ZONES, services};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_that_moved_are_the_same_rows() {
        let told = |before: &[u8], now: &[u8]| {
            differing(before, now, u8::cmp)
                .map(|rows| rows.into_iter().copied().collect::<Vec<_>>())
        };
        assert_eq!(told(&[1, 2, 3], &[3, 1, 2]), [const { Vec::<u8>::new() }; 2]);
        assert_eq!(told(&[1, 2, 3], &[1, 9, 2, 3]), [vec![], vec![9]]);
        assert_eq!(told(&[1, 2, 2, 3], &[2, 3]), [vec![1, 2], vec![]]);
        assert_eq!(told(&[], &[2, 1]), [vec![], vec![1, 2]]);
    }

    /// The long way: all rows of both.
    fn by_all_rows(
        before: &ServiceView,
        now: &ServiceView,
        days: &Days,
    ) -> BTreeMap<Day, DaySummary> {
        let mut all = day_summaries(now, days);
        for (day, summary) in day_summaries(before, days) {
            all.entry(day).or_default().subtract(&summary);
        }
        all.retain(|_, difference| !difference.is_empty());
        all
    }

    /// A view some of whose rows are those of another one.
    fn mixed(one: &ServiceView, other: &ServiceView, picks: &[bool]) -> ServiceView {
        fn pick<T: Clone>(one: &[T], other: &[T], picks: &[bool]) -> Vec<T> {
            let longer = one.len().max(other.len());
            let from = |at: usize| match picks.get(at % picks.len().max(1)) {
                Some(true) => other.get(at).or(one.get(at)),
                _ => one.get(at),
            };
            (0..longer).filter_map(from).cloned().collect()
        }
        ServiceView {
            changes: pick(&one.changes, &other.changes, picks),
            deployments: pick(&one.deployments, &other.deployments, picks),
            incidents: pick(&one.incidents, &other.incidents, picks),
            commits: pick(&one.commits, &other.commits, picks),
            ..one.clone()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn rows_that_stay_cancel_out(
            mut one in services(20),
            other in services(20),
            zone in 0..3_usize,
            picks in proptest::collection::vec(any::<bool>(), 1..6),
            has_names in any::<bool>(),
        ) {
            let days = &ZONES[zone];
            for (at, change) in one.changes.iter_mut().enumerate().filter(|_| has_names) {
                change.change = format!("{at:03}");
            }
            let now = mixed(&one, &other, &picks);
            for [a, b] in [[&one, &now], [&now, &other], [&now, &now]] {
                prop_assert_eq!(day_differences(a, b, days), by_all_rows(a, b, days));
            }
        }
    }
}
