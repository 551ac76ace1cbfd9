//! What differs between two trees.

use std::cmp::Ordering;

use gix::ObjectId;
use seaway_core::paths::Globs;

use super::objects::{Objects, empty};

/// Folders within folders that are followed; a deeper tree counts as one that cannot be read, so
/// that a hostile one does not use up the stack.
const DEEPEST: usize = 1000;

/// The mode of an entry, brought to the few values that git tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mode(u32);

impl Mode {
    const FOLDER: Mode = Mode(0o40000);
    const LINK: Mode = Mode(0o120_000);
    pub(super) const SUBMODULE: Mode = Mode(0o160_000);

    /// From the octal digits of a tree.
    fn parse(digits: &[u8]) -> Option<Mode> {
        if digits.is_empty() || digits.len() > 7 {
            return None;
        }
        let mut value = 0;
        for &digit in digits {
            value = value * 8 + u32::from(digit.checked_sub(b'0').filter(|&digit| digit < 8)?);
        }
        Some(match value & 0o170_000 {
            0o40000 => Mode::FOLDER,
            0o120_000 => Mode::LINK,
            0o100_000 if value & 0o100 == 0 => Mode(0o100_644),
            0o100_000 => Mode(0o100_755),
            _ => Mode::SUBMODULE,
        })
    }

    /// Whether it is a plain file, executable or not.
    pub(super) fn is_regular(self) -> bool {
        self.0 & 0o170_000 == 0o100_000
    }
}

/// One side of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mode: Mode,
    pub(super) id: ObjectId,
    /// The last part of the path: all that finding renames asks for.
    pub(super) name: Box<[u8]>,
}

/// One file that differs: `old` is `None` where it was added, `new` where it was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) old: Option<Entry>,
    pub(super) new: Option<Entry>,
}

/// All files that differ, in the order of the trees, no rename found yet.
pub(super) fn changes(
    objects: &mut Objects,
    before: Option<ObjectId>,
    after: ObjectId,
) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    walk(objects, before, Some(after), 0, &mut |_, difference| {
        if difference.is_folder() {
            return Step::Enter;
        }
        let old = difference.old.map(RawEntry::to_entry);
        let new = difference.new.map(RawEntry::to_entry);
        changes.push(Change { old, new });
        Step::Next
    })?;
    Some(changes)
}

/// Whether any path that differs is matched by `globs`.
pub(super) fn touches(
    objects: &mut Objects,
    before: Option<ObjectId>,
    after: ObjectId,
    globs: &Globs,
) -> Option<bool> {
    let mut path = Vec::new();
    let mut lengths = Vec::new();
    walk(objects, before, Some(after), 0, &mut |depth, difference| {
        lengths.truncate(depth);
        path.truncate(lengths.last().copied().unwrap_or(0));
        path.extend_from_slice(difference.name());
        if difference.is_folder() {
            path.push(b'/');
            lengths.push(path.len());
            return if globs.may_match_under(&path) { Step::Enter } else { Step::Next };
        }
        if globs.matches(&path) { Step::Stop } else { Step::Next }
    })
    .map(|walked| walked == Walked::Stopped)
}

/// The paths that differ, in the order of the trees; `None` if there are more than `most`.
pub(super) fn paths(
    objects: &mut Objects,
    before: Option<ObjectId>,
    after: ObjectId,
    most: usize,
) -> Option<Vec<Vec<u8>>> {
    let mut path = Vec::new();
    let mut lengths = Vec::new();
    let mut paths: Vec<Vec<u8>> = Vec::new();
    let walked = walk(objects, before, Some(after), 0, &mut |depth, difference| {
        lengths.truncate(depth);
        path.truncate(lengths.last().copied().unwrap_or(0));
        path.extend_from_slice(difference.name());
        if difference.is_folder() {
            path.push(b'/');
            lengths.push(path.len());
            return Step::Enter;
        }
        if paths.len() == most {
            return Step::Stop;
        }
        paths.push(path.clone());
        Step::Next
    })?;
    (walked == Walked::ToTheEnd).then_some(paths)
}

/// A file that differs: its path, as it was and as it is.
pub(super) type File = (Vec<u8>, Option<Entry>, Option<Entry>);

/// All files that differ, with their paths, but those that `except` matches, and those in folders
/// that it matches.
pub(super) fn files(
    objects: &mut Objects,
    before: Option<ObjectId>,
    after: ObjectId,
    except: &Globs,
) -> Option<Vec<File>> {
    let (mut path, mut lengths) = (Vec::new(), Vec::new());
    let mut files: Vec<File> = Vec::new();
    walk(objects, before, Some(after), 0, &mut |depth, difference| {
        lengths.truncate(depth);
        path.truncate(lengths.last().copied().unwrap_or(0));
        path.extend_from_slice(difference.name());
        if except.matches(&path) {
            return Step::Next;
        }
        if difference.is_folder() {
            path.push(b'/');
            lengths.push(path.len());
            return Step::Enter;
        }
        let [old, new] = [difference.old, difference.new].map(|it| it.map(RawEntry::to_entry));
        files.push((path.clone(), old, new));
        Step::Next
    })?;
    Some(files)
}

/// What to do after a difference.
enum Step {
    /// Go on, into the folder.
    Enter,
    /// Go on.
    Next,
    /// Look at nothing more.
    Stop,
}

/// How a walk ended.
#[derive(PartialEq, Eq)]
enum Walked {
    ToTheEnd,
    Stopped,
}

/// Two entries of the same name and sort (file or folder) that differ, or one without another.
struct Difference<'a> {
    old: Option<RawEntry<'a>>,
    new: Option<RawEntry<'a>>,
}

