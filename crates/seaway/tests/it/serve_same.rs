//! The server says of a history what `measure` says of the same repository and deployments, however
//! it came to know it: the history of GOV.UK's frontend, sent live in any order, and imported.

use crate::govuk::{data_or_skip, rebuilt, unpacked};
use crate::lang::{Row, rfc3339, seaway};
use crate::serve_lang::{Data, Server};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;

const REPOSITORY: &str = "https://github.com/alphagov/frontend";
/// Commits in one event, as a large push would have them.
const COMMITS_AT_ONCE: usize = 200;

/// A CloudEvent with one of Seaway's own events in it.
fn event(id: &str, what: &str, at: i64, content: Value) -> Value {
    let kind = format!("dev.cdeventsx.seaway-{what}.0.1.0");
    let context = json!({
        "specversion": "0.5.1", "id": id, "source": "https://ci.example.com", "type": kind,
        "timestamp": rfc3339(at),
    });
    json!({
        "specversion": "1.0", "id": id, "source": "https://ci.example.com", "type": kind,
        "datacontenttype": "application/json",
        "data": {"context": context, "subject": {"id": id, "content": content}},
    })
}

/// The history as events: its commits with their parents, the branch, each tag a deployment.
fn events(graph: &str) -> Vec<Value> {
    let (mut commits, mut events, mut newest) = (Vec::new(), Vec::new(), 0);
    let time = |text: &str| text.parse::<i64>().unwrap();
    let mut head = "";
    for line in graph.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            ["C", hash, authored, committed, ref parents @ ..] => {
                newest = newest.max(time(committed));
                commits.push(json!({
                    "hash": hash, "authoredAt": rfc3339(time(authored)),
                    "committedAt": rfc3339(time(committed)), "message": hash,
                    "parents": parents.join(" ").split_whitespace().collect::<Vec<_>>(),
                    "author": {"name": "A", "email": "a@example.com"},
                }));
            }
            ["T", name, revision, at, _] => {
                let content = json!({
                    "service": "frontend", "environment": "production", "production": true,
                    "name": name, "revision": revision, "repository": REPOSITORY,
                    "finishedAt": rfc3339(time(at)), "outcome": "success",
                });
                let id = format!("deployment {name}");
                events.push(event(&id, "deployment.finished", time(at), content));
            }
            [_, hash] => head = hash,
            _ => panic!("not a line of the graph: {line}"),
        }
    }
    for (number, commits) in commits.chunks(COMMITS_AT_ONCE).enumerate() {
        let content = json!({"repository": REPOSITORY, "branch": "other", "commits": commits});
        events.push(event(&format!("push {number}"), "commit.pushed", newest, content));
    }
    let content = json!({
        "repository": REPOSITORY, "branch": "main", "default": true, "after": head, "commits": [],
    });
    events.push(event("main", "commit.pushed", newest, content));
    events
}

/// Always the same disorder: a step through the residues of a prime.
fn shuffled(events: &[Value]) -> Vec<Value> {
    let prime = 10_007;
    assert!(events.len() < prime);
    let order = (1..prime).map(|at| at * 4_321 % prime);
    order.filter_map(|at| events.get(at - 1).cloned()).collect()
}

/// All rows of a list of the server.
fn all(server: &Server, path: &str) -> Vec<Value> {
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let mark = if path.contains('?') { '&' } else { '?' };
        let mut page = server.report(&format!("{path}{mark}limit=1000{after}"));
        rows.append(page["rows"].as_array_mut().unwrap());
        let Some(next) = page["next"].as_str() else { return rows };
        after = format!("&after={}", next.replace(' ', "%20"));
    }
}

/// Everything that the server answers.
fn answers(server: &Server) -> HashMap<String, Value> {
    let mut answers = HashMap::new();
    for path in [
        "/organization",
        "/organization?since=2015-01-01&until=2016-07-01",
        "/groups",
        "/services/frontend",
        "/services/frontend?since=2015-01-01&until=2016-07-01",
        "/services/frontend?since=2024-01-01",
        "/quality",
    ] {
        answers.insert(path.to_owned(), server.report(path));
    }
    for path in [
        "/services",
        "/services/frontend/changes",
        "/services/frontend/deployments",
        "/services/frontend/incidents",
        "/waiting",
    ] {
        answers.insert(path.to_owned(), Value::Array(all(server, path)));
    }
    answers
}

