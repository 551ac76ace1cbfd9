use super::*;
use crate::delivery::attribution::DeploymentKind;
use crate::delivery::measured::{CommitLife, Status};
use crate::delivery::report::{self, DoraMeasure, Estimate, Life, Spread};
use crate::delivery::summary::fixture::{T, TODAY, ZONES, deployment, horizons, life, services};
use crate::delivery::summary::{
    Day, DaySummary, Days, STAGES, Stock, day_summaries, stock, summaries,
};
use crate::delivery::view::{ChangeRow, DeploymentRow, Milestone, ServiceView};
use crate::stats::histogram::{bucket_of, width_of};
use crate::stats::survival::{Curve, Observation};
use crate::time::{DAY, HOUR, WEEK};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashSet};

/// Everything that a report is made from.
struct Case {
    view: ServiceView,
    days: &'static Days,
    horizon: i64,
    summaries: BTreeMap<Day, DaySummary>,
}

impl Case {
    fn new(view: ServiceView, zone: usize, horizon: i64) -> Self {
        let days = &ZONES[zone];
        let summaries = summaries(&view, days, horizon);
        Self { view, days, horizon, summaries }
    }

    fn report(&self, since: Option<Day>, until: Option<Day>) -> Report {
        let closed = until.filter(|&until| self.days.start(until) <= self.horizon);
        let stock: Stock = match closed {
            Some(until) => self.summaries.get(&until).map(DaySummary::stock).unwrap_or_default(),
            None => stock(&self.view, self.horizon),
        };
        let deployed =
            |(day, summary): (&Day, &DaySummary)| (summary.deployments() > 0).then_some(*day);
        let input = Input {
            scope: Scope { kind: ScopeKind::Service, name: "ferry".to_owned() },
            since,
            until,
            as_of: self.horizon,
            days: self.days,
            stock: &stock,
            first_deployment: self.summaries.iter().find_map(deployed),
            knows_incidents: true,
        };
        build(&input, self.summaries.iter().map(|(day, summary)| (*day, summary)))
    }

    fn span(&self, since: Option<Day>, until: Option<Day>) -> report::Span {
        let start = |day: Option<Day>| day.map(|day| self.days.start(day));
        report::Span { since: start(since), until: start(until), as_of: Some(self.horizon) }
    }

    /// What the span sees of the commits.
    fn observe_commits(&self, span: report::Span) -> Vec<Observation> {
        let life = |&CommitLife { committed, deployed }: &CommitLife| Life {
            start: committed,
            appears: committed,
            finished: deployed,
        };
        self.view.commits.iter().filter_map(|commit| span.observe(life(commit))).collect()
    }

    /// What the span sees of the last stage of the measured changes.
    fn observe_last_stage(&self, span: report::Span) -> Vec<Observation> {
        let changes = self.view.changes.iter().filter(|change| change.is_measured());
        let lives = changes.filter_map(|change| {
            let at = |milestone| change.milestones.get(milestone);
            let start = at(Milestone::Built).or(at(Milestone::Merged))?;
            Some(Life { start, appears: start, finished: at(Milestone::Deployed) })
        });
        lives.filter_map(|life| span.observe(life)).collect()
    }

    /// What the span sees of the changes that are asked for.
    fn observe(&self, span: report::Span, of: impl Fn(&ChangeRow) -> bool) -> Vec<Observation> {
        let changes = self.view.changes.iter().filter(|change| of(change));
        let lives = changes.filter_map(|change| {
            Some(Life {
                start: change.milestones.start()?,
                appears: change.milestones.get(Milestone::Merged)?,
                finished: change.milestones.get(Milestone::Deployed),
            })
        });
        lives.filter_map(|life| span.observe(life)).collect()
    }
}

fn spans() -> impl Strategy<Value = (Option<Day>, Option<Day>)> {
    let day = || prop::option::of((-3..75_i32).prop_map(|day| Day(TODAY.0 + day)));
    let short = (0..60_i32, 0..9_i32).prop_map(|(first, length)| {
        (Some(Day(TODAY.0 + first)), Some(Day(TODAY.0 + first + length)))
    });
    prop_oneof![(day(), day()), short]
}

/// Whether a quantile from a histogram is within 1 % of the exact one.
fn close(found: f64, exact: f64) -> bool {
    (found - exact).abs() <= exact.abs() * 0.01 + 1e-9
}

