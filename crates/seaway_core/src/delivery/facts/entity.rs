//! The things that events tell of, and how much is known of each.

use super::merge::{Earliest, Latest, Merge};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A thing that events tell of, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entity {
    /// The repository itself.
    Repository(Repository),
    /// A branch.
    Branch(Branch),
    /// A commit.
    Commit(Commit),
    /// A pull request (GitHub), merge request (GitLab) or change (CDEvents).
    PullRequest(PullRequest),
    /// A pipeline's work on one revision.
    Build(Build),
    /// One revision becoming live in one environment.
    Deployment(Deployment),
    /// Something that went wrong for customers.
    Incident(Incident),
    /// What a build made.
    Artifact(Artifact),
}

/// What is known of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Repository {
    /// The default branch, without `refs/heads/`.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub default_branch: Latest<String>,
    /// Where it can be cloned from, without credentials.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub url: Latest<String>,
}

/// What is known of a branch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Branch {
    /// Its name, without `refs/heads/`.
    pub name: String,
    /// The commit that it points to, by the time of the push.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub tip: Latest<String>,
}

/// What is known of a commit. Of several descriptions the better one counts, whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Commit {
    /// Its hash in lower-case hexadecimal.
    pub hash: String,
    /// What it is; `None` where it was only named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<CommitDetail>,
    /// The commit that a branch pointed to before the push whose newest commit this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pushed_onto: Option<String>,
    /// The paths that it touches, if they are known: at most [`PATHS_MAX`], sorted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    /// The lines that it adds and removes, together, where a source tells them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<u64>,
}

/// Paths of a commit that are kept. A commit that touches more is taken to touch everything: its
/// paths are left out.
pub const PATHS_MAX: usize = 200;

/// A description of a commit.
///
/// The order of the fields is the order of preference: of two descriptions the one with the better
/// `parents` counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CommitDetail {
    /// The commits that it was made on.
    pub parents: Parents,
    /// Author time, Unix seconds; `None` where it is not plausible.
    pub authored_at: Option<i64>,
    /// Committer time, Unix seconds; `None` where it is not plausible.
    pub committed_at: Option<i64>,
    /// `Name <email>` of its author, bounded; shown on the page of its change and nowhere else.
    pub author: String,
    /// The first paragraph of its message on one line, bounded; not escaped.
    pub subject: String,
    /// A fingerprint of author, author time and subject: equal for one piece of work (rule 5).
    pub work: u64,
    /// Written by a bot, by the author patterns of the configuration.
    #[serde(default, skip_serializing_if = "is_false")]
    pub bot: bool,
    /// Written with the help of AI.
    #[serde(default, skip_serializing_if = "is_false")]
    pub assisted: bool,
    /// Its message says that it reverts another commit.
    #[serde(default, skip_serializing_if = "is_false")]
    pub revert: bool,
    /// The commits (hexadecimal, 7 digits or more) that it says to revert.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reverts: Vec<String>,
    /// The commits (hexadecimal, 7 digits or more) that it says to be picked from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub picks: Vec<String>,
}

/// What is known of a commit's parents, from the worst to the best.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parents {
    /// Nothing.
    Unknown,
    /// The commit before it in a push: a merge looks like a line this way.
    Assumed(Vec<String>),
    /// As git has them, first parent first. Empty for a root.
    Exact(Vec<String>),
}

/// What is known of a pull request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PullRequest {
    /// Its number or identifier in its repository.
    pub number: String,
    /// When it was opened.
    #[serde(skip_serializing_if = "Earliest::is_none")]
    pub opened_at: Earliest,
    /// When it was merged.
    #[serde(skip_serializing_if = "Earliest::is_none")]
    pub merged_at: Earliest,
    /// When it was closed without being merged.
    #[serde(skip_serializing_if = "Earliest::is_none")]
    pub abandoned_at: Earliest,
    /// The commit that it became on the base branch, once it is merged: a merge, a squash, or the
    /// newest of the rebased commits.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub merge_commit: Latest<String>,
    /// The newest commit of its own branch.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub head: Latest<String>,
    /// The branch that it is to be merged into.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub base: Latest<String>,
    /// Its own branch.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub branch: Latest<String>,
    /// Its title, bounded; not escaped.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub title: Latest<String>,
    /// The login of its author, bounded; shown on the page of its change and nowhere else.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub author: Latest<String>,
    /// Where people see it.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub url: Latest<String>,
    /// Whether its author is a bot.
    #[serde(skip_serializing_if = "is_false")]
    pub bot: bool,
    /// Commits of its own branch, where a source tells them.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub commits: BTreeSet<String>,
    /// When the earliest commit of its own branch was authored, where a source tells it. A squash
    /// hides this from git.
    #[serde(skip_serializing_if = "Earliest::is_none")]
    pub authored_at: Earliest,
    /// The lines that it adds and removes, together, where a source tells them.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub lines: Latest<u64>,
    /// Reviews by identifier: the [`REVIEWS_MAX`] smallest identifiers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reviews: BTreeMap<String, Review>,
}

