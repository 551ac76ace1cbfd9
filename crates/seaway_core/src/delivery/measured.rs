//! A history put together with its deployments: every change with its milestones and status.

use super::attribution::{Attribution, Deployment, attribute, sort};
use super::history::{Commit, CommitIndex, History, Marks, NONE};
use super::mainline::{ChangeKind, Mainline};
use super::work::{Clocks, Plausible, clocks};
use serde::{Deserialize, Serialize};

/// Where a change or a commit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// In the first deployment, or at the edge of a truncated history: not measured (rule 3).
    Baseline,
    /// In a later deployment that stayed.
    Delivered,
    /// Not in any deployment that stayed.
    Waiting,
    /// Reverts another change, or was reverted (rule 7): left out of the distribution of value.
    Rework,
}

impl Status {
    /// The word of the exported files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Delivered => "delivered",
            Self::Waiting => "waiting",
            Self::Rework => "rework",
        }
    }
}

/// Lines and files that a change touches, as `git diff --numstat` against the mainline before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Files touched, binary ones included.
    pub files: u32,
    /// Lines added in text files.
    pub lines_added: u32,
    /// Lines deleted in text files.
    pub lines_deleted: u32,
}

impl Size {
    /// Lines changed: added and deleted.
    #[must_use]
    pub fn lines(self) -> u64 {
        u64::from(self.lines_added) + u64::from(self.lines_deleted)
    }
}

/// One change with its milestones. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its place on the mainline, oldest first.
    pub position: u32,
    /// The commit on the mainline.
    pub commit: CommitIndex,
    /// How it reached the mainline.
    pub kind: ChangeKind,
    /// The non-merge commits that it brought.
    pub commits: u32,
    /// Where it stands.
    pub status: Status,
    /// Whether it reverts another change.
    pub reverts: bool,
    /// Milestone: the earliest clock of its commits. `None` where none is plausible.
    pub authored: Option<i64>,
    /// Milestone: when its commit on the mainline was made, not before `authored`.
    pub merged: Option<i64>,
    /// Milestone: when the deployment that delivered it finished, not before `merged`.
    pub deployed: Option<i64>,
    /// The deployment that delivered it, or [`NONE`].
    pub deployment: u32,
    /// Whether all its commits are by bots.
    pub bot: bool,
    /// Whether any of its commits is AI-assisted.
    pub assisted: bool,
}

impl Change {
    /// When its clock starts: at the first milestone that is known.
    #[must_use]
    pub fn start(&self) -> Option<i64> {
        self.authored.or(self.merged).or(self.deployed)
    }

    /// Time to value in seconds; `None` while it waits.
    #[must_use]
    pub fn seconds(&self) -> Option<i64> {
        Some(self.deployed? - self.start()?)
    }

    /// Whether it counts in the distribution of time to value.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        matches!(self.status, Status::Delivered | Status::Waiting) && self.start().is_some()
    }
}

/// How long one commit took, as DORA's change lead time counts it. Times are Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitLife {
    /// When it was committed to version control.
    pub committed: i64,
    /// When the deployment that brought it and stayed had finished; `None` while it waits.
    pub deployed: Option<i64>,
}

/// Milestones that had to be moved or left out (rule 9), as changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClockProblems {
    /// Commits with an author or committer time that is not plausible.
    pub absurd: Vec<CommitIndex>,
    /// Changes merged before they were authored: the merge was moved up.
    pub merged_before_authored: Vec<CommitIndex>,
    /// Changes deployed before they were merged: the deployment was moved up.
    pub deployed_before_merged: Vec<CommitIndex>,
    /// Changes without any plausible time.
    pub without_clock: Vec<CommitIndex>,
}

/// What to measure, once the commits have been read.
#[derive(Debug, Clone)]
pub struct Question {
    /// The commit of the default branch.
    pub head: Option<CommitIndex>,
    /// Successful deployments, in any order.
    pub deployments: Vec<Deployment>,
    /// Which times are believed.
    pub plausible: Plausible,
    /// The moment for which "waiting" is told; the newest plausible time in the data if `None`.
    pub as_of: Option<i64>,
    /// By commit, whether it is looked at (rule 8); all are if `None`.
    pub touches: Option<Vec<bool>>,
}

