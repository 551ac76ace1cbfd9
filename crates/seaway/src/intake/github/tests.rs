use super::*;
use crate::intake::samples::{
    NOW, assert_bounded, assert_order_does_not_matter, bodies, mutate, mutations, read, read_at,
    shared_data, told,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const HELLO: &str = "github.com/codertocat/hello-world";

/// The kind of event of a file of the shared data, as its folder names it.
fn kind(file: &str) -> String {
    format!("com.github.{}", file.split('/').next().unwrap())
}

/// A file of the shared data; `None` where it is not here.
fn body(file: &str) -> Option<String> {
    let found = bodies("github").into_iter().find(|(name, _)| name == file);
    assert!(found.is_some() || shared_data().is_none(), "{file}");
    found.map(|(_, body)| body)
}

#[test]
fn every_real_body_is_read_and_arrival_does_not_matter() {
    for (file, body) in bodies("github") {
        let first = read(&kind(&file), &body);
        assert!(matches!(first, Reading::Facts(_)), "{file}: {first:?}");
        assert_eq!(first, read_at(&kind(&file), &body, NOW + 40_000_000), "{file}");
    }
}

#[test]
fn the_order_of_events_does_not_matter() {
    let events = bodies("github").into_iter().map(|(file, body)| (kind(&file), body));
    assert_order_does_not_matter(&events.collect::<Vec<_>>());
}

#[test]
fn unknown_events_are_kept_and_silent_ones_are_known() {
    assert!(SILENT.is_sorted());
    assert_eq!(read("com.github.never_heard_of", "{}"), Reading::Unknown);
    assert_eq!(read("com.github.ping", "{\"zen\":\"\"}"), Reading::Facts(Vec::new()));
    assert!(matches!(read("com.github.push", "{}"), Reading::Malformed(_)));
    assert!(matches!(read("com.github.push", "[1"), Reading::Malformed(_)));
}

#[test]
fn a_push_tells_of_commits_branch_and_repository() {
    let Some(body) = body("push/04.json") else { return };
    let after = "6113728f27ae82c7b1a177c8d03f9e96e0adf246";
    let entities = told("com.github.push", &body, HELLO);
    assert_eq!(
        entities[0],
        json!({"repository": {
            "default_branch": [1_557_933_657, "master"],
            "url": [1_557_933_657, "https://github.com/Codertocat/Hello-World.git"],
        }})
    );
    let commit = &entities[1]["commit"];
    assert_eq!(commit["hash"], after);
    assert_eq!(commit["detail"]["parents"], "unknown", "the branch is new");
    assert_eq!(commit["detail"]["authored_at"], 1_557_933_565);
    assert_eq!(commit.get("pushed_onto"), None);
    assert_eq!(entities[2], json!({"branch": {"name": "master", "tip": [1_557_933_657, after]}}));
    assert_eq!(entities.as_array().unwrap().len(), 3);
}

fn hash(digit: char) -> String {
    digit.to_string().repeat(40)
}

fn push(change: impl FnOnce(&mut Value)) -> Value {
    let commit = |digit, file: &str| {
        json!({"id": hash(digit), "message": format!("Work {digit}"),
            "timestamp": "2026-11-20T10:00:00+01:00",
            "author": {"name": "Ada", "email": "ada@example.com"},
            "added": [], "removed": [], "modified": [file]})
    };
    let mut push = json!({
        "ref": "refs/heads/main", "before": hash('a'), "after": hash('c'), "forced": false,
        "commits": [commit('b', "x"), commit('c', "y")],
        "repository": {"html_url": "https://github.com/Owner/Name", "default_branch": "main",
            "pushed_at": 1_795_000_000},
    });
    change(&mut push);
    told("com.github.push", &push.to_string(), "github.com/owner/name")
}

fn commits(entities: &Value) -> Vec<(Value, Value, Value)> {
    let commits = entities.as_array().unwrap().iter().filter_map(|it| it.get("commit"));
    let told = |commit: &Value| {
        (commit["hash"].clone(), commit["detail"]["parents"].clone(), commit["pushed_onto"].clone())
    };
    commits.map(told).collect()
}

#[test]
fn commits_of_a_push_are_chained_from_what_was_there() {
    let chained = push(|_| {});
    assert_eq!(
        commits(&chained),
        [
            (json!(hash('b')), json!({"assumed": [hash('a')]}), Value::Null),
            (json!(hash('c')), json!({"assumed": [hash('b')]}), json!(hash('a'))),
        ]
    );
    assert_eq!(chained[1]["commit"]["paths"], json!(["x"]));
    assert_eq!(chained[1]["commit"]["detail"]["author"], "Ada <ada@example.com>");
    assert_eq!(chained[1]["commit"]["detail"]["subject"], "Work b");
    let forced = push(|push| push["forced"] = true.into());
    assert_eq!(
        commits(&forced),
        [
            (json!(hash('b')), json!("unknown"), Value::Null),
            (json!(hash('c')), json!({"assumed": [hash('b')]}), Value::Null),
        ]
    );
    let beside = push(|push| push["ref"] = "refs/heads/topic".into());
    assert_eq!(commits(&beside)[1].2, Value::Null, "only the default branch is a mainline");
    let deleted = push(|push| push["after"] = hash('0').into());
    assert!(commits(&deleted).is_empty());
    let forward = push(|push| push["commits"] = json!([]));
    assert_eq!(commits(&forward), [(json!(hash('c')), Value::Null, json!(hash('a')))]);
}

#[test]
fn a_merged_pull_request_tells_its_merge() {
    let Some(body) = body("pull_request/merged.cdviz.json") else { return };
    let entities = told("com.github.pull_request", &body, "github.com/aaaaa-aaa/aaaaa-aaaaaaaaa");
    let given: Value = serde_json::from_str(&body).unwrap();
    let pull = &given["pull_request"];
    assert_eq!(
        entities,
        json!([{"pull_request": {
            "number": "97",
            "opened_at": 1_747_837_691,
            "merged_at": 1_747_848_921,
            "merge_commit": [1_747_848_921, "44d21f9752bb9eb3952238ff7e25965b8f779d51"],
            "head": [1_747_848_921, pull["head"]["sha"]],
            "base": [1_747_848_921, pull["base"]["ref"]],
            "branch": [1_747_848_921, pull["head"]["ref"]],
            "title": [1_747_848_921, "wip"],
            "author": [1_747_848_921, "aaaaaA"],
            "url": [1_747_848_921, "https://github.com/aaaaa-aaa/aaaaa-aaaaaaaaa/pull/97"],
            "lines": [1_747_848_921, 2_578 + 547],
        }}])
    );
}

#[test]
fn lines_are_known_where_both_numbers_are_told() {
    let Some(body) = body("pull_request/03.closed.json") else { return };
    let mut given: Value = serde_json::from_str(&body).unwrap();
    let mut lines = |additions: Value, deletions: Value| {
        given["pull_request"]["additions"] = additions;
        given["pull_request"]["deletions"] = deletions;
        let told = told("com.github.pull_request", &given.to_string(), HELLO);
        told[0]["pull_request"]["lines"][1].clone()
    };
    assert_eq!(lines(json!(0), json!(0)), 0);
    assert_eq!(lines(json!(u32::MAX), json!(7)), u64::from(u32::MAX) + 7);
    for unknown in [json!(null), json!(-1), json!(1.5), json!(u64::MAX), json!("many"), json!([1])]
    {
        assert_eq!(lines(json!(5), unknown.clone()), Value::Null, "{unknown}");
        assert_eq!(lines(unknown.clone(), json!(5)), Value::Null, "{unknown}");
    }
}

#[test]
fn a_pull_request_that_was_closed_is_not_merged() {
    let Some(body) = body("pull_request/03.closed.json") else { return };
    let pull = &told("com.github.pull_request", &body, HELLO)[0]["pull_request"];
    assert_eq!(pull["abandoned_at"], 1_557_933_678);
    assert_eq!(pull.get("merged_at"), None);
    assert_eq!(pull.get("merge_commit"), None);
}

#[test]
fn reviews_are_those_of_others() {
    let Some(body) = body("pull_request_review/01.dismissed.json") else { return };
    let own = &told("com.github.pull_request_review", &body, HELLO)[0]["pull_request"];
    assert_eq!(own.get("reviews"), None, "the author says something themselves");
    let mut given: Value = serde_json::from_str(&body).unwrap();
    for (state, verdict) in [
        ("dismissed", "dismissed"),
        ("APPROVED", "approved"),
        ("changes_requested", "changes_requested"),
        ("commented", "commented"),
    ] {
        given["review"]["user"]["login"] = "hubot".into();
        given["review"]["state"] = state.into();
        let told = told("com.github.pull_request_review", &given.to_string(), HELLO);
        assert_eq!(
            told[0]["pull_request"]["reviews"],
            json!({"237895671": {"at": 1_557_933_638, "by": "hubot", "verdict": verdict}})
        );
    }
}

#[test]
fn runs_of_workflows_are_builds_unless_the_clock_started_them() {
    let Some(body) = body("workflow_run/01.completed.json") else { return };
    let expected = json!([{"build": {
        "revision": "3484a3fb816e0859fd6e1cea078d76385ff50625",
        "pipeline": "2823525",
        "started_at": 1_601_915_629,
        "succeeded_at": 1_601_915_629,
    }}]);
    let given: Value = serde_json::from_str(&body).unwrap();
    let name = repository(&given);
    assert_eq!(told("com.github.workflow_run", &body, &name), expected);
    let mut failed = given.clone();
    failed["workflow_run"]["conclusion"] = "failure".into();
    let failed = told("com.github.workflow_run", &failed.to_string(), &name);
    assert_eq!(failed[0]["build"]["failed_at"], 1_601_915_629);
    assert_eq!(failed[0]["build"].get("succeeded_at"), None);
    let mut nightly = given;
    nightly["workflow_run"]["event"] = "schedule".into();
    assert_eq!(told("com.github.workflow_run", &nightly.to_string(), &name), json!([]));
}

/// The name of the repository of a body.
fn repository(body: &Value) -> String {
    let url = body["repository"]["html_url"].as_str().unwrap();
    seaway_core::delivery::facts::repository_name(url)
}

#[test]
fn deployments_end_by_their_status() {
    let Some(body) = body("deployment_status/00.created.json") else { return };
    let expected = |end: &str| {
        let mut deployment = json!({
            "environment": "production",
            "name": "145988746",
            "revision": [1_557_933_653, "f95f852bd8fca8fcc58a9a2d6c842781e32a215e"],
            "repository": [1_557_933_653, HELLO],
            "started_at": 1_557_933_653,
        });
        if !end.is_empty() {
            deployment[end] = 1_557_933_655.into();
        }
        json!([{"deployment": deployment}])
    };
    let mut given: Value = serde_json::from_str(&body).unwrap();
    for (state, end) in [
        ("success", "succeeded_at"),
        ("failure", "failed_at"),
        ("error", "failed_at"),
        ("in_progress", ""),
        ("inactive", ""),
    ] {
        given["deployment_status"]["state"] = state.into();
        assert_eq!(told("com.github.deployment_status", &given.to_string(), HELLO), expected(end));
    }
    given.as_object_mut().unwrap().remove("deployment_status");
    assert_eq!(told("com.github.deployment", &given.to_string(), HELLO), expected(""));
    given["deployment"]["production_environment"] = true.into();
    let marked = told("com.github.deployment", &given.to_string(), HELLO);
    assert_eq!(marked[0]["deployment"]["production"], true);
}

#[test]
fn issues_with_a_label_are_incidents() {
    let Some(body) = body("issues/15.opened.json") else { return };
    let mut given: Value = serde_json::from_str(&body).unwrap();
    let incident = &told("com.github.issues", &body, HELLO)[0]["incident"];
    assert_eq!(incident["id"], "1");
    assert_eq!(incident["opened_at"], 1_557_933_618);
    assert_eq!(incident["resolved_at"], json!([1_557_933_618, null]));
    given["issue"]["state"] = "closed".into();
    given["issue"]["closed_at"] = "2019-05-15T16:20:18Z".into();
    given["issue"]["updated_at"] = "2019-05-15T16:20:20Z".into();
    let closed = &told("com.github.issues", &given.to_string(), HELLO)[0]["incident"];
    assert_eq!(closed["resolved_at"], json!([1_557_937_220, 1_557_937_218]));
    given["issue"]["labels"] = json!([{"name": "question"}]);
    assert_eq!(told("com.github.issues", &given.to_string(), HELLO), json!([]));
}

/// Commits of a pull request, as backfill writes them.
const LISTED: &str = r#"{"commits": [{"sha": "6113728f27ae82c7b1a177c8d03f9e96e0adf246", "commit":
    {"author": {"name": "A", "email": "a@b", "date": "2019-05-15T15:19:25Z"},
    "committer": {"name": "A", "email": "a@b", "date": "2019-05-15T15:19:25Z"}, "message": "M"},
    "parents": [{"sha": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e"}]}],
    "pull_request": {"number": 2, "updated_at": "2019-05-15T15:20:38Z", "user": {"login": "a"}},
    "repository": {"html_url": "https://github.com/Codertocat/Hello-World"}}"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn wrong_bodies_never_panic_and_stay_bounded(file in any::<usize>(), changes in mutations()) {
        let mut bodies = bodies("github");
        bodies.push(("pull_request_commits/rest".to_owned(), LISTED.to_owned()));
        let (name, body) = &bodies[file % bodies.len()];
        let wrong = mutate(body, &changes);
        if let Reading::Facts(facts) = read(&kind(name), &wrong) {
            assert_bounded(&facts);
        }
        let cut = wrong.chars().take(file % wrong.len().max(1)).collect::<String>();
        read(&kind(name), &cut);
    }
}

