//! Events of the made-up company as CloudEvents with Seaway's own events in them, as
//! `docs/events.md` describes them.

use seaway_core::demo::{Commit, Deployed, Event, Lines, Service, What};
use seaway_core::time::Time;
use serde_json::{Value, json};

/// A CloudEvent in JSON.
pub(super) fn json(event: &Event, service: &Service) -> Value {
    let at = Time(event.at);
    let source = format!("https://demo.example.com/{}", service.name);
    let id = format!("{}-{}", event.service, event.number);
    let (name, subject, content) = content(&event.what, at, service);
    let kind = format!("dev.cdeventsx.seaway-{name}.0.1.0");
    json!({
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": kind,
        "time": at,
        "datacontenttype": "application/json",
        "data": {
            "context": {
                "specversion": "0.5.1",
                "id": id,
                "source": source,
                "type": kind,
                "timestamp": at,
            },
            "subject": { "id": subject, "content": content },
        },
    })
}

/// Subject and predicate, the subject's identifier, and the content.
fn content(what: &What, at: Time, service: &Service) -> (&'static str, String, Value) {
    let repository = &service.repository;
    match what {
        What::PullRequest {
            number,
            title,
            author,
            head,
            first_authored_at,
            opened_at,
            lines,
            merged,
        } => {
            let mut content = json!({
                "repository": repository,
                "number": number,
                "title": title,
                "openedAt": Time(*opened_at),
                "head": head,
                "base": "main",
                "author": author,
                "firstAuthoredAt": Time(*first_authored_at),
                "url": format!("{repository}/pull/{number}"),
            });
            tell_lines(*lines, &mut content);
            if let Some(commit) = merged {
                content["mergedAt"] = json!(at);
                content["closedAt"] = json!(at);
                content["mergeCommit"] = json!(commit);
            }
            ("pullrequest.updated", number.to_string(), content)
        }
        What::Reviewed { number, approved, reviewer } => {
            let content = json!({
                "repository": repository,
                "pullRequest": number,
                "reviewId": format!("{number}-{reviewer}-{approved}"), "reviewer": reviewer,
                "verdict": if *approved { "approved" } else { "changes_requested" },
                "submittedAt": at,
            });
            ("review.submitted", number.to_string(), content)
        }
        What::Pushed { before, commits } => {
            let after = commits.last().map(|commit| commit.hash.clone()).unwrap_or_default();
            let mut content = json!({
                "repository": repository,
                "branch": "main",
                "default": true,
                "after": after,
                "pushedAt": at,
                "commits": commits.iter().map(commit).collect::<Vec<_>>(),
            });
            if let Some(before) = before {
                content["before"] = json!(before);
            }
            ("commit.pushed", after, content)
        }
        What::Built { revision, started_at, success } => {
            let content = json!({
                "repository": repository,
                "revision": revision,
                "pipeline": "build and test",
                "startedAt": Time(*started_at),
                "finishedAt": at,
                "outcome": outcome(*success),
            });
            ("build.finished", revision.clone(), content)
        }
        What::DeploymentStarted(deployed) => {
            ("deployment.started", deployed.name.clone(), deployment(deployed, service))
        }
        What::DeploymentFinished { deployed, success } => {
            let mut content = deployment(deployed, service);
            content["finishedAt"] = json!(at);
            content["outcome"] = json!(outcome(*success));
            ("deployment.finished", deployed.name.clone(), content)
        }
        What::IncidentReported { incident, deployment } => {
            let content = json!({
                "service": service.name,
                "incident": incident,
                "environment": "production",
                "deployment": deployment,
                "title": format!("{} does not answer", service.name),
                "reportedAt": at,
            });
            ("incident.reported", incident.clone(), content)
        }
        What::IncidentResolved { incident } => {
            let content =
                json!({ "service": service.name, "incident": incident, "resolvedAt": at });
            ("incident.resolved", incident.clone(), content)
        }
    }
}

fn deployment(deployed: &Deployed, service: &Service) -> Value {
    json!({
        "service": service.name,
        "environment": "production",
        "production": true,
        "name": deployed.name,
        "revision": deployed.revision,
        "repository": service.repository,
        "startedAt": Time(deployed.started_at),
    })
}

fn commit(commit: &Commit) -> Value {
    let mut content = json!({
        "hash": commit.hash,
        "parents": commit.parents,
        "authoredAt": Time(commit.authored_at),
        "committedAt": Time(commit.committed_at),
        "author": { "name": commit.author, "email": format!("{}@example.com", commit.author) },
        "message": commit.message,
    });
    tell_lines(commit.lines, &mut content);
    content
}

fn tell_lines(lines: Option<Lines>, content: &mut Value) {
    if let Some(Lines { added, deleted }) = lines {
        content["linesAdded"] = json!(added);
        content["linesDeleted"] = json!(deleted);
    }
}

fn outcome(success: bool) -> &'static str {
    if success { "success" } else { "failure" }
}
