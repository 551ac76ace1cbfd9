//! DORA's five measures as far as git alone can tell: rule 14.
//!
//! The names and definitions are those of DORA's guide "DORA's software delivery performance
//! metrics" (<https://dora.dev/guides/dora-metrics/>): change lead time, deployment frequency and
//! failed deployment recovery time show throughput, change fail rate and deployment rework rate
//! show instability.

use super::build::ReportInput;
use super::model::{DoraMeasure, Estimate, Flow, Rework};
use super::span::{Life, Span};
use super::value::Spread;
use crate::delivery::attribution::Deployment;
use crate::delivery::history::NONE;
use crate::delivery::measured::CommitLife;
use crate::stats::proportion::wilson;
use crate::stats::survival::Observation;

const LEAD_TIME: &str = "change lead time";
const RECOVERY_TIME: &str = "failed deployment recovery time";
const FAIL_RATE: &str = "change fail rate";
const REWORK_RATE: &str = "deployment rework rate";

/// Builds the five measures, in DORA's order.
pub(super) fn of(
    input: &ReportInput<'_>,
    span: Span,
    flow: &Flow,
    rework: &Rework,
) -> Vec<DoraMeasure> {
    let deployments = span.deployments(&input.measured.deployments).len();
    vec![
        change_lead_time(input, span),
        frequency(deployments, flow.deployments_per_week),
        failed_deployment_recovery_time(input, span),
        fail_rate(rework.failed_deployments, deployments, false),
        rework_rate(0, deployments, false),
    ]
}

/// Deployment frequency.
pub(in crate::delivery) fn frequency(deployments: usize, per_week: Option<f64>) -> DoraMeasure {
    DoraMeasure {
        name: "deployment frequency",
        unit: Some("per week"),
        n: Some(deployments),
        value: per_week,
        low: None,
        high: None,
        note: "Successful deployments a week over the time that was looked at.".to_owned(),
    }
}

/// A measure that is a median of durations.
fn median(name: &'static str, n: usize, p50: Estimate, note: String) -> DoraMeasure {
    let Estimate { seconds: value, low, high } = p50;
    DoraMeasure { name, unit: Some("seconds"), n: Some(n), value, low, high, note }
}

/// A measure that is the share of deployments for which something holds.
fn rate(name: &'static str, count: usize, deployments: usize, note: &str) -> DoraMeasure {
    let rate = wilson(count, deployments);
    DoraMeasure {
        name,
        unit: Some("share"),
        n: Some(deployments),
        value: rate.map(|rate| rate.share),
        low: rate.map(|rate| rate.low),
        high: rate.map(|rate| rate.high),
        note: note.to_owned(),
    }
}

fn change_lead_time(input: &ReportInput<'_>, span: Span) -> DoraMeasure {
    let Spread { n, waiting, p50, .. } = Spread::of(&commits(input, span));
    lead_time(n, waiting, p50)
}

/// Change lead time, of `n` commits that were deployed and some that wait.
pub(in crate::delivery) fn lead_time(n: usize, waiting: usize, p50: Estimate) -> DoraMeasure {
    let note = format!(
        "The median time from commit to deployment, by commit; commits that wait ({waiting}) are \
         in it as not delivered yet. Commits with an absurd commit date are left out."
    );
    median(LEAD_TIME, n, p50, note)
}

/// Failed deployment recovery time, of `n` failed deployments.
pub(in crate::delivery) fn recovery_time(n: usize, p50: Estimate) -> DoraMeasure {
    let note = "The median time from a deployment that failed to the recovery from it: the end of \
                the rollback that took it back, or of the incident that it caused where incidents \
                are on record.";
    median(RECOVERY_TIME, n, p50, note.to_owned())
}

/// Change fail rate. Without incidents it is at least this.
pub(in crate::delivery) fn fail_rate(
    failed: usize,
    deployments: usize,
    knows_incidents: bool,
) -> DoraMeasure {
    let note = match knows_incidents {
        true => "The share of deployments that a rollback took back or that an incident followed.",
        false => {
            "The share of deployments that a rollback took back. It is at least this: no incidents \
             are on record, which would tell of other failures."
        }
    };
    rate(FAIL_RATE, failed, deployments, note)
}

/// Deployment rework rate; not known where no incidents are on record.
pub(in crate::delivery) fn rework_rate(
    unplanned: usize,
    deployments: usize,
    knows_incidents: bool,
) -> DoraMeasure {
    if knows_incidents {
        let note = "The share of deployments that were not planned but made to mend an incident.";
        return rate(REWORK_RATE, unplanned, deployments, note);
    }
    DoraMeasure {
        name: REWORK_RATE,
        unit: None,
        n: None,
        value: None,
        low: None,
        high: None,
        note: "Not known: which deployments were made to mend an incident takes records of \
               incidents, and there are none."
            .to_owned(),
    }
}

/// What the span sees of all commits after the baseline, each from its committer time on.
fn commits(input: &ReportInput<'_>, span: Span) -> Vec<Observation> {
    let lives = input.measured.commit_lives(input.history);
    let seen = |CommitLife { committed, deployed }| {
        span.observe(Life { start: committed, appears: committed, finished: deployed })
    };
    lives.filter_map(seen).collect()
}

fn failed_deployment_recovery_time(input: &ReportInput<'_>, span: Span) -> DoraMeasure {
    let recoveries = recoveries(input, span);
    recovery_time(recoveries.len(), Spread::of(&recoveries).p50)
}

