//! Reading commits from packs many at a time.
//!
//! Git writes the commits of a pack one after the other. Reading them block by block, in the order
//! of the file, keeps all cores busy even where a history is one long line, in which each commit
//! is known only once its child has been read. It also saves looking up each hash.
//!
//! This is read-ahead and nothing more: whatever cannot be read here is left to the object
//! database, whose answer and whose errors count.

use super::Repository;
use super::commit::{AuthorPatterns, CommitReader};
use super::read::Course;
use super::store::{Commits, Part};
use gix::ObjectId;
use gix::odb::pack::cache::lru::MemoryCappedHashmap;
use gix::odb::pack::data::entry::Header;
use gix::odb::pack::{data, index};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Pack entries that are looked at in one go.
const BLOCK_ENTRIES: usize = 1024;
/// Bytes of unpacked delta bases that each thread keeps.
const DELTA_CACHE_BYTES: usize = 16 << 20;
/// The most links of a delta chain that are followed to learn what an entry is; git makes chains
/// of at most 4095.
const CHAIN_MAX: usize = 4096;

/// All packs of a repository and its alternates.
pub(super) struct Packs {
    packs: Vec<Pack>,
}

struct Pack {
    index: index::File,
    data: data::File,
    /// Positions in the index, in the order of the file.
    by_offset: Vec<u32>,
    /// By block, whether it has been read or is being read.
    taken: Vec<AtomicBool>,
}

/// A run of entries of one pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Block {
    pack: u32,
    number: u32,
}

impl Packs {
    /// Opens the packs of the object folders; what cannot be opened is left out.
    pub(super) fn open(object_folders: &[PathBuf], hash: gix::hash::Kind) -> Self {
        let mut indexes: Vec<PathBuf> = object_folders
            .iter()
            .filter_map(|folder| std::fs::read_dir(folder.join("pack")).ok())
            .flat_map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())))
            .filter(|path| path.extension().is_some_and(|extension| extension == "idx"))
            .collect();
        indexes.sort();
        Self { packs: indexes.iter().filter_map(|path| Pack::open(path, hash)).collect() }
    }

    /// The block in which a commit stands, unless it was taken before.
    pub(super) fn block_of(&self, id: ObjectId) -> Option<Block> {
        let (pack, position) = self
            .packs
            .iter()
            .enumerate()
            .find_map(|(number, pack)| Some((number as u32, pack.index.lookup(id)?)))?;
        let number = self.packs[pack as usize].block_at(position)?;
        let block = Block { pack, number };
        (!self.taken(block).load(Ordering::Relaxed)).then_some(block)
    }

    /// Reads the blocks and their neighbours, as far as there are commits, with all threads.
    /// Commits in `known` are left out, and those that another object stands in for.
    pub(super) fn read(
        &self,
        blocks: Vec<Block>,
        repository: &Repository,
        known: &Commits,
        patterns: &AuthorPatterns,
        course: &Course,
    ) -> Vec<Part> {
        let blocks = blocks.into_iter().filter(|&block| self.take(block)).collect();
        let queue = Queue::new(blocks);
        std::thread::scope(|scope| {
            let work = || {
                let mut scanner = Scanner::new(CommitReader::new(patterns, repository.hash));
                let mut parts = Vec::new();
                while let Some(block) = queue.next() {
                    if !course.interrupted.load(Ordering::Relaxed) {
                        let part = self.read_block(block, &mut scanner, repository, known, &queue);
                        course.commits.fetch_add(part.len(), Ordering::Relaxed);
                        parts.push(part);
                    }
                    queue.finish();
                }
                parts
            };
            let workers: Vec<_> = (1..repository.threads).map(|_| scope.spawn(work)).collect();
            let mut parts = work();
            // What a thread has lost in a panic is read again, singly, with a proper error.
            parts.extend(workers.into_iter().flat_map(|w| w.join().unwrap_or_default()));
            parts
        })
    }

    fn read_block(
        &self,
        block: Block,
        scanner: &mut Scanner<'_>,
        repository: &Repository,
        known: &Commits,
        queue: &Queue,
    ) -> Part {
        let pack = &self.packs[block.pack as usize];
        let start = block.number as usize * BLOCK_ENTRIES;
        let end = (start + BLOCK_ENTRIES).min(pack.by_offset.len());
        scanner.commits.clear();
        for &position in &pack.by_offset[start..end] {
            if let Some(entry) = pack.commit_entry(position, &mut scanner.kinds) {
                scanner.commits.push((position, entry));
            }
        }
        scanner.kinds.clear();
        if !scanner.commits.is_empty() {
            let after = block.number + 1;
            let around = [block.number.checked_sub(1), Some(after)];
            for number in around.into_iter().flatten() {
                let block = Block { number, ..block };
                if (number as usize) < pack.taken.len() && self.take(block) {
                    queue.add(block);
                }
            }
        }
        let mut part = Part::default();
        for (position, entry) in std::mem::take(&mut scanner.commits) {
            let id = pack.index.oid_at_index(position);
            if !repository.replaced.contains(id)
                && known.find(id.as_bytes()).is_none()
                && pack.decode(entry, scanner)
                && let Ok(mut commit) = scanner.reader.read(&scanner.buffer)
            {
                repository.cut(id, &mut commit, &mut scanner.reader);
                part.push(id, commit, &scanner.reader);
            }
        }
        part
    }

    fn taken(&self, block: Block) -> &AtomicBool {
        &self.packs[block.pack as usize].taken[block.number as usize]
    }

    /// Whether nobody took the block before.
    fn take(&self, block: Block) -> bool {
        !self.taken(block).swap(true, Ordering::Relaxed)
    }
}

