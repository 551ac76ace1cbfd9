//! Days, added up.

use crate::delivery::report::Spread;
use crate::delivery::summary::{Count, Day, DaySummary, Days, STAGES, Stock};
use crate::stats::histogram::Histogram;
use crate::stats::life_table::{LifeTable, Tally};
use crate::stats::survival::Curve;

/// A count as whoever reads it expects it: none below 0, which only damaged data has.
pub(super) fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// What the life table of a span needs of its days.
pub(super) struct Lives {
    /// The first day of the span; `None`: everything is seen from birth.
    since: Option<Day>,
    /// The ages at which lives entered.
    entered: Tally,
    delivered: Tally,
}

impl Lives {
    /// Of no days yet. `stock` is what waits at `since`; it is looked at only where that is given.
    pub(super) fn since(since: Option<Day>, stock: Option<&Histogram>) -> Self {
        let mut entered = Tally::default();
        if let (Some(_), Some(stock)) = (since, stock) {
            entered.add(stock);
        }
        Self { since, entered, delivered: Tally::default() }
    }

    /// Adds the changes of a day of the span.
    pub(super) fn add(&mut self, day: &DaySummary, days: &Days) {
        self.deliver(&day.delivered);
        if let Some(since) = self.since {
            for (age, count) in day.entering.ages_at(since, days) {
                self.entered.count(age, count);
            }
        }
    }

    /// Adds those delivered on a day, of lives that enter at birth or with the stock.
    pub(super) fn deliver(&mut self, delivered: &Histogram) {
        self.delivered.add(delivered);
    }

    /// How many were delivered.
    pub(super) fn n(&self) -> i64 {
        self.delivered.total()
    }

    /// The exact sum of the seconds of those delivered.
    pub(super) fn sum(&self) -> i64 {
        self.delivered.sum()
    }

    /// The quantiles, given the ages of what waits at the end.
    pub(super) fn spread(&self, waiting: &Histogram) -> Spread {
        let curve = Curve::of_table(&self.table(waiting)).until_exhausted();
        Spread::of_curve(count(self.n()), count(waiting.total()), &curve)
    }

    /// The life table, given the ages of what waits at the end.
    pub(super) fn table(&self, waiting: &Histogram) -> LifeTable {
        let mut censored = Tally::default();
        censored.add(waiting);
        // Whoever is seen and did not enter late was seen from birth.
        let seen = self.n().saturating_add(censored.total());
        let born = seen.saturating_sub(self.entered.total());
        LifeTable::of(born, &self.entered, &self.delivered, &censored)
    }
}

/// What the rest of a report needs of its days.
#[derive(Default)]
pub(super) struct Totals {
    /// The stages before the last one, by place in [`STAGES`].
    pub(super) stages: [Tally; STAGES.len() - 1],
    pub(super) recoveries: Tally,
    /// Counts only; histograms are left empty.
    counts: DaySummary,
}

impl Totals {
    pub(super) fn add(&mut self, day: &DaySummary) {
        for (tally, histogram) in self.stages.iter_mut().zip(&day.stages) {
            tally.add(histogram);
        }
        self.recoveries.add(&day.recoveries);
        self.counts.add_counts(day);
    }

    pub(super) fn get(&self, kind: Count) -> usize {
        count(self.counts.get(kind))
    }

    pub(super) fn deployments(&self) -> usize {
        count(self.counts.deployments())
    }

    /// Reverts and reverted changes that were delivered, or wait at the end.
    pub(super) fn reworked(&self, stock: &Stock) -> (usize, usize) {
        let reverts = self.get(Count::DeliveredReverts).saturating_add(count(stock.reverts));
        let reverted = self.get(Count::DeliveredReverted).saturating_add(count(stock.reverted));
        (reverts, reverted)
    }
}
