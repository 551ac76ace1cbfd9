//! Reading all commits that some tips contain, each once, on all cores.

use super::commit::{AuthorPatterns, CommitReader, LinkKind};
use super::packs::Packs;
use super::store::{Commits, Part, UNRESOLVED, object_id};
use super::{Error, Repository};
use gix::ObjectId;
use seaway_core::delivery::history::{CommitIndex, History};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What a long reading tells others, and is told by them.
#[derive(Debug)]
pub(crate) struct Course {
    /// Commits read so far.
    pub(crate) commits: Arc<AtomicUsize>,
    /// Set when the user has had enough.
    pub(crate) interrupted: &'static AtomicBool,
}

/// Reads what `tips` contain and `known` does not have yet, and adds it to `known`.
///
/// Beyond it, `known` gets commits that stand between the others in a pack. Of those, parents may
/// stay unresolved.
///
/// # Errors
/// When a commit that the tips contain is missing or cannot be read, or on interruption.
pub(crate) fn read(
    repository: &Repository,
    known: &mut Commits,
    tips: &[ObjectId],
    patterns: &AuthorPatterns,
    course: &Course,
) -> Result<(), Error> {
    let first_slot = known.parents.len();
    let visited = vec![true; known.len()];
    Reading {
        repository,
        handle: repository.for_thread(),
        packs: None,
        reader: CommitReader::new(patterns, repository.hash),
        patterns,
        course,
        known,
        first_slot,
        parent_ids: Vec::new(),
        visited,
        open: Vec::new(),
        buffer: Vec::new(),
    }
    .run(tips)
}

struct Reading<'a> {
    repository: &'a Repository,
    handle: gix::Repository,
    packs: Option<Packs>,
    reader: CommitReader<'a>,
    patterns: &'a AuthorPatterns,
    course: &'a Course,
    known: &'a mut Commits,
    /// The first place in `known.parents` that this reading has added.
    first_slot: usize,
    /// Hashes of parents by place, from `first_slot` on.
    parent_ids: Vec<u8>,
    /// By commit, whether its parents have been looked at. Those that were known before have
    /// theirs.
    visited: Vec<bool>,
    /// Places of parents that were not known when they were looked at.
    open: Vec<(usize, ObjectId)>,
    buffer: Vec<u8>,
}

impl Reading<'_> {
    fn run(mut self, tips: &[ObjectId]) -> Result<(), Error> {
        let mut wanted: Vec<ObjectId> = tips.to_vec();
        loop {
            wanted.sort_unstable();
            wanted.dedup();
            let is_unknown = |id: &ObjectId| self.known.find(id.as_slice()).is_none();
            let unknown: Vec<ObjectId> = wanted.iter().copied().filter(is_unknown).collect();
            self.fetch(&unknown)?;
            self.visited.resize(self.known.len(), false);
            wanted = self.visit(&wanted);
            if wanted.is_empty() {
                return Ok(());
            }
        }
    }

    /// Reads the commits, in blocks where packs have them and singly otherwise.
    fn fetch(&mut self, ids: &[ObjectId]) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let repository = self.repository;
        let packs = self.packs.get_or_insert_with(|| repository.packs());
        let mut blocks: Vec<_> = ids.iter().filter_map(|&id| packs.block_of(id)).collect();
        blocks.sort_unstable();
        blocks.dedup();
        if !blocks.is_empty() {
            let parts = packs.read(blocks, repository, self.known, self.patterns, self.course);
            for part in parts {
                self.known.append(&part, &mut self.parent_ids);
            }
        }
        for &id in ids {
            if self.course.interrupted.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            if self.known.find(id.as_slice()).is_none() {
                self.fetch_one(id)?;
            }
        }
        Ok(())
    }

    fn fetch_one(&mut self, id: ObjectId) -> Result<(), Error> {
        let commit =
            self.repository.read_commit(&self.handle, id, &mut self.buffer, &mut self.reader)?;
        let mut part = Part::default();
        part.push(&id, commit, &self.reader);
        self.known.append(&part, &mut self.parent_ids);
        self.course.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Follows parents from the commits as far as they are known, and tells which are not.
    fn visit(&mut self, from: &[ObjectId]) -> Vec<ObjectId> {
        let len = self.known.hash_len;
        for (slot, id) in std::mem::take(&mut self.open) {
            // Just read, or `fetch` would have failed.
            self.known.parents[slot] = self.known.find(id.as_slice()).unwrap_or(UNRESOLVED);
        }
        let mut stack: Vec<u32> =
            from.iter().filter_map(|id| self.known.find(id.as_slice())).collect();
        while let Some(commit) = stack.pop() {
            if std::mem::replace(&mut self.visited[commit as usize], true) {
                continue;
            }
            for slot in self.known.parent_slots(commit) {
                let id = &self.parent_ids[(slot - self.first_slot) * len..][..len];
                match self.known.find(id) {
                    Some(parent) => {
                        self.known.parents[slot] = parent;
                        stack.push(parent);
                    }
                    None => self.open.push((slot, object_id(id))),
                }
            }
        }
        self.open.iter().map(|&(_, id)| id).collect()
    }
}