/// Whether a curve falls to 0 early by several that are delivered at the same second. A bucket cannot
/// tell them from those that are a second apart, of which the first still says something of a quantile.
fn ends_early_at_once(observations: &[Observation]) -> bool {
    let curve = Curve::of(observations.iter().copied());
    let end = curve.steps().iter().find(|step| step.survival <= 0.0);
    let at_once = end.is_some_and(|step| step.events > 1 && width_of(bucket_of(step.time)) > 1);
    at_once && curve.exhausted_early()
}

/// Whether nobody enters late or leaves undelivered in a bucket in which others are delivered, and no
/// curve [ends early at once](ends_early_at_once).
fn is_clear(observations: &[Observation]) -> bool {
    let wide = |age: i64| Some(bucket_of(age)).filter(|&bucket| width_of(bucket) > 1);
    let events: HashSet<_> =
        observations.iter().filter(|it| it.event).filter_map(|it| wide(it.time)).collect();
    observations.iter().all(|it| {
        let left = (!it.event).then(|| wide(it.time)).flatten();
        let entered = (it.entry > 0).then(|| wide(it.entry + 1)).flatten();
        [left, entered].into_iter().flatten().all(|bucket| !events.contains(&bucket))
    }) && !ends_early_at_once(observations)
}

/// Whether of those that entered late no two were started on the same day: their mean is kept.
fn enter_apart(case: &Case, since: Option<Day>) -> bool {
    let Some(since) = since else { return true };
    let starts = case.view.changes.iter().filter_map(|change| change.milestones.start());
    let days = starts.map(|start| case.days.of(start)).filter(|day| *day < since);
    let mut seen = HashSet::new();
    days.into_iter().all(|day| seen.insert(day))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Counts are exactly those that `measure` tells of the same span.
    #[test]
    fn counts_are_those_of_the_span(
        view in services(25),
        zone in 0..3_usize,
        horizon in horizons(),
        (since, until) in spans(),
    ) {
        let case = Case::new(view, zone, horizon);
        let report = case.report(since, until);
        let span = case.span(since, until);
        let seen = case.observe(span, ChangeRow::is_measured);
        let Spread { n, waiting, .. } = Spread::of(&seen);
        prop_assert_eq!((report.time_to_value.n, report.time_to_value.waiting), (n, waiting));
        let rework = |reverts: bool| {
            let of = |change: &ChangeRow| change.status == Status::Rework && change.reverts == reverts;
            case.observe(span, of).len()
        };
        prop_assert_eq!((report.rework.reverts, report.rework.reverted), (rework(true), rework(false)));
        let Spread { n, waiting, .. } = Spread::of(&case.observe_commits(span));
        prop_assert_eq!(report.dora[0].n, Some(n));
        let told = format!("({waiting})");
        prop_assert!(report.dora[0].note.contains(&told));
        let last = report.stages.last().unwrap();
        let Spread { n, waiting, .. } = Spread::of(&case.observe_last_stage(span));
        prop_assert_eq!((last.n, last.waiting), (n, waiting));
        let past = since.is_some_and(|since| case.days.start(since) > span.end().unwrap());
        let waiting = report.time_to_value.waiting;
        let bands: usize = report.flow.waiting_by_age.iter().map(|band| band.changes).sum();
        prop_assert_eq!((report.flow.waiting, bands), (waiting, waiting));
        let ages: Vec<i64> = seen.iter().filter(|it| !it.event).map(|it| it.time).collect();
        let mut limit = 0;
        for (band, end) in report.flow.waiting_by_age.iter().zip([DAY, WEEK, 30 * DAY, i64::MAX]) {
            let naive = ages.iter().filter(|age| (limit..end).contains(*age)).count();
            prop_assert_eq!(band.changes, naive, "{}", band.label);
            limit = end;
        }
        let finished = |it: &&DeploymentRow| {
            it.production && it.finished_at.is_some_and(|at| span.contains(at.min(horizon)))
        };
        let count = |of: &dyn Fn(&DeploymentRow) -> bool| {
            case.view.deployments.iter().filter(finished).filter(|it| of(it)).count()
        };
        let linked = |it: &DeploymentRow| it.kind.is_some();
        let counted = (report.flow.deployments, report.rework.failed_deployments, report.rework.rollbacks);
        prop_assert_eq!(counted, (
            count(&linked),
            count(&|it| linked(it) && it.failed_by.is_some()),
            count(&|it| it.kind == Some(DeploymentKind::Rollback)),
        ));
        let calendar: usize = report.flow.calendar.iter().map(|day| day.deployments).sum();
        prop_assert_eq!(calendar, report.flow.deployments);
        prop_assert_eq!(past && waiting > 0, false);
    }

    /// Where the definition promises it, quantiles, their bounds and shares are within 1 %.
    #[test]
    fn quantiles_are_within_one_percent(
        view in services(14),
        zone in 0..3_usize,
        horizon in horizons(),
        (since, until) in spans(),
    ) {
        let case = Case::new(view, zone, horizon);
        let span = case.span(since, until);
        let seen = case.observe(span, ChangeRow::is_measured);
        let report = case.report(since, until);
        let mut pairs = Vec::new();
        if is_clear(&seen) && enter_apart(&case, since) {
            let (found, exact) = (&report.time_to_value, Spread::of(&seen));
            pairs.extend([(found.p50, exact.p50), (found.p85, exact.p85), (found.p95, exact.p95)]);
        }
        let commits = case.observe_commits(span);
        if is_clear(&commits) {
            let DoraMeasure { value: seconds, low, high, .. } = report.dora[0];
            pairs.push((Estimate { seconds, low, high }, Spread::of(&commits).p50));
        }
        let last = case.observe_last_stage(span);
        if is_clear(&last) {
            let (found, exact) = (&report.stages[STAGES.len() - 1], Spread::of(&last));
            pairs.extend([(found.p50, exact.p50), (found.p85, exact.p85)]);
        }
        prop_assume!(!pairs.is_empty());
        for (found, exact) in pairs {
            prop_assert_eq!(found.seconds.is_some(), exact.seconds.is_some(), "{:?} {:?}", found, exact);
            let pairs = [(found.seconds, exact.seconds), (found.low, exact.low), (found.high, exact.high)];
            for (found, exact) in pairs {
                if let (Some(found), Some(exact)) = (found, exact) {
                    prop_assert!(close(found, exact), "{found} {exact}");
                }
            }
        }
    }

    /// Each point of the trend is the report of its own span.
    #[test]
    fn points_are_reports_of_their_own(
        view in services(25),
        zone in 0..3_usize,
        horizon in horizons(),
        (since, until) in spans(),
    ) {
        let case = Case::new(view, zone, horizon);
        let report = case.report(since, until);
        for point in &report.trend.points {
            let (first, last) = (case.days.of(point.start.0), case.days.of(point.end.0 - 1));
            let open = point.end.0 > horizon;
            let own = case.report(Some(first), (!open).then_some(last.next())).time_to_value;
            prop_assert_eq!((point.n, point.waiting), (own.n, own.waiting), "{}", &point.label);
            prop_assert_eq!((point.p50, point.p85, point.p95), (own.p50, own.p85, own.p95));
        }
        if let Some(last) = report.trend.points.last() {
            prop_assert_eq!(last.waiting, report.time_to_value.waiting);
        }
    }

    /// Stages are those of the changes delivered in the span; their sums are exact. (The last one
    /// counts what waits, see above.)
    #[test]
    fn stages_are_those_of_the_delivered(
        view in services(25),
        zone in 0..3_usize,
        (since, until) in spans(),
    ) {
        let case = Case::new(view, zone, T + 200 * DAY);
        let span = case.span(since, until);
        let delivered = case.view.changes.iter().filter(|change| {
            let deployed = change.milestones.get(Milestone::Deployed);
            change.is_measured() && deployed.is_some_and(|moment| span.contains(moment))
        });
        let stages: Vec<_> = delivered.flat_map(|change| change.milestones.stages()).collect();
        let whole: i64 = stages.iter().map(|(_, seconds)| seconds).sum();
        for (told, milestone) in case.report(since, until).stages.iter().zip(STAGES) {
            let own = stages.iter().filter(|(ended, _)| *ended == milestone);
            let own: Vec<i64> = own.map(|&(_, seconds)| seconds).collect();
            prop_assert_eq!((told.to, told.n), (milestone.name(), own.len()));
            let share = (whole > 0).then(|| own.iter().sum::<i64>() as f64 / whole as f64);
            prop_assert_eq!(told.share, share);
            let seen: Vec<_> =
                own.iter().map(|&time| Observation { entry: 0, time, event: true }).collect();
            let exact = Spread::of(&seen);
            let finished = (milestone != Milestone::Deployed).then_some([told.p50, told.p85]);
            let exact = [exact.p50, exact.p85];
            for (found, exact) in finished.into_iter().flatten().zip(exact) {
                prop_assert_eq!(found.seconds.is_some(), exact.seconds.is_some());
                prop_assert!(close(found.seconds.unwrap_or(0.0), exact.seconds.unwrap_or(0.0)));
            }
        }
    }
}

