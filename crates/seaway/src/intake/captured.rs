//! Lines of files that are imported: CloudEvents, or webhooks that somebody captured.

use super::{github, gitlab};
use crate::ledger::{Event, parse_line};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A webhook as it was captured: its headers, and its body as JSON or as text. GitHub's own list
/// of deliveries has both under `request`, and calls the body `payload`.
#[derive(Deserialize)]
struct Captured<'a> {
    #[serde(borrow)]
    request: Option<Request<'a>>,
    headers: Option<BTreeMap<String, String>>,
    #[serde(borrow, alias = "payload")]
    body: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Request<'a> {
    headers: Option<BTreeMap<String, String>>,
    #[serde(borrow, alias = "payload")]
    body: Option<&'a RawValue>,
}

/// Reads a line: the event, and when it arrived if the line tells it (Unix microseconds).
///
/// Nobody signed a captured webhook: whoever may import a file is believed.
///
/// # Errors
/// What is wrong with it, for people.
pub(crate) fn read_line(line: &[u8]) -> Result<(Event, Option<i64>), String> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow)]
        specversion: Option<Cow<'a, str>>,
    }
    let kind: Kind<'_> =
        serde_json::from_slice(line).map_err(|error| format!("no JSON object: {error}"))?;
    match kind.specversion {
        Some(_) => parse_line(line),
        None => webhook(line).map(|event| (event, None)),
    }
}

fn webhook(line: &[u8]) -> Result<Event, String> {
    let captured: Captured<'_> = serde_json::from_slice(line)
        .map_err(|error| format!("neither a CloudEvent nor a captured webhook: {error}"))?;
    let (headers, body) = match captured.request {
        Some(request) => (request.headers, request.body),
        None => (captured.headers, captured.body),
    };
    let (Some(given), Some(body)) = (headers, body) else {
        return Err("a captured webhook has headers and a body".to_owned());
    };
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let name: HeaderName = name.parse().map_err(|_| format!("{name} is no header"))?;
        let value = HeaderValue::from_str(&value).map_err(|_| format!("{name} has no value"))?;
        headers.insert(name, value);
    }
    // A body that is a JSON text holds the bytes that were sent.
    let body = match serde_json::from_str::<String>(body.get()) {
        Ok(text) => Bytes::from(text),
        Err(_) => Bytes::copy_from_slice(body.get().as_bytes()),
    };
    let accepted = if headers.contains_key("x-github-event") {
        github::accept(&headers, &body, &[])
    } else if headers.contains_key("x-gitlab-event") {
        gitlab::accept(&headers, &body, &[])
    } else {
        return Err("the headers name neither X-GitHub-Event nor X-Gitlab-Event".to_owned());
    };
    accepted.map_err(|refused| refused.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_are_taken_as_they_were_captured() {
        let headers = r#"{"X-GitHub-Event":"ping","X-GitHub-Delivery":"d-1"}"#;
        for line in [
            format!(r#"{{"headers":{headers},"body":{{"zen":"x"}}}}"#),
            format!(r#"{{"headers":{headers},"body":"{{\"zen\":\"x\"}}"}}"#),
            format!(r#"{{"id":1,"request":{{"headers":{headers},"payload":{{"zen":"x"}}}}}}"#),
        ] {
            let (event, received_at) = read_line(line.as_bytes()).unwrap();
            assert_eq!((event.kind.as_str(), event.id.as_str()), ("com.github.ping", "d-1"));
            assert_eq!(&event.data[..], br#"{"zen":"x"}"#, "{line}");
            assert_eq!(received_at, None);
        }
    }

    #[test]
    fn other_lines_are_refused_with_a_reason() {
        for (line, reason) in [
            ("{", "no JSON object"),
            ("[]", "no JSON object"),
            ("{}", "a captured webhook has headers and a body"),
            (r#"{"headers":{"a":"b"},"body":{}}"#, "neither X-GitHub-Event nor"),
            (r#"{"headers":{"a b":"c"},"body":{}}"#, "is no header"),
            (r#"{"specversion":"1.0"}"#, "no source"),
        ] {
            let found = read_line(line.as_bytes()).unwrap_err();
            assert!(found.contains(reason), "{line}: {found}");
        }
    }
}
