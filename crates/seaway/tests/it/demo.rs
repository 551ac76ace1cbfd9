//! The made-up company of `seaway demo`: what is reported of it, beside what its raw events say when
//! they are read a second way, without any graph: with sets of commits.

use crate::serve_lang::{Data, Server};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

/// 2026-01-05, a Monday.
const COMPANY: [&str; 6] = ["--days", "150", "--seed", "5", "--start", "1767571200"];

fn seconds(time: &Value) -> i64 {
    let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
    time.as_second()
}

/// What the events of one service tell.
#[derive(Default)]
struct History {
    /// By hash, the parents and when it was authored.
    commits: HashMap<String, (Vec<String>, i64)>,
    tip: String,
    /// Successful deployments: when they finished, their names and revisions.
    live: Vec<(i64, String, String)>,
}

fn histories(events: &str) -> (BTreeMap<String, History>, i64) {
    let (mut all, mut newest) = (BTreeMap::<String, History>::new(), 0);
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let service = event["source"].as_str().unwrap().rsplit('/').next().unwrap();
        let history = all.entry(service.to_owned()).or_default();
        let content = &event["data"]["subject"]["content"];
        let kind = event["type"].as_str().unwrap();
        if kind.contains("commit.pushed") {
            for commit in content["commits"].as_array().unwrap() {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let parents = commit["parents"].as_array().unwrap().iter().map(text).collect();
                let known = (parents, seconds(&commit["authoredAt"]));
                history.commits.insert(text(&commit["hash"]), known);
                newest = newest.max(seconds(&commit["committedAt"]));
            }
            history.tip = content["after"].as_str().unwrap().to_owned();
        } else if kind.contains("deployment.finished") {
            let text = |name: &str| content[name].as_str().unwrap().to_owned();
            let at = seconds(&content["finishedAt"]);
            newest = newest.max(at);
            if content["outcome"] == "success" {
                history.live.push((at, text("name"), text("revision")));
            }
        } else if kind.contains("deployment.started") {
            newest = newest.max(seconds(&content["startedAt"]));
        } else if kind.contains("incident.") {
            let at = ["reportedAt", "resolvedAt"].iter().find_map(|name| content.get(name));
            newest = newest.max(seconds(at.unwrap()));
        }
    }
    all.values_mut().for_each(|history| history.live.sort());
    (all, newest)
}

/// What came of the changes of a service.
#[derive(Debug, Default)]
struct Told {
    /// Times to value of what was delivered and stayed.
    delivered: Vec<i64>,
    /// Ages of what waits.
    waiting: Vec<i64>,
    rollbacks: usize,
}

impl History {
    fn contained(&self, revision: &str) -> HashSet<&str> {
        let mut found = HashSet::new();
        let mut next: Vec<&str> =
            self.commits.get_key_value(revision).map(|it| &**it.0).into_iter().collect();
        while let Some(commit) = next.pop() {
            if found.insert(commit) {
                next.extend(self.commits[commit].0.iter().map(String::as_str));
            }
        }
        found
    }

    fn told(&self, as_of: i64) -> Told {
        let mut told = Told::default();
        let mut delivered: HashMap<&str, i64> = HashMap::new();
        let mut baseline = HashSet::new();
        let mut live: Option<&str> = None;
        let mut deployed = HashSet::new();
        for (at, _, revision) in &self.live {
            let contains = self.contained(revision);
            let is_new = deployed.insert(revision);
            let deliver = |delivered: &mut HashMap<_, _>| {
                for commit in contains.difference(&baseline) {
                    delivered.entry(*commit).or_insert(*at);
                }
            };
            match live {
                None => baseline = contains,
                Some(live) if live == revision => continue,
                Some(before) if self.contained(before).contains(revision.as_str()) => {
                    // A build that came late, of what a newer one has brought already.
                    if is_new {
                        deliver(&mut delivered);
                        continue;
                    }
                    told.rollbacks += 1;
                    for commit in self.contained(before).difference(&contains) {
                        delivered.remove(commit);
                    }
                }
                Some(_) => deliver(&mut delivered),
            }
            live = Some(revision);
        }
        // Along the first parents of the default branch, each with what it brought.
        let mut commit = self.tip.as_str();
        while let Some((parents, _)) = self.commits.get(commit) {
            let before = parents.first().map(|parent| self.contained(parent)).unwrap_or_default();
            let all = self.contained(commit);
            let brought = all.difference(&before);
            // A merge has no work of its own.
            let work = brought.filter(|it| self.commits[**it].0.len() < 2);
            let authored = work.map(|it| self.commits[*it].1).min().unwrap();
            if !baseline.contains(commit) {
                match delivered.get(commit) {
                    Some(at) => told.delivered.push(at - authored),
                    None => told.waiting.push(as_of - authored),
                }
            }
            commit = parents.first().map_or("", String::as_str);
        }
        told
    }
}

