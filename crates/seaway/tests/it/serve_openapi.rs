//! The OpenAPI document, held against what a server answers to every URL in it.

use crate::flags_lang::{expose, set as set_flag, start_ramp, switch};
use crate::serve_lang::{Answer, Data, PATIENCE, Server};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// The document, and what it says of one answer.
pub(crate) struct Document(Value);

impl Document {
    pub(crate) fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        Self(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    /// What a reference stands for.
    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(name) => self.0.pointer(name.trim_start_matches('#')).unwrap(),
            None => value,
        }
    }

    fn operations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(|method| (method.as_str(), path.as_str()))
        })
    }

    /// Parameters of a URL: where they stand, by name.
    fn parameters(&self, path: &str) -> BTreeMap<&str, &str> {
        let all = self.0["paths"][path]["get"]["parameters"].as_array();
        let all = all.into_iter().flatten().map(|it| self.resolve(it));
        all.map(|it| (it["name"].as_str().unwrap(), it["in"].as_str().unwrap())).collect()
    }

    /// Whether a value is as a schema of the document has it.
    fn assert_fits(&self, schema: &Value, value: &Value, what: &str) {
        let mut schema = schema.clone();
        schema["components"] = self.0["components"].clone();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{what}:\n{}\n{value:#}", errors.join("\n"));
    }

    /// Holds an answer against what the document says of its URL.
    pub(crate) fn check(&self, method: &str, path: &str, answer: &Answer, what: &str) -> Value {
        let operation = &self.0["paths"][path][method];
        assert!(operation.is_object(), "{method} {path} is not in the document");
        let told = self.resolve(&operation["responses"][answer.status.to_string()]);
        assert!(told.is_object(), "{what} is answered by {}: {}", answer.status, answer.body);
        let (kind, content) = told["content"].as_object().unwrap().iter().next().unwrap();
        let line = format!("content-type: {kind}");
        assert!(answer.head.contains(&line), "{what}: {} has no {line}", answer.head);
        let value = match kind.contains("json") {
            true => answer.json(),
            false => json!(answer.body),
        };
        self.assert_fits(&content["schema"], &value, what);
        value
    }
}

/// A whole hash that stands for a number.
pub(crate) fn hash(number: u32) -> String {
    format!("{number:040x}")
}

/// An event of Seaway's own, as a CloudEvent.
pub(crate) fn event(id: &str, kind: &str, subject: &str, content: Value) -> Value {
    let (kind, source) = (format!("dev.cdeventsx.seaway-{kind}.0.1.0"), "https://ci.example.com");
    let context = json!({
        "specversion": "0.5.1", "id": id, "source": source, "type": kind,
        "timestamp": "2026-03-02T12:00:00Z",
    });
    json!({
        "specversion": "1.0", "id": id, "source": source, "type": kind,
        "datacontenttype": "application/json",
        "data": { "context": context, "subject": { "id": subject, "content": content } },
    })
}

pub(crate) const SHOP: &str = "https://github.com/example/shop";

fn commit(number: u32, parents: &[u32], message: &str) -> Value {
    // Of the last one nobody tells the lines.
    let lines = |lines: u32| (number < 6).then_some(lines);
    json!({
        "hash": hash(number), "parents": parents.iter().map(|it| hash(*it)).collect::<Vec<_>>(),
        "authoredAt": format!("2026-03-0{number}T08:00:00Z"),
        "committedAt": format!("2026-03-0{number}T08:05:00Z"),
        "author": { "name": "Ada", "email": "ada@example.com" }, "message": message,
        "linesAdded": lines(10 << number), "linesDeleted": lines(2),
    })
}

pub(crate) fn deployment(
    name: &str,
    environment: &str,
    revision: u32,
    day: u32,
    outcome: &str,
) -> Value {
    let at = format!("2026-03-{day:02}T10:00:00Z");
    event(
        name,
        "deployment.finished",
        name,
        json!({
            "service": "shop", "environment": environment, "name": name, "repository": SHOP,
            "revision": hash(revision), "startedAt": at, "finishedAt": at, "outcome": outcome,
        }),
    )
}

