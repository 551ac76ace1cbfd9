//! `seaway backfill`, the schedule of a server, and imports into a server that runs.

use crate::lang::{hour, rfc3339};
use crate::mirrors::deployment;
use crate::serve_lang::{Data, PATIENCE, Server};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(crate) const TOKEN: &str = "ghp_secret0123456789";

/// A server that answers as GitHub documents, for one page of each listing.
pub(crate) struct GitHub {
    pub(crate) url: String,
    world: Arc<Mutex<World>>,
}

#[derive(Default)]
struct World {
    objects: BTreeMap<String, Value>,
    /// Paths that were asked for, and the authorization that came with each.
    asked: Vec<(String, String)>,
    /// How many answers are "not yet", each to be asked again after a second.
    limited: usize,
    /// How long an answer takes.
    delay: Duration,
}

impl GitHub {
    pub(crate) fn start(objects: BTreeMap<String, Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let world = Arc::new(Mutex::new(World { objects, ..World::default() }));
        let shared = Arc::clone(&world);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || answer(&stream, &shared));
            }
        });
        Self { url, world }
    }

    fn asked(&self) -> usize {
        self.world.lock().unwrap().asked.len()
    }
}

fn answer(mut stream: &TcpStream, world: &Mutex<World>) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut token = String::new();
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            token = value.to_owned();
        }
    }
    let path = first.split(' ').nth(1)?.split('?').next()?.trim_start_matches('/').to_owned();
    let (status, more, body, delay) = {
        let mut world = world.lock().unwrap();
        world.asked.push((path.clone(), token));
        if world.limited > 0 {
            world.limited -= 1;
            let body = json!({ "message": "You have exceeded a secondary rate limit." });
            (429, "Retry-After: 1\r\n", body, world.delay)
        } else {
            match world.objects.get(&path) {
                Some(found) => (200, "", found.clone(), world.delay),
                None => (404, "", json!({ "message": "Not Found" }), world.delay),
            }
        }
    };
    std::thread::sleep(delay);
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Date: Mon, 23 Nov 2026 12:00:00 GMT\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()
}

/// A repository with a pull request and a deployment for each of `count` days.
fn objects(count: i64) -> BTreeMap<String, Value> {
    let now = 1_795_435_200 - 3_600;
    let sha = |number: i64| format!("{number:040x}");
    let at = |number: i64| rfc3339(now - (count - number) * 3_600);
    let mut objects = BTreeMap::new();
    let mut set = |path: &str, value| objects.insert(format!("repos/acme/shop{path}"), value);
    set(
        "",
        json!({
            "id": 1, "full_name": "acme/shop", "html_url": "https://github.com/acme/shop",
            "clone_url": "https://github.com/acme/shop.git", "default_branch": "main",
            "pushed_at": at(count), "updated_at": at(count),
        }),
    );
    let newest_first = || (1..=count).rev();
    set("/pulls", newest_first().map(|n| json!({
        "id": 1_000 + n, "number": n, "title": format!("Change {n}"), "state": "closed",
        "user": { "login": "ada", "type": "User" }, "created_at": at(n), "updated_at": at(n),
        "closed_at": at(n), "merged_at": at(n), "merge_commit_sha": sha(1_000 + n),
        "html_url": format!("https://github.com/acme/shop/pull/{n}"),
        "head": { "ref": "topic", "sha": sha(n) }, "base": { "ref": "main", "sha": sha(9_999) },
    })).collect());
    set(
        "/deployments",
        newest_first()
            .map(|n| {
                json!({
                    "id": n, "sha": sha(1_000 + n), "environment": "production",
                    "original_environment": "production", "created_at": at(n), "updated_at": at(n),
                })
            })
            .collect(),
    );
    for n in newest_first() {
        let status = json!([{ "id": n, "state": "success", "created_at": at(n) }]);
        set(&format!("/deployments/{n}/statuses"), status);
        set(&format!("/pulls/{n}/reviews"), json!([]));
        set(&format!("/pulls/{n}/commits"), json!([]));
    }
    objects
}

/// The identifiers of all events on the log, in order.
fn on_the_log(data: &Data) -> Vec<String> {
    let exported = data.run(&["export"]);
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].to_string();
    let mut ids: Vec<String> = exported.lines().map(id).collect();
    ids.sort();
    ids
}

fn data() -> Data {
    Data::new().env("GITHUB_TOKEN", TOKEN)
}

const BACKFILL: [&str; 5] = ["backfill", "github", "acme/shop", "--since", "2026-11-01"];

fn backfill(data: &Data, github: &GitHub) -> String {
    let arguments = [&BACKFILL[..], &["--api-url", &github.url]].concat();
    let output = data.seaway(&arguments).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(!said.contains(TOKEN), "{said}");
    said
}

#[test]
fn backfill_adds_once_and_the_token_stays_secret() {
    let github = GitHub::start(objects(5));
    github.world.lock().unwrap().limited = 2;
    let data = data();
    let said = backfill(&data, &github);
    // The repository, five pull requests, five deployments with a status each.
    assert!(said.contains("1 repository: 16 new events, 0 known already"), "{said}");
    let before = on_the_log(&data);
    let said = backfill(&data, &github);
    assert!(said.contains(": 0 new events"), "{said}");
    assert_eq!(on_the_log(&data), before);
    let world = github.world.lock().unwrap();
    let bearer = format!("Bearer {TOKEN}");
    assert!(world.asked.iter().all(|(_, token)| *token == bearer));
    assert!(!data.run(&["export"]).contains(TOKEN));
}