/// A year of a service that gets faster: numbers from a generator by Knuth, times that are spread
/// over four orders of magnitude, some of which never end.
fn a_year() -> ServiceView {
    let mut state = 7_u64;
    let mut random = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let end = T + 365 * DAY;
    let mut changes = Vec::new();
    for _ in 0..12_000 {
        let authored = T - 60 * DAY + (random() * 425.0 * DAY as f64) as i64;
        let bell = (0..6).map(|_| random()).sum::<f64>() - 3.0;
        let scale = if authored < T + 180 * DAY { 40.0 } else { 25.0 };
        let seconds = (HOUR as f64 * scale * (1.6 * bell).exp()) as i64 + 60;
        let merged = authored + (seconds as f64 * random() * 0.9) as i64;
        let delivered = Some(authored + seconds).filter(|&at| at <= end && random() < 0.97);
        if merged <= end {
            changes.push(life(authored, merged, delivered));
        }
    }
    let deployments =
        (0..365).map(|day| deployment(T + day * DAY, Some(DeploymentKind::Normal))).collect();
    ServiceView { changes, deployments, ..ServiceView::default() }
}

/// Delayed entry, censoring and deliveries of thousands of changes share buckets here, and many
/// were started before the span and merged in it. All the same the curves stay close.
#[test]
fn realistic_spans_are_close_to_exact() {
    let case = Case::new(a_year(), 1, T + 365 * DAY);
    let day = |day: i32| Some(Day(TODAY.0 + day));
    let every = |step: usize, length: i32| -> Vec<_> {
        (10..330).step_by(step).map(|first| (day(first), day(first + length))).collect()
    };
    // How far the curves may be apart, and how many of the quantiles and bounds within 1 %. Where
    // few were delivered a curve has wide steps, and a share that is off by little may be reached
    // a step away.
    for (spans, apart, within) in [
        (vec![(None, None), (day(5), None)], 0.000_1, 1.0),
        (every(30, 30), 0.000_5, 1.0),
        (every(7, 7), 0.003, 0.95),
        (every(17, 1), 0.03, 0.9),
    ] {
        let mut pairs = Vec::new();
        for (since, until) in spans {
            let seen = case.observe(case.span(since, until), ChangeRow::is_measured);
            let curve = Curve::of(seen.iter().copied());
            let found = case.report(since, until).time_to_value;
            for point in &found.curve {
                let rest = width_of(bucket_of(point.seconds)) / 2;
                let far = (point.waiting_share - curve.at(point.seconds + rest).survival).abs();
                assert!(far < apart, "{far}: {since:?} {until:?} {point:?}");
            }
            let exact = Spread::of(&seen);
            for (found, exact) in [(found.p50, exact.p50), (found.p85, exact.p85)] {
                pairs.push((found.seconds, exact.seconds));
                pairs.extend([(found.low, exact.low), (found.high, exact.high)]);
            }
        }
        let near = pairs.iter().filter(|pair| match pair {
            (Some(found), Some(exact)) => close(*found, *exact),
            (found, exact) => found == exact,
        });
        let (near, all) = (near.count() as f64, pairs.len() as f64);
        assert!(near >= within * all, "{near} of {all}");
    }
}

