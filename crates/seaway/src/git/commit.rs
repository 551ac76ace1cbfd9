//! Reading one commit object: tolerant of everything that git itself tolerates.

use gix::ObjectId;
use gix::bstr::ByteSlice;
use regex::bytes::RegexSet;
use seaway_core::delivery::history::{Commit, Marks};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The longest subject that is kept, in bytes; the rest of a longer one is cut off.
pub(crate) const SUBJECT_BYTES_MAX: usize = 240;

/// Patterns that tell bots and AI assistance, compiled from the configuration.
#[derive(Debug, Clone)]
pub(crate) struct AuthorPatterns {
    /// Match `Name <email>` of a bot.
    pub(crate) bots: RegexSet,
    /// Match `Name <email>` of an AI assistant.
    pub(crate) assistants: RegexSet,
    /// Keys of trailers whose value may name an assistant, in lower case.
    pub(crate) co_author_keys: Vec<String>,
    /// Keys of trailers that by themselves say that a commit is assisted, in lower case.
    pub(crate) assisted_keys: Vec<String>,
    /// Beginnings of lines that by themselves say so.
    pub(crate) assisted_lines: Vec<String>,
}

/// A commit that another one names in its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LinkKind {
    /// `(cherry picked from commit …)`
    Pick,
    /// `This reverts commit …`
    Revert,
}

/// Reads commits; keeps buffers and what was found out about authors.
pub(crate) struct CommitReader<'a> {
    patterns: &'a AuthorPatterns,
    authors: HashMap<Vec<u8>, Marks>,
    /// The first bytes that a line of interest can have, lower case.
    first_bytes: [bool; 256],
    hex_len: usize,
    /// Parents of the commit read last.
    pub(crate) parents: Vec<ObjectId>,
    /// Subject of the commit read last: raw bytes of its first paragraph on one line, cut.
    pub(crate) subject: Vec<u8>,
    /// Commits that the commit read last names: hexadecimal, 7 digits or more.
    pub(crate) links: Vec<(LinkKind, Vec<u8>)>,
}

/// A commit object that lacks what git requires of every commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a well-formed commit")]
pub(crate) struct Malformed;

pub(super) const PICK: &[u8] = b"(cherry picked from commit ";
pub(super) const REVERT: &[u8] = b"This reverts commit ";

impl<'a> CommitReader<'a> {
    pub(crate) fn new(patterns: &'a AuthorPatterns, hash: gix::hash::Kind) -> Self {
        let mut first_bytes = [false; 256];
        let keys = patterns.co_author_keys.iter().chain(&patterns.assisted_keys);
        let texts = keys.chain(&patterns.assisted_lines).map(|text| text.as_bytes());
        for text in texts.chain([PICK, REVERT]) {
            if let Some(first) = text.first() {
                first_bytes[first.to_ascii_lowercase() as usize] = true;
                first_bytes[first.to_ascii_uppercase() as usize] = true;
            }
        }
        Self {
            patterns,
            authors: HashMap::new(),
            first_bytes,
            hex_len: hash.len_in_hex(),
            parents: Vec::new(),
            subject: Vec::new(),
            links: Vec::new(),
        }
    }

    /// A reader of commits that an event tells, whatever hash their repository uses.
    pub(crate) fn of_events(patterns: &'a AuthorPatterns) -> Self {
        Self::new(patterns, gix::hash::Kind::longest())
    }

    /// Reads the body of a commit object.
    ///
    /// Headers are told apart as git does: `tree`, parents, `author`, `committer`, in this order,
    /// then anything up to an empty line. A time that is not a number reads as [`i64::MIN`], which
    /// no one takes for a plausible one.
    pub(crate) fn read(&mut self, data: &[u8]) -> Result<Commit, Malformed> {
        self.parents.clear();
        self.links.clear();
        let (headers, message) = match data.find(b"\n\n") {
            Some(end) => (&data[..end], &data[end + 2..]),
            None => (data, &data[data.len()..]),
        };
        let mut lines = headers.split_str(b"\n").peekable();
        lines.next().filter(|line| line.starts_with(b"tree ")).ok_or(Malformed)?;
        while let Some(hex) = lines.peek().and_then(|line| line.strip_prefix(b"parent ")) {
            self.parents.push(ObjectId::from_hex(hex).map_err(|_| Malformed)?);
            lines.next();
        }
        let author = lines.next().and_then(|line| line.strip_prefix(b"author "));
        let (author, authored) = split_time(author.ok_or(Malformed)?);
        let committer = lines.find_map(|line| line.strip_prefix(b"committer "));
        let committed = committer.map_or(i64::MIN, |line| split_time(line).1);

        let mut marks = self.marks_of(author);
        let body = self.take_subject(message);
        self.scan(body, &mut marks);

        let mut work = DefaultHasher::new();
        (author, authored).hash(&mut work);
        message[..message.len() - body.len()].trim_ascii().hash(&mut work);
        Ok(Commit { authored, committed, work: work.finish(), marks })
    }

