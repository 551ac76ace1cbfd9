//! Webhooks from end to end: what a forge tells becomes milestones and figures.

use crate::forge::{Forge, HOUR, hash, shared_data};
use crate::serve_lang::{Data, Server};
use serde_json::{Value, json};

/// 2026-06-01, a Monday.
const START: i64 = 1_780_272_000;
const SHOP: &str = "/services/github.com%2Facme%2Fshop";

/// A story: one pull request merged, one squashed, one rebased, an incident with a rollback, and
/// two commits straight onto the mainline, of which the last one waits.
fn story() -> Forge {
    let mut forge = Forge::new("acme/shop", START);
    forge.push(-1.0, "main", 0, &[(1, -2.0)]);
    forge.deployed(-0.8, -0.5, 1000, 1, "success");
    let first = (1, "topic-a", 12, 2.0);
    forge.push(1.0, "topic-a", 0, &[(11, 0.0)]);
    forge.opened(2.0, 1, "topic-a", 11);
    forge.push(3.0, "topic-a", 11, &[(12, 3.0)]);
    forge.reviewed(4.0, first, 501, "commented");
    forge.reviewed(5.0, first, 502, "approved");
    forge.push(6.0, "main", 1, &[(11, 0.0), (12, 3.0), (13, 6.0)]);
    forge.merged(6.0, first, 13);
    forge.built(6.5, 7.0, 13);
    forge.deployed(8.0, 9.0, 1001, 13, "success");

    let second = (2, "topic-b", 21, 11.0);
    forge.push(10.5, "topic-b", 0, &[(21, 10.0)]);
    forge.opened(11.0, 2, "topic-b", 21);
    forge.reviewed(12.0, second, 503, "approved");
    forge.push(13.0, "main", 13, &[(22, 13.0)]);
    forge.merged(13.0, second, 22);
    forge.built(13.5, 14.0, 22);

    let third = (3, "topic-c", 32, 16.0);
    forge.push(16.0, "topic-c", 0, &[(31, 15.0), (32, 15.5)]);
    forge.opened(16.0, 3, "topic-c", 32);
    forge.reviewed(17.0, third, 504, "approved");
    forge.push(18.0, "main", 22, &[(33, 18.0), (34, 18.0)]);
    forge.merged(18.0, third, 34);
    forge.built(18.5, 19.0, 34);
    forge.deployed(20.0, 21.0, 1002, 34, "success");

    forge.incident(9, 22.0, None);
    forge.deployed(23.0, 23.5, 1003, 13, "success");
    forge.incident(9, 22.0, Some(24.0));
    forge.push(30.0, "main", 34, &[(41, 29.0)]);
    forge.deployed(31.0, 32.0, 1004, 41, "success");
    forge.push(33.0, "main", 41, &[(42, 32.5)]);
    forge.deployed(33.5, 34.0, 1005, 42, "failure");
    forge
}

/// The hours between milestones, and from the first to the last.
fn stages(change: &Value) -> (Vec<(String, f64)>, f64) {
    let hours = |seconds: &Value| seconds.as_f64().unwrap() / HOUR as f64;
    let stages = change["stages"].as_array().unwrap();
    let stage = |it: &Value| (it["to"].as_str().unwrap().to_owned(), hours(&it["seconds"]));
    let total = hours(&change["time_to_value_seconds"]);
    let stages: Vec<_> = stages.iter().map(stage).collect();
    assert!((stages.iter().map(|it| it.1).sum::<f64>() - total).abs() < 1e-9, "{change}");
    (stages, total)
}

fn named(stages: &[(&str, f64)]) -> Vec<(String, f64)> {
    stages.iter().map(|&(to, hours)| (to.to_owned(), hours)).collect()
}

fn change(server: &Server, number: u32) -> Value {
    server.report(&format!("{SHOP}/changes/{}", hash(number)))
}

/// All reports that the story is in.
fn reports(server: &Server) -> Vec<Value> {
    let more = ["", "/changes", "/deployments", "/incidents"].map(|it| format!("{SHOP}{it}"));
    let all = ["/organization", "/services", "/waiting"].map(str::to_owned);
    all.iter().chain(&more).map(|path| server.report(path)).collect()
}

