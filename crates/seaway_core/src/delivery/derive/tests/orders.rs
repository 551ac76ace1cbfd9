//! **Any order of arrival of the same facts gives the same view.**

use super::story::spec;
use crate::delivery::attribution::DeploymentKind;
use crate::delivery::derive::{ServiceSpec, derive};
use crate::delivery::facts::cases::fact;
use crate::delivery::facts::{Entity, Merge};
use crate::delivery::measured::Status;
use crate::delivery::view::{Milestone, ServiceView};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;

fn the_spec() -> ServiceSpec<'static> {
    ServiceSpec { repository: Some("shop"), incident_window_seconds: 20, ..spec() }
}

fn view(facts: &[Entity]) -> ServiceView {
    derive(&the_spec(), &facts.iter().collect::<Vec<_>>())
}

/// Merged in the order given, as a store does.
fn stored(facts: impl Iterator<Item = Entity>) -> Vec<Entity> {
    let mut store: BTreeMap<String, Entity> = BTreeMap::new();
    for fact in facts {
        let key = fact.key();
        match store.get_mut(&key) {
            Some(known) => known.merge(fact),
            None => drop(store.insert(key, fact)),
        }
    }
    store.into_values().collect()
}

/// Facts, and the same in another order, some of them twice, each with the group that it is
/// merged in first.
fn orders() -> impl Strategy<Value = (Vec<Entity>, Vec<(Entity, u8)>)> {
    vec(fact(), 0..90).prop_flat_map(|facts| {
        let twice = facts.iter().chain(facts.iter().step_by(3)).cloned().collect::<Vec<_>>();
        let len = twice.len();
        let shuffled = Just(twice).prop_shuffle();
        let groups = vec(0..4u8, len);
        let arrived = (shuffled, groups).prop_map(|(facts, groups)| facts.into_iter().zip(groups));
        (Just(facts), arrived.prop_map(Iterator::collect))
    })
}

proptest! {
    #![proptest_config(Config { cases: 2_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_order_of_arrival_does_not_matter((facts, arrived) in orders()) {
        let expected = view(&facts);
        let bytes = serde_json::to_string(&expected).unwrap();
        let raw: Vec<Entity> = arrived.iter().map(|(fact, _)| fact.clone()).collect();
        prop_assert_eq!(&view(&raw), &expected);
        let groups = (0..4).flat_map(|group| {
            stored(arrived.iter().filter(|(_, of)| *of == group).map(|(fact, _)| fact.clone()))
        });
        let grouped = view(&stored(groups));
        prop_assert_eq!(serde_json::to_string(&grouped).unwrap(), bytes);
        consistent(&expected)?;
    }
}

/// What holds of every view.
fn consistent(view: &ServiceView) -> Result<(), TestCaseError> {
    for row in &view.changes {
        let known: Vec<i64> = row.milestones.0.iter().copied().flatten().collect();
        prop_assert!(known.is_sorted(), "{row:?}");
        prop_assert_eq!(
            row.deployment.is_some(),
            row.milestones.get(Milestone::Deployed).is_some()
        );
        let stages: i64 = row.milestones.stages().map(|(_, seconds)| seconds).sum();
        let whole = known.last().zip(known.first()).map_or(0, |(last, first)| last - first);
        prop_assert_eq!(stages, whole);
    }
    let carried: u32 = view.deployments.iter().map(|row| row.changes).sum();
    let delivered = view.changes.iter().filter(|row| row.deployment.is_some()).count();
    prop_assert_eq!(carried as usize, delivered);
    prop_assert!(view.changes.is_sorted_by(|a, b| a.position < b.position));
    prop_assert!(view.findings.is_sorted_by(|a, b| a < b));
    for row in &view.deployments {
        let delivers = row.production && row.linked && row.succeeded == Some(true);
        prop_assert_eq!(row.kind.is_some(), delivers, "{:?}", row);
        prop_assert_eq!(row.succeeded.is_some(), row.finished_at.is_some());
    }
    Ok(())
}

type Feature = (&'static str, fn(&ServiceView) -> bool);

/// What the cases must hold often, or the comparison says little.
const FEATURES: [Feature; 12] = [
    ("a delivered change", |view| view.changes.iter().any(|row| row.status == Status::Delivered)),
    ("rework", |view| view.changes.iter().any(|row| row.status == Status::Rework)),
    ("a merge", |view| view.changes.iter().any(|row| row.kind == "merge")),
    ("a pull request", |view| view.changes.iter().any(|row| row.pull_request.is_some())),
    ("an approval", |view| {
        view.changes.iter().any(|row| row.milestones.get(Milestone::Approved).is_some())
    }),
    ("a build", |view| {
        view.changes.iter().any(|row| row.milestones.get(Milestone::Built).is_some())
    }),
    ("a rollback", |view| {
        view.deployments.iter().any(|row| row.kind == Some(DeploymentKind::Rollback))
    }),
    ("an unplanned deployment", |view| view.deployments.iter().any(|row| row.unplanned)),
    ("an incident of a deployment", |view| {
        view.incidents.iter().any(|row| row.deployment.is_some())
    }),
    ("a circle", |view| view.findings.iter().any(|row| row.kind == "circle")),
    ("an unknown tip", |view| view.findings.iter().any(|row| row.kind == "unknown_tip")),
    ("something moved", |view| view.changes.iter().any(|row| !row.moved.is_empty())),
];

#[test]
fn the_cases_hold_what_matters() {
    let mut runner = TestRunner::deterministic();
    let strategy = vec(fact(), 0..90);
    let mut counts = [0; FEATURES.len()];
    for _ in 0..2_000 {
        let view = view(&strategy.new_tree(&mut runner).unwrap().current());
        for (count, (_, holds)) in counts.iter_mut().zip(FEATURES) {
            *count += u32::from(holds(&view));
        }
    }
    for (count, (name, _)) in counts.into_iter().zip(FEATURES) {
        assert!(count >= 20, "only {count} of 2000 cases hold {name}");
    }
}
