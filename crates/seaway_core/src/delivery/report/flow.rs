//! Deployments and changes in their course.

use super::build::ReportInput;
use super::model::{AgeBand, CalendarDay, Flow, WaitingChange};
use super::period::{day_of, midnight};
use super::span::Span;
use crate::delivery::attribution::{Deployment, DeploymentKind};
use crate::delivery::history::NONE;
use crate::delivery::measured::{Change, Measured, Status};
use crate::time::{DAY, MONTH, Time, WEEK};
use jiff::tz::TimeZone;
use std::ops::Range;

/// The bands of [`Flow::waiting_by_age`]: below how many seconds, and their names.
pub(in crate::delivery) const AGES: [(i64, &str); 4] =
    [(DAY, "under a day"), (WEEK, "under a week"), (MONTH, "under a month"), (i64::MAX, "older")];

/// How many of the oldest waiting changes are named.
const OLDEST: usize = 5;

/// Builds the flow: deployments of the span, and what waits now, whatever the span.
pub(super) fn of(input: &ReportInput<'_>, span: Span) -> Flow {
    let measured = input.measured;
    let range = span.deployments(&measured.deployments);
    let (weeks, deployments_per_week) = frequency(&measured.deployments, &range, span);
    let brought = changes_by_deployment(measured, &range);
    let sum: u64 = brought.iter().copied().map(u64::from).sum();
    let waiting = waiting(measured);
    let ages: Vec<i64> = waiting.iter().map(|&(age, _)| age).collect();
    Flow {
        deployments_per_week,
        weeks,
        changes_per_deployment_p50: median(&brought, f64::from),
        changes_per_deployment_mean: (!brought.is_empty())
            .then(|| sum as f64 / brought.len() as f64),
        delivering_deployments: brought.len(),
        waiting: waiting.len(),
        waiting_age_p50: median(&ages, |age| age as f64),
        oldest: oldest(input, &waiting),
        waiting_by_age: by_age(&ages),
        calendar: calendar(measured, range, input.time_zone),
    }
}

/// The weeks that deployments are counted over, and deployments a week.
///
/// The time runs from the start of the span to its end. Without a start, or where that is before
/// anything was deployed, the first deployment opens the time: it is not counted, as it would add
/// one to any number of weeks. Without a span the last deployment ends it.
fn frequency(all: &[Deployment], range: &Range<usize>, span: Span) -> (f64, Option<f64>) {
    let (Some(first), Some(last)) = (all[range.clone()].first(), all[range.clone()].last()) else {
        return (0.0, None);
    };
    let asked_for = span.since.is_some() || span.until.is_some();
    let (start, counted) = match span.since {
        Some(since) if range.start > 0 => (since, range.len()),
        _ => (first.finished_at, range.len() - 1),
    };
    let end = span.end().filter(|_| asked_for).unwrap_or(last.finished_at);
    let weeks = (end - start) as f64 / WEEK as f64;
    let known = range.len() > 1 && weeks > 0.0;
    (weeks, known.then(|| counted as f64 / weeks))
}

/// How many changes each delivering deployment of the span brought, rework included, in ascending
/// order. The baseline brings none, as it is not known what was new in it.
fn changes_by_deployment(measured: &Measured, range: &Range<usize>) -> Vec<u32> {
    let mut brought = vec![0_u32; measured.deployments.len()];
    for change in measured.changes.iter().filter(|change| change.deployment != NONE) {
        brought[change.deployment as usize] += 1;
    }
    let mut brought: Vec<u32> =
        brought[range.clone()].iter().copied().filter(|&changes| changes > 0).collect();
    brought.sort_unstable();
    brought
}

/// The age in seconds of every measured change that waits at `as_of`, ascending.
fn waiting(measured: &Measured) -> Vec<(i64, &Change)> {
    let Some(as_of) = measured.as_of else { return Vec::new() };
    let waiting = measured.changes.iter().filter(|change| change.status == Status::Waiting);
    let mut waiting: Vec<_> =
        waiting.filter_map(|change| Some(((as_of - change.start()?).max(0), change))).collect();
    waiting.sort_by_key(|&(age, _)| age);
    waiting
}

