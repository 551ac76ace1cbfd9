//! Attribution, mainline, clocks, changes and statuses against a second implementation that is
//! nothing but the rules, on random histories.
//!
//! `model` is that implementation, `cases` makes the histories.

pub(super) mod cases;
mod model;

use super::attribution::DeploymentKind;
use super::history::{CommitIndex, History, Marks, NONE};
use super::measured::{Change, Measured, Status};
use cases::{Case, LATEST, Node, case};
use model::{Answer, NaiveChange, Problems, by_the_rules};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeSet;

/// What the real code says of a case, in the words of the naive one.
fn by_the_real_code(case: &Case) -> Answer {
    let history = case.history();
    let measured = Measured::of(&history, case.question());
    let Measured { attribution, mainline, clocks, .. } = &measured;
    let positions = 0..mainline.chain.len() as u32;
    Answer {
        as_of: measured.as_of,
        deployments: measured.deployments.iter().map(|one| one.name.clone()).collect(),
        absurd_deployments: measured.absurd_deployments.iter().map(|d| d.name.clone()).collect(),
        later_deployments: measured.later_deployments,
        kinds: attribution.kinds.clone(),
        failed_by: column(&attribution.failed_by),
        first: column(&attribution.first),
        delivered: column(&attribution.delivered),
        baseline: attribution.baseline.clone(),
        chain: mainline.chain.iter().map(|&commit| commit as usize).collect(),
        members: positions.map(|position| set(mainline.members(position))).collect(),
        brought_by: column(&mainline.brought_by),
        starts: clocks.starts.clone(),
        duplicates: clocks.duplicates.iter().map(|&commit| commit as usize).collect(),
        changes: measured.changes.iter().map(change).collect(),
        statuses: statuses(&history, &measured),
        problems: Problems {
            absurd: set(&measured.clock_problems.absurd),
            merged_before_authored: set(&measured.clock_problems.merged_before_authored),
            deployed_before_merged: set(&measured.clock_problems.deployed_before_merged),
            without_clock: set(&measured.clock_problems.without_clock),
        },
    }
}

fn statuses(history: &History, measured: &Measured) -> Vec<Option<Status>> {
    (0..history.len() as CommitIndex)
        .map(|commit| measured.commit_status(history, commit))
        .collect()
}

fn known(number: u32) -> Option<usize> {
    (number != NONE).then_some(number as usize)
}

fn column(numbers: &[u32]) -> Vec<Option<usize>> {
    numbers.iter().map(|&number| known(number)).collect()
}

/// The commits as a set; none may be named twice.
fn set(commits: &[CommitIndex]) -> BTreeSet<usize> {
    let set: BTreeSet<usize> = commits.iter().map(|&commit| commit as usize).collect();
    assert_eq!(set.len(), commits.len(), "named twice in {commits:?}");
    set
}

fn change(change: &Change) -> NaiveChange {
    NaiveChange {
        position: change.position as usize,
        commit: change.commit as usize,
        kind: change.kind,
        commits: change.commits as usize,
        status: change.status,
        reverts: change.reverts,
        authored: change.authored,
        merged: change.merged,
        deployed: change.deployed,
        deployment: known(change.deployment),
        seconds: change.seconds(),
        bot: change.bot,
        assisted: change.assisted,
    }
}

/// Compares column by column, so that a failure names the first one that is wrong.
fn compare(case: &Case) -> Result<(), TestCaseError> {
    let (real, rules) = (by_the_real_code(case), by_the_rules(case));
    macro_rules! same {
        ($($field:ident),+ $(,)?) => {
            $(prop_assert_eq!(
                &real.$field, &rules.$field, "real | rules: {}", stringify!($field)
            );)+
        };
    }
    same!(as_of, deployments, absurd_deployments, later_deployments);
    same!(kinds, failed_by, first, delivered, baseline);
    same!(chain, brought_by, members, starts, duplicates);
    same!(changes, statuses, problems);
    prop_assert_eq!(real, rules);
    Ok(())
}

fn cases(number: u32) -> Config {
    // Cases that failed once belong here as tests of their own, not into a file beside.
    Config { cases: number, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(cases(60_000))]

    #[test]
    fn small_histories_follow_the_rules(case in case(0..15, 0..11)) {
        compare(&case)?;
    }
}

proptest! {
    #![proptest_config(cases(10_000))]

    #[test]
    fn short_histories_with_many_deployments_follow_the_rules(case in case(2..9, 10..30)) {
        compare(&case)?;
    }
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn larger_histories_follow_the_rules(case in case(40..120, 10..40)) {
        compare(&case)?;
    }
}

fn linear(committed: [i64; 3]) -> Vec<Node> {
    let node = |(index, committed): (usize, i64)| Node {
        parents: index.checked_sub(1).into_iter().collect(),
        authored: 1,
        committed,
        work: index,
        marks: Marks::default(),
    };
    committed.into_iter().enumerate().map(node).collect()
}

