//! What each event says.

use super::*;

const A: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
const B: &str = "9c1185a5c5e9fc54612808977ee8f548b2258d31";
const C: &str = "d670460b4b4aece5915caf5c68d12f560a9fe3e4";

/// A standard event whose custom data name a revision.
fn with_revision(mut event: Value) -> Value {
    let repository = "https://github.com/Example/Shop.git";
    event["customData"] = json!({"revision": A.to_uppercase(), "repository": repository});
    event
}

#[test]
fn a_service_event_is_a_deployment_and_tells_of_its_artifact() {
    for predicate in ["deployed.0.1.0", "upgraded.9.9.9-draft", "rolledback"] {
        let content = json!({"environment": {"id": "prod"}, "artifactId": "pkg:oci/shop@1"});
        let event = event(&format!("dev.cdevents.service.{predicate}"), "shop", content);
        let deployment = json!({"environment": "prod", "name": "e1",
            "artifact": [MOMENT, "pkg:oci/shop@1"], "succeeded_at": MOMENT});
        let artifact = json!({"id": "pkg:oci/shop@1", "services": ["shop"]});
        let expected = json!([
            {"scope": {"service": "shop"}, "entity": {"deployment": deployment}},
            {"scope": {"artifact": "pkg:oci/shop@1"}, "entity": {"artifact": artifact}},
        ]);
        assert_eq!(told(&event), expected);
        let facts = told(&with_revision(event));
        assert_eq!(facts[0]["entity"]["deployment"]["revision"], json!([MOMENT, A]));
        let repository = json!([MOMENT, "github.com/example/shop"]);
        assert_eq!(facts[0]["entity"]["deployment"]["repository"], repository);
        assert_eq!(facts[1]["entity"]["artifact"]["revision"], json!([MOMENT, A]));
    }
}

#[test]
fn an_artifact_is_made_of_a_commit_only_if_its_change_is_one() {
    let packaged = |id: &str| {
        let change = json!({"id": id, "source": "my-git.example/an-org/a-repo"});
        let content = json!({ "change": change });
        told(&event("dev.cdevents.artifact.packaged.0.3.0", "pkg:a", content))
    };
    let artifact = json!({"id": "pkg:a", "built_at": MOMENT, "revision": [MOMENT, B],
        "repository": [MOMENT, "my-git.example/an-org/a-repo"]});
    let expected = json!([{"scope": {"artifact": "pkg:a"}, "entity": {"artifact": artifact}}]);
    assert_eq!(packaged(B), expected);
    assert_eq!(packaged("myChange123")[0]["entity"]["artifact"]["revision"], Value::Null);
    let signed = event("dev.cdevents.artifact.signed.0.1.0", "pkg:a", json!({"signature": "x"}));
    assert_eq!(told(&signed)[0]["entity"]["artifact"], json!({"id": "pkg:a", "built_at": MOMENT}));
}

#[test]
fn a_change_is_a_pull_request_of_its_repository() {
    let change = |predicate: &str| {
        let repository = json!({"id": "TestRepo/TestOrg", "source": "https://example.org"});
        let content = json!({"repository": repository, "description": "Title\nand more"});
        with_revision(event(
            &format!("dev.cdevents.change.{predicate}.0.1.0"),
            "org/repo#12",
            content,
        ))
    };
    let pull = |predicate| told(&change(predicate))[0]["entity"]["pull_request"].clone();
    let created = json!({"number": "12", "opened_at": MOMENT, "title": [MOMENT, "Title"],
        "head": [MOMENT, A]});
    assert_eq!(pull("created"), created);
    let review = json!({"at": MOMENT, "verdict": "commented"});
    assert_eq!(pull("reviewed"), json!({"number": "12", "reviews": {"e1": review}}));
    let merged = json!({"number": "12", "merged_at": MOMENT, "merge_commit": [MOMENT, A]});
    assert_eq!(pull("merged"), merged);
    assert_eq!(pull("abandoned"), json!({"number": "12", "abandoned_at": MOMENT}));
    assert_eq!(pull("updated"), json!({"number": "12", "head": [MOMENT, A]}));
    let mut without = change("created");
    without.as_object_mut().unwrap().remove("customData");
    assert_eq!(told(&without)[0]["scope"]["repository"], "example.org/testrepo/testorg");
}

