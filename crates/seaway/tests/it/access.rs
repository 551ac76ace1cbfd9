//! What keeps others out: names and pages of other sites, many tries, hostile headers; and what is
//! told of what people did.

use crate::access_lang::{ALWAYS, Browser, asking, newest_id, raw, status, token, values, with};
use crate::serve_lang::{Data, Server};
use serde_json::{Value, json};

const ONE: (&str, &str) = ("Content-Type", "application/cloudevents+json");
const EVENT: &[u8] = br#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#;

fn by_name(server: &Server, host: &str, path: &str) -> u16 {
    let request = format!("GET {path} HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
    status(&raw(server, request.as_bytes()).unwrap())
}

#[test]
fn names_of_others_do_not_lead_to_a_server_that_asks_nobody() {
    let data = Data::new();
    let server = data.serve();
    for path in ["/", "/api/v1/organization", "/metrics", "/live/deployments", "/tokens"] {
        for host in ["localhost", "127.0.0.1:80", "LOCALHOST:7700", "[::1]:9"] {
            assert_eq!(by_name(&server, &format!("Host: {host}\r\n"), path), 200, "{host} {path}");
        }
        for host in [
            "Host: evil.example\r\n",
            "Host: localhost.evil.example\r\n",
            "Host: 127.0.0.1.evil.example:7700\r\n",
            "Host: 192.168.1.5\r\n",
            "Host: localhost\r\nHost: evil.example\r\n",
            "Host: \r\n",
            "",
        ] {
            let refused = by_name(&server, host, path);
            assert!([400, 403].contains(&refused), "{host} {path}: {refused}");
        }
    }
    assert_eq!(by_name(&server, "Host: x\r\n", "http://evil.example/"), 403);
    assert_eq!(by_name(&server, "Host: balancer.example\r\n", "/healthz"), 200);
}

#[test]
fn pages_of_others_change_nothing_on_a_server_that_asks_nobody() {
    let data = Data::new();
    let server = data.serve();
    let host = server.url();
    let ping = [("X-GitHub-Event", "ping"), ("X-GitHub-Delivery", "1")];
    let json = ("Content-Type", "application/json");
    let wish = br#"{"name":"x","role":"viewer","expires":"1d"}"#;
    for site in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://localhost:1"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        let problem = server.post("/events", &[ONE, site], EVENT).problem();
        assert_eq!(problem["status"], 403, "{site:?}");
        let hook = server.post("/webhooks/github", &[ping[0], ping[1], site], b"{}");
        assert_eq!(hook.status, 403, "{site:?}");
        assert_eq!(server.post("/api/v1/tokens", &[json, site], wish).status, 403, "{site:?}");
        assert_eq!(server.send("GET", "/", &[site], b"").status, 200, "links lead here");
    }
    for site in [("Origin", host.as_str()), ("Sec-Fetch-Site", "same-origin")] {
        assert_eq!(server.post("/events", &[ONE, site], EVENT).status, 200, "{site:?}");
    }
    assert_eq!(server.post("/webhooks/github", &ping, b"{}").status, 200);
}

#[test]
fn webhooks_are_taken_only_with_a_secret_where_tokens_are_needed() {
    let gitlab = ("X-Gitlab-Event", "Push Hook");
    let data = Data::new().setting(ALWAYS).env("SEAWAY_GITLAB_SECRET", "old new");
    let (_data, server, admin) = asking(data);
    let bearer = format!("Bearer {admin}");
    let github = [("X-GitHub-Event", "ping"), ("X-GitHub-Delivery", "1")];
    let refused = server.post("/webhooks/github", &github, b"{}").problem();
    assert_eq!(refused["status"], 403);
    assert!(refused["hint"].as_str().unwrap().contains("SEAWAY_GITHUB_SECRET"), "{refused}");
    for secret in ["old", "new"] {
        let headers = [gitlab, ("X-Gitlab-Token", secret)];
        assert_eq!(server.post("/webhooks/gitlab", &headers, b"{}").status, 200);
    }
    for headers in [
        &[gitlab][..],
        &[gitlab, ("X-Gitlab-Token", "older")],
        &[gitlab, ("Authorization", &bearer)],
    ] {
        assert_eq!(server.post("/webhooks/gitlab", headers, b"{}").status, 401);
    }
}

