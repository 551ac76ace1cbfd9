//! Deployments and changes in their course.

use super::build::ReportInput;
use super::model::{AgeBand, CalendarDay, Flow, WaitingChange};
use super::period::{day_of, midnight};
use super::span::Span;
use crate::delivery::attribution::{Deployment, DeploymentKind};
use crate::delivery::history::NONE;
use crate::delivery::measured::{Change, Measured};
use crate::time::{DAY, MONTH, Time, WEEK};
use jiff::tz::TimeZone;
use std::ops::Range;

/// The bands of [`Flow::waiting_by_age`]: below how many seconds, and their names.
pub(in crate::delivery) const AGES: [(i64, &str); 4] =
    [(DAY, "under a day"), (WEEK, "under a week"), (MONTH, "under a month"), (i64::MAX, "older")];

/// How many of the oldest waiting changes are named.
const OLDEST: usize = 5;

/// Builds the flow: deployments of the span, and what waits at its end.
pub(super) fn of(input: &ReportInput<'_>, span: Span) -> Flow {
    let measured = input.measured;
    let range = span.deployments(&measured.deployments);
    let pace = pace(input, &range, span);
    let brought = changes_by_deployment(measured, &range);
    let sum: u64 = brought.iter().copied().map(u64::from).sum();
    let waiting = waiting(measured, span);
    let ages: Vec<i64> = waiting.iter().map(|&(age, _)| age).collect();
    Flow {
        deployments_per_week: pace.per_week(),
        weeks: pace.weeks(),
        changes_per_deployment_p50: median(&brought),
        changes_per_deployment_mean: (!brought.is_empty())
            .then(|| sum as f64 / brought.len() as f64),
        delivering_deployments: brought.len(),
        waiting: waiting.len(),
        // The lower of two in the middle, as of any quantile: the youngest age that half reach.
        waiting_age_p50: ages.get(ages.len().saturating_sub(1) / 2).map(|&age| age as f64),
        oldest: oldest(input, &waiting),
        waiting_by_age: by_age(&ages),
        calendar: calendar(measured, range, input.time_zone),
    }
}

/// How often something was deployed over some time.
///
/// The time begins with the span, or with the day of the first deployment of all if that is later:
/// before it nobody looked. It ends with the span or the data, so that a time without deployments
/// counts as such. Where the first deployment of all opens the time it is not counted, as it would
/// add one to any number of weeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::delivery) struct Pace {
    /// Successful deployments in the time.
    pub(in crate::delivery) deployments: usize,
    /// Whether the first deployment of all is among them.
    pub(in crate::delivery) opens: bool,
    /// How long the time is; 0 where nothing was ever deployed.
    pub(in crate::delivery) seconds: i64,
}

impl Pace {
    pub(in crate::delivery) fn weeks(self) -> f64 {
        self.seconds.max(0) as f64 / WEEK as f64
    }

    /// Deployments a week; `None` below a day, and where only the one that opens the time is known.
    pub(in crate::delivery) fn per_week(self) -> Option<f64> {
        let counted = self.deployments.saturating_sub(usize::from(self.opens));
        let known = self.seconds >= DAY && !(self.opens && counted == 0);
        known.then(|| counted as f64 / self.weeks())
    }
}

fn pace(input: &ReportInput<'_>, range: &Range<usize>, span: Span) -> Pace {
    let first = first_day(&input.measured.deployments, input.time_zone);
    let opens = range.start == 0 && !range.is_empty();
    let (Some(first), Some(end)) = (first, span.end()) else {
        return Pace { deployments: 0, opens: false, seconds: 0 };
    };
    let start = span.since.map_or(first, |since| since.max(first));
    Pace { deployments: range.len(), opens, seconds: end.saturating_sub(start).max(0) }
}

/// The first moment of the local day on which anything was deployed first.
pub(super) fn first_day(all: &[Deployment], time_zone: &TimeZone) -> Option<i64> {
    let first = all.first()?.finished_at;
    Some(day_of(first, time_zone).and_then(|day| midnight(day, time_zone)).unwrap_or(first))
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

/// The age in seconds, at the end of the span, of every measured change that waits then, ascending.
fn waiting(measured: &Measured, span: Span) -> Vec<(i64, &Change)> {
    let measured = measured.changes.iter().filter(|change| change.is_measured());
    let seen = measured.filter_map(|change| Some((span.observe_change(change)?, change)));
    let mut waiting: Vec<_> =
        seen.filter(|(seen, _)| !seen.event).map(|(seen, change)| (seen.time, change)).collect();
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
fn median(sorted: &[u32]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = f64::from(*sorted.get(middle)?);
    match sorted.len() % 2 {
        1 => Some(upper),
        _ => Some(f64::midpoint(f64::from(sorted[middle - 1]), upper)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Story;
    use super::*;
    use crate::time::HOUR;

    const T: i64 = 1_767_571_200; // 2026-01-05T00:00:00Z

    #[test]
    fn deployments_a_week_rest_on_the_weeks_since_the_first() {
        let lives = [(T + WEEK, 0), (T + 2 * WEEK, 0), (T + 4 * WEEK, 0)];
        let mut story = Story::of_lives(T, &lives);
        let flow = story.report().flow;
        assert_eq!((flow.weeks, flow.deployments_per_week), (4.0, Some(0.75)));
        // A time without deployments counts.
        story.as_of = Some(T + 6 * WEEK);
        assert_eq!(story.report().flow.deployments_per_week, Some(0.5));
        assert_eq!(story.report_of(None, Some(T + 9 * WEEK)).flow.weeks, 6.0);
        let flow = story.report_of(Some(T + 5 * WEEK), None).flow;
        assert_eq!((flow.weeks, flow.deployments_per_week), (1.0, Some(0.0)));
        story.as_of = None;
        // A span from before the first deployment says no more than that.
        let flow = story.report_of(Some(0), None).flow;
        assert_eq!((flow.weeks, flow.deployments_per_week), (4.0, Some(0.75)));
        // Two deployments in two weeks: those after one and two weeks.
        let flow = story.report_of(Some(T + WEEK), Some(T + 3 * WEEK)).flow;
        assert_eq!((flow.weeks, flow.deployments_per_week), (2.0, Some(1.0)));
        let flow = story.report_of(None, Some(T + WEEK)).flow;
        assert_eq!((flow.weeks, flow.deployments_per_week), (1.0, None));
        // The day of the first deployment counts whole.
        story.time_zone = TimeZone::posix("EST5").unwrap();
        assert_eq!(story.report_of(None, None).flow.weeks, 4.0 + 19.0 / 168.0);
        let report = story.report_of(Some(T + WEEK), Some(T + 3 * WEEK));
        assert_eq!(report.deployments.count, 2);
        assert_eq!(report.deployments.first, Some(Time(T + WEEK)));
        assert_eq!(report.deployments.last, Some(Time(T + 2 * WEEK)));
    }

    #[test]
    fn deployments_of_one_day_have_no_frequency() {
        let mut story = Story::of_lives(T, &[]);
        story.deploy("again", 0, T + DAY - 1);
        let flow = story.report().flow;
        assert_eq!((flow.weeks * WEEK as f64, flow.deployments_per_week), ((DAY - 1) as f64, None));
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
    fn what_waits_is_told_for_the_end_of_the_span() {
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
