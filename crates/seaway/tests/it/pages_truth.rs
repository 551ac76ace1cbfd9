//! What pages and reports say of odd data: nothing that the data do not say.

use crate::pages_rows::words;
use crate::serve_lang::{Data, Server};
use crate::serve_openapi::{SHOP, event, filled, hash, with_catalog};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};

/// A page that is there, as people read it: without markup, with its spaces as one.
pub(crate) fn text_of(server: &Server, path: &str) -> String {
    let answer = server.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    words(&answer)
}

/// A minute of March 2026.
pub(crate) fn at(minute: u32) -> String {
    format!("2026-03-{:02}T{:02}:{:02}:00Z", 1 + minute / 1_440, minute / 60 % 24, minute % 60)
}

/// Commits 1 to `last` on the mainline, each made at the minute of its number.
pub(crate) fn line(last: u32) -> Value {
    let commit = |number: u32| {
        let parents: Vec<String> = (number > 1).then(|| hash(number - 1)).into_iter().collect();
        json!({
            "hash": hash(number), "parents": parents, "authoredAt": at(number),
            "committedAt": at(number), "author": {"name": "Ada", "email": "ada@example.com"},
            "message": format!("Work {number}"),
        })
    };
    let commits: Vec<Value> = (1..=last).map(commit).collect();
    event(
        &format!("push-{last}"),
        "commit.pushed",
        &hash(last),
        json!({
            "repository": SHOP, "branch": "main", "default": true, "after": hash(last),
            "pushedAt": at(last), "commits": commits,
        }),
    )
}

/// A successful deployment of a commit at a minute.
pub(crate) fn live(environment: &str, name: &str, revision: u32, minute: u32) -> Value {
    event(
        &format!("{environment}-{name}"),
        "deployment.finished",
        name,
        json!({
            "service": "shop", "environment": environment, "name": name, "repository": SHOP,
            "revision": hash(revision), "startedAt": at(minute), "finishedAt": at(minute),
            "outcome": "success",
        }),
    )
}

#[test]
fn names_of_deployments_are_told_apart_by_environment() {
    let data = Data::new();
    let server = data.serve();
    server.events(&[
        line(5),
        live("prod-eu", "v1", 1, 100),
        live("prod-us", "v1", 1, 200),
        live("prod-us", "v2", 4, 300),
        live("prod-eu", "v2", 4, 400),
        live("prod-us", "v3", 5, 500),
    ]);
    let of = |environment: &str, name: &str| {
        server.report(&format!("/services/shop/deployments/{environment}/{name}"))
    };
    let carried = |value: &Value| value["delivered"].as_array().unwrap().len();
    let (us, eu) = (of("prod-us", "v2"), of("prod-eu", "v2"));
    assert_eq!((us["changes"].as_u64(), carried(&us)), (Some(3), 3));
    assert_eq!((eu["changes"].as_u64(), carried(&eu)), (Some(0), 0));
    assert_eq!(eu["kind"], "redeployment");
    assert_eq!((&eu["replaced"], &eu["replaced_environment"]), (&json!("v2"), &json!("prod-us")));
    let path =
        |environment: &str, name: &str| format!("/services/shop/deployments/{environment}/{name}");
    let us = text_of(&server, &path("prod-us", "v2"));
    assert!(us.contains("Replaced v1 Replaced by v2 in prod-eu ,"), "{us}");
    let eu = text_of(&server, &path("prod-eu", "v2"));
    assert!(eu.contains("Replaced v2 in prod-us Replaced by v3 in prod-us ,"), "{eu}");
    assert!(eu.contains("It delivered no change that stayed."), "{eu}");
    // Its changes lead to the one that delivered it first.
    let change = server.report(&format!("/services/shop/changes/{}", hash(3)));
    assert_eq!((&change["deployment"], &change["environment"]), (&json!("v2"), &json!("prod-us")));
    let answer = server.get(&format!("/services/shop/changes/{}", hash(3)));
    assert!(answer.body.contains(&path("prod-us", "v2")), "{}", answer.body);
    assert!(words(&answer).contains("With it came 2 other changes"), "{}", answer.body);
}

#[test]
fn what_replaced_a_deployment_is_known_whatever_came_between() {
    let data = Data::new();
    let server = data.serve();
    let mut events = vec![line(3), live("production", "v1", 1, 100)];
    events.extend((0..60).map(|i| live("staging", &format!("s{i}"), 2, 101 + i)));
    events.push(live("production", "v2", 2, 300));
    server.events(&events);
    server.settle();
    let text = text_of(&server, "/services/shop/deployments/production/v1");
    assert!(text.contains("Replaced by v2 ,"), "{text}");
    assert!(text.contains("Nobody any more"), "{text}");
}

