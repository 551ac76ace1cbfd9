//! Sets of changes side by side: their curves, and whether these differ.

use super::build::time_to_value;
use super::kept::{Opened, put_in};
use super::tally::{Lives, count};
use crate::delivery::report::{TimeToValue, noise};
use crate::delivery::summary::{Day, DaySummary, Days, Stock};
use crate::stats::life_table::LifeTable;
use crate::stats::survival::{LogRank, log_rank_of_tables};
use crate::time::humanize;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Medians that are less than this part of the larger one apart are said to be nearly the same.
const NEARLY: f64 = 0.1;

/// The days that are compared.
#[derive(Debug, Clone, Copy)]
pub struct Compared<'a> {
    /// The first day of the span; `None`: from the beginning.
    pub since: Option<Day>,
    /// The day after the last one; `None`, or a day that begins after `as_of`: until now.
    pub until: Option<Day>,
    /// The newest moment of all data, Unix seconds.
    pub as_of: i64,
    /// The days of the organization's time zone.
    pub days: &'a Days,
}

/// One of the sets of changes that are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The time to value of its changes: the same as in a [`super::Report`] of the span.
    pub time_to_value: TimeToValue,
    table: LifeTable,
}

impl Part {
    /// The changes of summaries by [`day_summaries`](crate::delivery::summary::day_summaries):
    /// those that [`super::report`] takes.
    #[must_use]
    pub fn of(compared: &Compared<'_>, summaries: BTreeMap<Day, DaySummary>) -> Self {
        Seen::of(compared, summaries).part()
    }
}

/// The changes that a span sees.
pub(super) struct Seen {
    lives: Lives,
    /// What waits at its end.
    stock: Stock,
}

impl Seen {
    pub(super) fn of(compared: &Compared<'_>, mut summaries: BTreeMap<Day, DaySummary>) -> Self {
        let &Compared { since, until, as_of, days } = compared;
        let open = Opened::of(summaries.values());
        for day in since.into_iter().chain(until).collect::<BTreeSet<_>>() {
            let moment = days.start(day);
            if moment <= as_of && !open.is_empty() {
                put_in(&open.stock_at(moment), summaries.entry(day).or_default());
            }
        }
        let closed = until.filter(|&until| days.start(until) <= as_of);
        let stock = match closed {
            // A span after the data sees nothing.
            _ if since.is_some_and(|since| days.start(since) > as_of) => Stock::default(),
            Some(until) => summaries.get(&until).map(DaySummary::stock).unwrap_or_default(),
            None => open.stock_at(as_of),
        };
        let first = since.and_then(|since| summaries.get(&since));
        let mut lives = Lives::since(since, first.map(|day| &day.waiting));
        let begun = since.map_or(summaries.range(..), |since| summaries.range(since..));
        let within = begun.filter(|(day, _)| until.is_none_or(|until| **day < until));
        within.for_each(|(_, summary)| lives.add(summary, days));
        Self { lives, stock }
    }

    /// How many they are, delivered or waiting.
    pub(super) fn changes(&self) -> usize {
        count(self.lives.n()) + count(self.stock.ages.total())
    }

    pub(super) fn part(&self) -> Part {
        let Self { lives, stock } = self;
        Part { time_to_value: time_to_value(lives, stock), table: lives.table(&stock.ages) }
    }
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The log-rank statistic, at least 0; `None` where nothing can be compared.
    pub chi_squared: Option<f64>,
    /// Its degrees of freedom; 0 where nothing can be compared.
    pub degrees: usize,
    /// How likely a difference at least as large is where there is none.
    pub p: Option<f64>,
    /// The same in a sentence.
    pub finding: String,
}

/// Whether parts differ in how fast their changes are delivered: by the log-rank test on their life
/// tables, which see durations within 1 % (see [`log_rank_of_tables`]).
#[must_use]
pub fn difference(parts: &[(&str, &Part)]) -> Difference {
    let tables: Vec<&LifeTable> = parts.iter().map(|(_, part)| &part.table).collect();
    let test = log_rank_of_tables(&tables);
    Difference {
        chi_squared: test.map(|test| test.chi_squared),
        degrees: test.map_or(0, |test| test.degrees),
        p: test.map(|test| test.p),
        finding: finding(parts, test),
    }
}

fn finding(parts: &[(&str, &Part)], test: Option<LogRank>) -> String {
    let delivering = parts.iter().filter(|(_, part)| part.time_to_value.n > 0).count();
    let Some(test) = test else {
        return match delivering {
            0 => "Nothing was delivered, so there is nothing to compare.".to_owned(),
            1 => "Only one of them delivered anything, so there is nothing to compare.".to_owned(),
            _ => {
                "They were never under way at the same ages, so they cannot be compared.".to_owned()
            }
        };
    };
    let median =
        |(name, part): &(&str, &Part)| Some(((*name).to_owned(), part.time_to_value.p50.seconds?));
    let mut medians: Vec<(String, f64)> = parts.iter().filter_map(median).collect();
    medians.sort_by(|a, b| a.1.total_cmp(&b.1));
    let told = noise(test.p);
    let ends = medians.first().zip(medians.last()).filter(|_| medians.len() > 1);
    match (LogRank::is_beyond_noise(test.p), ends) {
        (false, _) => format!("The data show no difference between them: what there is is {told}."),
        (true, None) => format!("They differ, {told}."),
        (true, Some((fast, slow))) if slow.1 - fast.1 < slow.1 * NEARLY => format!(
            "They differ, {told}, but by little: their medians are between {} and {}.",
            humanize(fast.1),
            humanize(slow.1)
        ),
        (true, Some((fast, slow))) => format!(
            "They really differ, {told}: {} delivers half of its changes within {}, {} within {}.",
            fast.0,
            humanize(fast.1),
            slow.0,
            humanize(slow.1)
        ),
    }
}

#[cfg(test)]
mod tests;
