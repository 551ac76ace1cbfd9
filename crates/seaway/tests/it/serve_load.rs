//! Load for tests of the server: events without end, clients that send them and note what was
//! acknowledged, and all reports that come of them.

use crate::serve_lang::{Answer, Data, Server};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

/// The kind of a batch.
pub(crate) const BATCH: [(&str, &str); 1] =
    [("Content-Type", "application/cloudevents-batch+json")];

/// Random numbers that are the same each time (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below another.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// Services that the events tell of.
const SERVICES: u64 = 12;
/// Events until the work on a service begins anew.
const CYCLE: u64 = 8;

fn hash(service: u64, commit: u64) -> String {
    format!("{:040x}", ((service + 1) << 48) + commit + 1)
}

/// The event with a number: of pushes, reviews, builds, deployments and incidents of some services.
pub(crate) fn event(number: u64) -> Value {
    let (service, nth) = (number % SERVICES, number / SERVICES);
    let (round, step) = (nth / CYCLE, nth % CYCLE);
    let repository = format!("https://forge.example/team/s{service}");
    // Two commits a round; what is done with them tells of the second one.
    let at = |minutes: u64| {
        let second = 1_760_000_000 + i64::try_from(round * 3_600 + minutes * 60).unwrap();
        jiff::Timestamp::from_second(second).unwrap().to_string()
    };
    let commit = round * 2 + u64::from(step > 0);
    let (revision, name) = (hash(service, commit), format!("d{round}"));
    let (kind, content) = match step {
        0 | 1 => {
            let before = commit.checked_sub(1).map(|before| hash(service, before));
            let commits = json!([{
                "hash": revision, "parents": before.iter().collect::<Vec<_>>(),
                "authoredAt": at(step), "message": format!("Work {commit}"),
                "author": {"name": "Ada", "email": "ada@example.com"},
            }]);
            let content = json!({
                "branch": "main", "default": true, "before": before, "after": revision,
                "pushedAt": at(5 + step), "commits": commits,
            });
            ("commit.pushed", content)
        }
        2 => {
            let content = json!({
                "number": round + 1, "title": format!("Pull {round}"), "openedAt": at(2),
                "mergedAt": at(6), "mergeCommit": revision, "head": revision, "base": "main",
            });
            ("pullrequest.updated", content)
        }
        3 => {
            let content = json!({
                "pullRequest": round + 1, "reviewId": format!("r{round}"), "verdict": "approved",
                "submittedAt": at(4),
            });
            ("review.submitted", content)
        }
        4 => {
            let content = json!({
                "revision": revision, "pipeline": "ci", "startedAt": at(6), "finishedAt": at(10),
                "outcome": "success",
            });
            ("build.finished", content)
        }
        5 => {
            let outcome = if round % 5 == 4 { "failure" } else { "success" };
            let content = json!({
                "environment": "production", "production": true, "name": name,
                "revision": revision, "finishedAt": at(20), "outcome": outcome,
            });
            ("deployment.finished", content)
        }
        6 => {
            let content = json!({"incident": format!("i{round}"), "title": "It is slow",
                "environment": "production", "reportedAt": at(30)});
            ("incident.reported", content)
        }
        _ => ("incident.resolved", json!({"incident": format!("i{round}"), "resolvedAt": at(40)})),
    };
    let mut content = content;
    content["repository"] = repository.into();
    content["service"] = format!("s{service}").into();
    cloud_event(
        &format!("e{number}"),
        &format!("dev.cdeventsx.seaway-{kind}.0.1.0"),
        &at(45),
        &json!({"id": revision, "content": content}),
    )
}

/// A CDEvent in the envelope of a CloudEvent.
pub(crate) fn cloud_event(id: &str, kind: &str, time: &str, subject: &Value) -> Value {
    let source = "https://ci.example";
    json!({
        "specversion": "1.0", "id": id, "source": source, "type": kind, "time": time,
        "datacontenttype": "application/json",
        "data": {
            "context": {
                "specversion": "0.5.1", "id": id, "source": source, "type": kind,
                "timestamp": time,
            },
            "subject": subject,
        },
    })
}

/// Clients that send events, and what they know of them.
pub(crate) struct Load {
    /// The number of the next event that was never sent.
    next: AtomicU64,
    acknowledged: Mutex<BTreeSet<u64>>,
    /// Sent, and never answered.
    unsure: Mutex<Vec<u64>>,
    /// How many requests were answered with 503.
    pub(crate) failed: AtomicU64,
}

/// Clients that send at the same time.
pub(crate) const CLIENTS: u64 = 16;

impl Load {
    pub(crate) fn new() -> Self {
        Self {
            next: AtomicU64::new(0),
            acknowledged: Mutex::default(),
            unsure: Mutex::default(),
            failed: AtomicU64::new(0),
        }
    }

    pub(crate) fn acknowledged(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.acknowledged.lock().unwrap()
    }

