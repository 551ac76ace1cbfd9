//! A server that reads repositories: what events name and nobody has told is found there.

use crate::lang::{DAY, HOUR, Repo, hour, rfc3339, seaway};
use crate::serve_lang::{Data, PATIENCE, Server};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// The name by which events know the repository of a test.
const NAME: &str = "git.example.com/acme/shop";

/// A deployment to production that went well.
pub(crate) fn deployment(service: &str, name: &str, revision: &str, at: i64) -> Value {
    json!({
        "specversion": "1.0", "id": name, "source": "https://ci.example.com/shop",
        "type": "dev.cdeventsx.seaway-deployment.finished.0.1.0",
        "data": {
            "context": {
                "specversion": "0.5.1", "id": name, "source": "https://ci.example.com/shop",
                "type": "dev.cdeventsx.seaway-deployment.finished.0.1.0",
                "timestamp": rfc3339(at),
            },
            "subject": { "id": name, "content": {
                "service": service, "environment": "production", "production": true,
                "name": name, "revision": revision, "repository": NAME,
                "finishedAt": rfc3339(at), "outcome": "success",
            }},
        },
    })
}

/// A push as GitHub tells it: without parents.
fn push(repo: &Repo, before: &str, hashes: &[&str], at: i64) -> Value {
    let commit = |hash: &&str| {
        json!({
            "id": hash, "message": repo.git(&["log", "-1", "--format=%B", hash]),
            "timestamp": repo.git(&["log", "-1", "--format=%cI", hash]),
            "author": { "name": "Ada", "email": "ada@example.com" },
            "added": [], "removed": [], "modified": ["a"],
        })
    };
    json!({
        "ref": "refs/heads/main", "before": before, "after": hashes.last().unwrap(),
        "forced": false, "created": false, "deleted": false, "pusher": { "name": "ada" },
        "repository": {
            "full_name": "acme/shop", "html_url": format!("https://{NAME}"),
            "clone_url": format!("https://{NAME}.git"), "default_branch": "main",
            "pushed_at": at,
        },
        "commits": hashes.iter().map(commit).collect::<Vec<_>>(),
    })
}

/// Data of a server that reads the repository at a place.
fn data_with(place: &str) -> Data {
    let data = Data::new();
    let config = data.beside("seaway.toml");
    std::fs::write(&config, format!("[repositories]\n{NAME:?} = {place:?}\n")).unwrap();
    data.arg("--config").arg(config.display().to_string())
}

fn url_of(folder: &Path) -> String {
    format!("file://{}", folder.display())
}

/// Waits until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "it never came about: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the revision of a deployment is known.
fn until_linked(server: &Server, service: &str, deployment: &str) {
    until(&format!("{deployment} is linked"), || {
        let path = format!("/services/{service}/deployments/production/{deployment}");
        let answer = server.get(&format!("/api/v1{path}"));
        answer.status == 200 && answer.json()["linked"] == true
    });
    server.settle();
}

/// All reports of a service.
fn reports(server: &Server, service: &str) -> Vec<Value> {
    ["", "/changes?limit=1000", "/deployments?limit=1000"]
        .iter()
        .map(|part| server.report(&format!("/services/{service}{part}")))
        .collect()
}

fn findings(server: &Server) -> Vec<String> {
    let quality = server.report("/quality");
    let kinds = quality["findings"].as_array().unwrap().iter();
    kinds.map(|it| it["kind"].as_str().unwrap().to_owned()).collect()
}

/// How many events of pushed commits there are.
fn pushes(server: &Server) -> i64 {
    let quality = server.report("/quality");
    let arrivals = quality["arrivals"].as_array().unwrap().iter();
    let kinds = arrivals.filter(|it| it["kind"].as_str().unwrap().contains("commit.pushed"));
    kinds.map(|it| it["count"].as_i64().unwrap()).sum()
}

/// A history with a merge of two commits, deployed.
fn merged(repo: &Repo) -> [String; 2] {
    let first = repo.commit("Begin").at(hour(0));
    repo.git(&["switch", "--quiet", "-c", "topic"]);
    repo.commit("Half").authored(hour(1)).at(hour(2));
    repo.commit("Whole").at(hour(3));
    repo.git(&["switch", "--quiet", "main"]);
    let second = repo.merge("topic", hour(5));
    [first, second]
}

