//! Every route of the router, tried by everybody.

use crate::access_lang::{ALWAYS, Browser, newest_id, raw, status, token, values};
use crate::serve_lang::{Data, PATIENCE};
use std::time::Instant;

const ROLES: [&str; 3] = ["viewer", "editor", "admin"];

/// A route as router.rs has it.
#[derive(Debug)]
struct Route {
    method: String,
    path: String,
    /// `open`, `proven`, or a role.
    needs: String,
    is_page: bool,
}

/// The routes, by what stands in the source. A route that is written in another way fails here.
fn routes() -> Vec<Route> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/router.rs"));
    let text = text.unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    // All that comes after is put together of these groups, which only take guarded handlers.
    assert_eq!(text.matches("Router::new()").count(), 1, "a group of routes without guards");
    let all = text.find("let all = Router::new()").expect("the routes end there");
    for word in ["route_service", "nest_service", "fallback_service", "any("] {
        assert!(!text.contains(word), "{word} would go around the guards");
    }
    let mut routes = Vec::new();
    let (mut prefix, mut is_page) = ("", false);
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let text = code.collect::<String>().replace(' ', "");
    assert!(all > 0);
    for part in text.replace("{let", ";let").split(";let").skip(1) {
        if let Some((name, _)) = part.split_once("=Routes::of(") {
            prefix = if matches!(name, "reports" | "of_flags") { "/api/v1" } else { "" };
            is_page = part.contains("Routes::of(&app,Face::Page)");
        }
        for route in part.split(".route(\"").skip(1) {
            let (path, rest) = route.split_once("\",").unwrap();
            let (needs, rest) = rest.split_once('(').unwrap();
            let rest =
                rest.strip_prefix("Proof::").map_or(rest, |it| it.split_once(',').unwrap().1);
            let (method, _) = rest.split_once('(').unwrap();
            assert!(
                ["open", "proven", "badge", "evaluator", "viewer", "editor", "admin"]
                    .contains(&needs),
                "{route}"
            );
            assert!(["get", "post", "put", "delete"].contains(&method), "{route}");
            let path = format!("{prefix}{path}").replace(['{', '}'], "");
            // Unless the settings say otherwise.
            let needs = if needs == "badge" { "viewer" } else { needs };
            let (method, needs) = (method.to_uppercase(), needs.to_owned());
            routes.push(Route { method, path, needs, is_page });
        }
    }
    routes
}

#[test]
fn every_route_asks_for_its_role() {
    let routes = routes();
    assert!(routes.len() > 40, "{}", routes.len());
    let data = Data::new().setting(&format!("{ALWAYS}\nfailures_per_minute = 1000000"));
    let expired = token(&data, "admin", "1s");
    let revoked = token(&data, "admin", "1d");
    data.run(&["token", "revoke", &newest_id(&data)]);
    let good = ROLES.map(|role| token(&data, role, "1d"));
    let since = Instant::now();
    while !data.run(&["token", "list"]).contains("expired") {
        assert!(since.elapsed() < PATIENCE, "it never expires");
    }
    let server = data.serve();
    let mut browser = Browser::new(&server);
    assert_eq!(browser.sign_in(&good[2], "/").status, 303);
    let session = &browser.cookies["seaway_session"];
    let unknown = format!("seaway_{}", "0".repeat(64));
    let ask = |route: &Route, header: &str| {
        let Route { method, path, .. } = route;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n{header}\r\n"
        );
        raw(&server, request.as_bytes()).unwrap_or_else(|| panic!("{route:?}: no answer"))
    };
    let bear = |token: &str| format!("Authorization: Bearer {token}\r\n");
    for route in &routes {
        let unproven = status(&ask(route, ""));
        match route.needs.as_str() {
            "open" => {
                let expected = if route.method == "POST" { [403, 403] } else { [200, 404] };
                assert!(expected.contains(&unproven), "{route:?}: {unproven}");
                continue;
            }
            "proven" => {
                // No secret is set, so that not even an admin sends webhooks.
                for header in [String::new(), bear(&good[2])] {
                    assert_eq!(status(&ask(route, &header)), 403, "{route:?}");
                }
                continue;
            }
            _ => {}
        }
        let head = ask(route, "");
        if route.is_page && route.method == "GET" {
            assert_eq!(unproven, 303, "{route:?}");
            assert!(values(&head, "location")[0].starts_with("/sign-in?next=%2f"), "{head}");
        } else {
            assert_eq!(unproven, 401, "{route:?}");
            assert_eq!(values(&head, "www-authenticate"), ["bearer"], "{route:?}");
        }
        for wrong in ["", "x", &unknown, &expired, &revoked, session] {
            assert_eq!(status(&ask(route, &bear(wrong))), 401, "{route:?} {wrong}");
        }
        if route.needs == "evaluator" {
            // Tokens of the API evaluate nothing, and neither does who has signed in.
            let headers = good.iter().map(|token| bear(token));
            for header in headers.chain([format!("Cookie: seaway_session={session}\r\n")]) {
                assert_eq!(status(&ask(route, &header)), 401, "{route:?} {header}");
            }
            continue;
        }
        let needed = ROLES.iter().position(|role| *role == route.needs).unwrap();
        for (rank, token) in good.iter().enumerate() {
            let head = ask(route, &bear(token));
            let is_let_in = !matches!(status(&head), 401 | 403 | 405 | 429 | 500);
            assert_eq!(is_let_in, rank >= needed, "{route:?} as {}: {head}", ROLES[rank]);
            assert!(is_let_in || status(&head) == 403, "{route:?} as {}: {head}", ROLES[rank]);
            assert!(head.contains("cache-control: "), "{route:?}: {head}");
        }
        // Who signed in may read, and changes nothing without the proof of a page.
        let by_cookie = status(&ask(route, &format!("Cookie: seaway_session={session}\r\n")));
        match route.method == "GET" {
            true => assert!(!matches!(by_cookie, 303 | 401 | 403), "{route:?}: {by_cookie}"),
            false => assert_eq!(by_cookie, 403, "{route:?}"),
        }
    }
    assert_eq!(status(&raw(&server, b"GET /no/such HTTP/1.1\r\nHost: x\r\n\r\n").unwrap()), 404);
}
