//! Mirrors: repositories that a server reads again and again, and what is new in them.

use super::clone::{clone_or_update_quietly, is_url};
use super::commit::{AuthorPatterns, PICK, REVERT, split_time};
use super::sizes::{Pair, Paths};
use super::{Error, Id, Repository};
use gix::bstr::ByteSlice;
use gix::objs::{Find, Kind};
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of the first paragraph of a message that are told.
const SUBJECT_BYTES_MAX: usize = 56 * 1024;
/// Bytes of the rest of a message that are told as they are; of a longer one, only lines that may
/// say something to a reader are.
const BODY_BYTES_MAX: usize = 2 * 1024;
/// Bytes of such lines together, and of one of them.
const LINES_BYTES_MAX: usize = 4 * 1024;
const LINE_BYTES_MAX: usize = 256;
/// Parents of a commit that are told.
const PARENTS_MAX: usize = 1_000;
/// Bytes of a name and of an address that are told.
const NAME_BYTES_MAX: usize = 1_000;

/// A repository that is read where it stands, or by way of a bare copy.
#[derive(Debug, Clone)]
pub(crate) struct Mirror {
    source: String,
    copy: Option<PathBuf>,
}

/// A commit as it is told to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) hash: String,
    /// First parent first.
    pub(crate) parents: Vec<String>,
    /// Unix seconds, plausible or not.
    pub(crate) authored: i64,
    /// Unix seconds, plausible or not.
    pub(crate) committed: i64,
    pub(crate) name: String,
    pub(crate) email: String,
    /// The first paragraph, and what of the rest may say something.
    pub(crate) message: String,
    /// The paths that it touches, if they were asked for and are not too many. A merge touches
    /// none: it carries no work of its own.
    pub(crate) paths: Option<Vec<String>>,
}

impl Mirror {
    /// A mirror of a path, which is read where it stands, or of a URL, which is copied to `copy`.
    pub(crate) fn of(source: &str, copy: &Path) -> Self {
        let copy = is_url(source).then(|| copy.to_owned());
        Self { source: source.to_owned(), copy }
    }

    /// Brings it up to date and opens it.
    pub(crate) fn update(&self, interrupted: &'static AtomicBool) -> Result<Repository, Error> {
        let Some(copy) = &self.copy else { return Repository::open(Path::new(&self.source)) };
        clone_or_update_quietly(&self.source, copy, interrupted)?;
        Repository::open(copy)
    }

    /// Takes away what a process that died has left in the copy: locks, which would keep others
    /// from writing, and half of what was fetched.
    pub(crate) fn tidy(&self) {
        let Some(copy) = &self.copy else { return };
        remove_half_made(copy);
        let mut folders = vec![copy.clone()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for entry in entries.flatten() {
                let (name, path) = (entry.file_name(), entry.path());
                let name = name.to_string_lossy();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                } else if name.ends_with(".lock") || name.starts_with("tmp_") {
                    let _ = std::fs::remove_file(path);
                }
            }
        }
    }

    /// Throws the copy away, so that the next update makes it anew: it is damaged.
    pub(crate) fn forget(&self) {
        if let Some(copy) = &self.copy {
            let _ = std::fs::remove_dir_all(copy);
        }
    }
}

