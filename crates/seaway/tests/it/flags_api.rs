//! Flags that are changed: conflicts, hostile definitions, and what survives.

use crate::flags_lang::{JSON, bulk, evaluate, header, import, path, set, switch};
use crate::flags_ofrep::until;
use crate::serve_lang::{Answer, Data, Server};
use crate::serve_openapi::Document;
use crate::serve_shared::postgres;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

fn put(server: &Server, key: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let headers = [&[JSON], headers].concat();
    server.send("PUT", &path("production", key, ""), &headers, body.to_string().as_bytes())
}

/// Where a definition is wrong, and why: of an answer that refuses it.
fn refused(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.status, 422, "{}", answer.body);
    let problem = answer.problem();
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    let all = problem["problems"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().map(|it| (text(&it["place"]), text(&it["reason"]))).collect()
}

#[test]
fn every_change_is_answered_as_the_document_says() {
    let (document, data) = (Document::read(), Data::new());
    let server = data.serve();
    let one = "/api/v1/flags/{environment}/{key}";
    let send = |method: &str, end: &str, headers: &[(&str, &str)], body: &str, status: u16| {
        let url = path("production", "a/ü", end);
        let headers = [&[JSON], headers].concat();
        let answer = server.send(method, &url, &headers, body.as_bytes());
        assert_eq!(answer.status, status, "{method} {end} {headers:?} {body}: {}", answer.body);
        let template = format!("{one}{}", end.split('?').next().unwrap());
        document.check(&method.to_lowercase(), &template, &answer, end)
    };
    let definition = json!({ "definition": switch("off"), "reason": "merged dark" }).to_string();
    let told = send("PUT", "", &[], &definition, 428);
    assert_eq!(told["revision"], 0);
    let made = send("PUT", "", &[("If-None-Match", "*")], &definition, 200);
    assert_eq!((&made["revision"], &made["key"]), (&json!(1), &json!("a/ü")));
    let told = send("PUT", "", &[("If-None-Match", "*")], &definition, 412);
    assert_eq!(told["revision"], 1);
    let told = send("PUT", "", &[("If-Match", "\"7\"")], &definition, 412);
    assert_eq!(told["revision"], 1);
    for wrong in ["7", "W/\"1\"", "\"x\""] {
        send("PUT", "", &[("If-Match", wrong)], &definition, 400);
    }
    let based = json!({ "definition": switch("on"), "base": 1 }).to_string();
    send("PUT", "", &[("If-Match", "\"1\"")], &based, 400);
    assert_eq!(send("PUT", "", &[], &based, 200)["revision"], 2);
    for wrong in ["", "{", "[]", "{}", "{\"definition\":{},\"x\":1}"] {
        send("PUT", "", &[("If-Match", "\"2\"")], wrong, 400);
    }
    let kind = [("Content-Type", "text/plain"), ("If-Match", "\"2\"")];
    let answer = server.send("PUT", &path("production", "a/ü", ""), &kind, b"{}");
    assert_eq!(answer.status, 415);
    send("PUT", "", &[("If-Match", "\"2\"")], &"x".repeat(1_200_000), 413);
    assert_eq!(send("POST", "/off", &[], "", 200)["state"], "off");
    assert_eq!(send("POST", "/off", &[], "{\"reason\":\"again\"}", 200)["revision"], 3);
    assert_eq!(send("POST", "/on", &[], "{\"reason\":\"mended\"}", 200)["state"], "on");
    send("POST", "/restore", &[], "{\"revision\":1}", 428);
    send("POST", "/restore", &[("If-Match", "\"4\"")], "{\"revision\":99}", 404);
    let restored = send("POST", "/restore", &[("If-Match", "\"4\"")], "{\"revision\":1}", 200);
    assert_eq!(restored["default_variant"], "off");
    for at in 0..10 {
        let context = json!({ "targetingKey": format!("u{at}"), "plan": at % 2 });
        assert_eq!(bulk(&server, &[], &context).status, 200);
    }
    let half = json!({ "definition": {
        "state": "ENABLED", "variants": { "on": true, "off": false }, "defaultVariant": "off",
        "targeting": { "if": [{ "==": [{ "var": "plan" }, 1] }, "on", null] },
    }});
    let preview = send("POST", "/preview", &[], &half.to_string(), 200);
    let moves = json!([{ "from": "off", "to": "on", "units": 5 }]);
    assert_eq!(preview["moves"], json!({ "seen": 10, "moved": 5, "share": 0.5, "moves": moves }));
    let wrong = json!({ "definition": { "state": "ENABLED", "variants": 1 } }).to_string();
    let preview = send("POST", "/preview", &[], &wrong, 200);
    assert_eq!(
        (&preview["problems"][0]["place"], &preview["moves"]),
        (&json!("/variants"), &Value::Null)
    );
    send("DELETE", "", &[], "", 428);
    send("DELETE", "?reason=done", &[("If-Match", "\"4\"")], "", 412);
    let gone = send("DELETE", "?reason=done", &[("If-Match", "\"5\"")], "", 200);
    assert_eq!(gone["definition"], Value::Null);
    for (method, end) in [("GET", ""), ("DELETE", ""), ("POST", "/off")] {
        send(method, end, &[], "", 404);
    }
    let history = send("GET", "/history", &[], "", 200);
    let rows = history["rows"].as_array().unwrap();
    let told: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| (row["action"].as_str().unwrap(), row["reason"].as_str().unwrap()))
        .collect();
    let expected = [
        ("delete", "done"),
        ("restore", ""),
        ("on", "mended"),
        ("off", ""),
        ("set", ""),
        ("set", "merged dark"),
    ];
    assert_eq!(told, expected);
    let audit = server.get("/api/v1/audit").json();
    assert_eq!(audit["rows"].as_array().unwrap().len(), 6, "{audit}");
    let newest = &audit["rows"][0];
    assert_eq!(newest["action"], "flag-delete");
    assert_eq!(
        newest["flag"],
        json!({
            "environment": "production", "key": "a/ü", "revision": 6, "reason": "done",
        })
    );
    assert_eq!(newest["by"]["id"], "local");
    document.check("get", "/api/v1/audit", &server.get("/api/v1/audit"), "the audit");
    let file = "/api/v1/environments/production/import";
    let import = |headers: &[(&str, &str)], query: &str, body: &str, status: u16| {
        let url = format!("{file}{query}");
        let answer = server.post(&url, &[&[JSON], headers].concat(), body.as_bytes());
        assert_eq!(answer.status, status, "{query} {body:.200}: {}", answer.body);
        document.check("post", "/api/v1/environments/{environment}/import", &answer, query)
    };
    let flags = json!({ "flags": { "x": switch("on") } }).to_string();
    import(&[], "", &flags, 428);
    import(&[("If-Match", "\"x\"")], "", &flags, 400);
    import(&[("If-None-Match", "*")], "", &flags, 412);
    let done = import(&[("If-Match", "*")], "?reason=more", &flags, 200);
    assert_eq!(done["added"], json!(["x"]));
    let version = format!("\"{}\"", done["version"].as_str().unwrap());
    let done = import(&[("If-Match", &version)], "?replace=true", "{\"flags\":{}}", 200);
    assert_eq!(done["deleted"], json!(["x"]));
    import(&[("If-Match", &version)], "", &flags, 412);
    import(&[("If-Match", "*")], "", "{\"flags\":{\"a\":{\"variants\":7}}}", 422);
    import(&[("If-Match", "*")], "?replace=yes", &flags, 400);
}

