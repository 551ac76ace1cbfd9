//! What the summaries tell of waits, against each change looked at by itself.

use super::{Question, Scope, ScopeKind, Waits, brief, report, waits};
use crate::delivery::summary::fixture::{T, TODAY, ZONES, change, services};
use crate::delivery::summary::{Day, STAGES, day_summaries};
use crate::delivery::view::{ChangeRow, Milestone, Milestones, ServiceView};
use crate::stats::histogram::Histogram;
use crate::stats::life_table::{LifeTable, Tally};
use crate::stats::survival::Curve;
use crate::time::{DAY, HOUR, WEEK};
use proptest::prelude::*;

const AS_OF: i64 = T + 300 * DAY;

fn median(delivered: &[i64], waiting: &[i64]) -> Option<f64> {
    let tally = |seconds: &[i64]| {
        let mut tally = Tally::default();
        tally.add(&Histogram::of(seconds.iter().map(|&it| (it, 1))));
        tally
    };
    let all = (delivered.len() + waiting.len()) as i64;
    let table = LifeTable::of(all, &Tally::default(), &tally(delivered), &tally(waiting));
    Curve::of_table(&table).until_exhausted().quantile(0.5).estimate
}

/// Of a change: how long it took or has waited, and whether it is delivered.
fn whole(change: &ChangeRow) -> (i64, bool) {
    let start = change.milestones.start().unwrap();
    let deployed = change.milestones.get(Milestone::Deployed);
    (deployed.unwrap_or(AS_OF) - start, deployed.is_some())
}

/// How long a change was, or has been, in a stage.
fn spent(change: &ChangeRow, stage: Milestone) -> i64 {
    let in_last = change.milestones.get(Milestone::Deployed).is_none();
    if stage == Milestone::Deployed && in_last {
        return AS_OF - change.milestones.before_deployed().unwrap();
    }
    change.milestones.stages().find(|&(to, _)| to == stage).map_or(0, |(_, seconds)| seconds)
}

/// The median without a stage, one change after the other.
fn naive(changes: &[&ChangeRow], stage: Milestone) -> Option<f64> {
    let (mut delivered, mut waiting) = (Vec::new(), Vec::new());
    for change in changes {
        let (seconds, over) = whole(change);
        let seconds = seconds - spent(change, stage);
        match over || stage == Milestone::Deployed {
            true => delivered.push(seconds),
            false => waiting.push(seconds),
        }
    }
    median(&delivered, &waiting)
}

