//! What the page of a change and its JSON tell of its way: commits, reviews, builds, deployments.

use crate::forge::{self, Forge};
use crate::pages_rows::words;
use crate::serve_lang::{Data, Server};
use crate::serve_openapi::{SHOP, deployment, event, hash};
use serde_json::{Value, json};

/// 2026-06-01, a Monday.
const START: i64 = 1_780_272_000;

fn told(server: &Server, service: &str, change: &str) -> (Value, String) {
    let path = format!("/services/{service}/changes/{change}");
    let page = server.get(&path);
    assert_eq!(page.status, 200, "{path}: {}", page.body);
    for it in rows(&server.report(&path), "deployments") {
        let (environment, name) = (it["environment"].as_str(), it["name"].as_str());
        let url = format!("/deployments/{}/{}\"", environment.unwrap(), name.unwrap());
        assert!(page.body.contains(&url), "no link to {url}");
    }
    (server.report(&path), words(&page))
}

fn rows(value: &Value, list: &str) -> Vec<Value> {
    value[list].as_array().cloned().unwrap_or_default()
}

/// The fields of each row of a list.
fn fields(value: &Value, list: &str, names: &[&str]) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let row = |row: &Value| names.iter().map(|name| text(&row[*name])).collect::<Vec<_>>();
    rows(value, list).iter().map(|it| row(it).join(" ")).collect()
}

fn short(numbers: &[u32], hash: fn(u32) -> String) -> Vec<String> {
    numbers.iter().map(|&number| hash(number)[..12].to_owned()).collect()
}

/// A run of a workflow of GitHub.
fn run(
    forge: &mut Forge,
    [started, ended]: [f64; 2],
    (id, name): (u32, &str),
    commit: u32,
    conclusion: &str,
) {
    let run = json!({"id": id, "workflow_id": name.len(), "name": name, "path": format!(".github/workflows/{name}.yml"),
        "head_sha": forge::hash(commit), "event": "push", "status": "completed", "conclusion": conclusion,
        "created_at": forge.iso(started), "run_started_at": forge.iso(started), "updated_at": forge.iso(ended)});
    let repository = json!({"html_url": "https://github.com/acme/shop", "full_name": "acme/shop",
        "clone_url": "https://github.com/acme/shop.git", "default_branch": "main"});
    let patch = json!({"action": "completed", "workflow_run": run, "repository": repository});
    forge.tell("workflow_run", "github/workflow_run/00.completed.json", patch);
}

/// A merge whose build is flaky and whose first deployment fails, and a squash that is rolled back.
fn story() -> Forge {
    let mut forge = Forge::new("acme/shop", START);
    forge.push(-1.0, "main", 0, &[(1, -2.0)]);
    forge.deployed(-0.8, -0.5, 1000, 1, "success");
    let first = (1, "topic-a", 12, 2.0);
    forge.push(1.0, "topic-a", 0, &[(11, 0.0)]);
    forge.opened(2.0, 1, "topic-a", 11);
    forge.push(3.0, "topic-a", 11, &[(12, 3.0)]);
    run(&mut forge, [3.1, 3.2], (70, "checks"), 12, "failure");
    forge.reviewed(4.0, first, 501, "changes_requested");
    forge.reviewed(5.0, first, 502, "approved");
    forge.push(6.0, "main", 1, &[(11, 0.0), (12, 3.0), (13, 6.0)]);
    forge.merged(6.0, first, 13);
    run(&mut forge, [6.1, 6.2], (71, "ci"), 13, "failure");
    run(&mut forge, [6.5, 7.0], (72, "ci"), 13, "success");
    forge.deployed(8.0, 8.5, 1001, 13, "failure");
    forge.deployed(8.6, 9.0, 1002, 13, "success");
    let second = (2, "topic-b", 23, 11.0);
    forge.push(10.8, "topic-b", 0, &[(21, 10.0), (23, 10.6)]);
    forge.opened(11.0, 2, "topic-b", 23);
    forge.reviewed(12.0, second, 503, "commented");
    forge.push(13.0, "main", 13, &[(22, 13.0)]);
    forge.merged(13.0, second, 22);
    forge.deployed(14.0, 15.0, 1003, 22, "success");
    forge.deployed(16.0, 17.0, 1004, 13, "success");
    forge.deployed(18.0, 19.0, 1005, 22, "success");
    forge
}

