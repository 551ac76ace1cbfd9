//! What no well-behaved client sends. After each the server answers, and what it took is kept.

use crate::serve_lang::{Answer, Data, Server};
use crate::serve_load::{BATCH, Random, cloud_event, event};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use std::io::Write as _;

const STRUCTURED: (&str, &str) = ("Content-Type", "application/cloudevents+json");
/// What a server may need beside what it needs for one event: all bodies, twice.
const MEMORY_MAX_KIB: u64 = 600 << 10;

/// A server that has taken in something, and must keep it.
struct Beset {
    data: Data,
    server: Server,
}

impl Beset {
    fn new() -> Self {
        Self::with(Data::new())
    }

    fn with(data: Data) -> Self {
        let server = data.serve();
        server.events(&[event(0)]);
        Self { data, server }
    }

    /// Sends what must be refused in this way.
    fn refused(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Value {
        let answer = self.server.post("/events", headers, body);
        assert_eq!(answer.status, status, "{}", answer.body);
        answer.problem()
    }

    /// The most memory that the server has had, in KiB.
    fn memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.server.process());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Looks whether it still takes events in, has all it took, and nothing else.
    fn holds(self, taken: usize) {
        self.server.events(&[event(1)]);
        self.server.settle();
        eprintln!("the server had {} MiB at most", self.memory() >> 10);
        assert!(self.memory() < MEMORY_MAX_KIB);
        assert!(self.server.stop(), "it ends in order");
        assert_eq!(self.data.run(&["export"]).lines().count(), taken + 2);
    }
}

#[test]
fn deeply_nested_json() {
    let beset = Beset::new();
    for depth in [101, 1_000, 100_000, 4_000_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let whole = event(2).to_string();
            let (head, _) = whole.split_once("\"data\":").unwrap();
            beset.refused(400, &[STRUCTURED], nested.as_bytes());
            beset.refused(400, &BATCH, nested.as_bytes());
            beset.refused(400, &[("Content-Type", "application/json")], nested.as_bytes());
            let broken = format!("{head}\"data\":{nested}");
            beset.refused(400, &[STRUCTURED], broken.as_bytes());
            let item = json!({"specversion": "1.0", "id": "x", "source": "x", "type": "x"});
            let item = item.to_string().replace("\"id\"", &format!("\"data\":{nested},\"id\""));
            beset.refused(400, &[STRUCTURED], item.as_bytes());
            beset.refused(400, &BATCH, format!("[{item}]").as_bytes());
            let binary = [
                ("ce-specversion", "1.0"),
                ("ce-id", "x"),
                ("ce-source", "x"),
                ("ce-type", "x"),
                ("Content-Type", "application/json"),
            ];
            beset.refused(400, &binary, nested.as_bytes());
        }
    }
    // Of forges everything that is JSON is kept, as they may send what is not known yet.
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    beset.server.github("push", "deep", nested.as_bytes());
    beset.server.settle();
    beset.holds(1);
}

#[test]
fn bodies_of_a_hundred_megabytes() {
    let beset = Beset::new();
    let body = vec![b' '; 100 << 20];
    for path in ["/events", "/webhooks/github", "/webhooks/gitlab"] {
        let answer = beset.server.post(path, &[STRUCTURED], &body);
        assert_eq!(
            (answer.status, &answer.problem()["type"]),
            (413, &"urn:seaway:problem:too-large".into())
        );
    }
    for _ in 0..3 {
        // In chunks nobody says how much it will be.
        let mut stream = beset.server.connect();
        let head = "POST /events HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
                    Connection: close\r\nContent-Type: application/cloudevents+json\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        for part in body.chunks(1 << 20) {
            let head = format!("{:x}\r\n", part.len());
            let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(part));
            if sent.and_then(|()| stream.write_all(b"\r\n")).is_err() {
                break;
            }
        }
        if let Some(answer) = Answer::read(&mut stream) {
            assert_eq!(answer.status, 413);
        }
    }
    beset.holds(0);
}

