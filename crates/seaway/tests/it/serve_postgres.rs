//! What is shown does not depend on the database: a made-up company on SQLite and on PostgreSQL.

use crate::access_lang::{ALWAYS, Browser, with};
use crate::pages_hostile::links;
use crate::serve_lang::{Answer, Data, Server};
use crate::serve_shared::postgres::Cluster;
use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;

const COMPANY: [&str; 4] = ["--days", "90", "--seed", "7"];
/// URLs that are compared.
const PAGES_MAX: usize = 500;

/// Writes the company's events and its catalog.
fn write_company(paper: &Data) -> [PathBuf; 2] {
    let (events, catalog) = (paper.beside("events.ndjson"), paper.beside("catalog"));
    std::fs::write(&events, paper.run(&[&["demo", "--print"], &COMPANY[..]].concat())).unwrap();
    std::fs::create_dir(&catalog).unwrap();
    let entities = paper.run(&[&["demo", "--print-catalog"], &COMPANY[..]].concat());
    std::fs::write(catalog.join("company.yaml"), entities).unwrap();
    [events, catalog]
}

/// A server with the company on it.
fn company([events, catalog]: &[PathBuf; 2], database: &[&str]) -> (Data, Server) {
    let data = database.iter().fold(Data::new(), |data, argument| data.arg(*argument));
    data.run(&[&["import", events.to_str().unwrap()], database].concat());
    let data = data.arg("--catalog").arg(catalog.to_str().unwrap());
    let server = data.serve();
    // The catalog is read at once, and its entities are the last things on the log.
    server.settle();
    (data, server)
}

/// An answer without what differs from one moment or process to another.
fn told(path: &str, answer: &Answer) -> String {
    if path == "/metrics" {
        let same = ["seaway_time_to_value", "seaway_deployments", "seaway_waiting"];
        let lines = answer.body.lines();
        let lines = lines.filter(|line| same.iter().any(|name| line.starts_with(name)));
        return lines.collect::<Vec<_>>().join("\n");
    }
    let mut body = answer.body.clone();
    if let Some((before, after)) = body.split_once("\"read_at\":\"") {
        let (_, after) = after.split_once('"').unwrap();
        body = format!("{before}{after}");
    }
    body
}

/// The URLs of all pages and tables that a page leads to.
fn next(body: &str) -> Vec<String> {
    let is_wanted = |url: &String| {
        let elsewhere = ["/assets/", "/api/v1/event?", "/live", "/tokens"];
        !elsewhere.iter().any(|start| url.starts_with(start))
    };
    links(body)
        .into_iter()
        .map(|url| url.split('#').next().unwrap_or_default().to_owned())
        .filter(is_wanted)
        .collect()
}

#[test]
fn both_databases_show_the_same() {
    let Some(cluster) = Cluster::start() else { return };
    let url = cluster.database();
    let paper = Data::new();
    let company_of = write_company(&paper);
    let (_one, sqlite) = company(&company_of, &[]);
    let (_other, postgres) = company(&company_of, &["--database", &url]);
    let mut open: VecDeque<String> = [
        "/",
        "/?sort=name&page=2",
        "/?sort=waiting",
        "/?sort=p50",
        "/?architecture=function&since=2026-01-01",
        "/groups/payments?sort=waiting&runtime=container",
        "/compare?by=service",
        "/compare?by=size",
        "/compare?by=bots&format=csv",
        "/compare?by=assisted&group=payments",
        "/compare?by=tier",
        "/in-flight?group=payments",
        "/in-flight?service=warehouse",
        "/in-flight?architecture=microservice",
        "/search?q=check",
        "/search?q=12",
        "/quality/unknown",
        "/api/v1/organization",
        "/api/v1/groups",
        "/api/v1/services?limit=5",
        "/api/v1/waiting?group=payments&limit=7",
        "/api/v1/waiting?format=csv",
        "/api/v1/quality",
        "/api/v1/quality/malformed",
        "/api/v1/compare?by=size",
        "/metrics",
    ]
    .map(str::to_owned)
    .into();
    let mut seen = BTreeSet::new();
    while let Some(path) = open.pop_front() {
        if seen.len() == PAGES_MAX || !seen.insert(path.clone()) {
            continue;
        }
        let [a, b] = [&sqlite, &postgres].map(|server| server.get(&path));
        assert_eq!(a.status, b.status, "{path}: {}", b.body);
        assert_eq!(told(&path, &a), told(&path, &b), "{path}");
        open.extend(next(&a.body));
    }
    let kinds = ["/services/", "/changes/", "/deployments/", "/groups/", "/api/v1/", "format=csv"];
    for kind in kinds {
        assert!(seen.iter().any(|path| path.contains(kind)), "no {kind} among {}", seen.len());
    }
    eprintln!("{} pages and tables are equal", seen.len());
}

#[test]
fn tokens_are_kept_in_postgres_too() {
    let Some(cluster) = Cluster::start() else { return };
    let url = cluster.database();
    let data = Data::new().setting(ALWAYS).arg("--database").arg(&url);
    let create = |role: &str| {
        let arguments = ["token", "create", "--role", role, "--name", role, "--expires", "1d"];
        let made = data.run(&[&arguments[..], &["--database", &url]].concat());
        made.trim().to_owned()
    };
    let (admin, viewer) = (create("admin"), create("viewer"));
    let (server, other) = (data.serve(), data.serve());
    assert_eq!(server.get("/api/v1/organization").status, 401);
    for server in [&server, &other] {
        assert_eq!(with(server, &viewer, "GET", "/api/v1/organization").status, 200);
        assert_eq!(with(server, &viewer, "GET", "/tokens").status, 403);
        assert_eq!(with(server, &admin, "GET", "/tokens").status, 200);
    }
    let mut browser = Browser::new(&server);
    assert_eq!(browser.sign_in(&admin, "/tokens").status, 303);
    assert!(browser.get("/tokens").body.contains("viewer"));
    // What one takes back, the other does not take any more.
    let all = data.run(&["token", "list", "--format", "json", "--database", &url]);
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    let of_viewer = all.as_array().unwrap().iter().find(|it| it["name"] == "viewer").unwrap();
    let id = of_viewer["id"].as_str().unwrap();
    data.run(&["token", "revoke", id, "--database", &url]);
    for server in [&server, &other] {
        let patience = std::time::Instant::now() + crate::serve_lang::PATIENCE;
        while with(server, &viewer, "GET", "/api/v1/organization").status != 401 {
            assert!(std::time::Instant::now() < patience, "it is let in still");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