#[test]
fn github_tells_commits_reviews_builds_and_deployments() {
    let data = Data::new();
    let server = data.serve();
    story().send(&server);
    server.settle();
    let service = "github.com%2Facme%2Fshop";
    let (merge, text) = told(&server, service, &forge::hash(13));
    assert_eq!(merge["commits"], 2);
    assert_eq!(fields(&merge, "commit_list", &["hash"]), short(&[11, 12], forge::hash));
    assert_eq!(fields(&merge, "commit_list", &["subject"]), ["Work 11", "Work 12"]);
    assert_eq!(merge["commit_list"][0]["author"], "Ada <ada@example.com>");
    assert_eq!(merge["commit_list"][0]["authored_at"], forge::iso(START));
    assert!(merge["squashed"].is_null());
    assert_eq!(fields(&merge, "reviews", &["verdict"]), ["changes_requested", "approved"]);
    assert_eq!(merge["reviews"][1]["at"], merge["milestones"]["approved"]);
    let builds = rows(&merge, "builds");
    assert_eq!(fields(&merge, "builds", &["revision"]), short(&[12, 13], forge::hash));
    let has = |at: usize, what: &str| !builds[at][what].is_null();
    assert!(has(0, "failed_at") && !has(0, "succeeded_at"), "{builds:?}");
    assert!(has(1, "failed_at"), "{builds:?}");
    assert_eq!(builds[1]["succeeded_at"], merge["milestones"]["built"]);
    let deployments = ["effect", "environment", "name", "failed_by"];
    assert_eq!(
        fields(&merge, "deployments", &deployments),
        ["failed production 1001 null", "brought production 1002 null"]
    );
    for part in
        ["Work 11", "changes requested", "failed first, then succeeded", "did not become live"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }

    let (squash, text) = told(&server, service, &forge::hash(22));
    assert_eq!((&squash["commits"], &squash["squashed"]), (&json!(1), &json!(true)));
    assert_eq!(fields(&squash, "commit_list", &["hash"]), short(&[21, 23], forge::hash));
    assert_eq!(fields(&squash, "reviews", &["verdict"]), ["commented"]);
    assert!(squash["builds"].is_null());
    assert_eq!(
        fields(&squash, "deployments", &deployments),
        [
            "brought production 1003 1004",
            "took_back production 1004 null",
            "brought_again production 1005 null"
        ]
    );
    for part in ["2 commits are known", "took it back", "brought it there again", "failed, by 1004"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    // What the baseline says of itself is no list.
    let (first, text) = told(&server, service, &forge::hash(1));
    assert!(first["commit_list"].is_null() && first["reviews"].is_null());
    assert!(text.contains("It is one commit, the one on the mainline."), "{text}");
}

#[test]
fn cdevents_tell_commits_reviews_builds_and_deployments() {
    let commit = |number: u32, parents: &[u32], author: &str| {
        json!({
            "hash": hash(number), "parents": parents.iter().map(|it| hash(*it)).collect::<Vec<_>>(),
            "authoredAt": format!("2026-03-02T{number:02}:00:00Z"),
            "committedAt": format!("2026-03-02T{number:02}:05:00Z"),
            "author": { "name": author, "email": "x@example.com" }, "message": format!("Step {number}"),
        })
    };
    let build = |id: &str, pipeline: &str, revision: u32, hour: u32, outcome: &str| {
        let at = |minute: u32| format!("2026-03-02T{hour:02}:{minute:02}:00Z");
        let content = json!({ "repository": SHOP, "revision": hash(revision), "pipeline": pipeline,
            "startedAt": at(10), "finishedAt": at(20), "outcome": outcome });
        event(id, "build.finished", id, content)
    };
    let review = |id: &str, verdict: &str, hour: u32| {
        let content = json!({ "repository": SHOP, "pullRequest": 7, "reviewId": id, "verdict": verdict,
            "submittedAt": format!("2026-03-02T{hour:02}:30:00Z") });
        event(id, "review.submitted", "7", content)
    };
    let many: Vec<Value> =
        (0..60).map(|at| commit(100 + at, &[if at == 0 { 8 } else { 99 + at }], "Bo")).collect();
    let mut many: Vec<Value> = many
        .into_iter()
        .map(|mut it| {
            it["authoredAt"] = json!("2026-03-03T08:00:00Z");
            it["committedAt"] = json!("2026-03-03T08:00:00Z");
            it
        })
        .collect();
    let mut whole = commit(9, &[8, 159], "Bo");
    whole["committedAt"] = json!("2026-03-03T09:00:00Z");
    many.push(whole);
    let mut commits = vec![
        commit(1, &[], "Ada"),
        commit(2, &[1], "Ada"),
        commit(3, &[2], "Bo"),
        commit(4, &[1], "Ada"),
        // It carries no work of its own.
        commit(5, &[3, 4], "Ada"),
        commit(8, &[1, 5], "Ada"),
    ];
    commits.append(&mut many);
    let mut events = vec![
        event(
            "push",
            "commit.pushed",
            &hash(9),
            json!({
                "repository": SHOP, "branch": "main", "default": true, "after": hash(9),
                "pushedAt": "2026-03-03T09:00:00Z", "commits": commits,
            }),
        ),
        event(
            "pull",
            "pullrequest.updated",
            "7",
            json!({
                "repository": SHOP, "number": 7, "title": "All steps", "openedAt": "2026-03-02T05:30:00Z",
                "mergedAt": "2026-03-02T08:05:00Z", "mergeCommit": hash(8), "base": "main",
            }),
        ),
        review("r1", "commented", 6),
        review("r2", "approved", 7),
        build("b1", "unit", 3, 3, "failure"),
        build("b2", "unit", 8, 8, "failure"),
        build("b3", "unit", 8, 9, "success"),
        deployment("one", "production", 1, 1, "success"),
        deployment("s1", "staging", 8, 4, "failure"),
        deployment("s2", "staging", 8, 5, "success"),
        deployment("two", "production", 8, 6, "success"),
        deployment("s3", "staging", 1, 7, "success"),
        deployment("s4", "staging", 9, 8, "success"),
        deployment("back", "production", 1, 9, "success"),
        deployment("three", "production", 9, 10, "success"),
    ];
    // The order in which things are told does not matter.
    for is_reversed in [false, true] {
        if is_reversed {
            events.reverse();
        }
        let data = Data::new();
        let server = data.serve();
        events.chunks(3).for_each(|some| server.events(some));
        server.settle();
        let (merge, text) = told(&server, "shop", &hash(8));
        assert_eq!(merge["commits"], 3);
        assert_eq!(fields(&merge, "commit_list", &["hash"]), short(&[2, 3, 4], hash));
        assert_eq!(
            fields(&merge, "commit_list", &["author", "authored_at", "committed_at"])[1],
            "Bo <x@example.com> 2026-03-02T03:00:00Z 2026-03-02T03:05:00Z"
        );
        assert_eq!(fields(&merge, "reviews", &["verdict"]), ["commented", "approved"]);
        assert_eq!(
            fields(&merge, "builds", &["pipeline", "started_at", "failed_at", "succeeded_at"]),
            [
                "unit 2026-03-02T03:10:00Z 2026-03-02T03:20:00Z null",
                "unit 2026-03-02T08:10:00Z 2026-03-02T08:20:00Z 2026-03-02T09:20:00Z",
            ]
        );
        assert_eq!(
            fields(&merge, "deployments", &["effect", "environment", "name", "production"]),
            [
                "failed staging s1 false",
                "brought staging s2 false",
                "brought production two true",
                "took_back staging s3 false",
                "brought_again staging s4 false",
                "took_back production back true",
                "brought_again production three true",
            ]
        );
        assert_eq!(merge["deployments"][2]["failed_by"], "back");
        assert!(text.contains("Step 3") && !text.contains("Step 5"), "{text}");
        // Of many commits the first are told, and how many there are.
        let (many, text) = told(&server, "shop", &hash(9));
        assert_eq!(rows(&many, "commit_list").len(), 50);
        assert_eq!((&many["commits"], &many["more_commits"]), (&json!(60), &json!(10)));
        assert!(text.contains("The first 50 of 60 commits."), "{text}");
        // Lists show no parts of changes, and nobody's name.
        let list = server.report("/services/shop/changes").to_string();
        assert!(!list.contains("commit_list") && !list.contains("example.com"), "{list}");
    }
}