#[test]
fn the_form_of_comparisons_is_understood_as_browsers_send_it() {
    let data = with_catalog();
    let server = filled(&data);
    server.settle();
    for by in ["group", "service", "architecture", "runtime", "tier"] {
        let path = format!("/compare?by={by}&group=&since=2026-01-01&until=");
        let text = text_of(&server, &path);
        assert!(text.contains(&format!("By {by}, since 2026-01-01, until now")), "{text}");
    }
    // Both forms keep what was asked for.
    let body = server.get("/compare?by=service&group=acme&architecture=microservice").body;
    let hidden = "<input type=\"hidden\" name=\"architecture\" value=\"microservice\">";
    assert_eq!(body.matches(hidden).count(), 2, "{body}");
    assert!(body.contains("<input type=\"hidden\" name=\"group\" value=\"acme\">"), "{body}");
}

/// Services, each with a push and a deployment of its own; `idle` ones have only old ones.
fn many(server: &Server, idle: u32, busy: u32) {
    let mut events = Vec::new();
    for number in 0..idle + busy {
        let (name, day) = (format!("s{number:03}"), if number < idle { 1 } else { 20 });
        let repository = format!("https://github.com/example/{name}");
        let moment = |hour: u32| format!("2026-03-{day:02}T{hour:02}:00:00Z");
        let commits: Vec<Value> = (1..=2_u32)
            .map(|it| {
                let parents: Vec<String> = (it > 1).then(|| hash(it - 1)).into_iter().collect();
                json!({"hash": hash(it), "parents": parents, "authoredAt": moment(it),
                    "committedAt": moment(it), "message": "work",
                    "author": {"name": "Ada", "email": "ada@example.com"}})
            })
            .collect();
        events.push(event(
            &format!("push-{name}"),
            "commit.pushed",
            &hash(2),
            json!({"repository": repository, "branch": "main", "default": true,
                "after": hash(2), "pushedAt": moment(3), "commits": commits}),
        ));
        for revision in [1, 2] {
            let name_of_it = format!("{name}-{revision}");
            let at = moment(3 + revision);
            events.push(event(
                &name_of_it,
                "deployment.finished",
                &name_of_it,
                json!({"service": name, "environment": "production", "name": name_of_it,
                    "repository": repository, "revision": hash(revision), "startedAt": at,
                    "finishedAt": at, "outcome": "success"}),
            ));
        }
    }
    server.events(&events);
    server.settle();
}

#[test]
fn a_comparison_of_services_leaves_out_what_is_idle_before_it_cuts() {
    let data = Data::new();
    let server = data.serve();
    many(&server, 9, 10);
    let found = server.report("/compare?by=service&since=2026-03-10");
    let parts = found["parts"].as_array().unwrap();
    let names: Vec<&str> = parts.iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["s009", "s010", "s011", "s012", "s013", "s014", "s015", "s016"]);
    assert_eq!(found["left_out"], 2);
    let text = text_of(&server, "/compare?by=service&since=2026-03-10");
    assert!(text.contains("2 others are left out: the first 8 by name are shown"), "{text}");
    let whole = server.report("/compare?by=service&since=2026-02-01");
    assert_eq!(whole["left_out"], 11);
    // The same days unless somebody says otherwise.
    let organization = text_of(&server, "/");
    assert!(organization.contains("in the last 90 days"), "{organization}");
    let since = server.report("/compare")["since"].as_str().unwrap().to_owned();
    assert!(server.get("/").body.contains(&format!("value=\"{since}\"")), "{since}");
}

#[test]
fn a_comparison_compares_only_what_its_filter_keeps() {
    let data = with_catalog();
    let server = filled(&data);
    server.settle();
    for (query, status) in [
        ("by=service&of=shop&architecture=microservice", 200),
        ("by=service&of=shop&architecture=monolith", 400),
        ("by=service&of=shop&group=acme", 200),
        ("by=service&of=github.com/example/lonely&group=acme", 400),
        ("by=group&of=checkout&group=acme", 200),
        ("by=group&of=acme&group=checkout", 400),
    ] {
        for path in ["/api/v1/compare", "/compare"] {
            assert_eq!(server.get(&format!("{path}?{query}")).status, status, "{path}?{query}");
        }
    }
}

