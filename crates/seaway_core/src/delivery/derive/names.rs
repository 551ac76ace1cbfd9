//! Commits by what they are called.

use super::known::Known;
use crate::delivery::facts::{Commit, Parents};
use std::collections::HashMap;

/// The fewest digits that a shortened hash may have.
const PREFIX_MIN: usize = 7;

/// Gives every commit a number: those that are known in the order of their hashes, and after them
/// those that are only named as the first parent of one that is known.
///
/// The latter stand for all that came before what is known. A feed that starts in the middle of a
/// history begins with commits whose parents nobody ever tells. They must not count as the edge of
/// a truncated history themselves (rule 3): their own work is known, and it is the unknown parent
/// that holds the past. So that parent is the edge. This also keeps a merge a merge whose first
/// parent is not known, and links a deployment of the very commit that the feed began after.
/// An unknown parent that is not the first brings work that nobody can tell of: it is left out.
pub(super) struct Names<'a> {
    commits: &'a [&'a Commit],
    numbers: HashMap<&'a str, u32>,
    edges: Vec<&'a str>,
    parent_ends: Vec<u32>,
    parents: Vec<u32>,
    /// By place of a pull request, what it became and its newest commit. Looking up a hash is what
    /// takes time in a large repository, so it is done once.
    pulls: Vec<(Option<u32>, Option<u32>)>,
    boundary: Option<Boundary<'a>>,
}

/// Where what is known begins, if what came before it is sealed: all of that is one edge, the only
/// parent of the commit of the cut. The edge has an empty name.
#[derive(Clone, Copy)]
pub(super) struct Boundary<'a> {
    /// The hash of the commit of the cut.
    pub(super) cut: &'a str,
    /// Sorted, hashes of commits that it contains: a parent of one of these names is the edge.
    pub(super) older: &'a [String],
}

impl Boundary<'_> {
    fn contains(&self, hash: &str) -> bool {
        self.older.binary_search_by(|older| older.as_str().cmp(hash)).is_ok()
    }
}

impl<'a> Names<'a> {
    pub(super) fn of(known: &'a Known<'a>, boundary: Option<Boundary<'a>>) -> Self {
        let commits = known.commits.as_slice();
        let mut numbers = HashMap::with_capacity(commits.len() + commits.len() / 8);
        numbers.extend((0u32..).zip(commits).map(|(number, it)| (it.hash.as_str(), number)));
        let mut names = Self {
            commits,
            numbers,
            edges: boundary.iter().map(|_| "").collect(),
            parent_ends: Vec::with_capacity(commits.len()),
            parents: Vec::with_capacity(commits.len() + commits.len() / 2),
            pulls: Vec::new(),
            boundary,
        };
        for commit in commits {
            match boundary.filter(|boundary| commit.hash == boundary.cut) {
                Some(_) => names.begin(),
                None => names.add_parents(told_parents(commit)),
            }
        }
        let find = |hash: Option<&String>| names.find(hash?);
        let pulls = known.pulls.iter();
        names.pulls = pulls.map(|it| (find(it.merge_commit.get()), find(it.head.get()))).collect();
        names
    }

    /// The commit of the cut comes after the edge that stands for the past.
    fn begin(&mut self) {
        self.parents.push(self.commits.len() as u32);
        self.parent_ends.push(self.parents.len() as u32);
    }

    fn add_parents(&mut self, hashes: &'a [String]) {
        let known = self.commits.len() as u32;
        for (at, hash) in hashes.iter().enumerate() {
            match self.numbers.get(hash.as_str()) {
                Some(&parent) if at == 0 || parent < known => self.parents.push(parent),
                None if self.boundary.is_some_and(|it| it.contains(hash)) => {
                    self.parents.push(known);
                }
                None if at == 0 && is_hash(hash) => {
                    let edge = known + self.edges.len() as u32;
                    self.numbers.insert(hash, edge);
                    self.edges.push(hash);
                    self.parents.push(edge);
                }
                _ => {}
            }
        }
        self.parent_ends.push(self.parents.len() as u32);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.commits.len() + self.edges.len()
    }

    /// The commit with this whole hash.
    pub(super) fn number(&self, hash: &str) -> Option<u32> {
        self.numbers.get(hash).copied()
    }

    /// The commit with this hash, or the only known one whose hash starts like this.
    pub(super) fn find(&self, hash: &str) -> Option<u32> {
        let lower;
        let hash = match hash.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => {
                lower = hash.to_ascii_lowercase();
                lower.as_str()
            }
            false => hash,
        };
        self.number(hash).or_else(|| self.shortened(hash, |_| true))
    }

    /// The only known commit that `is_meant` and whose hash starts with `prefix`.
    pub(super) fn shortened(&self, prefix: &str, is_meant: impl Fn(u32) -> bool) -> Option<u32> {
        if prefix.len() < PREFIX_MIN {
            return None;
        }
        let start = self.commits.partition_point(|commit| commit.hash.as_str() < prefix);
        let starting = self.commits[start..].iter().take_while(|it| it.hash.starts_with(prefix));
        let mut meant = (start as u32..).zip(starting).filter(|&(number, _)| is_meant(number));
        let (found, _) = meant.next()?;
        meant.next().is_none().then_some(found)
    }

    /// What is known of a commit; `None` for one that is only named.
    pub(super) fn commit(&self, number: u32) -> Option<&'a Commit> {
        self.commits.get(number as usize).copied()
    }

    /// The hash of a commit.
    pub(super) fn hash(&self, number: u32) -> &'a str {
        match self.commit(number) {
            Some(commit) => &commit.hash,
            None => self.edges[number as usize - self.commits.len()],
        }
    }

    /// The parents of a commit: the first one, and those others that are known.
    pub(super) fn parents(&self, number: u32) -> &[u32] {
        let at = number as usize;
        let Some(&end) = self.parent_ends.get(at) else { return &[] };
        let start = if at == 0 { 0 } else { self.parent_ends[at - 1] };
        &self.parents[start as usize..end as usize]
    }

    /// The first parent of a commit.
    pub(super) fn first_parent(&self, number: u32) -> Option<u32> {
        self.parents(number).first().copied()
    }

    /// Of the pull request at this place among those known, the commit that it became and its
    /// newest commit.
    pub(super) fn pull(&self, at: usize) -> (Option<u32>, Option<u32>) {
        self.pulls[at]
    }
}

/// The hashes of the parents, as far as they were told.
fn told_parents(commit: &Commit) -> &[String] {
    match commit.detail.as_ref().map(|detail| &detail.parents) {
        Some(Parents::Exact(parents) | Parents::Assumed(parents)) => parents,
        Some(Parents::Unknown) | None => &[],
    }
}

/// Whether this names a commit at all: forges write zeros for "none".
fn is_hash(text: &str) -> bool {
    text.bytes().any(|byte| byte != b'0')
}
