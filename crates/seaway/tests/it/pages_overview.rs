//! The overview, the page of a service, what is in flight, and pages that follow the views.

use crate::forge::Forge;
use crate::pages_rows::words;
use crate::pages_truth::{at, line, live};
use crate::serve_lang::{Answer, Data, PATIENCE, Server};
use crate::serve_openapi::{SHOP, event, hash};
use seaway_core::time::humanize;
use serde_json::{Value, json};
use std::io::Read as _;
use std::io::Write as _;
use std::time::Instant;

/// 2026-05-01.
const MAY: i64 = 1_777_593_600;
const DAY: f64 = 24.0;

/// Text that would run if a page took it for more than text.
const SCRIPT: &str = "<script>alert(1)</script>\"'`--><img src=x onerror=alert(1)>";

/// A service whose changes take as many hours as their number, and two that wait.
fn story(repository: &str, slowness: f64) -> Forge {
    let mut forge = Forge::new(repository, MAY);
    for step in 1..=12_u32 {
        let start = f64::from(step) * 3.0 * DAY;
        forge.push(start, "main", step - 1, &[(step, start - 2.0)]);
        let end = start + f64::from(step) * slowness;
        forge.deployed(end - 0.5, end, step, step, "success");
    }
    let waiting = [(20, 37.0 * DAY), (21, 38.0 * DAY)];
    forge.push(39.0 * DAY, "main", 12, &waiting);
    forge
}

fn filled(data: &Data) -> Server {
    let server = data.serve();
    story("acme/shop", 1.0).send(&server);
    story("acme/cart", 3.0).send(&server);
    server.settle();
    server
}

/// A page that is there.
fn page(server: &Server, path: &str) -> Answer {
    let answer = server.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    assert!(answer.head.contains("content-type: text/html"), "{path}: {}", answer.head);
    answer
}