#[test]
fn the_repository_of_a_change_is_put_together_or_not_guessed() {
    let scope = |repository: Value, source: &str| {
        let mut event = event("dev.cdevents.change.merged.0.1.0", "7", json!({}));
        event["subject"]["content"] = json!({ "repository": repository });
        event["context"]["source"] = json!(source);
        told(&event)[0]["scope"]["repository"].clone()
    };
    let name = "github.com/o/r";
    assert_eq!(scope(json!({"id": "o/r", "source": "https://github.com"}), "/x"), name);
    assert_eq!(scope(json!({"id": "O/R", "source": "https://github.com/o/r.git"}), "/x"), name);
    assert_eq!(scope(json!({"id": "r", "source": "https://github.com/o/r/"}), "/x"), name);
    assert_eq!(scope(json!({"id": "4711", "source": "https://github.com/o/r"}), "/x"), name);
    assert_eq!(scope(json!({"id": "https://github.com/o/r.git", "source": "/ci"}), "/x"), name);
    assert_eq!(scope(json!({"id": "o/r"}), "https://elsewhere.org/x/y"), "o/r");
    assert_eq!(scope(Value::Null, "https://github.com/o/r"), name);
    assert_eq!(scope(Value::Null, "/event/source/123"), Value::Null);
}

#[test]
fn builds_need_a_revision_and_end_as_the_standard_tells() {
    let fact = |kind: &str, content: Value| {
        let event = with_revision(event(&format!("dev.cdevents.{kind}.0.1.0"), "b1", content));
        told(&event)[0]["entity"]["build"].clone()
    };
    let of =
        |member: &str, pipeline: &str| json!({"revision": A, "pipeline": pipeline, member: MOMENT});
    let source = "https://ci.example.com/shop";
    assert_eq!(fact("build.started", json!({})), of("started_at", source));
    assert_eq!(fact("build.finished", json!({"artifactId": "x"})), of("succeeded_at", source));
    assert_eq!(fact("build.finished", json!({})), Value::Null);
    let run = |outcome: &str| json!({"pipelineName": "p", "url": "x", "outcome": outcome});
    assert_eq!(fact("pipelinerun.started", json!({"pipelineName": "p"})), of("started_at", "p"));
    assert_eq!(fact("pipelinerun.finished", run("success")), of("succeeded_at", "p"));
    assert_eq!(fact("pipelinerun.finished", run("failure")), of("failed_at", "p"));
    assert_eq!(fact("pipelinerun.finished", run("error")), of("failed_at", "p"));
    assert_eq!(fact("pipelinerun.finished", run("cancel")), Value::Null);
    assert_eq!(fact("taskrun.finished", run("success")), Value::Null);
    let alone = event("dev.cdevents.pipelinerun.finished.0.1.0", "b1", run("success"));
    assert_eq!(told(&alone), json!([]));
}

#[test]
fn an_incident_opens_and_closes_and_may_come_back() {
    let incident = |predicate: &str| {
        let content = json!({"description": "slow", "environment": {"id": "prod"},
            "service": {"id": "shop"}, "ticketURI": "https://t/1"});
        let facts = told(&event(&format!("dev.cdevents.incident.{predicate}.0.1.0"), "i", content));
        assert_eq!(facts[0]["scope"]["service"], "shop");
        facts[0]["entity"]["incident"].clone()
    };
    let reported = json!({"id": "i", "environment": [MOMENT, "prod"], "opened_at": MOMENT,
        "title": [MOMENT, "slow"], "url": [MOMENT, "https://t/1"]});
    assert_eq!(incident("reported"), reported);
    assert_eq!(incident("detected")["resolved_at"], json!([MOMENT, null]));
    let resolved =
        json!({"id": "i", "environment": [MOMENT, "prod"], "resolved_at": [MOMENT, MOMENT]});
    assert_eq!(incident("resolved"), resolved);
    let environment = json!({"environment": {"id": "prod"}});
    let facts = told(&event("dev.cdevents.incident.detected.0.1.0", "i", environment));
    assert_eq!(facts[0]["scope"]["service"], "prod");
    assert_eq!(told(&event("dev.cdevents.incident.detected.0.1.0", "i", json!({}))), json!([]));
}

fn push(content: Value) -> Value {
    let mut event = event("dev.cdeventsx.seaway-commit.pushed.0.1.0", "x", content);
    let content = event["subject"]["content"].as_object_mut().unwrap();
    for (name, value) in [("repository", "git@github.com:o/r.git"), ("branch", "refs/heads/main")] {
        content.entry(name).or_insert(json!(value));
    }
    event
}

fn commit(hash: &str, more: Value) -> Value {
    let mut commit = json!({"hash": hash, "authoredAt": "2026-03-02T10:00:00+01:00",
        "author": {"name": "Ada", "email": "a@b.c"}, "message": "Subject\n\nBody"});
    for (name, value) in more.as_object().unwrap() {
        commit[name] = value.clone();
    }
    commit
}

fn commits_of(facts: &[Fact]) -> Vec<seaway_core::delivery::facts::Commit> {
    let commit = |fact: &Fact| match &fact.entity {
        Entity::Commit(commit) => Some(commit.clone()),
        _ => None,
    };
    facts.iter().filter_map(commit).collect()
}

