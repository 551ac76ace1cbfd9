//! Flags evaluated by OFREP, as its document says.

use crate::access_lang::{ALWAYS, newest_id, token};
use crate::flags_lang::{JSON, bulk, evaluate, flagd, header, import, path, set, switch};
use crate::serve_lang::{Answer, Data, PATIENCE, Server};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What an error says, after checking that it has details.
fn failure(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    let failure = answer.json();
    assert!(failure["errorDetails"].as_str().is_some_and(|it| !it.is_empty()), "{failure}");
    failure
}

#[test]
fn all_types_are_evaluated_one_by_one_and_together() {
    let data = Data::new();
    let server = data.serve();
    let object = json!({ "a": [1, { "b": null }], "c": "<script>\"" });
    let all = [
        ("boolean", json!(true)),
        ("string", json!("näïve \u{1F600} \" \\ \n")),
        ("integer", json!(9_007_199_254_740_991_i64)),
        ("float", json!(0.1)),
        ("object", object),
        ("null", Value::Null),
        ("with/slash and ünicode", json!("x")),
    ];
    for (key, value) in &all {
        let definition = json!({
            "state": "ENABLED", "variants": { "v": value }, "defaultVariant": "v",
            "metadata": { "owner": "shop", "n": 1.5, "is": true },
        });
        set(&server, "production", key, &definition);
    }
    set(&server, "production", "none", &json!({ "state": "ENABLED", "variants": { "v": 1 } }));
    set(
        &server,
        "production",
        "disabled",
        &json!({
            "state": "DISABLED", "variants": { "v": 1 }, "defaultVariant": "v",
        }),
    );
    set(
        &server,
        "production",
        "targeted",
        &json!({
            "state": "ENABLED", "variants": { "a": 1, "b": 2 }, "defaultVariant": "a",
            "targeting": { "if": [{ "==": [{ "var": "plan" }, "gold"] }, "b", null] },
        }),
    );
    let context = json!({ "targetingKey": "u1", "plan": "gold" });
    let metadata = json!({ "owner": "shop", "n": 1.5, "is": true });
    for (key, value) in &all {
        let answer = evaluate(&server, key, &context);
        assert_eq!(answer.status, 200, "{key}: {}", answer.body);
        let expected = json!({
            "key": key, "value": value, "variant": "v", "reason": "STATIC", "metadata": metadata,
        });
        assert_eq!(answer.json(), expected);
    }
    let of = |key: &str| evaluate(&server, key, &context).json();
    assert_eq!(of("none"), json!({ "key": "none", "reason": "DEFAULT" }));
    assert_eq!(of("disabled"), json!({ "key": "disabled", "reason": "DISABLED" }));
    let gold =
        json!({ "key": "targeted", "value": 2, "variant": "b", "reason": "TARGETING_MATCH" });
    assert_eq!(of("targeted"), gold);
    let plain = json!({ "key": "targeted", "value": 1, "variant": "a", "reason": "DEFAULT" });
    assert_eq!(evaluate(&server, "targeted", &json!({})).json(), plain);
    let together = bulk(&server, &[], &context);
    assert_eq!(together.status, 200);
    let together = together.json();
    let flags = together["flags"].as_array().unwrap();
    assert_eq!(flags.len(), all.len() + 3);
    for flag in flags {
        assert_eq!(*flag, of(flag["key"].as_str().unwrap()));
    }
    let stream = &together["eventStreams"][0];
    assert_eq!(stream["type"], "sse");
    assert_eq!(stream["endpoint"]["requestUri"], "/ofrep/v1/events?environment=production");
    assert_eq!(stream["inactivityDelaySec"], 120);
    // Unescaped slashes do as well.
    let raw = server.post(
        "/ofrep/v1/evaluate/flags/with/slash%20and%20%C3%BCnicode",
        &[JSON],
        b"{\"context\":{}}",
    );
    assert_eq!(raw.json()["value"], "x");
}

