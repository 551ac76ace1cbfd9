//! The rules of the design once more, with the full set of what every commit contains. Slow, and
//! as near to the words of the rules as code can be; nothing here is shared with the real code
//! but the words for kinds and statuses.

use super::super::attribution::DeploymentKind;
use super::super::history::Marks;
use super::super::mainline::ChangeKind;
use super::super::measured::Status;
use super::cases::{Case, EARLIEST, LATEST, Landing};
use std::collections::BTreeSet;

type Commits = BTreeSet<usize>;

/// All that is compared, with lists in the order of commits, deployments or the mainline.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Answer {
    pub(super) as_of: Option<i64>,
    pub(super) deployments: Vec<String>,
    pub(super) absurd_deployments: BTreeSet<String>,
    pub(super) later_deployments: usize,
    pub(super) kinds: Vec<DeploymentKind>,
    pub(super) failed_by: Vec<Option<usize>>,
    pub(super) first: Vec<Option<usize>>,
    pub(super) delivered: Vec<Option<usize>>,
    pub(super) baseline: Vec<bool>,
    pub(super) chain: Vec<usize>,
    pub(super) members: Vec<Commits>,
    pub(super) brought_by: Vec<Option<usize>>,
    pub(super) starts: Vec<Option<i64>>,
    pub(super) duplicates: Vec<usize>,
    pub(super) changes: Vec<NaiveChange>,
    pub(super) statuses: Vec<Option<Status>>,
    pub(super) problems: Problems,
}

/// A change with its milestones, mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NaiveChange {
    pub(super) position: usize,
    pub(super) commit: usize,
    pub(super) kind: ChangeKind,
    pub(super) commits: usize,
    pub(super) status: Status,
    pub(super) reverts: bool,
    pub(super) authored: Option<i64>,
    pub(super) merged: Option<i64>,
    pub(super) deployed: Option<i64>,
    pub(super) deployment: Option<usize>,
    pub(super) seconds: Option<i64>,
    pub(super) bot: bool,
    pub(super) assisted: bool,
}

/// What had to be mended, as sets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Problems {
    pub(super) absurd: Commits,
    pub(super) merged_before_authored: Commits,
    pub(super) deployed_before_merged: Commits,
    pub(super) without_clock: Commits,
}

/// What the rules say of a case.
pub(super) fn by_the_rules(case: &Case) -> Answer {
    let mut answer = Answer::default();
    let rules = Rules::of(case, &mut answer);
    let numbers = 0..rules.landings.len();
    let commits = 0..case.commits.len();
    answer.deployments = rules.landings.iter().map(|landing| landing.name.clone()).collect();
    answer.kinds = numbers.clone().map(|number| rules.deployment_kind(number)).collect();
    answer.failed_by = numbers.map(|number| rules.failed_by(number)).collect();
    answer.first = commits.clone().map(|commit| rules.first(commit)).collect();
    answer.delivered = commits.clone().map(|commit| rules.delivered(commit)).collect();
    answer.baseline = commits.clone().map(|commit| rules.is_baseline(commit)).collect();
    answer.members = (0..rules.chain.len()).map(|position| rules.members(position)).collect();
    answer.brought_by = commits.clone().map(|commit| rules.brought_by(commit)).collect();
    answer.starts = commits.clone().map(|commit| rules.start(commit)).collect();
    answer.duplicates = commits
        .clone()
        .filter(|&commit| (0..commit).any(|other| rules.same_fingerprint(commit, other)))
        .collect();
    for position in 0..rules.chain.len() {
        answer.changes.extend(rules.change(position, &mut answer.problems));
    }
    answer.statuses = commits.clone().map(|commit| rules.commit_status(commit)).collect();
    answer.problems.absurd = commits
        .filter(|&commit| {
            let commit = &case.commits[commit];
            plausible(commit.authored).is_none() || plausible(commit.committed).is_none()
        })
        .collect();
    answer.chain = rules.chain;
    answer
}

fn plausible(time: i64) -> Option<i64> {
    (EARLIEST..=LATEST).contains(&time).then_some(time)
}

struct Rules<'a> {
    case: &'a Case,
    as_of: Option<i64>,
    /// For each commit all that it contains, itself too.
    contains: Vec<Commits>,
    /// Deployments by rule 1.
    landings: Vec<&'a Landing>,
    chain: Vec<usize>,
}

