//! The language of tests of flags.

use crate::serve_lang::{Answer, Server};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Where flags of an environment are changed.
pub(crate) fn path(environment: &str, key: &str, end: &str) -> String {
    let key: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("/api/v1/flags/{environment}/{key}{end}")
}

pub(crate) const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A truth value that is `on` for everybody.
pub(crate) fn switch(default: &str) -> Value {
    json!({ "state": "ENABLED", "variants": { "on": true, "off": false }, "defaultVariant": default })
}

/// Writes a definition that must be taken, whatever was there.
pub(crate) fn set(server: &Server, environment: &str, key: &str, definition: &Value) -> Value {
    let body = json!({ "definition": definition, "reason": "a test" }).to_string();
    let headers = [JSON, ("If-Match", "*")];
    let answer = server.send("PUT", &path(environment, key, ""), &headers, body.as_bytes());
    assert_eq!(answer.status, 200, "{key}: {}", answer.body);
    answer.json()
}

/// Starts a ramp of a flag that [`switch`] made off, with a guardrail, at half of everyone.
pub(crate) fn start_ramp(server: &Server, key: &str) {
    let plan = json!({
        "variant": "on", "base": "off", "guardrails": [{ "metric": "errors" }],
        "steps": [{ "percent": 50, "hold_seconds": 3600, "least_exposures": 10 }, { "percent": 100 }],
    });
    let body = json!({ "action": "start", "plan": plan, "reason": "a test" }).to_string();
    let headers = [JSON, ("If-Match", "*")];
    let answer = server.post(&path("production", key, "/ramp"), &headers, body.as_bytes());
    assert_eq!(answer.status, 200, "{key}: {}", answer.body);
}

/// Imports a file that must be taken.
pub(crate) fn import(server: &Server, environment: &str, file: &str) -> Value {
    let url = format!("/api/v1/environments/{environment}/import");
    let answer = server.post(&url, &[JSON, ("If-Match", "*")], file.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

/// Tells that units have seen variants, and waits until that is known.
pub(crate) fn expose(server: &Server, flag: &str, seen: &[(&str, &str)]) {
    let exposure = |(unit, variant): &(&str, &str)| json!({ "environment": "production", "flag": flag, "unit": unit, "variant": variant });
    let body = json!({ "exposures": seen.iter().map(exposure).collect::<Vec<_>>() }).to_string();
    let answer = server.post("/api/v1/exposures", &[JSON], body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let position = &answer.json()["position"];
    server.report(&format!("/flags/production/{flag}/exposures?position={position}"));
}

/// Evaluates one flag for a context.
pub(crate) fn evaluate(server: &Server, key: &str, context: &Value) -> Answer {
    let key: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let body = json!({ "context": context }).to_string();
    server.post(&format!("/ofrep/v1/evaluate/flags/{key}"), &[JSON], body.as_bytes())
}

/// Evaluates all flags for a context.
pub(crate) fn bulk(server: &Server, headers: &[(&str, &str)], context: &Value) -> Answer {
    let body = json!({ "context": context }).to_string();
    server.post("/ofrep/v1/evaluate/flags", &[&[JSON], headers].concat(), body.as_bytes())
}

/// The value of a header.
pub(crate) fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// The folder of flagd's scenarios, where there is one.
pub(crate) fn flagd() -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    let folder = std::env::var_os("SEAWAY_SHARED_DATA").map_or_else(beside, PathBuf::from);
    let folder = folder.join("flagd/evaluator");
    if folder.join("flags/testkit-flags.json").exists() {
        return Some(folder);
    }
    let required = std::env::var_os("SEAWAY_REQUIRE").is_some_and(|what| what == "all");
    assert!(!required, "flagd's scenarios are not in {}", folder.display());
    eprintln!("skipped: flagd's scenarios are not here; SEAWAY_SHARED_DATA names their folder");
    None
}