#[test]
fn the_tag_is_of_the_flags_and_of_the_context() {
    let data = Data::new();
    let server = data.serve();
    set(&server, "production", "a", &switch("on"));
    let one = json!({ "targetingKey": "u1" });
    let ask = |known: &str, context: &Value| bulk(&server, &[("If-None-Match", known)], context);
    let first = bulk(&server, &[], &one);
    let tag = header(&first, "etag").unwrap().to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let again = ask(&known, &one);
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{known}");
        assert_eq!(header(&again, "etag"), Some(&*tag));
    }
    let other = ask(&tag, &json!({ "targetingKey": "u2" }));
    assert_eq!(other.status, 200);
    assert_ne!(header(&other, "etag"), Some(&*tag));
    set(&server, "production", "a", &switch("off"));
    assert_eq!(ask(&tag, &one).json()["flags"][0]["value"], false);
    // What depends on the clock is as long the same as the answer is.
    set(
        &server,
        "production",
        "late",
        &json!({
            "state": "ENABLED", "variants": { "v": 1 }, "defaultVariant": "v",
            "targeting": { "if": [{ "<": [{ "var": "$flagd.timestamp" }, 0] }, "v", null] },
        }),
    );
    let tag = header(&bulk(&server, &[], &one), "etag").unwrap().to_owned();
    assert_eq!(ask(&tag, &one).status, 304);
    // The tag is the same after a restart.
    assert!(server.stop());
    let server = data.serve();
    assert_eq!(bulk(&server, &[("If-None-Match", &tag)], &one).status, 304);
}

#[test]
fn what_cannot_be_answered_has_the_code_of_the_document() {
    let data = Data::new();
    let server = data.serve();
    let file = r#"{"flags":{
        "broken":{"state":"ENABLED","variants":{"a":1},"targeting":{"no_such":[1]}},
        "lost":{"state":"ENABLED","variants":{"a":1},"targeting":{"if":[true,"b","a"]}}}}"#;
    let objections = import(&server, "production", file);
    assert_eq!(objections["objections"].as_array().unwrap().len(), 2, "{objections}");
    let none = failure(&evaluate(&server, "none\"<b>", &json!({})), 404);
    assert_eq!((&none["errorCode"], &none["key"]), (&json!("FLAG_NOT_FOUND"), &json!("none\"<b>")));
    for (key, code) in [("broken", "PARSE_ERROR"), ("lost", "GENERAL")] {
        let failed = failure(&evaluate(&server, key, &json!({})), 400);
        assert_eq!((&failed["errorCode"], &failed["key"]), (&json!(code), &json!(key)));
    }
    let together = bulk(&server, &[], &json!({})).json();
    for flag in together["flags"].as_array().unwrap() {
        assert!(flag["errorCode"].is_string() && flag["errorDetails"].is_string(), "{flag}");
    }
    let deep = format!("{{\"context\":{{\"a\":{}{}}}}}", "[".repeat(10_000), "]".repeat(10_000));
    for (body, code) in [
        ("", "PARSE_ERROR"),
        ("{", "PARSE_ERROR"),
        ("{\"context\":{}} x", "PARSE_ERROR"),
        ("[]", "INVALID_CONTEXT"),
        ("{}", "INVALID_CONTEXT"),
        ("{\"context\":null}", "INVALID_CONTEXT"),
        ("{\"context\":[]}", "INVALID_CONTEXT"),
        ("{\"context\":{\"targetingKey\":7}}", "INVALID_CONTEXT"),
        ("{\"context\":{\"a\":1,\"a\":2}}", "INVALID_CONTEXT"),
        (&deep, "INVALID_CONTEXT"),
    ] {
        for path in ["/ofrep/v1/evaluate/flags", "/ofrep/v1/evaluate/flags/lost"] {
            let failed = failure(&server.post(path, &[JSON], body.as_bytes()), 400);
            assert_eq!(failed["errorCode"], code, "{path} {:.80}", body);
        }
    }
    let large = format!("{{\"context\":{{\"a\":\"{}\"}}}}", "x".repeat(300 << 10));
    failure(&server.post("/ofrep/v1/evaluate/flags", &[JSON], large.as_bytes()), 413);
    failure(&server.send("PUT", "/ofrep/v1/evaluate/flags", &[JSON], b"{}"), 405);
    failure(&server.get("/flagd/none.json"), 404);
    failure(&server.get("/flagd/production"), 404);
    failure(&server.get("/ofrep/v1/events?environment=none"), 404);
    let other = [("Seaway-Environment", "staging")];
    assert_eq!(bulk(&server, &other, &json!({})).json()["flags"], json!([]));
    failure(&bulk(&server, &[("Seaway-Environment", "A/B")], &json!({})), 400);
}

/// A token that evaluates, made beside the server.
fn evaluator(data: &Data, what: &str, environment: &str) -> String {
    let arguments = ["token", "create", "--name", "web", what, environment, "--expires", "1d"];
    data.run(&arguments).trim().to_owned()
}

