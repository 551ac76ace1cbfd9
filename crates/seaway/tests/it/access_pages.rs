//! Signing in, forms, and the page of tokens.

use crate::access_lang::{ALWAYS, Browser, asking, form, newest_id, proof, token, values, with};
use crate::serve_lang::{Data, Server};
use std::time::{Duration, Instant};

fn location(answer: &crate::serve_lang::Answer) -> &str {
    values(&answer.head, "location").first().copied().unwrap_or_default()
}

#[test]
fn a_person_signs_in_looks_around_and_signs_out() {
    let (_data, server, admin) = asking(Data::new().setting(ALWAYS));
    let mut browser = Browser::new(&server);
    let asked = browser.get("/compare?by=tier");
    assert_eq!((asked.status, location(&asked)), (303, "/sign-in?next=%2fcompare%3fby%3dtier"));
    let page = browser.get("/sign-in?next=%2Fcompare%3Fby%3Dtier");
    assert!(page.body.contains("value=\"/compare?by=tier\""), "{}", page.body);
    assert!(page.head.contains("cache-control: no-store"));
    assert!(page.head.contains("form-action 'self'") && !page.body.contains("<script"));
    let fields = [("token", admin.as_str()), ("next", "/compare?by=tier")];
    let done = browser.submit(&page, "/sign-in", &fields);
    assert_eq!((done.status, location(&done)), (303, "/compare?by=tier"));
    let cookie = values(&done.head, "set-cookie")[0];
    for flag in ["httponly", "samesite=lax", "path=/", "max-age=43"] {
        assert!(cookie.contains(flag), "{flag} is not in {cookie}");
    }
    assert!(!cookie.contains("secure") && !cookie.contains("seaway_ "), "{cookie}");
    assert!(!cookie.contains(&admin[7..]), "the cookie is not the token");

    let shown = browser.get("/compare?by=tier");
    assert_eq!(shown.status, 200);
    assert!(shown.head.contains("cache-control: no-store"), "{}", shown.head);
    assert!(shown.body.contains("<bdi>a admin</bdi> (admin)"), "{}", shown.body);
    assert_eq!(browser.get("/live/deployments").status, 200);
    let session = browser.cookies.clone();
    let wrong = browser.post("/sign-out", &[("csrf", "00")]);
    assert_eq!(wrong.status, 403);
    let out = browser.submit(&shown, "/sign-out", &[]);
    assert_eq!((out.status, location(&out)), (303, "/sign-in"));
    assert!(!browser.cookies.contains_key("seaway_session"));
    // Who kept the cookie has nothing.
    browser.cookies = session;
    assert_eq!(browser.get("/").status, 303);
    assert_eq!(browser.get("/live/deployments").status, 401, "scripts are not sent to sign in");
}

#[test]
fn cookies_are_secure_where_the_proxy_says_that_it_speaks_https() {
    let flags = |data: Data, proto: &str| {
        let (_data, server, admin) = asking(data);
        let mut browser = Browser::new(&server);
        let told = [("X-Forwarded-Proto", proto)];
        let page = browser.send("GET", "/sign-in", &told, b"");
        let body = form(&[("token", &admin), ("next", "/"), ("csrf", &proof(&page))]);
        let kind = ("Content-Type", "application/x-www-form-urlencoded");
        let done = browser.send("POST", "/sign-in", &[told[0], kind], body.as_bytes());
        assert_eq!(done.status, 303);
        [page, done].map(|answer| values(&answer.head, "set-cookie")[0].contains("; secure"))
    };
    let behind = || Data::new().setting(&format!("{ALWAYS}\nbehind_proxy = true"));
    assert_eq!(flags(behind(), "https"), [true, true]);
    assert_eq!(flags(behind(), "http"), [false, false]);
    assert_eq!(flags(Data::new().setting(ALWAYS), "https"), [false, false]);
}

#[test]
fn signing_in_leads_nowhere_else() {
    let (_data, server, admin) = asking(Data::new().setting(ALWAYS));
    for next in [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/%0d%0aSet-Cookie: a=b\r\nX: y",
        "evil.example",
        "/sign-out",
        "\u{2f}\u{2f}evil.example",
        "",
    ] {
        let mut browser = Browser::new(&server);
        let page = browser.get(&format!("/sign-in?{}", form(&[("next", next)])));
        assert!(page.body.contains("name=\"next\" value=\"/\""), "{next:?}: {}", page.body);
        let done = browser.sign_in(&admin, next);
        assert_eq!((done.status, location(&done)), (303, "/"), "{next:?}: {}", done.head);
    }
    // Without signing in, too.
    let open = Data::new();
    let server = open.serve();
    for (next, to) in [("//evil.example", "/"), ("/quality", "/quality")] {
        let gone = server.get(&format!("/sign-in?{}", form(&[("next", next)])));
        assert_eq!((gone.status, location(&gone)), (303, to));
    }
}

