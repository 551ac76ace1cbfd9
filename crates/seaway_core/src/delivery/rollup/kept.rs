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
    let open: Vec<(OpenChange, i64)> =
        summaries.values().flat_map(|summary| summary.open.iter()).collect();
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
            put_in(&stock_at(&open, moment), summaries.entry(day).or_default());
        }
    }
    let stock = match until.filter(|&until| days.start(until) <= as_of) {
        Some(until) => summaries.get(&until).map(DaySummary::stock).unwrap_or_default(),
        None => stock_at(&open, as_of),
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
    let open: Vec<(OpenChange, i64)> =
        summaries.values().flat_map(|summary| summary.open.iter()).collect();
    let stock = |day: Day| {
        let mut ages = stock_at(&open, days.start(day)).ages;
        summaries.get(&day).iter().for_each(|summary| ages.merge(&summary.waiting));
        ages
    };
    let waits = match until.filter(|&until| days.start(until) <= as_of) {
        Some(until) => stock(until),
        None => stock_at(&open, as_of).ages,
    };
    let mut lives = Lives::since(since, since.map(stock).as_ref());
    asked.for_each(|(_, summary)| lives.add(summary, days));
    let Spread { n, waiting, p50, p85, .. } = lives.spread(&waits);
    Brief { n, waiting, p50, p85, deployments }
}

/// What of the open changes waited at a moment.
pub(super) fn stock_at(open: &[(OpenChange, i64)], moment: i64) -> Stock {
    let mut stock = Stock::default();
    let there = || open.iter().filter(|(change, _)| change.appears <= moment);
    let count = |kind| there().filter(|(it, _)| it.kind == kind).map(|&(_, count)| count).sum();
    let ages = |kind| {
        let of_kind = there().filter(move |(change, _)| change.kind == kind);
        let age =
            |&(change, count): &(OpenChange, i64)| (moment.saturating_sub(change.start), count);
        Histogram::of(of_kind.map(age))
    };
    stock.ages = ages(OpenKind::Measured);
    stock.last_stage = ages(OpenKind::LastStage);
    stock.commits = ages(OpenKind::Commit);
    stock.reverts = count(OpenKind::Revert);
    stock.reverted = count(OpenKind::Reverted);
    stock
}

pub(super) fn put_in(stock: &Stock, summary: &mut DaySummary) {
    summary.waiting.merge(&stock.ages);
    summary.last_stage.merge(&stock.last_stage);
    summary.waiting_commits.merge(&stock.commits);
    summary.add(Count::WaitingReverts, stock.reverts);
    summary.add(Count::WaitingReverted, stock.reverted);
}
