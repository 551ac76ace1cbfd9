//! Reports of summaries as they are kept: what is open there is in no day's stock, since how old it
//! is depends on when one asks. It is put into the stocks that a report looks at.

use super::build::{Input, build, stock_days};
use super::model::{Report, Scope};
use super::tally::{Lives, count};
use crate::delivery::report::{Estimate, Spread};
use crate::delivery::summary::{Count, Day, DaySummary, Days, OpenChange, OpenKind, Stock};
use crate::stats::histogram::Histogram;
use std::collections::BTreeMap;

/// What a report is about, besides the summaries.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// Whose report it is; told on as it is.
    pub scope: Scope,
    /// The first day of the span; `None`: from the beginning.
    pub since: Option<Day>,
    /// The day after the last one; `None`, or a day that begins after `as_of`: until now.
    pub until: Option<Day>,
    /// The newest moment of all data, Unix seconds.
    pub as_of: i64,
    /// The days of the organization's time zone.
    pub days: &'a Days,
    /// The first day of the scope on which anything was deployed, whatever the span.
    pub first_deployment: Option<Day>,
    /// Whether anybody tells of incidents: whether any is on record, of whatever scope and span.
    pub knows_incidents: bool,
}

/// Builds the report of a span from summaries by
/// [`day_summaries`](crate::delivery::summary::day_summaries): those of the span's days and of the
/// day `until`, and of days before the span those in which changes are open.
#[must_use]
pub fn report(question: Question<'_>, mut summaries: BTreeMap<Day, DaySummary>) -> Report {
    let Question { scope, since, until, as_of, days, first_deployment, knows_incidents } = question;
    let open = Opened::of(summaries.values());
    let mut input = Input {
        scope,
        since,
        until,
        as_of,
        days,
        stock: &Stock::default(),
        first_deployment,
        knows_incidents,
    };
    for day in stock_days(&input) {
        let moment = days.start(day);
        if moment <= as_of && !open.is_empty() {
            put_in(&open.stock_at(moment), summaries.entry(day).or_default());
        }
    }
    let stock = match until.filter(|&until| days.start(until) <= as_of) {
        Some(until) => summaries.get(&until).map(DaySummary::stock).unwrap_or_default(),
        None => open.stock_at(as_of),
    };
    input.stock = &stock;
    build(&input, summaries)
}

/// What a row of a list tells of a scope: as a [`Report`] has it, for a small part of its cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Brief {
    /// Delivered changes.
    pub n: usize,
    /// Changes that wait at the end.
    pub waiting: usize,
    /// The median time to value.
    pub p50: Estimate,
    /// The 85th percentile.
    pub p85: Estimate,
    /// Successful deployments in production of revisions that are known.
    pub deployments: usize,
}

/// Tells in brief what [`report`] tells at length, from the same summaries.
#[must_use]
pub fn brief(question: &Question<'_>, summaries: &BTreeMap<Day, DaySummary>) -> Brief {
    let &Question { since, until, as_of, days, .. } = question;
    let start = since.map(|since| days.start(since));
    let is_in =
        |day: Day| since.is_none_or(|since| since <= day) && until.is_none_or(|until| day < until);
    let asked = summaries.iter().filter(|(day, _)| is_in(**day));
    let deployments = asked.clone().map(|(_, summary)| count(summary.deployments())).sum();
    if start.is_some_and(|start| start > as_of) {
        let none = Estimate::default();
        return Brief { n: 0, waiting: 0, p50: none, p85: none, deployments };
    }
    let open = Opened::of(summaries.values());
    let stock = |day: Day| {
        let mut ages = open.ages_at(OpenKind::Measured, days.start(day));
        summaries.get(&day).iter().for_each(|summary| ages.merge(&summary.waiting));
        ages
    };
    let waits = match until.filter(|&until| days.start(until) <= as_of) {
        Some(until) => stock(until),
        None => open.ages_at(OpenKind::Measured, as_of),
    };
    let mut lives = Lives::since(since, since.map(stock).as_ref());
    asked.for_each(|(_, summary)| lives.add(summary, days));
    let Spread { n, waiting, p50, p85, .. } = lives.spread(&waits);
    Brief { n, waiting, p50, p85, deployments }
}

/// What stocks are made of.
const STOCKED: [OpenKind; 5] = [
    OpenKind::Measured,
    OpenKind::LastStage,
    OpenKind::Commit,
    OpenKind::Revert,
    OpenKind::Reverted,
];

/// Something open, with how many there are of it. Times are Unix seconds.
struct Opening {
    appears: i64,
    start: i64,
    count: i64,
}

/// What is open of [`STOCKED`], each kind in the order in which it appears: a report asks for the
/// stocks of many moments, and at most of them little of it has appeared.
pub(super) struct Opened([Vec<Opening>; STOCKED.len()]);

impl Opened {
    pub(super) fn of<'a>(summaries: impl Iterator<Item = &'a DaySummary>) -> Self {
        let mut kinds: [Vec<Opening>; STOCKED.len()] = Default::default();
        for (change, count) in summaries.flat_map(|summary| summary.open.iter()) {
            let OpenChange { appears, start, kind } = change;
            if let Some(place) = STOCKED.iter().position(|&it| it == kind) {
                kinds[place].push(Opening { appears, start, count });
            }
        }
        for kind in &mut kinds {
            kind.sort_unstable_by_key(|it| it.appears);
        }
        Self(kinds)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    /// What of a kind was there at a moment.
    fn there(&self, kind: OpenKind, moment: i64) -> &[Opening] {
        let Some(place) = STOCKED.iter().position(|&it| it == kind) else { return &[] };
        let all = &self.0[place];
        &all[..all.partition_point(|it| it.appears <= moment)]
    }

    /// The ages of what of a kind waited at a moment.
    pub(super) fn ages_at(&self, kind: OpenKind, moment: i64) -> Histogram {
        let there = self.there(kind, moment).iter();
        Histogram::of(there.map(|it| (moment.saturating_sub(it.start), it.count)))
    }

    /// What waited at a moment.
    pub(super) fn stock_at(&self, moment: i64) -> Stock {
        let count = |kind| {
            self.there(kind, moment).iter().fold(0_i64, |all, it| all.wrapping_add(it.count))
        };
        Stock {
            ages: self.ages_at(OpenKind::Measured, moment),
            last_stage: self.ages_at(OpenKind::LastStage, moment),
            commits: self.ages_at(OpenKind::Commit, moment),
            reverts: count(OpenKind::Revert),
            reverted: count(OpenKind::Reverted),
        }
    }
}

pub(super) fn put_in(stock: &Stock, summary: &mut DaySummary) {
    summary.waiting.merge(&stock.ages);
    summary.last_stage.merge(&stock.last_stage);
    summary.waiting_commits.merge(&stock.commits);
    summary.add(Count::WaitingReverts, stock.reverts);
    summary.add(Count::WaitingReverted, stock.reverted);
}