#[test]
fn forms_of_other_pages_are_refused() {
    let (data, server, admin) = asking(Data::new().setting(ALWAYS));
    let mut other = Browser::new(&server);
    let their_page = other.get("/sign-in");
    let mut browser = Browser::new(&server);
    // To be signed in as somebody else is an attack, too.
    let fields = [("token", admin.as_str()), ("next", "/")];
    for answer in [
        browser.post("/sign-in", &fields),
        browser.post("/sign-in", &[fields[0], ("csrf", "")]),
        browser.submit(&their_page, "/sign-in", &fields),
    ] {
        assert_eq!(answer.status, 403, "{}", answer.head);
        assert!(!answer.head.contains("seaway_session"), "{}", answer.head);
        assert!(answer.body.contains("<!DOCTYPE html>"));
    }
    assert_eq!(browser.sign_in(&admin, "/").status, 303);
    assert_eq!(other.sign_in(&admin, "/").status, 303);
    let (page, their_page) = (browser.get("/tokens"), other.get("/tokens"));
    let wish = [("name", "x"), ("role", "viewer"), ("expires", "1d")];
    let before = data.run(&["token", "list"]);
    assert_eq!(browser.post("/tokens", &wish).status, 403);
    assert_eq!(browser.submit(&their_page, "/tokens", &wish).status, 403);
    let good = proof(&page);
    let twice = [&wish[..], &[("csrf", "00"), ("csrf", &good)]].concat();
    assert_eq!(browser.post("/tokens", &twice).status, 403);
    let revoke = format!("/tokens/{}/revoke", newest_id(&data));
    assert_eq!(browser.post(&revoke, &[]).status, 403);
    // With the proof, and sent by another site.
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    let body = form(&[&wish[..], &[("csrf", &proof(&page))]].concat());
    for site in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        let answer = browser.send("POST", "/tokens", &[kind, site], body.as_bytes());
        assert_eq!(answer.status, 403, "{site:?}");
    }
    // What programs use takes no cookie without the proof either.
    let event = br#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#;
    let cloud = ("Content-Type", "application/cloudevents+json");
    assert_eq!(browser.send("POST", "/events", &[cloud], event).status, 403);
    let json = ("Content-Type", "application/json");
    let wish_json = br#"{"name":"x","role":"viewer","expires":"1d"}"#;
    assert_eq!(browser.send("POST", "/api/v1/tokens", &[json], wish_json).status, 403);
    assert_eq!(data.run(&["token", "list"]), before, "nothing was made");
    let proven = ("X-CSRF-Token", proof(&page));
    let proven = (proven.0, proven.1.as_str());
    assert_eq!(browser.send("POST", "/events", &[cloud, proven], event).status, 200);
    let large = form(&[("csrf", &proof(&page)), ("name", &"x".repeat(20_000))]);
    assert_eq!(browser.send("POST", "/tokens", &[kind], large.as_bytes()).status, 413);
    assert_eq!(browser.submit(&page, "/tokens", &wish).status, 200);
}

#[test]
fn a_token_that_is_wrong_lets_nobody_in() {
    let (data, server, _) = asking(Data::new().setting(ALWAYS));
    let viewer = token(&data, "viewer", "1d");
    data.run(&["token", "revoke", &newest_id(&data)]);
    let mut browser = Browser::new(&server);
    for wrong in ["", "x", "seaway_", &format!("seaway_{}", "0".repeat(64)), &viewer, "<script>"] {
        let page = browser.sign_in(wrong, "/quality");
        assert_eq!(page.status, 401, "{wrong}");
        assert!(page.body.contains("role=\"alert\"") && page.body.contains("value=\"/quality\""));
        assert!(!page.body.contains("<script>") && !page.body.contains(&viewer));
        assert!(!browser.cookies.contains_key("seaway_session"));
    }
}

