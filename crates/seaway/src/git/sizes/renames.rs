//! Which deleted files live on as added ones.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use gix::ObjectId;

use super::objects::{Content, Objects};
use super::trees::{Change, Entry};

/// Likeness at which two files are one, in units of [`SAME`]: git's 50 %.
const LIKE: u64 = SAME / 2;
/// Likeness asked of two files of the one name that only they have: halfway up to being the same.
const LIKE_BY_NAME: u64 = LIKE + (SAME - LIKE) / 2;
/// Likeness of equal files.
const SAME: u64 = 60_000;
/// No search among more than the square of this many combinations: git's `diff.renameLimit`.
const LIMIT: usize = 1000;
/// How many candidates each added file keeps.
const CANDIDATES: usize = 4;

/// Turns pairs of a deletion and an addition into one change, as `git diff -M` does: first equal
/// files, then alike files whose name is the same and unique, then the most alike.
///
/// `None` if a file cannot be read or the work was interrupted.
pub(super) fn detect(
    objects: &mut Objects,
    changes: &mut Vec<Change>,
    interrupted: &AtomicBool,
) -> Option<()> {
    let mut search = Search::new(changes);
    if search.olds.is_empty() || search.news.is_empty() {
        return Some(());
    }
    search.equal();
    search.by_name(objects)?;
    search.most_alike(objects, interrupted)?;
    let found = search.found;
    for &(old, new) in &found {
        let entry = changes.get_mut(old).and_then(|change| change.old.take());
        if let Some(change) = changes.get_mut(new) {
            change.old = entry;
        }
    }
    changes.retain(|change| change.old.is_some() || change.new.is_some());
    Some(())
}

/// A file that may have got a new name, or may be one.
struct File {
    /// Its place among the changes.
    change: usize,
    entry: Entry,
    length: Option<u64>,
    print: Option<Rc<Fingerprint>>,
}

/// What is still to be paired, and what was.
struct Search {
    olds: Vec<File>,
    news: Vec<File>,
    found: Vec<(usize, usize)>,
}

impl Search {
    fn new(changes: &[Change]) -> Self {
        let (mut olds, mut news) = (Vec::new(), Vec::new());
        for (place, change) in changes.iter().enumerate() {
            let file = |entry: &Entry| File {
                change: place,
                entry: entry.clone(),
                length: None,
                print: None,
            };
            match (&change.old, &change.new) {
                (Some(old), None) => olds.push(file(old)),
                (None, Some(new)) => news.push(file(new)),
                _ => {}
            }
        }
        Self { olds, news, found: Vec::new() }
    }

    /// Takes the pairs, by index in `olds` and `news`, out of what is left.
    fn settle(&mut self, pairs: &[(usize, usize)]) {
        let (mut old_gone, mut new_gone) =
            (vec![false; self.olds.len()], vec![false; self.news.len()]);
        for &(old, new) in pairs {
            if let (Some(one), Some(two)) = (self.olds.get(old), self.news.get(new)) {
                self.found.push((one.change, two.change));
            }
            old_gone.iter_mut().skip(old).take(1).for_each(|gone| *gone = true);
            new_gone.iter_mut().skip(new).take(1).for_each(|gone| *gone = true);
        }
        let mut gone = old_gone.into_iter();
        self.olds.retain(|_| !gone.next().unwrap_or(false));
        let mut gone = new_gone.into_iter();
        self.news.retain(|_| !gone.next().unwrap_or(false));
    }

    /// Pairs equal files, those of the same name first.
    fn equal(&mut self) {
        let mut by_id: HashMap<ObjectId, Vec<usize>> = HashMap::new();
        for (place, old) in self.olds.iter().enumerate() {
            by_id.entry(old.entry.id).or_default().push(place);
        }
        let mut pairs = Vec::new();
        for (place, new) in self.news.iter().enumerate() {
            let Some(olds) = by_id.get_mut(&new.entry.id) else { continue };
            // What is no plain file must be of the same sort.
            let fits = |old: &Entry| {
                old.mode == new.entry.mode || old.mode.is_regular() && new.entry.mode.is_regular()
            };
            let entry = |old: &usize| self.olds.get(*old).map(|file| &file.entry);
            let named = olds.iter().position(|old| {
                entry(old).is_some_and(|old| fits(old) && old.name == new.entry.name)
            });
            let best = named.or_else(|| olds.iter().position(|old| entry(old).is_some_and(fits)));
            if let Some(best) = best {
                pairs.push((olds.remove(best), place));
            }
        }
        self.settle(&pairs);
    }

    /// Pairs alike files whose last part of the path is the same and unique on both sides.
    fn by_name(&mut self, objects: &mut Objects) -> Option<()> {
        let (olds, news) = (unique_names(&self.olds), unique_names(&self.news));
        let mut shared: Vec<(usize, usize)> =
            olds.iter().filter_map(|(name, &old)| Some((old?, (*news.get(name)?)?))).collect();
        shared.sort_unstable();
        let mut pairs = Vec::new();
        for (old, new) in shared {
            if self.likeness(objects, old, new)? >= LIKE_BY_NAME {
                pairs.push((old, new));
            }
        }
        self.settle(&pairs);
        Some(())
    }

