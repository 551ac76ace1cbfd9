//! What is computed from the facts of one service: the rows behind every figure.
//!
//! Rows are plain values with a canonical JSON form, so that equal views are equal bytes. Times are
//! Unix seconds; `None` means *not known*.

use super::attribution::DeploymentKind;
use super::facts::Verdict;
use super::measured::{CommitLife, Status};
use serde::{Deserialize, Serialize};

/// A moment of a change, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Milestone {
    /// The earliest commit was authored.
    Authored,
    /// The pull request was opened.
    Opened,
    /// The first review was submitted.
    Reviewed,
    /// The first approval that still counts was given.
    Approved,
    /// The change reached the mainline.
    Merged,
    /// The first build that contains it had succeeded.
    Built,
    /// The deployment that delivered it finished.
    Deployed,
}

impl Milestone {
    /// All, in order.
    pub const ALL: [Self; 7] = [
        Self::Authored,
        Self::Opened,
        Self::Reviewed,
        Self::Approved,
        Self::Merged,
        Self::Built,
        Self::Deployed,
    ];

    /// The word of pages and of JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Authored => "authored",
            Self::Opened => "opened",
            Self::Reviewed => "reviewed",
            Self::Approved => "approved",
            Self::Merged => "merged",
            Self::Built => "built",
            Self::Deployed => "deployed",
        }
    }
}

/// When a change reached each milestone. Mended by rule 9: the moments that are known never go
/// down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestones(pub [Option<i64>; 7]);

impl Milestones {
    /// The moment of one.
    #[must_use]
    pub fn get(&self, milestone: Milestone) -> Option<i64> {
        self.0[milestone as usize]
    }

    /// Sets the moment of one.
    pub fn set(&mut self, milestone: Milestone, moment: Option<i64>) {
        self.0[milestone as usize] = moment;
    }

    /// The first known moment: where the clock starts.
    #[must_use]
    pub fn start(&self) -> Option<i64> {
        self.0.iter().copied().flatten().next()
    }

    /// The last known moment before the deployment: where the stage that ends with it begins.
    #[must_use]
    pub fn before_deployed(&self) -> Option<i64> {
        self.0[..Milestone::Deployed as usize].iter().rev().copied().flatten().next()
    }

    /// The last known milestone: what has not come further is in the stage after it.
    #[must_use]
    pub fn last(&self) -> Option<Milestone> {
        Milestone::ALL.into_iter().rev().find(|&milestone| self.get(milestone).is_some())
    }

    /// The stages: for each known milestone but the first, the one that it ends and the seconds
    /// since the known milestone before it. A missing milestone merges its stage into the next, so
    /// the stages of a delivered change sum to its time to value.
    pub fn stages(&self) -> impl Iterator<Item = (Milestone, i64)> + '_ {
        let mut before = None;
        Milestone::ALL.into_iter().filter_map(move |milestone| {
            let moment = self.get(milestone)?;
            let since = before.replace(moment)?;
            Some((milestone, moment.saturating_sub(since)))
        })
    }
}

/// One change as one service has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeRow {
    /// The commit on the mainline: its name.
    pub change: String,
    /// How it reached the mainline: `merge` or `direct`.
    pub kind: String,
    /// Its place on the mainline, oldest first.
    pub position: u32,
    /// The pull request that brought it.
    pub pull_request: Option<String>,
    /// What it is about: the title of its pull request or its subject; not escaped.
    pub subject: String,
    /// `Name <email>`: shown on its own page and nowhere else.
    pub author: String,
    /// The non-merge commits that it brought.
    pub commits: u32,
    /// The lines that it adds and removes, together; `None` where nobody tells them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<u64>,
    /// Where it stands.
    pub status: Status,
    /// Whether it reverts another change.
    pub reverts: bool,
    /// Whether all of it was written by bots.
    pub bot: bool,
    /// Whether any of it was written with the help of AI.
    pub assisted: bool,
    /// Whether it rests on assumed parents: nobody could read the repository.
    pub approximate: bool,
    /// When it reached each milestone.
    pub milestones: Milestones,
    /// Milestones that were moved up to the one before them (rule 9).
    pub moved: Vec<Milestone>,
    /// The deployment that delivered it and stayed.
    pub deployment: Option<String>,
    /// The environment of `deployment`: names are unique within one only.
    pub environment: Option<String>,
    /// What it consists of and what was said of it, where that is more than stands above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Box<ChangeParts>>,
}

/// The commits, reviews and builds of a change. Only its own page tells them, and there are as many
/// rows as changes: so the names in JSON are short, and what says nothing is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChangeParts {
    /// Its commits but merges, the oldest first: at most [`PARTS_MAX`]. Empty where its commit on
    /// the mainline is the only one that is known.
    #[serde(rename = "c", skip_serializing_if = "Vec::is_empty")]
    pub commits: Vec<CommitPart>,
    /// How many more commits there are.
    #[serde(rename = "m", skip_serializing_if = "is_zero")]
    pub more_commits: u32,
    /// Whether `commits` are those of the branch of its pull request, which became the one commit
    /// on the mainline.
    #[serde(rename = "q", skip_serializing_if = "std::ops::Not::not")]
    pub squashed: bool,
    /// The reviews of its pull request, the oldest first: at most [`PARTS_MAX`].
    #[serde(rename = "r", skip_serializing_if = "Vec::is_empty")]
    pub reviews: Vec<ReviewPart>,
    /// The builds of its commits, the oldest first: the newest [`BUILDS_MAX`].
    #[serde(rename = "b", skip_serializing_if = "Vec::is_empty")]
    pub builds: Vec<BuildPart>,
    /// How many older builds there are.
    #[serde(rename = "o", skip_serializing_if = "is_zero")]
    pub older_builds: u32,
}