#[test]
fn deployments_of_revisions_that_nobody_pushed_are_linked() {
    let repo = Repo::new();
    let [first, second] = merged(&repo);
    for place in [url_of(&repo.folder), repo.folder.display().to_string()] {
        let data = data_with(&place);
        let server = data.serve();
        server.events(&[
            deployment("shop", "d-1", &first, hour(1)),
            deployment("shop", "d-2", &second[..10], hour(6)),
        ]);
        until_linked(&server, "shop", "d-2");
        until("no finding is left", || findings(&server).is_empty());
        let report = server.report("/services/shop");
        assert_eq!(report["time_to_value"]["n"], 1, "{report}");
        let p50 = report["time_to_value"]["p50"]["seconds"].as_f64().unwrap();
        assert!((p50 / (5 * HOUR) as f64 - 1.0).abs() <= 0.01, "{p50}");
        let changes = server.report("/services/shop/changes");
        let newest = &changes["rows"][0];
        assert_eq!(newest["kind"], "merge", "{changes}");
        assert_eq!((&newest["commits"], &newest["approximate"]), (&json!(2), &json!(false)));

        // The log alone is the truth.
        let (told, before) = (reports(&server, "shop"), pushes(&server));
        assert!(server.stop());
        std::fs::remove_dir_all(data.folder().join("mirrors")).unwrap();
        data.run(&["rebuild"]);
        let server = Data::serve(&data);
        assert_eq!(reports(&server, "shop"), told);
        assert_eq!(pushes(&server), before, "nothing is missing, so nothing is read again");
    }
}

#[test]
fn what_pushes_assume_is_mended_and_read_once() {
    let repo = Repo::new();
    let [first, second] = merged(&repo);
    let data = data_with(&url_of(&repo.folder));
    let server = data.serve();
    let told = push(&repo, &first, &[&second], hour(5));
    server.github("push", "p-1", told.to_string().as_bytes());
    server.events(&[
        deployment("shop", "d-1", &first, hour(1)),
        deployment("shop", "d-2", &second, hour(6)),
    ]);
    until("the merge is known", || {
        let changes = server.report("/services/shop/changes");
        changes["rows"][0]["kind"] == "merge"
    });
    until("no finding is left", || findings(&server).is_empty());
    let read = pushes(&server);

    // A push of what is new costs the new, and no more.
    let third = repo.commit("More").at(hour(8));
    // After the reading, whose moment is by the clock: what was pushed before it is older news.
    let pushed_at = jiff::Timestamp::now().as_second() + 1;
    let told = push(&repo, &second, &[&third], pushed_at);
    server.github("push", "p-2", told.to_string().as_bytes());
    until("the new commit is exact", || {
        let changes = server.report("/services/shop/changes");
        changes["rows"][0]["change"] == third.as_str() && changes["rows"][0]["approximate"] == false
    });
    assert_eq!(pushes(&server), read + 2, "one event for the commit, one for the branch");
}

