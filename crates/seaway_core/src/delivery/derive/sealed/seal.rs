//! Sealing: where to cut, and what of both sides to keep.

use super::admit::{is_nothing, key_of, place_on_chain};
use super::stems::{Keys, Stems};
use super::{CUT, Sealed, known_of, settle};
use crate::delivery::derive::known::Known;
use crate::delivery::derive::landings::Landing;
use crate::delivery::derive::pulls::Pulls;
use crate::delivery::derive::{BELIEVED, Course, ServiceSpec, believed, built};
use crate::delivery::facts::{Build, Commit, Entity, Incident, Parents};
use crate::delivery::history::{CommitIndex, NONE};
use crate::delivery::measured::CommitLife;
use crate::delivery::view::{DeploymentRow, FindingRow, ServiceView};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Sealed commits on which branches may begin that are merged later.
const RECENT: usize = 64;
/// How often another cut is tried, each time twice as far back.
const TRIES: u32 = 6;

/// A cut, and what lies on this side of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sealing {
    /// What is kept of the past.
    pub sealed: Sealed,
    /// The rows that are not sealed.
    pub rest: ServiceView,
    /// By entity, whether it is sealed: [`settle`] is to be called without it from now on.
    pub is_sealed: Vec<bool>,
}

/// Seals what it can of a service, and leaves about `keep` changes or more unsealed. `entities` are
/// all of the service, each key once, or where some of it is sealed already (`before`) the
/// unsealed ones, for which [`settle`] must tell rows.
///
/// `None` where there is nothing to seal, or no cut that keeps the sides apart.
#[must_use]
pub fn seal(
    spec: &ServiceSpec<'_>,
    before: Option<&Sealed>,
    entities: &[&Entity],
    keep: usize,
) -> Option<Sealing> {
    let known = known_of(entities)?;
    let course = Course::of(spec, &known, before.map(Sealed::boundary));
    let first = before.map_or(0, |_| CUT);
    let changes = &course.measured.changes;
    let mut spared = keep;
    for _ in 0..TRIES {
        let newest = changes.len().checked_sub(spared.max(1) + 1)?;
        let upto = changes[newest].position;
        let candidate = (0..course.delivering.len()).rev().find_map(|number| {
            let landing = &course.landings[course.delivering[number]];
            let place = place_on_chain(&course, landing).filter(|&it| it <= upto && it > first)?;
            Some((number, place))
        });
        let (number, place) = candidate?;
        let cut = Cut { spec, before, entities, known: &known, course: &course, number, place };
        let sealing = cut.seal();
        if sealing.is_some() {
            return sealing;
        }
        spared = spared.max(1) * 2;
    }
    None
}

/// A cut that is tried.
struct Cut<'c, 'a> {
    spec: &'c ServiceSpec<'c>,
    before: Option<&'c Sealed>,
    entities: &'c [&'a Entity],
    known: &'c Known<'a>,
    course: &'c Course<'a>,
    /// The deployment, as a number of those that deliver.
    number: usize,
    /// The place of its commit on the mainline.
    place: u32,
}

/// The things that a cut seals.
#[derive(Default)]
struct Things<'a> {
    commits: HashSet<&'a str>,
    pulls: HashSet<&'a str>,
    builds: HashSet<(&'a str, &'a str)>,
    /// By place of a landing, whether it is sealed.
    landings: Vec<bool>,
    /// The same by environment and name.
    deployments: HashSet<(&'a str, &'a str)>,
    incidents: HashMap<&'a str, &'a Incident>,
    artifacts: HashSet<&'a str>,
    pinned_artifacts: HashSet<&'a str>,
    /// Hashes that any of them has or mentions.
    named: Vec<&'a str>,
    keys: Vec<(&'static str, String)>,
}

