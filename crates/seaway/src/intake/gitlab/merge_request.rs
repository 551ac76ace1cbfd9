//! Merge requests, their approvals, and what is said about them.

use super::{Moment, Project, Text, User, parse};
use crate::intake::Reader;
use crate::intake::payload::Gathered;
use crate::ledger::Recorded;
use seaway_core::delivery::facts::{Earliest, Entity, Fact, Latest, PullRequest, Review, Verdict};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    object_attributes: Merge<'a>,
    #[serde(borrow)]
    user: Option<User<'a>>,
    #[serde(borrow)]
    project: Project<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Merge<'a> {
    #[serde(borrow)]
    iid: Text<'a>,
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(borrow)]
    title: Text<'a>,
    #[serde(borrow)]
    url: Text<'a>,
    #[serde(borrow)]
    author_id: Text<'a>,
    #[serde(borrow)]
    source_branch: Text<'a>,
    #[serde(borrow)]
    target_branch: Text<'a>,
    #[serde(borrow)]
    merge_commit_sha: Text<'a>,
    #[serde(borrow)]
    squash_commit_sha: Text<'a>,
    #[serde(borrow)]
    last_commit: Option<LastCommit<'a>>,
    created_at: Moment,
    updated_at: Moment,
    merged_at: Moment,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LastCommit<'a> {
    #[serde(borrow)]
    id: Text<'a>,
}

/// A merge request, whatever happened to it: its body always tells all of it.
pub(super) fn merge_request(reader: &Reader<'_>, recorded: &Recorded) -> Result<Vec<Fact>, String> {
    let event: Event<'_> = parse(recorded)?;
    let mut gathered = Gathered::new(reader, recorded, event.project.name()?);
    let merge = &event.object_attributes;
    let mut known = merge.known(&gathered)?;
    if let Some(user) = &event.user {
        merge.tell_user(user, &gathered, &mut known);
    }
    gathered.say(Entity::PullRequest(known));
    Ok(gathered.facts)
}

impl Merge<'_> {
    /// Old versions of GitLab told the number in the URL only.
    fn number(&self) -> Option<String> {
        let from_url = || {
            let (_, number) = self.url.as_str().rsplit_once("/merge_requests/")?;
            let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            (is_number && number.len() <= 20).then(|| number.to_owned())
        };
        self.iid.name().or_else(from_url)
    }

    fn head(&self) -> Option<String> {
        self.last_commit.as_ref()?.id.hash()
    }

    fn known(&self, gathered: &Gathered<'_>) -> Result<PullRequest, String> {
        let at = self.updated_at;
        let mut known = PullRequest {
            number: self.number().ok_or("its merge request has no number")?,
            opened_at: Earliest(gathered.at(self.created_at)),
            head: gathered.latest(at, self.head()),
            branch: gathered.latest(at, self.source_branch.name()),
            base: gathered.latest(at, self.target_branch.name()),
            title: gathered.latest(at, self.title.line()),
            url: gathered.latest(at, self.url.link()),
            ..PullRequest::default()
        };
        match self.action.as_str() {
            "merge" => self.tell_merged(gathered, &mut known),
            "close" => known.abandoned_at = Earliest(gathered.at(at)),
            _ => {}
        }
        Ok(known)
    }

    /// Only the event of the merge itself tells when it was: later ones carry a later `updated_at`.
    /// Merged without a merge commit, its own newest commit is what reached the base branch.
    fn tell_merged(&self, gathered: &Gathered<'_>, known: &mut PullRequest) {
        let merged_at = gathered.at(self.merged_at).or(gathered.at(self.updated_at));
        known.merged_at = Earliest(merged_at);
        let commit = self.merge_commit_sha.hash().or_else(|| self.squash_commit_sha.hash());
        if let (Some(at), Some(commit)) = (merged_at, commit.or_else(|| self.head())) {
            known.merge_commit = Latest::at(at, commit);
        }
    }

    /// What the event tells of the user who brought it about. The author of a merge request is
    /// told by number, so their name is known when they do something themselves.
    fn tell_user(&self, user: &User<'_>, gathered: &Gathered<'_>, known: &mut PullRequest) {
        let id = user.id.name();
        if id.is_some() && id == self.author_id.name() {
            known.author = gathered.latest(self.updated_at, user.username.line());
            known.bot = user.is_bot();
            return;
        }
        let verdict = match self.action.as_str() {
            "approved" | "approval" => Verdict::Approved,
            "unapproved" | "unapproval" => Verdict::Dismissed,
            _ => return,
        };
        // One approval by one person of one state of the branch: who takes it back and approves
        // what is pushed then has approved.
        let of = self.head().unwrap_or_default();
        if let (Some(id), Some(at)) = (id, gathered.at(self.updated_at)) {
            known.reviews.insert(
                format!("approval {id} {of}"),
                Review { at, verdict, by: user.username.line() },
            );
        }
    }
}

#[derive(Debug, Deserialize)]
struct NoteEvent<'a> {
    #[serde(borrow)]
    object_attributes: Note<'a>,
    #[serde(borrow)]
    merge_request: Option<Merge<'a>>,
    #[serde(borrow)]
    user: Option<User<'a>>,
    #[serde(borrow)]
    project: Project<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Note<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    author_id: Text<'a>,
    created_at: Moment,
    system: Option<bool>,
}

/// A note on a merge request by someone other than its author is a review: GitLab has no other
/// event for one that neither approves nor refuses. Notes on other things tell nothing.
pub(super) fn note(reader: &Reader<'_>, recorded: &Recorded) -> Result<Vec<Fact>, String> {
    let event: NoteEvent<'_> = parse(recorded)?;
    let mut gathered = Gathered::new(reader, recorded, event.project.name()?);
    let Some(merge) = &event.merge_request else { return Ok(gathered.facts) };
    let note = &event.object_attributes;
    let mut known = merge.known(&gathered)?;
    let is_own = note.author_id == merge.author_id;
    let is_bot = event.user.as_ref().is_some_and(User::is_bot);
    if let (false, Some(id), Some(at)) = (
        is_own || is_bot || note.system == Some(true),
        note.id.name(),
        gathered.at(note.created_at),
    ) {
        let by = event.user.as_ref().and_then(|user| user.username.line());
        let review = Review { at, verdict: Verdict::Commented, by };
        known.reviews.insert(format!("note {id}"), review);
    }
    gathered.say(Entity::PullRequest(known));
    Ok(gathered.facts)
}
