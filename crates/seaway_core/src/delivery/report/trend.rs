//! Time to value over time.

use super::build::ReportInput;
use super::flow::first_day;
use super::model::{Period, Trend, TrendPoint};
use super::period::{day_of, midnight};
use super::span::{Life, Span};
use super::value::{Spread, in_words, noise};
use crate::stats::survival::{LogRank, Observation, log_rank};
use crate::time::Time;
use jiff::tz::TimeZone;

/// More points than this are hard to read in 80 columns.
pub(in crate::delivery) const MOST_POINTS: i64 = 26;

/// Fewer delivered changes than this say too little of a period to compare it.
const ENOUGH: usize = 5;

/// Builds the trend. Each point is exactly the report of its own span.
pub(super) fn of(input: &ReportInput<'_>, span: Span) -> Trend {
    let changes = input.measured.changes.iter().filter(|change| change.is_measured());
    let lives: Vec<Life> = changes.filter_map(Life::of).collect();
    let first_day = first_day(&input.measured.deployments, input.time_zone);
    let parts = first_day.and_then(|first_day| periods(span, first_day, input.time_zone));
    let (period, parts) = parts.unwrap_or((Period::Week, Vec::new()));
    let mut points: Vec<TrendPoint> =
        parts.into_iter().map(|part| part.point(&lives, span.as_of)).collect();
    let delivered = lives.iter().filter_map(|&life| span.observe(life)).filter(|seen| seen.event);
    drop_leading(&mut points, span.since.is_none(), delivered.count());
    if points.is_empty() {
        let finding = "Nothing was delivered, so there is no trend.".to_owned();
        return Trend { period, points, finding };
    }
    let observations = |point| point_span(&points[point], span.as_of).of_lives(&lives);
    let finding = finding(period, &points, |a, b| log_rank(&[observations(a), observations(b)]));
    Trend { period, points, finding }
}

/// From the beginning on means from the first delivery on: drops the empty points before it, unless
/// some of the `delivered` changes are older than the oldest point.
pub(in crate::delivery) fn drop_leading(
    points: &mut Vec<TrendPoint>,
    from_the_beginning: bool,
    delivered: usize,
) {
    let shown: usize = points.iter().map(|point| point.n).sum();
    if from_the_beginning && shown == delivered {
        let first = points.iter().position(|point| point.n > 0);
        points.drain(..first.unwrap_or(points.len()));
    }
}

/// A period, cut to the span and the data.
struct Part {
    label: String,
    start: i64,
    end: i64,
    complete: bool,
}

impl Part {
    fn point(self, lives: &[Life], as_of: Option<i64>) -> TrendPoint {
        let Self { label, start, end, complete } = self;
        let span = Span { since: Some(start), until: Some(end), as_of };
        let Spread { n, waiting, p50, p85, p95 } = Spread::of(&span.of_lives(lives));
        let (start, end) = (Time(start), Time(end));
        TrendPoint { label, start, end, complete, n, waiting, p50, p85, p95 }
    }
}

fn point_span(point: &TrendPoint, as_of: Option<i64>) -> Span {
    Span { since: Some(point.start.0), until: Some(point.end.0), as_of }
}

impl Span {
    fn of_lives(self, lives: &[Life]) -> Vec<Observation> {
        lives.iter().filter_map(|&life| self.observe(life)).collect()
    }
}

/// The periods from the start of the span, or from the day of the first deployment if that is later,
/// to its end: before `first_day` nothing could have been delivered. `None` when there are none.
fn periods(span: Span, first_day: i64, time_zone: &TimeZone) -> Option<(Period, Vec<Part>)> {
    let closes = span.closes()?;
    let first = Some(span.since.map_or(first_day, |since| since.max(first_day)));
    let first = first.filter(|&first| first < closes)?;
    let (first, last) = (day_of(first, time_zone)?, day_of(closes - 1, time_zone)?);
    let period = Period::finest(first, last, MOST_POINTS);
    let last = period.number(last);
    let start_of = |number| midnight(period.first_day(number)?, time_zone);
    let part = |number| {
        let (opens, ends) = (start_of(number)?, start_of(number + 1)?);
        let start = span.since.map_or(opens, |since| since.max(opens));
        let complete = start == opens && first_day <= opens && ends <= closes;
        let label = period.label(period.first_day(number)?);
        Some(Part { label, start, end: ends.min(closes), complete })
    };
    let parts = (period.number(first).max(last - MOST_POINTS + 1)..=last).filter_map(part);
    Some((period, parts.collect()))
}

