//! `commit.pushed`: commits that came onto a branch.

use super::{Telling, fact, hash, key, lines, repository};
use crate::intake::commits::Told;
use crate::intake::text::Text;
use seaway_core::delivery::facts::{
    Branch, Commit, Entity, Fact, Latest, PATHS_MAX, Parents, Repository, Scope,
};
use serde::Deserialize;

/// Commits of one event.
const COMMITS_MAX: usize = 10_000;
/// Parents of one commit. Real histories have some with 66.
const PARENTS_MAX: usize = 1_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pushed<'a> {
    #[serde(borrow)]
    repository: Text<'a>,
    #[serde(borrow, default)]
    branch: Option<Text<'a>>,
    #[serde(default)]
    default: bool,
    #[serde(borrow, default)]
    before: Option<Text<'a>>,
    #[serde(borrow, default)]
    after: Option<Text<'a>>,
    #[serde(borrow, default)]
    pushed_at: Option<Text<'a>>,
    #[serde(borrow)]
    commits: Vec<PushedCommit<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PushedCommit<'a> {
    #[serde(borrow)]
    hash: Text<'a>,
    #[serde(borrow, default)]
    parents: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    authored_at: Text<'a>,
    #[serde(borrow, default)]
    committed_at: Option<Text<'a>>,
    #[serde(borrow)]
    author: Author<'a>,
    #[serde(borrow)]
    message: Text<'a>,
    #[serde(borrow, default)]
    paths: Option<Vec<Text<'a>>>,
    #[serde(default)]
    lines_added: Option<u32>,
    #[serde(default)]
    lines_deleted: Option<u32>,
}

#[derive(Deserialize)]
struct Author<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    email: Text<'a>,
}

/// The facts of a push: its commits, where its branch points to now, the default branch. Without a
/// branch it tells commits and nothing else.
pub(super) fn facts(telling: &Telling<'_>) -> Result<Vec<Fact>, String> {
    let push: Pushed<'_> = telling.content()?;
    if push.commits.len() > COMMITS_MAX {
        return Err(format!("it has more than {COMMITS_MAX} commits: send them in several events"));
    }
    let scope = Scope::Repository(repository("repository", &push.repository)?);
    let before = end("before", push.before.as_ref())?;
    let mut commits = commits(telling, &push.commits, before.as_ref())?;
    let mut facts = Vec::with_capacity(commits.len() + 2);
    if let Some(branch) = &push.branch {
        let branch = key("branch", branch)?;
        let branch = branch.strip_prefix("refs/heads/").unwrap_or(&branch).to_owned();
        facts = of_branch(telling, &push, &scope, branch, before, &mut commits)?;
    }
    facts.extend(commits.into_iter().map(|it| fact(scope.clone(), Entity::Commit(it))));
    Ok(facts)
}

/// What the push says of its branch; the newest commit hears what it was pushed onto.
fn of_branch(
    telling: &Telling<'_>,
    push: &Pushed<'_>,
    scope: &Scope,
    branch: String,
    before: Option<String>,
    commits: &mut Vec<Commit>,
) -> Result<Vec<Fact>, String> {
    let moment = telling.time("pushedAt", push.pushed_at.as_ref())?.unwrap_or(telling.moment);
    let after = end("after", push.after.as_ref())?;
    let newest = after.or_else(|| commits.last().map(|commit| commit.hash.clone()));
    let mut facts = Vec::with_capacity(commits.len() + 2);
    if let Some(newest) = newest {
        match commits.iter_mut().find(|commit| commit.hash == newest) {
            Some(commit) => commit.pushed_onto = before,
            // It is named and not described: what was pushed is still known to lie below it.
            None => {
                let hash = newest.clone();
                commits.push(Commit { hash, pushed_onto: before, ..Commit::default() });
            }
        }
        let tip = Branch { name: branch.clone(), tip: Latest::at(moment, newest) };
        facts.push(fact(scope.clone(), Entity::Branch(tip)));
    }
    if push.default {
        let default_branch = Latest::at(moment, branch);
        let repository = Repository { default_branch, ..Repository::default() };
        facts.push(fact(scope.clone(), Entity::Repository(repository)));
    }
    Ok(facts)
}

/// The commits, which stand in the order of the push, oldest first.
fn commits(
    telling: &Telling<'_>,
    pushed: &[PushedCommit<'_>],
    before: Option<&String>,
) -> Result<Vec<Commit>, String> {
    let mut commits: Vec<Commit> = Vec::with_capacity(pushed.len());
    for (index, commit) in pushed.iter().enumerate() {
        let place = |name: &str| format!("commits[{index}].{name}");
        let own = hash(&place("hash"), &commit.hash)?;
        let parents = match &commit.parents {
            Some(parents) if parents.len() > PARENTS_MAX => {
                return Err(format!("{} are more than {PARENTS_MAX}", place("parents")));
            }
            Some(parents) => {
                let hashes = parents.iter().map(|it| hash(&place("parents"), it));
                Parents::Exact(hashes.collect::<Result<_, _>>()?)
            }
            None => match commits.last().map(|commit| &commit.hash).or(before) {
                Some(parent) => Parents::Assumed(vec![parent.clone()]),
                None => Parents::Unknown,
            },
        };
        let told = Told {
            name: commit.author.name.as_str(),
            email: commit.author.email.as_str(),
            authored_at: telling.time(&place("authoredAt"), Some(&commit.authored_at))?,
            committed_at: telling.time(&place("committedAt"), commit.committed_at.as_ref())?,
            message: commit.message.as_str(),
            parents,
        };
        let detail = Some(told.describe(telling.reader.patterns));
        let paths = commit.paths.as_deref().and_then(paths);
        let lines = lines(commit.lines_added, commit.lines_deleted);
        commits.push(Commit { hash: own, detail, pushed_onto: None, paths, lines });
    }
    Ok(commits)
}

/// Paths that a commit touches; `None` (which stands for all) where they are too many or too long.
fn paths(told: &[Text<'_>]) -> Option<Vec<String>> {
    if told.len() > PATHS_MAX {
        return None;
    }
    let mut paths: Vec<String> = told
        .iter()
        .map(|path| (path.as_str().len() <= super::KEY_BYTES_MAX).then(|| path.0.to_string()))
        .collect::<Option<_>>()?;
    paths.sort_unstable();
    paths.dedup();
    Some(paths)
}

/// The commit at one end of a push. Zeros stand for none: the branch is new, or is gone.
fn end(name: &str, text: Option<&Text<'_>>) -> Result<Option<String>, String> {
    let zeros = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte == b'0');
    text.filter(|text| !zeros(text.as_str())).map(|text| hash(name, text)).transpose()
}
