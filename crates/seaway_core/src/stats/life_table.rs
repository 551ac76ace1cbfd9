//! Life tables: how many lives enter, end and leave by interval of age, where the ages of single
//! lives are no longer known.

use super::histogram::{BUCKETS, Histogram, bucket_of, middle_of, width_of};

/// Counts by bucket of [`super::histogram`], with room for all of them: what many histograms are
/// added up in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    counts: Vec<i64>,
    sum: i64,
}

impl Default for Tally {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], sum: 0 }
    }
}

impl Tally {
    /// Adds all counts of a histogram.
    pub fn add(&mut self, histogram: &Histogram) {
        self.sum = self.sum.wrapping_add(histogram.sum());
        for &(bucket, count) in histogram.bins() {
            let slot = &mut self.counts[usize::from(bucket)];
            *slot = slot.wrapping_add(count);
        }
    }

    /// Adds all counts of another one.
    pub fn merge(&mut self, other: &Self) {
        self.sum = self.sum.wrapping_add(other.sum);
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.wrapping_add(*theirs);
        }
    }

    /// Counts an age in seconds so many times.
    pub fn count(&mut self, age: i64, count: i64) {
        let slot = &mut self.counts[bucket_of(age)];
        *slot = slot.wrapping_add(count);
        self.sum = self.sum.wrapping_add(age.wrapping_mul(count));
    }

    /// How many were counted.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.counts.iter().fold(0, |total, &count| total.wrapping_add(count))
    }

    /// The exact sum of the seconds.
    #[must_use]
    pub fn sum(&self) -> i64 {
        self.sum
    }

    /// How many are in the buckets before that of an age. Exact where the age has a bucket of its
    /// own: an hour, a day, a week, a month.
    #[must_use]
    pub fn below(&self, age: i64) -> i64 {
        self.counts[..bucket_of(age)].iter().fold(0, |all, &count| all.wrapping_add(count))
    }

    /// The age in seconds, within 1 %, that half of those counted have at most; the lower one of
    /// the two in the middle. `None` where nothing was counted.
    #[must_use]
    pub fn median(&self) -> Option<i64> {
        let total = self.total();
        let mut below = 0;
        let half = |&count: &i64| {
            below += count.max(0);
            below * 2 >= total
        };
        (total > 0).then(|| self.counts.iter().position(half).map(middle_of)).flatten()
    }
}

/// One interval of ages: a bucket of [`super::histogram`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// The age in seconds that stands for the interval.
    pub time: i64,
    /// Whether the interval is a single second.
    pub exact: bool,
    /// Lives at risk of an event of the interval, at least as many as its events.
    pub at_risk: f64,
    /// Events in it.
    pub events: u64,
    /// Lives that left observation in it without their event.
    pub censored: u64,
}

/// A life table with delayed entry.
///
/// At risk in an interval are those who entered before it and did not leave before it; who enters
/// or leaves in the course of it is there for half of it on average, and counts half (the actuarial
/// estimate, as in Kalbfleisch and Prentice 1980, 1.3). Without such lives the estimate is exactly
/// that of Kaplan and Meier at the end of the interval, whatever the order of the events.
/// Intervals of a single second count whole, as Kaplan and Meier have it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LifeTable {
    rows: Vec<Row>,
}

/// The oldest age, and its bucket, at which an entry counts as seen from birth. Lives are at risk
/// *after* their entry and ages are whole seconds: who entered at the age of 1 is at risk after 0,
/// as [`super::survival`] has it.
const AT_BIRTH: usize = 1;

impl LifeTable {
    /// Builds the table from the counts of lives seen from birth, the ages at which others entered,
    /// the ages at events, and the ages at which lives left without one. Counts below 0, which only
    /// damaged data has, count as 0.
    #[must_use]
    pub fn of(born: i64, entered: &Tally, events: &Tally, censored: &Tally) -> Self {
        let ends = |bucket: &usize| events.counts[*bucket] > 0 || censored.counts[*bucket] > 0;
        let Some(last) = (0..BUCKETS).rev().find(ends) else { return Self::default() };
        // Entries are known to 1 % only, so an end may come before its entry: the balance may be
        // below 0 for a while, and is not cut off there.
        let at_birth = entered.counts[..=AT_BIRTH].iter().map(|&count| count.max(0)).sum();
        let mut balance = born.max(0).saturating_add(at_birth);
        let late =
            |bucket: usize| if bucket <= AT_BIRTH { 0 } else { entered.counts[bucket].max(0) };
        let row = |bucket: usize| {
            let of = |tally: &Tally| tally.counts[bucket].max(0);
            let (entered, events, censored) = (late(bucket), of(events), of(censored));
            let exact = width_of(bucket) == 1;
            let all = balance.saturating_add(entered);
            let half = (entered as f64 - censored as f64) / 2.0;
            let average = if exact { all as f64 } else { balance as f64 + half };
            balance = all.saturating_sub(events).saturating_sub(censored);
            Row {
                time: middle_of(bucket),
                exact,
                at_risk: at_least(average, all as f64, events as f64),
                events: events as u64,
                censored: censored as u64,
            }
        };
        Self { rows: (0..=last).map(row).collect() }
    }

