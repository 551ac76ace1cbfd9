//! From a measured history to the report: the parts, put together.

use super::model::{CommitCounts, DeploymentCounts, Finding, Report, Source};
use super::span::Span;
use super::{dimensions, dora, flow, quality, rework, size, stages, trend, value};
use crate::delivery::history::{CommitIndex, History};
use crate::delivery::measured::{Measured, Size, Status};
use crate::time::Time;
use jiff::tz::TimeZone;

/// The version of the model of a report, see [`Report::schema_version`].
const SCHEMA_VERSION: u32 = 1;

/// Everything that a report is made from.
pub struct ReportInput<'a> {
    /// The commit graph.
    pub history: &'a History,
    /// The graph put together with its deployments.
    pub measured: &'a Measured,
    /// What was measured, told on as it is.
    pub source: Source,
    /// The start of the span that is asked for, Unix seconds; the beginning of time if `None`.
    pub since: Option<i64>,
    /// Its end, exclusive, Unix seconds; the moment of `measured.as_of`, inclusive, if `None`.
    pub until: Option<i64>,
    /// The time zone of weeks, months and days.
    pub time_zone: &'a TimeZone,
    /// The size of each of `measured.changes`, in the same order, `None` where it could not be
    /// read; `None` as a whole when sizes were not asked for.
    pub sizes: Option<&'a [Option<Size>]>,
    /// Deployments that are on record as not successful.
    pub unsuccessful_deployments: usize,
    /// The full hash of a commit.
    pub hash: &'a dyn Fn(CommitIndex) -> String,
    /// The first line of a commit's message.
    pub subject: &'a dyn Fn(CommitIndex) -> String,
    /// What whoever read the repository found; told first under data quality.
    pub findings: Vec<Finding>,
}

/// Builds the report. The cost is that of sorting the commits and deployments.
#[must_use]
pub fn build(input: &ReportInput<'_>) -> Report {
    let span = Span { since: input.since, until: input.until, as_of: input.measured.as_of };
    let flow = flow::of(input, span);
    let rework = rework::of(input, span);
    Report {
        schema_version: SCHEMA_VERSION,
        source: input.source.clone(),
        deployments: deployment_counts(input, span),
        commits: commit_counts(input),
        time_to_value: value::time_to_value(&span.observe_all(&input.measured.changes)),
        trend: trend::of(input, span),
        stages: stages::of(&input.measured.changes, span),
        size: input.sizes.map(|sizes| size::of(&input.measured.changes, sizes, span)),
        dora: dora::of(input, span, &flow, &rework),
        flow,
        rework,
        dimensions: dimensions::of(&input.measured.changes, span),
        data_quality: quality::of(input),
    }
}

fn deployment_counts(input: &ReportInput<'_>, span: Span) -> DeploymentCounts {
    let deployments = &input.measured.deployments[span.deployments(&input.measured.deployments)];
    DeploymentCounts {
        count: deployments.len(),
        first: deployments.first().map(|first| Time(first.finished_at)),
        last: deployments.last().map(|last| Time(last.finished_at)),
    }
}

