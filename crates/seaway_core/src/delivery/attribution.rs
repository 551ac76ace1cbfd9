//! Which deployment delivers which commit: rules 1, 2, 3 and 6.

use super::history::{CommitIndex, History, Marks, NONE};
use super::mainline::Mainline;
use serde::{Deserialize, Serialize};
use std::collections::{BinaryHeap, HashMap};

/// A successful deployment of a known revision, as attribution sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Its name: a tag, a build number, a hash.
    pub name: String,
    /// The revision that became live.
    pub revision: CommitIndex,
    /// When it finished, Unix seconds.
    pub finished_at: i64,
}

/// Puts deployments into the order of rule 1: by the time they finished, then by name.
pub fn sort(deployments: &mut [Deployment]) {
    deployments.sort_by(|a, b| (a.finished_at, &a.name).cmp(&(b.finished_at, &b.name)));
}

/// What a deployment was, seen against the one that it replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeploymentKind {
    /// The first of the history: the baseline.
    First,
    /// Went forward, or to another line of development.
    Normal,
    /// Went back to an ancestor of the revision that it replaced, which had been deployed before.
    Rollback,
    /// Deployed the revision that was already there.
    Redeployment,
}

impl DeploymentKind {
    /// The word of the exported files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Normal => "normal",
            Self::Rollback => "rollback",
            Self::Redeployment => "redeployment",
        }
    }
}

/// The answer: columns by commit and by deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attribution {
    /// For each commit the first deployment that contains it, or [`NONE`] (rule 2).
    pub first: Vec<u32>,
    /// For each commit the deployment that brought it and stayed (rule 6), or [`NONE`] while it
    /// waits. Baseline commits keep deployment 0.
    pub delivered: Vec<u32>,
    /// For each commit whether it is in the first deployment or at the edge of a truncated
    /// history (rule 3).
    pub baseline: Vec<bool>,
    /// For each deployment what it was.
    pub kinds: Vec<DeploymentKind>,
    /// For each deployment the rollback that took it back, or [`NONE`].
    pub failed_by: Vec<u32>,
    /// First deployments of an ancestor of what is live: releases of an older line. They take
    /// nothing back, and what is live stays so.
    pub older_lines: Vec<u32>,
}

/// Attributes every commit of `history` to the deployments, which must be in the order of
/// [`sort`].
///
/// A walk from each revision stops at commits that are already taken, so each commit is visited
/// once, whatever the number of deployments.
///
/// Going back to an ancestor is a rollback only where that revision was deployed before. A release
/// of an older line (1.9.4 on the day after 2.1.0) goes to an ancestor too where lines are merged
/// upwards, and takes nothing back from anyone.
///
/// A rollback adds a walk over what it takes back, and
/// lets later walks pass once more through what is newer than the oldest commit that it took.
#[must_use]
pub fn attribute(
    history: &History,
    mainline: &Mainline,
    deployments: &[Deployment],
) -> Attribution {
    let mut walk = Walk::new(history, mainline, deployments);
    // The revision that customers use.
    let mut live = None;
    for (number, deployment) in deployments.iter().enumerate() {
        let number = number as u32;
        let revision = deployment.revision;
        let kind = match live {
            None => DeploymentKind::First,
            Some(live) if live == revision => DeploymentKind::Redeployment,
            Some(live) if walk.is_ancestor(revision, live) => {
                match walk.was_deployed_before(number, revision) {
                    true => {
                        walk.take_back(number, revision, live);
                        DeploymentKind::Rollback
                    }
                    false => {
                        walk.answer.older_lines.push(number);
                        DeploymentKind::Normal
                    }
                }
            }
            Some(_) => DeploymentKind::Normal,
        };
        if matches!(kind, DeploymentKind::First | DeploymentKind::Normal) {
            walk.deliver(number, revision);
        }
        if walk.answer.older_lines.last() != Some(&number) {
            live = Some(revision);
        }
        walk.answer.kinds.push(kind);
    }
    let first = &walk.answer.first;
    walk.answer.baseline = (0..history.len())
        .map(|commit| first[commit] == 0 || history.commits()[commit].marks.has(Marks::EDGE))
        .collect();
    walk.answer
}

/// The state of the pass over all deployments.
struct Walk<'a> {
    history: &'a History,
    mainline: &'a Mainline,
    answer: Attribution,
    /// Deployments by revision.
    deployments_of: HashMap<CommitIndex, Vec<u32>>,
    /// How many rollbacks there have been.
    epoch: u32,
    /// By commit, the epoch in which a walk last passed it: all that it contains was live then.
    /// Empty until there is a rollback.
    passed: Vec<u32>,
    /// Commits that were taken back and not delivered again.
    pending: usize,
    /// The smallest index among them: what is older contains none of them.
    oldest_pending: CommitIndex,
    stack: Vec<CommitIndex>,
}

