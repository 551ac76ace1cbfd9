//! What pages say of what failed: incidents, and deployments that were taken back.

use crate::pages_truth::{at, line, live, text_of};
use crate::serve_lang::Data;
use crate::serve_openapi::event;
use serde_json::{Value, json};

fn incident(id: &str, environment: &str, deployment: Option<&str>, minute: u32) -> Value {
    let mut content = json!({
        "service": "shop", "incident": id, "environment": environment, "title": format!("Trouble {id}"),
        "reportedAt": at(minute),
    });
    if let Some(deployment) = deployment {
        content["deployment"] = deployment.into();
    }
    event(id, "incident.reported", id, content)
}

/// Names of deployments are unique within an environment only.
#[test]
fn incidents_name_the_deployment_that_they_belong_to_with_its_environment() {
    let data = Data::new();
    let server = data.serve();
    server.events(&[
        line(5),
        live("prod-eu", "v1", 1, 100),
        live("prod-us", "v1", 1, 200),
        live("prod-eu", "v2", 3, 300),
        live("prod-us", "v2", 3, 400),
        incident("in-eu", "prod-eu", None, 450),
        incident("in-us", "prod-us", None, 451),
        incident("in-test", "staging", None, 452),
    ]);
    let rows = server.report("/services/shop/incidents")["rows"].clone();
    let told: Vec<[&str; 3]> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            ["id", "deployment", "environment"].map(|name| row[name].as_str().unwrap_or("none"))
        })
        .collect();
    let all = [["in-test", "none", "none"], ["in-us", "v2", "prod-us"], ["in-eu", "v2", "prod-eu"]];
    assert_eq!(told, all);
    let page = server.get("/services/shop").body;
    let incidents =
        page.split("id=\"incidents\"").nth(1).unwrap().split("</section>").next().unwrap();
    for environment in ["prod-eu", "prod-us"] {
        let link = format!("href=\"/services/shop/deployments/{environment}/v2\"");
        assert_eq!(incidents.matches(&link).count(), 1, "{incidents}");
    }
    assert!(incidents.contains("Trouble in-test") && incidents.contains("is open"), "{incidents}");
    let sheet = server.get("/api/v1/services/shop/incidents?format=csv").body;
    assert!(sheet.contains(",v2,prod-us,") && sheet.contains(",v2,prod-eu,"), "{sheet}");
}

#[test]
fn the_headline_of_a_deployment_that_was_taken_back_says_so() {
    let data = Data::new();
    let server = data.serve();
    server.events(&[
        line(6),
        live("production", "v1", 1, 100),
        live("production", "v2", 3, 200),
        live("production", "v3", 5, 300),
        live("production", "back", 1, 400),
        live("production", "v4", 6, 500),
        incident("trouble", "production", Some("v4"), 600),
    ]);
    server.settle();
    let of =
        |name: &str| text_of(&server, &format!("/services/shop/deployments/production/{name}"));
    // The rollback took two of them back; it replaced only the second.
    for name in ["v2", "v3"] {
        let text = of(name);
        assert!(
            text.contains("It failed customers, and a rollback took it back Rolled back"),
            "{text}"
        );
        assert!(text.contains("the rollback back"), "{text}");
        let body = server.get(&format!("/services/shop/deployments/production/{name}")).body;
        let failure =
            body.split("id=\"failure\"").nth(1).unwrap().split("</section>").next().unwrap();
        assert!(
            failure.contains("href=\"/services/shop/deployments/production/back\""),
            "{failure}"
        );
    }
    assert!(of("v4").contains("It failed customers Failed"), "{}", of("v4"));
    assert!(!of("v4").contains("took it back"), "{}", of("v4"));
    assert!(
        of("back").contains("It went back to an earlier revision A rollback"),
        "{}",
        of("back")
    );
    assert!(of("v1").contains("The first one"), "{}", of("v1"));
    // The first one can fail, too.
    server.events(&[incident("early", "production", Some("v1"), 101)]);
    server.settle();
    let text = of("v1");
    assert!(text.contains("It failed customers Failed"), "{text}");
    assert!(text.contains("It was the first of this service that is known."), "{text}");
}

/// Rule 13 of the design: who wrote and who reviewed stands on the page of their change.
#[test]
fn who_reviewed_is_told_on_the_page_of_the_change_and_nowhere_else() {
    let data = Data::new();
    let server = data.serve();
    let evil = "Bo<img src=x>Reviewer";
    let review = |id: &str, reviewer: Option<&str>| {
        let mut content = json!({
            "repository": crate::serve_openapi::SHOP, "pullRequest": 7, "reviewId": id,
            "verdict": "approved", "submittedAt": at(3),
        });
        if let Some(reviewer) = reviewer {
            content["reviewer"] = reviewer.into();
        }
        event(id, "review.submitted", "7", content)
    };
    let hash = crate::serve_openapi::hash(4);
    let pull = json!({
        "repository": crate::serve_openapi::SHOP, "number": 7, "title": "Seven", "openedAt": at(2),
        "mergedAt": at(4), "mergeCommit": hash, "base": "main",
    });
    server.events(&[
        line(5),
        event("pull", "pullrequest.updated", "7", pull),
        review("1", Some(evil)),
        review("2", None),
        live("production", "v1", 1, 100),
        live("production", "v2", 5, 200),
    ]);
    let change = format!("/services/shop/changes/{hash}");
    let value = server.report(&change);
    let mut by: Vec<_> =
        value["reviews"].as_array().unwrap().iter().map(|it| it["by"].clone()).collect();
    by.sort_by_key(ToString::to_string);
    assert_eq!(by, [json!(evil), Value::Null]);
    let page = server.get(&change).body;
    assert!(page.contains("Bo&lt;img src=x&gt;Reviewer") && page.contains("not told"), "{page}");
    for path in [
        "/",
        "/services/shop",
        "/in-flight",
        "/compare?by=service",
        "/quality",
        "/search?q=Seven",
        "/services/shop/deployments/production/v2",
        "/api/v1/services/shop/changes",
        "/api/v1/services/shop",
        "/api/v1/services/shop/changes?format=csv",
        "/api/v1/search?q=Seven",
        "/api/v1/services/shop/deployments/production/v2",
        "/metrics",
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.body.contains("Reviewer"), "{path}: {}", answer.body);
    }
}
