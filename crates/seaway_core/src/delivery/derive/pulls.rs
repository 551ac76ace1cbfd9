//! The pull request that brought a change.

use super::Findings;
use super::graph::Graph;
use super::head::default_branch;
use super::known::Known;
use super::names::Names;
use crate::delivery::facts::PullRequest;
use crate::delivery::history::{CommitIndex, NONE};
use crate::delivery::measured::Measured;
use std::collections::{BTreeMap, HashSet};

/// How well a pull request fits a change, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It became the change: its merge, its squash, or the newest of its rebased commits.
    Itself,
    /// It became a commit that the change brought: it was merged into a branch first.
    Within,
    /// Its newest commit is one that the change brought.
    Head,
    /// One of its commits is.
    Commit,
}

/// A pull request that brought a change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pull<'a> {
    pub(super) known: &'a PullRequest,
    /// The newest commit of its own branch.
    pub(super) head: Option<u32>,
    /// Whether it became the commit of the change on the mainline.
    pub(super) is_itself: bool,
}

/// Pull requests by the place of the change on the mainline that they brought.
pub(super) struct Pulls<'a> {
    by_position: BTreeMap<u32, (Fit, i64, Pull<'a>)>,
    /// The newest commits of all pull requests.
    heads: HashSet<u32>,
}

impl<'a> Pulls<'a> {
    /// Gives each merged pull request to the change that it fits best, the oldest of several. A
    /// change that several fit keeps the best, of equal ones the one that was merged first.
    pub(super) fn of(
        known: &Known<'a>,
        names: &Names<'_>,
        graph: &Graph<'_>,
        measured: &Measured,
        findings: &mut Findings,
    ) -> Self {
        let heads = (0..known.pulls.len()).filter_map(|at| names.pull(at).1).collect();
        let mut pulls = Self { by_position: BTreeMap::new(), heads };
        let base = default_branch(known).map(|branch| branch.name.as_str());
        for (at, &pull) in known.pulls.iter().enumerate() {
            let is_merged = !pull.merged_at.is_none() || !pull.merge_commit.is_none();
            match place(pull, names.pull(at), names, graph, measured) {
                _ if !is_merged => {}
                Some((fit, position)) => {
                    let head = names.pull(at).1;
                    let is_itself = fit == Fit::Itself;
                    pulls.take(position, fit, Pull { known: pull, head, is_itself });
                }
                None if measured.mainline.chain.is_empty() || base.is_none() => {}
                None if pull.base.get().is_some_and(|told| Some(told.as_str()) != base) => {}
                None => findings.add("pull_request_off_mainline", &pull.number),
            }
        }
        pulls
    }

    fn take(&mut self, position: u32, fit: Fit, pull: Pull<'a>) {
        let candidate = (fit, pull.known.merged_at.0.unwrap_or(i64::MAX), pull);
        let best = self.by_position.entry(position).or_insert(candidate);
        // They come by number, so equal ones keep the first.
        if (candidate.0, candidate.1) < (best.0, best.1) {
            *best = candidate;
        }
    }

    /// The pull request that brought the change at this place.
    pub(super) fn at(&self, position: u32) -> Option<Pull<'a>> {
        self.by_position.get(&position).map(|&(_, _, pull)| pull)
    }

    /// The place of the change that the pull request at this place among those known fits best,
    /// merged or not.
    pub(super) fn place_of(
        known: &Known<'_>,
        at: usize,
        names: &Names<'_>,
        graph: &Graph<'_>,
        measured: &Measured,
    ) -> Option<u32> {
        let fit = place(known.pulls[at], names.pull(at), names, graph, measured);
        fit.map(|(_, position)| position)
    }

    /// Whether it is the newest commit of a pull request.
    pub(super) fn is_head(&self, number: u32) -> bool {
        self.heads.contains(&number)
    }
}

/// How it fits which change, by the place of that on the mainline.
fn place(
    pull: &PullRequest,
    (merge, head): (Option<u32>, Option<u32>),
    names: &Names<'_>,
    graph: &Graph<'_>,
    measured: &Measured,
) -> Option<(Fit, u32)> {
    let mainline = &measured.mainline;
    let position = |number: u32| {
        let index = graph.index(number)?;
        // What is not known was brought by nobody.
        graph.detail(index)?;
        let position = mainline.brought_by[index as usize];
        (position != NONE).then_some((index, position))
    };
    let itself = |(index, position): (CommitIndex, u32)| {
        let fit = if mainline.is_on_chain(index) { Fit::Itself } else { Fit::Within };
        (fit, position)
    };
    let head = || head.and_then(position).map(|(_, position)| (Fit::Head, position));
    let numbers = || pull.commits.iter().filter_map(|hash| names.number(hash));
    let first = || numbers().filter_map(position).map(|(_, position)| position).min();
    merge
        .and_then(position)
        .map(itself)
        .or_else(head)
        .or_else(|| first().map(|position| (Fit::Commit, position)))
}