/// `n` changes in each week, each taking the hours of its week, and some minutes.
fn weeks(hours: &[(usize, i64)]) -> Case {
    let mut view = ServiceView::default();
    for (week, &(n, hours)) in hours.iter().enumerate() {
        for i in 0..n as i64 {
            let at = T + week as i64 * WEEK + 3 * DAY + i * HOUR / 2;
            view.changes.push(life(at - hours * HOUR - i * 60, at, Some(at)));
            view.deployments.push(deployment(at, Some(DeploymentKind::Normal)));
        }
    }
    view.deployments.push(deployment(T, Some(DeploymentKind::First)));
    Case::new(view, 0, T + hours.len() as i64 * WEEK - 1)
}

#[test]
fn the_trend_has_weeks_and_a_finding() {
    let trend = weeks(&[(5, 3), (20, 40), (20, 2)]).report(None, None).trend;
    let told: Vec<_> =
        trend.points.iter().map(|it| (it.label.as_str(), it.n, it.complete)).collect();
    assert_eq!(told, [("2026-W08", 5, true), ("2026-W09", 20, true), ("2026-W10", 20, true)]);
    assert_eq!(
        trend.finding,
        "The median went from 1 d 16 h (2026-W09) to 2 h 8 min (2026-W10): beyond noise (log-rank \
         p < 0.001)."
    );
    let trend = weeks(&[(9, 7), (8, 7)]).report(None, None).trend;
    assert!(trend.finding.contains("): within noise (log-rank p = "), "{}", trend.finding);
    let weeks = weeks(&[(1, 1); 40]);
    let report = weeks.report(None, None);
    assert_eq!((report.trend.points.len(), report.trend.points[0].label.as_str()), (10, "2026-02"));
    let since = Some(Day(TODAY.0 + 20 * 7 + 2));
    let report = weeks.report(since, None);
    assert_eq!((report.trend.points.len(), report.trend.points[0].complete), (20, false));
    assert_eq!(report.trend.points[0].start.0, T + 20 * WEEK + 2 * DAY);
}

