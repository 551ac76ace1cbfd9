//! Reading git repositories. This is the only folder that names gix.

pub(crate) mod cache;
pub(crate) mod clone;
pub(crate) mod commit;
pub(crate) mod files;
pub(crate) mod mirror;
mod packs;
pub(crate) mod read;
pub(crate) mod refs;
pub(crate) mod sizes;
pub(crate) mod store;

use commit::CommitReader;
use gix::ObjectId;
use gix::objs::Find;
use packs::Packs;
use seaway_core::delivery::history::{Commit, Marks};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// The hash of an object.
pub(crate) type Id = ObjectId;

/// Why a repository cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is none.
    #[error("{} is not a git repository that can be read: {reason}", path.display())]
    NotARepository { path: PathBuf, reason: String },
    /// An object that the history needs is not there.
    #[error("object {id} is missing from the repository; `git fsck` tells more")]
    Missing { id: ObjectId },
    /// An object that the history needs cannot be read.
    #[error("object {id} cannot be read: {reason}; `git fsck` tells more")]
    Unreadable { id: ObjectId, reason: String },
    /// The references cannot be read.
    #[error("the references cannot be read: {reason}; `git fsck` tells more")]
    Refs { reason: String },
    /// Parents lead back to where they started.
    #[error("the history runs in a circle; look at `info/grafts` and `git replace --list`")]
    Circle,
    /// A URL of a kind that is not cloned.
    #[error("{url} cannot be cloned: the URL is not of a kind that is supported")]
    Scheme { url: String },
    /// A repository cannot be cloned or brought up to date.
    #[error("{url} cannot be cloned: {reason}")]
    Clone { url: String, reason: String },
    /// The user has had enough.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// Whether a copy is damaged, so that it has to be made anew.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::NotARepository { .. }
            | Self::Missing { .. }
            | Self::Unreadable { .. }
            | Self::Refs { .. } => true,
            Self::Circle | Self::Scheme { .. } | Self::Clone { .. } | Self::Interrupted => false,
        }
    }
}

impl From<sizes::Interrupted> for Error {
    fn from(_: sizes::Interrupted) -> Self {
        Self::Interrupted
    }
}

/// Makes Ctrl-C set the flag that long work looks at; a second one ends the program at once.
pub(crate) fn watch_interrupts() -> &'static AtomicBool {
    // Where signals cannot be handled, Ctrl-C ends the program at once: all files are written
    // beside their place, so that does no harm either.
    let _ = gix::interrupt::init_handler_default(1);
    &gix::interrupt::IS_INTERRUPTED
}

/// An open repository.
pub(crate) struct Repository {
    pub(crate) inner: gix::ThreadSafeRepository,
    pub(crate) hash: gix::hash::Kind,
    pub(crate) threads: usize,
    /// Commits of a shallow history whose parents are not here.
    pub(crate) shallow: HashSet<ObjectId>,
    /// Commits whose parents the repository's `info/grafts` names anew.
    pub(crate) grafts: HashMap<ObjectId, Vec<ObjectId>>,
    /// Objects that `refs/replace` puts others in the place of.
    pub(crate) replaced: HashSet<ObjectId>,
}

/// Bytes of unpacked delta bases that are kept for reading single objects.
const PACK_CACHE_BYTES: usize = 16 << 20;

impl Repository {
    /// Opens the repository at or above a path.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let inner = gix::discover(path).map_err(|error| Error::NotARepository {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let refs = |error: gix::Error| Error::Refs { reason: error.to_string() };
        let shallow = match inner.shallow_commits().map_err(refs)? {
            Some(commits) => commits.iter().copied().collect(),
            None => HashSet::new(),
        };
        let grafts = read_grafts(&inner.common_dir().join("info").join("grafts"));
        let replaced =
            inner.objects.store_ref().replacements().map(|(replaced, _)| replaced).collect();
        Ok(Self {
            hash: inner.object_hash(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            inner: inner.into_sync(),
            shallow,
            grafts,
            replaced,
        })
    }

    /// The folder that holds the repository itself, for naming its cache.
    pub(crate) fn folder(&self) -> PathBuf {
        let repository = self.inner.to_thread_local();
        let folder = repository.common_dir();
        folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
    }

    fn for_thread(&self) -> gix::Repository {
        let mut repository = self.inner.to_thread_local();
        repository.objects.set_pack_cache(|| {
            Box::new(gix::odb::pack::cache::lru::MemoryCappedHashmap::new(PACK_CACHE_BYTES))
        });
        repository
    }

    /// The same repository with maps of its packs of its own, which go when it does: many looks
    /// at objects all over a pack would stay in memory beside the packs that are read later.
    fn apart(&self) -> gix::Repository {
        let repository = self.for_thread();
        gix::open(repository.git_dir()).unwrap_or(repository)
    }

    fn packs(&self) -> Packs {
        let repository = self.inner.to_thread_local();
        let store = repository.objects.store_ref();
        let mut folders = vec![store.path().to_owned()];
        folders.extend(store.alternate_db_paths().unwrap_or_default());
        Packs::open(&folders, self.hash)
    }

    /// Reads one commit; its parents, subject and links are left in `reader`.
    fn read_commit(
        &self,
        repository: &gix::Repository,
        id: ObjectId,
        buffer: &mut Vec<u8>,
        reader: &mut CommitReader<'_>,
    ) -> Result<Commit, Error> {
        let unreadable = |reason: String| Error::Unreadable { id, reason };
        let found = repository.objects.try_find(&id, buffer);
        let object =
            found.map_err(|error| unreadable(error.to_string()))?.ok_or(Error::Missing { id })?;
        if object.kind != gix::objs::Kind::Commit {
            return Err(unreadable(format!("it is a {}", object.kind)));
        }
        let mut commit = reader.read(object.data).map_err(|error| unreadable(error.to_string()))?;
        self.cut(&id, &mut commit, reader);
        Ok(commit)
    }

    /// Changes the parents that a commit names where the repository says so, as git does.
    fn cut(&self, id: &gix::oid, commit: &mut Commit, reader: &mut CommitReader<'_>) {
        if self.shallow.contains(id) {
            commit.marks.0 |= Marks::EDGE;
            reader.parents.clear();
        }
        if let Some(parents) = self.grafts.get(id) {
            reader.parents.clone_from(parents);
        }
    }
}

/// Reads `info/grafts`: on each line a commit and its parents. What is not a line of hashes is
/// left out, as git leaves it out.
fn read_grafts(path: &Path) -> HashMap<ObjectId, Vec<ObjectId>> {
    let Ok(text) = std::fs::read_to_string(path) else { return HashMap::new() };
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let ids: Option<Vec<ObjectId>> = line
                .split_ascii_whitespace()
                .map(|hex| ObjectId::from_hex(hex.as_bytes()).ok())
                .collect();
            let ids = ids?;
            let (&commit, parents) = ids.split_first()?;
            Some((commit, parents.to_vec()))
        })
        .collect()
}
