//! The pages of a change, a deployment, comparisons, data quality and the search, held against the
//! JSON of the same.

use crate::serve_lang::{Answer, Server};
use crate::serve_openapi::{filled, hash, with_catalog};
use serde_json::Value;

/// A page as people read it: without markup, with its spaces as one.
pub(crate) fn words(page: &Answer) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in page.body.chars() {
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
    let text = text.replace("&amp;", "&").replace("&quot;", "\"");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn page(server: &Server, path: &str) -> (Answer, String) {
    let answer = server.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    assert!(answer.head.contains("content-type: text/html"), "{path}");
    let text = words(&answer);
    (answer, text)
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[test]
fn a_change_is_told_from_its_first_commit_to_customers() {
    let data = with_catalog();
    let server = filled(&data);
    let value = server.report(&format!("/services/shop/changes/{}", hash(4)));
    let (answer, text) = page(&server, &format!("/services/shop/changes/{}", hash(4)));
    assert_eq!(value["status"], "delivered");
    has(
        &text,
        &[
            "Four",
            "It took from its first commit to customers",
            "Ada <ada@example.com>".split(' ').next().unwrap(),
        ],
    );
    has(&text, &["authored → opened", "# 42", &hash(4), "2026-03-04 08:30"]);
    // Each stage is a bar and a row, and its time is that of the JSON.
    let stages = value["stages"].as_array().unwrap();
    assert_eq!(answer.body.matches("class=\"leg\"").count(), stages.len());
    let whole: i64 = stages.iter().map(|it| it["seconds"].as_i64().unwrap()).sum();
    assert_eq!(whole, value["time_to_value_seconds"].as_i64().unwrap());
    assert!(answer.body.contains("https://github.com/example/shop/pull/42"), "{}", answer.body);
    let name = value["deployment"].as_str().unwrap();
    assert!(answer.body.contains(&format!("/services/shop/deployments/production/{name}")));
    let (answer, text) = page(&server, &format!("/services/shop/changes/{}", hash(6)));
    has(&text, &["It has not reached customers yet", "→ now", "waiting for a deployment"]);
    assert_eq!(answer.body.matches("class=\"leg open\"").count(), 1);
    assert_eq!(server.get("/services/shop/changes/none").status, 404);
}

#[test]
fn a_deployment_tells_what_it_carried_and_how_it_was_mended() {
    let data = with_catalog();
    let server = filled(&data);
    let of = |name: &str| format!("/services/shop/deployments/production/{name}");
    for name in ["first", "second", "third", "back", "failed", "odd", "running"] {
        let value = server.report(&of(name));
        let (answer, text) = page(&server, &of(name));
        for change in value["delivered"].as_array().unwrap() {
            let url = format!("/services/shop/changes/{}", change["change"].as_str().unwrap());
            assert!(answer.body.contains(&url), "{name}: {url}");
        }
        let failed = value["failed_by"].as_str();
        assert_eq!(text.contains("Shown by"), failed.is_some(), "{name}: {text}");
        if let Some(replaced) = value["replaced"].as_str() {
            let (_, before) = page(&server, &of(replaced));
            has(&before, &["Nobody any more", &format!("Replaced by {name}")]);
        }
    }
    has(&page(&server, &of("back")).1, &["A rollback"]);
    has(&page(&server, &of("odd")).1, &["Not linked", "not in the known history"]);
    has(&page(&server, &of("running")).1, &["Running"]);
    let (_, staged) = page(&server, "/services/shop/deployments/staging/staged");
    has(&staged, &["Customers do not use this environment"]);
}

#[test]
fn the_quality_of_the_data_is_counted_and_mended() {
    let data = with_catalog();
    let server = filled(&data);
    let value = server.report("/quality");
    let (answer, text) = page(&server, "/quality");
    for finding in value["findings"].as_array().unwrap() {
        let kind = finding["kind"].as_str().unwrap();
        has(&text, &[finding["message"].as_str().unwrap(), &kind.replace('_', " ")]);
        let url = format!("/quality?kind={kind}");
        assert!(answer.body.contains(&format!("\"{url}\"")), "{url}");
        let (rows, _) = page(&server, &url);
        let told = rows.body.matches("<th scope=\"row\">").count();
        assert_eq!(told as u64, finding["count"].as_u64().unwrap(), "{kind}");
        let more = page(&server, &format!("{url}&limit=1")).0;
        assert_eq!(more.body.contains(">More</a>"), told > 1, "{kind}");
    }
    // The entry of each service that the catalog does not have is there to be copied.
    for service in value["uncatalogued"]["services"].as_array().unwrap() {
        for line in service["yaml"].as_str().unwrap().lines() {
            has(&text, &[line.trim()]);
        }
    }
    has(&text, &["malformed", "not understood"]);
}

fn time_to_value(server: &Server, path: &str) -> Value {
    server.report(path)["time_to_value"].clone()
}

#[test]
fn sides_of_a_comparison_are_the_reports_of_the_same_days() {
    let data = with_catalog();
    let server = filled(&data);
    let span = "since=2026-01-01";
    let found =
        server.report(&format!("/compare?by=service&{span}&of=shop&of=github.com/example/lonely"));
    let parts = found["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 2);
    assert_eq!(
        parts[0]["time_to_value"],
        time_to_value(&server, &format!("/services/shop?{span}"))
    );
    let lonely = format!("/services/github.com%2Fexample%2Flonely?{span}");
    assert_eq!(parts[1]["time_to_value"], time_to_value(&server, &lonely));
    for (query, name, report) in [
        ("by=group", "checkout", "/groups/checkout?"),
        ("by=architecture", "microservice", "/organization?architecture=microservice&"),
        ("by=runtime", "container", "/organization?runtime=container&"),
        ("by=tier", "tier 1", "/organization?tier=1&"),
        ("by=service&group=acme", "shop", "/services/shop?"),
    ] {
        let found = server.report(&format!("/compare?{query}&{span}"));
        let parts = found["parts"].as_array().unwrap();
        let part = parts.iter().find(|part| part["name"] == name);
        let part = part.unwrap_or_else(|| panic!("{query}: {found}"));
        assert_eq!(
            part["time_to_value"],
            time_to_value(&server, &format!("{report}{span}")),
            "{query}"
        );
        let (_, text) = page(&server, &format!("/compare?{query}&{span}"));
        has(&text, &[found["finding"].as_str().unwrap(), name, "bots", "size"]);
    }
    for (wrong, status) in [
        ("by=colour", 400),
        ("of=none", 404),
        ("group=none", 404),
        ("by=tier&of=1", 400),
        ("by=service&of=none", 404),
        ("since=2026-02-01&until=2026-01-01", 400),
        ("by=group&of=1&of=2&of=3&of=4&of=5&of=6&of=7&of=8&of=9", 400),
    ] {
        assert_eq!(server.get(&format!("/api/v1/compare?{wrong}")).status, status, "{wrong}");
        assert_eq!(server.get(&format!("/compare?{wrong}")).status, status, "{wrong}");
    }
}

fn names<'a>(found: &'a Value, kind: &str, field: &str) -> Vec<&'a str> {
    found[kind].as_array().unwrap().iter().map(|it| it[field].as_str().unwrap()).collect()
}

#[test]
fn what_people_remember_is_found() {
    let data = with_catalog();
    let server = filled(&data);
    let search = |q: &str| server.report(&format!("/search?q={q}"));
    assert_eq!(names(&search("SHO"), "services", "name"), ["shop"]);
    assert_eq!(names(&search("lonely"), "services", "name"), ["github.com/example/lonely"]);
    assert_eq!(names(&search("acme"), "groups", "name"), ["acme"]);
    assert_eq!(names(&search("Acm"), "groups", "title"), ["Acme"]);
    for q in
        [hash(4), hash(4).to_uppercase(), "%2342".to_owned(), "42".to_owned(), "four".to_owned()]
    {
        assert_eq!(names(&search(&q), "changes", "change"), [hash(4)], "{q}");
    }
    // All hashes of the story begin with zeros.
    assert!(names(&search("0000"), "changes", "change").len() > 5);
    assert!(names(&search("000"), "changes", "change").is_empty());
    assert_eq!(names(&search("f"), "deployments", "name"), ["failed", "first"]);
    for nothing in ["%25", "_", "%27%20OR%201=1", "%5C", "zzz", "%F0%9F%98%80"] {
        let found = search(nothing);
        for kind in ["services", "groups", "changes", "deployments"] {
            assert_eq!(found[kind].as_array().unwrap().len(), 0, "{nothing} {kind}");
        }
    }
    for change in search("0000")["changes"].as_array().unwrap() {
        assert!(change.get("author").is_none(), "{change}");
    }
    assert_eq!(server.get(&format!("/search?q={}", "a".repeat(201))).status, 400);
    let (answer, text) = page(&server, "/search?q=four");
    has(&text, &["1 thing was found for “ four ”"]);
    assert!(answer.body.contains(&format!("/services/shop/changes/{}", hash(4))));
    has(&page(&server, "/search").1, &["Type a name, a hash, a number or words"]);
    has(&page(&server, "/search?q=zzz").1, &["Nothing was found"]);
}
