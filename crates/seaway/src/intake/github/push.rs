//! What is pushed, and the repository itself.

use super::{Moment, Repository, Text, parse};
use crate::intake::Reader;
use crate::intake::payload::Gathered;
use crate::intake::push::{Pushed, PushedCommit};
use crate::ledger::Recorded;
use seaway_core::delivery::facts::Fact;
use serde::Deserialize;

/// Commits that GitHub lists in a push; of longer ones it lists the newest.
const COMMITS_MAX: usize = 2_048;

#[derive(Debug, Deserialize)]
struct Push<'a> {
    #[serde(borrow, default, rename = "ref")]
    reference: Text<'a>,
    #[serde(borrow, default)]
    before: Text<'a>,
    #[serde(borrow, default)]
    after: Text<'a>,
    #[serde(default)]
    forced: bool,
    #[serde(borrow, default)]
    commits: Vec<PushedCommit<'a>>,
    #[serde(borrow)]
    repository: Repository<'a>,
}

/// A push to a branch. Tags, and branches that are deleted, tell of no work.
pub(super) fn push(reader: &Reader<'_>, recorded: &Recorded) -> Result<Vec<Fact>, String> {
    let push: Push<'_> = parse(recorded)?;
    let mut gathered = Gathered::new(reader, recorded, push.repository.name()?);
    push.repository.tell(&mut gathered);
    let (Some(branch), Some(after)) = (push.reference.branch(), push.after.hash()) else {
        return Ok(gathered.facts);
    };
    let newest = push.commits.iter().find(|commit| commit.is(&after));
    let pushed_at = match push.repository.pushed_at {
        Moment(None) => newest.map_or(Moment(None), PushedCommit::timestamp),
        told => told,
    };
    Pushed {
        default: push.repository.default_branch.as_str() == branch,
        branch,
        before: push.before.hash(),
        after,
        at: pushed_at,
        whole: push.commits.len() < COMMITS_MAX,
        commits: &push.commits,
        forced: push.forced,
    }
    .tell(&mut gathered);
    Ok(gathered.facts)
}

#[derive(Debug, Deserialize)]
struct Changed<'a> {
    #[serde(borrow)]
    repository: Repository<'a>,
}

/// A repository that was made, edited or renamed.
pub(super) fn repository(reader: &Reader<'_>, recorded: &Recorded) -> Result<Vec<Fact>, String> {
    let changed: Changed<'_> = parse(recorded)?;
    let mut gathered = Gathered::new(reader, recorded, changed.repository.name()?);
    changed.repository.tell(&mut gathered);
    Ok(gathered.facts)
}

impl Repository<'_> {
    /// Says what it is, as it was when it was last touched.
    fn tell(&self, gathered: &mut Gathered<'_>) {
        let at = self.pushed_at.max(self.updated_at);
        gathered.say_repository(at, &self.default_branch, &self.clone_url);
    }
}
