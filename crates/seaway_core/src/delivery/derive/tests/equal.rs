//! Of the commits and deployments alone, a view says what `measure` says.

use super::story::spec;
use crate::delivery::derive::derive;
use crate::delivery::facts::{self, Branch, CommitDetail, Entity, Latest, Parents};
use crate::delivery::history::{Marks, NONE};
use crate::delivery::mainline::ChangeKind;
use crate::delivery::measured::{Change, Measured, Status};
use crate::delivery::naive::cases::{Case, EARLIEST, LATEST, case};
use crate::delivery::view::{ChangeRow, Milestone, ServiceView};
use proptest::prelude::*;
use proptest::test_runner::Config;
use std::collections::BTreeSet;

/// What both say of a change.
type Line<'a> = (
    (&'a str, &'a str, Option<u32>, u32),
    (Status, bool, bool, bool),
    [Option<i64>; 3],
    Option<&'a str>,
);

/// Compares a view with what was measured of a history with these hashes.
fn assert_equal(view: &ServiceView, hashes: &[String], measured: &Measured) {
    assert_eq!(view.changes.len(), measured.changes.len());
    for (row, change) in view.changes.iter().zip(&measured.changes) {
        assert_eq!(line_of_row(row), line_of_change(change, hashes, measured));
    }
    assert_eq!(view.newest, measured.as_of);
    let of_rows = |row: &crate::delivery::view::DeploymentRow| {
        (row.name.clone(), row.kind, row.failed_by.clone())
    };
    let delivering = view.deployments.iter().filter(|row| row.kind.is_some());
    let attribution = &measured.attribution;
    let name = |number: u32| Some(measured.deployments.get(number as usize)?.name.clone());
    let expected = (0..measured.deployments.len()).map(|at| {
        let failed_by = name(attribution.failed_by[at]);
        (measured.deployments[at].name.clone(), Some(attribution.kinds[at]), failed_by)
    });
    assert_eq!(delivering.map(of_rows).collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

fn line_of_row(row: &ChangeRow) -> Line<'_> {
    let moments = [Milestone::Authored, Milestone::Merged, Milestone::Deployed];
    (
        (&row.change, &row.kind, Some(row.position), row.commits),
        (row.status, row.reverts, row.bot, row.assisted),
        moments.map(|milestone| row.milestones.get(milestone)),
        row.deployment.as_deref(),
    )
}

fn line_of_change<'a>(change: &Change, hashes: &'a [String], measured: &'a Measured) -> Line<'a> {
    let kind = match change.kind {
        ChangeKind::Merge => "merge",
        ChangeKind::Direct => "direct",
    };
    let deployment = (change.deployment != NONE)
        .then(|| measured.deployments[change.deployment as usize].name.as_str());
    (
        (&hashes[change.commit as usize], kind, Some(change.position), change.commits),
        (change.status, change.reverts, change.bot, change.assisted),
        [change.authored, change.merged, change.deployed],
        deployment,
    )
}

/// The service's default branch and a deployment to its production.
fn main_at(tip: String) -> Entity {
    Entity::Branch(Branch { name: "main".to_owned(), tip: Latest::at(0, tip) })
}

fn deployed(name: &str, revision: String, finished_at: Option<i64>) -> Entity {
    Entity::Deployment(facts::Deployment {
        environment: "production".to_owned(),
        name: name.to_owned(),
        revision: Latest::at(0, revision),
        succeeded_at: facts::Earliest(finished_at),
        ..facts::Deployment::default()
    })
}

/// The moments of the cases start at 0.
fn plausible(time: i64) -> Option<i64> {
    (EARLIEST..=LATEST).contains(&time).then_some(time)
}

/// The hash of a commit, in an order that is not that of the commits.
fn hash(commit: usize) -> String {
    format!("{:016x}{commit:024x}", (commit as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn told(case: &Case) -> Vec<Entity> {
    let mut entities: Vec<Entity> = case.head.map(|head| main_at(hash(head))).into_iter().collect();
    for (index, node) in case.commits.iter().enumerate() {
        let linked = |links: &[(usize, usize)], length: usize| -> Vec<String> {
            let of_this = links.iter().filter(|(from, _)| *from == index);
            of_this.map(|(_, to)| hash(*to)[..length].to_owned()).collect()
        };
        let detail = CommitDetail {
            parents: Parents::Exact(node.parents.iter().map(|&parent| hash(parent)).collect()),
            authored_at: plausible(node.authored),
            committed_at: plausible(node.committed),
            author: String::new(),
            subject: String::new(),
            work: node.work as u64,
            bot: node.marks.has(Marks::BOT),
            assisted: node.marks.has(Marks::ASSISTED),
            revert: node.marks.has(Marks::REVERT),
            reverts: linked(&case.reverts, 40),
            picks: linked(&case.picks, 14),
        };
        let hash = hash(index);
        entities.push(Entity::Commit(facts::Commit {
            hash,
            detail: Some(detail),
            ..facts::Commit::default()
        }));
    }
    for landing in &case.deployments {
        let finished_at = plausible(landing.finished_at);
        entities.push(deployed(&landing.name, hash(landing.revision), finished_at));
    }
    entities
}

/// The case as `measure` reads it: what the head and the deployments contain. The edge is left to
/// the stories, as no repository is truncated that the service can read.
fn as_read(mut case: Case) -> Case {
    case.as_of = None;
    case.head = case.commits.len().checked_sub(1).map(|last| case.head.unwrap_or(last));
    case.deployments.retain(|landing| plausible(landing.finished_at).is_some());
    for node in &mut case.commits {
        node.marks.0 &= !Marks::EDGE;
    }
    let contains = case.containments();
    let tips = case.deployments.iter().map(|landing| landing.revision).chain(case.head);
    let kept: BTreeSet<usize> = tips.flat_map(|tip| contains[tip].iter().copied()).collect();
    let kept: Vec<usize> = kept.into_iter().collect();
    let place = |commit: usize| kept.binary_search(&commit).ok();
    let link = |&(from, to): &(usize, usize)| Some((place(from)?, place(to)?));
    let mut read = Case {
        picks: case.picks.iter().filter_map(link).collect(),
        reverts: case.reverts.iter().filter_map(link).collect(),
        head: case.head.and_then(place),
        ..Case::default()
    };
    for &commit in &kept {
        let mut node = case.commits[commit].clone();
        node.parents = node.parents.iter().filter_map(|&parent| place(parent)).collect();
        read.commits.push(node);
    }
    for mut landing in case.deployments {
        landing.revision = place(landing.revision).unwrap();
        read.deployments.push(landing);
    }
    read
}

fn compare(case: Case) {
    let case = as_read(case);
    let entities = told(&case);
    let view = derive(&spec(), &entities.iter().collect::<Vec<_>>());
    let hashes: Vec<String> = (0..case.commits.len()).map(hash).collect();
    let measured = Measured::of(&case.history(), case.question());
    assert_equal(&view, &hashes, &measured);
    let mut commits: Vec<_> = measured.commit_lives(&case.history()).collect();
    commits.sort_unstable();
    assert_eq!(view.commits, commits);
}

proptest! {
    #![proptest_config(Config { cases: 5_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_view_of_commits_and_deployments_is_what_measure_says(case in case(0..15, 0..11)) {
        compare(case);
    }
}

proptest! {
    #![proptest_config(Config { cases: 300, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_view_of_a_larger_history_is_what_measure_says(case in case(40..120, 10..40)) {
        compare(case);
    }
}
