//! Badges, held against the reports whose figures they show.

use crate::demo::company;
use crate::serve_lang::{Data, Server};
use crate::serve_openapi::{filled, with_catalog};
use seaway_core::time::humanize;

/// A badge, which must be one.
fn badge(server: &Server, path: &str) -> String {
    let answer = server.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    for head in ["content-type: image/svg+xml", "cache-control: public, max-age=300"] {
        assert!(answer.head.contains(head), "{head} is not in {}", answer.head);
    }
    assert!(answer.body.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{path}");
    answer.body
}

#[test]
fn badges_tell_what_pages_tell() {
    let data = Data::new();
    let (server, _) = company(&data);
    for (path, page) in [
        ("/badge/organization.svg", "/"),
        ("/badge/groups/payments.svg", "/groups/payments"),
        ("/badge/services/warehouse.svg", "/services/warehouse"),
        ("/badge/services/checkout.svg", "/services/checkout"),
    ] {
        let shown = badge(&server, path);
        let page = server.get(page).body;
        let (_, big) = page.split_once("<p class=\"big\">").unwrap();
        let value = big.split_once('<').unwrap().0.replace('\u{a0}', " ");
        assert!(shown.contains(&format!(": time to value {value}, the median")), "{shown}");
        assert!(shown.contains(&format!(">{value}")), "{shown}");
    }
    // checkout changed its ways in these days, for good: more than chance.
    let report = |span: &str| {
        server.report(&format!("/services/checkout?{span}"))["time_to_value"]["p50"].clone()
    };
    let (now, before) = (report("since=2026-03-06"), report("since=2025-12-06&until=2026-03-06"));
    let is_faster = now["high"].as_f64().unwrap() < before["low"].as_f64().unwrap();
    let shown = badge(&server, "/badge/services/checkout.svg");
    assert_eq!(shown.contains('↓'), is_faster, "{shown}");
    assert!(is_faster && shown.contains("faster than in as many days before"), "{shown}");
    let told = humanize(now["seconds"].as_f64().unwrap());
    assert!(shown.contains(&told), "{told} is not in {shown}");
}

#[test]
fn badges_of_nothing_are_none() {
    let data = with_catalog();
    let server = filled(&data);
    assert!(badge(&server, "/badge/services/orphan.svg").contains(">nothing delivered<"));
    let lonely = badge(&server, "/badge/services/github.com%2Fexample%2Flonely.svg");
    assert!(lonely.contains("github.com/example/lonely: "), "{lonely}");
    for missing in ["services/none.svg", "groups/none.svg", "services/shop", "services/.svg"] {
        let answer = server.get(&format!("/badge/{missing}"));
        assert_eq!(answer.problem()["status"], 404, "{missing}");
    }
    let hostile = server.get("/badge/services/%3Cscript%3Ealert(1)%3C%2Fscript%3E.svg");
    assert!(hostile.status == 404 && hostile.head.contains("application/problem+json"));
    assert!(badge(&Data::new().serve(), "/badge/organization.svg").contains("nothing delivered"));
}