impl Pack {
    fn open(index_path: &Path, hash: gix::hash::Kind) -> Option<Self> {
        let index = index::File::at(index_path, hash).ok()?;
        let data = data::File::at(index_path.with_extension("pack"), hash).ok()?;
        let by_offset = read_reverse_index(&index_path.with_extension("rev"), index.num_objects())
            .unwrap_or_else(|| sort_by_offset(&index));
        let blocks = by_offset.len().div_ceil(BLOCK_ENTRIES);
        let taken = (0..blocks).map(|_| AtomicBool::new(false)).collect();
        Some(Self { index, data, by_offset, taken })
    }

    /// The block of the entry at a position of the index.
    fn block_at(&self, position: u32) -> Option<u32> {
        let offset = self.index.pack_offset_at_index(position);
        let rank = self
            .by_offset
            .binary_search_by_key(&offset, |&other| self.index.pack_offset_at_index(other));
        rank.ok().map(|rank| (rank / BLOCK_ENTRIES) as u32)
    }

    /// The entry at a position of the index, if it is a commit. `kinds` keeps what is known of
    /// the bases of deltas: whether they are commits.
    fn commit_entry(&self, position: u32, kinds: &mut HashMap<u64, bool>) -> Option<data::Entry> {
        let first = self.data.entry(self.index.pack_offset_at_index(position)).ok()?;
        let offset = first.pack_offset();
        let mut entry = first.clone();
        let mut is_commit = false;
        for _ in 0..CHAIN_MAX {
            let base = match entry.header {
                Header::Commit => {
                    is_commit = true;
                    break;
                }
                Header::Tree | Header::Blob | Header::Tag => break,
                Header::OfsDelta { base_distance } => {
                    entry.checked_base_pack_offset(base_distance)?
                }
                Header::RefDelta { base_id } => {
                    self.index.pack_offset_at_index(self.index.lookup(base_id)?)
                }
            };
            if let Some(&known) = kinds.get(&base) {
                is_commit = known;
                break;
            }
            entry = self.data.entry(base).ok()?;
        }
        if first.header.is_delta() {
            kinds.insert(offset, is_commit);
        }
        is_commit.then_some(first)
    }

    /// Unpacks a commit into the buffer of the scanner.
    fn decode(&self, entry: data::Entry, scanner: &mut Scanner<'_>) -> bool {
        let resolve = |id: &gix::oid, _: &mut Vec<u8>| {
            let position = self.index.lookup(id);
            let entry = position.map(|at| self.data.entry(self.index.pack_offset_at_index(at)));
            Ok(entry.transpose()?.map(data::decode::entry::ResolvedBase::InPack))
        };
        let Scanner { buffer, inflate, cache, .. } = scanner;
        self.data.decode_entry(entry, buffer, inflate, &resolve, cache).is_ok()
    }
}

/// Reads git's own list of positions by offset (`gitformat-pack`, section *pack-\*.rev*). `None` if
/// there is none or it does not fit the pack.
fn read_reverse_index(path: &Path, objects: u32) -> Option<Vec<u32>> {
    let bytes = std::fs::read(path).ok()?;
    let positions = bytes.strip_prefix(b"RIDX\0\0\0\x01")?.get(4..)?;
    let positions: Vec<u32> = positions
        .chunks_exact(4)
        .take(objects as usize)
        .map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
        .collect();
    let fits = positions.len() == objects as usize && positions.iter().all(|&at| at < objects);
    fits.then_some(positions)
}

fn sort_by_offset(index: &index::File) -> Vec<u32> {
    let mut entries: Vec<(u64, u32)> = (0..index.num_objects())
        .map(|position| (index.pack_offset_at_index(position), position))
        .collect();
    entries.sort_unstable();
    entries.into_iter().map(|(_, position)| position).collect()
}

/// What one thread keeps while it reads blocks.
struct Scanner<'r> {
    reader: CommitReader<'r>,
    commits: Vec<(u32, data::Entry)>,
    kinds: HashMap<u64, bool>,
    buffer: Vec<u8>,
    inflate: gix::zlib::Inflate,
    cache: MemoryCappedHashmap,
}

impl<'r> Scanner<'r> {
    fn new(reader: CommitReader<'r>) -> Self {
        Self {
            reader,
            commits: Vec::new(),
            kinds: HashMap::new(),
            buffer: Vec::new(),
            inflate: gix::zlib::Inflate::default(),
            cache: MemoryCappedHashmap::new(DELTA_CACHE_BYTES),
        }
    }
}

/// Blocks that wait for a thread; new ones come up while others are read.
struct Queue {
    state: Mutex<QueueState>,
    wake: Condvar,
}

struct QueueState {
    /// Lowest offsets last, so that they are taken first: bases of deltas stand there.
    waiting: Vec<Block>,
    reading: usize,
}

impl Queue {
    fn new(mut waiting: Vec<Block>) -> Self {
        waiting.sort_unstable_by_key(|block| std::cmp::Reverse((block.pack, block.number)));
        Self { state: Mutex::new(QueueState { waiting, reading: 0 }), wake: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next block; waits for one while others are being read. `None` at the end.
    fn next(&self) -> Option<Block> {
        let mut state = self.lock();
        loop {
            if let Some(block) = state.waiting.pop() {
                state.reading += 1;
                return Some(block);
            }
            if state.reading == 0 {
                return None;
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn add(&self, block: Block) {
        self.lock().waiting.push(block);
        self.wake.notify_one();
    }

    fn finish(&self) {
        let mut state = self.lock();
        state.reading -= 1;
        if state.reading == 0 && state.waiting.is_empty() {
            self.wake.notify_all();
        }
    }
}