impl<'a> Cut<'_, 'a> {
    /// The place of the landing among all.
    fn at(&self) -> usize {
        self.course.delivering[self.number]
    }

    fn landing(&self) -> &Landing<'a> {
        &self.course.landings[self.at()]
    }

    fn cut(&self) -> CommitIndex {
        self.course.measured.mainline.chain[self.place as usize]
    }

    /// Whether the commit of the cut contains one.
    fn contains(&self, index: CommitIndex) -> bool {
        let place = self.course.measured.mainline.brought_by[index as usize];
        place != NONE && place <= self.place
    }

    fn contains_number(&self, number: u32) -> bool {
        self.course.graph.index(number).is_some_and(|index| self.contains(index))
    }

    /// All that the cut contains was delivered by then, stayed, and nothing went behind it.
    fn is_sound(&self) -> bool {
        let Course { graph, measured, delivering, landings, view, .. } = self.course;
        let attribution = &measured.attribution;
        let is_delivered = |index: CommitIndex| {
            let delivered = attribution.delivered[index as usize];
            delivered != NONE && delivered as usize <= self.number
        };
        let place = |at: usize| place_on_chain(self.course, &landings[at]);
        let older = delivering[..self.number]
            .iter()
            .all(|&at| landings[at].commit.is_some_and(|commit| self.contains_number(commit)));
        let newer = delivering[self.number..]
            .iter()
            .all(|&at| place(at).is_some_and(|place| place >= self.place));
        older
            && newer
            && !attribution.older_lines.contains(&(self.number as u32))
            && !view.findings.iter().any(|row| row.kind == "circle")
            && (0..graph.history.len() as CommitIndex)
                .all(|index| !self.contains(index) || is_delivered(index))
    }

    fn seal(&self) -> Option<Sealing> {
        if !self.is_sound() {
            return None;
        }
        let mut things = Things::default();
        self.add_commits(&mut things);
        self.add_pulls(&mut things);
        self.add_landings(&mut things);
        self.add_artifacts(&mut things);
        self.add_incidents(&mut things)?;
        let sealed = self.index(&things)?;
        let named = &sealed.named;
        let has_build = |build: &&&Build| self.is_sealed_build(build, &things, named);
        things.builds = self
            .known
            .builds
            .iter()
            .filter(has_build)
            .map(|build| (build.revision.as_str(), build.pipeline.as_str()))
            .collect();
        let is_sealed: Vec<bool> =
            self.entities.iter().map(|entity| self.is_sealed(entity, &things)).collect();
        let kept = self.entities.iter().zip(&is_sealed).filter(|(_, is)| !**is);
        let kept: Vec<&Entity> = kept.map(|(entity, _)| *entity).collect();
        // The proof of the cut: this side of it says what the whole says.
        let rest = settle(self.spec, &sealed, &kept)?;
        let whole = match self.before {
            Some(before) => before.rest(self.course.view.clone()),
            None => self.course.view.clone(),
        };
        self.is_whole(&whole, &rest, &sealed, &things).then_some(Sealing {
            sealed,
            rest,
            is_sealed,
        })
    }

    fn add_commits(&self, things: &mut Things<'a>) {
        let Course { graph, .. } = self.course;
        for (index, commit) in (0..).zip(&graph.commits) {
            let Some(commit) = commit.filter(|_| self.contains(index)) else { continue };
            things.mention_commit(commit);
            if index != self.cut() {
                things.named.push(&commit.hash);
                things.commits.insert(&commit.hash);
            }
        }
    }

    /// Pull requests of sealed changes, and the commits of their branches that were squashed.
    fn add_pulls(&self, things: &mut Things<'a>) {
        let Course { names, graph, measured, .. } = self.course;
        for (at, &pull) in self.known.pulls.iter().enumerate() {
            let place = Pulls::place_of(self.known, at, names, graph, measured);
            if place.is_none_or(|place| place > self.place) {
                continue;
            }
            things.pulls.insert(&pull.number);
            things.keys.push(("pull", pull.number.clone()));
            let mentioned = pull.merge_commit.get().into_iter().chain(pull.head.get());
            things.named.extend(mentioned.chain(&pull.commits).map(String::as_str));
            let listed = pull.commits.iter().filter_map(|hash| names.number(hash));
            for begin in listed.chain(names.pull(at).1) {
                let mut next = Some(begin);
                while let Some(number) = next
                    && graph.index(number).is_none()
                    && let Some(commit) = names.commit(number)
                    && things.commits.insert(&commit.hash)
                {
                    things.named.push(&commit.hash);
                    things.mention_commit(commit);
                    next = names.first_parent(number);
                }
            }
        }
    }

    /// Deployments before the cut. Those that did not go live in production matter to nobody else:
    /// they may stay on this side.
    fn add_landings(&self, things: &mut Things<'a>) {
        let Course { landings, names, .. } = self.course;
        things.landings = vec![false; landings.len()];
        for (at, landing) in landings.iter().enumerate().take(self.at()) {
            let commit = landing.commit.and_then(|number| names.commit(number));
            let is_past = match (landing.commit, commit) {
                (None, _) => true,
                (Some(number), Some(commit)) => {
                    self.contains_number(number) || things.commits.contains(commit.hash.as_str())
                }
                (Some(number), None) => self.contains_number(number),
            };
            if !is_past && !landing.is_success() {
                continue;
            }
            things.landings[at] = true;
            let it = landing.deployment;
            things.deployments.insert((&it.environment, &it.name));
            things.keys.push(("deployment", key_of(it)));
            things.named.extend(landing.revision);
            if landing.is_success() {
                things.keys.push(("live name", it.name.clone()));
                things.keys.push(("live environment", it.environment.to_lowercase()));
            }
        }
        things.named.extend(self.landing().revision);
    }

    /// Artifacts that only sealed deployments need. What both sides need must stay as it is.
    fn add_artifacts(&self, things: &mut Things<'a>) {
        let needed = |landing: &Landing<'a>| match landing.deployment.revision.get() {
            Some(_) => None,
            None => landing.deployment.artifact.get().map(String::as_str),
        };
        let (mut past, mut rest) = (HashSet::new(), HashSet::new());
        for (at, landing) in self.course.landings.iter().enumerate() {
            let is_past = things.landings[at] || at == self.at();
            past.extend(needed(landing).filter(|_| is_past));
            rest.extend(needed(landing).filter(|_| !things.landings[at]));
        }
        for id in past {
            match self.known.artifact(id) {
                Some(it) if rest.contains(id) => {
                    things.pinned_artifacts.insert(&it.id);
                }
                found => {
                    things.artifacts.extend(found.map(|it| it.id.as_str()));
                    things.keys.push(("artifact", id.to_owned()));
                }
            }
        }
        for &artifact in &self.known.artifacts {
            let number = artifact.revision.get().and_then(|it| self.course.names.find(it));
            let is_past = number.is_some_and(|number| self.contains_number(number));
            let id = artifact.id.as_str();
            if is_past && !rest.contains(id) && things.artifacts.insert(id) {
                things.keys.push(("artifact", id.to_owned()));
            }
        }
    }

    /// Incidents before the cut. `None` where a later deployment may still mend one of them.
    fn add_incidents(&self, things: &mut Things<'a>) -> Option<()> {
        let finished_at = self.landing().finished_at?;
        for &incident in &self.known.incidents {
            let opened_at = believed(incident.opened_at.0).filter(|&at| at < finished_at);
            let Some(opened_at) = opened_at else { continue };
            things.incidents.insert(&incident.id, incident);
            things.keys.push(("incident", incident.id.clone()));
            let told = incident.deployment.get();
            things.keys.extend(told.map(|name| ("told name", name.clone())));
            let Some(environment) = incident.environment.get() else { continue };
            let environment = environment.to_lowercase();
            let is_of = |at: usize| {
                let landing = &self.course.landings[at];
                landing.is_success() && landing.deployment.environment.to_lowercase() == environment
            };
            let has_past = (0..=self.at()).any(is_of)
                || self.before.is_some_and(|it| it.keys.may_have("live environment", &environment));
            match has_past {
                true => {
                    let is_next =
                        |at: usize| self.course.landings[at].finished_at > Some(opened_at);
                    let resolved_at = incident.resolved_at.get().copied().flatten();
                    let is_open = believed(resolved_at).is_some_and(|at| at >= finished_at);
                    if is_open && !(0..=self.at()).any(|at| is_of(at) && is_next(at)) {
                        return None;
                    }
                }
                false => things.keys.push(("told environment", environment)),
            }
        }
        Some(())
    }

    fn is_sealed_build(&self, build: &Build, things: &Things<'a>, named: &Stems) -> bool {
        let revision = build.revision.as_str();
        match self.course.names.find(revision) {
            Some(number) => things.commits.contains(revision) || self.contains_number(number),
            None => !is_nothing(revision) && named.may_name(revision),
        }
    }

    fn cut_hash(&self) -> &'a str {
        self.course.graph.hashes[self.cut() as usize]
    }

    fn is_sealed(&self, entity: &Entity, things: &Things<'a>) -> bool {
        match entity {
            Entity::Repository(_) | Entity::Branch(_) => false,
            Entity::Commit(it) => things.commits.contains(it.hash.as_str()),
            Entity::PullRequest(it) => things.pulls.contains(it.number.as_str()),
            Entity::Build(it) => {
                things.builds.contains(&(it.revision.as_str(), it.pipeline.as_str()))
            }
            Entity::Deployment(it) => {
                things.deployments.contains(&(it.environment.as_str(), it.name.as_str()))
            }
            Entity::Incident(it) => things.incidents.contains_key(it.id.as_str()),
            Entity::Artifact(it) => things.artifacts.contains(it.id.as_str()),
        }
    }
}

