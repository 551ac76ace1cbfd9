//! What is shown does not depend on the database: a made-up company on SQLite and on PostgreSQL.

use crate::access_lang::{ALWAYS, Browser, with};
use crate::pages_hostile::links;
use crate::pages_truth::line;
use crate::serve_lang::{Answer, Data, PATIENCE, Server};
use crate::serve_shared::postgres::Cluster;
use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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
    // The entities of the catalog are the last things on the log, and come at once.
    wait_until("the catalog is on the log", || {
        server.get("/api/v1/groups").json()["groups"].as_array().is_some_and(|it| !it.is_empty())
    });
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
        "/in-flight?last=built",
        "/in-flight?last=merged&group=payments",
        "/in-flight?last=built&service=warehouse",
        "/search?q=check",
        "/search?q=12",
        "/quality/unknown",
        "/api/v1/organization",
        "/api/v1/groups",
        "/api/v1/services?limit=5",
        "/api/v1/waiting?group=payments&limit=7",
        "/api/v1/waiting?format=csv",
        "/api/v1/waiting?last=built&limit=3",
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
        let both = || [&sqlite, &postgres].map(|server| server.get(&path));
        let is_same = |[a, b]: &[Answer; 2]| told(&path, a) == told(&path, b);
        // What waits ages: between the two answers a minute may have begun.
        let [a, b] = Some(both()).filter(is_same).unwrap_or_else(both);
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
        wait_until("the token is taken no more", || {
            with(server, &viewer, "GET", "/api/v1/organization").status == 401
        });
    }
}

/// Asks the database; the lines of its answer.
fn ask(url: &str, sql: &str) -> Vec<String> {
    let output = Command::new("psql").args(["-At", "-c", sql, url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "{what}: it never came so far");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn monitoring_hears_by_how_much_the_views_are_behind() {
    let Some(cluster) = Cluster::start() else { return };
    let url = cluster.database();
    let data = Data::new().env("SEAWAY_LOG", "off").arg("--database").arg(&url);
    let server = data.serve();
    server.events(&[line(1)]);
    server.settle();
    let value = |name: &str| -> f64 {
        let text = server.get("/metrics").body;
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse().unwrap()
    };
    let (behind, lag) = ("seaway_views_behind_events ", "seaway_views_lag_seconds ");
    wait_until("nothing is behind", || value(behind) == 0.0 && value(lag) == 0.0);

    // Somebody keeps the views from being written, and from nothing else.
    let hold = "BEGIN; LOCK TABLE progress IN EXCLUSIVE MODE; SELECT pg_sleep(600)";
    let mut holder = Command::new("psql")
        .args(["-c", hold, &url])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let holders = "SELECT pid FROM pg_locks WHERE mode = 'ExclusiveLock' AND granted \
                   AND relation = 'progress'::regclass";
    wait_until("it is held", || !ask(&url, holders).is_empty());
    server.events(&[line(2)]);
    wait_until("it is behind", || value(behind) == 1.0 && value(lag) > 0.0);
    let before = value(lag);
    wait_until("more and more", || value(lag) > before + 0.5);
    ask(&url, &format!("SELECT pg_terminate_backend(pid) FROM ({holders}) AS holders"));
    holder.wait().unwrap();
    wait_until("it has caught up", || value(behind) == 0.0 && value(lag) == 0.0);
}