/// Takes away the folders beside a copy in which others began to make it.
fn remove_half_made(copy: &Path) {
    let name = copy.file_name().unwrap_or_default().to_string_lossy();
    let beside = copy.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    for entry in beside.into_iter().flatten().flatten() {
        let other = entry.file_name();
        let other = other.to_string_lossy();
        if other.starts_with(&format!(".{name}.")) && other.ends_with(".tmp") {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// A commit on the way down from the tips, the newest first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Queued {
    committed: i64,
    id: Id,
    parents: Vec<Id>,
}

/// What is known of a commit while the walk goes on.
struct Seen {
    is_read: bool,
    is_queued: bool,
}

/// The commits that `tips` contain and `read` do not, oldest first as far as their times tell.
///
/// Where times contradict the order of the commits, some that `read` contain may be among them. Of
/// `read`, what is not in the repository any more is passed over.
///
/// # Errors
/// When a commit is missing or cannot be read, or on interruption.
pub(crate) fn new_commits(
    repository: &Repository,
    tips: &[Id],
    read: &[Id],
    interrupted: &AtomicBool,
) -> Result<Vec<Id>, Error> {
    let mut walk = Walk {
        repository,
        handle: repository.for_thread(),
        buffer: Vec::new(),
        seen: HashMap::new(),
        queue: BinaryHeap::new(),
        open: 0,
    };
    for &id in read {
        if walk.handle.find_header(id).is_ok() {
            walk.meet(id, true)?;
        }
    }
    for &id in tips {
        walk.meet(id, false)?;
    }
    let mut found = Vec::new();
    while walk.open > 0 {
        if interrupted.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let Some(Queued { id, parents, .. }) = walk.queue.pop() else { break };
        let is_read = walk.take(id);
        if !is_read {
            found.push(id);
        }
        for parent in parents {
            walk.meet(parent, is_read)?;
        }
    }
    found.retain(|id| !walk.seen.get(id).is_some_and(|seen| seen.is_read));
    found.reverse();
    Ok(found)
}

struct Walk<'a> {
    repository: &'a Repository,
    handle: gix::Repository,
    buffer: Vec<u8>,
    seen: HashMap<Id, Seen>,
    queue: BinaryHeap<Queued>,
    /// Commits in the queue that were not read before.
    open: usize,
}

impl Walk<'_> {
    /// Takes a commit out of the queue, and tells whether it was read before.
    fn take(&mut self, id: Id) -> bool {
        let Some(seen) = self.seen.get_mut(&id) else { return true };
        if std::mem::replace(&mut seen.is_queued, false) && !seen.is_read {
            self.open -= 1;
        }
        seen.is_read
    }

    /// Comes to a commit from one of its children or as a tip.
    fn meet(&mut self, id: Id, is_read: bool) -> Result<(), Error> {
        match self.seen.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(Seen { is_read, is_queued: true });
                self.open += usize::from(!is_read);
            }
            Entry::Occupied(mut entry) => {
                let seen = entry.get_mut();
                if !is_read || seen.is_read {
                    return Ok(());
                }
                seen.is_read = true;
                if seen.is_queued {
                    self.open -= 1;
                    return Ok(());
                }
                // Its parents have to be told as well.
                seen.is_queued = true;
            }
        }
        let raw = read(self.repository, &self.handle, id, &mut self.buffer)?;
        self.queue.push(Queued { committed: raw.committed, id, parents: raw.parents });
        Ok(())
    }
}

/// Reads commits to tell them to others.
pub(crate) struct Teller<'a> {
    repository: &'a Repository,
    handle: gix::Repository,
    patterns: &'a AuthorPatterns,
    buffer: Vec<u8>,
    paths: Option<(Paths, usize)>,
}

impl<'a> Teller<'a> {
    /// One that tells of each commit the paths that it touches, if they are not more than
    /// `paths_max`; none where it is `None`.
    pub(crate) fn new(
        repository: &'a Repository,
        patterns: &'a AuthorPatterns,
        paths_max: Option<usize>,
    ) -> Self {
        Self {
            repository,
            handle: repository.for_thread(),
            patterns,
            buffer: Vec::new(),
            paths: paths_max.map(|most| (Paths::new(&repository.inner), most)),
        }
    }

    /// Tells one.
    pub(crate) fn tell(&mut self, id: Id) -> Result<Told, Error> {
        let raw = read(self.repository, &self.handle, id, &mut self.buffer)?;
        let (name, email) = split_author(raw.author);
        let paths = self.paths.as_mut().and_then(|(paths, most)| match raw.parents[..] {
            [_, _, ..] => Some(Vec::new()),
            _ => {
                let pair = Pair { before: raw.parents.first().copied(), after: id };
                paths.of(&pair, *most)
            }
        });
        let text = |path: Vec<u8>| String::from_utf8_lossy(&path).into_owned();
        Ok(Told {
            hash: id.to_string(),
            parents: raw.parents.iter().take(PARENTS_MAX).map(ToString::to_string).collect(),
            authored: raw.authored,
            committed: raw.committed,
            name,
            email,
            message: message(raw.message, self.patterns),
            paths: paths.map(|paths| paths.into_iter().map(text).collect()),
        })
    }
}

