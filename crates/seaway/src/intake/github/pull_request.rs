//! Pull requests, their reviews and their commits.

use super::{Moment, Repository, Text, User, parse};
use crate::intake::Reader;
use crate::intake::commits::Told;
use crate::intake::payload::Gathered;
use crate::ledger::Recorded;
use seaway_core::delivery::facts::{
    Commit, Earliest, Entity, Fact, Latest, Parents, PullRequest, REVIEWS_MAX, Review, Verdict,
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    pull_request: Pull<'a>,
    #[serde(borrow)]
    review: Option<Said<'a>>,
    #[serde(borrow, default)]
    commits: Vec<Listed<'a>>,
    #[serde(borrow)]
    repository: Repository<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pull<'a> {
    #[serde(borrow)]
    number: Text<'a>,
    #[serde(borrow)]
    title: Text<'a>,
    #[serde(borrow)]
    html_url: Text<'a>,
    #[serde(borrow)]
    state: Text<'a>,
    #[serde(borrow)]
    user: Option<User<'a>>,
    created_at: Moment,
    updated_at: Moment,
    closed_at: Moment,
    merged_at: Moment,
    /// Not told by all forms.
    merged: Option<bool>,
    #[serde(borrow)]
    merge_commit_sha: Text<'a>,
    #[serde(borrow)]
    head: Option<End<'a>>,
    #[serde(borrow)]
    base: Option<End<'a>>,
    /// Lines. Lists of pull requests and events of reviews do not tell them.
    #[serde(borrow)]
    additions: Text<'a>,
    #[serde(borrow)]
    deletions: Text<'a>,
}

/// One end of a pull request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct End<'a> {
    #[serde(borrow, rename = "ref")]
    reference: Text<'a>,
    #[serde(borrow)]
    sha: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    state: Text<'a>,
    submitted_at: Moment,
    #[serde(borrow)]
    user: Option<User<'a>>,
}

/// A commit of a pull request, as the REST API lists it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Listed<'a> {
    #[serde(borrow)]
    sha: Text<'a>,
    #[serde(borrow)]
    commit: Option<GitCommit<'a>>,
    #[serde(borrow)]
    parents: Vec<Parent<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GitCommit<'a> {
    #[serde(borrow)]
    author: Option<Signature<'a>>,
    #[serde(borrow)]
    committer: Option<Signature<'a>>,
    #[serde(borrow)]
    message: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Signature<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    email: Text<'a>,
    date: Moment,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Parent<'a> {
    #[serde(borrow)]
    sha: Text<'a>,
}

/// A pull request, whatever happened to it: its body always tells all of it.
pub(super) fn pull_request(reader: &Reader<'_>, recorded: &Recorded) -> Result<Vec<Fact>, String> {
    let event: Event<'_> = parse(recorded)?;
    let mut gathered = Gathered::new(reader, recorded, event.repository.name()?);
    let known = event.pull_request.known(&gathered)?;
    gathered.say(Entity::PullRequest(known));
    Ok(gathered.facts)
}

/// A review that was submitted, edited or dismissed, and the pull request that it is of.
pub(super) fn review(reader: &Reader<'_>, recorded: &Recorded) -> Result<Vec<Fact>, String> {
    let event: Event<'_> = parse(recorded)?;
    let mut gathered = Gathered::new(reader, recorded, event.repository.name()?);
    let mut known = event.pull_request.known(&gathered)?;
    let review = event.review.ok_or("it has no review")?;
    let by_author = match (&review.user, &event.pull_request.user) {
        (Some(reviewer), Some(author)) => reviewer.is(author),
        _ => false,
    };
    let told = (review.id.name(), gathered.at(review.submitted_at), review.verdict());
    if let (false, (Some(id), Some(at), Some(verdict))) = (by_author, told) {
        let by = review.user.as_ref().and_then(|user| user.login.line());
        known.reviews.insert(id, Review { at, verdict, by });
    }
    gathered.say(Entity::PullRequest(known));
    Ok(gathered.facts)
}