/// For each deployment that a rollback of the span took back, from its end to that of the rollback.
fn recoveries(input: &ReportInput<'_>, span: Span) -> Vec<Observation> {
    let deployments = &input.measured.deployments;
    let range = span.deployments(deployments);
    let failed = deployments.iter().zip(&input.measured.attribution.failed_by);
    let recovery = |(failed, &rollback): (&Deployment, &u32)| {
        let rollback = (rollback != NONE).then_some(rollback as usize)?;
        let time = deployments[rollback].finished_at - failed.finished_at;
        range.contains(&rollback).then_some(Observation { entry: 0, time, event: true })
    };
    failed.filter_map(recovery).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{LATEST, Story};
    use super::super::model::Report;
    use super::*;
    use crate::time::{DAY, WEEK};

    const T: i64 = 1_000_000;

    fn measure<'a>(report: &'a Report, name: &str) -> &'a DoraMeasure {
        report.dora.iter().find(|measure| measure.name == name).unwrap()
    }

    #[test]
    fn the_five_have_their_names() {
        let report = Story::new().report();
        let names: Vec<_> = report.dora.iter().map(|measure| measure.name).collect();
        assert_eq!(
            names,
            [
                "change lead time",
                "deployment frequency",
                "failed deployment recovery time",
                "change fail rate",
                "deployment rework rate"
            ]
        );
        assert!(report.dora.iter().all(|measure| measure.value.is_none()));
        let known: Vec<_> = report.dora.iter().map(|measure| measure.n).collect();
        assert_eq!(known, [Some(0), Some(0), Some(0), Some(0), None]);
        assert_eq!(measure(&report, "deployment rework rate").unit, None);
    }

    /// Commits of one merge that were committed 900 and 300 before its deployment, one that waits
    /// for 500, one of an absurd clock, and one on a release branch that was deployed after 100.
    #[test]
    fn lead_time_is_of_commits_from_commit_time_on() {
        let mut story = Story::of_lives(T, &[]);
        let first = story.commit(T + 1, T + 100, &[0]);
        let second = story.commit(T + 2, T + 700, &[first]);
        let merge = story.commit(T + 800, T + 800, &[0, second]);
        story.head = Some(merge);
        story.deploy("v1", merge, T + 1_000);
        let fix = story.commit(T + 1_000, T + 1_100, &[merge]);
        story.deploy("v1.1", fix, T + 1_200);
        story.direct(T + 1_300, T + 1_400);
        story.direct(T + 1_300, LATEST + 1);
        story.as_of = Some(T + 1_900);
        let report = story.report();
        let found = measure(&report, "change lead time");
        // At risk: 4, 3 and, after the censoring at 500, 1: 3/4, 1/2, 0.
        assert_eq!((found.n, found.value, found.unit), (Some(3), Some(300.0), Some("seconds")));
        assert!(found.note.contains("(1)"), "{}", found.note);
        assert_eq!((report.commits.delivered, report.commits.waiting), (3, 2));
        // Of a span, those that were deployed in it.
        let report = story.report_of(Some(T + 1_100), Some(T + 1_300));
        assert_eq!(measure(&report, "change lead time").n, Some(1));
    }

    #[test]
    fn recovery_runs_from_the_deployment_to_the_end_of_its_rollback() {
        let lives = [(T + 100, 0), (T + 200, 0), (T + 300, 0)];
        let mut story = Story::of_lives(T, &lives);
        story.deploy("again", 3, T + 350);
        story.deploy("back", 1, T + 400); // fails v2, v3 and "again", live since 200, 300, 350
        story.deploy("once more", 3, T + 500);
        story.deploy("and back", 2, T + 530); // fails "once more", live since 500
        let report = story.report();
        let found = measure(&report, "failed deployment recovery time");
        // 30, 50, 100, 200.
        assert_eq!((found.n, found.value, found.low), (Some(4), Some(50.0), Some(30.0)));
        let report = story.report_of(None, Some(T + 530));
        let found = measure(&report, "failed deployment recovery time");
        assert_eq!((found.n, found.value), (Some(3), Some(100.0)));
        let report = story.report_of(Some(T + 530), None);
        let found = measure(&report, "failed deployment recovery time");
        assert_eq!((found.n, found.value), (Some(1), Some(30.0)));
    }

    /// Newcombe (1998) has 0.0061 to 0.1718 for 1 of 29.
    #[test]
    fn the_fail_rate_has_its_interval() {
        let lives: Vec<_> = (1..28).map(|week| (T + week * WEEK, 0)).collect();
        let mut story = Story::of_lives(T, &lives);
        story.deploy("back", 26, T + 28 * WEEK);
        let report = story.report();
        let found = measure(&report, "change fail rate");
        assert_eq!((found.n, found.value), (Some(29), Some(1.0 / 29.0)));
        let close = |bound: Option<f64>, expected: f64| (bound.unwrap() - expected).abs() < 5e-5;
        assert!(close(found.low, 0.0061) && close(found.high, 0.1718), "{found:?}");
        let found = measure(&report, "deployment frequency");
        // 28 after the first one, since the first moment of its day.
        let weeks = 28.0 + (T % DAY) as f64 / WEEK as f64;
        let expected = (Some(29), Some(28.0 / weeks), Some("per week"));
        assert_eq!((found.n, found.value, found.unit), expected);
        let found = measure(&report, "failed deployment recovery time");
        assert_eq!(found.value, Some(WEEK as f64));
    }
}
