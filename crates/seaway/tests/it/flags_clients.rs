//! Flags evaluated by real OpenFeature clients, which `scripts/openfeature.sh` brings.

use crate::flags_lang::{import, path, set, switch};
use crate::serve_lang::{Data, PATIENCE, Server};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

/// A file of the clients, if they were brought.
fn brought(file: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/openfeature"));
    let file = std::env::var_os("SEAWAY_OPENFEATURE").map_or_else(beside, PathBuf::from).join(file);
    if file.exists() {
        return Some(file);
    }
    let required = std::env::var_os("SEAWAY_REQUIRE").is_some_and(|what| what == "all");
    assert!(!required, "scripts/openfeature.sh has not brought {}", file.display());
    eprintln!("skipped: scripts/openfeature.sh has not brought {}", file.display());
    None
}

/// A program that evaluates all flags whenever it is asked.
struct Client {
    child: Child,
    ask: ChildStdin,
    told: Lines<BufReader<ChildStdout>>,
}

impl Client {
    fn start(program: &str, script: &PathBuf, url: &str) -> Self {
        let mut command = Command::new(program);
        command.arg(script).env("URL", url).env("NO_PROXY", "127.0.0.1");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ask = child.stdin.take().unwrap();
        let told = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, ask, told }
    }

    /// What all flags are, with details.
    fn details(&mut self) -> Value {
        writeln!(self.ask, "all").unwrap();
        let line = self.told.next().expect("the client goes on").unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Asks until something is so.
    fn until(&mut self, is_so: impl Fn(&Value) -> bool) -> Value {
        let since = Instant::now();
        loop {
            let details = self.details();
            if is_so(&details) {
                return details;
            }
            assert!(since.elapsed() < PATIENCE, "it never came so far: {details}");
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The flags that the clients ask for.
fn flags() -> String {
    let one = |value: Value| json!({ "state": "ENABLED", "variants": { "v": value }, "defaultVariant": "v" });
    json!({ "flags": {
        "boolean": switch("on"),
        "string": one(json!("näïve")),
        "integer": one(json!(42)),
        "float": one(json!(0.25)),
        "object": one(json!({ "a": [1, { "b": null }] })),
        "with/slash ü": one(json!("x")),
        "disabled": { "state": "DISABLED", "variants": { "v": "x" }, "defaultVariant": "v" },
        "none": { "state": "ENABLED", "variants": { "v": "x" } },
        "targeted": {
            "state": "ENABLED", "variants": { "a": "plain", "b": "gold" }, "defaultVariant": "a",
            "targeting": { "if": [{ "==": [{ "var": "plan" }, "gold"] }, "b", null] },
        },
    }})
    .to_string()
}

fn all_types_are_evaluated_and_the_client_outlives_the_server(program: &str, script: &PathBuf) {
    let data = Data::new();
    let server = data.serve();
    import(&server, "production", &flags());
    let mut client = Client::start(program, script, &server.url());
    let details = client.details();
    for (key, value, reason) in [
        ("boolean", json!(true), "STATIC"),
        ("string", json!("näïve"), "STATIC"),
        ("integer", json!(42), "STATIC"),
        ("float", json!(0.25), "STATIC"),
        ("object", json!({ "a": [1, { "b": null }] }), "STATIC"),
        ("slash", json!("x"), "STATIC"),
        ("targeted", json!("gold"), "TARGETING_MATCH"),
    ] {
        assert_eq!(details[key]["value"], value, "{key}: {details}");
        assert_eq!(details[key]["reason"], reason, "{key}: {details}");
    }
    // A value that is left out means the default of the code.
    for key in ["disabled", "none", "missing"] {
        assert_eq!(details[key]["value"], "code", "{key}: {details}");
    }
    assert_eq!(details["missing"]["errorCode"], "FLAG_NOT_FOUND");
    assert_eq!(server.post(&path("production", "boolean", "/off"), &[], b"").status, 200);
    assert_eq!(client.details()["boolean"]["value"], false);
    set(
        &server,
        "production",
        "string",
        &json!({
            "state": "ENABLED", "variants": { "v": "changed" }, "defaultVariant": "v",
        }),
    );
    assert_eq!(client.details()["string"]["value"], "changed");
    let address = server.url().trim_start_matches("http://").to_owned();
    server.kill();
    let details = client.details();
    assert_eq!(details["string"]["value"], "code");
    assert_eq!(details["string"]["reason"], "ERROR");
    let _again = Server::start(data.seaway(&["serve", "--listen", &address]));
    client.until(|details| details["string"]["value"] == "changed");
}

#[test]
fn the_server_sdk_of_npm_evaluates() {
    let Some(script) = brought("npm/server.mjs") else { return };
    all_types_are_evaluated_and_the_client_outlives_the_server("node", &script);
}

#[test]
fn the_sdk_of_pypi_evaluates() {
    let Some(script) = brought("python/client.py") else { return };
    all_types_are_evaluated_and_the_client_outlives_the_server("python3", &script);
}
