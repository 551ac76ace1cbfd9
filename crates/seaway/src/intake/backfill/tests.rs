use super::fake::{NOW, Shared, client, serve};
use super::*;
use crate::intake::Reading;
use crate::intake::samples::{bodies, merged, read, told};
use seaway_core::delivery::facts::Entity;
use seaway_core::time::DAY;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn stamp(moment: i64) -> String {
    jiff::Timestamp::from_second(moment).unwrap().to_string()
}

fn repository(name: &str) -> Value {
    json!({
        "id": 1, "full_name": format!("acme/{name}"), "private": true,
        "html_url": format!("https://github.com/acme/{name}"),
        "clone_url": format!("https://github.com/acme/{name}.git"),
        "default_branch": "main", "pushed_at": stamp(NOW - 60), "updated_at": stamp(NOW - 90),
    })
}

fn sha(number: u64) -> String {
    format!("{number:040x}")
}

/// A pull request that changed `age` seconds ago.
fn pull(number: u64, age: i64) -> Value {
    json!({
        "id": 1_000 + number, "number": number, "title": format!("Change {number}"),
        "state": "closed", "user": {"login": "ada", "type": "User"},
        "html_url": format!("https://github.com/acme/shop/pull/{number}"),
        "created_at": stamp(NOW - age - 3_600), "updated_at": stamp(NOW - age),
        "closed_at": stamp(NOW - age), "merged_at": stamp(NOW - age),
        "merge_commit_sha": sha(100_000 + number),
        "head": {"ref": format!("topic-{number}"), "sha": sha(number)},
        "base": {"ref": "main", "sha": sha(900_000)},
    })
}

fn review(number: u64, age: i64) -> Value {
    json!([{
        "id": 50_000 + number, "state": "APPROVED", "user": {"login": "grace", "type": "User"},
        "submitted_at": stamp(NOW - age - 600),
    }])
}

fn commits(number: u64, age: i64) -> Value {
    let signature = |at| json!({"name": "Ada", "email": "ada@example.com", "date": stamp(at)});
    json!([{
        "sha": sha(number),
        "commit": {"author": signature(NOW - age - 7_200), "committer": signature(NOW - age - 4_000),
            "message": format!("Change {number}\n\nWhy.")},
        "parents": [{"sha": sha(900_000)}],
    }])
}

/// A repository with so many pull requests, one an hour, the newest with the greatest number; as
/// many deployments and runs; and one incident.
fn world(changes: u64) -> BTreeMap<String, Value> {
    let mut objects = BTreeMap::new();
    let mut set = |path: &str, value| objects.insert(format!("repos/acme/shop{path}"), value);
    let newest_first =
        || (1..=changes).rev().map(|n| (n, i64::try_from(changes - n).unwrap() * 3_600));
    set("", repository("shop"));
    set("/pulls", newest_first().map(|(n, age)| pull(n, age)).collect());
    let deployment = |(n, age): (u64, i64)| {
        json!({"id": n, "sha": sha(100_000 + n), "environment": "production",
            "original_environment": "production", "created_at": stamp(NOW - age),
            "updated_at": stamp(NOW - age + 30)})
    };
    set("/deployments", newest_first().map(deployment).collect());
    let run = |(n, age): (u64, i64)| {
        json!({"id": n, "workflow_id": 7, "name": "CI", "head_sha": sha(n), "event": "push",
            "status": "completed", "conclusion": "success", "run_started_at": stamp(NOW - age),
            "created_at": stamp(NOW - age), "updated_at": stamp(NOW - age + 300)})
    };
    let runs: Value = newest_first().map(run).collect();
    set("/actions/runs", json!({"total_count": changes, "workflow_runs": runs}));
    let issue = |n: u64, more: Value| {
        let mut issue = json!({"number": n, "title": "Down", "state": "open",
            "labels": [{"name": "bug"}], "html_url": "https://github.com/acme/shop/issues/9",
            "created_at": stamp(NOW - 500), "updated_at": stamp(NOW - 400), "closed_at": null});
        issue.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        issue
    };
    set(
        "/issues",
        json!([issue(900_001, json!({})), issue(4, json!({"pull_request": {"url": ""}}))]),
    );
    for (n, age) in newest_first() {
        set(&format!("/pulls/{n}/reviews"), review(n, age));
        set(&format!("/pulls/{n}/commits"), commits(n, age));
        let status = json!([
            {"id": 2 * n + 1, "state": "success", "created_at": stamp(NOW - age + 30)},
            {"id": 2 * n, "state": "in_progress", "created_at": stamp(NOW - age + 10)},
        ]);
        set(&format!("/deployments/{n}/statuses"), status);
    }
    objects
}

