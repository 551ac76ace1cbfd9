//! Which names the files of commits mention, and how their number changes from commit to commit.

use super::objects::Objects;
use super::trees::{self, Entry};
use super::{Interrupted, Pair, spread, trees_of};
use gix::{ObjectId, ThreadSafeRepository};
use seaway_core::flags::mentions::Keys;
use seaway_core::paths::Globs;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

/// Files whose mentions one thread keeps: most are looked at twice, as the new and as the old one.
const KEPT_FILES: usize = 200_000;
/// Bytes of a line that are shown around a mention.
const LINE_BYTES_MAX: usize = 400;

/// What is looked for, and where it is not.
pub(crate) struct Wanted<'a> {
    pub(crate) keys: &'a Keys,
    /// Files and folders that are passed over.
    pub(crate) except: &'a Globs,
}

/// Where a key is mentioned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which key, by its number.
    pub(crate) key: u32,
    pub(crate) path: Vec<u8>,
    /// From 1.
    pub(crate) line: u32,
    /// The line, or a part of it around the mention.
    pub(crate) text: Vec<u8>,
}

/// By how much the mentions of keys became more or fewer: only those that did, by key.
pub(crate) type Difference = Arc<[(u32, i64)]>;

/// The places of a commit that mention a key, by path, then line: at most so many of each key, and
/// how many there are of each.
///
/// `None`: a folder or a file cannot be read.
pub(crate) fn places(
    repo: &ThreadSafeRepository,
    commit: ObjectId,
    wanted: &Wanted<'_>,
    most: usize,
) -> Option<(Vec<Place>, HashMap<u32, usize>)> {
    let mut objects = Objects::new(repo);
    let tree = objects.tree_of(&commit)?;
    let (mut places, mut counts) = (Vec::new(), HashMap::new());
    for (path, _, new) in trees::files(&mut objects, None, tree, wanted.except)? {
        let Some(text) = text_of(&mut objects, new.as_ref())? else { continue };
        let (mut line, mut counted) = (1, 0);
        let mut found: Vec<_> = wanted.keys.find(&text).collect();
        found.sort_unstable();
        for mention in found {
            let before = text.get(counted..mention.start).unwrap_or_default();
            line += u32::try_from(gix::bstr::ByteSlice::find_iter(before, b"\n").count())
                .unwrap_or(u32::MAX);
            counted = counted.max(mention.start);
            let count = counts.entry(mention.key).or_insert(0);
            *count += 1;
            if *count <= most {
                let text = line_around(&text, mention.start, mention.end);
                places.push(Place { key: mention.key, path: path.clone(), line, text });
            }
        }
    }
    Some((places, counts))
}

/// The line that a mention is on, cut on both sides where it is long.
fn line_around(text: &[u8], start: usize, end: usize) -> Vec<u8> {
    let (before, after) = (text.get(..start).unwrap_or_default(), text.get(end..));
    let begin = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let after = after.unwrap_or_default();
    let close = end + after.iter().position(|&byte| byte == b'\n').unwrap_or(after.len());
    let begin = begin.max(start.saturating_sub(LINE_BYTES_MAX / 2));
    let close = close.min(end.saturating_add(LINE_BYTES_MAX / 2));
    text.get(begin..close).unwrap_or_default().to_vec()
}

/// For every pair, the keys that it mentions more often or less often than before, in the order
/// given; otherwise as [`super::measure`].
pub(crate) fn differences(
    repo: &ThreadSafeRepository,
    pairs: &[Pair],
    wanted: &Wanted<'_>,
    threads: usize,
    done: &AtomicUsize,
    interrupted: &AtomicBool,
) -> Result<Vec<Option<Difference>>, Interrupted> {
    let work = || {
        let mut objects = Objects::new(repo);
        let mut kept = HashMap::new();
        move |pair: &Pair| {
            let (before, after) = trees_of(&mut objects, pair)?;
            let mut sums: HashMap<u32, i64> = HashMap::new();
            for (_, old, new) in trees::files(&mut objects, before, after, wanted.except)? {
                for (side, sign) in [(old, -1), (new, 1)] {
                    let counts = counts_of(&mut objects, &mut kept, side.as_ref(), wanted.keys)?;
                    for &(key, count) in counts.iter() {
                        *sums.entry(key).or_default() += sign * count;
                    }
                }
            }
            let mut sums: Vec<_> = sums.into_iter().filter(|(_, sum)| *sum != 0).collect();
            sums.sort_unstable();
            Some(Difference::from(sums))
        }
    };
    spread(pairs, threads, done, interrupted, work)
}

/// How often a file mentions each key.
fn counts_of(
    objects: &mut Objects,
    kept: &mut HashMap<ObjectId, Difference>,
    file: Option<&Entry>,
    keys: &Keys,
) -> Option<Difference> {
    let Some(file) = file else { return Some(Difference::default()) };
    if let Some(counts) = kept.get(&file.id) {
        return Some(Arc::clone(counts));
    }
    let mut counts: HashMap<u32, i64> = HashMap::new();
    if let Some(text) = text_of(objects, Some(file))? {
        for mention in keys.find(&text) {
            *counts.entry(mention.key).or_default() += 1;
        }
    }
    let counts: Difference = counts.into_iter().collect();
    if kept.len() >= KEPT_FILES {
        kept.clear();
    }
    kept.insert(file.id, Arc::clone(&counts));
    Some(counts)
}

/// The text of a plain file; the inner `None` stands for what is none.
fn text_of(objects: &mut Objects, file: Option<&Entry>) -> Option<Option<std::rc::Rc<[u8]>>> {
    match file.filter(|file| file.mode.is_regular()) {
        Some(file) => Some(objects.content(file)?.text()),
        None => Some(None),
    }
}