/// A review of a change's pull request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReviewPart {
    /// When it was submitted, Unix seconds.
    #[serde(rename = "a")]
    pub at: i64,
    /// What it said.
    #[serde(rename = "v")]
    pub verdict: Verdict,
    /// Who said it, where that is told; not escaped.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Commits and reviews of a change that its row tells.
pub const PARTS_MAX: usize = 50;
/// Builds of a change that its row tells.
pub const BUILDS_MAX: usize = 20;

impl ChangeParts {
    /// Whether there is anything to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commits.is_empty() && self.reviews.is_empty() && self.builds.is_empty()
    }
}

/// A commit of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CommitPart {
    /// The first twelve digits of its hash.
    #[serde(rename = "h")]
    pub hash: String,
    /// The first paragraph of its message, bounded; not escaped.
    #[serde(rename = "s", skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// `Name <email>`, where that is not the author of the change.
    #[serde(rename = "w", skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// When it was authored.
    #[serde(rename = "a", skip_serializing_if = "Option::is_none")]
    pub authored_at: Option<i64>,
    /// When it was committed, where that is not when it was authored.
    #[serde(rename = "t", skip_serializing_if = "Option::is_none")]
    pub committed_at: Option<i64>,
}

/// A build of a commit of a change. Runs of one pipeline on one commit are one build: what failed
/// first and succeeded then has both moments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildPart {
    /// The pipeline.
    #[serde(rename = "p")]
    pub pipeline: String,
    /// The first twelve digits of its commit, where that is not the one on the mainline.
    #[serde(rename = "h", skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// When its first run started.
    #[serde(rename = "a", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<i64>,
    /// When it first failed.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<i64>,
    /// When it first succeeded.
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    pub succeeded_at: Option<i64>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl ChangeRow {
    /// Whether it belongs in the distribution of time to value: delivered or waiting, with a clock.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        matches!(self.status, Status::Delivered | Status::Waiting)
            && self.milestones.start().is_some()
    }
}

/// One deployment of one service in one environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentRow {
    /// Its name, unique in its environment.
    pub name: String,
    /// The environment.
    pub environment: String,
    /// Whether customers use this environment: only then it delivers.
    pub production: bool,
    /// The commit that became live, where it is known.
    pub revision: Option<String>,
    /// Whether `revision` is in the known history. What is not known delivers nothing and is
    /// listed under data quality.
    pub linked: bool,
    /// The place of `revision` on the mainline, if it is on it: every change up to there is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// When it started.
    pub started_at: Option<i64>,
    /// When it finished; `None` while it runs.
    pub finished_at: Option<i64>,
    /// Whether it became live; `None` while it runs.
    pub succeeded: Option<bool>,
    /// What it was against the one before it; `None` unless it is a linked success in production.
    pub kind: Option<DeploymentKind>,
    /// Changes that it delivered and that stayed.
    pub changes: u32,
    /// The deployment that it replaced. All environments that customers use are one line.
    pub replaced: Option<String>,
    /// The environment of `replaced`.
    pub replaced_environment: Option<String>,
    /// What showed that it failed: the name of a rollback or the identifier of an incident.
    pub failed_by: Option<String>,
    /// When service was back to normal after it failed.
    pub recovered_at: Option<i64>,
    /// Whether it was not planned but made to mend an incident (DORA's rework rate).
    pub unplanned: bool,
    /// Where people see it.
    pub url: Option<String>,
}

/// One incident of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentRow {
    /// Its identifier.
    pub id: String,
    /// What it is about; not escaped.
    pub title: String,
    /// When it was first reported.
    pub opened_at: Option<i64>,
    /// When it was resolved, if it is.
    pub resolved_at: Option<i64>,
    /// The deployment that it belongs to: the latest earlier production success of the service,
    /// within the window of the configuration.
    pub deployment: Option<String>,
    /// The environment of `deployment`: names are unique within one only.
    pub environment: Option<String>,
    /// Where people see it.
    pub url: Option<String>,
}

/// Something that could not be linked or understood, or that was mended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FindingRow {
    /// A stable name for programs: `unknown_revision`, `assumed_parents` …
    pub kind: String,
    /// What it concerns: a hash, a deployment, an incident.
    pub subject: String,
}

/// All rows of one service, each kind in its order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceView {
    /// Changes along the mainline, oldest first.
    pub changes: Vec<ChangeRow>,
    /// Deployments by the time they finished, then by name; those that run come last.
    pub deployments: Vec<DeploymentRow>,
    /// Incidents by the time they opened, then by identifier.
    pub incidents: Vec<IncidentRow>,
    /// What to know of the data, sorted.
    pub findings: Vec<FindingRow>,
    /// How long each commit took, for DORA's change lead time, sorted. They are in the summaries of
    /// days and are kept nowhere else.
    #[serde(skip)]
    pub commits: Vec<CommitLife>,
    /// The newest moment of the service's data: of commits, deployments and incidents.
    pub newest: Option<i64>,
}
