//! The commit graph that the default branch and the deployments contain.

use super::Findings;
use super::known::Known;
use super::names::Names;
use crate::delivery::facts::{Commit, CommitDetail, Parents, PullRequest};
use crate::delivery::history::{self, CommitIndex, History, Marks, NONE};
use std::collections::HashMap;

/// How far a merge looks back for the head of its pull request, and that for the commit it began
/// on. Forges list no more commits of one.
const PULL_MAX: usize = 250;

/// A history, and what leads from it to the commits and back.
pub(super) struct Graph<'a> {
    pub(super) history: History,
    /// By index, the hash.
    pub(super) hashes: Vec<&'a str>,
    /// By index, what is known; `None` for the edge.
    pub(super) commits: Vec<Option<&'a Commit>>,
    /// By number of [`Names`], the index or [`NONE`].
    indexes: Vec<u32>,
}

impl<'a> Graph<'a> {
    /// Orders what the tips contain so that parents come first. A circle, which no git history has,
    /// is cut where the walk from the tips comes back to a commit that it has not left yet.
    pub(super) fn of(
        known: &Known<'a>,
        names: &Names<'a>,
        tips: impl Iterator<Item = u32>,
        findings: &mut Findings,
    ) -> Self {
        let mut graph = Self {
            history: History::with_capacity(names.len()),
            hashes: Vec::with_capacity(names.len()),
            commits: Vec::with_capacity(names.len()),
            indexes: vec![NONE; names.len()],
        };
        let merges = assumed_merges(known, names);
        let mut walk = Walk { names, merges, entered: vec![false; names.len()] };
        for tip in tips {
            walk.from(tip, &mut graph, findings);
        }
        graph.link(names);
        graph.tell(findings);
        graph
    }

    /// The index of a commit, if it is in the history.
    pub(super) fn index(&self, number: u32) -> Option<CommitIndex> {
        Some(self.indexes[number as usize]).filter(|&index| index != NONE)
    }

    /// What is known of a commit; `None` for the edge.
    pub(super) fn detail(&self, index: CommitIndex) -> Option<&'a CommitDetail> {
        self.commits[index as usize].and_then(|commit| commit.detail.as_ref())
    }

    /// By commit, whether it touches a path.
    pub(super) fn touches(&self, is_meant: &dyn Fn(&str) -> bool) -> Vec<bool> {
        let paths = |commit: &Option<&'a Commit>| commit.and_then(|commit| commit.paths.as_ref());
        let touches = |paths: &Vec<String>| paths.iter().any(|path| is_meant(path));
        self.commits.iter().map(|commit| paths(commit).is_none_or(touches)).collect()
    }

    /// Finds the commits that others name in their messages. Those that are not in the history are
    /// left out.
    fn link(&mut self, names: &Names<'a>) {
        for index in 0..self.history.len() as CommitIndex {
            let Some(detail) = self.detail(index) else { continue };
            for hex in &detail.picks {
                if let Some(origin) = self.named(names, hex).filter(|&origin| origin != index) {
                    self.history.link_pick(index, origin);
                }
            }
            for hex in &detail.reverts {
                if let Some(reverted) = self.named(names, hex).filter(|&other| other != index) {
                    self.history.link_revert(index, reverted);
                }
            }
        }
    }

    /// The commit of the history that is called this, in short if need be.
    fn named(&self, names: &Names<'a>, hex: &str) -> Option<CommitIndex> {
        let number = names
            .number(hex)
            .or_else(|| names.shortened(hex, |number| self.index(number).is_some()))?;
        self.index(number)
    }

    /// Tells where the history rests on less than git knows.
    fn tell(&self, findings: &mut Findings) {
        let mut assumed = 0;
        for (index, hash) in (0..).zip(&self.hashes) {
            match self.detail(index).map(|detail| &detail.parents) {
                None => findings.add("unknown_parent", hash),
                Some(Parents::Exact(_)) => {}
                Some(Parents::Assumed(_) | Parents::Unknown) => assumed += 1,
            }
        }
        if assumed > 0 {
            findings.add("assumed_parents", &assumed.to_string());
        }
    }
}

/// The walk that puts parents first.
struct Walk<'n, 'a> {
    names: &'n Names<'a>,
    /// Parents of commits that are known better than by what was assumed.
    merges: HashMap<u32, [u32; 2]>,
    entered: Vec<bool>,
}

