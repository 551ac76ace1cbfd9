//! What was read of a repository, kept for the next time.
//!
//! Commits never change, so the cache grows by segments: a new deployment on top costs what is new
//! and no more. A segment is written beside its place and moved there when it is whole; one that is
//! damaged ends the reading, and what is missing is read from the repository again. Everything
//! that changes how a commit is read (the patterns, where a history is cut, what stands in for
//! what) is in the name of the folder.

use super::Repository;
use super::commit::LinkKind;
use super::read::Graph;
use super::store::{Commits, Link, UNRESOLVED};
use crate::error::Error;
use crate::files::write_whole;
use seaway_core::delivery::history::{Commit, Marks};
use seaway_core::delivery::measured::Size;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Raised when the files change, or what is read from a commit.
const FORMAT: u32 = 1;
const MAGIC: &[u8; 8] = b"seaway\0\x01";
/// From how many segments on they are put together into one.
const SEGMENTS_MAX: usize = 24;

/// The folder of all caches: `$SEAWAY_CACHE`, or `seaway` in the user's cache folder.
pub(crate) fn home() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    folder("SEAWAY_CACHE")
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("seaway")))
        .or_else(|| Some(folder("LOCALAPPDATA")?.join("seaway")))
        .or_else(|| Some(folder("HOME")?.join(".cache").join("seaway")))
}

