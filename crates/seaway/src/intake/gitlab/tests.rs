use super::*;
use crate::intake::samples::{
    NOW, assert_bounded, assert_order_does_not_matter, bodies, mutate, mutations, read, read_at,
    shared_data, told,
};
use axum::http::HeaderValue;
use proptest::prelude::*;
use serde_json::{Value, json};

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = [("x-gitlab-event", "Push Hook")].into_iter().chain(pairs.iter().copied());
    pairs
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

/// The kind of event under which a body is taken in.
fn kind(body: &str) -> String {
    accept(&headers(&[]), &Bytes::from(body.to_owned()), &[]).unwrap().kind
}

/// A file of the shared data; `None` where it is not here.
fn body(file: &str) -> Option<String> {
    let found = bodies("gitlab").into_iter().find(|(name, _)| name == file);
    assert!(found.is_some() || shared_data().is_none(), "{file}");
    found.map(|(_, body)| body)
}

#[test]
fn every_real_body_is_read_and_arrival_does_not_matter() {
    assert!(SILENT.is_sorted());
    for (file, body) in bodies("gitlab") {
        let first = read(&kind(&body), &body);
        assert!(matches!(first, Reading::Facts(_)), "{file}: {first:?}");
        assert_eq!(first, read_at(&kind(&body), &body, NOW + 40_000_000), "{file}");
    }
    assert_eq!(read("com.gitlab.never_heard_of", "{}"), Reading::Unknown);
    assert!(matches!(read("com.gitlab.push", "{}"), Reading::Malformed(_)));
}

#[test]
fn the_order_of_events_does_not_matter() {
    let events = bodies("gitlab").into_iter().map(|(_, body)| (kind(&body), body));
    assert_order_does_not_matter(&events.collect::<Vec<_>>());
}

#[test]
fn a_push_tells_of_commits_and_branch() {
    let Some(body) = body("push.json") else { return };
    let entities = told("com.gitlab.push", &body, "example.com/mike/diaspora");
    let (first, newest) =
        ("b6568db1bc1dcd7f8b4d5a946b0b91f9dacd7327", "da1560886d4f094c3e6c9ef40349f7d38b5d27d7");
    assert_eq!(
        entities[0],
        json!({"repository": {
            "default_branch": [1_325_626_589, "master"],
            "url": [1_325_626_589, "http://example.com/mike/diaspora.git"],
        }})
    );
    assert_eq!(entities[1]["commit"]["hash"], first);
    assert_eq!(entities[1]["commit"]["detail"]["parents"], "unknown", "two of four are listed");
    let commit = &entities[2]["commit"];
    assert_eq!(commit["hash"], newest);
    assert_eq!(commit["detail"]["parents"], json!({"assumed": [first]}));
    assert_eq!(commit["pushed_onto"], "95790bf891e76fee5e1747ab589903a6a1f80f22");
    assert_eq!(commit["paths"], json!(["CHANGELOG", "app/controller/application.rb"]));
    assert_eq!(entities[3], json!({"branch": {"name": "master", "tip": [1_325_626_589, newest]}}));
    assert_eq!(entities.as_array().unwrap().len(), 4);
}

