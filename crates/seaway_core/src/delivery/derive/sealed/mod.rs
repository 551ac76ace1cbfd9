//! Services whose past is sealed: what is recent is computed, and nothing else.
//!
//! The history of a service is cut at a deployment that delivered: the *cut*. What lies before it
//! and cannot change any more is *sealed*: the commits that its revision contains, the pull
//! requests, builds, deployments and incidents of these. Their rows stay as they are. Of all that
//! only an index is kept, and [`settle`] computes the other rows, the *rest*, of the entities that
//! are not sealed. To these the sealed commits are one edge (rule 3), the only parent of the commit
//! of the cut, and the deployment of the cut is the first one.
//!
//! That is the same as the whole as long as nothing links the two sides but parents. So whatever
//! of the rest has or mentions a name that the sealed side has or mentions, and whatever happened
//! before the cut, makes [`settle`] give up: then the whole is to be computed. It gives up too
//! often rather than too seldom.
//!
//! **Invariant:** where [`settle`] tells the rest, the sealed rows and the rest are what
//! [`derive`](super::derive) says of all entities.

mod admit;
mod seal;
mod stems;

#[cfg(test)]
mod tests;

pub use seal::{Sealing, seal};

use super::known::Known;
use super::names::Boundary;
use super::{Course, ServiceSpec};
use crate::delivery::facts::Entity;
use crate::delivery::view::{FindingRow, ServiceView};
use admit::ZEROS;
use std::collections::BTreeSet;
use stems::{Keys, Stems};

/// The place of the commit of the cut on the mainline of the rest: after the edge.
const CUT: u32 = 1;

/// What is kept of the sealed past of a service.
///
/// It holds for the [`ServiceSpec`] that it was made with, and no other.
#[derive(Debug, Clone, PartialEq)]
pub struct Sealed {
    /// Hashes of the sealed commits, and all that sealed things mention.
    named: Stems,
    /// What else is sealed or mentioned, by name.
    keys: Keys,
    /// Fingerprints of the work of the sealed commits, shortened. Sorted.
    works: Vec<u32>,
    /// Whether a sealed commit was picked from another.
    has_picks: bool,
    /// The newest sealed commits, on which branches may begin. Sorted.
    recent: Vec<String>,
    /// What both sides rest on, as it was.
    pinned: Vec<Entity>,
    /// The hash of the commit of the cut.
    cut: String,
    /// The environment and the name of the deployment of the cut, and when it finished.
    landing: (String, String, i64),
    /// The place of the commit of the cut on the whole mainline.
    position: u32,
    /// A build that succeeded earlier may be the first one of a sealed change.
    built_from: i64,
    /// The earliest committer time of the sealed commits.
    first: i64,
    /// The committer time and the hash of the newest sealed commit.
    last: (Option<i64>, String),
    /// The newest moment of the sealed rows.
    newest: Option<i64>,
    /// Sealed commits whose parents are not known exactly.
    assumed: u64,
    /// Findings of the sealed side.
    findings: BTreeSet<FindingRow>,
}

/// Computes the rest of the rows: those that are not sealed. `entities` are all that are not
/// sealed, with the facts that came since, in any order, each key once. Positions, the count of
/// assumed parents and the newest moment are those of the whole.
///
/// `None` where something touches the sealed past: compute the whole.
#[must_use]
pub fn settle(
    spec: &ServiceSpec<'_>,
    sealed: &Sealed,
    entities: &[&Entity],
) -> Option<ServiceView> {
    let known = sealed.admit(spec, entities)?;
    let course = Course::of(spec, &known, Some(sealed.boundary()));
    sealed.goes_on(&known, &course).then(|| sealed.rest(course.view))
}

impl Sealed {
    /// About how much memory it takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let recent: usize = self.recent.iter().map(|hash| 40 + hash.len()).sum();
        let findings: usize = self.findings.iter().map(|row| 100 + row.subject.len()).sum();
        let index = self.named.bytes() + self.keys.bytes() + 4 * self.works.len();
        2_000 + index + recent + findings
    }

    fn boundary(&self) -> Boundary<'_> {
        Boundary { cut: &self.cut, older: &self.recent }
    }

    /// What a view of the unsealed entities adds to the sealed rows.
    fn rest(&self, mut view: ServiceView) -> ServiceView {
        view.changes.retain(|row| row.position > CUT);
        for row in &mut view.changes {
            row.position = row.position - CUT + self.position;
        }
        let (environment, name, _) = &self.landing;
        view.deployments.retain(|row| row.environment != *environment || row.name != *name);
        for position in view.deployments.iter_mut().filter_map(|row| row.position.as_mut()) {
            *position = (*position + self.position).saturating_sub(CUT);
        }
        let mut assumed = self.assumed;
        view.findings.retain(|row| match row.kind.as_str() {
            "assumed_parents" => {
                assumed += row.subject.parse::<u64>().unwrap_or(0);
                false
            }
            // Nothing of the rest is older than the first commit.
            "deployment_before_history" => false,
            "unknown_parent" if row.subject.is_empty() => false,
            "clock_problem" if row.subject == self.cut => false,
            _ => !self.findings.contains(row),
        });
        if assumed > 0 {
            let (kind, subject) = ("assumed_parents".to_owned(), assumed.to_string());
            view.findings.push(FindingRow { kind, subject });
            view.findings.sort();
        }
        view.newest = view.newest.max(self.newest);
        view
    }
}

/// Whether two entities are states of one thing.
fn is_same_thing(a: &Entity, b: &Entity) -> bool {
    match (a, b) {
        (Entity::Commit(a), Entity::Commit(b)) => a.hash == b.hash,
        (Entity::Deployment(a), Entity::Deployment(b)) => {
            (&a.environment, &a.name) == (&b.environment, &b.name)
        }
        (Entity::Artifact(a), Entity::Artifact(b)) => a.id == b.id,
        _ => false,
    }
}

/// The entities by kind, if each key is there once and nothing has a name that means no commit.
fn known_of<'a>(entities: &[&'a Entity]) -> Option<Known<'a>> {
    let is_nobody = |entity: &&Entity| match entity {
        Entity::Commit(commit) => commit.hash.bytes().take(ZEROS).all(|byte| byte == b'0'),
        _ => false,
    };
    Known::of(entities).filter(|_| !entities.iter().any(is_nobody))
}