/// The median by Kaplan and Meier's product, written out: of times to value and of the ages of what
/// waits.
pub(crate) fn median_of(delivered: &[i64], waiting: &[i64]) -> Option<i64> {
    let mut deaths = delivered.to_vec();
    deaths.sort_unstable();
    deaths.dedup();
    let mut left = 1.0;
    for at in deaths {
        let at_risk = |ages: &[i64]| ages.iter().filter(|&&age| age >= at).count() as f64;
        let dead = delivered.iter().filter(|&&it| it == at).count() as f64;
        left *= 1.0 - dead / (at_risk(delivered) + at_risk(waiting));
        if left <= 0.5 + 1e-12 {
            return Some(at);
        }
    }
    None
}

/// A server with the made-up company on it, and the company's events.
pub(crate) fn company(data: &Data) -> (Server, String) {
    let events = data.run(&[&["demo", "--print"], &COMPANY[..]].concat());
    let folder = data.beside("demo");
    let folder = folder.to_str().unwrap();
    let arguments = ["demo", "--listen", "127.0.0.1:0", "--data", folder];
    let server = Server::start(data.seaway(&[&arguments, &COMPANY[..]].concat()));
    let patience = Instant::now() + Duration::from_secs(120);
    // The catalog is on the log, too: three groups, the organization, and the services.
    let all = events.lines().count() as u64 + 16;
    while server.get("/api/v1/progress").json()["newest"].as_u64().unwrap() < all {
        assert!(Instant::now() < patience, "the company does not come in");
        std::thread::sleep(Duration::from_millis(50));
    }
    server.settle();
    (server, events)
}

#[test]
fn the_demo_shows_what_its_events_say() {
    let data = Data::new();
    let (server, events) = company(&data);
    let again = data.run(&[&["demo", "--print"], &COMPANY[..]].concat());
    assert!(events == again, "a seed makes one world");
    let (histories, newest) = histories(&events);
    assert_eq!(histories.len(), 12);

    let mut sums = [0_usize; 3];
    for (service, history) in &histories {
        let report = server.report(&format!("/services/{service}"));
        assert_eq!(seconds(&report["span"]["as_of"]), newest);
        let told = history.told(newest);
        let value = &report["time_to_value"];
        let found = [&value["n"], &value["waiting"], &report["flow"]["deployments"]]
            .map(|count| count.as_u64().unwrap() as usize);
        let expected = [told.delivered.len(), told.waiting.len(), history.live.len()];
        assert_eq!(found, expected, "{service}: delivered, waiting, deployments");
        assert_eq!(report["rework"]["rollbacks"], told.rollbacks, "{service}");
        let exact = median_of(&told.delivered, &told.waiting).unwrap() as f64;
        let p50 = value["p50"]["seconds"].as_f64().unwrap();
        assert!((p50 / exact - 1.0).abs() < 0.01, "{service}: {p50}, and not {exact}");
        sums.iter_mut().zip(expected).for_each(|(sum, more)| *sum += more);
    }
    let report = server.report("/organization");
    let value = &report["time_to_value"];
    let found = [&value["n"], &value["waiting"], &report["flow"]["deployments"]];
    assert_eq!(found.map(|count| count.as_u64().unwrap() as usize), sums);

    // What the stories say, in the words of the reports.
    let p50 = |path: &str| {
        let report = server.report(path);
        report["time_to_value"]["p50"]["seconds"].as_f64().unwrap()
    };
    assert!(p50("/services/warehouse") > 10.0 * p50("/services/shop-web"));
    let checkout = "/services/checkout";
    let (before, after) =
        (format!("{checkout}?until=2026-03-16"), format!("{checkout}?since=2026-03-30"));
    assert!(p50(&before) > 3.0 * p50(&after), "checkout changed its ways on 2026-03-21");
    assert!(server.stop(), "it stops as it is told to");
}

#[test]
fn a_folder_with_data_is_left_alone() {
    let data = Data::new();
    let folder = data.beside("mine");
    std::fs::create_dir_all(folder.join("catalog")).unwrap();
    let mine = folder.join("catalog/company.yaml");
    std::fs::write(&mine, "# mine").unwrap();
    let arguments = ["demo", "--listen", "127.0.0.1:0", "--data", folder.to_str().unwrap()];
    let (code, said) = data.run_failing(&arguments);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("is not empty"), "{said}");
    assert_eq!(std::fs::read_to_string(mine).unwrap(), "# mine");
}