    /// A row for each bucket from the first on, up to the last in which a life ended.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

/// The lives at risk: their average, unless that is too small for the events. Few lives then come
/// and go in one interval; as long as anybody survives it, not everybody can count as ended.
fn at_least(average: f64, all: f64, events: f64) -> f64 {
    match average {
        average if average > events => average,
        _ if all > events => f64::midpoint(all, events),
        _ => events,
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{close, control, mercaptopurine, observation};
    use super::super::survival::{Curve, Observation, log_rank, log_rank_of_tables};
    use super::*;
    use proptest::prelude::*;

    fn tally(ages: impl Iterator<Item = i64>) -> Tally {
        let mut tally = Tally::default();
        tally.add(&ages.collect());
        tally
    }

    fn table(seen: &[Observation]) -> LifeTable {
        let born = seen.iter().filter(|it| it.entry == 0).count() as i64;
        // At risk after its entry: from the next second on.
        let entered = tally(seen.iter().filter(|it| it.entry > 0).map(|it| it.entry + 1));
        let ends = |event| tally(seen.iter().filter(|it| it.event == event).map(|it| it.time));
        LifeTable::of(born, &entered, &ends(true), &ends(false))
    }

    fn observations(oldest: i64) -> impl Strategy<Value = Vec<Observation>> {
        let one = (0..oldest, 1..oldest, any::<bool>(), any::<bool>());
        let one = one.prop_map(|(entry, lasts, late, event)| match late {
            true => observation(entry, entry + lasts, event),
            false => observation(0, lasts, event),
        });
        prop::collection::vec(one, 0..40)
    }

    #[test]
    fn the_published_example_of_log_rank_holds_for_tables() {
        let tables = [table(&mercaptopurine()), table(&control())];
        let found = log_rank_of_tables(&[&tables[0], &tables[1]]).unwrap();
        close(found.chi_squared, 16.792_940_989_216_5, 1e-9);
        assert_eq!(log_rank_of_tables(&[&tables[0]]), None);
        assert_eq!(log_rank_of_tables(&[&LifeTable::default(), &tables[1]]), None);
    }

    /// A flow of lives of which each is seen for a tenth of the width of the bucket: who counted
    /// everybody as at risk in all of it would find a tenth of the true hazard.
    #[test]
    fn short_spans_do_not_hide_the_hazard() {
        let day = crate::time::DAY;
        let entered: Vec<i64> = (0..4_000).map(|i| 200 * day + i * 400).collect();
        let event = |&(i, _): &(usize, &i64)| i % 10 == 0;
        let all = || entered.iter().enumerate();
        let events = tally(all().filter(event).map(|(_, age)| age + day / 6));
        let censored = tally(all().filter(|it| !event(it)).map(|(_, age)| age + day / 3));
        let found =
            Curve::of_table(&LifeTable::of(0, &tally(entered.iter().copied()), &events, &censored));
        let seen: Vec<_> = all()
            .map(|(i, &age)| {
                let event = event(&(i, &age));
                observation(age - 1, age + day / if event { 6 } else { 3 }, event)
            })
            .collect();
        let (found, exact) = (found.at(215 * day).survival, Curve::of(seen).at(215 * day).survival);
        assert!(exact < 0.02 && (found.ln() / exact.ln() - 1.0).abs() < 0.15, "{found} {exact}");
    }

    #[test]
    fn medians_and_parts_of_a_tally() {
        let ages = tally([3, 3, 50, 3_600, 3_601].into_iter());
        assert_eq!((ages.median(), ages.total(), ages.sum()), (Some(50), 5, 7_257));
        assert_eq!((ages.below(3_600), ages.below(3_601), ages.below(0)), (3, 4, 0));
        assert_eq!(Tally::default().median(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// While buckets are single seconds, tables say exactly what observations say.
        #[test]
        fn young_lives_are_exact(a in observations(49), b in observations(49)) {
            let tables = [table(&a), table(&b)];
            prop_assert_eq!(Curve::of_table(&tables[0]), Curve::of(a.iter().copied()));
            let (found, exact) =
                (log_rank_of_tables(&[&tables[0], &tables[1]]), log_rank(&[&a, &b]));
            prop_assert_eq!(found, exact);
        }

        /// In wide buckets the curve, and the exact one, stay between those that count whoever
        /// enters or leaves in a bucket at all deliveries of it, and at none.
        #[test]
        fn old_lives_are_between_the_bounds(seen in observations(90_000)) {
            let table = table(&seen);
            let (found, exact) = (Curve::of_table(&table), Curve::of(seen.iter().copied()));
            let (mut least, mut most) = (1.0, 1.0);
            for (bucket, row) in table.rows().iter().enumerate() {
                let within = |age: i64| bucket_of(age) == bucket;
                let before = |age: i64| bucket_of(age) < bucket;
                let count = |of: &dyn Fn(&Observation) -> bool| {
                    seen.iter().filter(|it| of(it)).count() as f64
                };
                let started = |it: &Observation| it.entry == 0 || before(it.entry + 1);
                let there = count(&|it| started(it) && !before(it.time));
                let late = count(&|it| it.entry > 0 && within(it.entry + 1));
                let events = count(&|it| it.event && within(it.time));
                let left = count(&|it| !it.event && within(it.time));
                prop_assert_eq!((row.events as f64, row.censored as f64), (events, left));
                let (low, high) = match row.exact {
                    true => (there + late, there + late),
                    false => ((there - left).max(events), there + late),
                };
                prop_assert!(low <= row.at_risk && row.at_risk <= high);
                if events > 0.0 {
                    least *= 1.0 - events / low;
                    most *= 1.0 - events / high;
                }
                let end = middle_of(bucket) + width_of(bucket) / 2;
                for curve in [&found, &exact] {
                    let survival = curve.at(end).survival;
                    prop_assert!(least - 1e-9 <= survival && survival <= most + 1e-9);
                }
            }
        }
    }
}
