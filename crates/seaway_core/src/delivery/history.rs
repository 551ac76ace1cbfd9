//! A commit graph with what attribution needs to know of each commit, in columns.

use std::fmt;

/// The number of a commit in a [`History`]. Parents have smaller numbers than their children.
pub type CommitIndex = u32;

/// Says "no commit", "no deployment", "no change" where a column holds indexes.
pub const NONE: u32 = u32::MAX;

/// Facts about a commit that fit in a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks(pub u8);

impl Marks {
    /// Written by a bot, by the author patterns of the configuration.
    pub const BOT: u8 = 1;
    /// Written with the help of AI, by trailers and author patterns of the configuration.
    pub const ASSISTED: u8 = 2;
    /// Its parents are cut off: the edge of a truncated (shallow) history.
    pub const EDGE: u8 = 4;
    /// Its message says that it reverts another commit.
    pub const REVERT: u8 = 8;

    /// Whether all bits of `mark` are set.
    #[must_use]
    pub fn has(self, mark: u8) -> bool {
        self.0 & mark == mark
    }
}

/// What is known of one commit, apart from its parents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// Author time, Unix seconds, as written: not yet checked for sense.
    pub authored: i64,
    /// Committer time, Unix seconds, as written: not yet checked for sense.
    pub committed: i64,
    /// A fingerprint of author, author time and subject: equal for one piece of work (rule 5).
    pub work: u64,
    /// Facts that fit in a bit.
    pub marks: Marks,
}

/// A commit graph: all commits that the default branch and the deployments contain, and no others.
///
/// Invariant: the parents of a commit have smaller indexes than it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    parent_ends: Vec<u32>,
    parents: Vec<CommitIndex>,
    commits: Vec<Commit>,
    picks: Vec<(CommitIndex, CommitIndex)>,
    reverts: Vec<(CommitIndex, CommitIndex)>,
}

/// A parent was named that does not come before its child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotTopological {
    /// The child.
    pub commit: usize,
    /// The parent, which should have had a smaller index.
    pub parent: CommitIndex,
}

impl fmt::Display for NotTopological {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "commit {} names parent {}, which does not precede it", self.commit, self.parent)
    }
}

impl std::error::Error for NotTopological {}

impl History {
    /// An empty history with room for `commits`.
    #[must_use]
    pub fn with_capacity(commits: usize) -> Self {
        Self {
            parent_ends: Vec::with_capacity(commits),
            parents: Vec::with_capacity(commits + commits / 4),
            commits: Vec::with_capacity(commits),
            picks: Vec::new(),
            reverts: Vec::new(),
        }
    }

    /// Adds a commit on top of its parents and returns its index.
    ///
    /// # Errors
    /// When a parent is not in the history yet; nothing is added then.
    pub fn push(
        &mut self,
        commit: Commit,
        parents: &[CommitIndex],
    ) -> Result<CommitIndex, NotTopological> {
        let index = self.commits.len();
        if let Some(&parent) = parents.iter().find(|&&parent| parent as usize >= index) {
            return Err(NotTopological { commit: index, parent });
        }
        self.parents.extend_from_slice(parents);
        self.parent_ends.push(self.parents.len() as u32);
        self.commits.push(commit);
        Ok(index as CommitIndex)
    }

    /// Says that `commit` was cherry-picked from `origin` (rule 5).
    pub fn link_pick(&mut self, commit: CommitIndex, origin: CommitIndex) {
        self.picks.push((commit, origin));
    }

    /// Says that `commit` reverts `reverted` (rule 7).
    pub fn link_revert(&mut self, commit: CommitIndex, reverted: CommitIndex) {
        self.reverts.push((commit, reverted));
    }

    /// The number of commits, merges included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.commits.len()
    }

    /// Whether there is no commit at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// The commit at `index`.
    #[must_use]
    pub fn commit(&self, index: CommitIndex) -> &Commit {
        &self.commits[index as usize]
    }

    /// All commits, by index.
    #[must_use]
    pub fn commits(&self) -> &[Commit] {
        &self.commits
    }

    /// The parents of a commit, in git's order: the first is the one that it was made on.
    #[must_use]
    pub fn parents(&self, index: CommitIndex) -> &[CommitIndex] {
        let index = index as usize;
        let start = if index == 0 { 0 } else { self.parent_ends[index - 1] as usize };
        &self.parents[start..self.parent_ends[index] as usize]
    }

    /// Whether a commit has two parents or more.
    #[must_use]
    pub fn is_merge(&self, index: CommitIndex) -> bool {
        self.parents(index).len() > 1
    }

    /// Pairs of a cherry-picked commit and the commit that it names as its origin.
    #[must_use]
    pub fn picks(&self) -> &[(CommitIndex, CommitIndex)] {
        &self.picks
    }

    /// Pairs of a reverting commit and the commit that it names as reverted.
    #[must_use]
    pub fn reverts(&self) -> &[(CommitIndex, CommitIndex)] {
        &self.reverts
    }
}