/// A short name for what a cache depends on.
pub(crate) fn fingerprint(what: impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    (FORMAT, what).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The cache of one repository, read in one way.
pub(crate) struct Cache {
    folder: PathBuf,
    commit_segments: usize,
    known_commits: usize,
    size_segments: usize,
}

impl Cache {
    /// The cache for a repository and the patterns that its commits are read with.
    pub(crate) fn of(home: &Path, repository: &Repository, patterns: &str) -> Self {
        let sorted = |ids: &mut dyn Iterator<Item = String>| {
            let mut ids: Vec<String> = ids.collect();
            ids.sort_unstable();
            ids
        };
        let name = fingerprint((
            repository.folder(),
            repository.hash.len_in_bytes(),
            patterns,
            sorted(&mut repository.shallow.iter().map(ToString::to_string)),
            sorted(&mut repository.grafts.iter().map(|graft| format!("{graft:?}"))),
            sorted(&mut repository.replaced.iter().map(|replaced| format!("{replaced:?}"))),
        ));
        Self {
            folder: home.join("graphs").join(name),
            commit_segments: 0,
            known_commits: 0,
            size_segments: 0,
        }
    }

    /// Reads the commits that are kept.
    pub(crate) fn commits(&mut self, hash: gix::hash::Kind) -> Commits {
        let mut commits = Commits::new(hash);
        while let Some(bytes) = self.segment("commits", self.commit_segments) {
            if read_commits(&bytes, &mut commits).is_none() {
                break;
            }
            self.commit_segments += 1;
        }
        commits.index(0);
        self.known_commits = commits.len();
        commits
    }

    /// Keeps what a history holds and the cache did not have.
    pub(crate) fn keep_commits(&self, commits: &Commits, graph: &Graph) -> Result<(), Error> {
        let is_kept = |number: u32| (number as usize) < self.known_commits;
        if graph.numbers.iter().all(|&number| is_kept(number)) {
            return Ok(());
        }
        let whole = self.commit_segments >= SEGMENTS_MAX;
        let base = if whole { 0 } else { self.known_commits };
        let mut numbers: Vec<u32> = (base as u32..self.known_commits as u32).collect();
        numbers.extend(graph.numbers.iter().copied().filter(|&number| !is_kept(number)));
        let segment = if whole { 0 } else { self.commit_segments };
        self.write("commits", segment, &|out| write_commits(out, commits, base, &numbers))?;
        if whole {
            // What is left over would not fit after the new first one, and is never read again.
            for old in 1..self.commit_segments {
                let _ = std::fs::remove_file(self.path("commits", old));
            }
        }
        Ok(())
    }

    /// Reads the sizes that are kept, by number of the commit.
    pub(crate) fn sizes(&mut self, commits: &Commits) -> HashMap<u32, Size> {
        let mut sizes = HashMap::new();
        while let Some(bytes) = self.segment("sizes", self.size_segments) {
            let len = commits.hash_len;
            for row in bytes.chunks_exact(len + 12) {
                let word = |at: usize| u32_at(row, len + at);
                if let Some(commit) = commits.find(&row[..len]) {
                    let (files, lines_added, lines_deleted) = (word(0), word(4), word(8));
                    sizes.insert(commit, Size { files, lines_added, lines_deleted });
                }
            }
            self.size_segments += 1;
        }
        sizes
    }

    /// Keeps sizes: all of them where there are many segments, else those that are `new`.
    pub(crate) fn keep_sizes(
        &self,
        commits: &Commits,
        known: &HashMap<u32, Size>,
        new: &[(u32, Size)],
    ) -> Result<(), Error> {
        if new.is_empty() {
            return Ok(());
        }
        let whole = self.size_segments >= SEGMENTS_MAX;
        let mut rows = new.to_vec();
        if whole {
            rows.extend(known.iter().map(|(&commit, &size)| (commit, size)));
            rows.sort_unstable_by_key(|&(commit, _)| commit);
        }
        let segment = if whole { 0 } else { self.size_segments };
        self.write("sizes", segment, &|out| {
            for (commit, size) in &rows {
                out.extend_from_slice(commits.id(*commit));
                for word in [size.files, size.lines_added, size.lines_deleted] {
                    out.extend_from_slice(&word.to_le_bytes());
                }
            }
        })?;
        if whole {
            for old in 1..self.size_segments {
                let _ = std::fs::remove_file(self.path("sizes", old));
            }
        }
        Ok(())
    }

    fn path(&self, kind: &str, number: usize) -> PathBuf {
        self.folder.join(format!("{kind}-{number:04}"))
    }

    /// A segment that is there and whole, without its head.
    fn segment(&self, kind: &str, number: usize) -> Option<Vec<u8>> {
        let mut bytes = std::fs::read(self.path(kind, number)).ok()?;
        let head = bytes.get(..16)?;
        let sum = u64_at(head, 8);
        if &head[..8] != MAGIC || sum != checksum(&bytes[16..]) {
            return None;
        }
        bytes.drain(..16);
        Some(bytes)
    }

    fn write(&self, kind: &str, number: usize, fill: &dyn Fn(&mut Vec<u8>)) -> Result<(), Error> {
        let mut bytes = Vec::new();
        fill(&mut bytes);
        let path = self.path(kind, number);
        std::fs::create_dir_all(&self.folder)
            .map_err(|error| crate::files::failed(&self.folder, &error))?;
        write_whole(&path, &mut |out: &mut dyn Write| -> io::Result<()> {
            out.write_all(MAGIC)?;
            out.write_all(&checksum(&bytes).to_le_bytes())?;
            out.write_all(&bytes)
        })
    }
}

/// Tells damage from sense; whoever can write the cache can also make it agree.
fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// Writes the commits with these numbers; their parents are among them or before `base`.
fn write_commits(out: &mut Vec<u8>, commits: &Commits, base: usize, numbers: &[u32]) {
    let mut place = vec![UNRESOLVED; commits.len()];
    for number in 0..base as u32 {
        place[number as usize] = number;
    }
    for (at, &number) in numbers.iter().enumerate() {
        place[number as usize] = (base + at) as u32;
    }
    let mut parents = Vec::new();
    let mut parent_counts = Vec::with_capacity(numbers.len());
    let mut subject_lens = Vec::with_capacity(numbers.len());
    let mut subjects = Vec::new();
    for &number in numbers {
        let all = commits.parents(number);
        parents.extend(all.iter().map(|&parent| place[parent as usize]));
        parent_counts.push(all.len() as u32);
        let subject = commits.subject(number);
        subject_lens.push(subject.len() as u32);
        subjects.extend_from_slice(subject);
    }
    let is_new = |link: &&Link| {
        let place = place[link.commit as usize];
        place != UNRESOLVED && place as usize >= base
    };
    let links: Vec<&Link> = commits.links.iter().filter(is_new).collect();
    for count in [base, numbers.len(), parents.len(), subjects.len(), links.len()] {
        out.extend_from_slice(&(count as u64).to_le_bytes());
    }
    for &number in numbers {
        out.extend_from_slice(commits.id(number));
    }
    for &number in numbers {
        let Commit { authored, committed, work, marks } = commits.commits[number as usize];
        out.extend_from_slice(&authored.to_le_bytes());
        out.extend_from_slice(&committed.to_le_bytes());
        out.extend_from_slice(&work.to_le_bytes());
        out.push(marks.0);
    }
    for words in [&parent_counts, &parents, &subject_lens] {
        words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    }
    out.extend_from_slice(&subjects);
    for link in links {
        out.extend_from_slice(&place[link.commit as usize].to_le_bytes());
        out.push(match link.kind {
            LinkKind::Pick => 0,
            LinkKind::Revert => 1,
        });
        out.push(link.hex.len() as u8);
        out.extend_from_slice(&link.hex);
    }
}

/// Adds a segment. `None`, and nothing is added, if it does not fit what is there.
fn read_commits(bytes: &[u8], commits: &mut Commits) -> Option<()> {
    let mut rest = bytes;
    let mut take = |len: usize| -> Option<&[u8]> {
        let (taken, left) = rest.split_at_checked(len)?;
        rest = left;
        Some(taken)
    };
    let head = take(40)?;
    let count = |at: usize| usize::try_from(u64_at(head, at * 8)).ok();
    let (base, n, parent_count) = (count(0)?, count(1)?, count(2)?);
    let (subject_bytes, link_count) = (count(3)?, count(4)?);
    if base != commits.len() {
        return None;
    }
    let ids = take(n.checked_mul(commits.hash_len)?)?;
    let facts = take(n.checked_mul(25)?)?;
    let parent_counts = take(n.checked_mul(4)?)?;
    let parents = take(parent_count.checked_mul(4)?)?;
    let subject_lens = take(n.checked_mul(4)?)?;
    let subjects = take(subject_bytes)?;
    let mut links = Vec::new();
    for _ in 0..link_count {
        let head = take(6)?;
        let kind = if head[4] == 0 { LinkKind::Pick } else { LinkKind::Revert };
        let hex = take(head[5] as usize)?.to_vec();
        links.push(Link { commit: u32_at(head, 0), kind, hex });
    }
    commits.ids.extend_from_slice(ids);
    commits.commits.extend(facts.chunks_exact(25).map(|fact| Commit {
        authored: u64_at(fact, 0) as i64,
        committed: u64_at(fact, 8) as i64,
        work: u64_at(fact, 16),
        marks: Marks(fact[24]),
    }));
    let mut end = commits.parents.len() as u32;
    commits.parent_ends.extend(parent_counts.chunks_exact(4).map(|count| {
        end += u32_at(count, 0);
        end
    }));
    commits.parents.extend(parents.chunks_exact(4).map(|parent| u32_at(parent, 0)));
    let mut end = commits.subjects.len() as u64;
    commits.subject_ends.extend(subject_lens.chunks_exact(4).map(|len| {
        end += u64::from(u32_at(len, 0));
        end
    }));
    commits.subjects.extend_from_slice(subjects);
    commits.links.append(&mut links);
    Some(())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
