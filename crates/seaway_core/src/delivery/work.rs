//! One piece of work under several hashes keeps its first clock: rule 5.

use super::history::{CommitIndex, History};
use std::collections::HashMap;

/// The clocks of all commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clocks {
    /// For each commit the earliest sensible author time of its piece of work; `None` where no
    /// commit of it has one.
    pub starts: Vec<Option<i64>>,
    /// Commits, other than merges, whose work stands under a smaller index too.
    pub duplicates: Vec<CommitIndex>,
}

/// Which times are taken for real. Git lets a commit carry any number; a time outside the span is
/// an absurd clock and counts as missing (rule 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plausible {
    /// The earliest time that is believed, Unix seconds.
    pub earliest: i64,
    /// The latest time that is believed, Unix seconds.
    pub latest: i64,
}

impl Plausible {
    /// Git was made in 2005, and imported histories go back to the first version control of 1972:
    /// what is older than that is a clock that was never set.
    pub const EARLIEST: i64 = 2 * crate::time::YEAR;

    /// The time, if it is plausible.
    #[must_use]
    pub fn check(self, time: i64) -> Option<i64> {
        (self.earliest..=self.latest).contains(&time).then_some(time)
    }
}

/// Finds the clock of every commit: of all commits with equal fingerprint or linked by
/// cherry-picks, directly or through others, the earliest author time counts.
#[must_use]
pub fn clocks(history: &History, plausible: Plausible) -> Clocks {
    let mut starts: Vec<Option<i64>> =
        history.commits().iter().map(|commit| plausible.check(commit.authored)).collect();
    let (leaders, duplicates) = leaders(history);
    if history.picks().is_empty() {
        // Equal fingerprints have equal author times: there is nothing to carry over.
        return Clocks { starts, duplicates };
    }
    let mut groups = Groups::default();
    let leader_of = |commit: CommitIndex| leaders.get(&commit).copied().unwrap_or(commit);
    for &(pick, origin) in history.picks() {
        groups.join(leader_of(pick), leader_of(origin));
    }
    let mut earliest: HashMap<CommitIndex, i64> = HashMap::new();
    for &(pick, origin) in history.picks() {
        let root = groups.root(leader_of(pick));
        for commit in [pick, origin] {
            if let Some(start) = starts[commit as usize] {
                let clock = earliest.entry(root).or_insert(start);
                *clock = start.min(*clock);
            }
        }
    }
    let linked: Vec<CommitIndex> = groups.members();
    let duplicates_of_linked = duplicates.iter().copied();
    for commit in linked.into_iter().chain(duplicates_of_linked) {
        let root = groups.root(leader_of(commit));
        if let Some(&clock) = earliest.get(&root) {
            starts[commit as usize] = Some(clock);
        }
    }
    Clocks { starts, duplicates }
}

/// For each commit whose work stands under a smaller index too: the smallest such index. And
/// these commits in order.
fn leaders(history: &History) -> (HashMap<CommitIndex, CommitIndex>, Vec<CommitIndex>) {
    let mut by_work: Vec<(u64, CommitIndex)> = (0..history.len() as CommitIndex)
        .filter(|&commit| !history.is_merge(commit))
        .map(|commit| (history.commit(commit).work, commit))
        .collect();
    by_work.sort_unstable();
    let mut leaders = HashMap::new();
    let mut start = 0;
    for at in 1..by_work.len() {
        if by_work[at].0 == by_work[start].0 {
            leaders.insert(by_work[at].1, by_work[start].1);
        } else {
            start = at;
        }
    }
    let mut duplicates: Vec<CommitIndex> = leaders.keys().copied().collect();
    duplicates.sort_unstable();
    (leaders, duplicates)
}

/// Disjoint sets of commits that are linked; most commits are in none.
#[derive(Default)]
struct Groups {
    parent: HashMap<CommitIndex, CommitIndex>,
}

impl Groups {
    fn root(&mut self, commit: CommitIndex) -> CommitIndex {
        let mut root = commit;
        while let Some(&next) = self.parent.get(&root) {
            if next == root {
                break;
            }
            root = next;
        }
        let mut at = commit;
        while let Some(&next) = self.parent.get(&at) {
            if next == root {
                break;
            }
            self.parent.insert(at, root);
            at = next;
        }
        root
    }

    fn join(&mut self, a: CommitIndex, b: CommitIndex) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent.insert(a.max(b), a.min(b));
        self.parent.entry(a.min(b)).or_insert(a.min(b));
    }

    fn members(&self) -> Vec<CommitIndex> {
        self.parent.keys().copied().collect()
    }
}
