//! Commits as they were read, in columns: what the cache keeps and what a history is made of.

use super::commit::{CommitReader, LinkKind};
use gix::ObjectId;
use hashbrown::HashTable;
use seaway_core::delivery::history::Commit;

/// Stands for a parent that has not been found yet.
pub(crate) const UNRESOLVED: u32 = u32::MAX;

/// Commits in the order in which they were read, which means nothing.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    /// Bytes of one hash: 20 or 32.
    pub(crate) hash_len: usize,
    pub(crate) ids: Vec<u8>,
    pub(crate) commits: Vec<Commit>,
    pub(crate) parent_ends: Vec<u32>,
    /// Numbers of parents, or [`UNRESOLVED`].
    pub(crate) parents: Vec<u32>,
    pub(crate) subject_ends: Vec<u64>,
    pub(crate) subjects: Vec<u8>,
    /// Commits that others name in their messages.
    pub(crate) links: Vec<Link>,
    table: HashTable<u32>,
}

/// `commit` names another one in its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) commit: u32,
    pub(crate) kind: LinkKind,
    /// The hash in hexadecimal, or the beginning of one.
    pub(crate) hex: Vec<u8>,
}

impl Commits {
    pub(crate) fn new(hash: gix::hash::Kind) -> Self {
        Self { hash_len: hash.len_in_bytes(), ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.commits.len()
    }

    pub(crate) fn id(&self, commit: u32) -> &[u8] {
        id_at(&self.ids, self.hash_len, commit)
    }

    /// Where the parents of a commit stand in `parents`.
    pub(crate) fn parent_slots(&self, commit: u32) -> std::ops::Range<usize> {
        let at = commit as usize;
        let start = if at == 0 { 0 } else { self.parent_ends[at - 1] as usize };
        start..self.parent_ends[at] as usize
    }

    pub(crate) fn parents(&self, commit: u32) -> &[u32] {
        &self.parents[self.parent_slots(commit)]
    }

    /// The first paragraph of the message as raw bytes on one line, cut to a bounded length.
    pub(crate) fn subject(&self, commit: u32) -> &[u8] {
        let at = commit as usize;
        let start = if at == 0 { 0 } else { self.subject_ends[at - 1] };
        &self.subjects[start as usize..self.subject_ends[at] as usize]
    }

    pub(crate) fn find(&self, id: &[u8]) -> Option<u32> {
        self.table.find(hash_of(id), |&other| self.id(other) == id).copied()
    }

    /// The only commit whose hash begins with `hex`, among those with an index.
    pub(crate) fn find_hex(&self, hex: &[u8], indexes: &[u32]) -> Option<u32> {
        if let Ok(id) = ObjectId::from_hex(hex) {
            return self.find(id.as_slice());
        }
        let prefix = gix::hash::Prefix::from_hex(std::str::from_utf8(hex).ok()?).ok()?;
        let is_match = |&commit: &u32| {
            indexes[commit as usize] != UNRESOLVED
                && prefix.cmp_oid(gix::oid::from_bytes_unchecked(self.id(commit))).is_eq()
        };
        let mut matches = (0..self.len() as u32).filter(is_match);
        let found = matches.next()?;
        matches.next().is_none().then_some(found)
    }

    /// Makes the commits from `from` on findable by their hashes.
    pub(crate) fn index(&mut self, from: usize) {
        let Self { table, ids, hash_len, .. } = self;
        let hash = |&commit: &u32| hash_of(id_at(ids, *hash_len, commit));
        let to = ids.len() / (*hash_len).max(1);
        table.reserve(to - from, hash);
        for commit in from as u32..to as u32 {
            table.insert_unique(hash(&commit), commit, hash);
        }
    }

    /// Adds what was read from packs. A commit that is known already is left out.
    ///
    /// Hashes of parents go to `parent_ids`, one for each place of `parents` from the first read
    /// commit on.
    pub(crate) fn append(&mut self, part: &Part, parent_ids: &mut Vec<u8>) {
        let len = self.hash_len;
        let mut numbers = Vec::with_capacity(part.len());
        for at in 0..part.len() {
            let id = id_at(&part.ids, len, at as u32);
            numbers.push(self.len() as u32);
            let parents = part.parent_slots(at);
            parent_ids.extend_from_slice(&part.parent_ids[parents.start * len..parents.end * len]);
            self.parents.resize(self.parents.len() + parents.len(), UNRESOLVED);
            self.parent_ends.push(self.parents.len() as u32);
            self.ids.extend_from_slice(id);
            self.commits.push(part.commits[at]);
            self.subjects.extend_from_slice(part.subject(at));
            self.subject_ends.push(self.subjects.len() as u64);
        }
        self.links.extend(
            part.links
                .iter()
                .map(|link| Link { commit: numbers[link.commit as usize], ..link.clone() }),
        );
        self.index(self.len() - part.len());
    }
}

fn id_at(ids: &[u8], hash_len: usize, commit: u32) -> &[u8] {
    &ids[commit as usize * hash_len..][..hash_len]
}

/// Hashes are random already: eight bytes of one do.
fn hash_of(id: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&id[..8]);
    u64::from_le_bytes(bytes)
}

/// Some commits as they come from the repository, before their parents are known.
#[derive(Debug, Default)]
pub(crate) struct Part {
    ids: Vec<u8>,
    commits: Vec<Commit>,
    parent_ends: Vec<u32>,
    parent_ids: Vec<u8>,
    subject_ends: Vec<u32>,
    subjects: Vec<u8>,
    links: Vec<Link>,
}

impl Part {
    pub(crate) fn len(&self) -> usize {
        self.commits.len()
    }

    /// Adds the commit that `reader` has just read.
    pub(crate) fn push(&mut self, id: &gix::oid, commit: Commit, reader: &CommitReader<'_>) {
        let number = self.len() as u32;
        self.ids.extend_from_slice(id.as_bytes());
        self.commits.push(commit);
        reader.parents.iter().for_each(|id| self.parent_ids.extend_from_slice(id.as_slice()));
        let parents = self.parent_ends.last().copied().unwrap_or(0) + reader.parents.len() as u32;
        self.parent_ends.push(parents);
        self.subjects.extend_from_slice(&reader.subject);
        self.subject_ends.push(self.subjects.len() as u32);
        self.links.extend(reader.links.iter().map(|(kind, hex)| Link {
            commit: number,
            kind: *kind,
            hex: hex.clone(),
        }));
    }

    fn parent_slots(&self, at: usize) -> std::ops::Range<usize> {
        let start = if at == 0 { 0 } else { self.parent_ends[at - 1] };
        start as usize..self.parent_ends[at] as usize
    }

    fn subject(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.subject_ends[at - 1] };
        &self.subjects[start as usize..self.subject_ends[at] as usize]
    }
}

/// Reads a hash of the repository's length.
pub(crate) fn object_id(id: &[u8]) -> ObjectId {
    ObjectId::from_bytes_or_panic(id)
}