#[test]
fn a_token_evaluates_one_environment_and_opens_nothing_else() {
    let data = Data::new().setting(&format!("{ALWAYS}\nfailures_per_minute = 100000"));
    let admin = token(&data, "admin", "1d");
    let server = data.serve();
    let bear = |token: &str| format!("Bearer {token}");
    let body = json!({ "definition": switch("on") }).to_string();
    let headers = [JSON, ("If-None-Match", "*"), ("Authorization", &bear(&admin))];
    for environment in ["production", "staging"] {
        let answer = server.send("PUT", &path(environment, "a", ""), &headers, body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let production = evaluator(&data, "--evaluate", "production");
    assert!(production.starts_with("seaway_evaluate_"), "{production}");
    let sync = evaluator(&data, "--sync", "staging");
    let ask = |token: &str, more: &[(&str, &str)]| {
        bulk(&server, &[&[("Authorization", &*bear(token))], more].concat(), &json!({}))
    };
    let answer = ask(&production, &[]);
    assert_eq!(answer.json()["flags"][0]["value"], true);
    let uri =
        answer.json()["eventStreams"][0]["endpoint"]["requestUri"].as_str().unwrap().to_owned();
    assert!(uri.starts_with("/ofrep/v1/events?channel=") && !uri.contains(&production[16..]));
    assert_eq!(bulk(&server, &[("X-API-Key", &production)], &json!({})).status, 200);
    assert_eq!(ask(&production, &[("Seaway-Environment", "production")]).status, 200);
    failure(&ask(&production, &[("Seaway-Environment", "staging")]), 403);
    // It reads no definitions; the other one does, of its environment.
    let definitions = |token: &str, environment: &str| {
        let path = format!("/flagd/{environment}.json");
        server.send("GET", &path, &[("Authorization", &bear(token))], b"")
    };
    failure(&definitions(&production, "production"), 403);
    failure(&definitions(&sync, "production"), 403);
    assert!(definitions(&sync, "staging").json()["flags"]["a"].is_object());
    assert_eq!(ask(&sync, &[]).status, 200);
    let last = if production.ends_with('0') { '1' } else { '0' };
    let near = format!("{}{last}", &production[..79]);
    for wrong in ["", "x", &admin, &production[1..], &near] {
        let refused = ask(wrong, &[]);
        failure(&refused, 401);
        assert_eq!(header(&refused, "www-authenticate"), Some("bearer"));
    }
    failure(&bulk(&server, &[], &json!({})), 401);
    for (method, path) in [
        ("GET", "/api/v1/flags"),
        ("GET", "/api/v1/organization"),
        ("GET", "/api/v1/tokens"),
        ("GET", "/metrics"),
        ("POST", "/events"),
        ("GET", "/api/v1/environments/production/export"),
    ] {
        for token in [&production, &sync] {
            let answer = server.send(method, path, &[("Authorization", &bear(token))], b"");
            assert_eq!(answer.status, 401, "{method} {path}");
        }
    }
    let listed = data.run(&["token", "list"]);
    assert!(listed.contains("evaluate production") && listed.contains("sync staging"), "{listed}");
    for wrong in [
        &["--evaluate", "A/B"][..],
        &["--evaluate", "a", "--role", "viewer"],
        &["--evaluate", "a", "--sync", "a"],
        &[],
    ] {
        let start = ["token", "create", "--name", "x", "--expires", "1d"];
        let (code, said) = data.run_failing(&[&start, wrong].concat());
        assert_eq!(code, 2, "{said}");
    }
    // A token that is revoked beside the server evaluates nothing a second later, and its stream ends.
    let mut stream = listen(&server, &uri, &[]);
    assert!(stream.event().contains("refetchEvaluation"));
    let all: Value =
        serde_json::from_str(&data.run(&["token", "list", "--format", "json"])).unwrap();
    let id = all.as_array().unwrap().iter().find(|it| it["role"] == "evaluate").unwrap();
    data.run(&["token", "revoke", id["id"].as_str().unwrap()]);
    until(|| ask(&production, &[]).status == 401);
    failure(&server.get(&uri), 401);
    assert_ne!(newest_id(&data), "");
}

#[test]
fn pages_of_browsers_may_ask() {
    let data = Data::new();
    let server = data.serve();
    set(&server, "production", "a", &switch("on"));
    let here = ("Origin", "http://localhost:5173");
    let preflight = |path: &str| {
        let headers = [here, ("Access-Control-Request-Method", "POST")];
        server.send("OPTIONS", path, &headers, b"")
    };
    for path in ["/ofrep/v1/evaluate/flags", "/ofrep/v1/evaluate/flags/a", "/flagd/production.json"]
    {
        let answer = preflight(path);
        assert_eq!(answer.status, 204, "{path}: {}", answer.body);
        assert_eq!(header(&answer, "access-control-allow-origin"), Some("http://localhost:5173"));
        let allowed = header(&answer, "access-control-allow-headers").unwrap();
        for name in ["authorization", "content-type", "if-none-match", "x-api-key"] {
            assert!(allowed.contains(name), "{allowed}");
        }
    }
    let answer = bulk(&server, &[here], &json!({}));
    assert_eq!(header(&answer, "access-control-allow-origin"), Some("http://localhost:5173"));
    assert!(header(&answer, "access-control-expose-headers").unwrap().contains("etag"));
    // Where nobody needs a token, pages of other sites learn nothing.
    for wrong in ["https://evil.example", "null", "http://localhost.evil.example"] {
        let answer = bulk(&server, &[("Origin", wrong)], &json!({}));
        failure(&answer, 403);
        assert_eq!(header(&answer, "access-control-allow-origin"), None);
    }
    let data = Data::new().setting(ALWAYS);
    token(&data, "admin", "1d");
    let web = evaluator(&data, "--evaluate", "production");
    let server = data.serve();
    let bear = format!("Bearer {web}");
    let headers = [("Origin", "https://shop.example"), ("Authorization", &*bear)];
    let answer = bulk(&server, &headers, &json!({}));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(header(&answer, "access-control-allow-origin"), Some("*"));
}

/// A stream of events that somebody reads.
struct Stream {
    connection: TcpStream,
    read: String,
}

fn listen(server: &Server, path: &str, headers: &[(&str, &str)]) -> Stream {
    let mut connection = server.connect();
    let mut head = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    connection.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    let mut stream = Stream { connection, read: String::new() };
    let head = stream.until("\r\n\r\n");
    assert!(head.contains("200 OK") && head.contains("text/event-stream"), "{head}");
    stream
}

impl Stream {
    /// Reads up to a text.
    fn until(&mut self, end: &str) -> String {
        let since = Instant::now();
        loop {
            if let Some(at) = self.read.find(end) {
                let rest = self.read.split_off(at + end.len());
                return std::mem::replace(&mut self.read, rest);
            }
            assert!(since.elapsed() < PATIENCE, "it never comes: {}", self.read);
            let mut some = [0; 4096];
            let count = self.connection.read(&mut some).unwrap();
            assert!(count > 0, "the stream ended: {}", self.read);
            self.read.push_str(std::str::from_utf8(&some[..count]).unwrap());
        }
    }

    /// The next event, with its id.
    fn event(&mut self) -> String {
        self.until("\"}\n\n")
    }
}

fn id(event: &str) -> String {
    let line = event.lines().find_map(|line| line.strip_prefix("id: "));
    line.unwrap_or_else(|| panic!("{event}")).to_owned()
}

#[test]
fn who_listens_is_told_of_every_change_and_goes_on_where_it_was() {
    let data = Data::new();
    let server = data.serve();
    set(&server, "production", "a", &switch("on"));
    let uri = "/ofrep/v1/events?environment=production";
    let mut stream = listen(&server, uri, &[]);
    let first = stream.event();
    assert!(first.contains("event: message"), "{first}");
    let since = Instant::now();
    let off = server.post(&path("production", "a", "/off"), &[], b"");
    assert_eq!(off.status, 200, "{}", off.body);
    let second = stream.event();
    assert!(since.elapsed() < Duration::from_secs(2), "a kill switch took {:?}", since.elapsed());
    assert_ne!(id(&first), id(&second));
    let data_of = second.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let told: Value = serde_json::from_str(data_of).unwrap();
    assert_eq!(told["type"], "refetchEvaluation");
    // With what it was told it asks for the flags.
    let etag = told["etag"].as_str().unwrap();
    let url = format!("/ofrep/v1/evaluate/flags?flagConfigEtag={etag}");
    let answer = server.post(&url, &[JSON], b"{\"context\":{}}");
    assert_eq!(answer.json()["flags"][0]["value"], false);
    drop(stream);
    // Nothing has changed since: it is told when something does, also after a restart.
    let known = id(&second);
    assert!(server.stop());
    let server = data.serve();
    let mut same = listen(&server, uri, &[("Last-Event-ID", &known)]);
    same.until(": nothing has changed\n\n");
    set(&server, "production", "a", &switch("on"));
    let third = same.event();
    // Who was away hears of it at once.
    let mut late = listen(&server, uri, &[("Last-Event-ID", &known)]);
    assert_eq!(id(&late.event()), id(&third));
    // A hundred changes are a few events.
    for round in 0..100 {
        set(&server, "production", "a", &switch(if round % 2 == 0 { "on" } else { "off" }));
    }
    let last = server.get("/api/v1/environments/production/export");
    let last = header(&last, "etag").unwrap().trim_matches('"').to_owned();
    let mut events = 0;
    while id(&same.event()) != last {
        events += 1;
    }
    assert!(events < 60, "{events} events");
    // A server that stops does not wait for those who listen.
    let since = Instant::now();
    assert!(server.stop());
    assert!(since.elapsed() < Duration::from_secs(9), "{:?}", since.elapsed());
}

pub(crate) fn until(is_so: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "it never came so far");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn flagd_reads_the_definitions_with_a_tag() {
    let data = Data::new();
    let server = data.serve();
    set(&server, "production", "a", &switch("on"));
    let first = server.get("/flagd/production.json");
    let tag = header(&first, "etag").unwrap();
    assert_eq!(first.json()["flags"]["a"], switch("on"));
    let again = server.send("GET", "/flagd/production.json", &[("If-None-Match", tag)], b"");
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    server.post(&path("production", "a", "/off"), &[], b"");
    let off = server.send("GET", "/flagd/production.json", &[("If-None-Match", tag)], b"");
    assert_eq!(off.json()["flags"]["a"]["defaultVariant"], "off");
    // What is exported keeps the rules.
    let exported = server.get("/api/v1/environments/production/export").json();
    assert_eq!(exported["flags"]["a"]["defaultVariant"], "on");
    assert_eq!(exported["flags"]["a"]["state"], "DISABLED");
}

#[test]
fn the_definitions_of_flagds_testkit_come_in_and_go_out_unchanged() {
    let Some(folder) = flagd() else { return };
    let data = Data::new();
    let server = data.serve();
    let file = std::fs::read_to_string(folder.join("flags/testkit-flags.json")).unwrap();
    let imported = import(&server, "production", &file);
    let before: Value = serde_json::from_str(&file).unwrap();
    let count = before["flags"].as_object().unwrap().len();
    assert_eq!(imported["added"].as_array().unwrap().len(), count, "{imported}");
    for path in ["/api/v1/environments/production/export", "/flagd/production.json"] {
        assert_eq!(server.get(path).json(), before, "{path}");
    }
    // Numbers and texts of each are as they were written.
    let exported = server.get("/api/v1/environments/production/export").body;
    let again = import(&server, "production", &exported);
    assert_eq!((&again["unchanged"], &again["shared"]), (&json!(count), &json!(false)));
    let set = seaway_core::flags::FlagSet::parse(file.as_bytes(), 1 << 20).unwrap();
    let contexts = [
        json!({}),
        json!({ "targetingKey": "5c3d8535-f81a-4478-a6d3-afaa4d51199e", "email": "a@faas.com" }),
        json!({ "targetingKey": "u", "user": { "name": "jack", "email": "x@faas.com" }, "version": "2.1.0",
                "customer": false, "id": "user-7", "time": 1, "scope": "n", "age": 25 }),
    ];
    for context in contexts {
        let core = seaway_core::flags::Context::parse(&context.to_string()).unwrap();
        let answers = bulk(&server, &[], &context).json();
        for answer in answers["flags"].as_array().unwrap() {
            let key = answer["key"].as_str().unwrap();
            let now = seaway_core::time::Time(0);
            let expected = set.evaluate(key, &core, now);
            assert_eq!(answer, &evaluate(&server, key, &context).json());
            match expected.error {
                Some(error) => assert_eq!(answer["errorCode"], error.name(), "{key}"),
                None if key.contains("timestamp") => {}
                None => {
                    assert_eq!(answer["reason"], expected.reason.name(), "{key}");
                    assert_eq!(answer["variant"].as_str(), expected.variant, "{key}");
                    let value = expected.value.map(|it| serde_json::to_value(it).unwrap());
                    assert_eq!(answer.get("value"), value.as_ref(), "{key}");
                }
            }
        }
    }
}
