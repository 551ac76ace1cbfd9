//! The mainline and its changes: what reaches it at once.

use super::history::{CommitIndex, History, NONE};

/// How a change reached the mainline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// By a merge commit, with the commits that it brings.
    Merge,
    /// As one commit: a squash, a rebase, or a direct commit.
    Direct,
}

/// The first-parent chain of the default branch, and the changes along it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mainline {
    /// The commits of the chain, oldest first. A change has the index of its commit here.
    pub chain: Vec<CommitIndex>,
    /// For each commit of the history the position of the change that brought it, or [`NONE`] for
    /// commits off the mainline.
    pub brought_by: Vec<u32>,
    member_ends: Vec<u32>,
    members: Vec<CommitIndex>,
}

impl Mainline {
    /// Follows first parents from `head` and hands every commit that `head` contains to the
    /// change that brought it: the oldest commit of the chain that contains it. Each commit is
    /// visited once.
    #[must_use]
    pub fn of(history: &History, head: Option<CommitIndex>) -> Self {
        let mut chain = Vec::new();
        let mut next = head;
        while let Some(commit) = next {
            chain.push(commit);
            next = history.parents(commit).first().copied();
        }
        chain.reverse();

        let mut mainline = Self {
            brought_by: vec![NONE; history.len()],
            member_ends: Vec::with_capacity(chain.len()),
            members: Vec::with_capacity(history.len()),
            chain: Vec::new(),
        };
        let mut stack = Vec::new();
        for (position, &commit) in chain.iter().enumerate() {
            stack.push(commit);
            while let Some(commit) = stack.pop() {
                if mainline.brought_by[commit as usize] != NONE {
                    continue;
                }
                mainline.brought_by[commit as usize] = position as u32;
                let parents = history.parents(commit);
                if parents.len() < 2 {
                    mainline.members.push(commit);
                }
                stack.extend_from_slice(parents);
            }
            mainline.member_ends.push(mainline.members.len() as u32);
        }
        mainline.chain = chain;
        mainline
    }

    /// The non-merge commits that the change at `position` brought. Empty where a merge brought
    /// nothing new: such a merge is no change.
    #[must_use]
    pub fn members(&self, position: u32) -> &[CommitIndex] {
        let position = position as usize;
        let start = if position == 0 { 0 } else { self.member_ends[position - 1] as usize };
        &self.members[start..self.member_ends[position] as usize]
    }

    /// Whether `commit` is on the chain itself.
    #[must_use]
    pub fn is_on_chain(&self, commit: CommitIndex) -> bool {
        let position = self.brought_by[commit as usize];
        position != NONE && self.chain[position as usize] == commit
    }

    /// How the change at `position` reached the mainline.
    #[must_use]
    pub fn kind(&self, history: &History, position: u32) -> ChangeKind {
        match history.is_merge(self.chain[position as usize]) {
            true => ChangeKind::Merge,
            false => ChangeKind::Direct,
        }
    }
}
