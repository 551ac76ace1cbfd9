//! `seaway token`: in the folder of the data, beside a server, and through one.

use crate::access_lang::{ALWAYS, asking, newest_id, token, with};
use crate::serve_lang::{Data, PATIENCE, Server};
use serde_json::Value;
use std::time::{Duration, Instant};

fn start_on_all_addresses(data: &Data) -> Server {
    Server::start(data.seaway(&["serve", "--listen", "0.0.0.0:0"]))
}

fn refuses(data: &Data, arguments: &[&str]) {
    let (code, said) = data.run_failing(arguments);
    assert_eq!(code, 2, "{said}");
    for word in ["no valid token of an admin", "seaway token create", "--role admin"] {
        assert!(said.contains(word), "{word} is not in {said}");
    }
}

#[test]
fn where_others_reach_it_a_server_does_not_start_without_an_admin() {
    let data = Data::new();
    let serve = ["serve", "--listen", "0.0.0.0:0"];
    refuses(&data, &serve);
    token(&data, "viewer", "1d");
    token(&data, "editor", "1d");
    refuses(&data, &serve);
    token(&data, "admin", "1s");
    let since = Instant::now();
    while !data.run(&["token", "list"]).contains("expired") {
        assert!(since.elapsed() < PATIENCE, "it never expires");
    }
    refuses(&data, &serve);
    token(&data, "admin", "1d");
    data.run(&["token", "revoke", &newest_id(&data)]);
    refuses(&data, &serve);

    let admin = token(&data, "admin", "1d");
    let server = start_on_all_addresses(&data);
    let refused = server.get("/api/v1/organization");
    assert_eq!(refused.status, 401);
    assert!(refused.head.contains("www-authenticate: bearer"), "{}", refused.head);
    refused.problem();
    let read = with(&server, &admin, "GET", "/api/v1/organization");
    assert_eq!(read.status, 200);
    for rule in ["cache-control: private, no-cache", "vary: cookie, authorization"] {
        assert!(read.head.contains(rule), "{rule} is not in {}", read.head);
    }
    let events = server.post("/events", &[("Content-Type", "application/cloudevents+json")], b"{}");
    assert_eq!(events.status, 401);
    for open in ["/healthz", "/readyz"] {
        assert_eq!(server.get(open).status, 200, "{open}");
    }
}

#[test]
fn on_loopback_tokens_are_needed_where_the_settings_say_so() {
    let data = Data::new().setting(ALWAYS);
    refuses(&data, &["serve", "--listen", "127.0.0.1:0"]);
    let (_data, server, admin) = asking(data);
    assert_eq!(server.get("/metrics").status, 401);
    assert_eq!(with(&server, &admin, "GET", "/metrics").status, 200);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for wrong in ["tokens = \"never\"", "session_hours = 0", "failures_per_minute = 0", "x = 1"] {
        let data = Data::new().setting(&format!("[access]\n{wrong}"));
        let (code, said) = data.run_failing(&["serve", "--listen", "127.0.0.1:0"]);
        assert_eq!(code, 2, "{wrong}: {said}");
    }
}

#[test]
fn a_token_is_shown_once_and_kept_nowhere() {
    let data = Data::new();
    let secret = token(&data, "editor", "90d");
    let digits = &secret["seaway_".len()..];
    for listed in [data.run(&["token", "list"]), data.run(&["token", "list", "--format", "json"])] {
        assert!(listed.contains("a editor") && !listed.contains(digits), "{listed}");
    }
    drop(data.serve());
    assert!(!data.run(&["export"]).contains(digits));
    for entry in std::fs::read_dir(data.folder()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(digits.len()).any(|window| window == digits.as_bytes());
        assert!(!found, "{} holds the secret", path.display());
    }
    let json = data.run(&[
        "token",
        "create",
        "--name",
        "j",
        "--role",
        "viewer",
        "--expires",
        "2h",
        "--format",
        "json",
    ]);
    let made: Value = serde_json::from_str(&json).unwrap();
    assert!(made["secret"].as_str().unwrap().starts_with("seaway_"));
    assert_eq!((&made["role"], &made["state"]), (&"viewer".into(), &"valid".into()));
    assert_eq!(made["used_at"], Value::Null);
}

#[test]
fn wrong_use_is_told() {
    let data = Data::new();
    let (code, said) = data.run_failing(&["token", "list"]);
    assert_eq!(code, 2, "{said}");
    assert!(!data.folder().exists(), "to list makes nothing");
    let create = |name: &str, role: &str, expires: &str| {
        let all = ["token", "create", "--name", name, "--role", role, "--expires", expires];
        data.run_failing(&all)
    };
    for (name, role, expires) in
        [("", "viewer", "1d"), ("x", "owner", "1d"), ("x", "viewer", "soon"), ("x", "viewer", "0d")]
    {
        assert_eq!(create(name, role, expires).0, 2, "{name} {role} {expires}");
    }
    token(&data, "viewer", "1d");
    for id in ["none", "", "'; --"] {
        assert_eq!(data.run_failing(&["token", "revoke", id]).0, 2, "{id}");
    }
}