/// A history put together with its deployments.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Successful deployments in the order of rule 1.
    pub deployments: Vec<Deployment>,
    /// Which deployment delivers which commit.
    pub attribution: Attribution,
    /// The mainline and what each place on it brought.
    pub mainline: Mainline,
    /// When the clock of each commit starts.
    pub clocks: Clocks,
    /// Changes along the mainline, oldest first.
    pub changes: Vec<Change>,
    /// Milestones that had to be mended.
    pub clock_problems: ClockProblems,
    /// Deployments that finished at a time that is not plausible: left out.
    pub absurd_deployments: Vec<Deployment>,
    /// Deployments that finished after `as_of`: left out.
    pub later_deployments: usize,
    /// Which times were believed.
    pub plausible: Plausible,
    /// The moment for which "waiting" is told; `None` in an empty history.
    pub as_of: Option<i64>,
    /// By commit, whether it is looked at; all are if `None`.
    pub touches: Option<Vec<bool>>,
}

impl Measured {
    /// Applies rules 1 to 9 of the design to a history.
    #[must_use]
    pub fn of(history: &History, question: Question) -> Self {
        let Question { head, deployments, plausible, as_of, touches } = question;
        let (mut deployments, absurd_deployments): (Vec<_>, Vec<_>) = deployments
            .into_iter()
            .partition(|deployment| plausible.check(deployment.finished_at).is_some());
        let as_of = as_of.or_else(|| newest(history, &deployments, plausible));
        let all = deployments.len();
        deployments.retain(|deployment| Some(deployment.finished_at) <= as_of);
        let later_deployments = all - deployments.len();
        sort(&mut deployments);

        let mainline = Mainline::of(history, head);
        let attribution = attribute(history, &mainline, &deployments);
        let clocks = clocks(history, plausible);
        let mut measured = Self {
            deployments,
            attribution,
            mainline,
            clocks,
            changes: Vec::new(),
            clock_problems: ClockProblems::default(),
            absurd_deployments,
            later_deployments,
            plausible,
            as_of,
            touches,
        };
        measured.assemble(history);
        measured.mark_rework(history);
        measured
    }

    /// Whether a commit is looked at.
    #[must_use]
    pub fn touches(&self, commit: CommitIndex) -> bool {
        self.touches.as_ref().is_none_or(|touches| touches[commit as usize])
    }

    /// Where a non-merge commit stands by rule 2 alone: rollbacks and reverts do not show here.
    /// `None` for one that is neither deployed nor on the default branch as of `as_of`.
    #[must_use]
    pub fn commit_status(&self, history: &History, commit: CommitIndex) -> Option<Status> {
        let at = commit as usize;
        let first = self.attribution.first[at];
        let position = self.mainline.brought_by[at];
        if self.attribution.baseline[at] && (first != NONE || position != NONE) {
            return Some(Status::Baseline);
        }
        if first != NONE {
            return Some(Status::Delivered);
        }
        (position != NONE && !self.is_later(history, position)).then_some(Status::Waiting)
    }