#[test]
fn a_backfill_that_was_killed_goes_on_without_a_hole() {
    let whole = GitHub::start(objects(20));
    let expected = {
        let data = data();
        backfill(&data, &whole);
        on_the_log(&data)
    };
    let github = GitHub::start(objects(20));
    github.world.lock().unwrap().delay = Duration::from_millis(15);
    let data = data();
    for asked in [3, 30, 60] {
        let before = github.asked();
        let arguments = [&BACKFILL[..], &["--api-url", &github.url]].concat();
        let mut child =
            data.seaway(&arguments).stdout(std::process::Stdio::null()).spawn().unwrap();
        let since = Instant::now();
        while github.asked() < before + asked && child.try_wait().unwrap().is_none() {
            assert!(since.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = child.kill();
        child.wait().unwrap();
    }
    backfill(&data, &github);
    assert_eq!(on_the_log(&data), expected);
}

#[test]
fn a_server_finds_what_webhooks_missed() {
    let github = GitHub::start(objects(3));
    let data = data();
    let config = data.beside("seaway.toml");
    let text = format!(
        "[mirrors]\ncatalogued = false\n[github]\nbackfill = [\"acme/shop\"]\ndays = 3000\n\
         api_url = {:?}\n",
        github.url
    );
    std::fs::write(&config, text).unwrap();
    let data = data.arg("--config").arg(config.display().to_string());
    let server = data.serve();
    let since = Instant::now();
    loop {
        server.settle();
        let answer = server.get("/api/v1/services/github.com%2Facme%2Fshop/deployments");
        if answer.status == 200 && answer.json()["rows"].as_array().unwrap().len() == 3 {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "{}", answer.body);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(server.stop(), "it ends although it waits for the next hour");
    let (code, said) = {
        std::fs::write(&config, "[github]\nbackfill = [\"a/b/c\"]\n").unwrap();
        data.run_failing(&["serve", "--config", config.to_str().unwrap()])
    };
    assert_eq!(code, 2);
    assert!(said.contains("a/b/c"), "{said}");
}

/// Lines of deployments, the last of which no server can take.
fn lines(count: i64) -> String {
    let line = |number: i64| {
        let name = format!("d-{number:04}");
        deployment("shop", &name, &format!("{number:040x}"), hour(number)).to_string() + "\n"
    };
    (1..=count).map(line).collect()
}

fn length(server: &Server) -> usize {
    let mut count = 0;
    let arrivals = server.report("/quality")["arrivals"].clone();
    for arrival in arrivals.as_array().unwrap() {
        count += usize::try_from(arrival["count"].as_u64().unwrap()).unwrap();
    }
    count
}

#[test]
fn an_import_tells_a_server_that_runs() {
    let data = Data::new();
    let file = data.beside("events.ndjson");
    let own = json!({
        "specversion": "1.0", "id": "own", "source": "seaway/catalog",
        "type": "dev.seaway.catalog.entity", "data": {},
    });
    let captured = json!({
        "headers": { "X-GitHub-Event": "ping", "X-GitHub-Delivery": "p-1" }, "body": { "zen": "" },
    });
    std::fs::write(&file, format!("{}{own}\n{captured}\n", lines(1_203))).unwrap();
    let file = file.to_str().unwrap();
    let server = data.serve();
    let (code, said) =
        data.run_failing(&["import", file, "--data", data.folder().to_str().unwrap()]);
    assert_eq!(code, 3, "the folder is in use: {said}");

    let url = server.url();
    let said = data.run(&["import", file, "--server", &url]);
    assert!(said.starts_with("1204 new events, 0 known already, 0 lines rejected\n1 of"), "{said}");
    assert_eq!(length(&server), 1_204);
    let said = data.run(&["import", file, "--server", &url]);
    assert!(said.starts_with("0 new events, 1204 known already"), "{said}");

    let output = data.seaway(&["import", file]).env("SEAWAY_SERVER", &url).output().unwrap();
    assert!(output.status.success(), "a server may be named by the environment");
    assert!(server.stop());
    assert!(!data.run(&["export"]).contains("seawayreceivedat\":null"));
    let (code, said) = data.run_failing(&["import", file, "--server", "ftp://x"]);
    assert_eq!((code, said.contains("http")), (2, true), "{said}");
}

#[test]
fn an_import_is_patient_with_a_server_that_is_busy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answers = [
        ("429", r#"{"detail":"busy"}"#),
        ("503", r#"{"detail":"busy"}"#),
        ("207", r#"{"accepted":2,"known":0,"rejected":[{"index":1,"reason":"odd"}]}"#),
    ];
    let busy = std::thread::spawn(move || {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut length = 0;
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                if let Some(told) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = told.trim().parse().unwrap();
                }
                line.clear();
            }
            std::io::copy(&mut std::io::Read::take(reader, length), &mut std::io::sink()).unwrap();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\nRetry-After: 1\r\nConnection: close\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        }
    });
    let data = Data::new();
    let file = data.beside("events.ndjson");
    std::fs::write(&file, lines(3)).unwrap();
    let since = Instant::now();
    let (code, said) = data.run_failing(&["import", file.to_str().unwrap(), "--server", &url]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("line 2: odd"), "{said}");
    assert!(since.elapsed() >= Duration::from_secs(2), "it waits as it is asked to");
    busy.join().unwrap();
}