#[test]
fn words_of_the_json_are_searched_for_in_subjects_alone() {
    let data = Data::new();
    let server = data.serve();
    let commit = |number: u32| {
        let parents: Vec<String> = (number > 1).then(|| hash(number - 1)).into_iter().collect();
        let message = if number == 1 { "Repair the status of Größe" } else { "Work" };
        json!({
            "hash": hash(number), "parents": parents, "authoredAt": at(number),
            "committedAt": at(number), "author": {"name": "Ada", "email": "ada@example.com"},
            "message": message,
        })
    };
    let commits: Vec<Value> = (1..=250).map(commit).collect();
    let push = json!({"repository": SHOP, "branch": "main", "default": true, "after": hash(250),
        "pushedAt": at(250), "commits": commits});
    server.events(&[event("push", "commit.pushed", &hash(250), push)]);
    for q in ["status", "repair", "STATUS", "gr%C3%B6%C3%9Fe"] {
        let found = server.report(&format!("/search?q={q}"));
        let changes = found["changes"].as_array().unwrap();
        assert_eq!(changes.len(), 1, "{q}: {found}");
        assert_eq!(changes[0]["change"], hash(1), "{q}");
    }
    let found = server.report("/search?q=author");
    assert_eq!(found["changes"].as_array().unwrap().len(), 0, "{found}");
}

#[test]
fn what_a_deployment_of_an_unknown_revision_carried_is_not_known() {
    let data = Data::new();
    let server = data.serve();
    server.events(&[
        line(5),
        live("production", "v1", 1, 100),
        live("production", "v2", 3, 200),
        live("production", "v3", 5, 300),
        live("production", "odd", 99, 400),
    ]);
    server.settle();
    let text = text_of(&server, "/services/shop");
    assert!(text.contains("Half of the latest 3 deployments carried 2 changes or fewer"), "{text}");
    assert!(text.contains("n = 3 since"), "{text}");
    assert!(text.contains("odd not known revision not known"), "{text}");
    assert!(text_of(&server, "/").contains("odd not known revision not known"));
    let only = Data::new();
    let server = only.serve();
    server.events(&[line(2), live("production", "odd", 99, 400)]);
    server.settle();
    let text = text_of(&server, "/services/shop");
    assert!(text.contains("What the latest deployments carried is not known"), "{text}");
}

#[test]
fn events_of_unknown_kinds_are_told_first() {
    let data = Data::new();
    let server = data.serve();
    server.events(&[json!({
        "specversion": "1.0", "id": "1", "source": "elsewhere", "type": "com.example.strange"
    })]);
    server.settle();
    let text = text_of(&server, "/quality");
    assert!(text.contains("1 event of an unknown kind"), "{text}");
    assert!(!text.contains("All that arrived was linked and understood"), "{text}");
}

#[test]
fn every_event_that_was_not_understood_is_a_row() {
    let data = Data::new();
    let server = data.serve();
    let bad = |id: u32| event(&format!("e{id:03}"), "commit.pushed", "x", json!({"branch": 7}));
    server.events(&(0..60).map(bad).collect::<Vec<_>>());
    server.settle();
    let body = server.get("/quality").body;
    assert!(body.contains("\"/api/v1/quality/malformed\""), "{body}");
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let page = server.report(&format!("/quality/malformed?limit=25{after}"));
        let rows = page["rows"].as_array().unwrap();
        ids.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={}", next.replace('\n', "%0A"));
    }
    assert_eq!(ids, (0..60).map(|id| format!("e{id:03}")).collect::<Vec<_>>());
    let sheet = server.get("/api/v1/quality/malformed?format=csv");
    assert_eq!(sheet.body.lines().count(), 61, "{}", sheet.body);
}

