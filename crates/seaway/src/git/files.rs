//! The files of a commit below one of its folders.

use super::{Error, Id, Repository};
use gix::bstr::ByteSlice;
use gix::objs::tree::EntryKind;
use std::collections::BTreeMap;

/// Folders within folders that are looked into.
const DEPTH_MAX: usize = 100;
/// Entries of trees that are looked at, wanted or not: a tree may name another one many times.
const LOOKED_AT_MAX: usize = 1_000_000;
/// Commits that are gone back to find when files changed, and those of them that are compared.
const BACK_MAX: usize = 10_000;
const COMPARED_MAX: usize = 500;

/// Which files are wanted.
pub(crate) struct Wanted<'a> {
    /// The folder, with slashes; empty: the root.
    pub(crate) folder: &'a str,
    /// Whether to look into a folder of this name.
    pub(crate) enters: fn(&str) -> bool,
    /// Whether a file of this name is one of them.
    pub(crate) takes: fn(&str) -> bool,
    /// How many at most.
    pub(crate) files_max: usize,
}

/// Files by their path within the folder, each with what names its content.
pub(crate) type Listing = BTreeMap<String, Id>;

/// Why there is no listing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unlisted {
    /// The commit has no such folder.
    #[error("there is no folder of this name")]
    NoFolder,
    /// There are more files than are wanted, or trees beyond measure.
    #[error("there are too many files")]
    TooMany,
    /// The repository cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Error),
}

impl Repository {
    /// The plain files that are wanted in a commit. Links and submodules are none.
    pub(crate) fn list(&self, commit: Id, wanted: &Wanted<'_>) -> Result<Listing, Unlisted> {
        let repository = self.for_thread();
        let tree = tree_of(&repository, commit, wanted.folder)?.ok_or(Unlisted::NoFolder)?;
        list(&repository, tree, wanted)
    }

    /// When each of these files of a commit got its content: the committer's time of the latest
    /// commit on the first-parent chain that changed it. If that is very long ago, a later moment
    /// may be told.
    pub(crate) fn changed_at(
        &self,
        commit: Id,
        wanted: &Wanted<'_>,
        files: &Listing,
    ) -> Result<BTreeMap<String, i64>, Unlisted> {
        let repository = self.for_thread();
        let mut open: Listing = files.clone();
        let mut changed = BTreeMap::new();
        let mut at = commit;
        let mut tree = tree_of(&repository, at, wanted.folder)?;
        let (mut moment, mut parent) = committed(&repository, at)?;
        let mut compared = 0;
        for _ in 0..BACK_MAX {
            let Some(before) = parent.filter(|_| !open.is_empty() && compared < COMPARED_MAX)
            else {
                break;
            };
            if self.shallow.contains(&at) {
                break;
            }
            let tree_before = tree_of(&repository, before, wanted.folder)?;
            if tree_before != tree {
                compared += 1;
                let listed = match tree_before {
                    Some(tree) => list(&repository, tree, wanted)?,
                    None => Listing::new(),
                };
                open.retain(|path, id| {
                    let stays = listed.get(path) == Some(id);
                    if !stays {
                        changed.insert(path.clone(), moment);
                    }
                    stays
                });
            }
            (at, tree) = (before, tree_before);
            (moment, parent) = committed(&repository, at)?;
        }
        changed.extend(open.into_keys().map(|path| (path, moment)));
        Ok(changed)
    }

    /// The content of a file; `None` where it is larger than `bytes_max`.
    pub(crate) fn content(&self, file: Id, bytes_max: usize) -> Result<Option<Vec<u8>>, Error> {
        let unreadable = |reason: String| Error::Unreadable { id: file, reason };
        let repository = self.for_thread();
        let header = repository.find_header(file).map_err(|error| unreadable(error.to_string()))?;
        if usize::try_from(header.size()).is_ok_and(|size| size > bytes_max) {
            return Ok(None);
        }
        let blob = repository.find_blob(file).map_err(|error| unreadable(error.to_string()))?;
        Ok(Some(blob.detach().data))
    }
}

/// The tree of a folder in a commit; `None` where it has no such folder.
fn tree_of(repository: &gix::Repository, commit: Id, folder: &str) -> Result<Option<Id>, Error> {
    let unreadable = |error: gix::Error| unreadable(commit, &error);
    let found = repository.find_commit(commit).map_err(unreadable)?;
    let tree = found.tree().map_err(unreadable)?;
    if folder.is_empty() {
        return Ok(Some(tree.id));
    }
    let entry = tree.lookup_entry_by_path(folder).map_err(unreadable)?;
    Ok(entry.filter(|entry| entry.mode().is_tree()).map(|entry| entry.object_id()))
}

/// When a commit was made, Unix seconds, and its first parent.
fn committed(repository: &gix::Repository, commit: Id) -> Result<(i64, Option<Id>), Error> {
    let unreadable = |error: gix::Error| unreadable(commit, &error);
    let found = repository.find_commit(commit).map_err(unreadable)?;
    // A time that nobody can read is as unbelievable as one in the far past.
    let moment = found.time().map_or(i64::MIN, |time| time.seconds);
    Ok((moment, found.parent_ids().next().map(|parent| parent.detach())))
}

fn list(repository: &gix::Repository, tree: Id, wanted: &Wanted<'_>) -> Result<Listing, Unlisted> {
    let mut files = Listing::new();
    let mut looked_at = 0;
    let mut folders = vec![(String::new(), tree, 0)];
    while let Some((path, id, depth)) = folders.pop() {
        let unreadable = |error: gix::Error| unreadable(id, &error);
        let tree = repository.find_tree(id).map_err(unreadable)?;
        for entry in tree.iter() {
            let entry = entry.map_err(unreadable)?;
            looked_at += 1;
            let name = entry.filename().to_str_lossy();
            match entry.mode().kind() {
                EntryKind::Tree if (wanted.enters)(&name) => {
                    if depth == DEPTH_MAX {
                        return Err(Unlisted::TooMany);
                    }
                    folders.push((format!("{path}{name}/"), entry.object_id(), depth + 1));
                }
                EntryKind::Blob | EntryKind::BlobExecutable if (wanted.takes)(&name) => {
                    files.insert(format!("{path}{name}"), entry.object_id());
                }
                _ => {}
            }
            if files.len() > wanted.files_max || looked_at > LOOKED_AT_MAX {
                return Err(Unlisted::TooMany);
            }
        }
    }
    Ok(files)
}

fn unreadable(id: Id, error: &gix::Error) -> Error {
    Error::Unreadable { id, reason: error.to_string() }
}
