//! What must hold of pages of GitHub's REST API, whatever they are.

use super::{Kind, items};
use crate::fuzzing::request;
use crate::intake::backfill::client::next_of;
use crate::intake::backfill::objects::{Object, Repository};
use crate::intake::fuzzing::found;
use axum::http::header;

/// A page of a listing: headers, among them `link`, and `listing` for which one it is; an empty
/// line; the repository as JSON on a line; the page.
pub fn backfill(data: &[u8]) {
    let (headers, body) = request(data);
    let link = headers.get(header::LINK).and_then(|link| link.to_str().ok()).unwrap_or_default();
    if let Some(next) = next_of(link) {
        assert!(link.contains(&format!("<{next}>")), "a page that the header names");
    }
    let end = body.iter().position(|&byte| byte == b'\n').unwrap_or(body.len());
    let (repository, page) = body.split_at(end);
    let Ok(repository) = serde_json::from_slice::<Repository>(repository) else { return };
    found(repository.event());
    let (kind, name, part) = match headers.get("listing").map(|it| it.as_bytes()) {
        Some(b"runs") => (Kind::WorkflowRuns, "workflow_run", "workflow_run"),
        Some(b"issues") => (Kind::Issues, "issues", "issue"),
        Some(b"deployments") => (Kind::Deployments, "deployment", "deployment"),
        _ => (Kind::PullRequests, "pull_request", "pull_request"),
    };
    let Ok(items) = items(kind, page) else { return };
    for raw in items {
        let Ok(object) = Object::read(raw) else { continue };
        let id = format!("{name}/{}/{}@{}", object.number, object.id, object.state_at());
        found(repository.event_of(name, &id, &[(part, raw.get())]));
        let slim = object.slim();
        let parts = [("commits", "[]"), ("pull_request", slim.as_str())];
        found(repository.event_of("pull_request_commits", &id, &parts));
        let parts = [("review", raw.get()), ("pull_request", slim.as_str())];
        found(repository.event_of("pull_request_review", &id, &parts));
        let since = object.updated_at().min(object.created_at());
        assert!(object.updated_at() >= since && object.created_at() >= since);
    }
}