    /// The lives of all commits that count in DORA's change lead time: work of its own, on the
    /// default branch or in a deployment, not in the baseline, with a commit date that is believed.
    /// Reverts and what they reverted are among them.
    pub fn commit_lives<'m>(
        &'m self,
        history: &'m History,
    ) -> impl Iterator<Item = CommitLife> + 'm {
        let counts = |&commit: &CommitIndex| {
            !history.is_merge(commit)
                && self.touches(commit)
                && matches!(
                    self.commit_status(history, commit),
                    Some(Status::Delivered | Status::Waiting)
                )
        };
        let life = |commit: CommitIndex| {
            let committed = self.plausible.check(history.commit(commit).committed)?;
            let deployed = match self.attribution.delivered[commit as usize] {
                NONE => None,
                number => Some(self.deployments[number as usize].finished_at),
            };
            Some(CommitLife { committed, deployed })
        };
        (0..history.len() as CommitIndex).filter(counts).filter_map(life)
    }

    /// Whether the mainline had not come to this place by `as_of`. A place without a plausible
    /// time is taken to be there: what waits is never dropped for a bad clock.
    fn is_later(&self, history: &History, position: u32) -> bool {
        let commit = self.mainline.chain[position as usize];
        self.plausible.check(history.commit(commit).committed) > self.as_of
    }

    /// The change that brought a commit, by its commit on the mainline.
    #[must_use]
    pub fn change_of(&self, commit: CommitIndex) -> Option<CommitIndex> {
        match self.mainline.brought_by[commit as usize] {
            NONE => None,
            position => Some(self.mainline.chain[position as usize]),
        }
    }

    fn assemble(&mut self, history: &History) {
        for position in 0..self.mainline.chain.len() as u32 {
            if let Some(change) = self.change_at(history, position) {
                self.changes.push(change);
            }
        }
        self.clock_problems.absurd = (0..history.len() as CommitIndex)
            .filter(|&commit| {
                let Commit { authored, committed, .. } = *history.commit(commit);
                [authored, committed].iter().any(|&time| self.plausible.check(time).is_none())
            })
            .collect();
    }

    /// The change at a place of the mainline. `None` where nothing was brought (a merge without
    /// new commits, nothing on the paths asked for) or where it came after `as_of`.
    fn change_at(&mut self, history: &History, position: u32) -> Option<Change> {
        let plausible = self.plausible;
        let commit = self.mainline.chain[position as usize];
        let members = self.mainline.members(position);
        if !members.iter().any(|&member| self.touches(member)) {
            return None;
        }
        let Attribution { delivered, baseline, .. } = &self.attribution;
        let work = || members.iter().copied().filter(|&member| !baseline[member as usize]);
        let commits = members.len() as u32;
        let deployment = work().map(|member| delivered[member as usize]).max().unwrap_or(NONE);
        let status = match deployment {
            _ if work().next().is_none() => Status::Baseline,
            NONE => Status::Waiting,
            _ => Status::Delivered,
        };
        if status == Status::Waiting && self.is_later(history, position) {
            return None;
        }
        let clock = |member: CommitIndex| {
            self.clocks.starts[member as usize]
                .or_else(|| plausible.check(history.commit(member).committed))
        };
        let authored = match status {
            Status::Baseline => members.iter().copied().filter_map(clock).min(),
            _ => work().filter_map(clock).min(),
        };
        let deployed = match status {
            Status::Delivered => Some(self.deployments[deployment as usize].finished_at),
            _ => None,
        };
        let mut change = Change {
            position,
            commit,
            kind: self.mainline.kind(history, position),
            commits,
            status,
            reverts: false,
            authored,
            merged: plausible.check(history.commit(commit).committed),
            deployed,
            deployment: if status == Status::Delivered { deployment } else { NONE },
            bot: members.iter().all(|&member| history.commit(member).marks.has(Marks::BOT)),
            assisted: members
                .iter()
                .any(|&member| history.commit(member).marks.has(Marks::ASSISTED)),
        };
        self.clock_problems.mend(&mut change);
        Some(change)
    }

    /// Marks changes that revert others, and those that were reverted. A revert of a commit of
    /// its own change never reached the mainline as such: the change stays what it is.
    fn mark_rework(&mut self, history: &History) {
        let mut reverts = vec![false; self.mainline.chain.len()];
        let mut reverted = vec![false; self.mainline.chain.len()];
        let position_of = |commit: CommitIndex| match self.mainline.brought_by[commit as usize] {
            NONE => None,
            position => Some(position as usize),
        };
        let mut known = std::collections::HashSet::new();
        for &(commit, target) in history.reverts() {
            known.insert(commit);
            let (from, to) = (position_of(commit), position_of(target));
            if from == to {
                continue;
            }
            from.into_iter().for_each(|position| reverts[position] = true);
            to.into_iter().for_each(|position| reverted[position] = true);
        }
        for commit in 0..history.len() as CommitIndex {
            if history.commit(commit).marks.has(Marks::REVERT) && !known.contains(&commit) {
                position_of(commit).into_iter().for_each(|position| reverts[position] = true);
            }
        }
        for change in &mut self.changes {
            let position = change.position as usize;
            change.reverts = reverts[position];
            if change.status != Status::Baseline && (reverts[position] || reverted[position]) {
                change.status = Status::Rework;
            }
        }
    }
}

impl ClockProblems {
    /// Moves milestones up to those before them, and keeps what was moved (rule 9).
    fn mend(&mut self, change: &mut Change) {
        if change.start().is_none() {
            self.without_clock.push(change.commit);
        }
        if let (Some(authored), Some(merged)) = (change.authored, change.merged)
            && merged < authored
        {
            change.merged = Some(authored);
            self.merged_before_authored.push(change.commit);
        }
        if let (Some(before), Some(deployed)) = (change.merged.or(change.authored), change.deployed)
            && deployed < before
        {
            change.deployed = Some(before);
            self.deployed_before_merged.push(change.commit);
        }
    }
}

/// The newest plausible time of the data: of commits and of deployments.
fn newest(history: &History, deployments: &[Deployment], plausible: Plausible) -> Option<i64> {
    let committed = history.commits().iter().map(|commit| commit.committed);
    let finished = deployments.iter().map(|deployment| deployment.finished_at);
    committed.chain(finished).filter(|&time| plausible.check(time).is_some()).max()
}
