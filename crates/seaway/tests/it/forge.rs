//! Stories as forges tell them: webhooks in the shapes of real ones.

use crate::serve_lang::Server;
use serde_json::{Value, json};
use std::path::PathBuf;

/// An hour, in seconds.
pub(crate) const HOUR: i64 = 3_600;

/// The folder of shared data; `None` where it is not here.
pub(crate) fn shared_data() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("SEAWAY_SHARED_DATA").map_or(beside, Into::into);
    let is_there = data.join("github").is_dir();
    let must_be = std::env::var("SEAWAY_REQUIRE").as_deref() == Ok("all");
    assert!(is_there || !must_be, "{} is missing", data.display());
    is_there.then_some(data)
}

/// A moment as forges write it.
pub(crate) fn iso(moment: i64) -> String {
    jiff::Timestamp::from_second(moment).unwrap().to_string()
}

/// The hash of a commit that stands for a number.
pub(crate) fn hash(number: u32) -> String {
    match number {
        0 => "0".repeat(40),
        _ => format!("{:08x}{number:032x}", number.wrapping_mul(2_654_435_761)),
    }
}

/// Puts `patch` over a value: maps are joined, all else is replaced.
fn put_over(value: &mut Value, patch: Value) {
    match (value, patch) {
        (Value::Object(known), Value::Object(patch)) => {
            for (key, value) in patch {
                put_over(known.entry(key).or_insert(Value::Null), value);
            }
        }
        (value, patch) => *value = patch,
    }
}

/// A delivery of a webhook.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) event: &'static str,
    pub(crate) body: Value,
}

/// A repository on a forge, and what it told so far.
pub(crate) struct Forge {
    /// `owner/name`.
    repository: String,
    /// Hour 0 of the story, Unix seconds.
    start: i64,
    pub(crate) told: Vec<Delivery>,
}

impl Forge {
    pub(crate) fn new(repository: &str, start: i64) -> Self {
        Self { repository: repository.to_owned(), start, told: Vec::new() }
    }

    /// The moment of an hour of the story.
    pub(crate) fn at(&self, hour: f64) -> i64 {
        self.start + (hour * HOUR as f64) as i64
    }

    pub(crate) fn iso(&self, hour: f64) -> String {
        iso(self.at(hour))
    }

    /// Tells an event: the real one of a file, if it is here, with what is different.
    pub(crate) fn tell(&mut self, event: &'static str, file: &str, patch: Value) {
        let mut body = json!({});
        if let Some(data) = shared_data() {
            let text = std::fs::read_to_string(data.join(file)).unwrap();
            body = serde_json::from_str(&text).unwrap();
        }
        put_over(&mut body, patch);
        self.told.push(Delivery { event, body });
    }

    fn hub(&self, hour: f64) -> Value {
        let url = format!("https://github.com/{}", self.repository);
        json!({"html_url": url, "clone_url": format!("{url}.git"), "full_name": self.repository,
            "default_branch": "main", "pushed_at": self.at(hour), "updated_at": self.iso(0.0)})
    }

    /// Commits, each with the hour at which it was made, pushed to a branch of GitHub.
    pub(crate) fn push(&mut self, hour: f64, branch: &str, before: u32, commits: &[(u32, f64)]) {
        let commit = |&(number, hour): &(u32, f64)| {
            json!({"id": hash(number), "tree_id": hash(number), "distinct": true,
                "message": format!("Work {number}"), "timestamp": self.iso(hour),
                "author": {"name": "Ada", "email": "ada@example.com"},
                "committer": {"name": "GitHub", "email": "noreply@github.com"},
                "added": [], "removed": [], "modified": [format!("src/{number}.rs")]})
        };
        let listed: Vec<Value> = commits.iter().map(commit).collect();
        let patch = json!({"ref": format!("refs/heads/{branch}"), "before": hash(before),
            "after": hash(commits.last().unwrap().0), "created": before == 0, "deleted": false,
            "forced": false, "commits": listed, "repository": self.hub(hour)});
        self.tell("push", "github/push/04.json", patch);
    }

    fn pull(&self, number: u32, branch: &str, head: u32, opened: f64, updated: f64) -> Value {
        json!({"number": number, "title": format!("Change {number}"), "state": "open",
            "html_url": format!("https://github.com/{}/pull/{number}", self.repository),
            "user": {"login": "ada", "type": "User"}, "created_at": self.iso(opened),
            "updated_at": self.iso(updated), "closed_at": null, "merged_at": null,
            "merge_commit_sha": null, "head": {"ref": branch, "sha": hash(head)},
            "base": {"ref": "main", "sha": hash(1)}})
    }

