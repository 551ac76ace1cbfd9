//! GitLab: its webhooks of projects, of groups and of the whole instance.
//!
//! A delivery is known by its `Idempotency-Key`, which GitLab keeps when it tries again. Versions
//! of GitLab that send none are known by the fingerprint of the body. `X-Gitlab-Event-UUID` is no
//! name of a delivery: events that a webhook brings about share it.

use super::payload::{Moment, Text};
use super::webhook::{Refused, fingerprint, header, is_secret, required, word};
use super::{Reader, Reading};
use crate::ledger::{Event, Recorded};
use axum::http::HeaderMap;
use bytes::Bytes;
use serde::Deserialize;
use std::collections::BTreeMap;

mod merge_request;
mod push;
mod work;

#[cfg(test)]
mod tests;

/// The `source` of GitLab's events where the instance does not name itself.
const SOURCE: &str = "https://gitlab.com";

/// Takes in a delivery: `X-Gitlab-Token` must be one of the secrets. Where there are no secrets,
/// nothing is proven. Its source is the instance as `X-Gitlab-Instance` names it.
pub(crate) fn accept(
    headers: &HeaderMap,
    body: &Bytes,
    secrets: &[String],
) -> Result<Event, Refused> {
    if !secrets.is_empty() {
        let token = headers
            .get("x-gitlab-token")
            .ok_or(Refused::Unproven("the delivery has no token (X-Gitlab-Token)"))?;
        if !is_secret(token.as_bytes(), secrets) {
            return Err(Refused::Unproven("the token is none of the secrets"));
        }
    }
    let event = required(headers, "x-gitlab-event")?;
    let named: Named<'_> = serde_json::from_slice(body).map_err(|error| {
        Refused::Malformed(format!("the body is not what GitLab sends: {error}"))
    })?;
    let event = [named.object_kind.as_str(), named.event_name.as_str(), event]
        .into_iter()
        .find_map(word)
        .ok_or_else(|| Refused::Malformed("neither body nor header name an event".to_owned()))?;
    let id = header(headers, "idempotency-key").map_or_else(|| fingerprint(body), str::to_owned);
    let instance = header(headers, "x-gitlab-instance");
    let is_url = |url: &&str| url.starts_with("https://") || url.starts_with("http://");
    Ok(Event {
        source: instance.filter(is_url).unwrap_or(SOURCE).trim_end_matches('/').to_owned(),
        id,
        kind: format!("com.gitlab.{event}"),
        subject: None,
        time: None,
        content_type: "application/json".to_owned(),
        extensions: BTreeMap::new(),
        data: body.clone(),
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named<'a> {
    #[serde(borrow)]
    object_kind: Text<'a>,
    #[serde(borrow)]
    event_name: Text<'a>,
}

/// Events that GitLab sends and that say nothing of deliveries beyond what others say.
const SILENT: [&str; 10] = [
    "access_token",
    "build",
    "emoji",
    "feature_flag",
    "job",
    "milestone",
    "release",
    "repository_update",
    "tag_push",
    "wiki_page",
];

/// Reads an event of GitLab: `event` is its name without `com.gitlab.`.
pub(super) fn read(reader: &Reader<'_>, event: &str, recorded: &Recorded) -> Reading {
    let read = match event {
        "push" => push::push(reader, recorded),
        "merge_request" => merge_request::merge_request(reader, recorded),
        "note" => merge_request::note(reader, recorded),
        "pipeline" => work::pipeline(reader, recorded),
        "deployment" => work::deployment(reader, recorded),
        "issue" | "work_item" | "incident" => work::issue(reader, recorded),
        event if SILENT.binary_search(&event).is_ok() => return Reading::Facts(Vec::new()),
        // Members, groups and projects that come, go and are renamed.
        event if event.starts_with("user_") || event.starts_with("subgroup_") => {
            return Reading::Facts(Vec::new());
        }
        _ => return Reading::Unknown,
    };
    read.map_or_else(Reading::Malformed, Reading::Facts)
}

/// The body as it is read by one kind of event; why it cannot be, for people.
fn parse<'a, T: Deserialize<'a>>(recorded: &'a Recorded) -> Result<T, String> {
    serde_json::from_slice(&recorded.event.data).map_err(|error| error.to_string())
}

/// A project as GitLab tells it in most events.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Project<'a> {
    #[serde(borrow)]
    web_url: Text<'a>,
    #[serde(borrow)]
    git_http_url: Text<'a>,
    #[serde(borrow)]
    default_branch: Text<'a>,
}

impl Project<'_> {
    fn name(&self) -> Result<String, String> {
        let name = self.web_url.repository().or_else(|| self.git_http_url.repository());
        name.ok_or_else(|| "it names no project".to_owned())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct User<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    username: Text<'a>,
}

impl User<'_> {
    /// Whether it is the account of an access token: GitLab names those by their project or group.
    fn is_bot(&self) -> bool {
        let name = self.username.as_str();
        (name.starts_with("project_") || name.starts_with("group_")) && name.contains("_bot")
    }
}