#[test]
fn a_story_told_by_github_has_all_milestones_and_figures() {
    let (data, forge) = (Data::new(), story());
    let server = data.serve();
    forge.send(&server);
    let merge = change(&server, 13);
    assert_eq!(
        (merge["kind"].as_str(), merge["pull_request"].as_str()),
        (Some("merge"), Some("1"))
    );
    assert_eq!(merge["author"], "Ada <ada@example.com>");
    assert_eq!(merge["deployment"], "1001");
    assert_eq!(merge["approximate"], true, "nobody could read the repository");
    let whole = [
        ("opened", 2.0),
        ("reviewed", 2.0),
        ("approved", 1.0),
        ("merged", 1.0),
        ("built", 1.0),
        ("deployed", 2.0),
    ];
    assert_eq!(stages(&merge), (named(&whole), 9.0));
    let squash = [
        ("opened", 1.0),
        ("reviewed", 1.0),
        ("approved", 0.0),
        ("merged", 1.0),
        ("built", 1.0),
        ("deployed", 18.0),
    ];
    // The rollback took it back, so it waited for the next deployment that stayed.
    assert_eq!(stages(&change(&server, 22)), (named(&squash), 22.0));
    let rebase = [
        ("opened", 1.0),
        ("reviewed", 1.0),
        ("approved", 0.0),
        ("merged", 1.0),
        ("built", 1.0),
        ("deployed", 13.0),
    ];
    assert_eq!(stages(&change(&server, 34)), (named(&rebase), 17.0));
    let direct = change(&server, 41);
    assert_eq!(direct["kind"], "direct");
    assert_eq!(stages(&direct), (named(&[("merged", 0.0), ("deployed", 3.0)]), 3.0));
    assert_eq!(change(&server, 42)["status"], "waiting");

    let report = server.report(SHOP);
    assert_eq!(report["flow"]["deployments"], 5);
    assert_eq!(report["flow"]["waiting"], 1);
    assert_eq!(report["flow"]["incidents_opened"], 1);
    assert_eq!(report["flow"]["incidents_resolved"], 1);
    let rework = &report["rework"];
    assert_eq!(rework["rollbacks"], 1);
    assert_eq!(rework["failed_deployments"], 1);
    assert_eq!(rework["unplanned_deployments"], 1);
    assert_eq!(rework["unsuccessful_deployments"], 1);
    assert_eq!(rework["unlinked_deployments"], 0);
    let deployments = server.report(&format!("{SHOP}/deployments"));
    let told = |row: &Value| {
        let failed_by = row["failed_by"].as_str().map(str::to_owned);
        (
            row["name"].as_str().unwrap().to_owned(),
            row["kind"].as_str().map(str::to_owned),
            failed_by,
        )
    };
    let told: Vec<_> = deployments["rows"].as_array().unwrap().iter().map(told).collect();
    let row = |name: &str, kind: Option<&str>, failed_by: Option<&str>| {
        (name.to_owned(), kind.map(str::to_owned), failed_by.map(str::to_owned))
    };
    assert_eq!(
        told,
        [
            row("1005", None, None),
            row("1004", Some("normal"), None),
            row("1003", Some("rollback"), None),
            row("1002", Some("normal"), Some("1003")),
            row("1001", Some("normal"), None),
            row("1000", Some("first"), None),
        ]
    );
    let incident = server.report(&format!("{SHOP}/incidents"))["rows"][0].clone();
    assert_eq!(incident["deployment"], "1002");
    assert_eq!(incident["title"], "The shop is down");
    assert_eq!(incident["url"], "https://github.com/acme/shop/issues/9");
    let quality = server.report("/quality");
    assert_eq!(quality["malformed"], json!([]));
    assert_eq!(quality["uncatalogued"]["count"], 1);
    assert_eq!(quality["uncatalogued"]["services"][0]["repository"], "github.com/acme/shop");
}

#[test]
fn neither_order_nor_redelivery_nor_a_rebuild_changes_anything() {
    let (data, mut forge) = (Data::new(), story());
    let server = data.serve();
    forge.send(&server);
    let before = reports(&server);
    forge.send(&server);
    assert_eq!(reports(&server), before, "delivered again");
    assert!(server.stop());
    data.run(&["rebuild"]);
    assert_eq!(reports(&data.serve()), before, "computed anew");
    forge.told.reverse();
    let other = Data::new();
    let server = other.serve();
    forge.send(&server);
    assert_eq!(reports(&server), before, "the other way round");
}