    /// Keeps the first paragraph as the subject and returns what comes after it.
    fn take_subject<'m>(&mut self, message: &'m [u8]) -> &'m [u8] {
        let message = message.trim_ascii_start();
        let end = message.find(b"\n\n").unwrap_or(message.len());
        self.subject.clear();
        for line in message[..end].split_str(b"\n") {
            if self.subject.len() >= SUBJECT_BYTES_MAX {
                break;
            }
            if !self.subject.is_empty() {
                self.subject.push(b' ');
            }
            let line = line.trim_ascii();
            self.subject.extend_from_slice(&line[..line.len().min(SUBJECT_BYTES_MAX)]);
        }
        self.subject.truncate(SUBJECT_BYTES_MAX);
        &message[end..]
    }

    /// Looks for links and trailers in the lines after the subject.
    fn scan(&mut self, body: &[u8], marks: &mut Marks) {
        for line in body.split_str(b"\n") {
            let Some(&first) = line.first() else { continue };
            if !self.first_bytes[first as usize] {
                continue;
            }
            if let Some(rest) = line.strip_prefix(PICK) {
                self.link(LinkKind::Pick, rest);
            } else if let Some(rest) = line.strip_prefix(REVERT) {
                marks.0 |= Marks::REVERT;
                self.link(LinkKind::Revert, rest);
            } else if !marks.has(Marks::ASSISTED) && self.says_assisted(line) {
                marks.0 |= Marks::ASSISTED;
            }
        }
    }

    fn link(&mut self, kind: LinkKind, rest: &[u8]) {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if (7..=self.hex_len).contains(&digits) {
            self.links.push((kind, rest[..digits].to_ascii_lowercase()));
        }
    }

    fn says_assisted(&self, line: &[u8]) -> bool {
        let patterns = self.patterns;
        if patterns.assisted_lines.iter().any(|start| line.starts_with(start.as_bytes())) {
            return true;
        }
        let Some(colon) = line.iter().take(64).position(|&byte| byte == b':') else {
            return false;
        };
        let (key, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let is = |known: &String| key.eq_ignore_ascii_case(known.as_bytes());
        let is_assisted_key = patterns.assisted_keys.iter().any(is) && !value.is_empty();
        is_assisted_key
            || (patterns.co_author_keys.iter().any(is) && patterns.assistants.is_match(value))
    }

    fn marks_of(&mut self, author: &[u8]) -> Marks {
        if let Some(&marks) = self.authors.get(author) {
            return marks;
        }
        let mut marks = Marks::default();
        if self.patterns.bots.is_match(author) {
            marks.0 |= Marks::BOT;
        }
        if self.patterns.assistants.is_match(author) {
            marks.0 |= Marks::ASSISTED;
        }
        self.authors.insert(author.to_vec(), marks);
        marks
    }
}

/// Splits `Name <email> 1234567890 +0100` into the identity and the time.
///
/// As git does, the time is what follows the last `>`; anything else reads as [`i64::MIN`].
pub(crate) fn split_time(line: &[u8]) -> (&[u8], i64) {
    let Some(end) = line.iter().rposition(|&byte| byte == b'>') else {
        return (line, i64::MIN);
    };
    let time = line[end + 1..].trim_ascii_start();
    let digits = time.iter().position(|byte| byte.is_ascii_whitespace()).unwrap_or(time.len());
    let time = std::str::from_utf8(&time[..digits]).ok().and_then(|text| text.parse().ok());
    (&line[..=end], time.unwrap_or(i64::MIN))
}