/// A commit object, taken apart as `CommitReader` does.
struct Raw<'a> {
    parents: Vec<Id>,
    /// `Name <email>`
    author: &'a [u8],
    authored: i64,
    committed: i64,
    message: &'a [u8],
}

fn read<'b>(
    repository: &Repository,
    handle: &gix::Repository,
    id: Id,
    buffer: &'b mut Vec<u8>,
) -> Result<Raw<'b>, Error> {
    let unreadable = |reason: String| Error::Unreadable { id, reason };
    let found = handle.objects.try_find(&id, buffer);
    let object =
        found.map_err(|error| unreadable(error.to_string()))?.ok_or(Error::Missing { id })?;
    if object.kind != Kind::Commit {
        return Err(unreadable(format!("it is a {}", object.kind)));
    }
    let mut raw = take_apart(object.data)
        .ok_or_else(|| unreadable("it is not a well-formed commit".to_owned()))?;
    if repository.shallow.contains(&id) {
        raw.parents.clear();
    }
    if let Some(parents) = repository.grafts.get(&id) {
        raw.parents.clone_from(parents);
    }
    Ok(raw)
}

fn take_apart(data: &[u8]) -> Option<Raw<'_>> {
    let (headers, message) = match data.find(b"\n\n") {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (data, &data[data.len()..]),
    };
    let mut lines = headers.split_str(b"\n").peekable();
    lines.next().filter(|line| line.starts_with(b"tree "))?;
    let mut parents = Vec::new();
    while let Some(hex) = lines.peek().and_then(|line| line.strip_prefix(b"parent ")) {
        parents.push(Id::from_hex(hex).ok()?);
        lines.next();
    }
    let (author, authored) = split_time(lines.next()?.strip_prefix(b"author ")?);
    let committer = lines.find_map(|line| line.strip_prefix(b"committer "));
    let committed = committer.map_or(i64::MIN, |line| split_time(line).1);
    Some(Raw { parents, author, authored, committed, message })
}

/// Splits `Name <email>`.
fn split_author(author: &[u8]) -> (String, String) {
    let (name, email) = author.split_once_str(b"<").unwrap_or((author, b""));
    let text = |bytes: &[u8]| {
        let bytes = &bytes[..bytes.len().min(NAME_BYTES_MAX)];
        String::from_utf8_lossy(bytes).trim().to_owned()
    };
    (text(name), text(email.strip_suffix(b">").unwrap_or(email)))
}

/// What is told of a message: enough to read its subject, marks and links as in the repository.
fn message(message: &[u8], patterns: &AuthorPatterns) -> String {
    let message = message.trim_ascii_start();
    let end = message.find(b"\n\n").unwrap_or(message.len());
    let (subject, body) = message.split_at(end);
    let subject = &subject[..subject.len().min(SUBJECT_BYTES_MAX)];
    let mut told = String::from_utf8_lossy(subject).into_owned();
    if body.len() <= BODY_BYTES_MAX {
        told.push_str(&String::from_utf8_lossy(body));
        return told;
    }
    let mut rest = String::new();
    for line in body.split_str(b"\n").filter(|line| may_say_something(line, patterns)) {
        let line = String::from_utf8_lossy(&line[..line.len().min(LINE_BYTES_MAX)]);
        if rest.len() + line.len() > LINES_BYTES_MAX {
            break;
        }
        rest.push('\n');
        rest.push_str(&line);
    }
    if !rest.is_empty() {
        told.push('\n');
        told.push_str(&rest);
    }
    told
}

/// Whether a line names another commit, or looks like a trailer or a sign of assistance.
fn may_say_something(line: &[u8], patterns: &AuthorPatterns) -> bool {
    let is_key = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let key = line.iter().take(64).take_while(|byte| is_key(byte)).count();
    let is_trailer = key > 0 && line.get(key) == Some(&b':');
    let starts = |start: &String| !start.is_empty() && line.starts_with(start.as_bytes());
    is_trailer
        || line.starts_with(PICK)
        || line.starts_with(REVERT)
        || patterns.assisted_lines.iter().any(starts)
}