/// Events that make every kind of row.
fn events() -> Vec<Value> {
    let reverts = format!("Revert \"two\"\n\nThis reverts commit {}.", hash(2));
    vec![
        event(
            "push",
            "commit.pushed",
            &hash(6),
            json!({
                "repository": SHOP, "branch": "main", "default": true, "after": hash(6),
                "pushedAt": "2026-03-06T09:00:00Z",
                "commits": [
                    commit(1, &[], "one"), commit(2, &[1], "two"), commit(3, &[2], &reverts),
                    commit(4, &[3], "four"), commit(5, &[4], "five"), commit(6, &[5], "<b>six</b>"),
                ],
            }),
        ),
        deployment("first", "production", 1, 1, "success"),
        deployment("second", "production", 4, 7, "success"),
        deployment("third", "production", 5, 8, "success"),
        deployment("back", "production", 4, 9, "success"),
        deployment("failed", "production", 6, 10, "failure"),
        deployment("odd", "production", 99, 11, "success"),
        deployment("staged", "staging", 6, 12, "success"),
        event(
            "running",
            "deployment.started",
            "running",
            json!({
                "service": "shop", "environment": "production", "name": "running",
                "repository": SHOP, "revision": hash(6), "startedAt": "2026-03-12T10:00:00Z",
            }),
        ),
        event(
            "pull",
            "pullrequest.updated",
            "42",
            json!({
                "repository": SHOP, "number": 42, "title": "Four", "openedAt": "2026-03-04T08:30:00Z",
                "mergedAt": "2026-03-04T09:30:00Z", "mergeCommit": hash(4), "base": "main",
            }),
        ),
        event(
            "review",
            "review.submitted",
            "42",
            json!({
                "repository": SHOP, "pullRequest": 42, "reviewId": "1", "verdict": "approved",
                "submittedAt": "2026-03-04T09:00:00Z",
            }),
        ),
        event(
            "incident",
            "incident.reported",
            "inc-1",
            json!({
                "service": "shop", "incident": "inc-1", "environment": "production",
                "title": "Orders are lost", "reportedAt": "2026-03-07T11:00:00Z",
            }),
        ),
        event(
            "resolved",
            "incident.resolved",
            "inc-1",
            json!({
                "service": "shop", "incident": "inc-1", "resolvedAt": "2026-03-07T12:00:00Z",
            }),
        ),
        event(
            "early",
            "incident.reported",
            "inc-2",
            json!({
                "service": "shop", "incident": "inc-2", "environment": "production",
                "title": "Too early", "reportedAt": "2026-02-01T11:00:00Z",
            }),
        ),
        event(
            "lonely",
            "commit.pushed",
            &hash(72),
            json!({
                "repository": "https://github.com/example/lonely", "branch": "main", "default": true,
                "before": hash(70), "after": hash(72), "pushedAt": "2026-03-06T09:00:00Z",
                "commits": [
                    { "hash": hash(71), "authoredAt": "2026-03-02T08:00:00Z", "message": "a",
                      "author": { "name": "Bo", "email": "bo@example.com" } },
                    { "hash": hash(72), "authoredAt": "2026-03-03T08:00:00Z", "message": "b",
                      "author": { "name": "Bo", "email": "bo@example.com" } },
                ],
            }),
        ),
        event("malformed", "deployment.finished", "x", json!({ "service": 7 })),
        json!({ "specversion": "1.0", "id": "u", "source": "s", "type": "com.example.unknown" }),
    ]
}

const CATALOG: &str = "\
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: { name: acme, title: Acme }
spec: { type: organization }
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: { name: checkout }
spec: { type: team, parent: acme }
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: shop
  annotations:
    github.com/project-slug: example/shop
    seaway.dev/architecture: microservice
    seaway.dev/runtime: container
    seaway.dev/tier: high
    seaway.dev/traits: kernel=6.1
