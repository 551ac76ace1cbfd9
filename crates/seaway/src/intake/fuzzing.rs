//! What must hold of the readers of what comes in, whatever it is.
//!
//! Requests are written as HTTP writes them: lines of headers, an empty line, the body.

#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped is what fuzzing looks for")]

use super::api::from_outside;
use super::cloudevents::{self, Received};
use super::{Reading, Settings, captured, github, gitlab};
use crate::config::Config;
use crate::fuzzing::{is_for_people, request};
use crate::ledger::{Event, Recorded, parse_line, write_line, write_object};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use bytes::Bytes;
use seaway_core::delivery::facts::{Entity, Fact, Merge, Scope};
use seaway_core::delivery::work::Plausible;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// When everything arrives: 2026-11-23 12:00 UTC, Unix microseconds.
const ARRIVAL: i64 = 1_795_435_200_000_000;
/// The longest text of a fact, in bytes: 200 characters, each told by its number.
const TEXT_BYTES_MAX: usize = 2_048;
/// Characters of a reason that names attributes, of which one may be long.
const REASON_CHARS_MAX: usize = 400;

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    let mut settings = Config::load(None).unwrap().reader_settings();
    settings.incident_labels = vec!["incident".to_owned()];
    settings
});

/// CloudEvents over HTTP: structured, binary, in batches; CDEvents without an envelope.
pub fn cloudevents(data: &[u8]) {
    let (headers, body) = request(data);
    let receive = || {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        cloudevents::receive(kind, pairs, &body)
    };
    let received = receive();
    assert_eq!(received, receive(), "a request is read the same twice");
    match received {
        Ok(Received::One(event)) => taken(event),
        Ok(Received::Batch(items)) => {
            let alone: Vec<&RawValue> = serde_json::from_slice(&body).unwrap();
            assert_eq!(items.len(), alone.len(), "every item is answered");
            for (index, (item, json)) in items.into_iter().zip(alone).enumerate() {
                let json = Bytes::copy_from_slice(json.get().as_bytes());
                match (item, cloudevents::structured(&json)) {
                    (Ok(event), Ok(alone)) => {
                        assert_eq!(event, alone);
                        taken(event);
                    }
                    (Err(problem), Err(reason)) => {
                        assert_eq!((problem.index, &problem.reason), (index, &reason));
                        assert!(is_for_people(&reason, REASON_CHARS_MAX), "{reason:?}");
                    }
                    differing => unreachable!("in a batch and alone: {differing:?}"),
                }
            }
        }
        Err(refusal) => {
            let reason = refusal.to_string();
            assert!(is_for_people(&reason, REASON_CHARS_MAX), "{reason:?}");
        }
    }
}

/// An event that was accepted is within all bounds, and stays what it is on its way.
fn taken(event: Event) {
    let Ok(event) = from_outside(event) else { return };
    for (text, chars_max) in [
        (&event.source, cloudevents::REFERENCE_CHARS_MAX),
        (&event.id, cloudevents::NAME_CHARS_MAX),
        (&event.kind, cloudevents::NAME_CHARS_MAX),
        (&event.content_type, cloudevents::NAME_CHARS_MAX),
        (event.subject.as_ref().unwrap_or(&event.id), cloudevents::REFERENCE_CHARS_MAX),
    ] {
        assert!(!text.is_empty() && is_for_people(text, chars_max), "{text:?}");
    }
    assert!(event.extensions.len() <= cloudevents::EXTENSIONS_MAX);
    for (name, value) in &event.extensions {
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        match value {
            Value::String(text) => {
                assert!(is_for_people(text, cloudevents::EXTENSION_CHARS_MAX), "{text:?}");
            }
            value => assert!(value.is_boolean() || value.is_i64() || value.is_u64(), "{value}"),
        }
    }
    // A part of an export that is sent to another server is taken there.
    let mut sent = Vec::new();
    if write_object(&event, None, &mut sent).is_ok() {
        let again = cloudevents::structured(&Bytes::from(sent));
        assert_eq!(again.as_ref(), Ok(&event), "sent on");
    }
    kept(event);
}

/// An event that may be on the log comes back from an export as it was. Returns its facts.
fn kept(event: Event) -> Vec<Fact> {
    let recorded = Recorded { position: 1, received_at: ARRIVAL, event };
    let mut line = Vec::new();
    if write_line(&recorded, &mut line).is_ok() {
        assert_eq!(line.pop(), Some(b'\n'));
        assert!(!line.contains(&b'\n'), "an export has a line an event");
        let again = parse_line(&line);
        assert_eq!(again.as_ref(), Ok(&(recorded.event.clone(), Some(ARRIVAL))), "imported");
    }
    facts(&recorded)
}

/// What an event tells, which must keep to what the core expects of facts.
fn facts(recorded: &Recorded) -> Vec<Fact> {
    let reading = SETTINGS.reader().read(recorded);
    assert_eq!(reading, SETTINGS.reader().read(recorded), "an event is read the same twice");
    let Reading::Facts(facts) = reading else { return Vec::new() };
    for Fact { scope, entity } in &facts {
        let key = scope.key();
        assert_eq!(Scope::of_key(&key).as_ref(), Some(scope));
        assert!(key.len() <= 2 * TEXT_BYTES_MAX && !key.contains(char::is_control), "{key:?}");
        let mut twice = entity.clone();
        twice.merge(entity.clone());
        assert_eq!(&twice, entity, "taken in twice");
        let json = serde_json::to_value(entity).unwrap();
        assert_eq!(&serde_json::from_value::<Entity>(json.clone()).unwrap(), entity);
        is_bounded(&json);
    }
    orders(&facts);
    facts
}