impl<'a> Walk<'_, 'a> {
    fn from(&mut self, tip: u32, graph: &mut Graph<'a>, findings: &mut Findings) {
        // The parents of the commits that are entered and not left, one after the other, and of
        // each commit its number, where its parents start, and which is next.
        let mut parents: Vec<u32> = Vec::new();
        let mut stack = Vec::new();
        let mut indexes = Vec::new();
        self.enter(tip, &mut stack, &mut parents);
        while let Some((commit, start, next)) = stack.last_mut() {
            if let Some(&parent) = parents.get(*next) {
                *next += 1;
                if self.entered[parent as usize] {
                    if graph.index(parent).is_none() {
                        findings.add("circle", self.names.hash(parent));
                    }
                } else {
                    self.enter(parent, &mut stack, &mut parents);
                }
                continue;
            }
            indexes.clear();
            indexes.extend(parents[*start..].iter().filter_map(|&parent| graph.index(parent)));
            graph.push(self.names, *commit, &indexes);
            parents.truncate(*start);
            stack.pop();
        }
    }

    fn enter(&mut self, commit: u32, stack: &mut Vec<(u32, usize, usize)>, parents: &mut Vec<u32>) {
        if std::mem::replace(&mut self.entered[commit as usize], true) {
            return;
        }
        stack.push((commit, parents.len(), parents.len()));
        match self.merges.get(&commit) {
            Some(merged) => parents.extend(merged),
            None => parents.extend(self.names.parents(commit)),
        }
    }
}

impl<'a> Graph<'a> {
    fn push(&mut self, names: &Names<'a>, number: u32, parents: &[CommitIndex]) {
        let commit = names.commit(number);
        let column = commit.and_then(|commit| commit.detail.as_ref()).map_or(EDGE, column);
        // Parents that have an index were pushed before.
        if let Ok(index) = self.history.push(column, parents) {
            self.indexes[number as usize] = index;
            self.hashes.push(names.hash(number));
            self.commits.push(commit);
        }
    }
}

/// A commit that is only named as a parent: what it holds is the past.
const EDGE: history::Commit =
    history::Commit { authored: i64::MIN, committed: i64::MIN, work: 0, marks: Marks(Marks::EDGE) };

/// A commit as attribution sees it. A time that is not known is absurd, as one that git reads.
fn column(detail: &CommitDetail) -> history::Commit {
    let marks = [
        (detail.bot, Marks::BOT),
        (detail.assisted, Marks::ASSISTED),
        (detail.revert, Marks::REVERT),
    ];
    let marks = marks.iter().filter(|(is, _)| *is).fold(0, |all, (_, mark)| all | mark);
    history::Commit {
        authored: detail.authored_at.unwrap_or(i64::MIN),
        committed: detail.committed_at.unwrap_or(i64::MIN),
        work: detail.work,
        marks: Marks(marks),
    }
}

/// Merges that a push told as a line. A push lists what a merge brings before the merge, so its
/// assumed parent is the head of its pull request. Where the pull request says that this is what
/// happened, the merge was made on what the branch pointed to before the push.
fn assumed_merges(known: &Known<'_>, names: &Names<'_>) -> HashMap<u32, [u32; 2]> {
    let mut merges = HashMap::new();
    for (at, pull) in known.pulls.iter().enumerate() {
        if let Some((merge, parents)) = assumed_merge(pull, names.pull(at), names) {
            merges.entry(merge).or_insert(parents);
        }
    }
    merges
}

fn assumed_merge(
    pull: &PullRequest,
    (merge, head): (Option<u32>, Option<u32>),
    names: &Names<'_>,
) -> Option<(u32, [u32; 2])> {
    let (merge, head) = (merge?, head?);
    let commit = names.commit(merge)?;
    let assumed = |number: u32| {
        let detail = names.commit(number)?.detail.as_ref()?;
        matches!(detail.parents, Parents::Assumed(_)).then(|| names.first_parent(number))?
    };
    assumed(merge)?;
    let onto = commit.pushed_onto.as_ref().and_then(|hash| names.number(hash));
    let mut at = merge;
    for _ in 0..PULL_MAX {
        at = assumed(at).filter(|&at| Some(at) != onto && at != merge)?;
        if at == head {
            break;
        }
    }
    let onto = onto.or_else(|| {
        let of_pull = |&at: &u32| pull.commits.contains(names.hash(at));
        let line = std::iter::successors(Some(head), |&at| names.first_parent(at));
        let mut line = line.take(PULL_MAX);
        line.find(|at| !of_pull(at)).filter(|&at| at != head)
    })?;
    (at == head && names.commit(head).is_some()).then_some((merge, [onto, head]))
}