#[test]
fn a_merge_request_is_told_by_every_of_its_events() {
    let Some(body) = body("merge_request.json") else { return };
    let mut given: Value = serde_json::from_str(&body).unwrap();
    let name = "example.com/gitlabhq/gitlab-test";
    let at = 1_386_091_414;
    let head = "da1560886d4f094c3e6c9ef40349f7d38b5d27d7";
    let open = json!({
        "number": "1", "opened_at": at, "head": [at, head], "base": [at, "master"],
        "branch": [at, "ms-viewport"], "title": [at, "MS-Viewport"],
        "url": [at, "http://example.com/diaspora/merge_requests/1"],
    });
    assert_eq!(told("com.gitlab.merge_request", &body, name), json!([{"pull_request": &open}]));
    let mut after = |action: &str, user: i64, commit: Value| {
        given["object_attributes"]["action"] = action.into();
        given["object_attributes"]["updated_at"] = "2013-12-04 17:23:34 UTC".into();
        given["object_attributes"]["merge_commit_sha"] = commit;
        given["user"]["id"] = user.into();
        told("com.gitlab.merge_request", &given.to_string(), name)[0]["pull_request"].clone()
    };
    let at = at + 86_400;
    let review = |verdict: &str| {
        let mut reviews = serde_json::Map::new();
        reviews.insert(
            format!("approval 7 {head}"),
            json!({"at": at, "by": "user1", "verdict": verdict}),
        );
        Value::Object(reviews)
    };
    assert_eq!(after("approved", 7, Value::Null)["reviews"], review("approved"));
    assert_eq!(after("unapproved", 7, Value::Null)["reviews"], review("dismissed"));
    let own = after("approved", 51, Value::Null);
    assert_eq!((own.get("reviews"), &own["author"]), (None, &json!([at, "user1"])));
    let merged = after("merge", 7, "c".repeat(40).into());
    assert_eq!(merged["merged_at"], at);
    assert_eq!(merged["merge_commit"], json!([at, "c".repeat(40)]));
    assert_eq!(after("merge", 7, Value::Null)["merge_commit"], json!([at, head]));
    let closed = after("close", 7, Value::Null);
    assert_eq!((&closed["abandoned_at"], closed.get("merged_at")), (&json!(at), None));
    let later = after("update", 7, "c".repeat(40).into());
    assert_eq!((later.get("merged_at"), later.get("merge_commit")), (None, None));
}

#[test]
fn notes_of_others_on_a_merge_request_are_reviews() {
    let Some(body) = body("note_merge_request.json") else { return };
    let mut given: Value = serde_json::from_str(&body).unwrap();
    let name = "example.com/gitlab-org/gitlab-test";
    given["project"]["web_url"] = "http://example.com/gitlab-org/gitlab-test".into();
    given["merge_request"]["author_id"] = 9.into();
    given["object_attributes"]["author_id"] = 1.into();
    let pull = told("com.gitlab.note", &given.to_string(), name)[0]["pull_request"].clone();
    let id = format!("note {}", given["object_attributes"]["id"]);
    assert_eq!(pull["number"], given["merge_request"]["iid"].to_string());
    assert_eq!(pull["reviews"][&id]["verdict"], "commented");
    given["merge_request"]["author_id"] = 1.into();
    let own = &told("com.gitlab.note", &given.to_string(), name)[0]["pull_request"];
    assert_eq!(own.get("reviews"), None);
}

#[test]
fn pipelines_are_builds() {
    let Some(body) = body("pipeline.json") else { return };
    let name = "192.168.64.1:3005/gitlab-org/gitlab-test";
    let expected = json!([{"build": {
        "revision": "bcbb5ec396a2c0f828686f14fac9b80b780504f2",
        "pipeline": "pipeline",
        "started_at": 1_471_015_408,
        "succeeded_at": 1_471_015_589,
    }}]);
    assert_eq!(told("com.gitlab.pipeline", &body, name), expected);
    let mut given: Value = serde_json::from_str(&body).unwrap();
    given["object_attributes"]["status"] = "failed".into();
    let failed = told("com.gitlab.pipeline", &given.to_string(), name);
    assert_eq!(failed[0]["build"]["failed_at"], 1_471_015_589);
    for source in ["schedule", "parent_pipeline"] {
        given["object_attributes"]["source"] = source.into();
        assert_eq!(told("com.gitlab.pipeline", &given.to_string(), name), json!([]));
    }
}

#[test]
fn deployments_find_their_commit_in_its_url() {
    let Some(body) = body("deployment.json") else { return };
    let name = "10.126.0.2:3000/root/test-deployment-webhooks";
    let at = 1_619_639_400;
    let expected = json!([{"deployment": {
        "environment": "staging",
        "name": "15",
        "revision": [at, "279484c09fbe69ededfced8c1bb6e6d24616b468"],
        "repository": [at, name],
        "succeeded_at": at,
        "url": [at, "http://10.126.0.2:3000/root/test-deployment-webhooks/-/jobs/796"],
    }}]);
    assert_eq!(told("com.gitlab.deployment", &body, name), expected);
    let mut given: Value = serde_json::from_str(&body).unwrap();
    given["environment_tier"] = "production".into();
    for (status, end) in [("running", "started_at"), ("failed", "failed_at")] {
        given["status"] = status.into();
        let told = told("com.gitlab.deployment", &given.to_string(), name);
        assert_eq!(told[0]["deployment"][end], at);
        assert_eq!(told[0]["deployment"]["production"], true);
        assert_eq!(told[0]["deployment"].get("succeeded_at"), None);
    }
}