spec: { type: service, lifecycle: production, owner: checkout }
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: { name: orphan }
spec: { type: service, lifecycle: production, owner: nobody }
";

/// A server that has seen everything.
pub(crate) fn filled(data: &Data) -> Server {
    std::fs::create_dir_all(data.beside("catalog")).unwrap();
    std::fs::write(data.beside("catalog/all.yaml"), CATALOG).unwrap();
    let server = data.serve();
    server.events(&events());
    let all = [("production", "checkout"), ("production", "other"), ("staging", "checkout")];
    for (environment, key) in all {
        for default in ["on", "off"] {
            set_flag(&server, environment, key, &switch(default));
        }
    }
    start_ramp(&server, "checkout");
    expose(&server, "checkout", &[("ada", "on"), ("bo", "off")]);
    let since = Instant::now();
    while server.report("/services/shop")["service"]["group"] != "checkout" {
        assert!(since.elapsed() < PATIENCE, "the catalog never came");
    }
    server
}

pub(crate) fn with_catalog() -> Data {
    let data = Data::new();
    let folder = data.beside("catalog").display().to_string();
    data.arg("--catalog").arg(folder)
}

/// The URL of a path with the names of the story in it.
fn named(path: &str) -> String {
    path.replace("{service}", "shop")
        .replace("{group}", "checkout")
        .replace("{change}", &hash(4))
        .replace("{environment}", "production")
        .replace("{name}", "second")
        .replace("{key}", "checkout")
}