/// Says whether the last complete period with enough deliveries differs from the one before it, by
/// a test of the points with two numbers.
pub(in crate::delivery) fn finding(
    period: Period,
    points: &[TrendPoint],
    test: impl Fn(usize, usize) -> Option<LogRank>,
) -> String {
    let noun = period.noun();
    let enough = |point: &TrendPoint| point.complete && point.n >= ENOUGH;
    let Some(at) = points.iter().rposition(enough) else {
        return format!(
            "No complete {noun} has {ENOUGH} delivered changes: too little to compare."
        );
    };
    let last = &points[at];
    let only =
        |why: String| format!("In {} the median was {}; {why}.", last.label, in_words(&last.p50));
    let Some(before) = at.checked_sub(1).map(|before| &points[before]) else {
        return only(format!("there is no {noun} before it to compare with"));
    };
    if !enough(before) {
        let why = if before.complete { "too few delivered changes" } else { "too little data" };
        return only(format!("the {noun} before it has {why} to compare with"));
    }
    let medians = format!(
        "The median went from {} ({}) to {} ({})",
        in_words(&before.p50),
        before.label,
        in_words(&last.p50),
        last.label,
    );
    match test(at - 1, at) {
        Some(test) => format!("{medians}: {}.", noise(test.p)),
        None => format!("{medians}; the two have too little in common for a test."),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Story;
    use super::super::model::Report;
    use super::*;
    use crate::time::{DAY, HOUR, WEEK};

    /// Monday 2026-01-05T00:00:00Z, the first moment of 2026-W02.
    const MONDAY: i64 = 1_767_571_200;

    fn labels(report: &Report) -> Vec<&str> {
        report.trend.points.iter().map(|point| point.label.as_str()).collect()
    }

    /// Deliveries every ten hours for a year with some waiting at every moment, in a history whose
    /// last changes are not delivered.
    fn a_year() -> Story {
        let mut story = Story::of_lives(MONDAY - 3 * WEEK, &[]);
        for at in (0..52 * WEEK).step_by(10 * HOUR as usize) {
            let age = (at / HOUR * 7) % 90 * HOUR + HOUR / 3;
            let commit = story.direct(MONDAY + at - age, MONDAY + at - age / 2);
            if at % 30 == 0 && at < 50 * WEEK {
                story.deploy(&format!("v{at}"), commit, MONDAY + at);
            }
        }
        story
    }

    #[test]
    fn a_point_is_the_report_of_its_own_span() {
        let mut story = a_year();
        for (since, until) in [
            (None, None),
            (Some(MONDAY + 40 * WEEK + DAY), None),
            (Some(MONDAY - 60 * WEEK), Some(MONDAY + 8 * WEEK + 5)),
            (None, Some(MONDAY + 500 * WEEK)),
        ] {
            let whole = story.report_of(since, until);
            assert!((8..=26).contains(&whole.trend.points.len()), "{:?}", labels(&whole));
            for point in &whole.trend.points {
                let own = story.report_of(Some(point.start.0), Some(point.end.0)).time_to_value;
                assert_eq!((point.n, point.waiting), (own.n, own.waiting), "{}", point.label);
                assert_eq!((point.p50, point.p85, point.p95), (own.p50, own.p85, own.p95));
            }
            let delivered: usize = whole.trend.points.iter().map(|point| point.n).sum();
            assert_eq!(delivered, whole.time_to_value.n);
            let last = whole.trend.points.last().unwrap();
            assert_eq!(last.waiting, whole.time_to_value.waiting);
        }
    }

    #[test]
    fn delivered_at_a_boundary_belongs_to_the_period_that_begins() {
        let day = 24;
        let story = Story::of_lives(
            MONDAY - WEEK,
            &[(MONDAY - 2, 1), (MONDAY - 1, 1), (MONDAY + WEEK - day, day)],
        );
        let trend = story.report().trend;
        let counts: Vec<_> = trend.points.iter().map(|p| (p.label.as_str(), p.n)).collect();
        assert_eq!(counts, [("2026-W01", 1), ("2026-W02", 1), ("2026-W03", 1)]);
        let last = trend.points.last().unwrap();
        // The data ends with the last deployment, so its week is not over.
        assert_eq!(
            (last.start.0, last.end.0, last.complete),
            (MONDAY + WEEK, MONDAY + WEEK + 1, false)
        );
        assert_eq!(
            trend.points.iter().map(|p| p.complete).collect::<Vec<_>>(),
            [true, true, false]
        );
    }

    #[test]
    fn a_period_is_complete_when_deployments_are_known_for_all_of_it() {
        for (first, complete) in [(MONDAY, true), (MONDAY + HOUR, true), (MONDAY + DAY, false)] {
            let lives = [(MONDAY + 2 * DAY, HOUR), (MONDAY + 9 * DAY, HOUR)];
            let trend = Story::of_lives(first, &lives).report().trend;
            let found: Vec<_> = trend.points.iter().map(|point| point.complete).collect();
            assert_eq!(found, [complete, false]);
        }
    }

    #[test]
    fn the_period_is_the_finest_that_gives_26_points() {
        for (weeks, period, points) in [
            (1, Period::Week, 2),
            (25, Period::Week, 26),
            (26, Period::Month, 7),    // 2026-01 to 2026-07
            (112, Period::Month, 26),  // 2026-01 to 2028-02
            (113, Period::Quarter, 9), // 2026-Q1 to 2028-Q1
            (600, Period::Year, 12),
            (1_600, Period::Year, 26),
        ] {
            let lives = [(MONDAY + 1, 1), (MONDAY + weeks * WEEK, 60)];
            let story = Story::of_lives(MONDAY, &lives);
            let trend = story.report().trend;
            assert_eq!((trend.period, trend.points.len()), (period, points), "{weeks} weeks");
        }
    }

    #[test]
    fn empty_periods_are_there() {
        let story = Story::of_lives(MONDAY - 1, &[(MONDAY, 60), (MONDAY + 3 * WEEK, 60)]);
        let report = story.report();
        assert_eq!(labels(&report), ["2026-W02", "2026-W03", "2026-W04", "2026-W05"]);
        let counts: Vec<_> = report.trend.points.iter().map(|p| (p.n, p.waiting)).collect();
        // The second change was merged at the very end of W04: it waits there.
        assert_eq!(counts, [(1, 0), (0, 0), (0, 1), (1, 0)]);
        assert_eq!(report.trend.points[1].p50.seconds, None);
    }

    #[test]
    fn weeks_are_those_of_the_time_zone() {
        let mut story = Story::of_lives(MONDAY - WEEK, &[(MONDAY, 3 * HOUR)]);
        assert_eq!(labels(&story.report()), ["2026-W02"]);
        story.time_zone = TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap();
        let report = story.report();
        assert_eq!(labels(&report), ["2026-W01"]);
        assert_eq!(report.trend.points[0].start.0, MONDAY - WEEK + 5 * HOUR);
    }

    #[test]
    fn a_span_that_starts_before_the_first_deployment_is_shown_from_there() {
        let mut story = Story::of_lives(MONDAY, &[(MONDAY, HOUR), (MONDAY + WEEK, HOUR)]);
        let report = story.report_of(Some(0), None);
        assert_eq!(labels(&report), ["2026-W02", "2026-W03"]);
        let report = story.report_of(Some(MONDAY + 1), Some(MONDAY + WEEK));
        assert_eq!(labels(&report), ["2026-W02"]);
        assert_eq!(report.trend.points[0].start.0, MONDAY + 1);
        assert!(!report.trend.points[0].complete);
        assert!(story.report_of(Some(MONDAY + 9 * WEEK), None).trend.points.is_empty());
        assert!(story.report_of(None, Some(MONDAY)).trend.points.is_empty());
    }

    /// `n` changes in each week, each taking the hours of its week.
    fn weeks(hours: &[(usize, i64)]) -> String {
        let mut lives = Vec::new();
        for (week, &(n, hours)) in hours.iter().enumerate() {
            let start = MONDAY + week as i64 * WEEK + DAY;
            lives.extend((0..n as i64).map(|i| (start + i * HOUR / 2, hours * HOUR + i)));
        }
        Story::of_lives(MONDAY, &lives).report().trend.finding
    }

    #[test]
    fn the_finding_compares_the_last_two_complete_weeks() {
        let end = (1, 1);
        assert_eq!(
            weeks(&[(5, 3), (20, 40), (20, 2), end]),
            "The median went from 1 d 16 h (2026-W03) to 2 h (2026-W04): beyond noise (log-rank \
             p < 0.001)."
        );
        assert!(weeks(&[(9, 7), (8, 7), end]).contains("): within noise (log-rank p = "));
        assert_eq!(
            weeks(&[(4, 7), (4, 7), end]),
            "No complete week has 5 delivered changes: too little to compare."
        );
        assert_eq!(
            weeks(&[(4, 7), (5, 7), (3, 1), end]),
            "In 2026-W03 the median was 7 h; the week before it has too few delivered changes to \
             compare with."
        );
        assert_eq!(
            weeks(&[(5, 7), end]),
            "In 2026-W02 the median was 7 h; there is no week before it to compare with."
        );
        assert_eq!(weeks(&[]), "Nothing was delivered, so there is no trend.");
    }
}