#[test]
fn a_push_tells_commits_branch_and_default_branch() {
    use seaway_core::delivery::facts::Parents;
    let paths =
        json!({"parents": [A, C], "paths": ["b", "a", "b"], "committedAt": "2026-03-02T09:30:00Z"});
    let facts = facts_of(&push(json!({
        "default": true, "before": A, "after": B, "pushedAt": "2026-03-02T09:33:00Z",
        "commits": [commit(C, json!({})), commit(&B.to_uppercase(), paths)],
    })));
    let scope = Scope::Repository("github.com/o/r".to_owned());
    assert!(facts.iter().all(|fact| fact.scope == scope));
    let branch = json!({"branch": {"name": "main", "tip": [MOMENT - 20, B]}});
    assert_eq!(serde_json::to_value(&facts[0].entity).unwrap(), branch);
    let repository = json!({"repository": {"default_branch": [MOMENT - 20, "main"]}});
    assert_eq!(serde_json::to_value(&facts[1].entity).unwrap(), repository);
    let commits = commits_of(&facts);
    assert_eq!(commits[0].hash, C);
    assert_eq!((&commits[0].pushed_onto, &commits[0].paths), (&None, &None));
    let detail = commits[0].detail.as_ref().unwrap();
    assert_eq!(detail.parents, Parents::Assumed(vec![A.to_owned()]));
    assert_eq!((detail.subject.as_str(), detail.author.as_str()), ("Subject", "Ada <a@b.c>"));
    assert_eq!((detail.authored_at, detail.committed_at), (Some(MOMENT - 2_000), None));
    assert_eq!(commits[1].hash, B);
    assert_eq!(commits[1].pushed_onto.as_deref(), Some(A));
    assert_eq!(commits[1].paths, Some(vec!["a".to_owned(), "b".to_owned()]));
    let detail = commits[1].detail.as_ref().unwrap();
    assert_eq!(detail.parents, Parents::Exact(vec![A.to_owned(), C.to_owned()]));
    assert_eq!(detail.committed_at, Some(MOMENT - 200));
}

#[test]
fn new_and_deleted_branches_and_partial_lists() {
    use seaway_core::delivery::facts::Parents;
    let zeros = "0".repeat(40);
    let new = push(json!({"before": zeros, "commits": [commit(B, json!({}))]}));
    let commits = commits_of(&facts_of(&new));
    assert_eq!(commits[0].detail.as_ref().unwrap().parents, Parents::Unknown);
    assert_eq!(commits[0].pushed_onto, None);
    let deleted = push(json!({"before": A, "after": zeros, "commits": []}));
    assert_eq!(facts_of(&deleted), []);
    let partial = push(json!({"before": A, "after": C, "commits": [commit(B, json!({}))]}));
    let commits = commits_of(&facts_of(&partial));
    assert_eq!((commits[1].hash.as_str(), commits[1].pushed_onto.as_deref()), (C, Some(A)));
    assert_eq!(commits[1].detail, None);
    let many: Vec<String> = (0..300).map(|index| format!("p{index}")).collect();
    let wide = push(json!({"commits": [commit(B, json!({ "paths": many }))]}));
    assert_eq!(commits_of(&facts_of(&wide))[0].paths, None);
}

#[test]
fn times_that_cannot_be_believed_are_left_out() {
    let far = commit(B, json!({"authoredAt": "2026-07-01T00:00:00Z"}));
    let detail =
        |commit| commits_of(&facts_of(&push(json!({"commits": [commit]}))))[0].detail.clone();
    assert_eq!(detail(far).unwrap().authored_at, None);
    let old = commit(B, json!({"authoredAt": "0001-01-01T00:00:00Z"}));
    assert_eq!(detail(old).unwrap().authored_at, None);
    // An event that says to be of the future is of when it arrived.
    let content = json!({"environment": {"id": "prod"}, "artifactId": "a"});
    let mut event = event("dev.cdevents.service.deployed.0.1.0", "shop", content);
    event["context"]["timestamp"] = json!("2030-01-01T00:00:00Z");
    assert_eq!(told(&event)[0]["entity"]["deployment"]["succeeded_at"], RECEIVED);
}

#[test]
fn a_deployment_has_one_name_in_both_events() {
    let content = json!({"service": "shop", "environment": "prod", "production": true, "name": "d",
        "revision": A, "url": "javascript:alert(1)", "startedAt": "2026-03-02T09:30:00Z"});
    let kind = "dev.cdeventsx.seaway-deployment";
    let started = told(&event(&format!("{kind}.started.0.1.0"), "d", content.clone()));
    let mut expected = json!({"environment": "prod", "name": "d", "revision": [MOMENT, A],
        "production": true, "started_at": MOMENT - 200});
    assert_eq!(started[0]["entity"]["deployment"], expected);
    for (outcome, member) in [("success", "succeeded_at"), ("failure", "failed_at")] {
        let mut content = content.clone();
        content["outcome"] = json!(outcome);
        content["finishedAt"] = json!("2026-03-02T09:33:00Z");
        let facts = told(&event(&format!("{kind}.finished.0.1.0"), "d", content));
        expected[member] = json!(MOMENT - 20);
        assert_eq!(facts[0]["entity"]["deployment"], expected);
        expected.as_object_mut().unwrap().remove(member);
    }
    let mut without = content;
    without.as_object_mut().unwrap().remove("startedAt");
    let facts = told(&event(&format!("{kind}.started.0.1.0"), "d", without));
    assert_eq!(facts[0]["entity"]["deployment"]["started_at"], MOMENT);
}