/// Every text is short, every list is, and every number is a moment that can be believed.
fn is_bounded(json: &Value) {
    match json {
        Value::String(text) => assert!(text.len() <= TEXT_BYTES_MAX, "{} bytes", text.len()),
        Value::Number(number) => {
            let latest = ARRIVAL / 1_000_000 + super::AHEAD_MAX;
            let moment = number.as_i64().unwrap_or(i64::MAX);
            assert!((Plausible::EARLIEST..=latest).contains(&moment), "{number}");
        }
        Value::Array(items) => {
            assert!(items.len() <= 1_000, "{} items", items.len());
            items.iter().for_each(is_bounded);
        }
        // `work` is a fingerprint.
        Value::Object(members) => {
            members.iter().filter(|&(name, _)| name != "work").for_each(|(_, it)| is_bounded(it));
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// The order of facts does not matter.
fn orders(facts: &[Fact]) {
    type Known = BTreeMap<(String, String), Entity>;
    let take_in = |mut known: Known, fact: &Fact| {
        let entity = fact.entity.clone();
        match known.get_mut(&(fact.scope.key(), entity.key())) {
            Some(there) => there.merge(entity),
            None => drop(known.insert((fact.scope.key(), entity.key()), entity)),
        }
        known
    };
    let forth = facts.iter().fold(Known::new(), take_in);
    assert_eq!(forth, facts.iter().rev().fold(Known::new(), take_in), "in another order");
}

/// Lines of a file that is imported: CloudEvents, and webhooks as they were captured.
pub fn import(data: &[u8]) {
    let mut all = Vec::new();
    for line in data.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii) {
        if line.is_empty() {
            continue;
        }
        let read = captured::read_line(line);
        assert_eq!(read, captured::read_line(line), "a line is read the same twice");
        let Ok((event, _)) = read else { continue };
        all.extend(kept(event));
    }
    orders(&all);
}

/// What comes before the first line end, and what comes after.
fn first_line(data: &[u8]) -> (HeaderValue, Bytes) {
    let end = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let value = HeaderValue::from_bytes(data[..end].trim_ascii());
    let value = value.unwrap_or_else(|_| HeaderValue::from_static("push"));
    (value, Bytes::copy_from_slice(data.get(end + 1..).unwrap_or_default()))
}

/// A webhook of GitHub: the name of its event on a line, then the body.
pub fn github(data: &[u8]) {
    let (name, body) = first_line(data);
    let mut headers = HeaderMap::new();
    headers.insert("x-github-event", name);
    headers.insert("x-github-delivery", HeaderValue::from_static("1"));
    let accepted = github::accept(&headers, &body, &[]);
    // The other form in which GitHub sends the same.
    let form = body.iter().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let form = Bytes::from(format!("ref=x&payload={form}&x=y"));
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(header::CONTENT_TYPE, kind);
    assert_eq!(accepted, github::accept(&headers, &form, &[]), "as JSON and as a form");
    let secrets = ["secret".to_owned()];
    assert!(github::accept(&headers, &body, &secrets).is_err(), "without a signature");
    let Ok(event) = accepted else { return };
    let name = event.kind.strip_prefix("com.github.").unwrap().to_owned();
    is_word(&name);
    let by_webhook = kept(event.clone());
    let by_api = Event { kind: format!("com.github.rest.{name}"), ..event };
    assert_eq!(by_webhook, kept(by_api), "by webhook and by the REST API");
}

/// A webhook of GitLab: the name of its event on a line, then the body.
pub fn gitlab(data: &[u8]) {
    let (name, body) = first_line(data);
    let mut headers = HeaderMap::new();
    headers.insert("x-gitlab-event", name);
    let secrets = ["secret".to_owned()];
    assert!(gitlab::accept(&headers, &body, &secrets).is_err(), "without a token");
    let Ok(event) = gitlab::accept(&headers, &body, &[]) else { return };
    is_word(event.kind.strip_prefix("com.gitlab.").unwrap());
    headers.insert(HeaderName::from_static("x-gitlab-token"), HeaderValue::from_static("secret"));
    assert_eq!(gitlab::accept(&headers, &body, &secrets).as_ref(), Ok(&event), "with the token");
    kept(event);
}

fn is_word(name: &str) {
    assert!((1..=64).contains(&name.len()), "{name:?}");
    assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name:?}");
}

/// Events that were made of a forge's answers hold to the same as those that arrive.
pub(super) fn found(event: Event) {
    assert!(is_for_people(&event.source, cloudevents::REFERENCE_CHARS_MAX), "{}", event.source);
    assert!(is_for_people(&event.id, cloudevents::NAME_CHARS_MAX), "{}", event.id);
    assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&event.data).is_ok());
    kept(event);
}