/// What waits in a span, the first deployment of all having been two weeks before the end.
fn told(view: &ServiceView, zone: usize, (since, until): (Option<Day>, Option<Day>)) -> Waits {
    let days = &ZONES[zone];
    let question = Question {
        scope: Scope { kind: ScopeKind::Organization, name: String::new() },
        since,
        until,
        as_of: AS_OF,
        days,
        first_deployment: Some(days.of(AS_OF - 2 * WEEK)),
        knows_incidents: true,
    };
    waits(&question, &day_summaries(view, days))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn waits_are_those_of_each_change(
        view in services(20),
        zone in 0..3_usize,
        since in prop::option::of(0..70_i32),
        until in prop::option::of(0..70_i32),
    ) {
        let days = &ZONES[zone];
        let span = (since.map(|day| Day(TODAY.0 + day)), until.map(|day| Day(TODAY.0 + day)));
        let told = told(&view, zone, span);
        let is_in = |change: &&ChangeRow| {
            let start = change.milestones.start().unwrap();
            let merged = change.milestones.get(Milestone::Merged).unwrap_or(start);
            let deployed = change.milestones.get(Milestone::Deployed).unwrap_or(i64::MAX);
            let day = days.of(merged.min(deployed));
            span.0.is_none_or(|since| since <= day) && span.1.is_none_or(|until| day < until)
        };
        let changes: Vec<&ChangeRow> =
            view.changes.iter().filter(|it| it.is_measured()).filter(is_in).collect();
        let over = changes.iter().filter(|it| whole(it).1).count();
        prop_assert_eq!((told.n, told.waiting), (over, changes.len() - over));
        for wait in &told.stages {
            let stage = STAGES.into_iter().find(|it| it.name() == wait.to).unwrap();
            let all: i64 = changes.iter().map(|it| spent(it, stage)).sum();
            prop_assert_eq!(wait.seconds, all, "{}", wait.to);
            prop_assert_eq!(wait.p50_without.seconds, naive(&changes, stage), "{}", wait.to);
        }
        prop_assert!(told.stages.is_sorted_by(|a, b| a.seconds >= b.seconds));
        let all: i64 = told.stages.iter().map(|it| it.seconds).sum();
        prop_assert_eq!(all, changes.iter().map(|it| whole(it).0).sum::<i64>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// What is told in brief is what is told at length.
    #[test]
    fn a_brief_is_its_report(
        view in services(20),
        zone in 0..3_usize,
        since in prop::option::of(0..90_i32),
        until in prop::option::of(0..90_i32),
        as_of in prop_oneof![Just(AS_OF), T..T + 60 * DAY],
    ) {
        let days = &ZONES[zone];
        let question = Question {
            scope: Scope { kind: ScopeKind::Organization, name: String::new() },
            since: since.map(|day| Day(TODAY.0 + day)),
            until: until.map(|day| Day(TODAY.0 + day)),
            as_of,
            days,
            first_deployment: None,
            knows_incidents: true,
        };
        prop_assume!(since.zip(until).is_none_or(|(since, until)| since < until));
        // A span that begins after the newest data has nothing to tell.
        prop_assume!(question.since.is_none_or(|since| days.start(since) <= as_of));
        let summaries = day_summaries(&view, days);
        let told = brief(&question, &summaries);
        let long = report(question, summaries);
        let value = &long.time_to_value;
        prop_assert_eq!((told.n, told.waiting, told.p50), (value.n, value.waiting, value.p50));
        prop_assert_eq!(told.deployments, long.flow.deployments);
    }
}

/// A change that was opened at once, approved after some hours, and deployed after others.
fn reviewed(start: i64, hours: [i64; 2], deployed: bool) -> ChangeRow {
    let mut milestones = Milestones::default();
    let merged = start + hours[0] * HOUR;
    milestones.set(Milestone::Authored, Some(start));
    milestones.set(Milestone::Opened, Some(start));
    milestones.set(Milestone::Approved, Some(merged));
    milestones.set(Milestone::Merged, Some(merged));
    milestones.set(Milestone::Deployed, deployed.then_some(merged + hours[1] * HOUR));
    change(milestones)
}

fn of(changes: Vec<ChangeRow>) -> Waits {
    told(&ServiceView { changes, ..ServiceView::default() }, 0, (None, None))
}

/// Those that are slow to approve are not those that are slow to deploy: taking a stage away is not
/// taking its median away.
#[test]
fn without_a_stage_is_not_the_difference_of_medians() {
    let slow = (0..5).map(|i| reviewed(T + i * HOUR, [100, 1], true));
    let rest = (0..4).map(|i| reviewed(T + i * HOUR, [1, 60], true));
    let told = of(slow.chain(rest).collect());
    let wait = |to: &str| told.stages.iter().find(|it| it.to == to).unwrap();
    assert_eq!(told.stages[0].to, "approved");
    let weeks = told.weeks;
    assert!((2.0..2.2).contains(&weeks), "{weeks}");
    assert_eq!(wait("approved").hours_per_week, Some((5 * 100 + 4) as f64 / weeks));
    let near = |found: Option<f64>, hours: f64| {
        let found = found.unwrap() / HOUR as f64;
        assert!((found - hours).abs() <= hours * 0.01, "{found} is not {hours}");
    };
    near(told.p50.seconds, 101.0);
    near(wait("approved").p50_without.seconds, 1.0);
    near(wait("deployed").p50_without.seconds, 100.0);
    near(wait("opened").p50_without.seconds, 101.0);
}

/// What waits for its deployment counts: most of the time is lost there.
#[test]
fn what_waits_is_lost_time_too() {
    let told = of((0..3).map(|i| reviewed(T + i * HOUR, [2, 5], false)).collect());
    assert_eq!((told.n, told.waiting, told.p50.seconds), (0, 3, None));
    assert_eq!(told.stages[0].to, "deployed");
    assert!(told.stages[0].seconds > 3 * 299 * DAY);
    let without = told.stages[0].p50_without.seconds.unwrap();
    assert!((without - (2 * HOUR) as f64).abs() < 80.0, "{without}");
    assert_eq!(told.stages[1].p50_without.seconds, None);
}

#[test]
fn nothing_waits_where_nothing_is() {
    let told = of(Vec::new());
    assert_eq!((told.n, told.waiting, told.p50.seconds), (0, 0, None));
    assert!(told.stages.iter().all(|it| it.seconds == 0 && it.p50_without.seconds.is_none()));
}
