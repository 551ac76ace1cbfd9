//! Commits pushed to a branch, whatever the forge.

use super::commits::Told;
use super::payload::{Gathered, Moment, Text, paths};
use seaway_core::delivery::facts::{Branch, Commit, Entity, Parents};
use serde::Deserialize;

/// A commit as both forges tell it in a push.
///
/// `timestamp` is the committer time on GitLab; GitHub does not document which it is. It is taken
/// for both: without access to the repository nothing tells more, and with access the commit as
/// git has it counts, whole.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PushedCommit<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    message: Text<'a>,
    timestamp: Moment,
    #[serde(borrow)]
    author: Option<Author<'a>>,
    #[serde(borrow)]
    added: Vec<Text<'a>>,
    #[serde(borrow)]
    removed: Vec<Text<'a>>,
    #[serde(borrow)]
    modified: Vec<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Author<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    email: Text<'a>,
}

/// A push to a branch.
pub(super) struct Pushed<'p, 'a> {
    pub(super) branch: String,
    /// What the branch pointed to before; `None` where it is new.
    pub(super) before: Option<String>,
    pub(super) after: String,
    /// When it was pushed; nothing where the forge does not say so.
    pub(super) at: Moment,
    /// Oldest first.
    pub(super) commits: &'p [PushedCommit<'a>],
    /// Whether `commits` are all that the push brought, on top of `before`.
    pub(super) whole: bool,
    /// Whether `before` was thrown away.
    pub(super) forced: bool,
    /// Whether it is the default branch.
    pub(super) default: bool,
}

impl Pushed<'_, '_> {
    /// Says what it tells of commits and of the branch.
    ///
    /// A push names its commits in order and not their parents: each is assumed to be made on the
    /// one before it in the list, and the first on what the branch pointed to. Nothing is assumed
    /// of the first commit of a new branch, of a forced push, and of a list that is cut.
    pub(super) fn tell(self, gathered: &mut Gathered<'_>) {
        let mut below = self.before.clone().filter(|_| self.whole && !self.forced);
        let onto = self.before.filter(|_| self.default && !self.forced);
        let mut is_head_told = false;
        for commit in self.commits {
            let Some(hash) = commit.id.hash() else {
                below = None;
                continue;
            };
            let is_head = hash == self.after;
            is_head_told |= is_head;
            let parents = match below.replace(hash.clone()) {
                Some(parent) if parent != hash => Parents::Assumed(vec![parent]),
                _ => Parents::Unknown,
            };
            let told = commit.told(gathered, hash, parents);
            let pushed_onto = onto.clone().filter(|onto| is_head && *onto != self.after);
            gathered.say(Entity::Commit(Commit { pushed_onto, ..told }));
        }
        if !is_head_told {
            let pushed_onto = onto.filter(|onto| *onto != self.after);
            let hash = self.after.clone();
            gathered.say(Entity::Commit(Commit { hash, pushed_onto, ..Commit::default() }));
        }
        let tip = gathered.latest(self.at, Some(self.after));
        if !tip.is_none() {
            gathered.say(Entity::Branch(Branch { name: self.branch, tip }));
        }
    }
}

impl PushedCommit<'_> {
    /// When it was made.
    pub(super) fn timestamp(&self) -> Moment {
        self.timestamp
    }

    pub(super) fn is(&self, hash: &str) -> bool {
        self.id.as_str().eq_ignore_ascii_case(hash)
    }

    fn told(&self, gathered: &Gathered<'_>, hash: String, parents: Parents) -> Commit {
        let author = self.author.as_ref();
        let at = gathered.at(self.timestamp);
        let told = Told {
            name: author.map_or("", |author| author.name.as_str()),
            email: author.map_or("", |author| author.email.as_str()),
            authored_at: at,
            committed_at: at,
            message: self.message.as_str(),
            parents,
        };
        Commit {
            hash,
            detail: Some(told.describe(gathered.reader.patterns)),
            pushed_onto: None,
            lines: None,
            paths: paths([&self.added, &self.removed, &self.modified]),
        }
    }
}
