//! What a change consists of, and what was said of it: its commits, reviews and builds.
//!
//! All of it is told of the change itself: of its commits and of its pull request. What later
//! commits add says nothing here, so that a row stays as it is once these do.

use super::believed;
use super::graph::Graph;
use super::known::Known;
use super::names::Names;
use super::pulls::Pull;
use crate::delivery::facts::{Build, Commit, Parents, PullRequest};
use crate::delivery::history::{CommitIndex, NONE};
use crate::delivery::measured::{Change, Measured};
use crate::delivery::view::{
    BUILDS_MAX, BuildPart, ChangeParts, CommitPart, PARTS_MAX, ReviewPart,
};
use std::collections::BTreeSet;

/// Digits of a hash that are told.
const DIGITS: usize = 12;
/// Characters of a subject that are told.
const SUBJECT_MAX: usize = 120;
/// Characters of an author and of a pipeline that are told.
const NAME_MAX: usize = 80;

/// Builds by the whole hash of what was built, as far as that is known.
pub(super) struct Builds<'a>(Vec<(&'a str, &'a Build)>);

impl<'a> Builds<'a> {
    pub(super) fn of(known: &Known<'a>, names: &Names<'a>) -> Self {
        let named = |build: &&'a Build| {
            let revision = build.revision.as_str();
            (names.find(revision).map_or(revision, |number| names.hash(number)), *build)
        };
        let mut builds: Vec<(&str, &Build)> = known.builds.iter().map(named).collect();
        builds.sort_by_key(|&(hash, _)| hash);
        Self(builds)
    }

    fn of_commit(&self, hash: &str) -> &[(&'a str, &'a Build)] {
        let from = self.0.partition_point(|&(other, _)| other < hash);
        let count = self.0[from..].partition_point(|&(other, _)| other == hash);
        &self.0[from..from + count]
    }
}

/// A change whose parts are told.
pub(super) struct Whole<'w, 'a> {
    pub(super) names: &'w Names<'a>,
    pub(super) graph: &'w Graph<'a>,
    pub(super) measured: &'w Measured,
    pub(super) builds: &'w Builds<'a>,
    pub(super) change: &'w Change,
    pub(super) pull: Option<Pull<'a>>,
    /// Commits of the branch of its pull request, which became the one commit on the mainline.
    pub(super) branch: &'w [u32],
    /// The author that its row tells.
    pub(super) author: &'w str,
}

