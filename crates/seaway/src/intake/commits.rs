//! Describing commits that were told by an event, as `measure` describes those that it reads.

use crate::git::commit::{AuthorPatterns, CommitReader, LinkKind};
use crate::pages::words;
use seaway_core::delivery::facts::{CommitDetail, Parents};
use seaway_core::delivery::history::Marks;

/// Characters of an author and of a subject that are kept.
pub(super) const TEXT_CHARS_MAX: usize = 200;
/// Bytes of a message that are looked at.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// A commit as an event tells it.
pub(super) struct Told<'a> {
    pub(super) name: &'a str,
    pub(super) email: &'a str,
    /// Unix seconds; `None` where it is not known or not plausible.
    pub(super) authored_at: Option<i64>,
    /// Unix seconds; `None` where it is not known or not plausible.
    pub(super) committed_at: Option<i64>,
    pub(super) message: &'a str,
    pub(super) parents: Parents,
}

impl Told<'_> {
    /// Describes it: bots, AI assistance, reverts and picks are told as in a repository.
    pub(super) fn describe(self, patterns: &AuthorPatterns) -> CommitDetail {
        let one_line = |text: &str| text.replace(['\n', '\r', '<', '>'], " ");
        let author = format!("{} <{}>", one_line(self.name), one_line(self.email));
        let mut end = self.message.len().min(MESSAGE_BYTES_MAX);
        while !self.message.is_char_boundary(end) {
            end -= 1;
        }
        let time = self.authored_at.unwrap_or(0);
        let object = format!(
            "tree \nauthor {author} {time} +0000\ncommitter {author} {time} +0000\n\n{}",
            &self.message[..end]
        );
        let mut reader = CommitReader::of_events(patterns);
        let read = reader.read(object.as_bytes()).ok();
        let marks = read.map_or(Marks::default(), |commit| commit.marks);
        let hex = |kind: LinkKind| {
            let links = reader.links.iter().filter(move |(of, _)| *of == kind);
            links.map(|(_, hex)| String::from_utf8_lossy(hex).into_owned()).collect()
        };
        CommitDetail {
            parents: self.parents,
            authored_at: self.authored_at,
            committed_at: self.committed_at,
            author: words::clean(&author, TEXT_CHARS_MAX),
            subject: words::clean(&String::from_utf8_lossy(&reader.subject), TEXT_CHARS_MAX),
            work: read.map_or(0, |commit| commit.work),
            bot: marks.has(Marks::BOT),
            assisted: marks.has(Marks::ASSISTED),
            revert: marks.has(Marks::REVERT),
            reverts: hex(LinkKind::Revert),
            picks: hex(LinkKind::Pick),
        }
    }
}