#[test]
fn pages_have_every_row_once() {
    let data = Data::new();
    let server = data.serve();
    story().send(&server);
    let mut other = Forge::new("acme/cart", START);
    other.push(1.0, "main", 0, &[(91, 1.0)]);
    other.push(2.0, "main", 91, &[(92, 2.0)]);
    other.send(&server);
    let changes = format!("{SHOP}/changes");
    let deployments = format!("{SHOP}/deployments");
    for path in ["/services", "/waiting", &changes, &deployments] {
        let all = server.report(path);
        assert_eq!(all["next"], Value::Null);
        let (mut rows, mut after) = (Vec::new(), String::new());
        loop {
            let page = server.report(&format!("{path}?limit=1{after}"));
            rows.extend(page["rows"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={}", next.replace('/', "%2F").replace(' ', "%20"));
            assert!(rows.len() < 100, "{path} never ends");
        }
        assert!(rows.len() > 1, "{path}");
        assert_eq!(json!(rows), all["rows"], "{path}");
    }
}

#[test]
fn unknown_events_are_kept_counted_and_shown() {
    let data = Data::new();
    let server = data.serve();
    for delivery in ["one", "two", "two"] {
        server.github("never_heard_of", delivery, b"{\"what\": \"ever\"}");
    }
    let quality = server.report("/quality");
    let kind = "com.github.never_heard_of";
    assert_eq!(quality["arrivals"], json!([{"kind": kind, "outcome": "unknown", "count": 2}]));
    assert_eq!(data.run(&["export"]).lines().filter(|line| line.contains(kind)).count(), 2);
}

/// All files below a folder with their bodies.
fn files(folder: std::path::PathBuf) -> Vec<(String, Vec<u8>)> {
    let (mut found, mut folders) = (Vec::new(), vec![folder]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push((path.display().to_string(), std::fs::read(&path).unwrap())),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_real_body_is_taken_and_understood() {
    let Some(shared) = shared_data() else {
        eprintln!("skipped: the shared data are missing");
        return;
    };
    let data = Data::new();
    let server = data.serve();
    let hub = files(shared.join("github"));
    for (path, body) in &hub {
        let event = path.rsplit('/').nth(1).unwrap();
        server.github(event, path, body);
    }
    let lab = files(shared.join("gitlab"));
    for (path, body) in &lab {
        let headers = [("Content-Type", "application/json"), ("X-Gitlab-Event", "Some Hook")];
        let answer = server.post("/webhooks/gitlab", &headers, body);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    assert!(hub.len() > 100 && lab.len() > 20);
    let quality = server.report("/quality");
    assert_eq!(quality["malformed"], json!([]));
    let arrivals = quality["arrivals"].as_array().unwrap();
    let count = |outcome: Option<&str>| -> i64 {
        let of = |row: &&Value| outcome.is_none_or(|outcome| row["outcome"] == outcome);
        arrivals.iter().filter(of).map(|row| row["count"].as_i64().unwrap()).sum()
    };
    assert_eq!(count(None), (hub.len() + lab.len()) as i64);
    assert_eq!(count(Some("unknown")), 0, "{arrivals:?}");
    assert!(quality["uncatalogued"]["count"].as_i64().unwrap() > 3);
    let before = (server.report("/organization"), server.report("/services"));
    assert!(server.stop());
    data.run(&["rebuild"]);
    let server = data.serve();
    assert_eq!((server.report("/organization"), server.report("/services")), before);
}

mod lab {
    use super::*;
    use crate::forge::iso;

    fn project() -> Value {
        json!({"web_url": "https://gitlab.com/acme/pay", "default_branch": "main",
            "git_http_url": "https://gitlab.com/acme/pay.git"})
    }

    fn at(hour: f64) -> String {
        iso(START + (hour * HOUR as f64) as i64)
    }

    fn push(forge: &mut Forge, branch: &str, before: u32, commits: &[(u32, f64)]) {
        let commit = |&(number, hour): &(u32, f64)| {
            json!({"id": hash(number), "message": format!("Work {number}"), "timestamp": at(hour),
                "author": {"name": "Ada", "email": "ada@example.com"},
                "added": [], "modified": ["a"], "removed": []})
        };
        let listed: Vec<Value> = commits.iter().map(commit).collect();
        let patch = json!({"object_kind": "push", "ref": format!("refs/heads/{branch}"),
            "before": hash(before), "after": hash(commits.last().unwrap().0),
            "total_commits_count": listed.len(), "commits": listed, "project": project()});
        forge.tell("Push Hook", "gitlab/push.json", patch);
    }

    fn merge(forge: &mut Forge, action: &str, hour: f64, user: u32, commit: Option<u32>) {
        let attributes = json!({"iid": 5, "action": action, "title": "Pay by card",
            "url": "https://gitlab.com/acme/pay/-/merge_requests/5", "author_id": 51,
            "source_branch": "topic", "target_branch": "main", "created_at": at(2.0),
            "updated_at": at(hour), "merge_commit_sha": commit.map(hash),
            "squash_commit_sha": null, "last_commit": {"id": hash(12)},
            "state": if commit.is_some() { "merged" } else { "opened" }});
        let patch = json!({"object_kind": "merge_request", "object_attributes": attributes,
            "user": {"id": user, "username": format!("user{user}")}, "project": project()});
        forge.tell("Merge Request Hook", "gitlab/merge_request.json", patch);
    }

    fn issue(forge: &mut Forge, hour: f64, closed: bool) {
        let closed_at = closed.then(|| at(hour));
        let attributes = json!({"iid": 7, "title": "No payments", "type": "Incident",
            "state": if closed { "closed" } else { "opened" }, "created_at": at(10.0),
            "updated_at": at(hour), "closed_at": closed_at});
        let patch = json!({"object_kind": "issue", "object_attributes": attributes,
            "project": project()});
        forge.tell("Issue Hook", "gitlab/issue.json", patch);
    }

    fn deployment(forge: &mut Forge, hour: f64, id: u32, commit: u32, status: &str) {
        let url = format!("https://gitlab.com/acme/pay/-/commit/{}", hash(commit));
        let patch = json!({"object_kind": "deployment", "deployment_id": id, "status": status,
            "status_changed_at": at(hour), "environment": "production",
            "environment_tier": "production", "commit_url": url, "project": project()});
        forge.tell("Deployment Hook", "gitlab/deployment.json", patch);
    }

    fn story() -> Forge {
        let mut forge = Forge::new("acme/pay", START);
        push(&mut forge, "main", 0, &[(1, -2.0)]);
        deployment(&mut forge, -0.5, 69, 1, "success");
        push(&mut forge, "topic", 0, &[(11, 0.0), (12, 1.0)]);
        merge(&mut forge, "open", 2.0, 51, None);
        let note = json!({"object_kind": "note", "project": project(),
            "object_attributes": {"id": 900, "author_id": 52, "created_at": at(3.0),
                "system": false, "noteable_type": "MergeRequest"},
            "user": {"id": 52, "username": "grace"},
            "merge_request": {"iid": 5, "author_id": 51, "created_at": at(2.0),
                "updated_at": at(3.0), "title": "Pay by card", "source_branch": "topic",
                "target_branch": "main", "merge_commit_sha": null,
                "last_commit": {"id": hash(12)}, "url": null}});
        forge.tell("Note Hook", "gitlab/note_merge_request.json", note);
        merge(&mut forge, "approved", 4.0, 52, None);
        push(&mut forge, "main", 1, &[(11, 0.0), (12, 1.0), (13, 6.0)]);
        merge(&mut forge, "merge", 6.0, 52, Some(13));
        let pipeline = json!({"object_kind": "pipeline", "project": project(),
            "object_attributes": {"sha": hash(13), "source": "push", "status": "success",
                "name": null, "created_at": at(6.2), "finished_at": at(7.0)}});
        forge.tell("Pipeline Hook", "gitlab/pipeline.json", pipeline);
        deployment(&mut forge, 8.0, 70, 13, "running");
        deployment(&mut forge, 9.0, 70, 13, "success");
        issue(&mut forge, 10.0, false);
        issue(&mut forge, 11.0, true);
        forge
    }

    /// Sends what was told as GitLab does.
    fn send(forge: &Forge, server: &Server) {
        for (number, delivery) in forge.told.iter().enumerate() {
            let key = number.to_string();
            let headers = [
                ("Content-Type", "application/json"),
                ("X-Gitlab-Event", delivery.event),
                ("Idempotency-Key", &key),
                ("X-Gitlab-Token", "secret"),
            ];
            let body = delivery.body.to_string();
            let answer = server.post("/webhooks/gitlab", &headers, body.as_bytes());
            assert_eq!(answer.status, 200, "{}: {}", delivery.event, answer.body);
        }
    }

    #[test]
    fn a_story_told_by_gitlab_has_all_milestones_and_figures() {
        let data = Data::new().env("SEAWAY_GITLAB_SECRET", "secret");
        let (server, forge) = (data.serve(), story());
        let refused = server.post("/webhooks/gitlab", &[("X-Gitlab-Event", "Push Hook")], b"{}");
        assert_eq!(refused.status, 401);
        send(&forge, &server);
        let pay = "/services/gitlab.com%2Facme%2Fpay";
        let change = server.report(&format!("{pay}/changes/{}", hash(13)));
        assert_eq!(change["kind"], "merge");
        assert_eq!(change["pull_request"], "5");
        let expected = [
            ("opened", 2.0),
            ("reviewed", 1.0),
            ("approved", 1.0),
            ("merged", 2.0),
            ("built", 1.0),
            ("deployed", 2.0),
        ];
        assert_eq!(stages(&change), (named(&expected), 9.0));
        let incidents = server.report(&format!("{pay}/incidents"));
        assert_eq!(incidents["rows"][0]["deployment"], "70");
        let reports = |server: &Server| {
            ["", "/changes", "/deployments", "/incidents"]
                .map(|it| server.report(&format!("{pay}{it}")))
        };
        let before = reports(&server);
        assert_eq!(before[0]["flow"]["deployments"], 2);
        assert_eq!(before[0]["rework"]["failed_deployments"], 1);
        assert_eq!(server.report("/quality")["malformed"], json!([]));
        send(&forge, &server);
        assert_eq!(reports(&server), before);
    }
}