#[test]
fn lists_are_filtered_and_told_as_csv() {
    let data = Data::new();
    let server = data.serve();
    for (environment, key, owner, purpose) in [
        ("production", "=1+1", "shop", "release"),
        ("production", "Search", "find", "experiment"),
        ("staging", "search-2", "find", "release"),
    ] {
        let mut definition = switch("on");
        definition["metadata"] = json!({ "owner": owner, "purpose": purpose });
        set(&server, environment, key, &definition);
    }
    server.post(&path("staging", "search-2", "/off"), &[], b"");
    let keys = |query: &str| -> Vec<String> {
        let rows = server.get(&format!("/api/v1/flags?{query}")).json();
        let rows = rows["rows"].as_array().unwrap().iter();
        rows.map(|row| row["key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(""), ["=1+1", "Search", "search-2"]);
    assert_eq!(keys("environment=production"), ["=1+1", "Search"]);
    assert_eq!(keys("environment=none"), Vec::<String>::new());
    assert_eq!(keys("owner=find&q=SEARCH"), ["Search", "search-2"]);
    assert_eq!(keys("purpose=release&state=on"), ["=1+1"]);
    assert_eq!(keys("state=off"), ["search-2"]);
    for wrong in ["environment=A", "state=maybe", "owner=a&owner=b", "format=xml"] {
        assert_eq!(server.get(&format!("/api/v1/flags?{wrong}")).status, 400, "{wrong}");
    }
    let sheet = server.get("/api/v1/flags?format=csv&limit=1");
    assert!(sheet.body.contains("\r\nproduction,'=1+1,1,on,boolean,off on,on,off,false,shop,"));
    assert!(
        header(&sheet, "link").unwrap().contains("after=production%2f%3d1%2b1"),
        "{}",
        sheet.head
    );
}

#[test]
fn hostile_definitions_are_refused_with_place_and_reason() {
    let data = Data::new();
    let server = data.serve();
    let new = [("If-None-Match", "*")];
    let with = |targeting: Value| {
        let mut definition = switch("on");
        definition["targeting"] = targeting;
        json!({ "definition": definition })
    };
    let long = "x".repeat(500);
    for (body, place, reason) in [
        (json!({ "definition": { "state": "ENABLED", "variants": {} } }), "/variants", "variants"),
        (
            json!({ "definition": { "state": "<script>", "variants": { "a": 1 } } }),
            "/state",
            "ENABLED",
        ),
        (with(json!({ "if": [true, "<b>none</b>"] })), "/targeting/if/1", "<b>none</b>"),
        (with(json!({ "matches": [{ "var": "a" }, "(a+)+$"] })), "/targeting", "operator"),
        (with(json!({ "/": [1, 0] })), "/targeting", "zero"),
        (with(json!({ "$ref": "none" })), "/targeting", "$evaluators"),
        (with(json!({ &long: [1] })), "/targeting", "operator"),
        (
            json!({ "definition": { "state": "ENABLED", "variants": { "a": 1 }, "defaultVariant": "b" } }),
            "/defaultVariant",
            "variant",
        ),
    ] {
        let told = refused(&put(&server, "a", &new, &body));
        let found = told.iter().any(|(at, why)| at.starts_with(place) && why.contains(reason));
        assert!(found, "{body:.200}: {told:?}");
    }
    let mut deep = String::from("1");
    for _ in 0..10_000 {
        deep = format!("{{\"!\":[{deep}]}}");
    }
    let body = format!(
        r#"{{"definition":{{"state":"ENABLED","variants":{{"a":1}},"targeting":{deep}}}}}"#
    );
    let answer = server.send("PUT", &path("production", "a", ""), &[JSON, new[0]], body.as_bytes());
    assert!([400, 422].contains(&answer.status), "{}", answer.body);
    assert!(answer.body.contains("deep") || answer.body.contains("recursion"), "{}", answer.body);
    let url = "/api/v1/environments/production/import";
    let whole = |file: &str| server.post(url, &[JSON, ("If-Match", "*")], file.as_bytes());
    let file = format!(
        r#"{{"flags":{{"a":{{"state":"ENABLED","variants":{{"a":1}},"targeting":{deep}}}}}}}"#
    );
    let answer = whole(&file);
    assert!(
        [400, 422].contains(&answer.status) && answer.body.contains("/flags"),
        "{}",
        answer.body
    );
    let loops = r#"{"flags":{},"$evaluators":{"a":{"$ref":"b"},"b":{"$ref":"a"}}}"#;
    let told = refused(&whole(loops));
    assert!(told[0].0.starts_with("/$evaluators") && told[0].1.contains("itself"), "{told:?}");
    let mut growing = String::from(r#"{"flags":{},"$evaluators":{"e0":{"==":[1,1]}"#);
    for at in 1..60 {
        let before = at - 1;
        growing.push_str(&format!(
            r#","e{at}":{{"and":[{{"$ref":"e{before}"}},{{"$ref":"e{before}"}}]}}"#
        ));
    }
    let told = refused(&whole(&format!("{growing}}}}}")));
    assert!(told[0].1.contains("steps"), "{told:?}");
    // A hundred megabytes are not even read.
    let head = format!(
        "POST {url} HTTP/1.1\r\nHost: 127.0.0.1\r\nIf-Match: *\r\nContent-Type: application/json\r\n\
         Content-Length: 100000000\r\nConnection: close\r\n\r\n"
    );
    let head = crate::access_lang::raw(&server, head.as_bytes()).unwrap();
    assert_eq!(crate::access_lang::status(&head), 413);
    for (key, status) in [("%24shared", 422), ("%00", 400), ("%FF", 400)] {
        let url = format!("/api/v1/flags/production/{key}");
        let body = json!({ "definition": switch("on") }).to_string();
        let answer = server.send("PUT", &url, &[JSON, new[0]], body.as_bytes());
        assert_eq!(answer.status, status, "{key}: {}", answer.body);
    }
    let body = json!({ "definition": switch("on") });
    let long = put(&server, &"k".repeat(1_001), &new, &body);
    assert_eq!(long.status, 422);
    let hostile = [
        "<script>alert(1)</script>",
        "../../etc",
        "a\u{202e}b",
        "a\nb",
        " ",
        "'; DROP TABLE events",
    ];
    for key in hostile {
        set(&server, "production", key, &switch("on"));
        assert_eq!(evaluate(&server, key, &json!({})).json()["key"], key);
    }
    assert_eq!(
        bulk(&server, &[], &json!({})).json()["flags"].as_array().unwrap().len(),
        hostile.len()
    );
}

#[test]
fn an_acknowledged_edit_survives_a_kill() {
    let data = Data::new().env("SEAWAY_LOG", "off");
    let acknowledged = AtomicU64::new(0);
    for round in 0..3_u64 {
        let server = data.serve();
        let now = acknowledged.load(Ordering::Relaxed);
        if now > 0 {
            let flag = server.get(&path("production", "a", "")).json();
            let revision = flag["revision"].as_u64().unwrap();
            assert!(revision == now || revision == now + 1, "{revision} after {now}");
            acknowledged.store(revision, Ordering::Relaxed);
        }
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                loop {
                    let base = acknowledged.load(Ordering::Relaxed);
                    let body = json!({ "definition": switch("on"), "base": base }).to_string();
                    let at = path("production", "a", "");
                    let answer = server.try_send("PUT", &at, &[JSON], body.as_bytes());
                    match answer {
                        Some(answer) => {
                            assert_eq!(answer.status, 200, "{}", answer.body);
                            acknowledged.store(base + 1, Ordering::Relaxed);
                        }
                        None => return,
                    }
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
            until(|| acknowledged.load(Ordering::Relaxed) > now + 20 + round);
            server.kill_now();
            stop.store(true, Ordering::Relaxed);
            writer.join().unwrap();
        });
    }
    let server = data.serve();
    let history = server.get(&path("production", "a", "/history?limit=1000")).json();
    let rows = history["rows"].as_array().unwrap();
    let revisions: Vec<u64> = rows.iter().map(|it| it["revision"].as_u64().unwrap()).collect();
    let newest = revisions[0];
    assert!(newest >= acknowledged.load(Ordering::Relaxed));
    assert_eq!(revisions, (1..=newest).rev().collect::<Vec<_>>());
}

#[test]
fn two_servers_agree_and_go_on_without_the_database() {
    let Some(cluster) = postgres::Cluster::start() else { return };
    let url = cluster.database();
    let data = Data::new().env("SEAWAY_LOG", "off").arg("--database").arg(&url);
    let (one, other) = (data.serve(), data.serve());
    set(&one, "production", "a", &switch("on"));
    let value = |server: &Server| evaluate(server, "a", &json!({})).json()["value"].clone();
    until(|| value(&other) == true);
    // Two editors who have seen the same revision, each on a server of their own.
    let body = json!({ "definition": switch("off"), "base": 1 });
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| put(&one, "a", &[], &body));
        let second = put(&other, "a", &[], &body);
        (first.join().unwrap(), second)
    });
    let mut told = [first.status, second.status];
    told.sort_unstable();
    assert_eq!(told, [200, 412]);
    let lost = if first.status == 412 { first } else { second };
    assert_eq!(lost.problem()["revision"], 2);
    until(|| value(&one) == false && value(&other) == false);
    // The kill switch of one is seen by the clients of the other within two seconds.
    set(&one, "production", "a", &switch("on"));
    until(|| value(&other) == true);
    let since = std::time::Instant::now();
    assert_eq!(one.post(&path("production", "a", "/off"), &[], b"").status, 200);
    until(|| value(&other) == false);
    assert!(since.elapsed() < std::time::Duration::from_secs(2), "{:?}", since.elapsed());
    let tags = [&one, &other]
        .map(|server| header(&bulk(server, &[], &json!({})), "etag").unwrap().to_owned());
    assert_eq!(tags[0], tags[1]);
    cluster.stop();
    for server in [&one, &other] {
        assert_eq!(value(server), false);
        assert_eq!(bulk(server, &[], &json!({})).status, 200);
        assert_eq!(server.get("/flagd/production.json").status, 200);
        until(|| server.get("/api/v1/flags").json()["stale_since"].is_string());
    }
    let refused = one.post(&path("production", "a", "/on"), &[], b"");
    assert!([503, 429].contains(&refused.status), "{}", refused.body);
    refused.problem();
    cluster.begin();
    until(|| one.post(&path("production", "a", "/on"), &[], b"").status == 200);
    until(|| value(&other) == true);
    until(|| other.get("/api/v1/flags").json()["stale_since"].is_null());
}

