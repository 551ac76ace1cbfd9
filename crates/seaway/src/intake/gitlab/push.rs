//! What is pushed.

use super::{Project, Text, parse};
use crate::intake::Reader;
use crate::intake::payload::{Gathered, Moment};
use crate::intake::push::{Pushed, PushedCommit};
use crate::ledger::Recorded;
use seaway_core::delivery::facts::Fact;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Push<'a> {
    #[serde(borrow, default, rename = "ref")]
    reference: Text<'a>,
    #[serde(borrow, default)]
    before: Text<'a>,
    #[serde(borrow, default)]
    after: Text<'a>,
    #[serde(borrow, default)]
    commits: Vec<PushedCommit<'a>>,
    #[serde(default)]
    total_commits_count: u64,
    #[serde(borrow)]
    project: Project<'a>,
}

/// A push to a branch; a branch that is deleted tells of no work.
///
/// GitLab does not say when it was pushed: the branch is taken to point there since its newest
/// commit was made, and a push without commits says nothing of the branch. Nor does it say whether
/// a push was forced. It lists the newest 20 commits and counts the others.
pub(super) fn push(reader: &Reader<'_>, recorded: &Recorded) -> Result<Vec<Fact>, String> {
    let push: Push<'_> = parse(recorded)?;
    let mut gathered = Gathered::new(reader, recorded, push.project.name()?);
    let (Some(branch), Some(after)) = (push.reference.branch(), push.after.hash()) else {
        return Ok(gathered.facts);
    };
    let newest = push.commits.iter().find(|commit| commit.is(&after));
    let at = newest.map_or(Moment(None), PushedCommit::timestamp);
    gathered.say_repository(at, &push.project.default_branch, &push.project.git_http_url);
    Pushed {
        default: push.project.default_branch.as_str() == branch,
        branch,
        before: push.before.hash(),
        after,
        at,
        whole: push.total_commits_count <= push.commits.len() as u64,
        commits: &push.commits,
        forced: false,
    }
    .tell(&mut gathered);
    Ok(gathered.facts)
}
