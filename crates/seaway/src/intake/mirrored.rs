//! What was read from a mirror, as events: the log alone is the truth, and a rebuild needs no
//! repository.
//!
//! They are `commit.pushed` events as anyone may send them. Commits come without a branch, as the
//! mirror does not know when they were pushed; where the default branch points to is an event of
//! its own.

use super::webhook::fingerprint;
use crate::git::mirror::Told;
use crate::ledger::Event;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

const KIND: &str = "dev.cdeventsx.seaway-commit.pushed.0.1.0";

/// A commit in the form of the event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Commit<'a> {
    hash: &'a str,
    parents: &'a [String],
    authored_at: String,
    committed_at: String,
    author: Author<'a>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    paths: Option<&'a [String]>,
}

#[derive(Serialize)]
struct Author<'a> {
    name: &'a str,
    email: &'a str,
}

/// The event that tells commits, as they were read at a moment (Unix microseconds). What is read
/// again makes an event of the same name.
pub(crate) fn commits(repository: &str, told: &[Told], at: i64) -> Event {
    let commits: Vec<Commit<'_>> = told.iter().map(commit).collect();
    let content = json!({ "repository": repository, "commits": commits });
    let id = format!("commits-{}", fingerprint(content.to_string().as_bytes()));
    let subject = told.last().map_or(repository, |commit| &commit.hash);
    event(repository, id, subject, &content, at)
}

/// The event that tells where the default branch pointed to at a moment (Unix microseconds).
pub(crate) fn default_branch(repository: &str, branch: &str, tip: &str, at: i64) -> Event {
    let content = json!({
        "repository": repository, "branch": branch, "default": true, "after": tip,
        "pushedAt": time(at), "commits": [],
    });
    let id = format!("branch-{}", fingerprint(content.to_string().as_bytes()));
    event(repository, id, tip, &content, at)
}

fn event(
    repository: &str,
    id: String,
    subject: &str,
    content: &serde_json::Value,
    at: i64,
) -> Event {
    let source = format!("seaway/mirrors/{repository}");
    let data = json!({
        "context": {
            "specversion": "0.5.1", "id": id, "source": source, "type": KIND,
            "timestamp": time(at),
        },
        "subject": { "id": subject, "content": content },
    });
    Event {
        source,
        id,
        kind: KIND.to_owned(),
        subject: Some(subject.to_owned()),
        time: Some(at),
        content_type: "application/json".to_owned(),
        extensions: BTreeMap::new(),
        data: data.to_string().into(),
    }
}

fn commit(told: &Told) -> Commit<'_> {
    Commit {
        hash: &told.hash,
        parents: &told.parents,
        authored_at: time(told.authored.saturating_mul(1_000_000)),
        committed_at: time(told.committed.saturating_mul(1_000_000)),
        author: Author { name: &told.name, email: &told.email },
        message: &told.message,
        paths: told.paths.as_deref(),
    }
}

/// A moment (Unix microseconds). One that cannot be written is told as the first of 1970, as git
/// does, which nobody believes.
fn time(at: i64) -> String {
    Timestamp::from_microsecond(at).unwrap_or_default().to_string()
}