/// A gzip stream of zeros that is this long, and is more than 150 times as long when it is
/// decompressed: a literal zero, then copies of 258 bytes, each in 13 bits of the fixed code.
fn bomb(bytes: usize) -> Vec<u8> {
    let mut bits: Vec<bool> = vec![true, true, false];
    // The codes stand in it from their highest bit on; the literal 0 is 00110000.
    bits.extend([false, false, true, true, false, false, false, false]);
    let copy =
        [true, true, false, false, false, true, false, true, false, false, false, false, false];
    // After this the bits come in the same bytes again and again.
    while bits.len() < 11 + 13 * 8 * 8 {
        bits.extend(copy);
    }
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
    let all: Vec<u8> = bits.chunks(8).map(byte).collect();
    let mut stream = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    stream.extend(&all[..2]);
    while stream.len() < bytes {
        stream.extend(&all[2..15]);
    }
    stream
}

/// Bytes as gzip, without compression.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    let length = u16::try_from(bytes.len()).unwrap();
    stream.extend(length.to_le_bytes());
    stream.extend((!length).to_le_bytes());
    stream.extend(bytes);
    let crc = bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    stream.extend((!crc).to_le_bytes());
    stream.extend(u32::from(length).to_le_bytes());
    stream
}

#[test]
fn bombs_in_content_encoding() {
    let beset = Beset::new();
    let zipped = [STRUCTURED, ("Content-Encoding", "gzip")];
    // 2.5 gigabytes of zeros.
    let bomb = bomb(16 << 20);
    for _ in 0..3 {
        let problem = beset.refused(413, &zipped, &bomb);
        assert_eq!(problem["type"], "urn:seaway:problem:too-large");
    }
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let answer = beset.server.post("/events", &zipped, &bomb);
                assert!(matches!(answer.status, 413 | 429), "{}", answer.body);
            });
        }
    });
    beset.refused(400, &zipped, b"this is no gzip");
    let whole = gzip(event(2).to_string().as_bytes());
    beset.refused(400, &zipped, &whole[..whole.len() - 10]);
    let answer = beset.server.post("/events", &zipped, &whole);
    assert_eq!(answer.status, 200, "{}", answer.body);
    for unknown in ["br", "deflate", "zstd", "compress", "gzip, gzip", "\"", "x"] {
        let headers = [STRUCTURED, ("Content-Encoding", unknown)];
        let problem = beset.refused(415, &headers, event(3).to_string().as_bytes());
        assert_eq!(problem["type"], "urn:seaway:problem:unsupported");
    }
    beset.holds(1);
}