impl<'a> Rules<'a> {
    fn of(case: &'a Case, answer: &mut Answer) -> Self {
        let (mut landings, absurd): (Vec<&Landing>, Vec<&Landing>) =
            case.deployments.iter().partition(|landing| plausible(landing.finished_at).is_some());
        let committed = case.commits.iter().filter_map(|commit| plausible(commit.committed));
        let finished = landings.iter().map(|landing| landing.finished_at);
        let as_of = case.as_of.or_else(|| committed.chain(finished).max());
        let all = landings.len();
        landings.retain(|landing| as_of.is_some_and(|as_of| landing.finished_at <= as_of));
        landings.sort_by_key(|landing| (landing.finished_at, landing.name.clone()));
        answer.as_of = as_of;
        answer.absurd_deployments = absurd.iter().map(|landing| landing.name.clone()).collect();
        answer.later_deployments = all - landings.len();
        let mut chain: Vec<usize> = case.head.into_iter().collect();
        while let Some(&parent) =
            chain.last().and_then(|&commit| case.commits[commit].parents.first())
        {
            chain.push(parent);
        }
        chain.reverse();
        Self { case, as_of, contains: case.containments(), landings, chain }
    }

    fn is_merge(&self, commit: usize) -> bool {
        self.case.commits[commit].parents.len() >= 2
    }

    fn live(&self, number: usize) -> &Commits {
        &self.contains[self.landings[number].revision]
    }

    /// The deployment that `number` replaces: the last one before it that was no release of an
    /// older line.
    fn replaced(&self, number: usize) -> Option<usize> {
        (0..number).rev().find(|&before| !self.is_older_line(before))
    }

    fn is_older_line(&self, number: usize) -> bool {
        let revision = self.landings[number].revision;
        let is_new = self.landings[..number].iter().all(|before| before.revision != revision);
        is_new && self.replaced(number).is_some_and(|before| self.live(before).contains(&revision))
    }

    /// Rule 6, and its last sentence.
    fn deployment_kind(&self, number: usize) -> DeploymentKind {
        let Some(before) = self.replaced(number) else { return DeploymentKind::First };
        let revision = self.landings[number].revision;
        if self.landings[before].revision == revision {
            DeploymentKind::Redeployment
        } else if self.live(before).contains(&revision) && !self.is_older_line(number) {
            DeploymentKind::Rollback
        } else {
            DeploymentKind::Normal
        }
    }

    /// What deployment `number` takes back: nothing unless it is a rollback (rule 6).
    fn taken_back(&self, number: usize) -> Commits {
        match (self.deployment_kind(number), self.replaced(number)) {
            (DeploymentKind::Rollback, Some(before)) => self.live(before) - self.live(number),
            _ => Commits::new(),
        }
    }

    fn failed_by(&self, number: usize) -> Option<usize> {
        let revision = self.landings[number].revision;
        (number + 1..self.landings.len()).find(|&later| self.taken_back(later).contains(&revision))
    }

    /// Rule 2.
    fn first(&self, commit: usize) -> Option<usize> {
        (0..self.landings.len()).find(|&number| self.live(number).contains(&commit))
    }

    /// Rules 2 and 6.
    fn delivered(&self, commit: usize) -> Option<usize> {
        let numbers = 0..self.landings.len();
        if self.first(commit) == Some(0) {
            return Some(0);
        }
        let lost = numbers.clone().rev().find(|&number| self.taken_back(number).contains(&commit));
        numbers.skip(lost.map_or(0, |lost| lost + 1)).find(|&number| {
            let kind = self.deployment_kind(number);
            matches!(kind, DeploymentKind::First | DeploymentKind::Normal)
                && self.live(number).contains(&commit)
        })
    }

    /// Rule 3.
    fn is_baseline(&self, commit: usize) -> bool {
        self.first(commit) == Some(0) || self.case.commits[commit].marks.has(Marks::EDGE)
    }

    fn brought_by(&self, commit: usize) -> Option<usize> {
        self.chain.iter().position(|&on_chain| self.contains[on_chain].contains(&commit))
    }

    /// Rule 4: merges are no work.
    fn members(&self, position: usize) -> Commits {
        let before = match position.checked_sub(1) {
            Some(before) => self.contains[self.chain[before]].clone(),
            None => Commits::new(),
        };
        let brought = &self.contains[self.chain[position]] - &before;
        brought.into_iter().filter(|&commit| !self.is_merge(commit)).collect()
    }

    fn same_fingerprint(&self, a: usize, b: usize) -> bool {
        let commits = &self.case.commits;
        !self.is_merge(a) && !self.is_merge(b) && commits[a].work == commits[b].work
    }

    fn is_same_work(&self, a: usize, b: usize) -> bool {
        let picks = &self.case.picks;
        self.same_fingerprint(a, b) || picks.contains(&(a, b)) || picks.contains(&(b, a))
    }