#[test]
fn issues_with_a_label_or_of_the_type_are_incidents() {
    let Some(body) = body("issue.json") else { return };
    let mut given: Value = serde_json::from_str(&body).unwrap();
    let name = "example.com/gitlabhq/gitlab-test";
    let incident = told("com.gitlab.issue", &body, name)[0]["incident"].clone();
    assert_eq!(incident["id"], "23");
    assert_eq!(incident["opened_at"], 1_386_090_943);
    assert_eq!(incident["resolved_at"], json!([1_386_090_943, null]));
    given["labels"] = json!([]);
    given["object_attributes"]["labels"] = json!([]);
    assert_eq!(told("com.gitlab.issue", &given.to_string(), name), json!([]));
    given["object_attributes"]["type"] = "Incident".into();
    given["object_attributes"]["state"] = "closed".into();
    given["object_attributes"]["closed_at"] = "2013-12-03 18:15:43 UTC".into();
    let closed = &told("com.gitlab.issue", &given.to_string(), name)[0]["incident"];
    assert_eq!(closed["resolved_at"], json!([1_386_090_943, 1_386_094_543]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn wrong_bodies_never_panic_and_stay_bounded(file in any::<usize>(), changes in mutations()) {
        let bodies = bodies("gitlab");
        if bodies.is_empty() {
            return Ok(());
        }
        let (_, body) = &bodies[file % bodies.len()];
        if let Reading::Facts(facts) = read(&kind(body), &mutate(body, &changes)) {
            assert_bounded(&facts);
        }
    }
}

#[test]
fn the_token_must_be_one_of_the_secrets() {
    let body = Bytes::from_static(b"{\"object_kind\":\"push\"}");
    let secrets = ["old".to_owned(), "secret".to_owned()];
    assert!(accept(&headers(&[("x-gitlab-token", "secret")]), &body, &secrets).is_ok());
    for wrong in ["", "secre", "secrets", "Secret", "old "] {
        let refused = accept(&headers(&[("x-gitlab-token", wrong)]), &body, &secrets);
        assert!(matches!(refused, Err(Refused::Unproven(_))), "{wrong}");
    }
    assert!(matches!(accept(&headers(&[]), &body, &secrets), Err(Refused::Unproven(_))));
    assert!(accept(&headers(&[]), &body, &[]).is_ok());
    let empty = accept(&headers(&[("x-gitlab-token", "")]), &body, &[String::new()]);
    assert!(matches!(empty, Err(Refused::Unproven(_))), "an empty secret opens nothing");
}

#[test]
fn deliveries_are_known_by_their_key_or_their_body() {
    let event = |body: &'static str, pairs: &[(&'static str, &str)]| {
        accept(&headers(pairs), &Bytes::from_static(body.as_bytes()), &[]).unwrap()
    };
    let keyed = event(
        "{\"object_kind\":\"merge_request\"}",
        &[("idempotency-key", "k-1"), ("x-gitlab-instance", "https://git.example.com/")],
    );
    assert_eq!(keyed.id, "k-1");
    assert_eq!(keyed.source, "https://git.example.com");
    assert_eq!(keyed.kind, "com.gitlab.merge_request");
    let first = event("{\"a\":1}", &[("x-gitlab-event-uuid", "u")]);
    assert_eq!(first.kind, "com.gitlab.push_hook");
    assert_eq!(first.id.len(), 64);
    assert_eq!(first.id, event("{\"a\":1}", &[]).id);
    assert_ne!(first.id, event("{\"a\":2}", &[("x-gitlab-event-uuid", "u")]).id);
    for body in ["", "[", "7"] {
        let refused = accept(&headers(&[]), &Bytes::from_static(body.as_bytes()), &[]);
        assert!(matches!(refused, Err(Refused::Malformed(_))), "{body}");
    }
}
