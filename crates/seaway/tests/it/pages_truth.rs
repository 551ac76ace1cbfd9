//! What pages and reports say of odd data: nothing that the data do not say.

use crate::serve_lang::{Answer, Data, Server};
use crate::serve_openapi::{SHOP, event, hash};
use serde_json::{Value, json};

/// A page that is there, as people read it: without markup, with its spaces as one.
fn words(server: &Server, path: &str) -> String {
    let answer = server.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    plain(&answer)
}

fn plain(answer: &Answer) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in answer.body.chars() {
        match c {
            '<' => {
                inside = true;
                text.push(' ');
            }
            '>' => inside = false,
            _ if !inside => text.push(if c == '\u{a0}' { ' ' } else { c }),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A minute of March 2026.
fn at(minute: u32) -> String {
    format!("2026-03-{:02}T{:02}:{:02}:00Z", 1 + minute / 1_440, minute / 60 % 24, minute % 60)
}

/// Commits 1 to `last` on the mainline, each made at the minute of its number.
fn line(last: u32) -> Value {
    let commit = |number: u32| {
        let parents: Vec<String> = (number > 1).then(|| hash(number - 1)).into_iter().collect();
        json!({
            "hash": hash(number), "parents": parents, "authoredAt": at(number),
            "committedAt": at(number), "author": {"name": "Ada", "email": "ada@example.com"},
            "message": format!("Work {number}"),
        })
    };
    let commits: Vec<Value> = (1..=last).map(commit).collect();
    event(
        &format!("push-{last}"),
        "commit.pushed",
        &hash(last),
        json!({
            "repository": SHOP, "branch": "main", "default": true, "after": hash(last),
            "pushedAt": at(last), "commits": commits,
        }),
    )
}

/// A successful deployment of a commit at a minute.
fn live(environment: &str, name: &str, revision: u32, minute: u32) -> Value {
    event(
        &format!("{environment}-{name}"),
        "deployment.finished",
        name,
        json!({
            "service": "shop", "environment": environment, "name": name, "repository": SHOP,
            "revision": hash(revision), "startedAt": at(minute), "finishedAt": at(minute),
            "outcome": "success",
        }),
    )
}

#[test]
fn names_of_deployments_are_told_apart_by_environment() {
    let data = Data::new();
    let server = data.serve();
    server.events(&[
        line(5),
        live("prod-eu", "v1", 1, 100),
        live("prod-us", "v1", 1, 200),
        live("prod-us", "v2", 4, 300),
        live("prod-eu", "v2", 4, 400),
        live("prod-us", "v3", 5, 500),
    ]);
    let of = |environment: &str, name: &str| {
        server.report(&format!("/services/shop/deployments/{environment}/{name}"))
    };
    let carried = |value: &Value| value["delivered"].as_array().unwrap().len();
    let (us, eu) = (of("prod-us", "v2"), of("prod-eu", "v2"));
    assert_eq!((us["changes"].as_u64(), carried(&us)), (Some(3), 3));
    assert_eq!((eu["changes"].as_u64(), carried(&eu)), (Some(0), 0));
    assert_eq!(eu["kind"], "redeployment");
    assert_eq!((&eu["replaced"], &eu["replaced_environment"]), (&json!("v2"), &json!("prod-us")));
    let path =
        |environment: &str, name: &str| format!("/services/shop/deployments/{environment}/{name}");
    let us = words(&server, &path("prod-us", "v2"));
    assert!(us.contains("Replaced v1 Replaced by v2 in prod-eu ,"), "{us}");
    let eu = words(&server, &path("prod-eu", "v2"));
    assert!(eu.contains("Replaced v2 in prod-us Replaced by v3 in prod-us ,"), "{eu}");
    assert!(eu.contains("It delivered no change that stayed."), "{eu}");
    // Its changes lead to the one that delivered it first.
    let change = server.report(&format!("/services/shop/changes/{}", hash(3)));
    assert_eq!((&change["deployment"], &change["environment"]), (&json!("v2"), &json!("prod-us")));
    let answer = server.get(&format!("/services/shop/changes/{}", hash(3)));
    assert!(answer.body.contains(&path("prod-us", "v2")), "{}", answer.body);
    assert!(plain(&answer).contains("With it came 2 other changes"), "{}", answer.body);
}

#[test]
fn what_replaced_a_deployment_is_known_whatever_came_between() {
    let data = Data::new();
    let server = data.serve();
    let mut events = vec![line(3), live("production", "v1", 1, 100)];
    events.extend((0..60).map(|i| live("staging", &format!("s{i}"), 2, 101 + i)));
    events.push(live("production", "v2", 2, 300));
    server.events(&events);
    server.settle();
    let text = words(&server, "/services/shop/deployments/production/v1");
    assert!(text.contains("Replaced by v2 ,"), "{text}");
    assert!(text.contains("Nobody any more"), "{text}");
}