fn commit_counts(input: &ReportInput<'_>) -> CommitCounts {
    let ReportInput { history, measured, .. } = input;
    let mut counts = CommitCounts { baseline: 0, delivered: 0, waiting: 0 };
    for commit in 0..history.len() as CommitIndex {
        if history.is_merge(commit) || !measured.touches(commit) {
            continue;
        }
        match measured.commit_status(history, commit) {
            Some(Status::Baseline) => counts.baseline += 1,
            Some(Status::Delivered) => counts.delivered += 1,
            Some(Status::Waiting) => counts.waiting += 1,
            Some(Status::Rework) | None => {}
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Story;
    use super::super::model::Report;
    use crate::delivery::history::Marks;
    use crate::delivery::measured::Size;
    use crate::time::DAY;
    use proptest::prelude::*;

    const T: i64 = 100_000_000;

    fn counts(report: &Report) -> (usize, usize, usize) {
        let counts = &report.commits;
        (counts.baseline, counts.delivered, counts.waiting)
    }

    #[test]
    fn an_empty_history_has_an_empty_report() {
        let report = Story::new().report();
        assert_eq!(report.schema_version, 1);
        assert_eq!(counts(&report), (0, 0, 0));
        assert_eq!((report.deployments.count, report.deployments.first), (0, None));
        assert_eq!((report.time_to_value.n, report.time_to_value.waiting), (0, 0));
        assert!(report.trend.points.is_empty() && report.data_quality.is_empty());
        assert_eq!((report.stages.len(), report.dora.len(), report.dimensions.len()), (2, 5, 2));
    }

    #[test]
    fn without_deployments_everything_waits() {
        let mut story = Story::new();
        for at in [10, 20, 30] {
            story.direct(T + at, T + at);
        }
        let report = story.report();
        assert_eq!(counts(&report), (0, 0, 3));
        assert_eq!((report.time_to_value.n, report.time_to_value.waiting), (0, 3));
        assert_eq!((report.time_to_value.p50.seconds, report.flow.waiting), (None, 3));
        assert_eq!(report.flow.oldest[0].seconds, 20);
        assert_eq!((report.stages[0].n, report.stages[1].waiting), (0, 3));
        assert!(report.trend.points.is_empty() && report.data_quality.is_empty());
    }

    #[test]
    fn one_deployment_is_all_baseline() {
        let mut story = Story::new();
        story.direct(T, T);
        let head = story.direct(T + 10, T + 10);
        story.deploy("v0", head, T + 20);
        let report = story.report();
        assert_eq!(counts(&report), (2, 0, 0));
        assert_eq!(
            (report.deployments.count, report.deployments.first),
            (1, report.deployments.last)
        );
        assert_eq!((report.time_to_value.n, report.time_to_value.waiting), (0, 0));
        assert_eq!(report.flow.deployments_per_week, None);
        assert_eq!((report.flow.delivering_deployments, report.flow.waiting), (0, 0));
        assert_eq!(report.rework.share, None);
    }

    #[test]
    fn paths_and_spans_narrow_what_they_should() {
        let mut story = Story::of_lives(T, &[(T + 10, 5), (T + 20, 5), (T + 30, 5)]);
        story.touches = Some(vec![true, true, false, true]);
        let report = story.report();
        assert_eq!(counts(&report), (1, 2, 0));
        assert_eq!((report.time_to_value.n, report.deployments.count), (2, 4));
        // Commits are told of the whole history, deployments and changes of the span.
        let report = story.report_of(Some(T + 26), None);
        assert_eq!(counts(&report), (1, 2, 0));
        assert_eq!((report.time_to_value.n, report.deployments.count), (1, 1));
    }

    /// Four changes take 100, 200, 300 and 400; one waits since 250. At risk: 5, 4, 2 (the one that
    /// waits has left), 1: 4/5, 3/5, 3/10, 0.
    #[test]
    fn the_median_counts_who_waits() {
        let lives = [(T + 1_000, 100), (T + 2_000, 200), (T + 3_000, 300), (T + 4_000, 400)];
        let mut story = Story::of_lives(T, &lives);
        story.direct(T + 5_000, T + 5_000);
        story.as_of = Some(T + 5_250);
        let value = story.report().time_to_value;
        assert_eq!((value.n, value.waiting), (4, 1));
        assert_eq!(value.p50.seconds, Some(300.0));
        let shares: Vec<f64> = value.curve.iter().map(|point| point.waiting_share).collect();
        for (share, expected) in shares.iter().zip([0.8, 0.6, 0.6, 0.3, 0.0]) {
            assert!((share - expected).abs() < 1e-12, "{shares:?}");
        }
    }

    /// A span that begins at age 250 of the change that takes 300 sees it at risk from then on
    /// only: of the two that are delivered in it, one takes 100 from birth and one 300 late. So at
    /// 100 one is at risk, and the curve runs out early; without the late one's entry it would be
    /// two, and the median 100.
    #[test]
    fn a_span_lets_old_changes_enter_late() {
        let mut story = Story::of_lives(T, &[(T + 1_000, 300), (T + 1_260, 100)]);
        let value = story.report_of(Some(T + 1_250), None).time_to_value;
        assert_eq!((value.n, value.waiting, value.p50.seconds), (2, 0, None));
        // One that waits keeps the curve alive: 2, then 2 at risk, 1/2, 1/4.
        story.direct(T + 1_300, T + 1_300);
        story.as_of = Some(T + 1_500);
        let value = story.report_of(Some(T + 1_250), None).time_to_value;
        assert_eq!((value.n, value.waiting, value.p50.seconds), (2, 1, Some(100.0)));
        let steps: Vec<_> = value.curve.iter().map(|p| (p.seconds, p.at_risk)).collect();
        assert_eq!(steps, [(100, 2), (200, 1), (300, 1)]);
    }

    /// A commit: hours since the one before, hours that it was authored earlier (or later, by a
    /// wrong clock), whether a branch brings it, its marks, and what is deployed then: nothing,
    /// it, or an older commit.
    type Step = (i64, i64, bool, u8, u8);

    fn story(steps: &[Step]) -> Story {
        let mut story = Story::of_lives(T, &[]);
        let mut at = T;
        for &(pause, earlier, merged, marks, deployed) in steps {
            at += pause * 3_600;
            let head = story.head.unwrap();
            let authored = at - earlier * 3_600;
            if merged {
                let commit = story.commit(authored, authored, &[head]);
                story.head = Some(story.commit(at, at, &[head, commit]));
            } else {
                let commit = story.marked(authored, marks);
                if marks & Marks::REVERT != 0 {
                    story.history.link_revert(commit, head);
                }
            }
            let head = story.head.unwrap();
            match deployed {
                0..4 => {}
                4..9 => story.deploy(&format!("v{at}"), head, at + i64::from(deployed) * 999),
                _ => story.deploy(&format!("w{at}"), head / 2, at + 7),
            }
        }
        let size = |change: usize| Size { lines_added: change as u32 % 9, ..Size::default() };
        let changes = 0..story.measured().changes.len();
        story.sizes = Some(changes.map(|change| (change % 7 > 0).then(|| size(change))).collect());
        story
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Whatever the history, the parts of its report tell of the same changes.
        #[test]
        fn parts_agree(
            steps in prop::collection::vec(
                (0..400_i64, prop_oneof![-20..20_i64, 0..900_i64], any::<bool>(), 0..16_u8, 0..10_u8),
                0..60,
            ),
            since in prop::option::of(0..400_i64),
            until in prop::option::of(0..400_i64),
        ) {
            let mut story = story(&steps);
            let day = |day: i64| T + day * DAY;
            let report = story.report_of(since.map(day), until.map(day));
            let (n, waiting) = (report.time_to_value.n, report.time_to_value.waiting);
            prop_assert_eq!(waiting, report.flow.waiting);
            for dimension in &report.dimensions {
                prop_assert_eq!(dimension.groups.iter().map(|group| group.n).sum::<usize>(), n);
                let waits = dimension.groups.iter().map(|group| group.waiting);
                prop_assert_eq!(waits.sum::<usize>(), waiting);
            }
            let size = report.size.as_ref().unwrap();
            let grouped = size.quartiles.iter().map(|group| group.n + group.waiting);
            prop_assert_eq!(grouped.sum::<usize>(), size.n);
            prop_assert_eq!(size.n + size.unknown, n + waiting);
            let [first, second] = &report.stages[..] else { panic!("two stages") };
            prop_assert!(first.n <= n && first.waiting == 0);
            prop_assert_eq!((second.n, second.waiting), (n, waiting));
            let shares = first.share.into_iter().chain(second.share).sum::<f64>();
            prop_assert!(shares == 0.0 || (shares - 1.0).abs() < 1e-9);
            let bands = report.flow.waiting_by_age.iter().map(|band| band.changes);
            prop_assert_eq!(bands.sum::<usize>(), report.flow.waiting);
            let days = report.flow.calendar.iter().map(|day| day.deployments);
            prop_assert_eq!(days.sum::<usize>(), report.deployments.count);
            let points = &report.trend.points;
            prop_assert!(points.len() <= 26);
            if let Some(last) = points.last() {
                prop_assert_eq!(points.iter().map(|point| point.n).sum::<usize>(), n);
                prop_assert_eq!(last.waiting, waiting);
            } else {
                prop_assert_eq!(n, 0);
            }
            for point in points {
                let own = story.report_of(Some(point.start.0), Some(point.end.0)).time_to_value;
                prop_assert_eq!((point.n, point.waiting, point.p50), (own.n, own.waiting, own.p50));
            }
        }
    }
}