/// The text of a page without its tags, in one line.
fn text(answer: &Answer) -> String {
    let mut text = String::new();
    let mut is_tag = false;
    for c in answer.body.chars() {
        match c {
            '<' => is_tag = true,
            '>' => {
                is_tag = false;
                text.push(' ');
            }
            _ if !is_tag => text.push(c),
            _ => {}
        }
    }
    text.replace('\u{a0}', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The JSON that a page names as its twin.
fn twin(server: &Server, page: &Answer) -> Value {
    let (before, _) = page.body.split_once("\">This page as JSON").expect("a twin");
    let url = before.rsplit_once("href=\"").unwrap().1.replace("&amp;", "&");
    server.get(&url).json()
}

/// Holds a page's figures against those of its twin.
fn tells_what_its_twin_tells(server: &Server, path: &str) {
    let shown = page(server, path);
    let (text, report) = (text(&shown), twin(server, &shown));
    let value = &report["time_to_value"];
    let p50 = humanize(value["p50"]["seconds"].as_f64().unwrap());
    assert!(
        text.contains(&format!("Half of all changes reach customers within {p50} p50")),
        "{text}"
    );
    let n = format!("n = {} delivered", value["n"]);
    assert!(text.contains(&n), "{n} is not in {text}");
    let waits = report["waits"]["stages"].as_array().unwrap();
    let worst = humanize(waits[0]["p50_without"]["seconds"].as_f64().unwrap());
    assert!(text.contains(&format!("would be there within {worst} in the place of")), "{text}");
    for wait in waits.iter().filter(|it| it["seconds"].as_i64() > Some(0)) {
        let without = humanize(wait["p50_without"]["seconds"].as_f64().unwrap());
        assert!(text.contains(&without), "{wait}: {without} is not in {text}");
    }
    assert_eq!(report["flow"]["waiting"], value["waiting"]);
}

#[test]
fn pages_tell_what_their_json_tells() {
    let data = Data::new();
    let server = filled(&data);
    for path in [
        "/",
        "/?since=2026-05-10",
        "/services/github.com%2Facme%2Fshop",
        "/services/github.com%2Facme%2Fcart",
    ] {
        tells_what_its_twin_tells(&server, path);
    }
    // As the form of the page sends it where nothing is chosen.
    page(&server, "/?since=&architecture=&runtime=&tier=");
    let slowest = page(&server, "/?sort=p50");
    let place = |name: &str| slowest.body.find(&format!(">github.com/acme/{name}<")).unwrap();
    assert!(place("cart") < place("shop"), "cart takes three times as long");
    let overview = page(&server, "/?sort=name");
    let shop = overview.body.find(">github.com/acme/shop<").unwrap();
    assert!(overview.body.find(">github.com/acme/cart<").unwrap() < shop);
    assert!(
        overview.body.contains("href=\"/services/github.com%2Facme%2Fshop?since="),
        "{}",
        overview.body
    );
    for wrong in
        ["/?sort=x", "/?page=0", "/?page=x", "/?tier=9", "/?until=2026-01-01&since=2026-02-01"]
    {
        assert_eq!(server.get(wrong).status, 400, "{wrong}");
    }
    for missing in
        ["/services/none", "/groups/none", "/in-flight?service=none", "/in-flight?group=none"]
    {
        assert_eq!(server.get(missing).status, 404, "{missing}");
    }
}

/// Without the wait for its deployment each change would be there at once: it came onto the mainline
/// as it was written.
#[test]
fn what_is_in_the_way_is_what_the_story_says() {
    let data = Data::new();
    let server = filled(&data);
    let report = server.report("/services/github.com%2Facme%2Fcart");
    let stages = report["waits"]["stages"].as_array().unwrap();
    assert_eq!(stages[0]["to"], "deployed");
    let delivered: f64 = (1..=12).map(|step| f64::from(step) * 3.0).sum();
    let hours = stages[0]["seconds"].as_i64().unwrap() as f64 / 3600.0;
    assert!(hours >= delivered, "{hours} are not the {delivered} of those delivered");
    let without = stages[0]["p50_without"]["seconds"].as_f64().unwrap();
    assert!(without < 75.0, "{without}");
}

#[test]
fn all_that_waits_is_in_flight_oldest_first() {
    let data = Data::new();
    let server = data.serve();
    let mut forge = Forge::new("acme/many", MAY);
    forge.push(1.0, "main", 0, &[(1, 0.0)]);
    forge.deployed(1.5, 2.0, 1, 1, "success");
    for number in 2..=121_u32 {
        let hour = f64::from(number) * 5.0;
        forge.push(hour, "main", number - 1, &[(number, hour - 1.0)]);
    }
    forge.send(&server);
    server.settle();
    let wanted: Vec<Value> =
        server.report("/waiting?limit=1000")["rows"].as_array().unwrap().clone();
    assert_eq!(wanted.len(), 120);
    for begin in ["/in-flight", "/in-flight?service=github.com%2Facme%2Fmany"] {
        let (mut path, mut found) = (begin.to_owned(), Vec::new());
        loop {
            let shown = page(&server, &path);
            let links = shown.body.split("/services/github.com%2Facme%2Fmany/changes/").skip(1);
            found.extend(links.map(|rest| rest.split('"').next().unwrap().to_owned()));
            let Some((_, next)) = shown.body.split_once("rel=\"next\" href=\"") else { break };
            path = next.split('"').next().unwrap().replace("&amp;", "&");
        }
        let named: Vec<&str> = wanted.iter().map(|it| it["change"].as_str().unwrap()).collect();
        assert_eq!(found, named, "{begin}");
    }
}

#[test]
fn what_waits_is_told_and_listed_by_its_last_milestone() {
    let data = Data::new();
    let server = data.serve();
    let built = |number: u32| {
        let content = json!({
            "repository": SHOP, "revision": hash(number), "pipeline": "main",
            "finishedAt": at(60 + number), "outcome": "success",
        });
        event(&format!("built-{number}"), "build.finished", "main", content)
    };
    // Of seven, one is live; a build of a commit is one of all before it.
    server.events(&[line(7), live("production", "v1", 1, 30), built(3)]);
    server.settle();
    let changes = |last: &str| -> Vec<u64> {
        let rows = server.report(&format!("/waiting{last}"))["rows"].clone();
        let of = |row: &Value| (1..=7).find(|&it| row["change"] == hash(it)).unwrap().into();
        rows.as_array().unwrap().iter().map(of).collect()
    };
    assert_eq!(changes(""), [2, 3, 4, 5, 6, 7]);
    assert_eq!(changes("?last=built"), [2, 3]);
    assert_eq!(changes("?last=merged"), [4, 5, 6, 7]);
    assert_eq!(changes("?last=merged&service=shop"), [4, 5, 6, 7]);
    assert_eq!(changes("?last=approved"), [0; 0]);
    for of in ["", "?last=built", "?service=shop", "?limit=1", "?last=merged&limit=2"] {
        let told = server.report(&format!("/waiting{of}"))["by_last_milestone"].clone();
        assert_eq!(told, json!({ "merged": 4, "built": 2 }), "{of}");
    }
    // Of some architecture, they are not counted.
    assert_eq!(server.report("/waiting?tier=unknown")["by_last_milestone"], Value::Null);
    // A page leads to those of each, keeps what else was asked for, and leads back.
    let text = |path: &str| words(&server.get(path));
    let all = server.get("/in-flight?service=shop");
    assert!(words(&all).contains("By their last milestone: 4 merged , 2 built ."), "{}", all.body);
    for link in
        ["/in-flight?service=shop&amp;last=merged", "/in-flight?service=shop&amp;last=built"]
    {
        assert!(all.body.contains(&format!("href=\"{link}\"")), "{link}: {}", all.body);
    }
    let some = server.get("/in-flight?service=shop&last=built");
    assert!(words(&some).contains("4 merged , 2 built , all ."), "{}", some.body);
    assert!(words(&some).contains("2 changes in flight after they were built"), "{}", some.body);
    assert_eq!(some.body.matches("/services/shop/changes/").count(), 2);
    assert!(some.body.contains("/api/v1/waiting?service=shop&amp;last=built"), "{}", some.body);
    assert!(some.body.contains("href=\"/in-flight?service=shop\""), "{}", some.body);
    assert!(
        text("/in-flight?last=approved").contains("Nothing is in flight after it was approved")
    );
    for wrong in ["deployed", "x", "<script>"] {
        let wrong = wrong.replace('<', "%3C").replace('>', "%3E");
        assert_eq!(server.get(&format!("/in-flight?last={wrong}")).status, 400);
        assert_eq!(server.get(&format!("/api/v1/waiting?last={wrong}")).status, 400);
    }
    // What is delivered is in none of them any more.
    server.events(&[live("production", "v2", 3, 500)]);
    server.settle();
    assert_eq!(server.report("/waiting")["by_last_milestone"], json!({ "merged": 4 }));
}

#[test]
fn a_deployment_appears_on_an_open_page() {
    let data = Data::new();
    let server = filled(&data);
    let mut open = server.connect();
    open.write_all(b"GET /live HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        .unwrap();
    let mut heard = String::new();
    let mut hear = |moves: usize| {
        let since = Instant::now();
        while heard.matches("event: moved").count() < moves {
            let mut bytes = [0; 4096];
            let n = open.read(&mut bytes).unwrap();
            assert!(n > 0 && since.elapsed() < PATIENCE, "{heard}");
            heard.push_str(&String::from_utf8_lossy(&bytes[..n]));
        }
    };
    hear(1);
    assert!(!page(&server, "/live/deployments").body.contains("github.com%2Facme%2Flate"));
    let mut late = Forge::new("acme/late", MAY);
    late.push(50.0 * DAY, "main", 0, &[(1, 49.0 * DAY)]);
    late.deployed(50.0 * DAY + 1.0, 50.0 * DAY + 2.0, 77, 1, "success");
    late.send(&server);
    // The views may move more than once on the way.
    for moves in 2.. {
        hear(moves);
        if page(&server, "/live/deployments").body.contains("github.com%2Facme%2Flate") {
            break;
        }
    }
    assert!(page(&server, "/").body.contains("data-live=\"/live/deployments\""));
    // An open page does not keep the server from ending.
    let since = Instant::now();
    assert!(server.stop());
    assert!(since.elapsed().as_secs() < 8, "it took {:?}", since.elapsed());
}

#[test]
fn script_from_outside_is_text_on_every_page() {
    let data = Data::new();
    let server = data.serve();
    let event = |id: &str, kind: &str, at: i64, content: Value| {
        serde_json::json!({"specversion": "1.0", "id": id, "source": format!("https://x/{SCRIPT}").replace(['"', '`', ' '], ""),
            "type": kind, "time": crate::forge::iso(at), "datacontenttype": "application/json",
            "data": {"context": {"version": "0.4.1", "id": id, "source": "/ci", "type": kind,
                "timestamp": crate::forge::iso(at)},
                "subject": {"id": format!("{id}{SCRIPT}"), "source": SCRIPT, "type": "service", "content": content}}})
    };
    let kind = "dev.cdevents.service.deployed.0.2.0";
    let content = serde_json::json!({"environment": {"id": "production"}, "artifactId": format!("pkg:generic/{SCRIPT}@1")});
    server.events(&[event("a", kind, MAY, content)]);
    let mut forge =
        Forge::new(&format!("acme/{}", "<script>alert(1)<script>".replace('/', "")), MAY);
    forge.push(1.0, "main", 0, &[(1, 0.0)]);
    forge.push(9.0, "main", 1, &[(2, 5.0)]);
    forge.send(&server);
    server.settle();
    let services = server.report("/services")["rows"].as_array().unwrap().clone();
    let mut paths: Vec<String> =
        ["/", "/in-flight", "/live/deployments", "/?sort=waiting"].map(str::to_owned).into();
    let escaped = |name: &str| name.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    for row in &services {
        let name = escaped(row["service"].as_str().unwrap());
        paths.extend([format!("/services/{name}"), format!("/in-flight?service={name}")]);
    }
    assert!(!services.is_empty());
    for path in paths {
        let shown = page(&server, &path);
        assert!(
            !shown.body.contains("<script>alert") && !shown.body.contains("<img src=x"),
            "{path}: {}",
            shown.body
        );
    }
    for path in ["/services/", "/groups/", "/?sort=", "/in-flight?service="] {
        let answer = server.get(&format!("{path}{}", escaped(SCRIPT)));
        assert!(answer.status >= 400 && !answer.body.contains("<script>alert"), "{path}");
        assert!(answer.body.contains("&lt;script&gt;"), "{path}: {}", answer.body);
    }
}