/// The parameters that a URL cannot do without.
fn required(path: &str) -> &'static str {
    match path.rsplit('/').next() {
        Some("findings") => "kind=clock_problem",
        Some("event") => "source=https://ci.example.com&id=malformed",
        _ => "limit=100",
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// All rows of a URL, read in pages of a size.
fn all_rows(document: &Document, server: &Server, path: &str, size: usize) -> Vec<Value> {
    let mut rows = Vec::new();
    let start = format!("{}?{}&limit={size}", named(path), required(path).replace("limit=100", ""));
    let start = start.replace("?&", "?");
    let mut next = start.clone();
    loop {
        let page = document.check("get", path, &server.get(&next), &next);
        let found = page["rows"].as_array().unwrap();
        assert!(found.len() <= size, "{next}");
        rows.extend(found.iter().cloned());
        let Some(after) = page["next"].as_str() else { return rows };
        next = format!("{start}&after={}", encoded(after));
        assert!(rows.len() < 1_000, "{path} never ends");
    }
}

fn words(rows: &[Value], field: &str) -> BTreeSet<String> {
    rows.iter().map(|row| row[field].to_string().trim_matches('"').to_owned()).collect()
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn every_url_of_the_router_is_described_and_no_other() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/router.rs");
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    let reports = text.find("let reports").unwrap()..text.find("let pages").unwrap();
    // Pages and the files that they load are for people.
    let pages = reports.end..text.find("let machinery").unwrap();
    let mut routes = BTreeSet::new();
    for (at, _) in text.match_indices(".route(") {
        let mut parts = text[at..].splitn(3, '"').skip(1);
        let prefix = if reports.contains(&at) { "/api/v1" } else { "" };
        let path = format!("{prefix}{}", parts.next().unwrap());
        // What monitoring reads, and pictures, are described in docs/metrics.md.
        let is_monitoring = path == "/metrics" || path == "/readyz" || path.starts_with("/badge/");
        if pages.contains(&at) || path.starts_with("/assets/") || is_monitoring {
            continue;
        }
        // The guard, what a webhook proves, and then the method.
        let handler = parts.next().unwrap();
        let method = ["get", "post", "put", "delete"]
            .into_iter()
            .filter_map(|method| Some((handler.find(&format!("{method}("))?, method)))
            .min();
        routes.insert((method.unwrap().1.to_owned(), path));
    }
    let document = Document::read();
    let described: BTreeSet<_> =
        document.operations().map(|(method, path)| (method.to_owned(), path.to_owned())).collect();
    assert_eq!(routes, described);
}

#[test]
fn schemas_are_complete_and_examples_fit_them() {
    let document = Document::read();
    for (name, schema) in document.0["components"]["schemas"].as_object().unwrap() {
        assert!(schema["description"].is_string(), "{name}");
        for (field, it) in schema["properties"].as_object().into_iter().flatten() {
            let told = document.resolve(it)["description"].is_string();
            assert!(told || it["description"].is_string(), "{name}.{field}");
        }
        let is_object = schema["type"] == "object";
        assert!(!is_object || schema["properties"].is_object(), "{name} is a bare object");
        assert!(!is_object || !schema["additionalProperties"].is_null(), "{name} is open");
        for example in schema["examples"].as_array().into_iter().flatten() {
            document.assert_fits(schema, example, name);
        }
    }
}

#[test]
fn every_answer_is_as_the_document_says() {
    let (document, data) = (Document::read(), with_catalog());
    let server = filled(&data);
    for (_, path) in document.operations().filter(|(method, _)| *method == "get") {
        let parameters = document.parameters(path);
        let url = named(path);
        let full = match required(path) {
            "limit=100" => url.clone(),
            needed => format!("{url}?{needed}"),
        };
        let answer = server.get(&full);
        assert_eq!(answer.status, 200, "{full}: {}", answer.body);
        document.check("get", path, &answer, &full);
        let get = |query: &str, status: u16| {
            let url = format!("{url}?{query}&{}", required(path).replace("limit=100", ""));
            let url = url.trim_end_matches('&');
            let answer = server.get(url);
            assert_eq!(answer.status, status, "{url}: {}", answer.body);
            document.check("get", path, &answer, url);
        };
        if path != "/healthz" {
            get("colour=red", 400);
        }
        if parameters.contains_key("position") {
            get("position=1", 200);
            for wrong in ["position=x", "position=1&position=1"] {
                get(wrong, 400);
            }
        }
        if parameters.contains_key("since") {
            for span in
                ["since=2026-03-05", "until=2026-03-05", "since=2026-03-02&until=2026-03-09"]
            {
                get(span, 200);
            }
            for span in ["since=2030-01-01", "until=1999-01-01"] {
                get(span, 200);
            }
            for wrong in ["since=yesterday", "until=", "since=2026-03-02&until=2026-03-02"] {
                get(wrong, 400);
            }
        }
        if parameters.contains_key("by") {
            for by in ["by=service", "by=tier", "by=bots", "by=size", "by=size&since=2030-01-01"] {
                get(by, 200);
            }
        }
        if parameters.contains_key("tier") {
            for filter in ["tier=1", "tier=high&tier=unknown&runtime=vm", "architecture=unknown"] {
                get(filter, 200);
            }
            for wrong in ["tier=5", "tier=", "architecture=Function", "runtime=vm&runtime=none"] {
                get(wrong, 400);
            }
        } else if path.starts_with("/api/") {
            get("tier=1", 400);
        }
        if parameters.contains_key("limit") {
            for wrong in ["limit=0", "limit=1001", "limit=many", "after=%00"] {
                get(wrong, 400);
            }
            let whole = all_rows(&document, &server, path, 1_000);
            for size in [1, 2, 3] {
                assert_eq!(all_rows(&document, &server, path, size), whole, "{path} by {size}");
            }
        }
        for (name, _) in parameters.iter().filter(|(_, place)| **place == "path") {
            let with = |value: &str| {
                let path = path.replace(&format!("{{{name}}}"), value);
                named(&path)
            };
            for (value, status) in [("none", 404), ("%FF", 400), ("a%00b", 400), ("%2F..%2F", 404)]
            {
                let answer = server.get(&with(value));
                assert_eq!(answer.status, status, "{}: {}", with(value), answer.body);
                document.check("get", path, &answer, &with(value));
            }
        }
        if document.0["paths"][path]["delete"].is_object() {
            continue;
        }
        let answer = server.send("DELETE", &url, &[], b"");
        assert_eq!(answer.status, 405, "{url}");
        answer.problem();
        document.check("get", path, &answer, &url);
    }
}

#[test]
fn what_is_sent_is_answered_as_the_document_says() {
    let (document, data) = (Document::read(), Data::new().env("SEAWAY_GITLAB_SECRET", "s"));
    let server = data.serve();
    let batch = ("Content-Type", "application/cloudevents-batch+json");
    let one = ("Content-Type", "application/cloudevents+json");
    let good = json!({ "specversion": "1.0", "id": "1", "source": "s", "type": "t" });
    let seen = [
        (batch, json!([good, { "id": "2" }]), 207),
        (batch, json!([{ "id": "2" }]), 400),
        (batch, json!([]), 200),
        (one, good.clone(), 200),
        (one, json!([]), 400),
        (("Content-Type", "text/html"), json!({}), 415),
        (("Content-Encoding", "br"), json!({}), 415),
    ];
    for (header, body, status) in seen {
        let answer = server.post("/events", &[header], body.to_string().as_bytes());
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        document.check("post", "/events", &answer, &body.to_string());
    }
    let github = [("X-GitHub-Event", "ping"), ("X-GitHub-Delivery", "1")];
    let gitlab = [("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Token", "s")];
    for (path, headers, status) in [
        ("/webhooks/github", &github[..], 200),
        ("/webhooks/github", &github[..1], 400),
        ("/webhooks/gitlab", &gitlab[..], 200),
        ("/webhooks/gitlab", &gitlab[..1], 401),
    ] {
        let answer = server.post(path, headers, b"{}");
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        document.check("post", path, &answer, path);
    }
}

#[test]
fn who_may_is_answered_as_the_document_says() {
    let document = Document::read();
    let data = Data::new().setting("[access]\ntokens = \"always\"\nfailures_per_minute = 3");
    let made = |role: &str| {
        data.run(&["token", "create", "--name", "x", "--role", role, "--expires", "1d"])
    };
    let [admin, viewer] = ["admin", "viewer"].map(|role| format!("Bearer {}", made(role).trim()));
    let server = data.serve();
    let json = ("Content-Type", "application/json");
    let send = |method: &str, path: &str, at: &str, token: &str, body: &str, status: u16| {
        let headers = [("Authorization", token), json];
        let answer = server.send(method, at, &headers, body.as_bytes());
        assert_eq!(answer.status, status, "{method} {at} {body}: {}", answer.body);
        document.check(&method.to_lowercase(), path, &answer, &format!("{method} {at} {body}"))
    };
    let tokens = "/api/v1/tokens";
    let wish = r#"{"name":"<b>","role":"editor","expires":"1d"}"#;
    let new = send("POST", tokens, tokens, &admin, wish, 201);
    assert_eq!(new["name"], "<b>");
    let listed = send("GET", tokens, tokens, &admin, "", 200);
    assert_eq!(listed["rows"].as_array().unwrap().len(), 3);
    for wrong in [
        "",
        "{}",
        "[]",
        r#"{"name":"","role":"editor","expires":"1d"}"#,
        r#"{"name":"x","role":"owner","expires":"1d"}"#,
        r#"{"name":"x","role":"editor","expires":"yesterday"}"#,
        r#"{"name":"x","role":"editor","expires":"1d","id":"1"}"#,
    ] {
        send("POST", tokens, tokens, &admin, wrong, 400);
    }
    send("POST", tokens, tokens, &admin, &" ".repeat(20_000), 413);
    let kind = [("Authorization", admin.as_str()), ("Content-Type", "text/plain")];
    let answer = server.post(tokens, &kind, wish.as_bytes());
    assert_eq!(answer.status, 415);
    document.check("post", tokens, &answer, "text/plain");
    let one = "/api/v1/tokens/{token}";
    let id = new["id"].as_str().unwrap();
    for _ in 0..2 {
        let ended = send("DELETE", one, &format!("{tokens}/{id}"), &admin, "", 200);
        assert_eq!(ended["state"], "revoked");
    }
    for none in ["00", "%27%3B--", "%FF", "a%00b", &"a".repeat(500)] {
        let answer = server.send("DELETE", &format!("{tokens}/{none}"), &kind, b"");
        assert!([400, 404].contains(&answer.status), "{none}: {}", answer.body);
    }
    send("DELETE", one, &format!("{tokens}/00"), &admin, "", 404);
    let audit = "/api/v1/audit";
    let told = send("GET", audit, audit, &admin, "", 200);
    assert_eq!(told["rows"][0]["action"], "token-revoked");
    assert_eq!(told["rows"][0]["by"]["role"], "admin");
    for path in [tokens, audit] {
        send("GET", path, path, &viewer, "", 403);
    }
    send("POST", "/events", "/events", &viewer, "{}", 403);
    let organization = "/api/v1/organization";
    send("GET", organization, organization, &viewer, "", 200);
    for status in [401, 401, 401, 429] {
        send("GET", organization, organization, "Bearer x", "", status);
    }
}

/// The story above really makes every kind of row: a schema that nothing was held against would
/// hold anything.
#[test]
fn the_story_has_every_kind_of_row() {
    let (document, data) = (Document::read(), with_catalog());
    let server = filled(&data);
    let rows = |path: &str| all_rows(&document, &server, &format!("/api/v1{path}"), 1_000);
    let changes = rows("/services/{service}/changes");
    assert_eq!(words(&changes, "status"), set(&["baseline", "delivered", "waiting", "rework"]));
    assert!(changes.iter().all(|change| change.get("author").is_none()));
    let change = server.report(&format!("/services/shop/changes/{}", hash(4)));
    assert_eq!(change["author"], "Ada <ada@example.com>");
    assert_eq!((&change["pull_request"], &change["lines"]), (&json!("42"), &json!(162)));
    assert_eq!(words(&rows("/waiting"), "lines"), set(&["322", "null"]));
    assert_eq!(server.report("/compare?by=size")["parts"][0]["size"]["share"], 0.5);
    let deployments = rows("/services/{service}/deployments");
    assert_eq!(words(&deployments, "succeeded"), set(&["true", "false", "null"]));
    assert_eq!(words(&deployments, "linked"), set(&["true", "false"]));
    assert_eq!(words(&deployments, "production"), set(&["true", "false"]));
    assert_eq!(words(&deployments, "kind"), set(&["first", "normal", "rollback", "null"]));
    assert!(words(&deployments, "failed_by").is_superset(&set(&["inc-1", "null"])));
    assert_eq!(rows("/services/{service}/incidents").len(), 2);
    assert_eq!(words(&rows("/services"), "catalogued"), set(&["true", "false"]));
    let waiting = rows("/waiting");
    assert_eq!(words(&waiting, "approximate"), set(&["true", "false"]));
    let quality = server.report("/quality");
    let found = words(quality["findings"].as_array().unwrap(), "kind");
    let some = set(&["unknown_revision", "assumed_parents", "incident_without_deployment"]);
    assert!(found.is_superset(&some), "{found:?}");
    let outcomes = words(quality["arrivals"].as_array().unwrap(), "outcome");
    assert_eq!(outcomes, set(&["understood", "unknown", "malformed"]));
    assert_eq!(quality["malformed"][0]["id"], "malformed");
    assert!(quality["uncatalogued"]["count"].as_u64().unwrap() > 0);
    assert!(!quality["catalog"]["findings"].as_array().unwrap().is_empty());
    let organization = server.report("/organization");
    assert_eq!(organization["basis"]["services"], quality["services"]);
    assert_eq!(organization["basis"]["approximate_services"], 1);
    assert_eq!(organization["basis"]["incident_window_seconds"], 7 * 86_400);
    assert_eq!(server.report("/groups/acme")["basis"]["services"], 1);
    assert_eq!(server.report("/services/shop")["basis"]["approximate_services"], 0);
}
