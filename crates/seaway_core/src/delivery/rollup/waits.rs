//! What stands in the way: what each stage costs, and what time to value would be without it.
//!
//! Both are of the changes that appeared (were merged) in the span, as they are known now: what of
//! them is delivered, and what waits still, as censored. All of them are seen from birth, whenever
//! they are delivered, so that taking a stage's time out of each change leaves an honest sample: the
//! curve without a stage is that of the differences, and not a difference of medians.

use super::kept::Question;
use super::tally::count;
use crate::delivery::report::{Estimate, Spread};
use crate::delivery::summary::{Day, DaySummary, OpenChange, OpenKind, STAGES};
use crate::stats::histogram::Histogram;
use crate::stats::life_table::{LifeTable, Tally};
use crate::stats::survival::Curve;
use crate::time::{HOUR, WEEK};
use serde::Serialize;
use std::collections::BTreeMap;

/// What stands in the way of the changes that were merged in a span.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waits {
    /// Of these, delivered changes.
    pub n: usize,
    /// Of these, changes that wait still.
    pub waiting: usize,
    /// Their median time to value, by Kaplan–Meier.
    pub p50: Estimate,
    /// The weeks over which hours are told.
    pub weeks: f64,
    /// The stages, those that cost most first.
    pub stages: Vec<Wait>,
}

/// What one stage costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Wait {
    /// The milestone that ends it.
    pub to: &'static str,
    /// The time that changes spent in it, waiting ones until now, in seconds.
    pub seconds: i64,
    /// The same in hours a week; `None` where the span is less than a day.
    pub hours_per_week: Option<f64>,
    /// The median if no change had spent any time in it.
    pub p50_without: Estimate,
}

/// Spans of less than a day tell no hours a week.
const WEEKS_MIN: f64 = 1.0 / 7.0;

/// Tells the waits of the changes merged from `since` up to before `until`, as they are at `as_of`, of
/// summaries as they are kept.
#[must_use]
pub fn waits(question: &Question<'_>, summaries: &BTreeMap<Day, DaySummary>) -> Waits {
    let &Question { since, until, as_of, .. } = question;
    let is_in =
        |day: Day| since.is_none_or(|since| since <= day) && until.is_none_or(|until| day < until);
    let mut all = Parts::default();
    for (_, summary) in summaries.iter().filter(|(day, _)| is_in(**day)) {
        all.add(summary);
    }
    all.told(as_of, weeks_of(question))
}

/// From the start of the span, or from the first deployment if that is later, to its end.
fn weeks_of(question: &Question<'_>) -> f64 {
    let &Question { since, until, as_of, days, first_deployment, .. } = question;
    let Some(first) = first_deployment else { return 0.0 };
    let start = since.map_or(first, |since| since.max(first));
    let end = until.map_or(as_of, |until| days.start(until).min(as_of));
    end.saturating_sub(days.start(start)).max(0) as f64 / WEEK as f64
}

/// The days, added up.
#[derive(Default)]
struct Parts {
    lives: Tally,
    without: [Tally; STAGES.len()],
    /// What is open, by its kind.
    open: [Vec<(OpenChange, i64)>; OpenKind::COUNT],
}

impl Parts {
    fn add(&mut self, day: &DaySummary) {
        self.lives.add(&day.lives);
        for (tally, histogram) in self.without.iter_mut().zip(&day.without) {
            tally.add(histogram);
        }
        for (change, count) in day.open.iter() {
            self.open[change.kind as usize].push((change, count));
        }
    }

    /// The open changes of a kind, as durations that a function tells.
    fn open_as(&self, kind: OpenKind, seconds: impl Fn(OpenChange) -> i64) -> Histogram {
        let of_kind = self.open[kind as usize].iter();
        Histogram::of(of_kind.map(|&(change, count)| (seconds(change), count)))
    }

    fn told(&self, as_of: i64, weeks: f64) -> Waits {
        let age = |change: OpenChange| as_of.saturating_sub(change.start);
        let ages = self.open_as(OpenKind::Measured, age);
        let spread = spread(&self.lives, &[], &[&ages]);
        let last = STAGES.len() - 1;
        let stage = |place: usize| {
            // What waits is in its last stage: without that, it would have been delivered.
            let (over, left) = match place == last {
                true => {
                    let worked = |it: OpenChange| it.appears.saturating_sub(it.start);
                    (self.open_as(OpenKind::Worked, worked), Histogram::default())
                }
                false => {
                    let mut left = ages.clone();
                    left.merge(&self.open_as(OpenKind::without(place), age));
                    (Histogram::default(), left)
                }
            };
            let without = &self.without[place];
            let delivered = 0_i64.wrapping_sub(without.sum());
            let waited = ages.sum().wrapping_sub(over.sum()).wrapping_sub(left.sum());
            let seconds = delivered.wrapping_add(waited).max(0);
            let mut events = self.lives.clone();
            events.merge(without);
            Wait {
                to: STAGES[place].name(),
                seconds,
                hours_per_week: (weeks >= WEEKS_MIN).then(|| seconds as f64 / HOUR as f64 / weeks),
                p50_without: self::spread(&events, &[&over], &[&left]).p50,
            }
        };
        let mut stages: Vec<Wait> = (0..STAGES.len()).map(stage).collect();
        stages.sort_by_key(|wait| std::cmp::Reverse(wait.seconds));
        Waits { n: spread.n, waiting: spread.waiting, p50: spread.p50, weeks, stages }
    }
}

fn spread(delivered: &Tally, more: &[&Histogram], waiting: &[&Histogram]) -> Spread {
    let mut events = delivered.clone();
    more.iter().for_each(|histogram| events.add(histogram));
    let mut censored = Tally::default();
    waiting.iter().for_each(|histogram| censored.add(histogram));
    let (n, left) = (events.total(), censored.total());
    let table = LifeTable::of(n.saturating_add(left), &Tally::default(), &events, &censored);
    Spread::of_curve(count(n), count(left), &Curve::of_table(&table).until_exhausted())
}
