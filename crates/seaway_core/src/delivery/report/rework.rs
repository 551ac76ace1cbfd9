//! Reverts, rollbacks, redeployments: rules 6 and 7.

use super::build::ReportInput;
use super::model::{Rework, ReworkItem};
use super::span::Span;
use crate::delivery::attribution::DeploymentKind;
use crate::delivery::history::NONE;
use crate::delivery::measured::{Change, Status};
use crate::time::Time;
use std::ops::Range;

/// How many of the latest pieces of rework are named.
const LATEST: usize = 5;

/// How many of the deployments that a rollback took back are named.
const NAMED: usize = 3;

/// Builds the rework of the span. A change counts if the span sees it, delivered or waiting, as it
/// does in the distribution of time to value.
pub(super) fn of(input: &ReportInput<'_>, span: Span) -> Rework {
    let measured = input.measured;
    let seen = |change: &&Change| span.observe_change(change).is_some();
    let value = measured.changes.iter().filter(|change| change.is_measured()).filter(seen).count();
    let reworked: Vec<&Change> = measured
        .changes
        .iter()
        .filter(|change| change.status == Status::Rework)
        .filter(seen)
        .collect();
    let all = value + reworked.len();
    let range = span.deployments(&measured.deployments);
    let of_kind = |kind| {
        measured.attribution.kinds[range.clone()].iter().filter(|&&found| found == kind).count()
    };
    Rework {
        reverts: reworked.iter().filter(|change| change.reverts).count(),
        reverted: reworked.iter().filter(|change| !change.reverts).count(),
        share: (all > 0).then(|| reworked.len() as f64 / all as f64),
        rollbacks: of_kind(DeploymentKind::Rollback),
        failed_deployments: measured.attribution.failed_by[range.clone()]
            .iter()
            .filter(|&&rollback| rollback != NONE)
            .count(),
        redeployments: of_kind(DeploymentKind::Redeployment),
        unsuccessful_deployments: input.unsuccessful_deployments,
        latest: latest(input, &reworked, range),
    }
}

/// A piece of rework that is not told yet: a change or the number of a deployment.
enum Piece<'a> {
    Revert(&'a Change),
    Rollback(u32),
}

fn latest(input: &ReportInput<'_>, reworked: &[&Change], range: Range<usize>) -> Vec<ReworkItem> {
    let reverts = reworked.iter().filter(|change| change.reverts).map(|change| {
        (change.merged.or(change.start()).unwrap_or(i64::MIN), Piece::Revert(change))
    });
    let kinds = &input.measured.attribution.kinds;
    let rollbacks = range.filter(|&number| kinds[number] == DeploymentKind::Rollback);
    let rollbacks = rollbacks.map(|number| {
        (input.measured.deployments[number].finished_at, Piece::Rollback(number as u32))
    });
    let mut pieces: Vec<_> = reverts.chain(rollbacks).collect();
    // Changes and deployments come in order, so equal times keep a stable one, newest first.
    pieces.reverse();
    pieces.sort_by_key(|&(at, _)| std::cmp::Reverse(at));
    pieces.truncate(LATEST);
    let tell = |(at, piece)| match piece {
        Piece::Revert(change) => ReworkItem {
            kind: "revert",
            at: Some(Time(at)),
            name: (input.hash)(change.commit),
            subject: (input.subject)(change.commit),
        },
        Piece::Rollback(number) => ReworkItem {
            kind: "rollback",
            at: Some(Time(at)),
            name: input.measured.deployments[number as usize].name.clone(),
            subject: taken_back(input, number),
        },
    };
    pieces.into_iter().map(tell).collect()
}