#[test]
fn the_commits_of_a_pull_request_are_bounded_as_merging_bounds_them() {
    let mut given: Value = serde_json::from_str(LISTED).unwrap();
    let one = given["commits"][0].clone();
    let commit = |i: usize| {
        let mut commit = one.clone();
        commit["sha"] = format!("{:040x}", i + 1).into();
        commit
    };
    given["commits"] = (0..250).rev().map(commit).collect();
    let entities = told("com.github.rest.pull_request_commits", &given.to_string(), HELLO);
    let entities = entities.as_array().unwrap();
    assert_eq!(entities.len(), 251);
    let pull = &entities[250]["pull_request"];
    assert_eq!(pull["commits"].as_array().unwrap().len(), 100);
    assert_eq!(pull["commits"][99], format!("{:040x}", 100));
    assert_eq!(pull["authored_at"], 1_557_933_565);
}

#[test]
fn deep_bodies_are_survived() {
    let deep = format!("{}{}", "[".repeat(5_000_000), "]".repeat(5_000_000));
    for place in ["repository", "commits", "ref", "else"] {
        read("com.github.push", &format!("{{\"{place}\":{deep}}}"));
    }
}

mod deliveries {
    use super::*;
    use axum::http::HeaderValue;

    const SECRET: &str = "It's a Secret to Everybody";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let event = [("x-github-event", "push"), ("x-github-delivery", "72d3162e-cc78")];
        let pairs = event.iter().chain(pairs);
        pairs
            .map(|&(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn sign(body: &[u8], secret: &str) -> String {
        use hmac::{Hmac, KeyInit, Mac};
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(body);
        let tag = mac.finalize().into_bytes();
        format!("sha256={}", tag.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    #[test]
    fn documented_signatures_are_accepted() {
        let Some(data) = shared_data() else { return };
        let vectors = std::fs::read_to_string(data.join("signature_vectors.json")).unwrap();
        let vectors: Vec<Value> = serde_json::from_str(&vectors).unwrap();
        assert!(!vectors.is_empty());
        for vector in vectors {
            let text = |key: &str| vector[key].as_str().unwrap().to_owned();
            let signature = text("expected");
            let headers = headers(&[("x-hub-signature-256", &signature)]);
            let payload = text("payload");
            assert_eq!(prove(&headers, payload.as_bytes(), &[text("secret")]), Ok(()));
            assert!(prove(&headers, payload.as_bytes(), &["other".to_owned()]).is_err());
        }
    }

    #[test]
    fn what_is_signed_becomes_an_event() {
        let body = Bytes::from_static(b"{\"a\":1}");
        let secrets = ["old".to_owned(), SECRET.to_owned()];
        let headers = headers(&[("x-hub-signature-256", &sign(&body, SECRET))]);
        let event = accept(&headers, &body, &secrets).unwrap();
        assert_eq!(event.source, "https://github.com");
        assert_eq!(event.id, "72d3162e-cc78");
        assert_eq!(event.kind, "com.github.push");
        assert_eq!(event.data, body);
        let mut enterprise = headers.clone();
        enterprise.insert("x-github-enterprise-host", HeaderValue::from_static("Git.Example.com"));
        assert_eq!(accept(&enterprise, &body, &secrets).unwrap().source, "https://git.example.com");
    }

    #[test]
    fn what_is_not_signed_is_refused() {
        let body = Bytes::from_static(b"{\"a\":1}");
        let secrets = [SECRET.to_owned()];
        let right = sign(&body, SECRET);
        let wrong = [
            String::new(),
            "sha256=".to_owned(),
            right[..right.len() - 2].to_owned(),
            right[..right.len() - 1].to_owned(),
            format!("{right}00"),
            right.replace("sha256", "sha1"),
            right["sha256=".len()..].to_owned(),
            sign(&body, "other"),
            sign(b"{\"a\":2}", SECRET),
            "sha256=zz".to_owned(),
        ];
        for signature in wrong {
            let headers = headers(&[("x-hub-signature-256", &signature)]);
            let refused = accept(&headers, &body, &secrets).unwrap_err();
            assert!(matches!(refused, Refused::Unproven(_)), "{signature}: {refused}");
        }
        assert!(matches!(accept(&headers(&[]), &body, &secrets), Err(Refused::Unproven(_))));
        assert!(accept(&headers(&[]), &body, &[]).is_ok(), "no secret, nothing to prove");
        let empty = headers(&[("x-hub-signature-256", &sign(&body, ""))]);
        assert!(accept(&empty, &body, &[String::new()]).is_err(), "an empty secret opens nothing");
    }

    #[test]
    fn what_is_no_delivery_is_refused() {
        let json = Bytes::from_static(b"{}");
        for missing in ["x-github-event", "x-github-delivery"] {
            let mut headers = headers(&[]);
            headers.remove(missing);
            assert!(matches!(accept(&headers, &json, &[]), Err(Refused::Malformed(_))));
            headers.insert(missing, HeaderValue::from_str(&"x".repeat(201)).unwrap());
            assert!(matches!(accept(&headers, &json, &[]), Err(Refused::Malformed(_))));
        }
        for body in ["", "{", "payload=%7B%7D"] {
            let body = Bytes::from_static(body.as_bytes());
            assert!(matches!(accept(&headers(&[]), &body, &[]), Err(Refused::Malformed(_))));
        }
    }

    #[test]
    fn forms_are_unwrapped() {
        let form = headers(&[("content-type", "application/x-www-form-urlencoded")]);
        let body = Bytes::from_static(b"x=1&payload=%7B%22a%22%3A+%22%C3%A9%22%7D");
        let event = accept(&form, &body, &[]).unwrap();
        assert_eq!(event.data, "{\"a\": \"é\"}");
        assert_eq!(event.content_type, "application/json");
        for wrong in ["payload=%7", "payload=%zz", "other=1", "payload=%7B"] {
            assert!(accept(&form, &Bytes::from_static(wrong.as_bytes()), &[]).is_err(), "{wrong}");
        }
    }
}