    /// A pull request of GitHub that was opened.
    pub(crate) fn opened(&mut self, hour: f64, number: u32, branch: &str, head: u32) {
        let mut pull = self.pull(number, branch, head, hour, hour);
        put_over(&mut pull, json!({"merged": false}));
        let patch = json!({"action": "opened", "number": number, "pull_request": pull,
            "repository": self.hub(hour)});
        self.tell("pull_request", "github/pull_request/12.opened.json", patch);
    }

    /// A review of a pull request, by someone else.
    pub(crate) fn reviewed(
        &mut self,
        hour: f64,
        (number, branch, head, opened): (u32, &str, u32, f64),
        id: u32,
        state: &str,
    ) {
        let patch = json!({"action": "submitted",
            "review": {"id": id, "state": state, "submitted_at": self.iso(hour),
                "user": {"login": "grace", "type": "User"}},
            "pull_request": self.pull(number, branch, head, opened, hour),
            "repository": self.hub(hour)});
        self.tell("pull_request_review", "github/pull_request_review/00.submitted.json", patch);
    }

    /// A pull request that was merged as a commit.
    pub(crate) fn merged(
        &mut self,
        hour: f64,
        (number, branch, head, opened): (u32, &str, u32, f64),
        commit: u32,
    ) {
        let mut pull = self.pull(number, branch, head, opened, hour);
        put_over(
            &mut pull,
            json!({"state": "closed", "merged": true,
            "closed_at": self.iso(hour), "merged_at": self.iso(hour),
            "merge_commit_sha": hash(commit)}),
        );
        let patch = json!({"action": "closed", "number": number, "pull_request": pull,
            "repository": self.hub(hour)});
        self.tell("pull_request", "github/pull_request/03.closed.json", patch);
    }

    /// A workflow that ran well.
    pub(crate) fn built(&mut self, started: f64, ended: f64, commit: u32) {
        let run = json!({"workflow_id": 7, "head_sha": hash(commit), "event": "push",
            "status": "completed", "conclusion": "success", "created_at": self.iso(started),
            "run_started_at": self.iso(started), "updated_at": self.iso(ended)});
        let patch =
            json!({"action": "completed", "workflow_run": run, "repository": self.hub(ended)});
        self.tell("workflow_run", "github/workflow_run/00.completed.json", patch);
    }

    /// A deployment to production, made at one hour and with a state at another.
    pub(crate) fn deployed(&mut self, made: f64, ended: f64, id: u32, commit: u32, state: &str) {
        let deployment = json!({"id": id, "sha": hash(commit), "environment": "production",
            "original_environment": "production", "created_at": self.iso(made),
            "updated_at": self.iso(ended)});
        let patch = json!({"action": "created", "deployment": deployment,
            "repository": self.hub(made)});
        self.tell("deployment", "github/deployment/00.created.json", patch);
        let status = json!({"state": state, "environment": "production",
            "created_at": self.iso(ended), "updated_at": self.iso(ended)});
        let patch = json!({"action": "created", "deployment": deployment,
            "deployment_status": status, "repository": self.hub(ended)});
        self.tell("deployment_status", "github/deployment_status/00.created.json", patch);
    }

    /// An issue that is an incident.
    pub(crate) fn incident(&mut self, number: u32, opened: f64, closed: Option<f64>) {
        let at = closed.unwrap_or(opened);
        let issue = json!({"number": number, "title": "The shop is down",
            "html_url": format!("https://github.com/{}/issues/{number}", self.repository),
            "labels": [{"name": "Incident"}],
            "state": if closed.is_some() { "closed" } else { "open" },
            "created_at": self.iso(opened), "updated_at": self.iso(at),
            "closed_at": closed.map(|hour| self.iso(hour))});
        let patch = json!({"action": "opened", "issue": issue, "repository": self.hub(at)});
        self.tell("issues", "github/issues/15.opened.json", patch);
    }

    /// Sends all that was told to a server, as GitHub does.
    pub(crate) fn send(&self, server: &Server) {
        for (number, delivery) in self.told.iter().enumerate() {
            let id = format!("{}-{number}", self.repository);
            server.github(delivery.event, &id, delivery.body.to_string().as_bytes());
        }
    }
}