#[test]
fn whoever_tries_many_secrets_of_webhooks_is_stopped_and_forges_go_on() {
    let data =
        Data::new().setting(&format!("{ALWAYS}\nbehind_proxy = true\nfailures_per_minute = 3"));
    let data = data.env("SEAWAY_GITLAB_SECRET", "right");
    let (_data, server, admin) = asking(data);
    let sent = |from: &str, secret: &str| {
        let headers = [
            ("X-Gitlab-Event", "Push Hook"),
            ("X-Gitlab-Token", secret),
            ("X-Forwarded-For", from),
        ];
        server.post("/webhooks/gitlab", &headers, b"{}")
    };
    // A minute may begin among these: what is held is that tries are refused after three and before
    // eight, whatever they try.
    let tries: Vec<u16> = (0..7).map(|n| sent("192.0.2.1", &format!("x{n}")).status).collect();
    assert_eq!(tries[..3], [401; 3]);
    assert!(tries.contains(&429), "{tries:?}");
    let refused = sent("192.0.2.1", "right");
    if refused.status == 429 {
        assert!(refused.head.contains("retry-after: "), "{}", refused.head);
    }
    // Others go on, and whose webhooks were right before is not stopped by strangers at a forge.
    assert_eq!(sent("192.0.2.2", "right").status, 200);
    for n in 0..8 {
        assert_eq!(sent("192.0.2.2", &format!("x{n}")).status, 401);
    }
    assert_eq!(sent("192.0.2.2", "right").status, 200);
    // Monitoring is told.
    let told = with(&server, &admin, "GET", "/metrics").body;
    let refused = tries.iter().filter(|status| **status == 429).count();
    let line = |status: u16| {
        let start = format!("seaway_intake_refusals_total{{status=\"{status}\"}} ");
        told.lines().find_map(|line| line.strip_prefix(&start)?.parse::<usize>().ok()).unwrap_or(0)
    };
    assert!(line(429) == refused || line(429) == refused + 1, "{told}");
    assert_eq!(line(401), 8 + tries.len() - refused, "{told}");
}

#[test]
fn badges_are_public_where_the_settings_say_so() {
    let badge = "/badge/organization.svg";
    let (_data, server, _) = asking(Data::new().setting(ALWAYS));
    assert_eq!(server.get(badge).status, 401);
    let (_data, server, admin) =
        asking(Data::new().setting(&format!("{ALWAYS}\npublic_badges = true")));
    for answer in [server.get(badge), with(&server, &admin, "GET", badge)] {
        assert_eq!(answer.status, 200);
        assert!(answer.head.contains("cache-control: public, max-age=300"), "{}", answer.head);
        assert!(!answer.head.contains("vary: cookie"), "{}", answer.head);
    }
    assert_eq!(server.get("/badge/services/none.svg").status, 404);
    // Nothing else is.
    for other in ["/metrics", "/api/v1/organization", "/live"] {
        assert_eq!(server.get(other).status, 401, "{other}");
    }
    assert_eq!(server.send("POST", badge, &[], b"").status, 405);
}

#[test]
fn whoever_tries_many_tokens_is_stopped_and_others_go_on() {
    let (data, server, admin) = asking(Data::new().setting(ALWAYS));
    assert_eq!(with(&server, &admin, "GET", "/api/v1/progress").status, 200);
    let viewer = token(&data, "viewer", "1d");
    let tries: Vec<u16> = (0..14)
        .map(|number| {
            let wrong = format!("seaway_{number:064x}");
            with(&server, &wrong, "GET", "/api/v1/progress").status
        })
        .collect();
    // The minute may have begun anew in between.
    let refused = tries.iter().filter(|status| **status == 401).count();
    assert!(tries[..10].iter().all(|status| *status == 401), "{tries:?}");
    assert!(refused <= 13 && tries.contains(&429), "{tries:?}");
    let stopped = with(&server, &viewer, "GET", "/api/v1/progress");
    assert_eq!(stopped.status, 429, "a token that was never seen has to wait");
    assert!(stopped.head.contains("retry-after: "), "{}", stopped.head);
    stopped.problem();
    let mut browser = Browser::new(&server);
    assert_eq!(browser.sign_in(&viewer, "/").status, 429);
    assert_eq!(with(&server, &admin, "GET", "/api/v1/progress").status, 200);
    // Behind a proxy, its word for the address would be believed; here it is not.
    let header = [("X-Forwarded-For", "192.0.2.7"), ("Authorization", "Bearer x")];
    assert_eq!(server.send("GET", "/api/v1/progress", &header, b"").status, 429);
}

#[test]
fn behind_a_proxy_each_address_fails_by_itself() {
    let data =
        Data::new().setting(&format!("{ALWAYS}\nbehind_proxy = true\nfailures_per_minute = 2"));
    let (_data, server, _) = asking(data);
    let fail = |told: &str| {
        let headers = [("X-Forwarded-For", told), ("Authorization", "Bearer x")];
        server.send("GET", "/api/v1/progress", &headers, b"").status
    };
    let all = ["192.0.2.7"; 3].map(fail);
    assert_eq!(all, [401, 401, 429]);
    // What a client says of itself stands before what the proxy adds.
    assert_eq!(fail("198.51.100.1, 192.0.2.7"), 429);
    assert_eq!(fail("192.0.2.7, 198.51.100.1"), 401);
}