/// Found by these tests: a committer time past belief made a waiting commit vanish.
#[test]
fn a_commit_with_an_absurd_clock_waits_like_any_other() {
    let commits = linear([1, LATEST + 1, 3]);
    let case = Case { commits, head: Some(2), ..Case::default() };
    assert_eq!(by_the_rules(&case).statuses, [Some(Status::Waiting); 3]);
    compare(&case).unwrap();
}

/// Found by these tests: a commit was told to wait on a mainline that it reached later only.
#[test]
fn a_commit_that_is_merged_later_does_not_wait_yet() {
    let mut commits = linear([1, 2, 9]);
    commits[1].parents = vec![];
    commits[2].parents = vec![0, 1];
    let case = Case { commits, head: Some(2), as_of: Some(5), ..Case::default() };
    assert_eq!(by_the_rules(&case).statuses, [Some(Status::Waiting), None, None]);
    compare(&case).unwrap();
}

type Feature = (&'static str, fn(&Case, &Answer) -> bool);

/// What the cases must hold often, or the comparison says little.
const FEATURES: [Feature; 22] = [
    ("no commit", |case, _| case.commits.is_empty()),
    ("no head", |case, _| case.head.is_none() && !case.commits.is_empty()),
    ("an octopus", |case, _| case.commits.iter().any(|commit| commit.parents.len() > 2)),
    ("merges that cross", |case, _| {
        let crossed = |commit: &Node| commit.parents.iter().rev().copied().collect::<Vec<_>>();
        let is_merge = |commit: &Node| commit.parents.len() > 1;
        let all = &case.commits;
        all.iter().any(|a| is_merge(a) && all.iter().any(|b| b.parents == crossed(a)))
    }),
    ("several roots in the mainline", |case, answer| {
        let in_mainline = |index: usize| answer.brought_by[index].is_some();
        let roots = case.commits.iter().enumerate().filter(|(_, one)| one.parents.is_empty());
        roots.filter(|(index, _)| in_mainline(*index)).count() > 1
    }),
    ("a merge that brings nothing", |_, answer| answer.members.iter().any(BTreeSet::is_empty)),
    ("a deployment off the mainline", |case, answer| {
        case.deployments.iter().any(|one| answer.brought_by[one.revision].is_none())
    }),
    ("a rollback right after another", |_, answer| {
        answer.kinds.windows(2).any(|kinds| kinds == [DeploymentKind::Rollback; 2])
    }),
    ("two rollbacks apart", |_, answer| {
        let rollback = |kind: &DeploymentKind| *kind == DeploymentKind::Rollback;
        answer.kinds.split(rollback).filter(|between| !between.is_empty()).count() > 2
    }),
    ("taken back, delivered again", |_, answer| {
        let mut both = answer.first.iter().zip(&answer.delivered);
        both.any(|(first, delivered)| delivered.is_some() && delivered != first)
    }),
    ("taken back for good", |_, answer| {
        let mut both = answer.first.iter().zip(&answer.delivered);
        both.any(|(first, delivered)| delivered.is_none() && first.is_some())
    }),
    ("a redeployment", |_, answer| answer.kinds.contains(&DeploymentKind::Redeployment)),
    ("equal times", |case, _| {
        case.deployments.windows(2).any(|pair| pair[0].finished_at == pair[1].finished_at)
    }),
    ("an absurd deployment", |_, answer| !answer.absurd_deployments.is_empty()),
    ("a later deployment", |_, answer| answer.later_deployments > 0),
    ("a change with baseline and other work", |_, answer| {
        answer.changes.iter().any(|change| {
            let members = &answer.members[change.position];
            change.status != Status::Baseline && members.iter().any(|&one| answer.baseline[one])
        })
    }),
    ("an edge that was not deployed first", |_, answer| {
        answer.baseline.iter().zip(&answer.first).any(|(edge, first)| *edge && *first != Some(0))
    }),
    ("a clock carried over by a pick", |case, answer| {
        let mut both = case.commits.iter().zip(&answer.starts);
        both.any(|(commit, start)| start.is_some_and(|start| start < commit.authored))
    }),
    ("rework that was delivered", |_, answer| {
        let mut changes = answer.changes.iter();
        changes.any(|one| one.status == Status::Rework && one.deployment.is_some())
    }),
    ("a merge moved up", |_, answer| !answer.problems.merged_before_authored.is_empty()),
    ("a deployment moved up", |_, answer| !answer.problems.deployed_before_merged.is_empty()),
    ("a change without clock", |_, answer| !answer.problems.without_clock.is_empty()),
];

#[test]
fn the_cases_hold_what_matters() {
    let mut runner = TestRunner::deterministic();
    let strategy = case(0..15, 0..11);
    let mut counts = [0; FEATURES.len()];
    for _ in 0..6_000 {
        let case = strategy.new_tree(&mut runner).unwrap().current();
        let answer = by_the_rules(&case);
        for (count, (_, holds)) in counts.iter_mut().zip(FEATURES) {
            *count += u32::from(holds(&case, &answer));
        }
    }
    for (count, (name, _)) in counts.into_iter().zip(FEATURES) {
        assert!(count >= 30, "only {count} of 6000 cases hold {name}");
    }
}
