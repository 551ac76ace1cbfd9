//! Someone who seals the past of a service and computes it in parts, and compares each time.

use crate::delivery::derive::sealed::{Sealed, seal, settle};
use crate::delivery::derive::{ServiceSpec, derive};
use crate::delivery::facts::{Entity, Merge};
use crate::delivery::view::ServiceView;
use std::collections::BTreeMap;

type Store = BTreeMap<String, Entity>;

/// How often what happened.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    /// Computed in parts.
    pub(super) parts: usize,
    /// Computed as a whole, once there was anything to seal.
    pub(super) wholes: usize,
    /// Of these, because something touched what was sealed.
    pub(super) given_up: usize,
    pub(super) seals: usize,
    /// Changes of all rests.
    pub(super) rest: usize,
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.parts += other.parts;
        self.wholes += other.wholes;
        self.given_up += other.given_up;
        self.seals += other.seals;
        self.rest += other.rest;
    }
}

pub(super) struct Keeper<'a> {
    spec: ServiceSpec<'a>,
    keep: usize,
    all: Store,
    rest: Store,
    sealed: Option<(Sealed, ServiceView)>,
    pub(super) counts: Counts,
}

fn take_in(store: &mut Store, fact: Entity) {
    let key = fact.key();
    match store.get_mut(&key) {
        Some(known) => known.merge(fact),
        None => drop(store.insert(key, fact)),
    }
}

impl<'a> Keeper<'a> {
    pub(super) fn new(spec: ServiceSpec<'a>, keep: usize) -> Self {
        let (all, rest) = Default::default();
        Self { spec, keep, all, rest, sealed: None, counts: Counts::default() }
    }

    pub(super) fn feed(&mut self, facts: impl Iterator<Item = Entity>) {
        for fact in facts {
            take_in(&mut self.all, fact.clone());
            take_in(&mut self.rest, fact);
        }
        let whole = derive(&self.spec, &self.all.values().collect::<Vec<_>>());
        let rest = self.rest(&whole);
        if rest.changes.len() > 2 * self.keep {
            self.seal(&whole);
        }
    }

    /// The rest of the rows, or all.
    fn rest(&mut self, whole: &ServiceView) -> ServiceView {
        if let Some((sealed, past)) = &self.sealed {
            let entities: Vec<&Entity> = self.rest.values().collect();
            if let Some(rest) = settle(&self.spec, sealed, &entities) {
                assert_same(&joined(past, &rest), whole);
                self.counts.parts += 1;
                self.counts.rest += rest.changes.len();
                return rest;
            }
            self.sealed = None;
            self.rest = self.all.clone();
            self.counts.given_up += 1;
        }
        self.counts.wholes += usize::from(whole.changes.len() > 2 * self.keep);
        whole.clone()
    }

    fn seal(&mut self, whole: &ServiceView) {
        let entities: Vec<&Entity> = self.rest.values().collect();
        let before = self.sealed.as_ref().map(|(sealed, _)| sealed);
        let Some(sealing) = seal(&self.spec, before, &entities, self.keep) else { return };
        let mut is_sealed = sealing.is_sealed.iter();
        self.rest.retain(|_, _| !is_sealed.next().unwrap());
        let past = without(whole, &sealing.rest);
        assert_same(&joined(&past, &sealing.rest), whole);
        self.sealed = Some((sealing.sealed, past));
        self.counts.seals += 1;
    }
}

/// The rows of a view that are not in the other one.
fn without(whole: &ServiceView, rest: &ServiceView) -> ServiceView {
    let mut past = whole.clone();
    past.changes.retain(|row| !rest.changes.contains(row));
    past.deployments.retain(|row| !rest.deployments.contains(row));
    past.incidents.retain(|row| !rest.incidents.contains(row));
    past.findings.retain(|row| !rest.findings.contains(row));
    // Two commits may have lived alike.
    for life in &rest.commits {
        let at = past.commits.iter().position(|it| it == life).expect("the whole has it");
        past.commits.remove(at);
    }
    past
}

fn joined(past: &ServiceView, rest: &ServiceView) -> ServiceView {
    let mut all = past.clone();
    all.changes.extend(rest.changes.iter().cloned());
    all.changes.sort_by_key(|row| row.position);
    all.deployments.extend(rest.deployments.iter().cloned());
    all.deployments.sort_by_key(|row| {
        (row.finished_at.unwrap_or(i64::MAX), row.name.clone(), row.environment.clone())
    });
    all.incidents.extend(rest.incidents.iter().cloned());
    all.incidents.sort_by_key(|row| (row.opened_at.unwrap_or(i64::MAX), row.id.clone()));
    all.findings.extend(rest.findings.iter().cloned());
    all.findings.sort();
    all.commits.extend(rest.commits.iter().copied());
    all.commits.sort_unstable();
    all.newest = rest.newest;
    all
}

/// Tells what differs, and not all the rest.
fn assert_same(found: &ServiceView, expected: &ServiceView) {
    fn differ<T: PartialEq + std::fmt::Debug>(found: &[T], expected: &[T]) {
        let surplus: Vec<&T> = found.iter().filter(|row| !expected.contains(row)).collect();
        let missing: Vec<&T> = expected.iter().filter(|row| !found.contains(row)).collect();
        assert!(found == expected, "surplus {surplus:?}, missing {missing:?}");
    }
    differ(&found.changes, &expected.changes);
    differ(&found.deployments, &expected.deployments);
    differ(&found.incidents, &expected.incidents);
    differ(&found.findings, &expected.findings);
    differ(&found.commits, &expected.commits);
    assert_eq!(found.newest, expected.newest);
}