/// The same number exactly, or nothing on both sides.
fn same(what: &str, server: &Value, measure: &Value) {
    assert_eq!(server.as_f64(), measure.as_f64(), "{what}");
}

/// Durations within the 1 % of the histograms; nothing where there is nothing.
fn near(what: &str, server: &Value, measure: &Value) {
    match (server.as_f64(), measure.as_f64()) {
        (Some(server), Some(measure)) => {
            let off = (server - measure).abs();
            assert!(off <= measure.abs() * 0.01, "{what}: {server}, not {measure}");
        }
        (server, measure) => assert_eq!(server, measure, "{what}"),
    }
}

fn near_estimates(what: &str, server: &Value, measure: &Value) {
    for quantile in ["p50", "p85", "p95"] {
        for bound in ["seconds", "low", "high"] {
            let of = |report: &Value| report[quantile][bound].clone();
            near(&format!("{what} {quantile} {bound}"), &of(server), &of(measure));
        }
    }
}

/// The report of the service is that of `measure`.
fn assert_equal_reports(server: &Value, measure: &Value) {
    let counts = [
        ("time_to_value", "n"),
        ("time_to_value", "waiting"),
        ("flow", "delivering_deployments"),
        ("flow", "changes_per_deployment_mean"),
        ("flow", "waiting"),
        ("rework", "reverts"),
        ("rework", "reverted"),
        ("rework", "share"),
        ("rework", "rollbacks"),
        ("rework", "redeployments"),
        ("rework", "failed_deployments"),
    ];
    for (part, name) in counts {
        same(&format!("{part}.{name}"), &server[part][name], &measure[part][name]);
    }
    same("deployments", &server["flow"]["deployments"], &measure["deployments"]["count"]);
    assert_eq!(server["flow"]["calendar"], measure["flow"]["calendar"]);
    assert_eq!(server["flow"]["waiting_by_age"], measure["flow"]["waiting_by_age"]);
    near("age", &server["flow"]["waiting_age_p50"], &measure["flow"]["waiting_age_p50"]);
    near_estimates("time to value", &server["time_to_value"], &measure["time_to_value"]);
    // Recovery is told by failed deployment here, and by rollback in `measure`.
    let name = "change fail rate";
    let rate = |report: &Value| {
        let mut measures = report["dora"].as_array().unwrap().iter();
        measures.find(|it| it["name"] == name).cloned().unwrap()
    };
    let (of_server, of_measure) = (rate(server), rate(measure));
    same(name, &of_server["n"], &of_measure["n"]);
    for bound in ["value", "low", "high"] {
        near(&format!("{name} {bound}"), &of_server[bound], &of_measure[bound]);
    }
    let points = |report: &Value| report["trend"]["points"].as_array().unwrap().clone();
    assert_eq!(server["trend"]["period"], measure["trend"]["period"]);
    let (server, measure) = (points(server), points(measure));
    let labels = |points: &[Value]| {
        let label = |point: &Value| point["label"].as_str().unwrap().to_owned();
        points.iter().map(label).collect::<Vec<_>>()
    };
    assert_eq!(labels(&server), labels(&measure));
    let (mut all, mut off) = (0, Vec::new());
    for (server, measure) in server.iter().zip(&measure) {
        let label = server["label"].as_str().unwrap();
        same(&format!("{label} n"), &server["n"], &measure["n"]);
        same(&format!("{label} waiting"), &server["waiting"], &measure["waiting"]);
        near(&format!("{label} p50"), &server["p50"]["seconds"], &measure["p50"]["seconds"]);
        for quantile in ["p50", "p85", "p95"] {
            for bound in ["seconds", "low", "high"] {
                let of = |report: &Value| report[quantile][bound].as_f64();
                let (found, exact) = (of(server), of(measure));
                let factor = found.zip(exact).map_or(1.0, |(found, exact)| found / exact);
                all += 1;
                assert_eq!(found.is_some(), exact.is_some(), "{label} {quantile} {bound}");
                assert!((0.9..1.1).contains(&factor), "{label} {quantile} {bound}: {factor}");
                if !(0.99..=1.01).contains(&factor) {
                    off.push(format!("{label} {quantile} {bound}: {factor}"));
                }
            }
        }
    }
    // Within a bucket it is not known in which order lives end and leave, so a step of the curve
    // may fall on the other side of a quantile: then the next duration of the data is told.
    assert!(off.len() * 20 <= all, "{} of {all} are off: {off:?}", off.len());
}

