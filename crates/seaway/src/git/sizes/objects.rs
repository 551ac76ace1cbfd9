//! Reading commits, trees and files, with what was read lately kept at hand.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::rc::Rc;
use std::sync::Arc;

use gix::objs::{CommitRefIter, Kind};
use gix::odb::pack::cache::DecodeEntry;
use gix::prelude::{Find, HeaderExt};
use gix::{ObjectId, ThreadSafeRepository, hash};

use super::trees::{Entry, Mode};

/// Files above this many bytes are taken as binary and never read.
const BIG_FILE: u64 = 64 << 20;
/// How many bytes at the start of a file tell whether it is binary: those git looks at.
const BINARY_PROBE: usize = 8000;
/// Bytes of objects one thread keeps.
const KEPT_OBJECTS: usize = 64 << 20;
/// Bytes of objects one thread keeps as the base of others in a pack.
const KEPT_BASES: usize = 32 << 20;
/// Bytes that keeping an object takes besides its own: key, lengths, room in the map.
const OVERHEAD: usize = 96;

/// The objects of a repository, for one thread.
pub(super) struct Objects {
    store: gix::odb::Handle,
    /// Which hash the repository names objects by; it gives the width of a tree's entries.
    pub(super) hash: hash::Kind,
    kept: Recent<ObjectId, Rc<[u8]>, gix::hashtable::hash::Builder>,
    buffer: Vec<u8>,
}

/// What a file holds.
pub(super) enum Content {
    /// Anything else than text, or more than is worth reading.
    Binary,
    /// Text: no NUL in the first bytes.
    Text(Rc<[u8]>),
}

impl Content {
    /// The text, if it is one.
    pub(super) fn text(self) -> Option<Rc<[u8]>> {
        match self {
            Content::Binary => None,
            Content::Text(bytes) => Some(bytes),
        }
    }
}

/// The content of a file that is not there.
pub(super) fn empty() -> Rc<[u8]> {
    Rc::from(&[][..])
}

impl Objects {
    pub(super) fn new(repo: &ThreadSafeRepository) -> Self {
        let mut store = repo.objects.to_cache();
        store.set_pack_cache(|| Box::new(Bases(Recent::new(KEPT_BASES))));
        Self {
            hash: repo.objects.object_hash(),
            store,
            kept: Recent::new(KEPT_OBJECTS),
            buffer: Vec::new(),
        }
    }

    /// The tree of a commit.
    pub(super) fn tree_of(&mut self, commit: &ObjectId) -> Option<ObjectId> {
        let bytes = self.read(commit, Kind::Commit)?;
        CommitRefIter::from_bytes(&bytes, self.hash).tree_id().ok()
    }

    /// The raw entries of a tree.
    pub(super) fn tree(&mut self, id: &ObjectId) -> Option<Rc<[u8]>> {
        if id.is_empty_tree() {
            return Some(empty());
        }
        self.read(id, Kind::Tree)
    }

    /// How many bytes a file holds.
    pub(super) fn length(&mut self, id: &ObjectId) -> Option<u64> {
        if let Some(bytes) = self.kept.get(id) {
            return Some(bytes.len() as u64);
        }
        let header = self.store.header(id).ok()?;
        (header.kind() == Kind::Blob).then_some(header.size())
    }

    /// What a file, a symbolic link or the entry of a submodule holds.
    pub(super) fn content(&mut self, entry: &Entry) -> Option<Content> {
        if entry.mode == Mode::SUBMODULE {
            // What git compares in place of the submodule's own files.
            let text = format!("Subproject commit {}\n", entry.id);
            return Some(Content::Text(Rc::from(text.into_bytes())));
        }
        if self.is_big(&entry.id)? {
            return Some(Content::Binary);
        }
        let bytes = self.read(&entry.id, Kind::Blob)?;
        let probe = bytes.get(..BINARY_PROBE).unwrap_or(&bytes);
        Some(if probe.contains(&0) { Content::Binary } else { Content::Text(bytes) })
    }

    /// Whether a file is too big to be read.
    pub(super) fn is_big(&mut self, id: &ObjectId) -> Option<bool> {
        Some(self.length(id)? > BIG_FILE)
    }

    /// The bytes of a file, whatever they are. To be asked for small files only.
    pub(super) fn bytes(&mut self, id: &ObjectId) -> Option<Rc<[u8]>> {
        self.read(id, Kind::Blob)
    }

    fn read(&mut self, id: &ObjectId, kind: Kind) -> Option<Rc<[u8]>> {
        if let Some(bytes) = self.kept.get(id) {
            return Some(bytes);
        }
        let data = self.store.try_find(id, &mut self.buffer).ok()??;
        if data.kind != kind {
            return None;
        }
        let bytes: Rc<[u8]> = Rc::from(data.data);
        self.kept.put(*id, bytes.clone());
        Some(bytes)
    }
}

/// What was used lately, up to a number of bytes: two generations, of which the older is dropped
/// whole when the younger is full. It takes no bookkeeping per use, unlike a list in order of use.
struct Recent<K, V, H = RandomState> {
    young: HashMap<K, V, H>,
    old: HashMap<K, V, H>,
    bytes: usize,
    limit: usize,
}

impl<K: Copy + Eq + Hash, V: Clone + AsRef<[u8]>, H: BuildHasher + Default> Recent<K, V, H> {
    /// Keeps at most `limit` bytes in both generations together.
    fn new(limit: usize) -> Self {
        Self { young: HashMap::default(), old: HashMap::default(), bytes: 0, limit: limit / 2 }
    }

    fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.put(*key, value.clone());
        Some(value)
    }

    fn put(&mut self, key: K, value: V) {
        let bytes = value.as_ref().len() + OVERHEAD;
        if bytes > self.limit {
            return;
        }
        if self.bytes + bytes > self.limit {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.young.insert(key, value);
    }
}

/// An object that others in a pack are told as a difference from.
#[derive(Clone)]
struct Base {
    data: Arc<[u8]>,
    kind: Kind,
    compressed: usize,
}

impl AsRef<[u8]> for Base {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

/// Objects lately unpacked, by pack and place in it.
struct Bases(Recent<(u32, u64), Base>);

impl DecodeEntry for Bases {
    fn put(&mut self, pack: u32, offset: u64, data: &[u8], kind: Kind, compressed: usize) {
        if data.len() < KEPT_BASES / 8 {
            self.0.put((pack, offset), Base { data: Arc::from(data), kind, compressed });
        }
    }

    fn get(&mut self, pack: u32, offset: u64, out: &mut Vec<u8>) -> Option<(Kind, usize)> {
        let base = self.0.get(&(pack, offset))?;
        out.clear();
        out.extend_from_slice(&base.data);
        Some((base.kind, base.compressed))
    }
}