fn what(text: &str) -> What {
    What::parse(text, NOW - 365 * DAY, &["bug".to_owned()]).unwrap()
}

/// Runs to the end and returns the events, the last cursor and the summary.
async fn collect(shared: &Shared, what: &What, cursor: Cursor) -> (Vec<Event>, Cursor, Summary) {
    let (mut events, mut last) = (Vec::new(), cursor.clone());
    let summary = run(&client(shared), what, cursor, async |found, cursor: &Cursor| {
        events.extend(found);
        last = cursor.clone();
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(summary.events, events.len());
    (events, last, summary)
}

fn ids(events: &[Event]) -> BTreeSet<String> {
    events.iter().map(|event| event.id.clone()).collect()
}

/// The entities that the events tell of, by key; all of one repository.
fn entities(events: &[Event]) -> BTreeMap<String, Entity> {
    let mut facts = Vec::new();
    for event in events {
        let body = std::str::from_utf8(&event.data).unwrap();
        match read(&event.kind, body) {
            Reading::Facts(told) => facts.extend(told),
            other => panic!("{}: {other:?}", event.kind),
        }
    }
    merged(&facts).into_values().map(|entity| (entity.key(), entity)).collect()
}

#[tokio::test]
async fn all_pages_of_all_listings_are_read() {
    let shared = serve(world(230)).await;
    let (events, _, summary) = collect(&shared, &what("acme/shop"), Cursor::default()).await;
    assert_eq!(summary.skipped, []);
    let kinds = |kind: &str| {
        events.iter().filter(|it| it.kind == format!("com.github.rest.{kind}")).count()
    };
    assert_eq!(kinds("repository"), 1);
    for kind in ["pull_request", "pull_request_review", "pull_request_commits", "deployment"] {
        assert_eq!(kinds(kind), 230, "{kind}");
    }
    assert_eq!((kinds("deployment_status"), kinds("workflow_run"), kinds("issues")), (460, 230, 1));
    assert_eq!(ids(&events).len(), events.len(), "no identifier stands for two things");
    assert!(events.iter().all(|event| event.source == "https://github.com"));
    assert!(shared.lock().unwrap().tokens.iter().all(|it| it == "Bearer secret-token"));

    let entities = entities(&events);
    let (age, number) = (10 * 3_600, 220);
    let at = NOW - age;
    let told = serde_json::to_value(&entities["pull 220"]).unwrap();
    assert_eq!(
        told["pull_request"],
        json!({
            "number": "220", "opened_at": at - 3_600, "merged_at": at,
            "merge_commit": [at, sha(100_220)], "head": [at, sha(number)], "base": [at, "main"],
            "branch": [at, "topic-220"], "title": [at, "Change 220"], "author": [at, "ada"],
            "url": [at, "https://github.com/acme/shop/pull/220"],
            "commits": [sha(number)], "authored_at": at - 7_200,
            "reviews": {"50220": {"at": at - 600, "by": "grace", "verdict": "approved"}},
        })
    );
    let told = serde_json::to_value(&entities[&format!("commit {}", sha(number))]).unwrap();
    assert_eq!(told["commit"]["detail"]["parents"], json!({"exact": [sha(900_000)]}));
    assert_eq!(told["commit"]["detail"]["committed_at"], at - 4_000);
    let told = serde_json::to_value(&entities["deployment production\n220"]).unwrap();
    assert_eq!(told["deployment"]["succeeded_at"], at + 30);
    let told = serde_json::to_value(&entities[&format!("build {}\n7", sha(number))]).unwrap();
    assert_eq!(told["build"]["succeeded_at"], at + 300);
    assert!(entities.contains_key("incident 900001"));
}

#[tokio::test]
async fn what_is_older_is_left_out_and_not_asked_for() {
    let shared = serve(world(230)).await;
    let what = What { since: NOW - 10 * 3_600, ..what("acme/shop") };
    let (events, _, _) = collect(&shared, &what, Cursor::default()).await;
    let pulls = events.iter().filter(|it| it.kind.ends_with(".pull_request")).count();
    assert_eq!(pulls, 11);
    let world = shared.lock().unwrap();
    let pages = world.requests.iter().filter(|(path, _)| path.contains("/shop/pulls?"));
    assert_eq!(pages.count(), 1);
    assert!(world.requests.iter().all(|(path, _)| !path.contains("/pulls/200/")));
}

#[tokio::test]
async fn the_second_run_adds_what_is_new_and_nothing_else() {
    let shared = serve(world(120)).await;
    let what = what("acme/shop");
    let (first, cursor, _) = collect(&shared, &what, Cursor::default()).await;
    // The cursor survives being written down.
    let cursor: Cursor = serde_json::from_str(&serde_json::to_string(&cursor).unwrap()).unwrap();
    shared.lock().unwrap().requests.clear();
    let (again, cursor, _) = collect(&shared, &what, cursor).await;
    assert!(ids(&again).is_subset(&ids(&first)));
    {
        let mut world = shared.lock().unwrap();
        assert!(world.requests.len() <= 8, "{:?}", world.requests);
        let same = world.requests.iter().filter(|(_, status)| *status == 304).count();
        assert_eq!(same, 2, "pull requests and issues are in the state that is known");
        // A webhook is missed: a pull request is changed, and an old deployment has ended.
        world.clock += DAY;
        let changed = json!({"title": "Better", "updated_at": stamp(NOW + DAY / 2)});
        let pulls = world.objects.get_mut("repos/acme/shop/pulls").unwrap().as_array_mut().unwrap();
        let mut pull = pulls.remove(100);
        pull.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
        pulls.insert(0, pull);
        let deployments = world.objects.get_mut("repos/acme/shop/deployments").unwrap();
        deployments[110]["updated_at"] = stamp(NOW + DAY / 2).into();
        let failed = json!([{"id": 9_999, "state": "error", "created_at": stamp(NOW + DAY / 2)}]);
        world.objects.insert("repos/acme/shop/deployments/10/statuses".to_owned(), failed);
    }
    let (missed, _, _) = collect(&shared, &what, cursor).await;
    let new: BTreeSet<String> = ids(&missed).difference(&ids(&first)).cloned().collect();
    let at = stamp(NOW + DAY / 2);
    let expected =
        ["acme/shop/deployments/10/statuses/9999".to_owned(), format!("acme/shop/pulls/20@{at}")];
    assert_eq!(new, expected.into());
}

#[tokio::test]
async fn who_asks_for_more_of_the_past_gets_it() {
    let shared = serve(world(60)).await;
    let recent = What { since: NOW - 10 * 3_600, ..what("acme/shop") };
    let (first, cursor, _) = collect(&shared, &recent, Cursor::default()).await;
    let (all, _, _) = collect(&shared, &what("acme/shop"), cursor).await;
    let (fresh, _, _) = collect(&shared, &what("acme/shop"), Cursor::default()).await;
    assert!(ids(&first).len() < ids(&all).len());
    assert_eq!(ids(&all), ids(&fresh));
}

#[tokio::test]
async fn a_limit_is_waited_for() {
    let shared = serve(world(60)).await;
    let (calm, _, _) = collect(&shared, &what("acme/shop"), Cursor::default()).await;
    let shared = serve(world(60)).await;
    shared.lock().unwrap().limit = Some((50, 50));
    let (limited, _, _) = collect(&shared, &what("acme/shop"), Cursor::default()).await;
    assert_eq!(ids(&limited), ids(&calm));
    let world = shared.lock().unwrap();
    assert!(world.waits.len() >= 3, "{:?}", world.waits);
    assert!(world.waits.iter().all(|&wait| wait == 3_601), "{:?}", world.waits);
    let refused = world.requests.iter().filter(|(_, status)| *status == 403).count();
    assert_eq!(refused, 0, "nothing is asked while nothing is left");
}

#[tokio::test]
async fn trouble_on_the_way_leaves_no_hole() {
    let shared = serve(world(40)).await;
    let (calm, _, _) = collect(&shared, &what("acme/shop"), Cursor::default()).await;
    let shared = serve(world(40)).await;
    let odd = |status: u16, headers: &[(&'static str, &str)], body: &str| {
        let headers = headers.iter().map(|&(name, value)| (name, value.to_owned())).collect();
        Some((status, headers, body.to_owned()))
    };
    shared.lock().unwrap().interfere = Some(Box::new(move |number, _| match number {
        3 | 4 => odd(502, &[], "<html>"),
        10 => odd(403, &[("retry-after", "7")], "{}"),
        20 => odd(429, &[], "{}"),
        21 => odd(429, &[], "{}"),
        30 => odd(403, &[], "{\"message\": \"You have exceeded a secondary rate limit.\"}"),
        40 => odd(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")], "{}"),
        50 => odd(503, &[], ""),
        _ => None,
    }));
    let (events, _, summary) = collect(&shared, &what("acme/shop"), Cursor::default()).await;
    assert_eq!(ids(&events), ids(&calm));
    assert_eq!(summary.skipped, []);
    assert_eq!(shared.lock().unwrap().waits, [1, 2, 7, 60, 120, 60, 1, 1]);
}

#[tokio::test]
async fn however_long_a_wait_is_told_it_is_the_longest_at_most() {
    let shared = serve(world(3)).await;
    shared.lock().unwrap().interfere = Some(Box::new(|number, _| {
        let wait = [i64::MAX as u64 + 1, u64::MAX].get(number)?;
        Some((403, vec![("retry-after", wait.to_string())], "{}".to_owned()))
    }));
    collect(&shared, &what("acme/shop"), Cursor::default()).await;
    assert_eq!(shared.lock().unwrap().waits, [3_700, 3_700]);
}

#[tokio::test]
async fn an_interrupted_run_goes_on_without_a_hole() {
    let what = what("acme/shop");
    let shared = serve(world(120)).await;
    let (whole, _, _) = collect(&shared, &what, Cursor::default()).await;
    for stop in 0..12 {
        let shared = serve(world(120)).await;
        let (mut events, mut kept, mut calls) = (Vec::new(), Cursor::default(), 0);
        let stopped =
            run(&client(&shared), &what, Cursor::default(), async |found, cursor: &Cursor| {
                if calls == stop {
                    return Err("no more".to_owned());
                }
                calls += 1;
                events.extend(found);
                kept = cursor.clone();
                Ok(())
            })
            .await;
        if stopped.is_ok() {
            assert!(stop > 8, "the run hands on its events in parts");
            return;
        }
        assert_eq!(stopped, Err(Error::Sink("no more".to_owned())));
        // Meanwhile one pull request that was not read yet is changed, and two are gone.
        {
            let mut world = shared.lock().unwrap();
            let pulls = world.objects.get_mut("repos/acme/shop/pulls").unwrap();
            let pulls = pulls.as_array_mut().unwrap();
            pulls.drain(..2);
            let mut late = pulls.remove(89);
            late["updated_at"] = stamp(NOW + 60).into();
            pulls.insert(0, late);
            world.clock += 600;
        }
        let (rest, cursor, _) = collect(&shared, &what, kept).await;
        events.extend(rest);
        let all = ids(&events);
        let changed = format!("acme/shop/pulls/29@{}", stamp(NOW + 60));
        assert!(all.contains(&changed), "stopped at {stop}");
        let mut hole = ids(&whole);
        let is_expected = |id: &String| ["/120", "/119", "/29@"].iter().any(|it| id.contains(it));
        hole.retain(|id| !all.contains(id) && !is_expected(id));
        assert!(hole.is_empty(), "stopped at {stop}: {hole:?}");
        let (again, _, _) = collect(&shared, &what, cursor).await;
        assert!(ids(&again).is_subset(&all));
    }
}

#[tokio::test]
async fn all_repositories_of_an_owner_are_read() {
    let mut objects = world(1);
    let names: Vec<Value> =
        (0..130).map(|i| repository(&format!("r{i:03}"))).chain([repository("shop")]).collect();
    objects.insert("orgs/acme/repos".to_owned(), names.clone().into());
    let shared = serve(objects.clone()).await;
    let (events, _, summary) = collect(&shared, &what("acme"), Cursor::default()).await;
    assert_eq!(summary.repositories, 131);
    assert_eq!(summary.skipped.len(), SKIPPED_MAX, "the others have no listings at all");
    assert!(ids(&events).contains("acme/shop/deployments/1/statuses/3"));
    objects.remove("orgs/acme/repos");
    objects.insert("users/acme/repos".to_owned(), names.into());
    let (of_user, ..) = collect(&serve(objects).await, &what("acme"), Cursor::default()).await;
    assert_eq!(ids(&of_user), ids(&events));
}

async fn error(shared: &Shared, text: &str) -> Error {
    run(&client(shared), &what(text), Cursor::default(), async |_, _: &Cursor| Ok(()))
        .await
        .unwrap_err()
}

#[tokio::test]
async fn errors_say_what_is_wrong_and_not_the_token() {
    let shared = serve(world(3)).await;
    let refused = error(&shared, "acme/none").await;
    assert_eq!(refused.to_string(), "GitHub refuses /repos/acme/none (status 404): Not Found");
    shared.lock().unwrap().interfere =
        Some(Box::new(|_, _| Some((500, Vec::new(), String::new()))));
    let failing = error(&shared, "acme/shop").await;
    assert!(matches!(failing, Error::Refused { status: 500, .. }), "{failing}");
    assert_eq!(shared.lock().unwrap().waits, [1, 2, 4, 8, 16]);
    let limited = || {
        let message = "{\"message\": \"You have exceeded a secondary rate limit\"}".to_owned();
        Some((403, Vec::new(), message))
    };
    shared.lock().unwrap().interfere = Some(Box::new(move |_, _| limited()));
    let endless = error(&shared, "acme/shop").await;
    assert!(matches!(endless, Error::Unreachable { .. }), "{endless}");
    let elsewhere = "<http://127.0.0.1:1/x>; rel=\"next\"".to_owned();
    shared.lock().unwrap().interfere = Some(Box::new(move |_, path| {
        path.contains("/pulls?").then(|| (200, vec![("link", elsewhere.clone())], "[]".to_owned()))
    }));
    let lured = error(&shared, "acme/shop").await;
    assert!(matches!(lured, Error::Wrong(_)), "{lured}");
    shared.lock().unwrap().interfere = Some(Box::new(|_, path| {
        path.contains("/pulls?").then(|| (200, Vec::new(), "{".to_owned()))
    }));
    let odd = error(&shared, "acme/shop").await;
    assert!(matches!(odd, Error::Unreadable { .. }), "{odd}");
    for error in [refused, failing, endless, lured, odd] {
        assert!(!format!("{error:?}{error}").contains("secret-token"));
    }
}

#[tokio::test]
async fn pages_that_lead_in_a_circle_end() {
    let shared = serve(world(1)).await;
    let url = shared.lock().unwrap().url.clone();
    shared.lock().unwrap().interfere = Some(Box::new(move |_, path| {
        let link = format!("<{url}{path}>; rel=\"next\"");
        path.contains("/pulls?").then(|| (200, vec![("link", link)], "[]".to_owned()))
    }));
    let circle = error(&shared, "acme/shop").await;
    assert!(circle.to_string().ends_with("it does not end"), "{circle}");
}

#[tokio::test]
async fn one_odd_object_does_not_keep_the_others_away() {
    let shared = serve(world(5)).await;
    shared.lock().unwrap().interfere = Some(Box::new(|_, path| {
        path.contains("/pulls/3/commits").then(|| (500, Vec::new(), String::new()))
    }));
    let (events, _, summary) = collect(&shared, &what("acme/shop"), Cursor::default()).await;
    assert_eq!(summary.skipped.len(), 1);
    assert!(entities(&events).contains_key("pull 3"));
    assert!(entities(&events).contains_key("pull 1"));
}

/// A run can be moved between threads, as the server's schedule needs.
#[tokio::test]
async fn a_run_can_be_spawned() {
    let shared = serve(world(2)).await;
    let client = client(&shared);
    let task = tokio::spawn(async move {
        let what = what("acme/shop");
        run(&client, &what, Cursor::default(), async |_, _: &Cursor| Ok(())).await
    });
    assert_eq!(task.await.unwrap().unwrap().repositories, 1);
}

#[test]
fn a_token_is_not_sent_in_the_clear() {
    let made = |url: &str, token| Client::new(url, token, |_| Box::pin(async {})).is_ok();
    assert!(made("https://api.github.com", Some("t")));
    assert!(made("http://git.example.com/api/v3", None));
    assert!(made("http://127.0.0.1:1", Some("t")));
    assert!(!made("http://git.example.com/api/v3", Some("t")));
    assert!(!made("file:///x", None));
    assert!(!made("https://api.github.com", Some("a\nb")));
}

#[test]
fn only_names_that_github_gives_are_asked_for() {
    let parse = |text: &str| What::parse(text, 0, &[]).map(|what| (what.owner, what.repository));
    assert_eq!(parse("acme"), Some(("acme".to_owned(), None)));
    assert_eq!(parse("acme/shop.js"), Some(("acme".to_owned(), Some("shop.js".to_owned()))));
    for wrong in ["", "/", "a/", "/b", "a/b/c", "..", "a/..", "a b", "a?b", "a/b#c", "é"] {
        assert_eq!(parse(wrong), None, "{wrong}");
    }
}

/// What the REST API tells of an object and what a webhook tells of it are one.
#[test]
fn rest_and_webhooks_tell_the_same() {
    let bodies: BTreeMap<String, String> = bodies("github").into_iter().collect();
    let form = |file: &str, kind: &str, key: &str, change: &dyn Fn(&mut Value)| {
        let Some(body) = bodies.get(file) else { return };
        let given: Value = serde_json::from_str(body).unwrap();
        let slim = objects::Repository::default();
        let mut known = serde_json::to_value(&slim).unwrap();
        for (name, value) in known.as_object_mut().unwrap() {
            *value = given["repository"][name].clone();
        }
        let known: objects::Repository = serde_json::from_value(known).unwrap();
        let mut object = given[key].clone();
        change(&mut object);
        let pull = given["pull_request"].to_string();
        let deployment = given["deployment"].to_string();
        let (object, mut parts) = (object.to_string(), Vec::new());
        parts.push((key, object.as_str()));
        if key == "review" {
            parts.push(("pull_request", pull.as_str()));
        }
        if key == "deployment_status" {
            parts.push(("deployment", deployment.as_str()));
        }
        let event = known.event_of(kind, "x", &parts);
        let rest = std::str::from_utf8(&event.data).unwrap();
        let url = given["repository"]["html_url"].as_str().unwrap();
        let name = seaway_core::delivery::facts::repository_name(url);
        let mut webhook = told(&format!("com.github.{kind}"), body, &name);
        // A list does not tell the lines of a pull request.
        if let Some(pull) = webhook[0].get_mut("pull_request").and_then(Value::as_object_mut) {
            assert_eq!(pull.remove("lines").is_some(), kind == "pull_request", "{file}");
        }
        assert_eq!(told(&event.kind, rest, &name), webhook, "{file}");
    };
    let listed = |pull: &mut Value| {
        for key in
            ["merged", "merged_by", "comments", "commits", "mergeable", "additions", "deletions"]
        {
            pull.as_object_mut().unwrap().remove(key);
        }
    };
    form("pull_request/merged.cdviz.json", "pull_request", "pull_request", &listed);
    form("pull_request/03.closed.json", "pull_request", "pull_request", &listed);
    form("pull_request/12.opened.json", "pull_request", "pull_request", &listed);
    form("pull_request_review/00.submitted.json", "pull_request_review", "review", &|review| {
        review["state"] = review["state"].as_str().unwrap().to_uppercase().into();
    });
    form("workflow_run/01.completed.json", "workflow_run", "workflow_run", &|_| {});
    form("deployment/00.created.json", "deployment", "deployment", &|_| {});
    form("deployment_status/00.created.json", "deployment_status", "deployment_status", &|_| {});
    form("issues/15.opened.json", "issues", "issue", &|_| {});
}