/// A history for the core, and what leads back from it to the commits as they were read.
pub(crate) struct Graph {
    pub(crate) history: History,
    /// By index of the history, the number of the commit among those read.
    pub(crate) numbers: Vec<u32>,
    /// By number, the index in the history, or `u32::MAX`.
    pub(crate) indexes: Vec<u32>,
}

impl Graph {
    /// The commit in the history, if it is there.
    pub(crate) fn index_of(&self, commits: &Commits, id: ObjectId) -> Option<CommitIndex> {
        let index = self.indexes[commits.find(id.as_slice())? as usize];
        (index != UNRESOLVED).then_some(index)
    }

    pub(crate) fn id(&self, commits: &Commits, commit: CommitIndex) -> ObjectId {
        object_id(commits.id(self.numbers[commit as usize]))
    }

    /// The whole hash in hexadecimal.
    pub(crate) fn hash(&self, commits: &Commits, commit: CommitIndex) -> String {
        self.id(commits, commit).to_string()
    }
}

/// Orders what `tips` contain so that parents come first. The order follows from the tips and the
/// graph alone, and not from the order of reading.
///
/// # Errors
/// When a commit is its own ancestor, which only a graft can bring about.
pub(crate) fn arrange(commits: &Commits, tips: &[ObjectId]) -> Result<Graph, Error> {
    let mut indexes = vec![UNRESOLVED; commits.len()];
    let mut numbers = Vec::with_capacity(commits.len());
    let mut history = History::with_capacity(commits.len());
    let mut parents = Vec::new();
    let mut stack: Vec<(u32, u32)> = Vec::new();
    for number in tips.iter().filter_map(|tip| commits.find(tip.as_slice())) {
        stack.push((number, 0));
        while let Some((number, next)) = stack.pop() {
            if indexes[number as usize] != UNRESOLVED {
                continue;
            }
            if let Some(&parent) = commits.parents(number).get(next as usize) {
                stack.push((number, next + 1));
                if indexes[parent as usize] == UNRESOLVED {
                    stack.push((parent, 0));
                    if stack.len() > commits.parents.len() + commits.len() + 1 {
                        return Err(Error::Circle);
                    }
                }
                continue;
            }
            parents.clear();
            parents.extend(commits.parents(number).iter().map(|&at| indexes[at as usize]));
            let index = history
                .push(commits.commits[number as usize], &parents)
                .map_err(|_| Error::Circle)?;
            indexes[number as usize] = index;
            numbers.push(number);
        }
    }
    link(&mut history, commits, &indexes);
    Ok(Graph { history, numbers, indexes })
}

/// Finds the commits that others name in their messages; those that are not in the history are
/// left out.
fn link(history: &mut History, commits: &Commits, indexes: &[u32]) {
    let mut links: Vec<(u32, LinkKind, u32)> = commits
        .links
        .iter()
        .filter(|link| indexes[link.commit as usize] != UNRESOLVED)
        .filter_map(|link| {
            let target = indexes[commits.find_hex(&link.hex, indexes)? as usize];
            let commit = indexes[link.commit as usize];
            (target != UNRESOLVED && target != commit).then_some((commit, link.kind, target))
        })
        .collect();
    links.sort_unstable();
    for (commit, kind, target) in links {
        match kind {
            LinkKind::Pick => history.link_pick(commit, target),
            LinkKind::Revert => history.link_revert(commit, target),
        }
    }
}