/// Waits until a token is not let in, and holds that no request which begins a second after a
/// moment is.
fn ends_within_a_second(server: &Server, token: &str, ended: Instant, why: &str) {
    loop {
        let begins = Instant::now();
        let answer = with(server, token, "GET", "/api/v1/progress");
        if answer.status == 401 {
            let problem = answer.problem();
            assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
            return;
        }
        assert_eq!(answer.status, 200);
        let late = begins.saturating_duration_since(ended);
        assert!(late < Duration::from_secs(1), "let in {late:?} after it ended");
    }
}

#[test]
fn tokens_are_made_and_end_beside_a_server_that_runs() {
    let (data, server, admin) = asking(Data::new().setting(ALWAYS));
    let viewer = token(&data, "viewer", "1d");
    assert_eq!(with(&server, &viewer, "GET", "/api/v1/progress").status, 200);
    data.run(&["token", "revoke", &newest_id(&data)]);
    ends_within_a_second(&server, &viewer, Instant::now(), "revoked");

    let brief = token(&data, "viewer", "2s");
    // It was made before this moment.
    let ends = Instant::now() + Duration::from_secs(2);
    assert_eq!(with(&server, &brief, "GET", "/api/v1/progress").status, 200);
    ends_within_a_second(&server, &brief, ends, "expired");

    assert_eq!(with(&server, &admin, "GET", "/api/v1/progress").status, 200);
    let listed: Value =
        serde_json::from_str(&data.run(&["token", "list", "--format", "json"])).unwrap();
    let states: Vec<&str> =
        listed.as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["expired", "revoked", "valid"]);
    let since = Instant::now();
    // The use of a token is written in the background.
    while data.run(&["token", "list"]).lines().last().unwrap().contains("never") {
        assert!(since.elapsed() < PATIENCE, "the use of the token is never written");
    }
}

#[test]
fn tokens_are_managed_through_a_server() {
    let (data, server, admin) = asking(Data::new().setting(ALWAYS));
    let run = |token: &str, arguments: &[&str]| {
        let mut command = data.seaway(&[&["token"], arguments].concat());
        let output = command
            .env_remove("SEAWAY_DATA")
            .env("SEAWAY_SERVER", server.url())
            .env("SEAWAY_TOKEN", token)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let create = ["create", "--name", "through", "--role", "editor", "--expires", "1d"];
    let (code, secret, said) = run(&admin, &create);
    assert_eq!(code, 0, "{said}");
    let editor = secret.trim();
    assert_eq!(with(&server, editor, "POST", "/events").status, 415, "it may send");
    let (code, listed, _) = run(&admin, &["list"]);
    assert!(code == 0 && listed.contains("through") && !listed.contains(&editor[7..]), "{listed}");
    for command in [&create[..], &["list"], &["revoke", "00"]] {
        let (code, _, said) = run(editor, command);
        assert!(code == 2 && said.contains("needs the role admin"), "{code} {said}");
        let (code, _, said) = run("seaway_wrong", command);
        assert!(code == 2 && said.contains("SEAWAY_TOKEN"), "{code} {said}");
    }
    let (code, _, said) = run(&admin, &["revoke", "00"]);
    assert!(code == 2 && said.contains("there is no token 00"), "{code} {said}");
    assert_eq!(run(&admin, &["revoke", &newest_id(&data)]).0, 0);
    // The server that revokes it knows at once.
    assert_eq!(with(&server, editor, "POST", "/events").status, 401);
}

#[test]
fn verbs_that_talk_to_a_server_send_their_token() {
    let (data, server, _) = asking(Data::new().setting(ALWAYS));
    let line = r#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#;
    std::fs::write(data.beside("events.jsonl"), line).unwrap();
    let import = |token: &str| {
        let file = data.beside("events.jsonl").display().to_string();
        let mut command = data.seaway(&["import", "--server", &server.url(), &file]);
        command.env_remove("SEAWAY_DATA").env("SEAWAY_TOKEN", token).output().unwrap()
    };
    let viewer = token(&data, "viewer", "1d");
    assert!(!import(&viewer).status.success());
    let editor = token(&data, "editor", "1d");
    let done = import(&editor);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(String::from_utf8_lossy(&done.stdout).contains("1 new event"));
}
