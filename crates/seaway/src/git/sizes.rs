//! How much each change changes: files, lines added and lines deleted, and which paths it touches.
//!
//! The figures are those of `git diff --numstat -M`, read without git and without anything a
//! repository could configure: no attributes, no filters, no textconv, no drivers, no fetching of
//! missing objects. The differences that follow from this are small:
//!
//! - A file is binary if its first 8,000 bytes hold a NUL, as in git, or if it is larger than
//!   64 MiB (git: 512 MiB, `core.bigFileThreshold`), so that memory stays bounded.
//! - `-diff`, `binary` and `diff=…` in `.gitattributes` are not looked at.

mod lines;
pub(crate) mod mentions;
mod objects;
mod renames;
mod trees;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gix::{ObjectId, ThreadSafeRepository};
use seaway_core::delivery::measured::Size;
use seaway_core::paths::Globs;

use lines::Lines;
use objects::Objects;
use trees::Change;

/// Two commits to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    /// The commit before, `None` for the empty tree.
    pub(crate) before: Option<ObjectId>,
    /// The commit after.
    pub(crate) after: ObjectId,
}

/// The work was interrupted before it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interrupted;

/// The size of every pair, in the order given, read by so many `threads`.
///
/// `None` stands for a pair with an object that cannot be read: missing in a partial clone, or
/// corrupt. It costs least when neighbours in the list are neighbours in history, newest first,
/// because packs store the newer state whole and the older as a difference. `done` grows by one
/// with every pair; `interrupted` is looked at before every pair and within long ones.
pub(crate) fn measure(
    repo: &ThreadSafeRepository,
    pairs: &[Pair],
    threads: usize,
    done: &AtomicUsize,
    interrupted: &AtomicBool,
) -> Result<Vec<Option<Size>>, Interrupted> {
    let work = || {
        let mut objects = Objects::new(repo);
        let mut lines = Lines::default();
        move |pair: &Pair| size_of(&mut objects, &mut lines, pair, interrupted)
    };
    spread(pairs, threads, done, interrupted, work)
}

/// Whether every pair touches a path that `globs` match, in the order given; an old name and a new
/// name of a renamed file both count.
///
/// No file is read, and no folder that the globs rule out. `None` stands for a pair with a commit
/// or a folder that cannot be read; otherwise as [`measure`].
pub(crate) fn touches(
    repo: &ThreadSafeRepository,
    pairs: &[Pair],
    globs: &Globs,
    threads: usize,
    done: &AtomicUsize,
    interrupted: &AtomicBool,
) -> Result<Vec<Option<bool>>, Interrupted> {
    let work = || {
        let mut objects = Objects::new(repo);
        move |pair: &Pair| {
            let (before, after) = trees_of(&mut objects, pair)?;
            trees::touches(&mut objects, before, after, globs)
        }
    };
    spread(pairs, threads, done, interrupted, work)
}

/// Neighbouring pairs that one thread takes at a time: many, as they share most of their objects.
const BATCH: usize = 256;

/// Runs over all pairs with so many threads, each with a worker of its own.
fn spread<T, Work>(
    pairs: &[Pair],
    threads: usize,
    done: &AtomicUsize,
    interrupted: &AtomicBool,
    worker: impl Fn() -> Work + Sync,
) -> Result<Vec<Option<T>>, Interrupted>
where
    T: Clone + Send,
    Work: FnMut(&Pair) -> Option<T>,
{
    // A short list is shared out evenly, too.
    let batch = pairs.len().div_ceil(threads.max(1)).clamp(1, BATCH);
    let next = AtomicUsize::new(0);
    let run = || {
        let mut work = worker();
        let mut found: Vec<(usize, Vec<Option<T>>)> = Vec::new();
        loop {
            let start = next.fetch_add(1, Ordering::Relaxed).saturating_mul(batch);
            let Some(rest) = pairs.get(start..).filter(|rest| !rest.is_empty()) else {
                return found;
            };
            let mut values = Vec::with_capacity(batch);
            for pair in rest.iter().take(batch) {
                if interrupted.load(Ordering::Relaxed) {
                    return found;
                }
                values.push(work(pair));
                done.fetch_add(1, Ordering::Relaxed);
            }
            found.push((start, values));
        }
    };
    let mut all = vec![None; pairs.len()];
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(run)).collect();
        for thread in threads {
            // What a thread had is unknown if a damaged repository made the library give up.
            for (start, values) in thread.join().unwrap_or_default() {
                for (place, value) in all.iter_mut().skip(start).zip(values) {
                    *place = value;
                }
            }
        }
    });
    if interrupted.load(Ordering::Relaxed) { Err(Interrupted) } else { Ok(all) }
}

/// The trees of a pair; the inner `None` is the empty tree.
fn trees_of(objects: &mut Objects, pair: &Pair) -> Option<(Option<ObjectId>, ObjectId)> {
    let before = match pair.before {
        Some(commit) => Some(objects.tree_of(&commit)?),
        None => None,
    };
    Some((before, objects.tree_of(&pair.after)?))
}

/// Tells which paths commits touch.
pub(crate) struct Paths(Objects);

impl Paths {
    pub(crate) fn new(repo: &ThreadSafeRepository) -> Self {
        Self(Objects::new(repo))
    }

    /// The paths that differ in a pair, in the order of the trees; an old name and a new name of a
    /// renamed file both count. `None` where there are more than `most`, or where a commit or a
    /// folder cannot be read.
    pub(crate) fn of(&mut self, pair: &Pair, most: usize) -> Option<Vec<Vec<u8>>> {
        let (before, after) = trees_of(&mut self.0, pair)?;
        trees::paths(&mut self.0, before, after, most)
    }
}

fn size_of(
    objects: &mut Objects,
    lines: &mut Lines,
    pair: &Pair,
    interrupted: &AtomicBool,
) -> Option<Size> {
    let (before, after) = trees_of(objects, pair)?;
    let mut changes = trees::changes(objects, before, after)?;
    renames::detect(objects, &mut changes, interrupted)?;
    let mut size = Size::default();
    for change in &changes {
        let (added, deleted) = lines_of(objects, lines, change)?;
        size.files = size.files.saturating_add(1);
        size.lines_added = size.lines_added.saturating_add(added);
        size.lines_deleted = size.lines_deleted.saturating_add(deleted);
    }
    Some(size)
}

/// Lines added and deleted by one change.
fn lines_of(objects: &mut Objects, lines: &mut Lines, change: &Change) -> Option<(u32, u32)> {
    if let (Some(old), Some(new)) = (&change.old, &change.new)
        && old.id == new.id
    {
        return Some((0, 0));
    }
    let old = match &change.old {
        Some(old) => objects.content(old)?.text(),
        None => Some(objects::empty()),
    };
    let new = match &change.new {
        Some(new) => objects.content(new)?.text(),
        None => Some(objects::empty()),
    };
    let (Some(old), Some(new)) = (old, new) else {
        return Some((0, 0));
    };
    Some(lines.compare(&old, &new))
}

#[cfg(test)]
mod tests;
