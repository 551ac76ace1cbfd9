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
use crate::delivery::attribution::DeploymentKind;
use crate::delivery::history::{CommitIndex, NONE};
use crate::delivery::measured::Status;
use crate::stats::proportion::wilson;
use crate::stats::survival::Observation;

pub(in crate::delivery) const LEAD_TIME: &str = "change lead time";
pub(in crate::delivery) const RECOVERY_TIME: &str = "failed deployment recovery time";
pub(in crate::delivery) const FAIL_RATE: &str = "change fail rate";
pub(in crate::delivery) const REWORK_RATE: &str = "deployment rework rate";

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
        change_fail_rate(deployments, rework),
        DoraMeasure {
            name: REWORK_RATE,
            unit: None,
            n: None,
            value: None,
            low: None,
            high: None,
            note: "Git does not tell which deployments were unplanned and followed an incident: \
                   incident records that name their deployments would be needed."
                .to_owned(),
        },
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
pub(in crate::delivery) fn median(
    name: &'static str,
    n: usize,
    p50: Estimate,
    note: String,
) -> DoraMeasure {
    let Estimate { seconds: value, low, high } = p50;
    DoraMeasure { name, unit: Some("seconds"), n: Some(n), value, low, high, note }
}

/// A measure that is the share of deployments for which something holds.
pub(in crate::delivery) fn rate(
    name: &'static str,
    count: usize,
    deployments: usize,
    note: &str,
) -> DoraMeasure {
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
    let note = format!(
        "The median time from commit to deployment, by commit; commits that wait ({waiting}) are \
         in it as not delivered yet. Commits with an absurd commit date are left out."
    );
    median(LEAD_TIME, n, p50, note)
}

/// What the span sees of all commits after the baseline, each from its committer time on.
fn commits(input: &ReportInput<'_>, span: Span) -> Vec<Observation> {
    let ReportInput { history, measured, .. } = input;
    let mut observations = Vec::new();
    for commit in 0..history.len() as CommitIndex {
        if history.is_merge(commit) || !measured.touches(commit) {
            continue;
        }
        let status = measured.commit_status(history, commit);
        if !matches!(status, Some(Status::Delivered | Status::Waiting)) {
            continue;
        }
        let committed = history.commit(commit).committed;
        let Some(start) = measured.plausible.check(committed) else { continue };
        let finished = match measured.attribution.delivered[commit as usize] {
            NONE => None,
            number => Some(measured.deployments[number as usize].finished_at),
        };
        observations.extend(span.observe(Life { start, appears: start, finished }));
    }
    observations
}

fn failed_deployment_recovery_time(input: &ReportInput<'_>, span: Span) -> DoraMeasure {
    let recoveries = recoveries(input, span);
    let note = "The median time from a deployment that was rolled back to the end of its rollback. \
                Incidents are not in git, so fixes by a new deployment do not show here.";
    median(RECOVERY_TIME, recoveries.len(), Spread::of(&recoveries).p50, note.to_owned())
}

/// For each rollback of the span how long what it replaced had been live: since the first
/// deployment of that revision which the rollback took back.
fn recoveries(input: &ReportInput<'_>, span: Span) -> Vec<Observation> {
    let deployments = &input.measured.deployments;
    let attribution = &input.measured.attribution;
    let mut live: Vec<Option<(CommitIndex, i64)>> = vec![None; deployments.len()];
    for (deployment, &rollback) in deployments.iter().zip(&attribution.failed_by).rev() {
        if rollback != NONE {
            // The last one taken back is the one that was live, since its first deployment.
            let found = &mut live[rollback as usize];
            if found.is_none_or(|(revision, _)| revision == deployment.revision) {
                *found = Some((deployment.revision, deployment.finished_at));
            }
        }
    }
    let range = span.deployments(deployments);
    let rollbacks = range.filter(|&number| attribution.kinds[number] == DeploymentKind::Rollback);
    let recovery = |number: usize| {
        let time = deployments[number].finished_at - live[number]?.1;
        Some(Observation { entry: 0, time, event: true })
    };
    rollbacks.filter_map(recovery).collect()
}

fn change_fail_rate(deployments: usize, rework: &Rework) -> DoraMeasure {
    let note = "The share of deployments that a rollback took back. It is at least this: other \
                failures do not show in git.";
    rate(FAIL_RATE, rework.failed_deployments, deployments, note)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{LATEST, Story};
    use super::super::model::Report;
    use super::*;
    use crate::time::WEEK;

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
        story.deploy("back", 1, T + 400); // from v3, live since 300
        story.deploy("once more", 3, T + 500);
        story.deploy("and back", 2, T + 530); // from "once more", live since 500
        let report = story.report();
        let found = measure(&report, "failed deployment recovery time");
        assert_eq!((found.n, found.value, found.low), (Some(2), Some(30.0), Some(30.0)));
        let report = story.report_of(None, Some(T + 530));
        let found = measure(&report, "failed deployment recovery time");
        assert_eq!((found.n, found.value), (Some(1), Some(100.0)));
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
        assert_eq!((found.n, found.value, found.unit), (Some(29), Some(1.0), Some("per week")));
        let found = measure(&report, "failed deployment recovery time");
        assert_eq!(found.value, Some(WEEK as f64));
    }
}