#[test]
fn without_its_file_a_server_goes_on_evaluating() {
    let data = Data::new().env("SEAWAY_LOG", "off");
    let server = data.serve();
    import(&server, "production", &json!({ "flags": { "a": switch("on") } }).to_string());
    let folder = data.folder();
    let away = data.beside("away");
    std::fs::rename(&folder, &away).unwrap();
    for _ in 0..20 {
        assert_eq!(evaluate(&server, "a", &json!({})).json()["value"], true);
        assert_eq!(bulk(&server, &[], &json!({})).status, 200);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    std::fs::rename(&away, &folder).unwrap();
    drop(server);
    let server = data.serve();
    assert_eq!(evaluate(&server, "a", &json!({})).json()["value"], true);
}

#[test]
fn a_switch_meets_no_conflict_however_many_use_it_on_two_servers() {
    let Some(cluster) = postgres::Cluster::start() else { return };
    let url = cluster.database();
    let data = Data::new().env("SEAWAY_LOG", "off").arg("--database").arg(&url);
    let (one, other) = (data.serve(), data.serve());
    set(&one, "production", "a", &switch("on"));
    until(|| other.get(&path("production", "a", "")).status == 200);
    std::thread::scope(|scope| {
        for (server, end) in [(&one, "/off"), (&other, "/on"), (&other, "/off"), (&one, "/on")] {
            scope.spawn(move || {
                for _ in 0..15 {
                    let answer = server.post(&path("production", "a", end), &[], b"");
                    assert_eq!(answer.status, 200, "{end}: {}", answer.body);
                }
            });
        }
    });
}
