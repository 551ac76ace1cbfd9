use super::*;
use crate::config::Config;
use crate::intake::cloudevents::{Received, receive};
use crate::ledger::Event;
use bytes::Bytes;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::LazyLock;

mod conformance;
mod facts;
mod hostile;
mod own;

/// Arrived on 2026-06-01.
const RECEIVED: i64 = 1_780_272_000;

/// The event of a bare CDEvent, by the same way that a request takes.
fn recorded(event: &Value) -> Recorded {
    let body = Bytes::from(event.to_string());
    let received = receive(Some("application/json"), std::iter::empty(), &body);
    let Ok(Received::One(event)) = received else { panic!("{received:?}") };
    Recorded { position: 1, received_at: RECEIVED * 1_000_000, event }
}

fn read_recorded(recorded: &Recorded) -> Reading {
    static CONFIG: LazyLock<Config> = LazyLock::new(|| Config::load(None).unwrap());
    Reader { patterns: &CONFIG.patterns, incident_labels: &[] }.read(recorded)
}

fn read_event(event: &Value) -> Reading {
    read_recorded(&recorded(event))
}

fn facts_of(event: &Value) -> Vec<Fact> {
    match read_event(event) {
        Reading::Facts(facts) => facts,
        other => panic!("{other:?}"),
    }
}

/// The facts as JSON, for comparing.
fn told(event: &Value) -> Value {
    serde_json::to_value(facts_of(event)).unwrap()
}

/// A CDEvent of this type, of 2026-03-02 09:33:20 UTC.
fn event(kind: &str, subject: &str, content: Value) -> Value {
    json!({
        "context": {
            "specversion": "0.5.1",
            "id": "e1",
            "source": "https://ci.example.com/shop",
            "type": kind,
            "timestamp": "2026-03-02T09:33:20Z",
        },
        "subject": {"id": subject, "content": content},
    })
}

/// The moment of [`event`].
const MOMENT: i64 = 1_772_444_000;

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// The folder of data by others; `None` where it is not there and need not be.
fn shared() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("SEAWAY_SHARED_DATA").map_or_else(beside, PathBuf::from);
    let folder = folder.join("cdevents");
    if folder.is_dir() {
        return Some(folder);
    }
    let is_required = std::env::var("SEAWAY_REQUIRE").is_ok_and(|it| it == "all");
    assert!(!is_required, "{} is missing", folder.display());
    println!("skipped: {} is missing", folder.display());
    None
}