/// The commits of a pull request's own branch, as the REST API lists them.
pub(super) fn commits(reader: &Reader<'_>, recorded: &Recorded) -> Result<Vec<Fact>, String> {
    let event: Event<'_> = parse(recorded)?;
    let mut gathered = Gathered::new(reader, recorded, event.repository.name()?);
    let mut known = event.pull_request.known(&gathered)?;
    for listed in &event.commits {
        let Some(hash) = listed.sha.hash() else { continue };
        known.commits.insert(hash.clone());
        let Some(commit) = &listed.commit else { continue };
        let author = commit.author.as_ref();
        let authored_at = author.and_then(|author| gathered.at(author.date));
        let earliest = known.authored_at.0.into_iter().chain(authored_at).min();
        known.authored_at = Earliest(earliest);
        let told = Told {
            name: author.map_or("", |author| author.name.as_str()),
            email: author.map_or("", |author| author.email.as_str()),
            authored_at,
            committed_at: commit.committer.as_ref().and_then(|it| gathered.at(it.date)),
            message: commit.message.as_str(),
            parents: listed.parents(),
        };
        let detail = Some(told.describe(reader.patterns));
        gathered.say(Entity::Commit(Commit { hash, detail, ..Commit::default() }));
    }
    // As merging does: what one event tells of is kept like what several do.
    while known.commits.len() > REVIEWS_MAX {
        known.commits.pop_last();
    }
    gathered.say(Entity::PullRequest(known));
    Ok(gathered.facts)
}

impl Listed<'_> {
    fn parents(&self) -> Parents {
        let parents: Option<Vec<String>> = self.parents.iter().map(|it| it.sha.hash()).collect();
        match parents {
            // Every commit of a pull request has a parent: a list without any was left out.
            Some(parents) if !parents.is_empty() => Parents::Exact(parents),
            _ => Parents::Unknown,
        }
    }
}

impl Pull<'_> {
    fn known(&self, gathered: &Gathered<'_>) -> Result<PullRequest, String> {
        let number = self.number.name().ok_or("its pull request has no number")?;
        let at = self.updated_at;
        let author = self.user.as_ref();
        let lines = self.additions.count().zip(self.deletions.count());
        let mut known = PullRequest {
            number,
            opened_at: Earliest(gathered.at(self.created_at)),
            head: gathered.latest(at, self.head.as_ref().and_then(|it| it.sha.hash())),
            branch: gathered.latest(at, self.head.as_ref().and_then(|it| it.reference.name())),
            base: gathered.latest(at, self.base.as_ref().and_then(|it| it.reference.name())),
            title: gathered.latest(at, self.title.line()),
            author: gathered.latest(at, author.and_then(|author| author.login.line())),
            url: gathered.latest(at, self.html_url.link()),
            lines: gathered.latest(at, lines.map(|(added, deleted)| added + deleted)),
            bot: author.is_some_and(User::is_bot),
            ..PullRequest::default()
        };
        self.tell_end(gathered, &mut known);
        Ok(known)
    }

    /// How it ended, if it did. `merge_commit_sha` is a trial merge while the pull request is open,
    /// and stays when it is closed without being merged, so it says nothing by itself.
    fn tell_end(&self, gathered: &Gathered<'_>, known: &mut PullRequest) {
        let merged_at = gathered.at(self.merged_at).filter(|_| self.merged != Some(false));
        if let Some(merged_at) = merged_at {
            known.merged_at = Earliest::from(merged_at);
            if let Some(commit) = self.merge_commit_sha.hash() {
                known.merge_commit = Latest::at(merged_at, commit);
            }
        } else if self.state.as_str() == "closed" && self.merged != Some(true) {
            known.abandoned_at = Earliest(gathered.at(self.closed_at));
        }
    }
}

impl Said<'_> {
    /// `None` for what is not submitted yet, or not known.
    fn verdict(&self) -> Option<Verdict> {
        match self.state.as_str().to_ascii_lowercase().as_str() {
            "approved" => Some(Verdict::Approved),
            "changes_requested" => Some(Verdict::ChangesRequested),
            "commented" => Some(Verdict::Commented),
            "dismissed" => Some(Verdict::Dismissed),
            _ => None,
        }
    }
}