/// The oldest of the waiting changes, which come by ascending age.
fn oldest(input: &ReportInput<'_>, waiting: &[(i64, &Change)]) -> Vec<WaitingChange> {
    let Some(&(youngest, _)) = waiting.get(waiting.len().saturating_sub(OLDEST)) else {
        return Vec::new();
    };
    // Of those as old as the youngest of them, the hash decides who is named.
    let candidates = &waiting[waiting.partition_point(|&(age, _)| age < youngest)..];
    let mut named: Vec<_> = candidates
        .iter()
        .map(|&(age, change)| (age, (input.hash)(change.commit), change))
        .collect();
    named.sort_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
    named.truncate(OLDEST);
    let told = |(seconds, hash, change): (i64, String, &Change)| WaitingChange {
        change: hash,
        subject: (input.subject)(change.commit),
        authored_at: change.start().map(Time),
        seconds,
    };
    named.into_iter().map(told).collect()
}

fn by_age(ascending: &[i64]) -> Vec<AgeBand> {
    let mut counted = 0;
    let mut band = |(limit, label)| {
        let below = ascending.partition_point(|&age| age < limit);
        let changes = below - counted;
        counted = below;
        AgeBand { label, changes }
    };
    AGES.map(&mut band).into()
}

/// The deployments of each local day. They are in order, so a day is found once for all of them.
fn calendar(measured: &Measured, range: Range<usize>, time_zone: &TimeZone) -> Vec<CalendarDay> {
    let mut days: Vec<CalendarDay> = Vec::new();
    let mut ends = i64::MIN;
    for number in range {
        let finished_at = measured.deployments[number].finished_at;
        if finished_at >= ends {
            let Some(day) = day_of(finished_at, time_zone) else { continue };
            let tomorrow = day.tomorrow().ok().and_then(|day| midnight(day, time_zone));
            ends = tomorrow.unwrap_or(i64::MAX);
            days.push(CalendarDay { day: day.to_string(), deployments: 0, rollbacks: 0 });
        }
        if let Some(day) = days.last_mut() {
            day.deployments += 1;
            let kind = measured.attribution.kinds[number];
            day.rollbacks += usize::from(kind == DeploymentKind::Rollback);
        }
    }
    days
}

