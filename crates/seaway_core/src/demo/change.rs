//! A piece of work, from its first commit to what it becomes on the default branch.

use super::random::Random;
use super::service::{Commit, Lines, What};

/// The commits of branches that are merged as they are.
const COMMITS: [usize; 7] = [1, 2, 1, 3, 1, 5, 2];

/// A piece of work that is under way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    pub(super) number: u32,
    pub(super) title: String,
    pub(super) author: &'static str,
    pub(super) assisted: bool,
    pub(super) first_authored_at: i64,
    pub(super) opened_at: i64,
    pub(super) head: String,
    /// How many lines a commit of it touches, about; 0 where nobody tells it.
    pub(super) lines: u32,
}

/// A commit of a change's branch.
pub(super) struct Piece {
    pub(super) hash: String,
    pub(super) authored_at: i64,
    pub(super) message: String,
    pub(super) lines: Option<Lines>,
}

impl Change {
    /// The commits of its branch, the last one its head.
    pub(super) fn work(&self) -> impl Iterator<Item = Piece> {
        let n = self.commits();
        (1..=n).map(move |step| {
            // No two of them, and hardly two of different changes, are turned to the same.
            let (front, back) = self.head.split_at(n - step);
            let after = (self.opened_at - self.first_authored_at) * (step as i64 - 1) / n as i64;
            let message = match step {
                1 => self.message(),
                _ => format!("{}, step {step}", self.title),
            };
            Piece {
                hash: format!("{back}{front}"),
                authored_at: self.first_authored_at + after,
                message,
                lines: self.lines_of(step),
            }
        })
    }

    fn commits(&self) -> usize {
        COMMITS[self.number as usize % COMMITS.len()]
    }

    /// The lines of one of the commits of its branch. They follow from its head, so that telling
    /// them leaves all else as it is.
    fn lines_of(&self, step: usize) -> Option<Lines> {
        let seed = u64::from_str_radix(self.head.get(..16)?, 16).ok()?;
        let mut random = Random::new(seed, step as u64);
        let all = (self.lines > 0).then(|| random.lines(self.lines))?;
        let deleted = random.below(all.div_ceil(2));
        Some(Lines { added: all - deleted, deleted })
    }

    /// The lines of all of it.
    pub(super) fn lines(&self) -> Option<Lines> {
        (1..=self.commits()).map(|step| self.lines_of(step)).reduce(|all, piece| {
            let (all, piece) = (all?, piece?);
            Some(Lines {
                added: all.added.saturating_add(piece.added),
                deleted: all.deleted.saturating_add(piece.deleted),
            })
        })?
    }

    /// What its commit says.
    pub(super) fn message(&self) -> String {
        match self.assisted {
            true => format!("{}\n\nAssisted-by: a language model", self.title),
            false => self.title.clone(),
        }
    }

    pub(super) fn told(&self, merged: Option<String>) -> What {
        What::PullRequest {
            number: self.number,
            title: self.title.clone(),
            author: self.author,
            head: self.head.clone(),
            first_authored_at: self.first_authored_at,
            opened_at: self.opened_at,
            lines: self.lines(),
            merged,
        }
    }
}

impl Piece {
    pub(super) fn commit(self, change: &Change, parents: Vec<String>, committed_at: i64) -> Commit {
        let Self { hash, authored_at, message, lines } = self;
        Commit { hash, parents, authored_at, committed_at, author: change.author, message, lines }
    }
}