#[test]
fn wrong_signatures() {
    let secrets = "first It's-a-Secret";
    let data =
        Data::new().env("SEAWAY_GITHUB_SECRET", secrets).env("SEAWAY_GITLAB_SECRET", secrets);
    // Each is to be looked at, however many were wrong before.
    let beset = Beset::with(data.setting("[access]\nfailures_per_minute = 1000"));
    let body = br#"{"zen":"Keep it logically awesome.","object_kind":"push"}"#;
    let sign = |secret: &str, body: &[u8]| {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(body);
        let tag = mac.finalize().into_bytes();
        format!("sha256={}", tag.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    };
    let right = sign("It's-a-Secret", body);
    let github = |signature: Option<&str>| {
        let mut headers = vec![("X-GitHub-Event", "ping"), ("X-GitHub-Delivery", "d")];
        headers.extend(signature.map(|it| ("X-Hub-Signature-256", it)));
        beset.server.post("/webhooks/github", &headers, body)
    };
    let sha1 = right.replace("sha256", "sha1");
    let upper = right.replace("sha256", "SHA256");
    let (wrong, other, none) = (sign("It's-a-Secret", b"{}"), sign("second", body), sign("", body));
    for signature in
        [&wrong, &other, &none, &sha1, &upper, &right[..40], "sha256=", "", "sha256=zz", "é"]
    {
        let answer = github(Some(signature));
        assert_eq!(answer.status, 401, "{signature}: {}", answer.body);
        assert!(!answer.body.contains("Secret"), "{}", answer.body);
        answer.problem();
    }
    assert_eq!(github(None).status, 401);
    assert_eq!(github(Some(&right)).status, 200);
    assert_eq!(github(Some(&sign("first", body))).json()["known"], 1);
    let gitlab = |token: Option<&str>| {
        let mut headers = vec![("X-Gitlab-Event", "Push Hook")];
        headers.extend(token.map(|it| ("X-Gitlab-Token", it)));
        beset.server.post("/webhooks/gitlab", &headers, body)
    };
    for token in
        [None, Some(""), Some("firs"), Some("first "), Some("first It's-a-Secret"), Some("ä")]
    {
        let expected = if token == Some("first ") { 200 } else { 401 };
        let answer = gitlab(token);
        assert_eq!(answer.status, expected, "{token:?}: {}", answer.body);
    }
    assert_eq!(gitlab(Some("It's-a-Secret")).json()["known"], 1);
    beset.holds(2);
}

const SCRIPT: &str = "<script>alert(1)</script>\u{202e}\"'`--><img src=x onerror=alert(1)>";

/// Puts script into every text, but for those that decide what the rest means.
fn with_script(value: &Value, name: &str) -> Value {
    match value {
        Value::String(text) if name.ends_with("At") || name == "outcome" => text.as_str().into(),
        Value::String(_) => SCRIPT.into(),
        Value::Array(all) => all.iter().map(|value| with_script(value, name)).collect(),
        Value::Object(all) => {
            all.iter().map(|(name, value)| (name.clone(), with_script(value, name))).collect()
        }
        other => other.clone(),
    }
}

#[test]
fn script_in_every_field() {
    let beset = Beset::new();
    let mut taken = 0;
    for number in 0..96 {
        let mut tainted = event(number);
        let content = &tainted["data"]["subject"]["content"];
        let mut content = with_script(content, "");
        // Once with a repository and a revision that are none, once where only the words are bad.
        if number % 2 == 0 {
            for name in ["repository", "revision", "after"] {
                let was = &tainted["data"]["subject"]["content"][name];
                if !was.is_null() {
                    content[name] = was.clone();
                }
            }
        }
        tainted["data"]["subject"]["content"] = content;
        tainted["id"] = format!("{number}{SCRIPT}").replace('\u{202e}', "").into();
        tainted["source"] = format!("https://x/{SCRIPT}").into();
        tainted["subject"] = SCRIPT.into();
        beset.server.events(&[tainted]);
        taken += 1;
    }
    for kind in [SCRIPT, "dev.cdeventsx.<script>-x.y.0.1.0", "com.github.<script>"] {
        beset.server.events(&[cloud_event("y", kind, "2026-01-01T00:00:00Z", &json!({"id": "y"}))]);
        // They all have the same source and id, and only the first of them is new.
        taken += usize::from(kind == SCRIPT);
    }
    beset.server.settle();
    let service = "%3Cscript%3Ealert%281%29%3C%2Fscript%3E";
    let mut seen = false;
    for path in [
        "/api/v1/organization",
        "/api/v1/services",
        "/api/v1/waiting",
        "/api/v1/quality",
        "/api/v1/quality/findings",
        "/api/v1/progress",
        "/api/v1/openapi.json",
        &format!("/api/v1/services/{service}"),
        &format!("/api/v1/groups/{service}"),
        &format!("/api/v1/services?{service}={service}"),
        &format!("/api/v1/services?limit={service}"),
        &format!("/{service}"),
        "/events",
    ] {
        let answer = beset.server.get(path);
        let is_json = answer.head.contains("content-type: application/json")
            || answer.head.contains("content-type: application/problem+json");
        assert!(is_json, "{path}: {}", answer.head);
        assert!(answer.head.contains("x-content-type-options: nosniff"), "{path}: {}", answer.head);
        answer.json();
        seen |= answer.body.contains("<script>");
    }
    assert!(seen, "it is told as text, as it came");
    beset.holds(taken);
}

#[test]
fn events_that_only_seaway_writes() {
    let beset = Beset::new();
    let own = |kind: &str, source: &str| {
        let mut event = cloud_event("x", kind, "2026-01-01T00:00:00Z", &json!({"id": "x"}));
        event["source"] = source.into();
        event
    };
    let reserved = [
        own("dev.seaway.catalog.entity", "seaway/catalog"),
        own("dev.seaway.catalog.entity", "https://x"),
        own("dev.seaway.backup.end", "seaway"),
        own("dev.cdevents.service.deployed.0.3.0", "seaway/catalog"),
    ];
    for event in &reserved {
        let problem = beset.refused(400, &[STRUCTURED], event.to_string().as_bytes());
        assert!(problem["detail"].as_str().unwrap().contains("Seaway's own"), "{problem}");
        let (kind, source) = (event["type"].as_str().unwrap(), event["source"].as_str().unwrap());
        let binary =
            [("ce-specversion", "1.0"), ("ce-id", "x"), ("ce-source", source), ("ce-type", kind)];
        beset.refused(400, &binary, b"{}");
        let bare = json!({
            "context": {"id": "x", "source": source, "type": kind, "version": "0.4.1"},
            "subject": {"id": "x"},
        });
        let json = [("Content-Type", "application/json")];
        beset.refused(400, &json, bare.to_string().as_bytes());
    }
    let mut all = reserved.to_vec();
    all.insert(1, event(2));
    let answer = beset.server.post("/events", &BATCH, Value::from(all).to_string().as_bytes());
    assert_eq!(answer.status, 207, "{}", answer.body);
    let told = answer.json();
    assert_eq!(told["accepted"], 1);
    let rejected = told["rejected"].as_array().unwrap();
    let places: Vec<_> = rejected.iter().map(|it| it["index"].as_u64().unwrap()).collect();
    assert_eq!(places, [0, 2, 3, 4]);

    // When an event arrived is said by who has the log.
    let mut dated = event(3);
    dated["seawayreceivedat"] = "1999-01-01T00:00:00Z".into();
    beset.server.events(&[dated]);
    let exported = beset.data.run(&["export"]);
    let last = exported.lines().last().unwrap();
    assert_eq!(last.matches("seawayreceivedat").count(), 1, "{last}");
    assert!(!last.contains("1999-01-01"), "{last}");
    beset.holds(2);
}

#[test]
fn what_is_no_http() {
    let beset = Beset::new();
    let mut random = Random(7);
    let mut bad: Vec<Vec<u8>> = [
        "\0\0\0\0",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\n: x\r\n\r\n",
        "POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
        "POST /events HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /events HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\u{16}\u{3}\u{1}",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    bad.push(format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20)).into_bytes());
    bad.push(format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100_000)).into_bytes());
    bad.push(format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(4 << 20)).into_bytes());
    for _ in 0..200 {
        let length = random.below(2_000);
        bad.push((0..length).map(|_| random.next() as u8).collect());
    }
    for bytes in &bad {
        let mut stream = beset.server.connect();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        if let Some(answer) = Answer::read(&mut stream) {
            assert!((400..500).contains(&answer.status), "{}: {}", answer.status, answer.head);
        }
    }
    let odd = [
        "/api/v1/services/%00",
        "/api/v1/services/%ff",
        "/api/v1/services/a%0d%0ab",
        "/api/v1/services/..%2f..%2fetc",
        "/api/v1/services?after=%ff",
        "/api/v1/services/x/changes?after=1%20%00",
    ];
    for path in odd {
        let answer = beset.server.get(path);
        assert!(
            matches!(answer.status, 200 | 400 | 404),
            "{path}: {} {}",
            answer.status,
            answer.body
        );
    }
    for method in ["PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let answer = beset.server.send(method, "/events", &[], b"");
        assert_eq!(answer.status, 405, "{method}");
        answer.problem();
    }
    beset.holds(0);
}

#[test]
fn more_than_can_wait_is_answered_with_when_to_come_again() {
    let beset = Beset::new();
    // Each batch is small, and of more events than half of the queue takes.
    let batch = |client: usize| {
        let item =
            |n| format!(r#"{{"specversion":"1.0","id":"{client}-{n}","source":"x","type":"x"}}"#);
        format!("[{}]", (0..10_000).map(item).collect::<Vec<_>>().join(","))
    };
    let (mut taken, mut busy) = (0, 0);
    for round in 0..20 {
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let send = |client| {
                let beset = &beset;
                move || beset.server.post("/events", &BATCH, batch(client).as_bytes())
            };
            let clients: Vec<_> = (0..16).map(|n| scope.spawn(send(round * 16 + n))).collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        for answer in answers {
            match answer.status {
                200 => taken += answer.json()["accepted"].as_u64().unwrap() as usize,
                _ => {
                    assert_eq!(answer.status, 429, "{}", answer.body);
                    assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
                    assert_eq!(answer.problem()["type"], "urn:seaway:problem:busy");
                    busy += 1;
                }
            }
        }
        if busy > 0 {
            break;
        }
    }
    assert!(busy > 0, "the queue was never full");
    beset.holds(taken);
}