/// Which deployments a rollback took back, the latest of them by name.
fn taken_back(input: &ReportInput<'_>, rollback: u32) -> String {
    let failed_by = input.measured.attribution.failed_by[..rollback as usize].iter().enumerate();
    let failed: Vec<usize> =
        failed_by.rev().filter(|(_, by)| **by == rollback).map(|(number, _)| number).collect();
    let name = |&number: &usize| input.measured.deployments[number].name.as_str();
    let names: Vec<&str> = failed.iter().take(NAMED).map(name).collect();
    match failed.len().saturating_sub(NAMED) {
        0 => format!("took back {}", names.join(", ")),
        more => format!("took back {} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Story;
    use super::super::model::Report;
    use super::*;
    use crate::delivery::history::Marks;

    const T: i64 = 1_000_000;

    /// One change that stays, one that is reverted, its revert, which is reverted as well, and
    /// the revert of that. All are deployed one by one.
    fn reverts() -> Story {
        let mut story = Story::of_lives(T, &[(T + 100, 10), (T + 200, 10)]);
        for (target, at) in [(2, T + 300), (3, T + 400)] {
            let revert = story.marked(at, Marks::REVERT);
            story.history.link_revert(revert, target);
            story.deploy(&format!("v{revert}"), revert, at + 10);
        }
        story
    }

    fn latest(report: &Report) -> Vec<(&str, &str)> {
        report.rework.latest.iter().map(|item| (item.kind, item.subject.as_str())).collect()
    }

    #[test]
    fn a_reverted_revert_counts_as_a_revert() {
        let mut story = reverts();
        let report = story.report();
        assert_eq!((report.rework.reverts, report.rework.reverted), (2, 1));
        assert_eq!(report.rework.share, Some(0.75));
        assert_eq!(report.time_to_value.n, 1);
        assert_eq!(latest(&report), [("revert", "subject 4"), ("revert", "subject 3")]);
        assert_eq!(report.rework.latest[0].at, Some(Time(T + 400)));
        assert_eq!(report.rework.latest[0].name, format!("{:040x}", 4));
        let report = story.report_of(Some(T + 350), None);
        assert_eq!((report.rework.reverts, report.rework.reverted), (1, 0));
        assert_eq!(report.rework.share, Some(1.0));
    }

    /// A merge brings a commit and its revert, and another revert of what was there.
    #[test]
    fn what_a_change_reverts_of_itself_was_never_there() {
        let mut story = Story::of_lives(T, &[(T + 100, 10)]);
        let commit = story.commit(T + 200, T + 200, &[1]);
        let itself = story.commit(T + 201, T + 201, &[commit]);
        story.history.link_revert(itself, commit);
        let other = story.commit(T + 202, T + 202, &[itself]);
        story.history.link_revert(other, 1);
        story.head = Some(story.commit(T + 203, T + 203, &[1, other]));
        let rework = story.report().rework;
        assert_eq!((rework.reverts, rework.reverted, rework.share), (1, 1, Some(1.0)));
    }

    #[test]
    fn rollbacks_take_deployments_back() {
        let lives: Vec<_> = (1..=5).map(|i| (T + i * 100, 10)).collect();
        let mut story = Story::of_lives(T, &lives);
        story.deploy("again", 5, T + 515);
        story.deploy("back", 1, T + 520);
        story.deploy("further back", 0, T + 530);
        let mut report = story.report();
        let rework = &report.rework;
        assert_eq!((rework.rollbacks, rework.redeployments), (2, 1));
        // v1 to v5, "again", and "back", which deployed v1 again.
        assert_eq!(rework.failed_deployments, 7);
        assert_eq!(
            latest(&report),
            [
                ("rollback", "took back back, v1"),
                ("rollback", "took back again, v5, v4 and 2 more")
            ]
        );
        assert_eq!(report.rework.latest[1].name, "back");
        assert_eq!((report.time_to_value.n, report.time_to_value.waiting), (0, 5));
        report = story.report_of(None, Some(T + 530));
        assert_eq!((report.rework.rollbacks, report.rework.share), (1, Some(0.0)));
    }

    #[test]
    fn only_the_latest_five_are_told() {
        let mut story = Story::of_lives(T, &[]);
        for at in 1..=7 {
            story.marked(T + at, Marks::REVERT);
        }
        let report = story.report();
        let subjects: Vec<_> = latest(&report).into_iter().map(|(_, subject)| subject).collect();
        assert_eq!(subjects, ["subject 7", "subject 6", "subject 5", "subject 4", "subject 3"]);
        assert_eq!((report.rework.reverts, report.rework.reverted), (7, 0));
    }

    #[test]
    fn nothing_measured_has_no_share() {
        assert_eq!(Story::of_lives(T, &[]).report().rework.share, None);
    }
}
