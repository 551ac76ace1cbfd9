//! The pages of flags: what they say, their forms, and who may use them.

use crate::access_lang::{ALWAYS, Browser, asking, form, proof, token, values};
use crate::pages_rows::words;
use crate::pages_text::lines;
use crate::serve_lang::{Answer, Data, PATIENCE, Server};
use crate::serve_shared::postgres::Cluster;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Writes a definition, on whatever is there.
pub(crate) fn put(server: &Server, path: &str, definition: &Value, reason: &str) -> Value {
    let body = json!({ "definition": definition, "reason": reason }).to_string();
    let headers = [("Content-Type", "application/json"), ("If-Match", "*")];
    let url = format!("/api/v1/flags/{path}");
    let answer = server.send("PUT", &url, &headers, body.as_bytes());
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json()
}

/// Does something else with a flag.
pub(crate) fn does(server: &Server, path: &str, wish: &Value) {
    let headers = [("Content-Type", "application/json"), ("If-Match", "*")];
    let url = format!("/api/v1/flags/{path}");
    let answer = server.send("POST", &url, &headers, wish.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
}

/// A flag that is on or off.
pub(crate) fn switch(default: &str, targeting: &Value, metadata: &Value) -> Value {
    json!({
        "state": "ENABLED", "variants": { "on": true, "off": false }, "defaultVariant": default,
        "targeting": targeting, "metadata": metadata,
    })
}

fn plain(default: &str) -> Value {
    switch(default, &json!({}), &json!({}))
}

/// On for those of a company, and for a tenth of all others.
pub(crate) fn tenth() -> Value {
    let rules = json!({ "if": [
        { "ends_with": [{ "var": "email" }, "@example.com"] }, "on",
        { "fractional": [["on", 10], ["off", 90]] },
    ] });
    let metadata = json!({ "owner": "checkout", "purpose": "release", "expires": "2020-01-31" });
    switch("off", &rules, &metadata)
}

/// The flags of a shop in two environments, and what became of them.
pub(crate) fn shop(server: &Server) {
    put(server, "production/new-basket", &plain("off"), "merged dark");
    put(server, "production/new-basket", &tenth(), "a tenth to begin with");
    put(server, "staging/new-basket", &plain("on"), "");
    let colours = json!({
        "state": "ENABLED", "variants": { "red": "#f00", "blue": "#00f" }, "defaultVariant": "red",
        "targeting": { "fractional": [["red", 1], ["blue", 1]] },
        "metadata": { "owner": "shop", "purpose": "experiment", "expires": "2999-01-31" },
    });
    put(server, "production/button-colour", &colours, "which one sells more");
    let stop = switch("on", &json!({}), &json!({ "owner": "payments", "purpose": "operations" }));
    put(server, "production/card-payments", &stop, "");
    does(server, "production/card-payments/off", &json!({ "reason": "the bank is down" }));
    put(server, "production/card-payments", &stop, "while it is off");
}

fn shown(server: &Server, path: &str) -> String {
    let page = server.get(path);
    assert_eq!(page.status, 200, "{path}: {}", page.body);
    words(&page)
}

/// The keys that a list shows, in its order.
fn keys(server: &Server, query: &str) -> Vec<String> {
    let page = server.get(&format!("/flags{query}"));
    assert_eq!(page.status, 200, "{query}: {}", page.body);
    let rows = page.body.split("<th scope=\"row\">").skip(1);
    rows.map(|row| row.split("<bdi>").nth(1).unwrap().split('<').next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_list_is_filtered_sorted_and_led_to() {
    let data = Data::new();
    let server = data.serve();
    let empty = server.get("/flags");
    assert!(words(&empty).contains("There are no flags yet"), "{}", empty.body);
    shop(&server);
    let all = ["button-colour", "card-payments", "new-basket", "new-basket"];
    assert_eq!(keys(&server, ""), all);
    assert_eq!(keys(&server, "?environment=production&owner=&purpose=&state=&q="), all[..3]);
    assert_eq!(keys(&server, "?environment=staging"), ["new-basket"]);
    assert_eq!(keys(&server, "?environment=elsewhere"), Vec::<String>::new());
    assert_eq!(keys(&server, "?owner=checkout"), ["new-basket"]);
    assert_eq!(keys(&server, "?purpose=operations"), ["card-payments"]);
    assert_eq!(keys(&server, "?state=off"), ["card-payments"]);
    assert_eq!(keys(&server, "?stale=yes"), ["new-basket"]);
    assert_eq!(keys(&server, "?q=BUTTON"), ["button-colour"]);
    let by_change = ["card-payments", "button-colour", "new-basket", "new-basket"];
    assert_eq!(keys(&server, "?sort=changed"), by_change);
    let by_owner = ["new-basket", "card-payments", "button-colour", "new-basket"];
    assert_eq!(keys(&server, "?sort=owner"), by_owner);
    let by_expiry = ["new-basket", "button-colour", "card-payments", "new-basket"];
    assert_eq!(keys(&server, "?sort=expires"), by_expiry);
    let text = shown(&server, "/flags");
    for part in [
        "4 flags in all; 1 is turned off, 1 is stale",
        "On for some, and for a tenth of all others",
        "red for half, blue for half",
        "stale : expired",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    for wrong in ["?state=x", "?sort=x", "?page=0", "?stale=no", "?x=1", "?q=a&q=b"] {
        let page = server.get(&format!("/flags{wrong}"));
        assert_eq!(page.status, 400, "{wrong}");
        assert!(page.body.starts_with("<!DOCTYPE html>"), "{wrong}");
    }
    // The same flags as a file and as JSON.
    let page = server.get("/flags?owner=checkout&state=on").body;
    let sheet = "/api/v1/flags?owner=checkout&amp;state=on&amp;format=csv";
    assert!(page.contains(sheet), "{page}");
    let sheet = server.get(&sheet.replace("&amp;", "&")).body;
    assert!(sheet.lines().count() == 2 && sheet.contains("new-basket"), "{sheet}");
    assert!(page.contains("href=\"/api/v1/flags?owner=checkout&amp;state=on\""), "{page}");
    assert!(page.contains("href=\"/flags/production/new-basket\""), "{page}");
}

#[test]
fn a_long_list_has_pages() {
    let data = Data::new();
    let server = data.serve();
    let flags: serde_json::Map<String, Value> =
        (0..65).map(|at| (format!("flag-{at:02}"), plain("on"))).collect();
    let headers = [("If-Match", "*")];
    let body = json!({ "flags": flags }).to_string();
    let url = "/api/v1/environments/production/import";
    let answer = server.send("POST", url, &headers, body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut seen = Vec::new();
    for (page, rows) in [(1, 30), (2, 30), (3, 5), (4, 0)] {
        let found = keys(&server, &format!("?page={page}&q=flag"));
        assert_eq!(found.len(), rows, "{page}");
        seen.extend(found);
    }
    assert_eq!(seen, flags.keys().cloned().collect::<Vec<_>>());
    let second = server.get("/flags?page=2&q=flag").body;
    for link in ["href=\"/flags?q=flag\"", "href=\"/flags?q=flag&amp;page=3\""] {
        assert!(second.contains(link), "{link}: {second}");
    }
}

#[test]
fn a_flag_tells_who_sees_it_since_when_and_why() {
    let data = Data::new();
    let server = data.serve();
    shop(&server);
    let text = shown(&server, "/flags/production/new-basket");
    for part in [
        "On for some, and for a tenth of all others",
        "because “ a tenth to begin with ”",
        "If email ends with “@example.com” : on",
        "also in staging",
        "on : 10 %",
        "off : 90 %",
        "Stale: expired",
        "Turn off for everyone",
        "Edit the definition",
        "imported or changed",
    ] {
        let is_there = text.contains(part);
        assert_eq!(is_there, part != "imported or changed", "{part:?}: {text}");
    }
    // It was changed while it was off: what turned it off is told.
    let text = shown(&server, "/flags/production/card-payments");
    for part in ["Off for everyone Turned off by", "because “ the bank is down ”", "Turn on again"]
    {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    for path in ["/flags/production/none", "/flags/nowhere/new-basket", "/flags/production/$shared"]
    {
        let page = server.get(path);
        assert_eq!(page.status, 404, "{path}");
        assert!(page.body.starts_with("<!DOCTYPE html>"), "{path}");
    }
    assert_eq!(server.get("/flags/production/new-basket?before=x").status, 400);
}

/// A page without what differs from run to run.
fn steady(page: &Answer) -> String {
    let text = lines(page);
    let moment = regex::Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d").unwrap();
    let span = regex::Regex::new(r"\b\d+ s\b").unwrap();
    let age = regex::Regex::new(r"expired [^;.]+ ago").unwrap();
    let text = moment.replace_all(&text, "(moment)");
    let text = span.replace_all(&text, "(span)");
    age.replace_all(&text, "expired (span) ago").into_owned()
}

#[test]
fn pages_of_flags_say_what_they_said() {
    let data = Data::new();
    let server = data.serve();
    insta::assert_snapshot!("flags_none", steady(&server.get("/flags")));
    shop(&server);
    insta::assert_snapshot!("flags", steady(&server.get("/flags")));
    insta::assert_snapshot!("flag", steady(&server.get("/flags/production/card-payments")));
    insta::assert_snapshot!("flag_shares", steady(&server.get("/flags/production/button-colour")));
    let mut browser = Browser::new(&server);
    let url = "/flags/production/card-payments/edit";
    let page = browser.get(url);
    insta::assert_snapshot!("flag_edit", steady(&page));
    let wish = tenth().to_string();
    let fields = [("base", "3"), ("reason", "why not"), ("definition", wish.as_str())];
    let preview = browser.submit(&page, url, &fields);
    insta::assert_snapshot!("flag_preview", steady(&preview));
    let fields = [("base", "2"), ("reason", "why not"), ("definition", wish.as_str())];
    let conflict = browser.submit(&page, url, &fields);
    insta::assert_snapshot!("flag_conflict", steady(&conflict));
    let wrong = wish.replace("\"defaultVariant\":\"off\"", "\"defaultVariant\":\"none\"");
    let fields = [("base", "3"), ("definition", wrong.as_str())];
    let problems = browser.submit(&page, url, &fields);
    insta::assert_snapshot!("flag_problems", steady(&problems));
}

fn state(server: &Server, path: &str) -> Value {
    server.get(&format!("/api/v1/flags/{path}")).json()
}

fn location(answer: &Answer) -> &str {
    values(&answer.head, "location").first().copied().unwrap_or_default()
}

/// What a field of a form holds, as it was typed.
fn typed(page: &Answer) -> String {
    let (_, after) = page.body.split_once("<textarea").unwrap();
    let (_, after) = after.split_once(">\n").unwrap();
    let text = after.split("</textarea>").next().unwrap();
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

fn hidden(page: &Answer, name: &str) -> String {
    let after = page.body.split(&format!("name=\"{name}\" value=\"")).nth(1).expect("a field");
    after.split('"').next().unwrap().to_owned()
}

#[test]
fn a_flag_is_turned_off_and_on_and_taken_back_by_forms() {
    let data = Data::new();
    let server = data.serve();
    shop(&server);
    let mut browser = Browser::new(&server);
    let (url, key) = ("/flags/production/new-basket", "production/new-basket");
    let page = browser.get(url);
    assert!(page.head.contains("cache-control: no-store"), "{}", page.head);
    let off = browser.submit(&page, &format!("{url}/off"), &[("reason", "it throws errors")]);
    assert_eq!((off.status, location(&off)), (303, url));
    let now = state(&server, key);
    assert_eq!((&now["state"], &now["reason"]), (&json!("off"), &json!("it throws errors")));
    assert_eq!(now["changed_by"]["id"], "local");
    // Twice does no harm, and neither does a page that is old.
    assert_eq!(browser.submit(&page, &format!("{url}/off"), &[("base", "1")]).status, 303);
    let told = words(&browser.get(url));
    assert!(told.contains("because “ it throws errors ”"), "{told}");
    // Turning it on wants the page that is newest.
    let old = browser.submit(&page, &format!("{url}/on"), &[("base", "2")]);
    assert_eq!(old.status, 412, "{}", old.body);
    assert!(words(&old).contains("Nothing was changed. It was changed meanwhile"), "{}", old.body);
    assert_eq!(state(&server, key)["state"], "off");
    assert_eq!(browser.submit(&page, &format!("{url}/on"), &[("base", "3")]).status, 303);
    assert_eq!(state(&server, key)["state"], "on");
    let page = browser.get(url);
    for revision in [1, 2, 3] {
        assert!(page.body.contains(&format!("aria-label=\"Restore revision {revision}\"")));
    }
    assert!(!page.body.contains("Restore revision 4"), "{}", page.body);
    let fields = [("base", "4"), ("revision", "1"), ("reason", "as it was in revision 1")];
    assert_eq!(browser.submit(&page, &format!("{url}/restore"), &fields).status, 303);
    let now = state(&server, key);
    assert_eq!((&now["action"], &now["definition"]), (&json!("restore"), &plain("off")));
    assert_eq!(browser.submit(&page, &format!("{url}/restore"), &fields).status, 412);
    for (fields, status) in
        [(&[("base", "5"), ("revision", "77")][..], 404), (&[("base", "x")], 400), (&[], 400)]
    {
        assert_eq!(browser.submit(&page, &format!("{url}/restore"), fields).status, status);
    }
    // What is deleted comes back the same way.
    let gone = server.send("DELETE", &format!("/api/v1/flags/{key}"), &[("If-Match", "*")], b"");
    assert_eq!(gone.status, 200, "{}", gone.body);
    let page = browser.get(url);
    let told = words(&page);
    assert!(told.contains("Deleted: the code's own default for everyone"), "{told}");
    assert!(!page.body.contains("Turn o") && !page.body.contains("Edit the"), "{told}");
    let fields = [("base", "6"), ("revision", "2"), ("reason", "")];
    assert_eq!(browser.submit(&page, &format!("{url}/restore"), &fields).status, 303);
    assert_eq!(state(&server, key)["definition"], tenth());
}

#[test]
fn an_edit_is_shown_before_it_is_saved() {
    let data = Data::new();
    let server = data.serve();
    shop(&server);
    let mut browser = Browser::new(&server);
    let (url, key) = ("/flags/production/new-basket/edit", "production/new-basket");
    let page = browser.get(url);
    let before: Value = serde_json::from_str(&typed(&page)).unwrap();
    assert_eq!(before, tenth());
    let wish = "{\r\n  \"state\": \"ENABLED\",\r\n  \"variants\": {\"on\": true, \"off\": false},\r\n  \
                \"defaultVariant\": \"on\", \"metadata\": {\"weight\": 1.50}\r\n}\r\n";
    let fields = |more: &[(&'static str, String)]| {
        let mut fields = vec![
            ("base", "2".to_owned()),
            ("reason", "\"ready\" & <able>".to_owned()),
            ("definition", wish.to_owned()),
        ];
        fields.extend(more.to_vec());
        fields
    };
    let mut send = |fields: &[(&'static str, String)]| {
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.submit(&page, url, &fields)
    };
    let preview = send(&fields(&[("do", "preview".to_owned())]));
    assert_eq!(preview.status, 200);
    let told = words(&preview);
    for part in [
        "From On for some, and for a tenth of all others to On for everyone",
        "It is not saved yet.",
        "Nobody was seen lately, so nobody can say who moves",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    assert_eq!(typed(&preview), wish.trim().replace("\r\n", "\n"));
    assert!(preview.body.contains("value=\"&quot;ready&quot; &amp; &lt;able&gt;\""), "{told}");
    assert_eq!(state(&server, key)["revision"], 2, "nothing is saved yet");
    // What was not looked at is not saved, nor what was changed after that.
    let save = ("do", "save".to_owned());
    let seen = ("previewed", hidden(&preview, "previewed"));
    for more in [&[save.clone()][..], &[save.clone(), ("previewed", "00".to_owned())]] {
        let again = send(&fields(more));
        assert!(words(&again).contains("look again, and save it"), "{}", again.body);
    }
    let mut other = fields(&[save.clone(), seen.clone()]);
    other[2].1 = wish.replace("\"on\", \"metadata\"", "\"off\", \"metadata\"");
    assert!(words(&send(&other)).contains("look again"));
    assert_eq!(state(&server, key)["revision"], 2);
    let saved = send(&fields(&[save.clone(), seen.clone()]));
    assert_eq!((saved.status, location(&saved)), (303, "/flags/production/new-basket"));
    let now = state(&server, key);
    assert_eq!((&now["revision"], &now["reason"]), (&json!(3), &json!("\"ready\" & <able>")));
    // As it was typed, to the last zero.
    let raw = server.get("/api/v1/flags/production/new-basket").body;
    assert!(raw.contains("{\\\"weight\\\": 1.50}") || raw.contains("{\"weight\": 1.50}"), "{raw}");
    // Whoever began before is told, sees both, and has what they typed.
    let late = send(&fields(&[save, seen]));
    assert_eq!(late.status, 412);
    let told = words(&late);
    assert!(told.contains("You began with revision 2. Meanwhile it was changed by"), "{told}");
    assert_eq!(typed(&late), wish.trim().replace("\r\n", "\n"));
    assert_eq!(hidden(&late, "base"), "3");
}

#[test]
fn what_is_wrong_has_a_place_and_stays_as_it_was_typed() {
    let data = Data::new();
    let server = data.serve();
    shop(&server);
    let mut browser = Browser::new(&server);
    let url = "/flags/production/new-basket/edit";
    let page = browser.get(url);
    let mut send = |definition: &str| {
        let answer = browser.submit(&page, url, &[("base", "2"), ("definition", definition)]);
        (answer.status, words(&answer), typed(&answer))
    };
    let nested = format!("{{\"a\":{}1{}}}", "[".repeat(9_000), "]".repeat(9_000));
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(270 << 10));
    for (wrong, told) in [
        ("", "All of it"),
        ("{\n  \"state\": ENABLED\n}", "line 2 column 12"),
        ("[]", "A flag is an object"),
        (r#"{"state":"ON","variants":{"a":1}}"#, "/state is ENABLED or DISABLED"),
        (r#"{"state":"ENABLED","variants":{"a":1},"targeting":{"nope":1}}"#, "/targeting"),
        (
            r#"{"state":"ENABLED","variants":{"a":1},"targeting":{"if":[true,"b"]}}"#,
            "there is no variant “b”",
        ),
        (&nested, "deep"),
        (&long, "not edited here"),
    ] {
        let (status, text, kept) = send(wrong);
        assert_eq!(status, 422, "{wrong:.60}: {text:.2000}");
        let lower = text.to_lowercase();
        assert!(lower.contains(&told.to_lowercase()), "{told:?} is not in {text:.2000}");
        assert!(text.contains("It cannot be saved."), "{text:.2000}");
        assert!(kept == wrong, "{wrong:.60}: {kept:.60}");
    }
    // A definition of 200 KiB fits, however it is escaped.
    let rest = "\"".to_owned() + &"ü".repeat(100 << 10) + "\"";
    let large = format!(r#"{{"state":"ENABLED","variants":{{"a":{rest}}},"defaultVariant":"a"}}"#);
    let (status, text, kept) = send(&large);
    assert_eq!(status, 200, "{text:.2000}");
    assert!(kept == large && text.contains("It is not saved yet"));
    let huge = form(&[("csrf", &proof(&page)), ("definition", &"x".repeat(400 << 10))]);
    let kind = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(browser.send("POST", url, &kind, huge.as_bytes()).status, 413);
    assert_eq!(state(&server, "production/new-basket")["revision"], 2);
}

const EVIL: &str =
    "\"'></textarea></pre><script>alert(1)</script><img src=x onerror=alert(2)>\u{202e}{{7*7}}";

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn script_in_every_string_of_a_flag_is_text() {
    let (data, server, admin) = asking(Data::new().setting(ALWAYS));
    let name = "\"'><script>alert(1)</script><img src=x>\u{202e}";
    let arguments = ["token", "create", "--name", name, "--role", "editor", "--expires", "1d"];
    let editor = data.run(&arguments).trim().to_owned();
    let mut browser = Browser::new(&server);
    browser.sign_in(&admin, "/");
    let path = format!("production/{}", escaped(EVIL));
    let definition = |weight: u32| {
        json!({
            "state": "ENABLED", "variants": { EVIL: EVIL, "other": "o" }, "defaultVariant": EVIL,
            "targeting": { "if": [
                { "==": [{ "var": EVIL }, EVIL] }, EVIL,
                { "in": [{ "var": "x" }, [EVIL, { "cat": [EVIL] }]] }, { "cat": [EVIL] },
                { "fractional": [{ "var": EVIL }, [EVIL, weight], ["other", 1]] },
            ] },
            "metadata": { "owner": EVIL, "purpose": EVIL, "expires": EVIL, EVIL: EVIL },
        })
    };
    let write = |definition: &Value| {
        let body = json!({ "definition": definition, "reason": EVIL }).to_string();
        let bearer = format!("Bearer {editor}");
        let headers =
            [("Content-Type", "application/json"), ("If-Match", "*"), ("Authorization", &*bearer)];
        let url = format!("/api/v1/flags/{path}");
        let answer = server.send("PUT", &url, &headers, body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    write(&definition(1));
    write(&definition(2));
    let url = format!("/flags/{path}");
    let edit = format!("{url}/edit");
    let look = |answer: &Answer, what: &str| {
        assert!(answer.head.contains("content-security-policy: default-src 'none'"), "{what}");
        for wrong in ["<script>", "<img", "\u{202e}", "</textarea></pre>", "onerror=alert(2)>"] {
            assert!(!answer.body.contains(wrong), "{wrong} is on {what}: {}", answer.body);
        }
        assert!(answer.body.contains("&lt;script&gt;"), "nothing is on {what}: {}", answer.body);
    };
    let page = browser.get(&url);
    assert_eq!(page.status, 200, "{}", page.body);
    look(&page, "its page");
    for id in ["who", "life", "definition", "history"] {
        let (_, section) = page.body.split_once(&format!("<section id=\"{id}\"")).unwrap();
        let section = section.split("</section>").next().unwrap();
        assert!(section.contains("&lt;script&gt;"), "{id}: {section}");
    }
    look(&browser.get("/flags"), "the list");
    look(&browser.get(&format!("/flags?owner={}", escaped(EVIL))), "the list of an owner");
    look(&browser.get(&format!("/flags?q={}", escaped("<script>"))), "the list by key");
    look(&browser.get(&format!("/flags?state={}", escaped(EVIL))), "a wrong list");
    let form = browser.get(&edit);
    look(&form, "the form");
    assert_eq!(serde_json::from_str::<Value>(&typed(&form)).unwrap(), definition(2));
    let mut send = |base: &str, definition: &str| {
        let fields = [("base", base), ("reason", EVIL), ("definition", definition)];
        browser.submit(&form, &edit, &fields)
    };
    // What somebody types themselves is theirs: it comes back as it was.
    let mine = |answer: &Answer, what: &str| {
        let body = answer.body.replace('\u{202e}', "");
        look(&Answer { status: answer.status, head: answer.head.clone(), body }, what);
    };
    mine(&send("2", &definition(7).to_string()), "the preview");
    mine(&send("1", &definition(7).to_string()), "a conflict");
    let wrong = definition(7).to_string().replace("\"state\"", "\"states\"");
    mine(&send("2", &wrong), "problems");
    mine(&send("2", EVIL), "no JSON");
}

#[test]
fn forms_are_for_editors_and_of_this_server() {
    let (data, server, admin) = asking(Data::new().setting(ALWAYS));
    let (viewer, editor) = (token(&data, "viewer", "1d"), token(&data, "editor", "1d"));
    let bearer = format!("Bearer {admin}");
    let body = json!({ "definition": plain("on"), "reason": "r" }).to_string();
    let headers =
        [("Content-Type", "application/json"), ("If-Match", "*"), ("Authorization", &*bearer)];
    let made = server.send("PUT", "/api/v1/flags/production/a", &headers, body.as_bytes());
    assert_eq!(made.status, 200, "{}", made.body);
    let url = "/flags/production/a";
    let verbs = ["off", "on", "restore", "edit"];
    assert_eq!(server.get(url).status, 303, "nobody is let in without a token");
    let mut looks = Browser::new(&server);
    looks.sign_in(&viewer, "/");
    let page = looks.get(url);
    assert_eq!(page.status, 200);
    let (_, main) = page.body.split_once("id=\"content\"").unwrap();
    let main = main.split("<footer").next().unwrap();
    for form in ["<form", "<button", "/edit"] {
        assert!(!main.contains(form), "a viewer sees {form}: {main}");
    }
    assert!(words(&page).contains("On for everyone"));
    assert_eq!(looks.get("/flags").status, 200);
    assert_eq!(looks.get(&format!("{url}/edit")).status, 403);
    let fields = [("base", "1"), ("revision", "1"), ("definition", "{}")];
    for verb in verbs {
        assert_eq!(looks.submit(&page, &format!("{url}/{verb}"), &fields).status, 403, "{verb}");
    }
    let mut edits = Browser::new(&server);
    edits.sign_in(&editor, "/");
    let page = edits.get(url);
    assert!(page.body.contains("Turn off for everyone"), "{}", page.body);
    // Without a proof, with somebody else's, and sent by another site.
    let theirs = [("csrf", proof(&looks.get(url)))];
    for verb in verbs {
        let path = format!("{url}/{verb}");
        assert_eq!(edits.post(&path, &fields).status, 403, "{verb}");
        let stolen = [&fields[..], &[("csrf", theirs[0].1.as_str())]].concat();
        assert_eq!(edits.post(&path, &stolen).status, 403, "{verb}");
        let own = proof(&page);
        let good = [&fields[..], &[("csrf", own.as_str())]].concat();
        let kind = ("Content-Type", "application/x-www-form-urlencoded");
        let evil = [kind, ("Origin", "https://evil.example")];
        assert_eq!(edits.send("POST", &path, &evil, form(&good).as_bytes()).status, 403, "{verb}");
    }
    let history = || {
        let headers = [("Authorization", &*bearer)];
        let history = format!("/api/v1{url}/history");
        server.send("GET", &history, &headers, b"").json()["rows"].as_array().unwrap().len()
    };
    assert_eq!(history(), 1, "nothing was changed");
    assert_eq!(edits.submit(&page, &format!("{url}/off"), &[]).status, 303);
    assert_eq!(history(), 2);
    let told = words(&edits.get(url));
    assert!(told.contains("Turned off by a editor"), "{told}");
}

#[test]
fn without_its_database_a_server_shows_what_it_last_saw() {
    let Some(cluster) = Cluster::start() else { return };
    let data = Data::new().env("SEAWAY_LOG", "off").arg("--database").arg(cluster.database());
    let server = data.serve();
    shop(&server);
    let mut browser = Browser::new(&server);
    let url = "/flags/production/new-basket";
    let page = browser.get(url);
    assert!(!words(&page).contains("does not answer"), "{}", page.body);
    drop(cluster);
    let since = Instant::now();
    let told = loop {
        let page = browser.get(url);
        assert_eq!(page.status, 200, "{}", page.body);
        let told = words(&page);
        if told.contains("The database does not answer.") {
            break told;
        }
        assert!(since.elapsed() < PATIENCE, "it is never told: {told}");
        std::thread::sleep(Duration::from_millis(50));
    };
    for part in [
        "shown here, as they were at",
        "On for some, and for a tenth of all others",
        "It cannot be read now",
        "email ends with",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    let since = Instant::now();
    let list = words(&server.get("/flags"));
    assert!(list.contains("does not answer") && list.contains("red for half"), "{list}");
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    // Nothing can be changed, and nothing typed is lost.
    let off = browser.submit(&page, &format!("{url}/off"), &[]);
    assert_eq!(off.status, 503, "{}", off.body);
    assert!(words(&off).contains("Nothing was changed."), "{}", off.body);
    let wish = plain("on").to_string();
    let fields = [("base", "2"), ("definition", wish.as_str())];
    let preview = browser.submit(&page, &format!("{url}/edit"), &fields);
    assert_eq!(preview.status, 200, "{}", preview.body);
    let seen = hidden(&preview, "previewed");
    let save = [&fields[..], &[("do", "save"), ("previewed", &seen)]].concat();
    let saved = browser.submit(&page, &format!("{url}/edit"), &save);
    assert_eq!(saved.status, 503, "{}", saved.body);
    assert_eq!(typed(&saved), wish);
}