#[test]
fn a_branch_that_was_rewritten_is_followed() {
    let repo = Repo::new();
    let first = repo.commit("Begin").at(hour(0));
    let lost = repo.commit("Lost").at(hour(2));
    let data = data_with(&url_of(&repo.folder));
    let server = data.serve();
    server.events(&[
        deployment("shop", "d-1", &first, hour(1)),
        deployment("shop", "d-2", &lost, hour(3)),
    ]);
    until_linked(&server, "shop", "d-2");
    repo.git(&["reset", "--quiet", "--hard", &first]);
    let kept = repo.commit("Kept").at(hour(4));
    let waiting = repo.commit("Waits").at(hour(6));
    server.events(&[deployment("shop", "d-3", &kept, hour(5))]);
    until_linked(&server, "shop", "d-3");
    let changes = server.report("/services/shop/changes");
    let mainline: Vec<&str> = changes["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|change| change["change"].as_str())
        .collect();
    assert_eq!(mainline[..2], [waiting.as_str(), kept.as_str()], "{changes}");
    assert_eq!(server.report("/waiting")["rows"][0]["change"], waiting.as_str());
}

#[test]
fn without_the_repository_it_is_approximate_until_it_comes_back() {
    let repo = Repo::new();
    let [first, second] = merged(&repo);
    let away = repo.beside("away");
    std::fs::rename(&repo.folder, &away).unwrap();
    let data = data_with(&url_of(&repo.folder));
    let server = data.serve();
    std::fs::rename(&away, &repo.folder).unwrap();
    let told = push(&repo, &first, &[&second], hour(5));
    std::fs::rename(&repo.folder, &away).unwrap();
    server.github("push", "p-1", told.to_string().as_bytes());
    server.events(&[deployment("shop", "d-2", &second, hour(6))]);
    let changes = server.report("/services/shop/changes");
    assert_eq!(changes["rows"][0]["approximate"], true, "{changes}");
    assert!(findings(&server).contains(&"assumed_parents".to_owned()));
    // Let it fail at least once.
    std::thread::sleep(Duration::from_secs(2));
    std::fs::rename(&away, &repo.folder).unwrap();
    until("the merge is exact", || {
        let changes = server.report("/services/shop/changes");
        changes["rows"][0]["approximate"] == false
    });
    until("no finding is left", || findings(&server).is_empty());
}

/// The line of an export that puts a component into the catalog.
fn component(name: &str, paths: &[&str]) -> String {
    let entity = format!("component:default/{name}");
    json!({
        "specversion": "1.0", "id": name, "source": "seaway/catalog",
        "type": "dev.seaway.catalog.entity", "time": rfc3339(hour(0)), "subject": entity,
        "datacontenttype": "application/json",
        "data": { "entity": entity, "definition": {
            "kind": "component", "entity": entity, "name": name, "owner": "group:default/a",
            "repositories": [NAME], "paths": paths,
        }},
    })
    .to_string()
        + "\n"
}

#[test]
fn services_of_one_repository_have_the_changes_of_their_paths() {
    let repo = Repo::new();
    let first = repo.commit("Begin").file("desk/a", "1").file("till/a", "1").at(hour(0));
    repo.commit("Desk").file("desk/a", "2").at(hour(2));
    repo.commit("Till").file("till/a", "2").at(hour(3));
    repo.git(&["switch", "--quiet", "-c", "topic"]);
    repo.commit("Till again").file("till/b", "1").at(hour(4));
    repo.git(&["switch", "--quiet", "main"]);
    let last = repo.merge("topic", hour(5));
    let data = data_with(&url_of(&repo.folder));

    // First without paths: what was read then has none.
    let server = data.serve();
    let deployments = |service: &str| {
        [
            deployment(service, &format!("{service}-1"), &first, hour(1)),
            deployment(service, &format!("{service}-2"), &last, hour(6)),
        ]
    };
    server.events(&deployments("desk"));
    until_linked(&server, "desk", "desk-2");
    assert_eq!(server.report("/services/desk")["time_to_value"]["n"], 3);
    assert!(server.stop());

    let catalog = data.beside("catalog.ndjson");
    std::fs::write(&catalog, component("desk", &["desk"]) + &component("till", &["till"])).unwrap();
    data.run(&["import", catalog.to_str().unwrap()]);
    let server = data.serve();
    server.events(&deployments("till"));
    for (service, count) in [("desk", 1), ("till", 2)] {
        until(&format!("{service} has its own"), || {
            server.report(&format!("/services/{service}"))["time_to_value"]["n"] == count
        });
    }
}

/// A history for `git fast-import`: so many commits, one an hour.
fn long_history(commits: i64) -> String {
    (1..=commits)
        .map(|number| {
            let (at, message) = (hour(number), format!("Change {number}\n\n{}", "x".repeat(1_000)));
            format!(
                "commit refs/heads/main\nmark :{number}\n\
                 author Ada <ada@example.com> {at} +0000\n\
                 committer Ada <ada@example.com> {at} +0000\n\
                 data {}\n{message}\ndeleteall\n\n",
                message.len()
            )
        })
        .collect()
}

#[test]
fn a_reading_that_was_killed_is_made_whole() {
    let repo = Repo::new();
    repo.git_fed(&["fast-import", "--quiet"], long_history(6_000).as_bytes());
    let commits = repo.git(&["rev-list", "--reverse", "main"]);
    let commits: Vec<&str> = commits.lines().collect();
    let events: Vec<Value> = (0..60)
        .map(|number: i64| {
            let commit = commits[usize::try_from(number * 100).unwrap()];
            deployment("shop", &format!("d-{number:02}"), commit, hour(number * 100 + 2))
        })
        .collect();
    let whole = |server: &Server| {
        until_linked(server, "shop", "d-59");
        until("no finding is left", || findings(server).is_empty());
        reports(server, "shop")
    };
    let undisturbed = data_with(&url_of(&repo.folder));
    let server = undisturbed.serve();
    server.events(&events);
    let expected = whole(&server);
    assert_eq!(expected[0]["time_to_value"]["n"], 5_900);
    drop(server);

    let data = data_with(&url_of(&repo.folder));
    let server = data.serve();
    server.events(&events);
    server.kill();
    for wait in [50, 550, 650, 700, 750, 800, 900] {
        let server = data.serve();
        std::thread::sleep(Duration::from_millis(wait));
        server.kill();
    }
    let server = data.serve();
    assert_eq!(whole(&server), expected);
    let rebuilt = {
        drop(server);
        data.run(&["rebuild"]);
        reports(&data.serve(), "shop")
    };
    assert_eq!(rebuilt, expected);
}

/// A history with all that attribution knows of, and its deployments: name, revision, moment.
fn eventful(repo: &Repo) -> Vec<(String, String, i64)> {
    let mut deployments = Vec::new();
    let mut live = Vec::new();
    repo.commit("Begin").at(hour(0));
    for week in 0..30 {
        let start = hour(week * 168);
        let branch = format!("topic-{week}");
        repo.git(&["switch", "--quiet", "-c", &branch]);
        repo.commit(&format!("Part one of {week}")).authored(start).at(start + HOUR);
        repo.commit(&format!("Part two of {week}"))
            .by("renovate[bot] <bot@example.com>")
            .at(start + 5 * HOUR);
        repo.git(&["switch", "--quiet", "main"]);
        let merge = repo.merge(&branch, start + DAY);
        let squash = repo
            .commit(&format!(
                "Squash {week} (#{week})\n\nCo-authored-by: Claude <noreply@anthropic.com>"
            ))
            .authored(start + 2 * HOUR)
            .at(start + 2 * DAY);
        live.push(squash.clone());
        deployments.push((format!("w{week:02}-a"), merge, start + DAY + 2 * HOUR));
        deployments.push((format!("w{week:02}-b"), squash.clone(), start + 2 * DAY + HOUR));
        if week % 5 == 2 {
            let revert = repo.revert(&squash, start + 3 * DAY);
            deployments.push((format!("w{week:02}-c"), revert, start + 3 * DAY + HOUR));
        }
        if week % 7 == 3 {
            let before = live[live.len() - 2].clone();
            deployments.push((format!("w{week:02}-d"), before, start + 4 * DAY));
            deployments.push((format!("w{week:02}-e"), squash, start + 5 * DAY));
        }
    }
    let waits = hour(30 * 168);
    repo.commit("Waits").at(waits);
    repo.commit("Waits too").at(waits + HOUR);
    deployments
}

#[test]
fn the_server_tells_what_measure_tells() {
    let repo = Repo::new();
    let deployments = eventful(&repo);
    let rows: String = deployments
        .iter()
        .map(|(name, revision, at)| format!("{name},{revision},{}\n", rfc3339(*at)))
        .collect();
    let file = repo.file_beside("deployments.csv", format!("name,revision,finished_at\n{rows}"));
    let measured = seaway()
        .measure(&repo)
        .args(["--no-sizes", "--deploys", &format!("file:{}", file.display())])
        .json();

    let data = data_with(&url_of(&repo.folder));
    let server = data.serve();
    let events: Vec<Value> = deployments
        .iter()
        .map(|(name, revision, at)| deployment("shop", name, revision, *at))
        .collect();
    server.events(&events);
    until_linked(&server, "shop", "w29-b");
    until("no finding is left", || findings(&server).is_empty());
    let told = server.report("/services/shop");
    assert_equal(&told, &measured);
    assert!(measured["rework"]["rollbacks"].as_u64().unwrap() >= 4, "{}", measured["rework"]);
    assert!(measured["rework"]["reverts"].as_u64().unwrap() >= 5, "{}", measured["rework"]);
}

/// Counts are the same exactly, durations within the one percent of the histograms.
pub(crate) fn assert_equal(told: &Value, measured: &Value) {
    let counts = [
        "/time_to_value/n",
        "/time_to_value/waiting",
        "/flow/waiting",
        "/flow/delivering_deployments",
        "/rework/reverts",
        "/rework/reverted",
        "/rework/share",
        "/rework/rollbacks",
        "/rework/redeployments",
        "/rework/failed_deployments",
        "/rework/unsuccessful_deployments",
    ];
    for path in counts {
        assert_eq!(told.pointer(path), measured.pointer(path), "{path}");
    }
    assert_eq!(told["flow"]["deployments"], measured["deployments"]["count"]);
    for quantile in ["p50", "p85", "p95"] {
        let of = |report: &Value| report["time_to_value"][quantile]["seconds"].as_f64().unwrap();
        let (told, exact) = (of(told), of(measured));
        let off = (told - exact).abs() / exact.max(1.0);
        assert!(off <= 0.01, "{quantile}: {told} and {exact}");
    }
}