    /// Pairs what is left by likeness, the most alike first.
    fn most_alike(&mut self, objects: &mut Objects, interrupted: &AtomicBool) -> Option<()> {
        if self.olds.len().saturating_mul(self.news.len()) > LIMIT * LIMIT {
            return Some(());
        }
        let mut candidates = Vec::new();
        for new in 0..self.news.len() {
            if interrupted.load(Ordering::Relaxed) {
                return None;
            }
            let mut best = Vec::new();
            for old in 0..self.olds.len() {
                let likeness = self.likeness(objects, old, new)?;
                if likeness >= LIKE {
                    best.push((likeness, self.same_name(old, new), old, new));
                }
            }
            // Stable: among equals the first in the tree stays first.
            best.sort_by_key(|&(likeness, named, ..)| std::cmp::Reverse((likeness, named)));
            candidates.extend(best.into_iter().take(CANDIDATES));
            self.news.iter_mut().skip(new).take(1).for_each(|file| file.print = None);
        }
        candidates.sort_by_key(|&(likeness, named, ..)| std::cmp::Reverse((likeness, named)));
        let (mut old_used, mut new_used) =
            (vec![false; self.olds.len()], vec![false; self.news.len()]);
        let mut pairs = Vec::new();
        for (_, _, old, new) in candidates {
            if let (Some(one), Some(two)) = (old_used.get_mut(old), new_used.get_mut(new))
                && !*one
                && !*two
            {
                (*one, *two) = (true, true);
                pairs.push((old, new));
            }
        }
        self.settle(&pairs);
        Some(())
    }

    fn same_name(&self, old: usize, new: usize) -> bool {
        let name = |file: Option<&File>| file.map(|file| file.entry.name.clone());
        name(self.olds.get(old)) == name(self.news.get(new))
    }

    /// How alike an old and a new file are: the share of the larger one's bytes that are in
    /// chunks both have, in units of [`SAME`].
    fn likeness(&mut self, objects: &mut Objects, old: usize, new: usize) -> Option<u64> {
        let (old, new) = (self.olds.get_mut(old)?, self.news.get_mut(new)?);
        if !old.entry.mode.is_regular() || !new.entry.mode.is_regular() {
            return Some(0);
        }
        let (one, two) = (old.length(objects)?, new.length(objects)?);
        let larger = one.max(two);
        // Files of such different lengths cannot be alike; an empty file is like no other.
        if larger == 0 || larger * (SAME - LIKE) < one.abs_diff(two) * SAME {
            return Some(0);
        }
        let (one, two) = (old.print(objects)?, new.print(objects)?);
        Some(one.shared(&two) * SAME / larger)
    }
}

/// Names that one file alone has, with its place; `None` in place of it where several have it.
fn unique_names(files: &[File]) -> HashMap<Box<[u8]>, Option<usize>> {
    let mut names = HashMap::new();
    for (place, file) in files.iter().enumerate() {
        names.entry(file.entry.name.clone()).and_modify(|at| *at = None).or_insert(Some(place));
    }
    names
}

impl File {
    fn length(&mut self, objects: &mut Objects) -> Option<u64> {
        if self.length.is_none() {
            self.length = objects.length(&self.entry.id);
        }
        self.length
    }

    fn print(&mut self, objects: &mut Objects) -> Option<Rc<Fingerprint>> {
        if self.print.is_none() {
            self.print = Some(Rc::new(Fingerprint::of(objects, &self.entry)?));
        }
        self.print.clone()
    }
}

/// The chunks of a file: lines, or 64 bytes of a longer one. Sorted, each with the bytes it covers
/// in all.
struct Fingerprint(Vec<(u32, u32)>);

impl Fingerprint {
    fn of(objects: &mut Objects, entry: &Entry) -> Option<Self> {
        let content = objects.content(entry)?;
        let is_text = matches!(content, Content::Text(_));
        let bytes = match content {
            Content::Text(bytes) => bytes,
            Content::Binary if objects.is_big(&entry.id)? => return Some(Self(Vec::new())),
            Content::Binary => objects.bytes(&entry.id)?,
        };
        let mut chunks = Vec::new();
        let mut rest = &*bytes;
        while !rest.is_empty() {
            let (chunk, after) = cut(rest, is_text);
            chunks.push(chunk);
            rest = after;
        }
        chunks.sort_unstable();
        chunks.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = kept.1.saturating_add(next.1);
            }
            same
        });
        Some(Self(chunks))
    }

    /// Bytes in chunks that both have.
    fn shared(&self, other: &Self) -> u64 {
        let mut total = 0;
        let mut others = other.0.iter().peekable();
        for &(chunk, bytes) in &self.0 {
            while others.next_if(|other| other.0 < chunk).is_some() {}
            if let Some(&(_, more)) = others.next_if(|other| other.0 == chunk) {
                total += u64::from(bytes.min(more));
            }
        }
        total
    }
}

/// Chunks fall into so many classes. Not more: git has as many, and what is unlike but falls into
/// the same class makes large files seem some percent more alike.
const CLASSES: u64 = 107_927;

/// Takes the first chunk off: its class, its length, and what follows it. A carriage return at the
/// end of a text's line does not count.
fn cut(bytes: &[u8], is_text: bool) -> ((u32, u32), &[u8]) {
    let mut hash = 0_u64;
    let mut length = 0;
    let mut taken = 0;
    for (place, &byte) in bytes.iter().enumerate() {
        taken = place + 1;
        if is_text && byte == b'\r' && bytes.get(taken) == Some(&b'\n') {
            continue;
        }
        hash = (hash.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x517c_c1b7_2722_0a95);
        length += 1;
        if length == 64 || byte == b'\n' {
            break;
        }
    }
    let class = ((hash >> 16) % CLASSES) as u32;
    ((class, length), bytes.get(taken..).unwrap_or(&[]))
}