impl<'a> Whole<'_, 'a> {
    /// `None` where there is nothing to tell.
    pub(super) fn parts(&self) -> Option<Box<ChangeParts>> {
        let mut parts = ChangeParts::default();
        self.add_commits(&mut parts);
        if let Some(pull) = &self.pull {
            add_reviews(pull.known, &mut parts);
        }
        self.add_builds(&mut parts);
        (!parts.is_empty()).then(|| Box::new(parts))
    }

    fn members(&self) -> &[CommitIndex] {
        self.measured.mainline.members(self.change.position)
    }

    fn add_commits(&self, parts: &mut ChangeParts) {
        let members = self.members();
        // What is on the mainline itself was not hidden by a squash.
        let is_hidden = |number: &&u32| {
            let index = self.graph.index(**number);
            index.is_none_or(|it| self.measured.mainline.brought_by[it as usize] == NONE)
        };
        let branch = self.branch.iter().filter(is_hidden);
        let branch = branch.filter_map(|&number| self.names.commit(number));
        let mut commits: Vec<&Commit> = branch.filter(|it| !is_merge(it)).collect();
        parts.squashed = !commits.is_empty();
        if commits.is_empty() && members != [self.change.commit] {
            let known = |&index: &CommitIndex| self.graph.commits[index as usize];
            commits = members.iter().filter_map(known).collect();
        }
        commits.sort_by(|a, b| age(a).cmp(&age(b)));
        commits.dedup_by_key(|commit| commit.hash.as_str());
        let more = commits.len().saturating_sub(PARTS_MAX);
        parts.more_commits = u32::try_from(more).unwrap_or(u32::MAX);
        parts.commits = commits.iter().take(PARTS_MAX).filter_map(|it| self.commit(it)).collect();
    }

    fn commit(&self, commit: &Commit) -> Option<CommitPart> {
        let detail = commit.detail.as_ref()?;
        let (authored_at, committed_at) =
            (believed(detail.authored_at), believed(detail.committed_at));
        Some(CommitPart {
            hash: first(&commit.hash, DIGITS),
            subject: first(&detail.subject, SUBJECT_MAX),
            author: (detail.author != self.author).then(|| first(&detail.author, NAME_MAX)),
            authored_at,
            committed_at: committed_at.filter(|_| committed_at != authored_at),
        })
    }

    fn add_builds(&self, parts: &mut ChangeParts) {
        if self.builds.0.is_empty() {
            return;
        }
        let own = self.graph.hashes[self.change.commit as usize];
        let mut hashes: BTreeSet<&str> = BTreeSet::from([own]);
        hashes.extend(self.members().iter().map(|&index| self.graph.hashes[index as usize]));
        let branch = self.branch.iter().map(|&number| self.names.hash(number));
        hashes.extend(branch.filter(|hash| !self.is_of_other(hash)));
        if let Some(Pull { known: pull, .. }) = &self.pull {
            let told = pull.merge_commit.get().into_iter().chain(pull.head.get());
            let told = told.chain(&pull.commits).map(String::as_str);
            hashes.extend(told.filter(|hash| !self.is_of_other(hash)));
        }
        let builds = hashes.iter().flat_map(|hash| self.builds.of_commit(hash));
        let mut builds: Vec<BuildPart> =
            builds.map(|&(hash, build)| build_part(build, (hash != own).then_some(hash))).collect();
        builds.sort_by(|a, b| order(a).cmp(&order(b)));
        let older = builds.len().saturating_sub(BUILDS_MAX);
        parts.older_builds = u32::try_from(older).unwrap_or(u32::MAX);
        parts.builds = builds.split_off(older);
    }

    /// Whether another change brought a commit.
    fn is_of_other(&self, hash: &str) -> bool {
        let index = self.names.number(hash).and_then(|number| self.graph.index(number));
        let brought_by = |index: CommitIndex| self.measured.mainline.brought_by[index as usize];
        index.map(brought_by).is_some_and(|it| it != NONE && it != self.change.position)
    }
}

fn add_reviews(pull: &PullRequest, parts: &mut ChangeParts) {
    let reviews = pull.reviews.values();
    let reviews = reviews.filter_map(|it| {
        let by = it.by.as_deref().map(|by| first(by, NAME_MAX));
        Some(ReviewPart { at: believed(Some(it.at))?, verdict: it.verdict, by })
    });
    parts.reviews = reviews.collect();
    parts.reviews.sort_unstable();
    parts.reviews.truncate(PARTS_MAX);
}

fn build_part(build: &Build, revision: Option<&str>) -> BuildPart {
    BuildPart {
        pipeline: first(&build.pipeline, NAME_MAX),
        revision: revision.map(|hash| first(hash, DIGITS)),
        started_at: believed(build.started_at.0),
        failed_at: believed(build.failed_at.0),
        succeeded_at: believed(build.succeeded_at.0),
    }
}

/// By the first moment that is known of it; it comes last if none is.
fn order(build: &BuildPart) -> (i64, &str, Option<&str>, [Option<i64>; 2]) {
    let BuildPart { pipeline, revision, started_at, failed_at, succeeded_at } = build;
    let moments = [*started_at, *failed_at, *succeeded_at];
    let first = moments.into_iter().flatten().min().unwrap_or(i64::MAX);
    (first, pipeline, revision.as_deref(), [*failed_at, *succeeded_at])
}

/// The order of commits: by committer time, then by author time.
fn age(commit: &Commit) -> (Option<[Option<i64>; 2]>, &str) {
    let detail = commit.detail.as_ref();
    (detail.map(|it| [it.committed_at, it.authored_at]), &commit.hash)
}

fn is_merge(commit: &Commit) -> bool {
    let parents = commit.detail.as_ref().map(|detail| &detail.parents);
    matches!(parents, Some(Parents::Exact(parents)) if parents.len() > 1)
}

/// The first characters of a text.
fn first(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => text[..end].to_owned(),
        None => text.to_owned(),
    }
}
