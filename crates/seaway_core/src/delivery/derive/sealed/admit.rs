//! Whether what is not sealed leaves what is sealed as it is.

use super::{CUT, Sealed, is_same_thing, known_of};
use crate::delivery::derive::head::{default_branch, tip};
use crate::delivery::derive::known::Known;
use crate::delivery::derive::landings::{Landing, is_production};
use crate::delivery::derive::{Course, ServiceSpec, believed};
use crate::delivery::facts::{Commit, Deployment, Entity, Incident, Parents, PullRequest};
use crate::delivery::history::CommitIndex;

impl Sealed {
    /// The entities by kind, if none of them has or mentions a name of the sealed side in a way
    /// that matters.
    pub(super) fn admit<'a>(
        &self,
        spec: &ServiceSpec<'_>,
        entities: &[&'a Entity],
    ) -> Option<Known<'a>> {
        let mut pinned = 0;
        for &entity in entities {
            match self.pinned.iter().find(|it| is_same_thing(it, entity)) {
                Some(as_it_was) if as_it_was == entity => pinned += 1,
                Some(_) => return None,
                None if !self.admits(spec, entity) => return None,
                None => {}
            }
        }
        if pinned != self.pinned.len() {
            return None;
        }
        let known = known_of(entities)?;
        let branch = default_branch(&known).and_then(|branch| branch.tip.get());
        (branch.is_none_or(|tip| self.is_free_or_cut(tip))).then_some(known)
    }

    fn admits(&self, spec: &ServiceSpec<'_>, entity: &Entity) -> bool {
        match entity {
            // Of branches only the default one's tip matters.
            Entity::Repository(_) | Entity::Branch(_) => true,
            Entity::Commit(it) => self.admits_commit(it),
            Entity::PullRequest(it) => self.admits_pull(it),
            // The row of the cut, which tells its builds, is sealed.
            Entity::Build(it) => self.is_free(&it.revision) && !self.may_name_cut(&it.revision),
            Entity::Deployment(it) => self.admits_deployment(spec, it),
            Entity::Incident(it) => self.admits_incident(it),
            Entity::Artifact(it) => {
                !self.keys.may_have("artifact", &it.id)
                    && it.revision.get().is_none_or(|hash| self.is_free_or_cut(hash))
            }
        }
    }

    /// Whether a name is none that the sealed side has or mentions.
    fn is_free(&self, hash: &str) -> bool {
        is_nothing(hash) || !self.named.may_name(hash)
    }

    fn is_free_or_cut(&self, hash: &str) -> bool {
        hash == self.cut || self.is_free(hash)
    }

    /// Whether a name is the hash of the commit of the cut, or a short form of it.
    fn may_name_cut(&self, hash: &str) -> bool {
        let begins = self.cut.as_bytes().iter().zip(hash.as_bytes());
        !hash.is_empty() && begins.into_iter().all(|(a, b)| a.eq_ignore_ascii_case(b))
    }

    fn is_recent(&self, hash: &str) -> bool {
        self.recent.binary_search_by(|one| one.as_str().cmp(hash)).is_ok()
    }

    fn admits_commit(&self, commit: &Commit) -> bool {
        let (parents, is_exact, mentioned) = match &commit.detail {
            Some(detail) => {
                let (parents, is_exact) = match &detail.parents {
                    Parents::Exact(parents) => (parents.as_slice(), true),
                    Parents::Assumed(parents) => (parents.as_slice(), false),
                    Parents::Unknown => (&[][..], false),
                };
                (parents, is_exact, detail.picks.iter().chain(&detail.reverts))
            }
            None => (&[][..], false, [].iter().chain(&[])),
        };
        let is_parent = |hash: &String| self.is_recent(hash) || self.is_free_or_cut(hash);
        // What it was pushed onto matters only where parents are assumed.
        let pushed = commit.pushed_onto.as_ref().is_none_or(|onto| match is_exact {
            true => is_parent(onto),
            false => self.is_free_or_cut(onto),
        });
        self.is_free(&commit.hash)
            && pushed
            && parents.iter().all(is_parent)
            && mentioned.into_iter().all(|hash| self.is_free(hash))
    }

    fn admits_pull(&self, pull: &PullRequest) -> bool {
        let mentioned = pull.merge_commit.get().into_iter().chain(pull.head.get());
        !self.keys.may_have("pull", &pull.number)
            && mentioned.chain(&pull.commits).all(|hash| self.is_free(hash))
    }

    fn admits_deployment(&self, spec: &ServiceSpec<'_>, it: &Deployment) -> bool {
        if self.keys.may_have("deployment", &key_of(it)) {
            return false;
        }
        let is_live = is_production(spec, &it.environment, it.production);
        let environment = it.environment.to_lowercase();
        let is_told = self.keys.may_have("told name", &it.name)
            || self.keys.may_have("told environment", &environment);
        let revision = match (it.revision.get(), it.artifact.get()) {
            (Some(revision), _) => self.is_free_or_cut(revision),
            (None, Some(artifact)) => !self.keys.may_have("artifact", artifact),
            (None, None) => true,
        };
        revision && !(is_live && is_told)
    }

    fn admits_incident(&self, incident: &Incident) -> bool {
        let is_later = believed(incident.opened_at.0).is_none_or(|at| at >= self.landing.2);
        let named = incident.deployment.get();
        is_later
            && !self.keys.may_have("incident", &incident.id)
            && named.is_none_or(|name| !self.keys.may_have("live name", name))
    }

    /// Whether a course of what is not sealed continues at the cut, and reaches nowhere behind it.
    pub(super) fn goes_on(&self, known: &Known<'_>, course: &Course<'_>) -> bool {
        let Course { landings, delivering, graph, measured, view, .. } = course;
        let chain = &measured.mainline.chain;
        let Some(&cut) = chain.get(CUT as usize) else { return false };
        let is_cut = |at: usize| {
            let (environment, name, _) = &self.landing;
            let it = landings[at].deployment;
            it.environment == *environment && it.name == *name
        };
        // The mainline goes back to the cut, and all that was deployed since is on it.
        let place = |at: &usize| place_on_chain(course, &landings[*at]);
        let begins = graph.hashes[cut as usize] == self.cut
            && delivering.first().is_some_and(|&at| is_cut(at))
            && landings.iter().position(Landing::is_success).is_some_and(is_cut)
            && delivering.iter().all(|at| place(at).is_some_and(|place| place >= CUT));
        let problems = view.findings.iter().any(|row| row.kind == "circle");
        let cut_row = delivering.first().map(|&at| &view.deployments[at]);
        let is_clean = cut_row.is_some_and(|row| {
            row.failed_by.is_none() && row.recovered_at.is_none() && !row.unplanned
        });
        begins
            && !problems
            && is_clean
            && self.head_is_ours(known, course)
            && self.clocks_are_apart(course)
            && self.builds_are_later(known, course)
            && known.incidents.iter().all(|it| self.sees_its_successes(it, landings))
    }

    /// Whether the commit of the default branch is told, or newer than all that is sealed.
    fn head_is_ours(&self, known: &Known<'_>, course: &Course<'_>) -> bool {
        let Course { names, graph, measured, .. } = course;
        if tip(known, names).is_some() {
            return true;
        }
        let Some(&head) = measured.mainline.chain.last() else { return false };
        let committed = graph.detail(head).and_then(|detail| detail.committed_at);
        (committed, graph.hashes[head as usize]) > (self.last.0, self.last.1.as_str())
    }

    /// Whether no commit is older than the sealed ones, and no clock of one side is one of the
    /// other's (rule 5).
    fn clocks_are_apart(&self, course: &Course<'_>) -> bool {
        let Course { graph, .. } = course;
        let all = || (0..graph.history.len() as CommitIndex).map(|index| (index, graph));
        let is_older = all()
            .filter_map(|(index, graph)| believed(graph.detail(index)?.committed_at))
            .any(|committed| committed < self.first);
        if is_older {
            return false;
        }
        if !self.has_picks && graph.history.picks().is_empty() {
            return true;
        }
        let is_other = |index: CommitIndex| {
            graph.detail(index).is_some() && graph.hashes[index as usize] != self.cut
        };
        !all().any(|(index, graph)| {
            let work = graph.history.commit(index).work as u32;
            is_other(index) && self.works.binary_search(&work).is_ok()
        })
    }

    /// Whether no build can be the first one of a sealed change.
    fn builds_are_later(&self, known: &Known<'_>, course: &Course<'_>) -> bool {
        known.builds.iter().all(|build| {
            let revision = || course.graph.index(course.names.find(&build.revision)?);
            match believed(build.succeeded_at.0) {
                Some(at) if at < self.built_from => revision().is_none(),
                _ => true,
            }
        })
    }

    /// Whether an incident finds among what is not sealed the deployments that it may belong to.
    fn sees_its_successes(&self, incident: &Incident, landings: &[Landing<'_>]) -> bool {
        let Some(environment) = incident.environment.get() else { return true };
        let environment = environment.to_lowercase();
        if !self.keys.may_have("live environment", &environment) {
            return true;
        }
        let opened_at = believed(incident.opened_at.0).unwrap_or(i64::MAX);
        landings.iter().any(|landing| {
            landing.is_success()
                && landing.deployment.environment.to_lowercase() == environment
                && landing.finished_at.is_some_and(|at| at <= opened_at)
        })
    }
}

/// The place on the mainline of what a landing brought, if that is on it itself.
pub(super) fn place_on_chain(course: &Course<'_>, landing: &Landing<'_>) -> Option<u32> {
    let Course { graph, measured, .. } = course;
    let index = graph.index(landing.commit?)?;
    let is_on_chain = measured.mainline.is_on_chain(index);
    is_on_chain.then(|| measured.mainline.brought_by[index as usize])
}

/// Environment and name as one text: names hold no line breaks.
pub(super) fn key_of(deployment: &Deployment) -> String {
    format!("{}\n{}", deployment.environment, deployment.name)
}

/// Whether a name means no commit at all: forges write zeros for "none".
pub(super) fn is_nothing(hash: &str) -> bool {
    hash.is_empty() || (hash.len() >= ZEROS && hash.bytes().all(|byte| byte == b'0'))
}

/// So many zeros begin no hash of a commit.
pub(super) const ZEROS: usize = 40;