/// Reviews and commits of a pull request that are kept.
pub const REVIEWS_MAX: usize = 100;

/// A review of a pull request by someone other than its author.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Review {
    /// When it was submitted, Unix seconds.
    pub at: i64,
    /// What it said.
    pub verdict: Verdict,
    /// The login of who said it, bounded; shown on the page of its change and nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// What a review said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Neither yes nor no.
    Commented,
    /// Not as it is.
    ChangesRequested,
    /// Yes.
    Approved,
    /// It said something that no longer counts.
    Dismissed,
}

/// What is known of a pipeline's work on one revision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Build {
    /// The commit that was built.
    pub revision: String,
    /// The pipeline or workflow by name or identifier; its runs on one revision are one build.
    pub pipeline: String,
    /// When its first run started.
    #[serde(skip_serializing_if = "Earliest::is_none")]
    pub started_at: Earliest,
    /// When it first succeeded.
    #[serde(skip_serializing_if = "Earliest::is_none")]
    pub succeeded_at: Earliest,
    /// When it first failed.
    #[serde(skip_serializing_if = "Earliest::is_none")]
    pub failed_at: Earliest,
}

/// What is known of a deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Deployment {
    /// The environment, as its source names it.
    pub environment: String,
    /// Its name or identifier, unique for its service and environment.
    pub name: String,
    /// The commit that became live.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub revision: Latest<String>,
    /// The artifact that became live.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub artifact: Latest<String>,
    /// The repository of `revision`, by [`super::repository_name`], where the source tells it.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub repository: Latest<String>,
    /// When it started.
    #[serde(skip_serializing_if = "Earliest::is_none")]
    pub started_at: Earliest,
    /// When it first was reported as successful. A deployment that ever succeeded did.
    #[serde(skip_serializing_if = "Earliest::is_none")]
    pub succeeded_at: Earliest,
    /// When it first was reported as failed.
    #[serde(skip_serializing_if = "Earliest::is_none")]
    pub failed_at: Earliest,
    /// Whether its source says that customers use this environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub production: Option<bool>,
    /// The commits that it brought, where its source lists them.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub commits: BTreeSet<String>,
    /// Where people see it.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub url: Latest<String>,
}

/// What is known of an incident.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Incident {
    /// Its identifier, unique for its source.
    pub id: String,
    /// The environment, as its source names it.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub environment: Latest<String>,
    /// When it was first reported.
    #[serde(skip_serializing_if = "Earliest::is_none")]
    pub opened_at: Earliest,
    /// Whether and when it was resolved: the moment, or `None` when it was opened again.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub resolved_at: Latest<Option<i64>>,
    /// What it is about, bounded; not escaped.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub title: Latest<String>,
    /// The deployment that caused it, where its source says so.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub deployment: Latest<String>,
    /// Where people see it.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub url: Latest<String>,
}

/// What is known of an artifact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Artifact {
    /// Its identifier: a package URL.
    pub id: String,
    /// The commit that it was made of.
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub revision: Latest<String>,
    /// The repository of that commit, by [`super::repository_name`].
    #[serde(skip_serializing_if = "Latest::is_none")]
    pub repository: Latest<String>,
    /// All repositories that it was ever said to be from.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub repositories: BTreeSet<String>,
    /// When it was first packaged or published.
    #[serde(skip_serializing_if = "Earliest::is_none")]
    pub built_at: Earliest,
    /// The services that deployed it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub services: BTreeSet<String>,
}

fn is_false(it: &bool) -> bool {
    !it
}

impl Entity {
    /// What tells it from the others of its scope. Two entities of one scope with equal keys are
    /// one thing.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Repository(_) => "repository".to_owned(),
            Self::Branch(it) => format!("branch {}", it.name),
            Self::Commit(it) => format!("commit {}", it.hash),
            Self::PullRequest(it) => format!("pull {}", it.number),
            Self::Build(it) => format!("build {}\n{}", it.revision, it.pipeline),
            Self::Deployment(it) => format!("deployment {}\n{}", it.environment, it.name),
            Self::Incident(it) => format!("incident {}", it.id),
            Self::Artifact(it) => format!("artifact {}", it.id),
        }
    }
}

