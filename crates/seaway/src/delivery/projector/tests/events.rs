//! Events of all kinds about a small world, so that many of them speak of the same things.

use super::NOW;
use crate::ledger::Event;
use seaway_core::catalog::Change;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The numbers that an event is made of: its kind, then whatever it needs.
pub(super) type Seed = [u8; 8];

const REPOSITORIES: [&str; 3] =
    ["https://github.com/acme/shop", "https://github.com/acme/pay", "git@github.com:acme/mono.git"];
const SERVICES: [&str; 4] = ["shop", "Shop", "pay", "checkout"];
const ENVIRONMENTS: [&str; 3] = ["production", "production", "staging"];
/// The kind of the catalog's events in these tests.
const CATALOG: &str = "test.catalog";

/// Reads a change of the catalog.
pub(super) fn change_of(event: &Event) -> Option<Result<Change, String>> {
    (event.kind == CATALOG)
        .then(|| serde_json::from_slice(&event.data).map_err(|error| error.to_string()))
}

fn pick<'a>(from: &[&'a str], number: u8) -> &'a str {
    from[usize::from(number) % from.len()]
}

fn hash(number: u8) -> String {
    format!("{:040x}", 0xc0_ffee_u64 * 16 + u64::from(number % 12))
}

/// One of a few moments, days apart, Unix seconds.
fn moment(number: u8) -> i64 {
    NOW / 1_000_000 - 40 * 86_400 + i64::from(number % 16) * 100_000
}

fn time(number: u8) -> String {
    jiff::Timestamp::from_second(moment(number)).unwrap().to_string()
}

/// The event with a number. Equal numbers and seeds make equal events.
pub(super) fn event(number: usize, seed: Seed) -> Event {
    let id = format!("event {number}");
    let [which, a, b, c, d, e, f, g] = seed;
    let (kind, subject, content) = match which % 16 {
        0..=2 => ("dev.cdeventsx.seaway-commit.pushed.0.1.0", hash(a), pushed(seed)),
        3 | 4 => ("dev.cdeventsx.seaway-deployment.finished.0.1.0", name(c), finished(seed)),
        5 => ("dev.cdeventsx.seaway-deployment.started.0.1.0", name(c), deployment(seed)),
        6 => ("dev.cdeventsx.seaway-pullrequest.updated.0.1.0", "1".to_owned(), pull(seed)),
        7 => {
            let verdict = pick(&["approved", "changes_requested", "commented"], c);
            let content = json!({
                "repository": pick(&REPOSITORIES, a), "pullRequest": b % 3,
                "reviewId": format!("{}", d % 4), "verdict": verdict, "submittedAt": time(e),
            });
            ("dev.cdeventsx.seaway-review.submitted.0.1.0", "1".to_owned(), content)
        }
        8 => {
            let content = json!({
                "repository": pick(&REPOSITORIES, a), "revision": hash(b),
                "pipeline": pick(&["test", "build"], c), "startedAt": time(d),
                "finishedAt": time(e), "outcome": pick(&["success", "failure"], f),
            });
            ("dev.cdeventsx.seaway-build.finished.0.1.0", hash(b), content)
        }
        9 | 10 => {
            let mut content = json!({
                "service": pick(&SERVICES, a), "incident": format!("incident {}", b % 3),
                "environment": pick(&ENVIRONMENTS, c), "title": format!("title {}", d % 2),
            });
            if e % 3 == 0 {
                content["deployment"] = name(f).into();
            }
            let kind = match which % 16 {
                9 => "dev.cdeventsx.seaway-incident.reported.0.1.0",
                _ => "dev.cdeventsx.seaway-incident.resolved.0.1.0",
            };
            (kind, "incident".to_owned(), content)
        }
        11 => {
            let content =
                json!({"environment": {"id": pick(&ENVIRONMENTS, b)}, "artifactId": artifact(c)});
            ("dev.cdevents.service.deployed.0.3.0", pick(&SERVICES, a).to_owned(), content)
        }
        12 => {
            let change = json!({"id": hash(b), "source": pick(&REPOSITORIES, d)});
            ("dev.cdevents.artifact.packaged.0.3.0", artifact(c), json!({"change": change}))
        }
        13 => return catalog(id, seed),
        14 if a % 3 == 0 => ("com.example.unknown", "x".to_owned(), json!({})),
        14 => ("dev.cdeventsx.seaway-build.finished.0.1.0", "x".to_owned(), json!({"revision": b})),
        _ => return github_push(id, seed),
    };
    let context = json!({
        "specversion": "0.5.1", "id": id, "source": "https://ci.example.com", "type": kind,
        "timestamp": time(g),
    });
    let data = json!({"context": context, "subject": {"id": subject, "content": content}});
    plain(id, kind, &data, g)
}

fn plain(id: String, kind: &str, data: &Value, at: u8) -> Event {
    Event {
        source: "https://ci.example.com".to_owned(),
        id,
        kind: kind.to_owned(),
        subject: None,
        time: Some(moment(at) * 1_000_000),
        content_type: "application/json".to_owned(),
        extensions: BTreeMap::new(),
        data: data.to_string().into(),
    }
}

fn artifact(number: u8) -> String {
    format!("pkg:oci/shop@sha256%3A{}", number % 3)
}