/// Each change of the server is the one that `measure` exports, and is delivered by the deployment
/// that is known to be the first with all of its commits, unless that was taken back.
fn assert_equal_changes(
    server: &[Value],
    folder: &Path,
    original: &HashMap<String, String>,
    data: &Path,
) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found: Vec<[String; 7]> = server
        .iter()
        .map(|row| {
            let at = |name: &str| text(&row["milestones"][name]);
            let commits = row["commits"].to_string();
            let [change, status, deployment] =
                ["change", "status", "deployment"].map(|name| text(&row[name]));
            [change, status, deployment, commits, at("authored"), at("merged"), at("deployed")]
        })
        .collect();
    let changes = crate::lang::rows(&folder.join("changes.csv"));
    let of = |row: &Row| {
        let names = ["status", "deployment", "commits", "authored_at", "merged_at", "deployed_at"];
        let [status, deployment, commits, authored, merged, deployed] =
            names.map(|name| row[name].clone());
        let change = original[&row["change"]].clone();
        [change, status, deployment, commits, authored, merged, deployed]
    };
    let mut expected: Vec<[String; 7]> = changes.iter().map(of).collect();
    found.sort();
    expected.sort();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }

    let known = unpacked(&data.join("delivery/govuk-frontend.first-deployment.csv.gz"));
    let known: HashMap<&str, &str> = known
        .lines()
        .skip(1)
        .filter_map(|row| match row.split(',').collect::<Vec<_>>()[..] {
            [hash, "delivered", deployment, ..] => Some((hash, deployment)),
            _ => None,
        })
        .collect();
    let mut first: HashMap<String, Vec<&str>> = HashMap::new();
    for row in crate::lang::rows(&folder.join("commits.csv")) {
        let Some(change) = original.get(&row["change"]) else { continue };
        let deployment = known.get(original[&row["commit"]].as_str());
        first.entry(change.clone()).or_default().extend(deployment);
    }
    let delivered: Vec<_> = found.iter().filter(|row| row[1] == "delivered").collect();
    let is_known = |row: &&&[String; 7]| first[&row[0]].contains(&row[2].as_str());
    let same = delivered.iter().filter(is_known).count();
    assert!(same > 4_000, "{same} of {}", delivered.len());
    assert!(delivered.len() - same < 100, "{same} of {}", delivered.len());
}

#[test]
fn the_server_says_of_govuk_frontend_what_measure_says() {
    let Some(data) = data_or_skip() else { return };
    let graph = unpacked(&data.join("delivery/govuk-frontend.graph.tsv.gz"));
    let events = events(&graph);

    let live = Data::new();
    let server = live.serve();
    server.events(&shuffled(&events));
    let told = answers(&server);
    drop(server);

    let (repo, original) = rebuilt(&graph);
    let measure =
        || seaway().measure(&repo).args(["--deploys", "tag:*", "--no-sizes", "--no-cache"]);
    let export = measure().export(&repo);
    let changes = told["/services/frontend/changes"].as_array().unwrap();
    assert_equal_changes(changes, &export.folder, &original, &data);
    assert_equal_reports(&told["/services/frontend"], &measure().json());

    let imported = Data::new();
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    let file = imported.beside("events.ndjson");
    std::fs::write(&file, lines.join("\n")).unwrap();
    imported.run(&["import", file.to_str().unwrap()]);
    let again = answers(&imported.serve());
    for (path, told) in &told {
        assert!(again[path] == *told, "{path}: imported {}, live {told}", again[path]);
    }
}