#[test]
fn a_pull_request_that_is_merged_was_not_abandoned() {
    let pull = |more: Value| {
        let mut content = json!({"repository": "github.com/o/r", "number": 5,
            "closedAt": "2026-03-02T09:30:00Z", "mergeCommit": A});
        for (name, value) in more.as_object().unwrap() {
            content[name] = value.clone();
        }
        let kind = "dev.cdeventsx.seaway-pullrequest.updated.0.1.0";
        told(&event(kind, "5", content))[0]["entity"]["pull_request"].clone()
    };
    assert_eq!(pull(json!({})), json!({"number": "5", "abandoned_at": MOMENT - 200}));
    let merged = json!({"number": "5", "merged_at": MOMENT - 200, "merge_commit": [MOMENT, A]});
    assert_eq!(pull(json!({"mergedAt": "2026-03-02T09:30:00Z"})), merged);
}

#[test]
fn lines_of_pull_requests_and_commits_are_those_of_both_ways() {
    let lines = |told: Value| {
        let mut commit = json!({"hash": B, "authoredAt": "2026-03-02T09:30:00Z", "message": "x",
            "author": {"name": "Ada", "email": "a@example.com"}});
        let mut pull = json!({"repository": "github.com/o/r", "number": 5});
        for (name, value) in told.as_object().unwrap() {
            commit[name] = value.clone();
            pull[name] = value.clone();
        }
        let push = json!({"repository": "github.com/o/r", "commits": [commit]});
        let kind = |name: &str| format!("dev.cdeventsx.seaway-{name}.0.1.0");
        let read = |event: &Value| match read_event(event) {
            Reading::Facts(_) => super::told(event)[0]["entity"].clone(),
            _ => json!("malformed"),
        };
        let commit = read(&event(&kind("commit.pushed"), "x", push));
        let pull = read(&event(&kind("pullrequest.updated"), "5", pull));
        [commit["commit"]["lines"].clone(), pull["pull_request"]["lines"][1].clone()]
    };
    assert_eq!(lines(json!({"linesAdded": 30, "linesDeleted": 12})), [42, 42]);
    assert_eq!(lines(json!({"linesAdded": 0, "linesDeleted": 0})), [0, 0]);
    let most = u64::from(u32::MAX);
    assert_eq!(lines(json!({"linesAdded": most, "linesDeleted": most})), [2 * most, 2 * most]);
    for unknown in [
        json!({}),
        json!({"linesAdded": 30}),
        json!({"linesDeleted": 12}),
        json!({"linesAdded": null, "linesDeleted": 12}),
    ] {
        assert_eq!(lines(unknown), [Value::Null, Value::Null]);
    }
    let push = json!({"repository": "github.com/o/r", "commits": [{"hash": B, "linesAdded": -1,
        "authoredAt": "2026-03-02T09:30:00Z", "message": "", "author": {"name": "", "email": ""}}]});
    let negative = read_event(&event("dev.cdeventsx.seaway-commit.pushed.0.1.0", "x", push));
    assert!(matches!(negative, Reading::Malformed(_)), "{negative:?}");
}

#[test]
fn unknown_kinds_are_unknown_and_broken_events_malformed() {
    for kind in [
        "dev.cdevents.service.danced.0.1.0",
        "dev.cdevents.",
        "dev.cdevents.service",
        "dev.cdeventsx.mytool-commit.pushed.0.1.0",
        "dev.cdeventsx.seaway-commit.pulled.0.1.0",
        "dev.cdeventsx.",
        "dev.cdeventsx.seaway-",
    ] {
        assert_eq!(read_event(&event(kind, "x", json!({}))), Reading::Unknown, "{kind}");
    }
    let malformed = |content| match read_event(&event(
        "dev.cdevents.service.deployed.0.1.0",
        "shop",
        content,
    )) {
        Reading::Malformed(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        malformed(json!({"artifactId": "a"})),
        "subject.content: missing field `environment`"
    );
    let long = "a".repeat(KEY_BYTES_MAX + 1);
    let content = json!({"environment": {"id": long}, "artifactId": "a"});
    assert_eq!(malformed(content), "subject.content.environment.id is longer than 1024 bytes");
}