/// Further back than one request looks, too.
#[test]
fn every_event_of_an_unknown_kind_is_a_row() {
    let data = Data::new();
    let server = data.serve();
    let odd = |id: u32, kind: &str| {
        json!({ "specversion": "1.0", "id": format!("e{id:05}"), "source": "s",
        "type": kind, "time": "2026-01-01T00:00:00Z", "datacontenttype": "text/plain", "data": "four" })
    };
    let rare = |ids: std::ops::Range<u32>| {
        ids.map(|id| odd(id, "com.example.<b>rare")).collect::<Vec<_>>()
    };
    server.events(&rare(0..3));
    for part in 0..5 {
        let ids = 10_000 + part * 4_500..10_000 + (part + 1) * 4_500;
        server.events(&ids.map(|id| odd(id, "com.example.common")).collect::<Vec<_>>());
    }
    server.events(&rare(3..60));
    server.settle();
    let read = |query: &str, size: usize| {
        let (mut rows, mut after, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = server.report(&format!("/quality/unknown?limit={size}{query}{after}"));
            pages += 1;
            let some = page["rows"].as_array().unwrap();
            assert!(some.len() <= size);
            rows.extend(some.iter().cloned());
            let Some(next) = page["next"].as_str() else { return (rows, pages) };
            after = format!("&after={next}");
        }
    };
    let ids = |rows: &[Value]| {
        rows.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let wanted: Vec<String> = (0..60).rev().map(|id| format!("e{id:05}")).collect();
    let (rows, pages) = read("&kind=com.example.%3Cb%3Erare", 25);
    assert_eq!(ids(&rows), wanted);
    assert!(pages >= 4, "{pages}");
    let (all, _) = read("", 1_000);
    assert_eq!(all.len(), 60 + 22_500);
    let places: Vec<i64> = all.iter().map(|it| it["position"].as_i64().unwrap()).collect();
    assert!(places.is_sorted_by(|a, b| a > b), "the newest first, each once");
    assert!(rows.iter().all(|it| it["bytes"] == 4 && it["source"] == "s"), "{:?}", rows[0]);
    // The page of data quality leads to each.
    let quality = server.get("/quality").body;
    assert!(quality.contains("/quality/unknown?kind=com.example.%3Cb%3Erare\">60<"), "{quality}");
    let page = server.get("/quality/unknown?kind=com.example.%3Cb%3Erare").body;
    assert!(page.contains("com.example.&lt;b&gt;rare") && !page.contains("<b>rare"), "{page}");
    assert_eq!(page.matches("/api/v1/event?source=s&amp;id=e000").count(), 57, "{page}");
    assert!(page.contains("Older ones"), "{page}");
    assert!(server.get("/quality/unknown?kind=none").body.contains("There are none."));
    let sheet = server.get("/api/v1/quality/unknown?format=csv&kind=com.example.%3Cb%3Erare");
    assert_eq!(sheet.body.lines().count(), 58, "{}", sheet.body);
    for wrong in ["after=x", "after=-1", "after=0", "limit=0", "x=y"] {
        assert_eq!(server.get(&format!("/api/v1/quality/unknown?{wrong}")).status, 400, "{wrong}");
    }
}

#[test]
fn days_after_the_data_are_told_to_be_so() {
    let data = Data::new();
    let server = data.serve();
    server.events(&[line(5), live("production", "v1", 1, 100), live("production", "v2", 3, 200)]);
    server.settle();
    // The data end on the first of March.
    let text = text_of(&server, "/?since=2026-03-02");
    assert!(text.contains("These days are after the newest data."), "{text}");
    let text = text_of(&server, "/?since=2026-03-01");
    assert!(text.contains("on the last day") && text.contains("the 1 day before"), "{text}");
    // A span that ends after them is one that ends with them.
    let far = text_of(&server, "/?until=2100-01-01");
    assert!(far.contains("Half of all changes reach customers within"), "{far}");
    assert!(far.contains("in the last 90 days"), "{far}");
}

#[test]
fn a_difference_is_judged_by_all_ages_and_not_by_two_intervals() {
    // Two quarters of which each has many changes, the second one slower by a quarter.
    let data = Data::new();
    let server = data.serve();
    let mut events = Vec::new();
    let start = 1_767_225_600_i64; // 2026-01-01
    let iso = |moment: i64| jiff::Timestamp::from_second(moment).unwrap().to_string();
    let (mut commits, mut deployments) = (Vec::new(), Vec::new());
    for number in 1..=360_u32 {
        let authored = start + i64::from(number) * 43_200;
        let slow = if number > 180 { 5 } else { 4 };
        let took = slow * 600 * i64::from(1 + number * 7 % 16);
        let parents: Vec<String> = (number > 1).then(|| hash(number - 1)).into_iter().collect();
        commits.push(json!({"hash": hash(number), "parents": parents,
            "authoredAt": iso(authored), "committedAt": iso(authored), "message": "work",
            "author": {"name": "Ada", "email": "ada@example.com"}}));
        let name = format!("v{number}");
        deployments.push(event(
            &name,
            "deployment.finished",
            &name,
            json!({"service": "shop", "environment": "production", "name": name,
                "repository": SHOP, "revision": hash(number),
                "startedAt": iso(authored + took), "finishedAt": iso(authored + took),
                "outcome": "success"}),
        ));
    }
    let end = iso(start + 361 * 43_200);
    let push = json!({"repository": SHOP, "branch": "main", "default": true,
        "after": hash(360), "pushedAt": end, "commits": commits});
    events.push(event("push", "commit.pushed", &hash(360), push));
    events.extend(deployments);
    server.events(&events);
    server.settle();
    let report = |span: &str| server.report(&format!("/organization?{span}"));
    let (then, now) = (report("since=2026-01-01&until=2026-04-01"), report("since=2026-04-01"));
    let bound = |report: &Value, name: &str| report["time_to_value"]["p50"][name].as_f64().unwrap();
    // The intervals overlap, and the difference is no chance.
    assert!(bound(&then, "high") > bound(&now, "low"), "{then} {now}");
    let text = text_of(&server, "/?since=2026-04-01");
    assert!(text.contains("Slower than in the 9"), "{text}");
    assert!(text.contains("This is beyond noise (log-rank p"), "{text}");
}

const CATALOG: &str = "\
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: quiet}
spec: {type: team}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: old, annotations: {github.com/project-slug: example/old}}
spec: {owner: quiet}
";

