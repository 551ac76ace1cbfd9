//! The entities of a service, by kind and in order.

use crate::delivery::facts::{
    Artifact, Branch, Build, Commit, Deployment, Entity, Incident, Merge, PullRequest, Repository,
};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The entities by kind, each kind in the order of what tells its things apart.
#[derive(Debug, Default)]
pub(super) struct Known<'a> {
    pub(super) repositories: Vec<&'a Repository>,
    pub(super) branches: Vec<&'a Branch>,
    /// Those of which more is known than the name.
    pub(super) commits: Vec<&'a Commit>,
    pub(super) pulls: Vec<&'a PullRequest>,
    pub(super) builds: Vec<&'a Build>,
    pub(super) deployments: Vec<&'a Deployment>,
    pub(super) incidents: Vec<&'a Incident>,
    pub(super) artifacts: Vec<&'a Artifact>,
}

impl<'a> Known<'a> {
    /// `None` where the same thing is there twice: it must be merged first.
    pub(super) fn of(entities: &[&'a Entity]) -> Option<Self> {
        let mut known = Self::default();
        for &entity in entities {
            match entity {
                Entity::Repository(it) => known.repositories.push(it),
                Entity::Branch(it) => known.branches.push(it),
                Entity::Commit(it) => known.commits.push(it),
                Entity::PullRequest(it) => known.pulls.push(it),
                Entity::Build(it) => known.builds.push(it),
                Entity::Deployment(it) => known.deployments.push(it),
                Entity::Incident(it) => known.incidents.push(it),
                Entity::Artifact(it) => known.artifacts.push(it),
            }
        }
        let distinct = known.repositories.len() <= 1
            && sort(&mut known.branches, |a, b| a.name.cmp(&b.name))
            && sort(&mut known.commits, |a, b| a.hash.cmp(&b.hash))
            && sort(&mut known.pulls, |a, b| a.number.cmp(&b.number))
            && sort(&mut known.builds, |a, b| {
                (&a.revision, &a.pipeline).cmp(&(&b.revision, &b.pipeline))
            })
            && sort(&mut known.deployments, |a, b| {
                (&a.environment, &a.name).cmp(&(&b.environment, &b.name))
            })
            && sort(&mut known.incidents, |a, b| a.id.cmp(&b.id))
            && sort(&mut known.artifacts, |a, b| a.id.cmp(&b.id));
        known.commits.retain(|commit| commit.detail.is_some());
        distinct.then_some(known)
    }

    /// The artifact of this name, if anything is known of it.
    pub(super) fn artifact(&self, id: &str) -> Option<&'a Artifact> {
        let found = self.artifacts.binary_search_by(|artifact| artifact.id.as_str().cmp(id));
        found.ok().map(|at| self.artifacts[at])
    }
}

/// Sorts, and tells whether no two are equal.
fn sort<T>(things: &mut [&T], order: impl Fn(&T, &T) -> Ordering) -> bool {
    things.sort_by(|a, b| order(a, b));
    things.windows(2).all(|pair| order(pair[0], pair[1]).is_ne())
}

/// The entities with those of equal keys merged, in the order of their keys.
pub(super) fn united(entities: &[&Entity]) -> Vec<Entity> {
    let mut by_key: BTreeMap<String, Entity> = BTreeMap::new();
    for &entity in entities {
        match by_key.entry(entity.key()) {
            Entry::Vacant(entry) => {
                entry.insert(entity.clone());
            }
            Entry::Occupied(mut entry) => entry.get_mut().merge(entity.clone()),
        }
    }
    by_key.into_values().collect()
}