#[test]
fn a_token_asks_as_often_as_the_settings_say() {
    let data = Data::new().setting(&format!("{ALWAYS}\nrequests_per_second = 3"));
    let (data, server, admin) = asking(data);
    let viewer = token(&data, "viewer", "1d");
    let seen: Vec<u16> =
        (0..400).map(|_| with(&server, &admin, "GET", "/api/v1/progress").status).collect();
    assert!(seen.contains(&200) && seen.contains(&429), "{seen:?}");
    assert!(seen.iter().all(|status| [200, 429].contains(status)));
    assert_eq!(with(&server, &viewer, "GET", "/api/v1/progress").status, 200);
}

#[test]
fn hostile_headers_are_answered_and_the_server_goes_on() {
    let (_data, server, admin) = asking(Data::new().setting(ALWAYS));
    let head = b"GET /api/v1/progress HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".to_vec();
    let send = |more: &[u8]| raw(&server, &[&head, more, b"\r\n\r\n"].concat());
    let long = [b"Authorization: Bearer seaway_".to_vec(), vec![b'a'; 2 << 20]].concat();
    // It may be refused before all of it is read, so that the answer may be lost.
    let refused = send(&long).map_or(431, |head| status(&head));
    assert!([400, 401, 431].contains(&refused), "{refused}");
    let long = [b"Cookie: seaway_session=".to_vec(), vec![b'a'; 2 << 20]].concat();
    let refused = send(&long).map_or(431, |head| status(&head));
    assert!([400, 401, 431].contains(&refused), "{refused}");
    for strange in [
        &b"Authorization: Bearer \xff\xfe"[..],
        b"Authorization: \xc3\x28",
        b"Authorization:",
        b"Authorization: Bearer seaway_\xf0\x9f\x98\x80",
        b"Cookie: seaway_session=\xff",
        b"Cookie: =;;;===; seaway_session",
        b"Cookie: \xff\xff\xff",
    ] {
        let head = send(strange).unwrap();
        assert_eq!(status(&head), 401, "{head}");
    }
    let twice = format!("Authorization: Bearer {admin}\r\nAuthorization: Bearer {admin}");
    assert_eq!(status(&send(twice.as_bytes()).unwrap()), 401);
    assert_eq!(with(&server, &admin, "GET", "/api/v1/progress").status, 200);
}

#[test]
fn what_people_did_is_told_the_newest_first_and_exported() {
    let (data, server, admin) = asking(Data::new().setting(ALWAYS));
    token(&data, "viewer", "1d");
    data.run(&["token", "revoke", &newest_id(&data)]);
    let mut browser = Browser::new(&server);
    browser.sign_in("seaway_wrong", "/");
    browser.sign_in("seaway_wrong", "/");
    browser.sign_in(&admin, "/");
    let page = browser.get("/");
    browser.submit(&page, "/sign-out", &[]);
    let audit = |query: &str| {
        let answer = with(&server, &admin, "GET", &format!("/api/v1/audit{query}"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    };
    let all = audit("");
    let rows = all["rows"].as_array().unwrap();
    let mut actions: Vec<&str> = rows.iter().map(|it| it["action"].as_str().unwrap()).collect();
    // The two failures are one, unless a minute ended between them.
    let failed = actions.iter().filter(|it| **it == "sign-in-failed").count();
    assert!((1..=2).contains(&failed), "{actions:?}");
    actions.dedup();
    let expected = ["signed-out", "signed-in", "sign-in-failed", "token-revoked", "token-created"];
    assert_eq!(actions, expected);
    assert_eq!(rows[0]["by"]["name"], "a admin");
    assert_eq!(rows[0]["from"], "127.0.0.1");
    let revoked = rows.iter().find(|it| it["action"] == "token-revoked").unwrap();
    assert_eq!((&revoked["by"]["id"], &revoked["from"]), (&json!("local"), &json!("command line")));
    assert_eq!(revoked["token"]["role"], "viewer");
    let mut paged = Vec::new();
    let mut query = "?limit=1".to_owned();
    loop {
        let page = audit(&query);
        paged.extend(page["rows"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=1&after={next}");
    }
    assert_eq!(&paged, rows);
    let exported = data.run(&["export"]);
    let kept: Vec<Value> =
        exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(kept.len(), rows.len());
    assert!(kept.iter().all(|it| it["type"] == "dev.seaway.audit"));
    assert!(!exported.contains(&admin[7..]), "no secret is on the log");
    // The events are Seaway's own: nobody sends them, and reports pass over them.
    let forged = serde_json::to_vec(&kept[0]).unwrap();
    let bearer = format!("Bearer {admin}");
    let answer = server.post("/events", &[ONE, ("Authorization", &bearer)], &forged);
    assert_eq!(answer.status, 400, "{}", answer.body);
    let quality = with(&server, &admin, "GET", "/api/v1/quality").json();
    assert!(!quality["arrivals"].to_string().contains("unknown"), "{quality}");
    assert!(!values(&answer.head, "content-type").is_empty());
}