#[test]
fn tokens_are_made_and_revoked_on_a_page_and_their_names_are_text() {
    let (data, server, admin) = asking(Data::new().setting(ALWAYS));
    let evil = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>\u{202e}";
    let mut browser = Browser::new(&server);
    browser.sign_in(&admin, "/");
    let page = browser.get("/tokens");
    let wish = [("name", evil), ("role", "admin"), ("expires", "1d")];
    let made = browser.submit(&page, "/tokens", &wish);
    assert_eq!(made.status, 200, "{}", made.body);
    assert!(made.head.contains("cache-control: no-store"), "{}", made.head);
    let secret = made.body.split("<code>seaway_").nth(1).unwrap().split('<').next().unwrap();
    let secret = format!("seaway_{secret}");
    let mut other = Browser::new(&server);
    assert_eq!(other.sign_in(&secret, "/").status, 303);
    for page in [&made, &browser.get("/tokens"), &other.get("/"), &other.get("/quality")] {
        assert!(page.body.contains("&lt;script&gt;"), "{}", page.body);
        for wrong in ["<script>", "<img", "\u{202e}"] {
            assert!(!page.body.contains(wrong), "{wrong}: {}", page.body);
        }
    }
    assert!(!browser.get("/tokens").body.contains(&secret), "it is shown once");
    for (name, role, expires) in [("", "admin", "1d"), ("x", "king", "1d"), ("x", "admin", "x")] {
        let wish = [("name", name), ("role", role), ("expires", expires)];
        assert_eq!(browser.submit(&page, "/tokens", &wish).status, 400);
    }
    let id = newest_id(&data);
    let gone = browser.submit(&page, &format!("/tokens/{id}/revoke"), &[]);
    assert_eq!((gone.status, location(&gone)), (303, "/tokens"));
    assert_eq!(other.get("/").status, 303, "the session ended with its token");
    assert_eq!(with(&server, &secret, "GET", "/api/v1/tokens").status, 401);
    assert_eq!(browser.submit(&page, "/tokens/00/revoke", &[]).status, 404);
}

#[test]
fn a_session_ends_with_its_token() {
    let (data, server, _) = asking(Data::new().setting(ALWAYS));
    let viewer = token(&data, "viewer", "3s");
    let expires = Instant::now() + Duration::from_secs(3);
    let mut browser = Browser::new(&server);
    let done = browser.sign_in(&viewer, "/");
    assert_eq!(done.status, 303);
    let cookie = values(&done.head, "set-cookie")[0];
    let age = cookie.split("max-age=").nth(1).unwrap().split(';').next().unwrap();
    assert!(age.parse::<u32>().unwrap() <= 3, "{cookie}");
    let page = browser.get("/");
    assert!(!page.body.contains("href=\"/tokens\""), "viewers manage no tokens");
    assert_eq!(browser.get("/tokens").status, 403);
    loop {
        let begins = Instant::now();
        if browser.get("/quality").status == 303 {
            break;
        }
        assert!(begins < expires + Duration::from_secs(1), "the session outlives its token");
    }
    // Revoked from elsewhere.
    let viewer = token(&data, "viewer", "1d");
    assert_eq!(browser.sign_in(&viewer, "/").status, 303);
    assert_eq!(browser.get("/quality").status, 200);
    data.run(&["token", "revoke", &newest_id(&data)]);
    let revoked = Instant::now();
    loop {
        let begins = Instant::now();
        if browser.get("/quality").status == 303 {
            break;
        }
        assert!(begins < revoked + Duration::from_secs(1), "the session outlives its token");
    }
}

/// Where nobody is asked, the page of tokens works all the same, for pages of this server.
#[test]
fn without_tokens_their_page_is_for_this_machine() {
    let data = Data::new();
    let server: Server = data.serve();
    let mut browser = Browser::new(&server);
    let page = browser.get("/tokens");
    assert_eq!(page.status, 200);
    let wish = [("name", "first"), ("role", "admin"), ("expires", "1d")];
    assert_eq!(browser.post("/tokens", &wish).status, 403);
    assert_eq!(Browser::new(&server).submit(&page, "/tokens", &wish).status, 403, "no cookie");
    let made = browser.submit(&page, "/tokens", &wish);
    assert!(made.status == 200 && made.body.contains("<code>seaway_"), "{}", made.body);
    assert!(data.run(&["token", "list"]).contains("first"));
    assert!(!browser.get("/").body.contains("Sign out"));
}
