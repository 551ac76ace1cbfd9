//! Changes that appeared on a day after the one on which they were started. How old one of them was
//! when a span began depends on the span, so the day of its start is kept, and how long it lived in
//! that day.

use super::{Day, Days};
use crate::stats::bytes::{Bytes, write, write_signed};
use std::collections::BTreeMap;

/// Entering changes by the day of their start: a commutative group, as all of a summary is. A
/// difference of two may hold less than none of a change.
///
/// Those that were started on the same day, at about the same time before its end (a quarter apart
/// at most, or a minute), are kept as their number and their mean. So a change on its own is exact,
/// and the days of an organization do not grow with its changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entering(BTreeMap<Place, Sum>);

/// A day, and a part of it, counted from its end.
type Place = (Day, u8);

/// Changes that were started there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    count: i64,
    /// From the start of each to the end of that day.
    seconds: i64,
}

/// How long a part of a day is that is not divided further, as a power of two: about a minute.
const SHORT: u32 = 6;

/// The part of a day in which a moment is, by the seconds from there to the day's end: a quarter of
/// an octave.
fn part_of(seconds: i64) -> u8 {
    let seconds = u32::try_from(seconds).unwrap_or(0);
    let Some(octave) = seconds.checked_ilog2().and_then(|log| log.checked_sub(SHORT)) else {
        return 0;
    };
    let quarter = seconds >> (octave + SHORT - 2) & 3;
    // 26 octaves of 4 at most.
    (1 + octave * 4 + quarter) as u8
}

impl Entering {
    /// Adds a change that was started at a moment.
    pub(super) fn add(&mut self, start: i64, days: &Days) {
        let day = days.of(start);
        let seconds = days.start(day.next()).saturating_sub(start).max(0);
        self.count((day, part_of(seconds)), Sum { count: 1, seconds });
    }

    fn count(&mut self, place: Place, amount: Sum) {
        let sum = self.0.entry(place).or_default();
        sum.count = sum.count.wrapping_add(amount.count);
        sum.seconds = sum.seconds.wrapping_add(amount.seconds);
        if *sum == Sum::default() {
            self.0.remove(&place);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(&place, &sum)| self.count(place, sum));
    }

    pub(super) fn subtract(&mut self, other: &Self) {
        for (&place, sum) in &other.0 {
            let Sum { count, seconds } = *sum;
            let less = Sum { count: count.wrapping_neg(), seconds: seconds.wrapping_neg() };
            self.count(place, less);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> i64 {
        self.0.values().fold(0, |all, sum| all.wrapping_add(sum.count))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Of those that were started before the first moment of a day, the ages in seconds at that
    /// moment, with how many have each.
    pub(in crate::delivery) fn ages_at<'a>(
        &'a self,
        day: Day,
        days: &'a Days,
    ) -> impl Iterator<Item = (i64, i64)> + 'a {
        let moment = days.start(day);
        self.0.range(..(day, 0)).filter(|(_, sum)| sum.count != 0).map(
            move |(&(started, _), sum)| {
                let mean = sum.seconds.wrapping_div(sum.count).max(0);
                let whole = moment.saturating_sub(days.start(started.next())).max(0);
                (whole.saturating_add(mean), sum.count)
            },
        )
    }

    pub(super) fn encode(&self, to: &mut Vec<u8>) {
        write(self.0.len() as u64, to);
        let mut before = 0;
        for (&(Day(day), part), sum) in &self.0 {
            write_signed(i64::from(day) - i64::from(before), to);
            write(part.into(), to);
            write_signed(sum.count, to);
            write_signed(sum.seconds, to);
            before = day;
        }
    }

    /// Takes no more memory than some times the bytes that are left.
    pub(super) fn decode(from: &mut Bytes<'_>) -> Option<Self> {
        let mut entering: Vec<(Place, Sum)> = Vec::new();
        let mut before = 0;
        for _ in 0..from.read()? {
            let day = i64::from(before).checked_add(from.read_signed()?)?;
            let place = (Day(i32::try_from(day).ok()?), u8::try_from(from.read()?).ok()?);
            let sum = Sum { count: from.read_signed()?, seconds: from.read_signed()? };
            let in_order = entering.last().is_none_or(|(last, _)| *last < place);
            if !in_order || sum == Sum::default() {
                return None;
            }
            entering.push((place, sum));
            before = place.0.0;
        }
        Some(Self(entering.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{T, TODAY, ZONES};
    use super::*;
    use crate::time::DAY;
    use proptest::prelude::*;

    #[test]
    fn parts_of_a_day_grow_with_the_distance_from_its_end() {
        let mut widths = BTreeMap::new();
        let mut last = 0;
        for seconds in 0..=25 * 3_600 {
            let part = part_of(seconds);
            assert!(last <= part);
            last = part;
            let (low, high) = widths.entry(part).or_insert((seconds, seconds));
            (*low, *high) = (seconds.min(*low), seconds.max(*high));
        }
        assert!(widths.len() < 50, "{}", widths.len());
        for (low, high) in widths.into_values() {
            assert!(high < 64 || (high - low) * 4 < low, "{low} {high}");
        }
        assert_eq!((part_of(-1), part_of(0), part_of(63), part_of(64)), (0, 0, 0, 1));
        assert!(part_of(i64::from(u32::MAX)) > 90);
    }

    proptest! {
        /// Of a change on its own the age is exact on every day; of several it is their mean.
        #[test]
        fn ages_are_those_at_the_start_of_a_day(
            starts in prop::collection::vec(T - 40 * DAY..T + 40 * DAY, 0..30),
            zone in 0..3_usize,
            day in -60..60_i32,
        ) {
            let (days, day) = (&ZONES[zone], Day(TODAY.0 + day));
            let mut entering = Entering::default();
            starts.iter().for_each(|&start| entering.add(start, days));
            prop_assert_eq!(entering.len(), starts.len() as i64);
            let mut exact: Vec<i64> =
                starts.iter().map(|start| days.start(day) - start).filter(|&age| age > 0).collect();
            let mut found: Vec<i64> = Vec::new();
            for (age, count) in entering.ages_at(day, days) {
                found.extend((0..count).map(|_| age));
            }
            exact.sort_unstable();
            found.sort_unstable();
            prop_assert_eq!(found.len(), exact.len());
            for (found, exact) in found.iter().zip(&exact) {
                prop_assert!((found - exact).abs() <= 64.max(exact / 4), "{} {}", found, exact);
            }
            for &start in &starts {
                let mut one = Entering::default();
                one.add(start, days);
                let age = days.start(day) - start;
                let exact: Vec<_> = (age > 0).then_some((age, 1)).into_iter().collect();
                prop_assert_eq!(one.ages_at(day, days).collect::<Vec<_>>(), exact);
                entering.subtract(&one);
            }
            prop_assert!(entering.is_empty());
        }
    }
}