impl<'a> Things<'a> {
    /// What a commit mentions.
    fn mention_commit(&mut self, commit: &'a Commit) {
        self.named.extend(commit.pushed_onto.as_deref());
        let Some(detail) = &commit.detail else { return };
        match &detail.parents {
            Parents::Exact(parents) | Parents::Assumed(parents) => {
                self.named.extend(parents.iter().map(String::as_str));
            }
            Parents::Unknown => {}
        }
        self.named.extend(detail.picks.iter().chain(&detail.reverts).map(String::as_str));
    }
}

impl<'a> Cut<'_, 'a> {
    /// The index of what is sealed now and was before.
    fn index(&self, things: &Things<'a>) -> Option<Sealed> {
        let Course { graph, measured, view, .. } = self.course;
        let contained = || {
            let indexes = 0..graph.history.len() as CommitIndex;
            indexes.filter(|&index| self.contains(index))
        };
        let details = || contained().filter_map(|index| Some((index, graph.detail(index)?)));
        let others = || details().filter(|&(index, _)| index != self.cut());
        let committed = details().filter_map(|(_, detail)| believed(detail.committed_at));
        let before = self.before;
        let first = committed.clone().chain(before.map(|it| it.first)).min()?;
        let landing = self.landing();
        let finished_at = landing.finished_at.filter(|&at| at >= first)?;

        let mut named = before.map_or_else(Stems::default, |it| it.named.clone());
        named.extend(things.named.iter().copied().filter(|hash| !is_nothing(hash)));
        let mut keys = before.map_or_else(Keys::default, |it| it.keys.clone());
        keys.extend(things.keys.iter().cloned());
        let mut works: Vec<u32> = before.map(|it| it.works.clone()).unwrap_or_default();
        works.extend(others().map(|(_, detail)| detail.work as u32));
        works.extend(graph.detail(self.cut()).map(|detail| detail.work as u32));
        works.sort();
        works.dedup();
        let is_linked =
            |&(from, to): &(CommitIndex, CommitIndex)| self.contains(from) || self.contains(to);
        let has_picks =
            before.is_some_and(|it| it.has_picks) || graph.history.picks().iter().any(is_linked);

        let last = details()
            .map(|(index, detail)| (detail.committed_at, graph.hashes[index as usize].to_owned()));
        let rows = view.deployments.iter().enumerate();
        let rows = rows.filter(|(at, _)| things.landings[*at] || *at == self.at());
        let rows = rows.flat_map(|(_, row)| [row.started_at, row.finished_at]);
        let incidents = things.incidents.values().flat_map(|it| {
            let resolved_at = it.resolved_at.get().copied().flatten();
            [believed(it.opened_at.0), believed(resolved_at)]
        });
        let moments = rows.chain(incidents).flatten().chain(committed);
        let is_assumed = |(_, detail): &(_, &crate::delivery::facts::CommitDetail)| {
            !matches!(detail.parents, Parents::Exact(_))
        };
        let pinned = self.entities.iter().filter(|entity| match entity {
            Entity::Commit(it) => it.hash == self.cut_hash(),
            Entity::Deployment(it) => std::ptr::eq(landing.deployment, it),
            Entity::Artifact(it) => things.pinned_artifacts.contains(it.id.as_str()),
            _ => false,
        });
        let deployment = landing.deployment;
        Some(Sealed {
            named,
            keys,
            works,
            has_picks,
            recent: self.recent(),
            pinned: pinned.map(|&entity| entity.clone()).collect(),
            cut: self.cut_hash().to_owned(),
            landing: (deployment.environment.clone(), deployment.name.clone(), finished_at),
            position: before.map_or(0, |it| it.position - CUT) + self.place,
            built_from: self.built_from(),
            first,
            last: last.chain(before.map(|it| it.last.clone())).max()?,
            newest: moments.chain(before.and_then(|it| it.newest)).max(),
            assumed: before.map_or(0, |it| it.assumed) + others().filter(is_assumed).count() as u64,
            findings: self.findings(things),
        })
        .filter(|_| measured.plausible == BELIEVED)
    }

    /// The newest commits that the cut contains, beside its own.
    fn recent(&self) -> Vec<String> {
        let Course { graph, measured, .. } = self.course;
        let brought_by = &measured.mainline.brought_by;
        let mut recent: Vec<(u32, &str)> = (0..graph.history.len() as CommitIndex)
            .filter(|&index| self.contains(index) && index != self.cut())
            .filter(|&index| graph.detail(index).is_some())
            .map(|index| (brought_by[index as usize], graph.hashes[index as usize]))
            .collect();
        recent.sort_unstable();
        let newest = recent.iter().rev().take(RECENT);
        let mut recent: Vec<String> = newest.map(|(_, hash)| (*hash).to_owned()).collect();
        let older = self.before.iter().flat_map(|it| &it.recent);
        recent.extend(older.take(RECENT.saturating_sub(recent.len())).cloned());
        recent.sort_unstable();
        recent
    }

    /// From when on a build says nothing of a sealed change: it is not the first one, or it
    /// succeeded after the change was deployed. Only builds of what the cut contains are looked at:
    /// the others may leave the mainline with their commits.
    fn built_from(&self) -> i64 {
        let Course { names, graph, measured, .. } = self.course;
        let built = built::of(self.known, names, graph, |revision| self.contains(revision));
        let changes = measured.changes.iter().filter(|change| change.position <= self.place);
        let from = changes.map(|change| {
            let built = built[change.commit as usize].unwrap_or(i64::MAX);
            let deployment = measured.deployments.get(change.deployment as usize);
            built.min(deployment.map_or(i64::MAX, |it| it.finished_at.saturating_add(1)))
        });
        from.chain(self.before.map(|it| it.built_from)).max().unwrap_or(i64::MIN)
    }

    /// The findings of the sealed side.
    fn findings(&self, things: &Things<'a>) -> BTreeSet<FindingRow> {
        let Course { graph, landings, .. } = self.course;
        let contained: HashSet<&str> = (0..graph.history.len() as CommitIndex)
            .filter(|&index| self.contains(index))
            .map(|index| graph.hashes[index as usize])
            .collect();
        let past = landings.iter().zip(&things.landings).filter(|(_, is)| **is);
        let deployments: HashSet<&str> =
            past.map(|(landing, _)| landing.deployment.name.as_str()).collect();
        let is_past = |row: &&FindingRow| {
            let subject = row.subject.as_str();
            match row.kind.as_str() {
                "unknown_parent" => !subject.is_empty() && contained.contains(subject),
                "clock_problem" => contained.contains(subject),
                "unknown_revision" | "deployment_before_history" => deployments.contains(subject),
                "incident_without_deployment" => things.incidents.contains_key(subject),
                _ => false,
            }
        };
        // What the boundary of the cut before tells of itself is no finding.
        let is_real = |row: &&FindingRow| match self.before {
            Some(before) => {
                row.kind != "deployment_before_history"
                    && (row.kind != "clock_problem" || row.subject != before.cut)
            }
            None => true,
        };
        let found = self.course.view.findings.iter().filter(is_past).filter(is_real);
        found.chain(self.before.iter().flat_map(|it| &it.findings)).cloned().collect()
    }

    /// Whether the sealed rows and the rest are the rows of the whole.
    fn is_whole(
        &self,
        whole: &ServiceView,
        rest: &ServiceView,
        sealed: &Sealed,
        things: &Things<'a>,
    ) -> bool {
        let changes = whole.changes.iter().filter(|row| row.position > sealed.position);
        let is_past = |row: &DeploymentRow| {
            let key = (row.environment.as_str(), row.name.as_str());
            let (environment, name, _) = &sealed.landing;
            things.deployments.contains(&key) || key == (environment, name)
        };
        let findings = whole.findings.iter().filter(|row| !sealed.findings.contains(row));
        changes.eq(&rest.changes)
            && whole.deployments.iter().filter(|row| !is_past(row)).eq(&rest.deployments)
            && whole
                .incidents
                .iter()
                .filter(|row| !things.incidents.contains_key(row.id.as_str()))
                .eq(&rest.incidents)
            && findings.eq(&rest.findings)
            && are_among(&rest.commits, &whole.commits)
            && whole.newest == rest.newest
    }
}

/// Whether all of some lives of commits are among others; both are sorted.
fn are_among(some: &[CommitLife], all: &[CommitLife]) -> bool {
    let mut all = all.iter();
    some.iter().all(|life| all.any(|it| it == life))
}