impl Merge for Entity {
    /// Takes in what else is known of the same thing. Entities with different keys are never
    /// merged: the call does nothing then.
    fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Repository(a), Self::Repository(b)) => a.merge(b),
            (Self::Branch(a), Self::Branch(b)) => a.tip.merge(b.tip),
            (Self::Commit(a), Self::Commit(b)) => a.merge(b),
            (Self::PullRequest(a), Self::PullRequest(b)) => a.merge(b),
            (Self::Build(a), Self::Build(b)) => a.merge(b),
            (Self::Deployment(a), Self::Deployment(b)) => a.merge(b),
            (Self::Incident(a), Self::Incident(b)) => a.merge(b),
            (Self::Artifact(a), Self::Artifact(b)) => a.merge(b),
            _ => {}
        }
    }
}

impl Merge for Repository {
    fn merge(&mut self, other: Self) {
        self.default_branch.merge(other.default_branch);
        self.url.merge(other.url);
    }
}

impl Merge for Commit {
    fn merge(&mut self, other: Self) {
        self.detail.merge(other.detail);
        self.pushed_onto.merge(other.pushed_onto);
        self.paths.merge(other.paths);
        self.lines.merge(other.lines);
    }
}

impl Merge for PullRequest {
    fn merge(&mut self, other: Self) {
        self.opened_at.merge(other.opened_at);
        self.merged_at.merge(other.merged_at);
        self.abandoned_at.merge(other.abandoned_at);
        self.merge_commit.merge(other.merge_commit);
        self.head.merge(other.head);
        self.base.merge(other.base);
        self.branch.merge(other.branch);
        self.title.merge(other.title);
        self.author.merge(other.author);
        self.url.merge(other.url);
        self.bot.merge(other.bot);
        merge_set(&mut self.commits, other.commits, REVIEWS_MAX);
        self.authored_at.merge(other.authored_at);
        self.lines.merge(other.lines);
        for (id, review) in other.reviews {
            self.reviews
                .entry(id)
                .and_modify(|known| {
                    // A review keeps its time; only its verdict may be taken back.
                    known.at = known.at.min(review.at);
                    known.verdict = known.verdict.max(review.verdict);
                    if known.by < review.by {
                        known.by.clone_from(&review.by);
                    }
                })
                .or_insert(review);
        }
        // By identifier and not by time: the time of a review may still change, and one that was
        // dropped must never have to come back.
        while self.reviews.len() > REVIEWS_MAX {
            self.reviews.pop_last();
        }
    }
}

impl Merge for Build {
    fn merge(&mut self, other: Self) {
        self.started_at.merge(other.started_at);
        self.succeeded_at.merge(other.succeeded_at);
        self.failed_at.merge(other.failed_at);
    }
}

impl Merge for Deployment {
    fn merge(&mut self, other: Self) {
        self.revision.merge(other.revision);
        self.artifact.merge(other.artifact);
        self.repository.merge(other.repository);
        self.started_at.merge(other.started_at);
        self.succeeded_at.merge(other.succeeded_at);
        self.failed_at.merge(other.failed_at);
        self.production.merge(other.production);
        merge_set(&mut self.commits, other.commits, COMMITS_MAX);
        self.url.merge(other.url);
    }
}

/// Commits of a deployment that are kept.
pub const COMMITS_MAX: usize = 1_000;

impl Merge for Incident {
    fn merge(&mut self, other: Self) {
        self.environment.merge(other.environment);
        self.opened_at.merge(other.opened_at);
        self.resolved_at.merge(other.resolved_at);
        self.title.merge(other.title);
        self.deployment.merge(other.deployment);
        self.url.merge(other.url);
    }
}

impl Merge for Artifact {
    fn merge(&mut self, other: Self) {
        self.revision.merge(other.revision);
        self.repository.merge(other.repository);
        merge_set(&mut self.repositories, other.repositories, COMMITS_MAX);
        self.built_at.merge(other.built_at);
        merge_set(&mut self.services, other.services, COMMITS_MAX);
    }
}

/// The union, of which the `most` smallest are kept: which ones that are does not depend on the
/// order of merging.
fn merge_set(set: &mut BTreeSet<String>, other: BTreeSet<String>, most: usize) {
    set.extend(other);
    while set.len() > most {
        set.pop_last();
    }
}