    /// Sends from all clients, to one server or another, until `stop` says so or, with
    /// `until_gone`, the server is gone.
    pub(crate) fn run(&self, servers: &[&Server], seed: u64, stop: &AtomicBool, until_gone: bool) {
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let server = servers[client as usize % servers.len()];
                scope.spawn(move || {
                    let mut random = Random(seed * 1_000 + client);
                    while !stop.load(Ordering::Relaxed) {
                        if !self.send_some(server, &mut random) && until_gone {
                            return;
                        }
                    }
                });
            }
        });
    }

    /// Sends one event or some, mostly new ones. Tells whether there was an answer.
    fn send_some(&self, server: &Server, random: &mut Random) -> bool {
        let mut numbers = Vec::new();
        match random.below(4) {
            0 => numbers.extend(self.again(random)),
            1 => {
                let count = 2 + random.below(30);
                let first = self.next.fetch_add(count, Ordering::Relaxed);
                numbers.extend(first..first + count);
                numbers.extend(self.again(random));
            }
            _ => numbers.push(self.next.fetch_add(1, Ordering::Relaxed)),
        }
        numbers.sort_unstable();
        numbers.dedup();
        let events: Vec<Value> = numbers.iter().map(|&number| event(number)).collect();
        let (kind, body) = match &events[..] {
            [] => return true,
            [one] => ([("Content-Type", "application/cloudevents+json")], one.to_string()),
            _ => (BATCH, Value::from(events).to_string()),
        };
        let answer = server.try_send("POST", "/events", &kind, body.as_bytes());
        self.note(&numbers, answer.as_ref());
        answer.is_some()
    }

    /// Something that was sent before.
    fn again(&self, random: &mut Random) -> Option<u64> {
        if random.below(2) == 0
            && let Some(unsure) = self.unsure.lock().unwrap().pop()
        {
            return Some(unsure);
        }
        let acknowledged = self.acknowledged();
        let from = random.below(self.next.load(Ordering::Relaxed).max(1));
        acknowledged.range(from..).next().copied()
    }

    fn note(&self, numbers: &[u64], answer: Option<&Answer>) {
        match answer {
            Some(answer) if answer.status == 200 => {
                let told = answer.json();
                let count = told["accepted"].as_u64().unwrap() + told["known"].as_u64().unwrap();
                assert_eq!(count, numbers.len() as u64, "{told}");
                self.acknowledged().extend(numbers);
            }
            Some(answer) => {
                assert_eq!(answer.status, 503, "{}", answer.body);
                assert!(answer.head.contains("retry-after: "), "{}", answer.head);
                answer.problem();
                self.failed.fetch_add(1, Ordering::Relaxed);
                self.unsure.lock().unwrap().extend(numbers);
            }
            None => self.unsure.lock().unwrap().extend(numbers),
        }
    }

    /// Looks whether an export has every acknowledged event, every event once, and none that was
    /// never sent. Returns how many there are.
    pub(crate) fn check(&self, exported: &str) -> usize {
        let mut found = BTreeSet::new();
        for line in exported.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            let number: u64 = event["id"].as_str().unwrap()[1..].parse().unwrap();
            assert!(found.insert(number), "{number} is there twice");
            assert_eq!(event["data"], self::event(number)["data"], "{number}");
        }
        let acknowledged = self.acknowledged();
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        assert!(found.last() < Some(&self.next.load(Ordering::Relaxed)));
        found.len()
    }
}

/// A text as it stands in a URL.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// All that a server reports, by path.
pub(crate) fn reports(server: &Server) -> BTreeMap<String, String> {
    server.settle();
    let mut all = BTreeMap::new();
    let mut paths: Vec<String> = ["organization", "groups", "services", "waiting", "quality"]
        .map(|path| format!("/api/v1/{path}"))
        .to_vec();
    while let Some(path) = paths.pop() {
        let answer = server.get(&path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
        let body = answer.json();
        if let Some(next) = body["next"].as_str() {
            let next = encoded(next);
            let first = path.split("after=").next().unwrap().trim_end_matches(['?', '&']);
            let joint = if first.contains('?') { '&' } else { '?' };
            paths.push(format!("{first}{joint}after={next}"));
        }
        for finding in body["findings"].as_array().into_iter().flatten() {
            let kind = finding["kind"].as_str().unwrap();
            paths.push(format!("/api/v1/quality/findings?kind={kind}"));
        }
        for service in body["rows"].as_array().into_iter().flatten() {
            let Some(name) = service["service"].as_str() else { continue };
            if path == "/api/v1/services" || path.starts_with("/api/v1/services?") {
                let service = format!("/api/v1/services/{}", encoded(name));
                paths.push(service.clone());
                for rows in ["changes", "deployments", "incidents"] {
                    paths.push(format!("{service}/{rows}"));
                }
            }
        }
        all.insert(path, answer.body);
    }
    all
}

/// Looks whether two servers, or one at two times, report the same.
pub(crate) fn assert_same(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) {
    assert!(one.keys().eq(other.keys()), "{:?}\n{:?}", one.keys(), other.keys());
    for (path, body) in one {
        assert_eq!(Some(body), other.get(path), "{path}");
    }
}

/// The export of a place, and its reports before and after they are computed anew, which must be
/// the same. `place` are the arguments that name the place.
pub(crate) fn check_views(data: &Data, load: &Load, place: &[&str]) -> (usize, usize) {
    let server = data.serve();
    let before = reports(&server);
    assert!(server.stop());
    let exported = load.check(&data.run(&[&["export"], place].concat()));
    data.run(&[&["rebuild"], place].concat());
    let server = data.serve();
    let after = reports(&server);
    assert_same(&before, &after);
    (exported, before.len())
}