    /// Rule 5: the earliest plausible author time of the piece of work.
    fn start(&self, commit: usize) -> Option<i64> {
        let mut piece = Commits::from([commit]);
        loop {
            let reached: Commits = (0..self.case.commits.len())
                .filter(|&other| piece.iter().any(|&known| self.is_same_work(known, other)))
                .collect();
            let before = piece.len();
            piece.extend(reached);
            if piece.len() == before {
                break;
            }
        }
        piece.iter().filter_map(|&one| plausible(self.case.commits[one].authored)).min()
    }

    fn merged(&self, position: usize) -> Option<i64> {
        plausible(self.case.commits[self.chain[position]].committed)
    }

    /// Whether the commit at a place of the mainline came after the moment that is told of.
    fn is_later(&self, position: usize) -> bool {
        let both = self.merged(position).zip(self.as_of);
        both.is_some_and(|(merged, as_of)| merged > as_of)
    }

    fn change(&self, position: usize, problems: &mut Problems) -> Option<NaiveChange> {
        let members = self.members(position);
        if members.is_empty() {
            return None;
        }
        let (baseline, work): (Commits, Commits) =
            members.iter().partition(|&&member| self.is_baseline(member));
        let deployments: Option<Vec<usize>> =
            work.iter().map(|&member| self.delivered(member)).collect();
        let (mut status, deployment) = match deployments {
            Some(deployments) if deployments.is_empty() => (Status::Baseline, None),
            Some(deployments) => (Status::Delivered, deployments.into_iter().max()),
            None => (Status::Waiting, None),
        };
        if status == Status::Waiting && self.is_later(position) {
            return None;
        }
        let reverts = self.reverts(position);
        if status != Status::Baseline && (reverts || self.is_reverted(position)) {
            status = Status::Rework;
        }
        // What is baseline is measured nowhere: its clock does not count beside other work.
        let counted = if work.is_empty() { baseline } else { work };
        let authored = counted
            .iter()
            .filter_map(|&one| {
                self.start(one).or_else(|| plausible(self.case.commits[one].committed))
            })
            .min();
        let deployed = deployment.map(|number| self.landings[number].finished_at);
        let commit = self.chain[position];
        let [authored, merged, deployed] =
            problems.in_order(commit, [authored, self.merged(position), deployed]);
        let first = authored.or(merged).or(deployed);
        let marked = |member: &usize, mark| self.case.commits[*member].marks.has(mark);
        Some(NaiveChange {
            position,
            commit,
            kind: if self.is_merge(commit) { ChangeKind::Merge } else { ChangeKind::Direct },
            commits: members.len(),
            status,
            reverts,
            authored,
            merged,
            deployed,
            deployment,
            seconds: deployed.zip(first).map(|(deployed, first)| deployed - first),
            bot: members.iter().all(|member| marked(member, Marks::BOT)),
            assisted: members.iter().any(|member| marked(member, Marks::ASSISTED)),
        })
    }

    /// Rule 7: whether a commit of the change reverts something outside it.
    fn reverts(&self, position: usize) -> bool {
        let linked = &self.case.reverts;
        (0..self.case.commits.len())
            .filter(|&commit| self.brought_by(commit) == Some(position))
            .any(|commit| {
                let mut targets = linked.iter().filter(|(from, _)| *from == commit).peekable();
                match targets.peek() {
                    None => self.case.commits[commit].marks.has(Marks::REVERT),
                    Some(_) => targets.any(|&(_, to)| self.brought_by(to) != Some(position)),
                }
            })
    }

    /// Rule 7: whether something outside the change reverts a commit of it.
    fn is_reverted(&self, position: usize) -> bool {
        self.case.reverts.iter().any(|&(from, to)| {
            self.brought_by(to) == Some(position) && self.brought_by(from) != Some(position)
        })
    }

    /// Rule 2 alone. What waits is what a waiting change that is told of brought.
    fn commit_status(&self, commit: usize) -> Option<Status> {
        let (first, position) = (self.first(commit), self.brought_by(commit));
        if self.is_baseline(commit) && (first.is_some() || position.is_some()) {
            Some(Status::Baseline)
        } else if first.is_some() {
            Some(Status::Delivered)
        } else {
            position.filter(|&position| !self.is_later(position)).map(|_| Status::Waiting)
        }
    }
}

impl Problems {
    /// Rule 9: a milestone earlier than one before it is moved up to it, and counted.
    fn in_order(&mut self, commit: usize, milestones: [Option<i64>; 3]) -> [Option<i64>; 3] {
        if milestones.iter().all(Option::is_none) {
            self.without_clock.insert(commit);
        }
        let moved = |at: usize| milestones[..=at].iter().copied().flatten().max();
        let mended = [0, 1, 2].map(|at| milestones[at].and(moved(at)));
        if mended[1] != milestones[1] {
            self.merged_before_authored.insert(commit);
        }
        if mended[2] != milestones[2] {
            self.deployed_before_merged.insert(commit);
        }
        mended
    }
}