fn name(number: u8) -> String {
    format!("deployment {}", number % 5)
}

/// One to three commits; their parents are told or left to be assumed. Few are told to come from a
/// younger commit, which git cannot make and a sender can.
fn pushed([_, a, b, c, d, e, f, g]: Seed) -> Value {
    let first = a % 12;
    let commits = (0..=b % 3).map(|more| {
        let number = (first + more) % 12;
        let mut commit = json!({
            "hash": hash(number), "authoredAt": time(d.wrapping_add(more)),
            "author": {"name": "Ada", "email": "ada@example.com"},
            "message": match e % 5 {
                0 => format!("This reverts commit {}.", hash(f)),
                _ => format!("Work {}", f % 4),
            },
        });
        if c % 4 != 0 {
            let far = if c % 32 == 1 { number + 3 } else { number.saturating_sub(2) };
            let parents = match c % 4 {
                1 => vec![hash(number.saturating_sub(1)), hash(far)],
                2 if number == 0 => Vec::new(),
                _ => vec![hash(number.saturating_sub(1))],
            };
            commit["parents"] = json!(parents);
        }
        if g % 3 == 0 {
            commit["paths"] = json!([pick(&["shop/a", "pay/b", "c"], f)]);
        }
        commit
    });
    let mut content = json!({
        "repository": pick(&REPOSITORIES, e), "branch": pick(&["main", "main", "dev"], f),
        "default": f % 3 == 0, "commits": commits.collect::<Vec<_>>(), "pushedAt": time(g),
    });
    if d % 2 == 0 {
        content["before"] = hash(first.saturating_sub(1)).into();
    }
    content
}

fn deployment([_, a, b, c, d, e, f, _]: Seed) -> Value {
    let mut content = json!({
        "service": pick(&SERVICES, a), "environment": pick(&ENVIRONMENTS, b), "name": name(c),
        "revision": hash(d),
    });
    if e % 3 == 0 {
        content["repository"] = pick(&REPOSITORIES, e / 3).into();
    }
    if e % 4 == 0 {
        content["artifactId"] = artifact(f).into();
    }
    if f % 4 == 0 {
        content["commits"] = json!([hash(d), hash(d.wrapping_add(1))]);
    }
    content
}

fn finished(seed: Seed) -> Value {
    let mut content = deployment(seed);
    content["finishedAt"] = time(seed[6]).into();
    content["outcome"] = pick(&["success", "success", "failure"], seed[7]).into();
    content
}

fn pull([_, a, b, c, d, e, f, _]: Seed) -> Value {
    let mut content = json!({
        "repository": pick(&REPOSITORIES, a), "number": b % 3, "openedAt": time(c),
        "title": format!("title {}", c % 2), "head": hash(d), "base": "main",
    });
    if e % 2 == 0 {
        content["mergedAt"] = time(f).into();
        content["mergeCommit"] = hash(e).into();
    }
    content
}

/// A component, which may move, be another's alias, or go; or a group under another.
fn catalog(id: String, [_, a, b, c, d, e, _, _]: Seed) -> Event {
    let group = |number: u8| json!({"kind": "group", "namespace": "default", "name": pick(&["a", "b", "all"], number)});
    let (entity, mut definition) = if a % 3 == 0 {
        let entity = group(b);
        let mut definition = json!({"kind": "group", "entity": entity, "name": entity["name"]});
        if c % 3 != b % 3 {
            definition["parent"] = group(c);
        }
        (entity, definition)
    } else {
        let name = pick(&["shop", "pay", "other"], b);
        let entity = json!({"kind": "component", "namespace": "default", "name": name});
        let mut definition = json!({
            "kind": "component", "entity": entity, "name": name, "owner": group(c),
        });
        if d % 3 == 0 {
            let repository = pick(&["github.com/acme/shop", "github.com/acme/mono"], d);
            definition["repositories"] = json!([repository]);
        }
        if d % 5 == 0 {
            definition["aliases"] = json!(["checkout"]);
        }
        if d % 7 == 0 {
            definition["paths"] = json!([format!("{name}/**")]);
        }
        (entity, definition)
    };
    if e % 8 == 0 {
        definition = Value::Null;
    }
    let change = json!({"entity": entity, "at": moment(e), "definition": definition});
    plain(id, CATALOG, &change, e)
}

/// A push as GitHub tells it: the parents of its commits are to be assumed.
fn github_push(id: String, [_, a, b, c, d, e, _, g]: Seed) -> Event {
    let commit = json!({
        "id": hash(b), "message": "Work", "timestamp": time(c), "distinct": true,
        "author": {"name": "Ada", "email": "ada@example.com"},
        "added": [], "removed": [], "modified": ["shop/a"],
    });
    let body = json!({
        "ref": pick(&["refs/heads/main", "refs/heads/dev"], d), "before": hash(a), "after": hash(b),
        "commits": [commit], "head_commit": commit,
        "repository": {
            "full_name": "acme/shop", "html_url": REPOSITORIES[0], "clone_url": REPOSITORIES[0],
            "default_branch": "main", "pushed_at": moment(e), "id": 1, "name": "shop",
        },
    });
    plain(id, "com.github.push", &body, g)
}