impl<'a> Walk<'a> {
    fn new(history: &'a History, mainline: &'a Mainline, deployments: &[Deployment]) -> Self {
        let mut deployments_of: HashMap<CommitIndex, Vec<u32>> =
            HashMap::with_capacity(deployments.len());
        for (number, deployment) in deployments.iter().enumerate() {
            deployments_of.entry(deployment.revision).or_default().push(number as u32);
        }
        Self {
            history,
            mainline,
            answer: Attribution {
                first: vec![NONE; history.len()],
                delivered: vec![NONE; history.len()],
                baseline: Vec::new(),
                kinds: Vec::with_capacity(deployments.len()),
                failed_by: vec![NONE; deployments.len()],
                older_lines: Vec::new(),
            },
            deployments_of,
            epoch: 0,
            passed: Vec::new(),
            pending: 0,
            oldest_pending: NONE,
            stack: Vec::new(),
        }
    }

    /// Whether a deployment before `number` was of this revision.
    fn was_deployed_before(&self, number: u32, revision: CommitIndex) -> bool {
        let numbers = self.deployments_of.get(&revision);
        numbers.and_then(|numbers| numbers.first()).is_some_and(|&first| first < number)
    }

    /// Gives everything that `revision` contains and that is not live to deployment `number`.
    fn deliver(&mut self, number: u32, revision: CommitIndex) {
        self.stack.push(revision);
        while let Some(commit) = self.stack.pop() {
            let at = commit as usize;
            if self.answer.delivered[at] == NONE {
                self.answer.delivered[at] = number;
                if self.answer.first[at] == NONE {
                    self.answer.first[at] = number;
                } else {
                    self.pending -= 1;
                }
            } else if self.pending == 0
                || commit < self.oldest_pending
                || self.passed[at] == self.epoch
            {
                continue;
            }
            if !self.passed.is_empty() {
                self.passed[at] = self.epoch;
            }
            self.stack.extend_from_slice(self.history.parents(commit));
        }
    }

    /// Makes everything that `replaced` contains and `revision` does not wait again, and fails
    /// the deployments of these commits.
    fn take_back(&mut self, number: u32, revision: CommitIndex, replaced: CommitIndex) {
        if self.pending == 0 {
            self.oldest_pending = NONE;
        }
        self.epoch += 1;
        self.passed.resize(self.history.len(), 0);
        for commit in between(self.history, revision, replaced) {
            for &failed in self.deployments_of.get(&commit).into_iter().flatten() {
                let failed_by = &mut self.answer.failed_by[failed as usize];
                if failed < number && *failed_by == NONE {
                    *failed_by = number;
                }
            }
            let at = commit as usize;
            if self.answer.first[at] != 0 && self.answer.delivered[at] != NONE {
                self.answer.delivered[at] = NONE;
                self.pending += 1;
                self.oldest_pending = self.oldest_pending.min(commit);
            }
        }
    }

    /// Whether `descendant` contains `ancestor`, the two being different.
    ///
    /// On the mainline this is a comparison; a walk goes through commits beside it only.
    fn is_ancestor(&mut self, ancestor: CommitIndex, descendant: CommitIndex) -> bool {
        let brought_by = self.mainline.brought_by[ancestor as usize];
        let mut seen = std::collections::HashSet::new();
        self.stack.clear();
        self.stack.push(descendant);
        while let Some(commit) = self.stack.pop() {
            if commit == ancestor {
                self.stack.clear();
                return true;
            }
            if commit < ancestor || !seen.insert(commit) {
                continue;
            }
            if self.mainline.is_on_chain(commit) {
                if brought_by <= self.mainline.brought_by[commit as usize] {
                    self.stack.clear();
                    return true;
                }
                continue;
            }
            self.stack.extend_from_slice(self.history.parents(commit));
        }
        false
    }
}

/// The commits that `newer` contains and `older` does not, where `newer` contains `older`.
///
/// Goes from the largest index down, so that a commit is seen after all its descendants, and
/// stops when only commits that `older` contains are left.
fn between(history: &History, older: CommitIndex, newer: CommitIndex) -> Vec<CommitIndex> {
    let mut found = Vec::new();
    // A commit and whether `older` contains it. Entries of one commit come one after the other,
    // those that are contained first.
    let mut queue = BinaryHeap::from([(newer, false), (older, true)]);
    let mut outside = 1;
    while outside > 0 {
        let Some((commit, mut contained)) = queue.pop() else { break };
        outside -= usize::from(!contained);
        while let Some(&(same, too)) = queue.peek() {
            if same != commit {
                break;
            }
            queue.pop();
            outside -= usize::from(!too);
            contained |= too;
        }
        if !contained {
            found.push(commit);
        }
        for &parent in history.parents(commit) {
            queue.push((parent, contained));
            outside += usize::from(!contained);
        }
    }
    found
}