/// The middle of sorted values, or between the two in the middle.
fn median<T: Copy>(sorted: &[T], as_float: impl Fn(T) -> f64) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = as_float(*sorted.get(middle)?);
    match sorted.len() % 2 {
        1 => Some(upper),
        _ => Some(f64::midpoint(as_float(sorted[middle - 1]), upper)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Story;
    use super::*;
    use crate::time::HOUR;

    const T: i64 = 1_767_571_200; // 2026-01-05T00:00:00Z

    #[test]
    fn deployments_a_week_rest_on_the_weeks_between_them() {
        let lives = [(T + WEEK, 0), (T + 2 * WEEK, 0), (T + 4 * WEEK, 0)];
        let mut story = Story::of_lives(T, &lives);
        let flow = story.report().flow;
        assert_eq!((flow.weeks, flow.deployments_per_week), (4.0, Some(0.75)));
        // What is committed later does not count as time without deployments, unless asked for.
        story.as_of = Some(T + 6 * WEEK);
        assert_eq!(story.report().flow.weeks, 4.0);
        assert_eq!(story.report_of(None, Some(T + 9 * WEEK)).flow.weeks, 6.0);
        story.as_of = None;
        // A span from before the first deployment says no more than that.
        let flow = story.report_of(Some(0), None).flow;
        assert_eq!((flow.weeks, flow.deployments_per_week), (4.0, Some(0.75)));
        // Two deployments in two weeks: those after one and two weeks.
        let flow = story.report_of(Some(T + WEEK), Some(T + 3 * WEEK)).flow;
        assert_eq!((flow.weeks, flow.deployments_per_week), (2.0, Some(1.0)));
        let flow = story.report_of(None, Some(T + WEEK)).flow;
        assert_eq!((flow.weeks, flow.deployments_per_week), (1.0, None));
        let report = story.report_of(Some(T + WEEK), Some(T + 3 * WEEK));
        assert_eq!(report.deployments.count, 2);
        assert_eq!(report.deployments.first, Some(Time(T + WEEK)));
        assert_eq!(report.deployments.last, Some(Time(T + 2 * WEEK)));
    }

    #[test]
    fn deployments_at_one_moment_have_no_frequency() {
        let mut story = Story::of_lives(T, &[]);
        story.deploy("again", 0, T);
        let flow = story.report().flow;
        assert_eq!((flow.weeks, flow.deployments_per_week), (0.0, None));
    }

    #[test]
    fn changes_a_deployment_leave_the_baseline_out() {
        let mut story = Story::of_lives(T, &[(T + 10, 10), (T + 30, 10)]);
        for at in [50, 51, 52] {
            story.direct(T + at, T + at);
        }
        story.deploy("v4", 5, T + 60);
        story.deploy("again", 5, T + 70);
        let flow = story.report().flow;
        assert_eq!(flow.delivering_deployments, 3);
        assert_eq!(flow.changes_per_deployment_p50, Some(1.0));
        assert_eq!(flow.changes_per_deployment_mean, Some(5.0 / 3.0));
        let flow = story.report_of(Some(T + 30), None).flow;
        assert_eq!(flow.changes_per_deployment_p50, Some(2.0));
    }

    #[test]
    fn what_waits_now_is_told_whatever_the_span() {
        let mut story = Story::of_lives(T, &[]);
        let ages = [40 * DAY, MONTH, 20 * DAY, 3 * DAY, 3 * DAY, 3 * DAY, DAY - 1];
        for age in ages {
            story.direct(T + 50 * DAY - age, T + 50 * DAY - age);
        }
        story.as_of = Some(T + 50 * DAY);
        let flow = story.report_of(Some(T + 49 * DAY), Some(T + 50 * DAY)).flow;
        assert_eq!((flow.waiting, flow.waiting_age_p50), (7, Some((3 * DAY) as f64)));
        let oldest: Vec<_> = flow.oldest.iter().map(|change| change.subject.as_str()).collect();
        assert_eq!(oldest, ["subject 1", "subject 2", "subject 3", "subject 4", "subject 5"]);
        assert_eq!(flow.oldest[0].seconds, 40 * DAY);
        assert_eq!(flow.oldest[0].authored_at, Some(Time(T + 10 * DAY)));
        assert_eq!(flow.oldest[0].change, format!("{:040x}", 1));
        let bands: Vec<_> = flow.waiting_by_age.iter().map(|b| (b.label, b.changes)).collect();
        assert_eq!(
            bands,
            [("under a day", 1), ("under a week", 3), ("under a month", 1), ("older", 2)]
        );
    }

    #[test]
    fn the_calendar_has_local_days() {
        let mut story = Story::of_lives(T, &[(T + HOUR, 0), (T + 26 * HOUR, 0)]);
        story.deploy("back", 1, T + 27 * HOUR);
        let days = |story: &Story| -> Vec<_> {
            let days = story.report().flow.calendar.into_iter();
            days.map(|day| (day.day, day.deployments, day.rollbacks)).collect()
        };
        let day = |day: &str, deployments, rollbacks| (day.to_owned(), deployments, rollbacks);
        assert_eq!(days(&story), [day("2026-01-05", 2, 0), day("2026-01-06", 2, 1)]);
        story.time_zone = TimeZone::posix("EST5").unwrap();
        assert_eq!(days(&story), [day("2026-01-04", 2, 0), day("2026-01-05", 2, 1)]);
        story.since = Some(T + 27 * HOUR);
        assert_eq!(days(&story), [day("2026-01-05", 1, 1)]);
    }

    #[test]
    fn an_empty_history_has_no_flow() {
        let flow = Story::new().report().flow;
        assert_eq!((flow.weeks, flow.deployments_per_week, flow.waiting), (0.0, None, 0));
        assert_eq!((flow.changes_per_deployment_p50, flow.waiting_age_p50), (None, None));
        assert!(flow.oldest.is_empty() && flow.calendar.is_empty());
        assert_eq!(flow.waiting_by_age.len(), 4);
    }
}