impl Difference<'_> {
    fn is_folder(&self) -> bool {
        self.old.or(self.new).is_some_and(|entry| entry.mode == Mode::FOLDER)
    }

    fn name(&self) -> &[u8] {
        self.old.or(self.new).map_or(&[], |entry| entry.name)
    }
}

/// Tells `visit` all that differs between two trees; the number is how deep in folders it is.
fn walk(
    objects: &mut Objects,
    old: Option<ObjectId>,
    new: Option<ObjectId>,
    depth: usize,
    visit: &mut dyn FnMut(usize, &Difference<'_>) -> Step,
) -> Option<Walked> {
    if old == new {
        return Some(Walked::ToTheEnd);
    }
    if depth > DEEPEST {
        return None;
    }
    let width = objects.hash.len_in_bytes();
    let mut read = |id: Option<ObjectId>| match id {
        Some(id) => objects.tree(&id),
        None => Some(empty()),
    };
    let (old_bytes, new_bytes) = (read(old)?, read(new)?);
    let mut olds = Entries { rest: &old_bytes, width };
    let mut news = Entries { rest: &new_bytes, width };
    loop {
        olds.skip_equal(&mut news)?;
        let (old, new) = (olds.peek()?, news.peek()?);
        let order = match (&old, &new) {
            (None, None) => return Some(Walked::ToTheEnd),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.order(new),
        };
        let old = old.filter(|_| order != Ordering::Greater);
        let new = new.filter(|_| order != Ordering::Less);
        olds.pass(old);
        news.pass(new);
        if let (Some(old), Some(new)) = (&old, &new)
            && (old.mode, old.id) == (new.mode, new.id)
        {
            continue;
        }
        match visit(depth, &Difference { old, new }) {
            Step::Next => {}
            Step::Stop => return Some(Walked::Stopped),
            Step::Enter => {
                let (old, new) = (old.map(RawEntry::object), new.map(RawEntry::object));
                if walk(objects, old, new, depth + 1, visit)? == Walked::Stopped {
                    return Some(Walked::Stopped);
                }
            }
        }
    }
}

/// An entry as it stands in a tree.
#[derive(Clone, Copy)]
struct RawEntry<'a> {
    mode: Mode,
    name: &'a [u8],
    id: &'a [u8],
    /// Bytes the entry takes in the tree.
    length: usize,
}

impl RawEntry<'_> {
    /// The order of a tree: a folder sorts as if its name ended with a slash.
    fn order(&self, other: &RawEntry<'_>) -> Ordering {
        let shared = self.name.len().min(other.name.len());
        let end = |entry: &RawEntry<'_>| match entry.name.get(shared) {
            Some(&byte) => byte,
            None if entry.mode == Mode::FOLDER => b'/',
            None => 0,
        };
        let (one, two) = (self.name.get(..shared), other.name.get(..shared));
        one.cmp(&two).then_with(|| end(self).cmp(&end(other)))
    }

    fn object(self) -> ObjectId {
        ObjectId::from_bytes_or_panic(self.id)
    }

    fn to_entry(self) -> Entry {
        Entry { mode: self.mode, id: self.object(), name: Box::from(self.name) }
    }
}

/// The entries of a tree, from the first not yet passed.
struct Entries<'a> {
    rest: &'a [u8],
    /// Bytes in the name of an object.
    width: usize,
}

impl<'a> Entries<'a> {
    /// The next entry; the inner `None` is the end, the outer one damage.
    fn peek(&self) -> Option<Option<RawEntry<'a>>> {
        if self.rest.is_empty() {
            return Some(None);
        }
        let space = self.rest.iter().take(8).position(|&byte| byte == b' ')?;
        let length = entry_length(self.rest, self.width)?;
        Some(Some(RawEntry {
            mode: Mode::parse(self.rest.get(..space)?)?,
            name: self.rest.get(space + 1..length - self.width - 1)?,
            id: self.rest.get(length - self.width..length)?,
            length,
        }))
    }

    fn pass(&mut self, entry: Option<RawEntry<'_>>) {
        let length = entry.map_or(0, |entry| entry.length);
        self.rest = self.rest.get(length..).unwrap_or_default();
    }

    /// Passes the entries that both have: nearly all of them, so only their ends are looked for.
    fn skip_equal(&mut self, other: &mut Entries<'_>) -> Option<()> {
        let shared = shared_prefix(self.rest, other.rest);
        let mut passed = 0;
        while passed < shared {
            let length = entry_length(self.rest.get(passed..)?, self.width)?;
            if passed + length > shared {
                break;
            }
            passed += length;
        }
        self.rest = self.rest.get(passed..)?;
        other.rest = other.rest.get(passed..)?;
        Some(())
    }
}

/// How many bytes the first entry takes: mode, space, name, NUL, object.
fn entry_length(bytes: &[u8], width: usize) -> Option<usize> {
    // No mode and name take fewer than three bytes.
    let end = gix::bstr::ByteSlice::find_byte(bytes.get(3..)?, 0)? + 3;
    let length = end + 1 + width;
    (length <= bytes.len()).then_some(length)
}

/// How many bytes two slices share at their start.
pub(super) fn shared_prefix(one: &[u8], two: &[u8]) -> usize {
    const STEP: usize = 64;
    let steps = one.chunks_exact(STEP).zip(two.chunks_exact(STEP));
    let whole = steps.take_while(|(one, two)| one == two).count() * STEP;
    let (one, two) = (one.get(whole..).unwrap_or(&[]), two.get(whole..).unwrap_or(&[]));
    whole + one.iter().zip(two).take_while(|(one, two)| one == two).count()
}