#[test]
fn nothing_has_an_empty_report() {
    let nothing = Case::new(ServiceView::default(), 0, T);
    for since in [None, Some(TODAY), Some(TODAY.next())] {
        let report = nothing.report(since, None);
        assert_eq!((report.time_to_value.n, report.time_to_value.waiting), (0, 0));
        assert_eq!((report.flow.deployments_per_week, report.rework.share), (None, None));
        assert_eq!(report.trend.finding, "Nothing was delivered, so there is no trend.");
        assert_eq!((report.stages.len(), report.dora.len()), (6, 5));
        assert!(report.dora.iter().all(|measure| measure.value.is_none()));
    }
}

#[test]
fn dora_has_its_five_measures() {
    let mut case = weeks(&[(1, 1), (1, 1)]);
    let failed = |at, recovered| DeploymentRow {
        failed_by: Some("incident".to_owned()),
        recovered_at: Some(recovered),
        changes: 4,
        ..deployment(at, Some(DeploymentKind::Normal))
    };
    case.view.deployments.push(failed(T + 2 * DAY, T + 2 * DAY + 50));
    case.view.deployments.push(DeploymentRow {
        unplanned: true,
        ..deployment(T + 3 * DAY, Some(DeploymentKind::Normal))
    });
    let commit =
        |seconds: i64| CommitLife { committed: T + 3 * DAY - seconds, deployed: Some(T + 3 * DAY) };
    case.view.commits = [60, 70, 80].map(commit).into();
    let case = Case::new(case.view, 0, T + 2 * WEEK);
    let report = case.report(Some(TODAY), None);
    let told: Vec<_> = report.dora.iter().map(|it| (it.name, it.n, it.value)).collect();
    assert_eq!(
        told,
        [
            ("change lead time", Some(3), Some(70.0)),
            ("deployment frequency", Some(5), Some(2.0)),
            ("failed deployment recovery time", Some(1), Some(50.0)),
            ("change fail rate", Some(5), Some(0.2)),
            ("deployment rework rate", Some(5), Some(0.2)),
        ]
    );
    assert_eq!(report.flow.changes_per_deployment_mean, Some(4.0));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["schema_version"], &json["scope"]["kind"]), (&1.into(), &"service".into()));
    assert_eq!(json["span"]["since"], "2026-02-16");
    assert_eq!(json["span"]["end"], "2026-03-02T00:00:00Z");
}

proptest! {
    /// Kept summaries do not know the horizon, and tell the same.
    #[test]
    fn what_is_open_is_counted_when_it_is_asked_for(
        view in services(12),
        zone in 0..3_usize,
        horizon in horizons(),
        (since, until) in spans(),
    ) {
        let newest = view.changes.iter().flat_map(|it| it.milestones.0).flatten();
        let of_deployments = view.deployments.iter().flat_map(|it| [it.finished_at, it.recovered_at]);
        let of_incidents = view.incidents.iter().flat_map(|it| [it.opened_at, it.resolved_at]);
        let of_commits = view.commits.iter().flat_map(|it| [Some(it.committed), it.deployed]);
        let newest = newest.chain(of_commits.flatten()).chain(of_deployments.flatten()).chain(of_incidents.flatten()).max();
        let horizon = horizon.max(newest.unwrap_or(horizon));
        let case = Case::new(view, zone, horizon);
        let exact = case.report(since, until);
        let kept = day_summaries(&case.view, case.days);
        for summary in kept.values() {
            prop_assert_eq!(DaySummary::decode(&summary.encode()), Some(summary.clone()));
        }
        let deployed =
            |(day, summary): (&Day, &DaySummary)| (summary.deployments() > 0).then_some(*day);
        let question = Question {
            scope: exact.scope.clone(),
            since,
            until,
            as_of: horizon,
            days: case.days,
            first_deployment: kept.iter().find_map(deployed),
            knows_incidents: true,
        };
        let is_needed = |(day, summary): &(Day, DaySummary)| {
            let inside = since.is_none_or(|since| since <= *day) && until.is_none_or(|it| *day <= it);
            inside || (since.is_some_and(|since| *day < since) && !summary.open.is_empty())
        };
        let needed = kept.into_iter().filter(is_needed).collect();
        prop_assert_eq!(super::report(question, needed), exact);
    }
}