#[test]
fn what_a_quiet_group_deployed_is_found_among_many() {
    let data = Data::new();
    let folder = data.beside("catalog");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("all.yaml"), CATALOG).unwrap();
    let data = data.arg("--catalog").arg(folder.to_str().unwrap());
    let server = data.serve();
    let old = "https://github.com/example/old";
    let mut events = vec![
        line(2),
        event(
            "old",
            "deployment.finished",
            "calm",
            json!({"service": "old", "environment": "production", "name": "calm",
                "repository": old, "revision": hash(1), "startedAt": at(1), "finishedAt": at(1),
                "outcome": "success"}),
        ),
    ];
    events.extend((0..1_100).map(|i| live("production", &format!("v{i}"), 1, 10 + i)));
    server.events(&events);
    server.settle();
    for path in ["/groups/quiet", "/live/deployments?group=quiet"] {
        let text = text_of(&server, path);
        assert!(text.contains("2026-03-01 00:01 old calm"), "{path}: {text}");
        assert!(!text.contains("v1099"), "{path}: {text}");
    }
    assert!(text_of(&server, "/").contains("v1099"));
    // The same of what waits, as JSON and as CSV.
    let waiting = |query: &str| server.report(&format!("/waiting?{query}"))["rows"].clone();
    assert_eq!(waiting("group=quiet").as_array().unwrap().len(), 0);
    assert_eq!(waiting("").as_array().unwrap().len(), 1);
    assert_eq!(server.get("/api/v1/waiting?group=none").status, 404);
    assert!(server.get("/in-flight?group=quiet").body.contains("/api/v1/waiting?group=quiet"));
}

#[test]
fn deployments_to_staging_do_not_hide_those_to_production() {
    let data = Data::new();
    let server = data.serve();
    let mut events = vec![line(3), live("production", "v1", 1, 100)];
    events.push(live("production", "v2", 3, 101));
    events.extend((0..220).map(|i| live("staging", &format!("s{i}"), 2, 200 + i)));
    server.events(&events);
    server.settle();
    let text = text_of(&server, "/services/shop");
    assert!(text.contains("Half of the latest 2 deployments"), "{text}");
}

#[test]
fn all_that_a_large_deployment_carried_is_counted() {
    let data = Data::new();
    let server = data.serve();
    server.events(&[
        line(1_205),
        live("production", "v1", 1, 2_000),
        live("production", "v2", 1_201, 2_100),
    ]);
    server.settle();
    let text = text_of(&server, "/services/shop/deployments/production/v2");
    assert!(text.contains("1,200 changes, rework included."), "{text}");
    assert!(text.contains("The first 100 of 1,200"), "{text}");
    let text = text_of(&server, &format!("/services/shop/changes/{}", hash(7)));
    assert!(text.contains("With it came 1,199 other changes"), "{text}");
    let waits = server.get(&format!("/services/shop/changes/{}", hash(1_205)));
    assert!(waits.body.contains("href=\"/in-flight?service=shop\""), "{}", waits.body);
}

#[test]
fn open_pages_leave_room_for_everybody_else() {
    let data = Data::new();
    let mut command = std::process::Command::new("sh");
    let program = data.seaway(&["serve", "--listen", "127.0.0.1:0"]);
    command.args(["-c", "ulimit -n 200; exec \"$0\" \"$@\""]).arg(program.get_program());
    command.args(program.get_args()).env_clear();
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let server = Server::start(command);
    let open = || {
        let mut stream = server.connect();
        stream.write_all(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut head = [0; 15];
        stream.read_exact(&mut head).unwrap();
        (stream, String::from_utf8_lossy(&head[9..12]).into_owned())
    };
    let streams: Vec<_> = (0..120).map(|_| open()).collect();
    let count = |status: &str| streams.iter().filter(|(_, it)| it == status).count();
    // Of 150 connections, a quarter is for open pages.
    assert_eq!((count("200"), count("429")), (37, 83));
    assert_eq!(server.get("/healthz").status, 200);
    server.events(&[line(2)]);
}
