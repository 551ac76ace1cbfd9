//! GitHub: its webhooks, and the same objects as its REST API tells them.
//!
//! A webhook is known by its delivery id alone, which GitHub keeps when it delivers again. What the
//! REST API tells (`com.github.rest.<event>`) is written in the form of the webhook of the same
//! name, so one reader reads both.

use super::payload::{Moment, Text};
use super::webhook::{Refused, header, host, is_signed, required, unhex, word};
use super::{Reader, Reading};
use crate::ledger::{Event, Recorded};
use axum::http::HeaderMap;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

mod issues;
mod pull_request;
mod push;
mod work;

#[cfg(test)]
mod tests;

/// The `source` of GitHub's events where no other host is named.
pub(crate) const SOURCE: &str = "https://github.com";

/// Takes in a delivery: proves by `X-Hub-Signature-256` that the sender knows one of the secrets
/// and names the event. Where there are no secrets, nothing is proven.
///
/// Its source is [`SOURCE`], or the host that GitHub Enterprise names in its header. The body is
/// kept as it came, but for a form, of which the field `payload` is kept.
pub(crate) fn accept(
    headers: &HeaderMap,
    body: &Bytes,
    secrets: &[String],
) -> Result<Event, Refused> {
    prove(headers, body, secrets)?;
    let event = required(headers, "x-github-event")?;
    let event = word(event)
        .ok_or_else(|| Refused::Malformed("the header x-github-event names no event".to_owned()))?;
    let id = required(headers, "x-github-delivery")?.to_owned();
    let data = match header(headers, "content-type") {
        Some(form) if form.starts_with("application/x-www-form-urlencoded") => payload(body)?,
        _ => body.clone(),
    };
    if serde_json::from_slice::<IgnoredAny>(&data).is_err() {
        return Err(Refused::Malformed("the body is not JSON".to_owned()));
    }
    let enterprise = header(headers, "x-github-enterprise-host").and_then(host);
    Ok(Event {
        source: enterprise.map_or_else(|| SOURCE.to_owned(), |host| format!("https://{host}")),
        id,
        kind: format!("com.github.{event}"),
        subject: None,
        time: None,
        content_type: "application/json".to_owned(),
        extensions: BTreeMap::new(),
        data,
    })
}

fn prove(headers: &HeaderMap, body: &[u8], secrets: &[String]) -> Result<(), Refused> {
    if secrets.is_empty() {
        return Ok(());
    }
    let signature = header(headers, "x-hub-signature-256")
        .ok_or(Refused::Unproven("the delivery is not signed (X-Hub-Signature-256)"))?;
    let tag = signature.strip_prefix("sha256=").and_then(unhex);
    if tag.is_some_and(|tag| is_signed(body, &tag, secrets)) {
        Ok(())
    } else {
        Err(Refused::Unproven("the signature does not fit the body and any of the secrets"))
    }
}

/// The field `payload` of a form.
fn payload(form: &[u8]) -> Result<Bytes, Refused> {
    let field = form.split(|&byte| byte == b'&').find_map(|field| field.strip_prefix(b"payload="));
    let field =
        field.ok_or_else(|| Refused::Malformed("the form has no field `payload`".to_owned()))?;
    let mut decoded = Vec::with_capacity(field.len());
    let mut rest = field.iter();
    while let Some(&byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || (*rest.next()? as char).to_digit(16);
                let (high, low) = (digit(), digit());
                let byte = high.zip(low).map(|(high, low)| (high * 16 + low) as u8);
                byte.ok_or_else(|| Refused::Malformed("the form is cut off".to_owned()))?
            }
            byte => byte,
        });
    }
    Ok(decoded.into())
}

/// Events that GitHub sends and that say nothing of deliveries beyond what others say.
const SILENT: [&str; 27] = [
    "branch_protection_rule",
    "check_run",
    "check_suite",
    "commit_comment",
    "create",
    "delete",
    "deployment_protection_rule",
    "deployment_review",
    "fork",
    "installation",
    "installation_repositories",
    "issue_comment",
    "label",
    "member",
    "merge_group",
    "meta",
    "milestone",
    "organization",
    "ping",
    "pull_request_review_comment",
    "pull_request_review_thread",
    "release",
    "star",
    "status",
    "team",
    "watch",
    "workflow_job",
];

/// Reads an event of GitHub: `event` is its name without `com.github.`.
pub(super) fn read(reader: &Reader<'_>, event: &str, recorded: &Recorded) -> Reading {
    let read = match event.strip_prefix("rest.").unwrap_or(event) {
        "push" => push::push(reader, recorded),
        "repository" => push::repository(reader, recorded),
        "pull_request" => pull_request::pull_request(reader, recorded),
        "pull_request_review" => pull_request::review(reader, recorded),
        "pull_request_commits" => pull_request::commits(reader, recorded),
        "workflow_run" => work::workflow_run(reader, recorded),
        "deployment" | "deployment_status" => work::deployment(reader, recorded),
        "issues" => issues::issue(reader, recorded),
        event if SILENT.binary_search(&event).is_ok() => return Reading::Facts(Vec::new()),
        _ => return Reading::Unknown,
    };
    read.map_or_else(Reading::Malformed, Reading::Facts)
}

/// The body as it is read by one kind of event; why it cannot be, for people.
fn parse<'a, T: Deserialize<'a>>(recorded: &'a Recorded) -> Result<T, String> {
    serde_json::from_slice(&recorded.event.data).map_err(|error| error.to_string())
}

/// A repository as GitHub tells it in every event.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Repository<'a> {
    #[serde(borrow)]
    html_url: Text<'a>,
    #[serde(borrow)]
    clone_url: Text<'a>,
    #[serde(borrow)]
    default_branch: Text<'a>,
    pushed_at: Moment,
    updated_at: Moment,
}

impl Repository<'_> {
    fn name(&self) -> Result<String, String> {
        self.html_url.repository().ok_or_else(|| "it names no repository".to_owned())
    }
}

/// An account.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct User<'a> {
    #[serde(borrow)]
    login: Text<'a>,
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
}

impl User<'_> {
    fn is_bot(&self) -> bool {
        self.kind.as_str() == "Bot" || self.login.as_str().ends_with("[bot]")
    }

    fn is(&self, other: &Self) -> bool {
        self.login.as_str().eq_ignore_ascii_case(other.login.as_str())
    }
}
