//! The server says of a history what `measure` says of the same repository and deployments, however
//! it came to know it: the history of GOV.UK's frontend, sent live in any order, imported, and found
//! by a backfill from GitHub with the repository beside it.

use crate::filling::{GitHub, TOKEN};
use crate::govuk::{data_or_skip, rebuilt, unpacked};
use crate::lang::{Repo, Row, rfc3339, seaway};
use crate::serve_lang::{Data, PATIENCE, Server};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};

const REPOSITORY: &str = "https://github.com/alphagov/frontend";
/// The repository is a service of its own, as GitHub tells of no other.
const NAME: &str = "github.com/alphagov/frontend";
const SERVICE: &str = "/services/github.com%2Falphagov%2Ffrontend";
/// Commits in one event, as a large push would have them.
const COMMITS_AT_ONCE: usize = 200;

/// A tag, which stands for a deployment.
struct Deployment {
    /// A number as GitHub gives it; in the order of time and name.
    id: usize,
    tag: String,
    revision: String,
    at: i64,
}

/// The history as it is after it was rebuilt: all have the hashes of one repository.
struct World {
    graph: String,
    repo: Repo,
    /// By hash in the repository, the hash that the commit had at GOV.UK.
    original: HashMap<String, String>,
    /// By hash at GOV.UK, that in the repository.
    rebuilt: HashMap<String, String>,
    deployments: Vec<Deployment>,
}

impl World {
    fn of(graph: String) -> Self {
        let (repo, original) = rebuilt(&graph);
        let rebuilt: HashMap<String, String> =
            original.iter().map(|(new, old)| (old.clone(), new.clone())).collect();
        let mut deployments = Vec::new();
        for line in graph.lines() {
            if let ["T", tag, revision, at, _] = line.split('\t').collect::<Vec<_>>()[..] {
                let (revision, at) = (rebuilt[revision].clone(), at.parse().unwrap());
                deployments.push(Deployment { id: 0, tag: tag.to_owned(), revision, at });
            }
        }
        deployments.sort_by(|a, b| (a.at, &a.tag).cmp(&(b.at, &b.tag)));
        for (number, deployment) in deployments.iter_mut().enumerate() {
            deployment.id = 1_000_000 + number;
        }
        Self { graph, repo, original, rebuilt, deployments }
    }

    /// The history as events: its commits with their parents, the branch, the deployments.
    fn events(&self) -> Vec<Value> {
        let (mut commits, mut events, mut newest, mut head) = (Vec::new(), Vec::new(), 0, "");
        let time = |text: &str| text.parse::<i64>().unwrap();
        for line in self.graph.lines() {
            match line.split('\t').collect::<Vec<_>>()[..] {
                ["C", hash, authored, committed, ref parents @ ..] => {
                    newest = newest.max(time(committed));
                    let parents = parents.join(" ");
                    let parents = parents.split_whitespace().map(|parent| &self.rebuilt[parent]);
                    commits.push(json!({
                        "hash": self.rebuilt[hash], "authoredAt": rfc3339(time(authored)),
                        "committedAt": rfc3339(time(committed)), "message": hash,
                        "parents": parents.collect::<Vec<_>>(),
                        "author": {"name": "A", "email": "a@example.com"},
                    }));
                }
                ["T", ..] => {}
                [_, hash] => head = &self.rebuilt[hash],
                _ => panic!("not a line of the graph: {line}"),
            }
        }
        for Deployment { id, revision, at, .. } in &self.deployments {
            let content = json!({
                "service": NAME, "environment": "production", "production": true,
                "name": id.to_string(), "revision": revision, "repository": REPOSITORY,
                "startedAt": rfc3339(*at), "finishedAt": rfc3339(*at), "outcome": "success",
            });
            events.push(event(&format!("deployment {id}"), "deployment.finished", *at, content));
        }
        for (number, commits) in commits.chunks(COMMITS_AT_ONCE).enumerate() {
            let content = json!({"repository": REPOSITORY, "branch": "other", "commits": commits});
            events.push(event(&format!("push {number}"), "commit.pushed", newest, content));
        }
        let content = json!({
            "repository": REPOSITORY, "branch": "main", "default": true, "after": head,
            "commits": [],
        });
        events.push(event("main", "commit.pushed", newest, content));
        events
    }

    /// What GitHub would list of it. The data tell of no pull requests; commits are in git.
    fn objects(&self) -> BTreeMap<String, Value> {
        let newest = rfc3339(self.deployments.iter().map(|it| it.at).max().unwrap());
        let mut objects = BTreeMap::new();
        let mut set = |path: &str, value: Value| {
            objects.insert(format!("repos/alphagov/frontend{path}"), value);
        };
        set(
            "",
            json!({
                "id": 1, "full_name": "alphagov/frontend", "html_url": REPOSITORY,
                "clone_url": format!("{REPOSITORY}.git"), "default_branch": "main",
                "pushed_at": newest, "updated_at": newest,
            }),
        );
        let listed =
            self.deployments.iter().rev().map(|Deployment { id, revision, at, .. }| {
                json!({
                    "id": id, "sha": revision, "environment": "production",
                    "original_environment": "production", "production_environment": true,
                    "created_at": rfc3339(*at), "updated_at": rfc3339(*at),
                })
            });
        set("/deployments", listed.collect());
        for Deployment { id, at, .. } in &self.deployments {
            let status = json!([{ "id": id, "state": "success", "created_at": rfc3339(*at) }]);
            set(&format!("/deployments/{id}/statuses"), status);
        }
        for listing in ["/pulls", "/issues"] {
            set(listing, json!([]));
        }
        set("/actions/runs", json!({ "total_count": 0, "workflow_runs": [] }));
        objects
    }

    fn measure(&self) -> crate::lang::Seaway {
        let arguments = ["--deploys", "tag:*", "--no-sizes", "--no-cache"];
        seaway().measure(&self.repo).args(arguments)
    }
}

/// A CloudEvent with one of Seaway's own events in it.
fn event(id: &str, what: &str, at: i64, content: Value) -> Value {
    let kind = format!("dev.cdeventsx.seaway-{what}.0.1.0");
    let context = json!({
        "specversion": "0.5.1", "id": id, "source": "https://ci.example.com", "type": kind,
        "timestamp": rfc3339(at),
    });
    json!({
        "specversion": "1.0", "id": id, "source": "https://ci.example.com", "type": kind,
        "datacontenttype": "application/json",
        "data": {"context": context, "subject": {"id": id, "content": content}},
    })
}

/// Always the same disorder: a step through the residues of a prime.
fn shuffled(events: &[Value]) -> Vec<Value> {
    let prime = 10_007;
    assert!(events.len() < prime);
    let order = (1..prime).map(|at| at * 4_321 % prime);
    order.filter_map(|at| events.get(at - 1).cloned()).collect()
}

/// All rows of a list of the server.
fn all(server: &Server, path: &str) -> Vec<Value> {
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let mark = if path.contains('?') { '&' } else { '?' };
        let mut page = server.report(&format!("{path}{mark}limit=1000{after}"));
        rows.append(page["rows"].as_array_mut().unwrap());
        let Some(next) = page["next"].as_str() else { return rows };
        after = format!("&after={}", next.replace(' ', "%20"));
    }
}

/// Everything that the server answers of the history.
fn answers(server: &Server) -> BTreeMap<String, Value> {
    let mut answers = BTreeMap::new();
    for path in ["/organization", SERVICE] {
        for span in ["", "?since=2015-01-01&until=2016-07-01", "?since=2024-01-01"] {
            let path = format!("{path}{span}");
            answers.insert(path.clone(), server.report(&path));
        }
    }
    for path in ["/services", "/waiting"] {
        answers.insert(path.to_owned(), Value::Array(all(server, path)));
    }
    for list in ["changes", "deployments", "incidents"] {
        let path = format!("{SERVICE}/{list}");
        answers.insert(path.clone(), Value::Array(all(server, &path)));
    }
    answers.insert("/groups".to_owned(), server.report("/groups"));
    answers.insert("findings".to_owned(), server.report("/quality")["findings"].take());
    answers
}

/// The same number exactly, or nothing on both sides.
fn same(what: &str, server: &Value, measure: &Value) {
    assert_eq!(server.as_f64(), measure.as_f64(), "{what}");
}

/// Durations within the 1 % of the histograms; nothing where there is nothing.
fn near(what: &str, server: &Value, measure: &Value) {
    match (server.as_f64(), measure.as_f64()) {
        (Some(server), Some(measure)) => {
            let off = (server - measure).abs();
            assert!(off <= measure.abs() * 0.01, "{what}: {server}, not {measure}");
        }
        (server, measure) => assert_eq!(server, measure, "{what}"),
    }
}

/// A curve as a report tells it, and the quantiles that are read off it.
struct Quantiles<'a> {
    what: &'a str,
    server: &'a Value,
    measure: &'a Value,
    /// The curve of `measure`, where it is told whole.
    curve: Option<&'a Value>,
}

/// How far the curve of the server may be from the exact one.
const CURVES_APART: f64 = 0.005;

/// Figures that are compared, and those that are a step of the curve away.
#[derive(Default)]
struct Counted {
    all: usize,
    steps: Vec<String>,
}

impl Counted {
    /// Each quantile and bound is within 1 %, or the exact curve passes its level within
    /// `CURVES_APART` at all durations between the two: which of them is told then hangs on less
    /// than the server knows of the order within a bucket.
    fn quantiles(&mut self, told: &Quantiles<'_>, names: &[(&str, f64)]) {
        for &(name, share) in names {
            for bound in ["seconds", "low", "high"] {
                let of = |report: &Value| report[name][bound].as_f64();
                let what = format!("{} {name} {bound}", told.what);
                self.one(&what, [of(told.server), of(told.measure)], told.curve, bound, share);
            }
        }
    }

    fn one(
        &mut self,
        what: &str,
        pair: [Option<f64>; 2],
        curve: Option<&Value>,
        bound: &str,
        share: f64,
    ) {
        self.all += 1;
        let [found, exact] = pair;
        let is_near = match (found, exact) {
            (Some(found), Some(exact)) => (found - exact).abs() <= exact * 0.01,
            (found, exact) => found == exact,
        };
        if is_near {
            return;
        }
        let what = format!("{what}: {found:?}, not {exact:?}");
        let curve = curve.unwrap_or_else(|| panic!("{what}"));
        let column = if bound == "seconds" { "waiting_share" } else { bound };
        // What is not reached lies beyond all durations.
        let [found, exact] = pair.map(|told| told.unwrap_or(f64::MAX));
        let (from, to) = (found.min(exact) * 1.01, found.max(exact) * 0.99);
        for step in curve.as_array().unwrap() {
            let between = (from..to).contains(&step["seconds"].as_f64().unwrap());
            let Some(told) = step[column].as_f64().filter(|_| between) else { continue };
            let off = (told - (1.0 - share)).abs();
            assert!(off < CURVES_APART, "{what}, and {off} at {step}");
        }
        self.steps.push(what);
    }
}

fn measure_of<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["dora"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap()
}

const ALL: [(&str, f64); 3] = [("p50", 0.5), ("p85", 0.85), ("p95", 0.95)];

/// The report of the service is that of `measure`, in every figure that both have.
fn assert_equal_reports(span: &str, server: &Value, measure: &Value, counted: &mut Counted) {
    let counts = [
        ("time_to_value", "n"),
        ("time_to_value", "waiting"),
        ("flow", "deployments_per_week"),
        ("flow", "weeks"),
        ("flow", "delivering_deployments"),
        ("flow", "changes_per_deployment_mean"),
        ("flow", "waiting"),
        ("rework", "reverts"),
        ("rework", "reverted"),
        ("rework", "share"),
        ("rework", "rollbacks"),
        ("rework", "redeployments"),
        ("rework", "failed_deployments"),
    ];
    for (part, name) in counts {
        same(&format!("{span} {part}.{name}"), &server[part][name], &measure[part][name]);
    }
    same("deployments", &server["flow"]["deployments"], &measure["deployments"]["count"]);
    assert_eq!(server["flow"]["calendar"], measure["flow"]["calendar"]);
    assert_eq!(server["flow"]["waiting_by_age"], measure["flow"]["waiting_by_age"]);
    near("age", &server["flow"]["waiting_age_p50"], &measure["flow"]["waiting_age_p50"]);

    let curve = &measure["time_to_value"]["curve"];
    let told = Quantiles {
        what: &format!("{span} time to value"),
        server: &server["time_to_value"],
        measure: &measure["time_to_value"],
        curve: Some(curve),
    };
    counted.quantiles(&told, &ALL);
    let shares = |report: &Value| report["time_to_value"]["within"].as_array().unwrap().clone();
    for (server, measure) in shares(server).iter().zip(&shares(measure)) {
        assert_eq!(server["label"], measure["label"]);
        for bound in ["share", "low", "high"] {
            let (found, exact) = (server[bound].as_f64(), measure[bound].as_f64());
            let off = found.zip(exact).map_or(0.0, |(found, exact)| (found - exact).abs());
            let is_near = found.is_some() == exact.is_some() && off < CURVES_APART;
            assert!(is_near, "{span} {bound}: {server}, not {measure}");
        }
    }
    assert_equal_stages(span, server, measure, counted);
    assert_equal_dora(span, server, measure, counted);
}

/// The server has more stages, of which this history tells nothing.
fn assert_equal_stages(span: &str, server: &Value, measure: &Value, counted: &mut Counted) {
    for stage in server["stages"].as_array().unwrap() {
        let mut stages = measure["stages"].as_array().unwrap().iter();
        let Some(exact) = stages.find(|it| it["to"] == stage["to"]) else {
            assert_eq!(stage["n"], 0, "{stage}");
            continue;
        };
        let what = format!("{span} stage to {}", stage["to"]);
        for name in ["n", "waiting", "share"] {
            same(&format!("{what} {name}"), &stage[name], &exact[name]);
        }
        let told = Quantiles { what: &what, server: stage, measure: exact, curve: None };
        counted.quantiles(&told, &ALL[..2]);
    }
}

fn assert_equal_dora(span: &str, server: &Value, measure: &Value, counted: &mut Counted) {
    let names = [
        "change lead time",
        "deployment frequency",
        "failed deployment recovery time",
        "change fail rate",
        "deployment rework rate",
    ];
    for name in names {
        let (found, exact) = (measure_of(server, name), measure_of(measure, name));
        let what = format!("{span} {name}");
        assert_eq!((&found["unit"], &found["note"]), (&exact["unit"], &exact["note"]), "{what}");
        same(&format!("{what} n"), &found["n"], &exact["n"]);
        for bound in ["value", "low", "high"] {
            let (found, exact) = (&found[bound], &exact[bound]);
            let what = format!("{what} {bound}");
            if name.ends_with("time") {
                counted.one(&what, [found.as_f64(), exact.as_f64()], None, bound, 0.5);
            } else {
                same(&what, found, exact);
            }
        }
    }
}

/// Each point is the report of its own span, so the curve of that is its curve.
fn assert_equal_trends(
    world: &World,
    span: &str,
    [server, measure]: [&Value; 2],
    counted: &mut Counted,
) {
    assert_eq!(server["period"], measure["period"], "{span}");
    let points = |trend: &Value| trend["points"].as_array().unwrap().clone();
    assert_eq!(points(server).len(), points(measure).len(), "{span}");
    for (server, measure) in points(server).iter().zip(&points(measure)) {
        let what = format!("{span} {}", server["label"]);
        for name in ["label", "start", "end", "complete", "n", "waiting"] {
            assert_eq!(server[name], measure[name], "{what} {name}");
        }
        let differs = ALL.iter().any(|(name, _)| !is_close(&server[name], &measure[name]));
        let own = differs.then(|| {
            let [from, to] = ["start", "end"].map(|name| server[name].as_str().unwrap());
            world.measure().args(["--since", from, "--until", to]).json()
        });
        let curve = own.as_ref().map(|own| &own["time_to_value"]["curve"]);
        counted.quantiles(&Quantiles { what: &what, server, measure, curve }, &ALL);
    }
}

/// Whether a quantile and its bounds are within 1 %.
fn is_close(server: &Value, measure: &Value) -> bool {
    ["seconds", "low", "high"].iter().all(|bound| {
        match (server[bound].as_f64(), measure[bound].as_f64()) {
            (Some(found), Some(exact)) => (found - exact).abs() <= exact * 0.01,
            (found, exact) => found == exact,
        }
    })
}

/// Each change of the server is the one that `measure` exports, and is delivered by the deployment
/// that is known to be the first with all of its commits, unless that was taken back.
fn assert_equal_changes(server: &[Value], folder: &Path, world: &World, data: &Path) {
    let tags: HashMap<String, &str> =
        world.deployments.iter().map(|it| (it.id.to_string(), it.tag.as_str())).collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found: Vec<[String; 7]> = server
        .iter()
        .map(|row| {
            let at = |name: &str| text(&row["milestones"][name]);
            let commits = row["commits"].to_string();
            let [change, status, deployment] =
                ["change", "status", "deployment"].map(|name| text(&row[name]));
            let deployment = tags.get(&deployment).copied().unwrap_or_default().to_owned();
            [change, status, deployment, commits, at("authored"), at("merged"), at("deployed")]
        })
        .collect();
    let changes = crate::lang::rows(&folder.join("changes.csv"));
    let of = |row: &Row| {
        let names = ["status", "deployment", "commits", "authored_at", "merged_at", "deployed_at"];
        let [status, deployment, commits, authored, merged, deployed] =
            names.map(|name| row[name].clone());
        [row["change"].clone(), status, deployment, commits, authored, merged, deployed]
    };
    let mut expected: Vec<[String; 7]> = changes.iter().map(of).collect();
    found.sort();
    expected.sort();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }

    let known = unpacked(&data.join("delivery/govuk-frontend.first-deployment.csv.gz"));
    let known: HashMap<&str, &str> = known
        .lines()
        .skip(1)
        .filter_map(|row| match row.split(',').collect::<Vec<_>>()[..] {
            [hash, "delivered", deployment, ..] => Some((hash, deployment)),
            _ => None,
        })
        .collect();
    let mut first: HashMap<String, Vec<&str>> = HashMap::new();
    for row in crate::lang::rows(&folder.join("commits.csv")) {
        let deployment = known.get(world.original[&row["commit"]].as_str());
        first.entry(row["change"].clone()).or_default().extend(deployment);
    }
    let delivered: Vec<_> = found.iter().filter(|row| row[1] == "delivered").collect();
    let is_known = |row: &&&[String; 7]| first[&row[0]].contains(&row[2].as_str());
    let same = delivered.iter().filter(is_known).count();
    assert!(same > 4_000, "{same} of {}", delivered.len());
    assert!(delivered.len() - same < 100, "{same} of {}", delivered.len());
}

/// What both say of a span; nothing on one side means the whole history.
fn compare(server: &Server, world: &World, since: Option<&str>, until: Option<&str>) -> Counted {
    let bounds = [("since", since), ("until", until)];
    let given = || bounds.iter().filter_map(|&(name, day)| Some((name, day?)));
    let query: Vec<String> = given().map(|(name, day)| format!("{name}={day}")).collect();
    let span = query.join("&");
    let options = given().flat_map(|(name, day)| [format!("--{name}"), day.to_owned()]);
    let measure = world.measure().args(options).json();
    let mut counted = Counted::default();
    let told = server.report(&format!("{SERVICE}?{span}"));
    assert_equal_reports(&span, &told, &measure, &mut counted);
    assert_equal_trends(world, &span, [&told["trend"], &measure["trend"]], &mut counted);
    counted
}

#[test]
fn the_server_says_of_govuk_frontend_what_measure_says() {
    let Some(data) = data_or_skip() else { return };
    let world = World::of(unpacked(&data.join("delivery/govuk-frontend.graph.tsv.gz")));
    let events = world.events();

    let live = Data::new();
    let server = live.serve();
    server.events(&shuffled(&events));
    let told = answers(&server);
    let changes = told[&format!("{SERVICE}/changes")].as_array().unwrap();
    let export = world.measure().export(&world.repo);
    assert_equal_changes(changes, &export.folder, &world, &data);

    let (mut all, mut steps) = (0, Vec::new());
    let mut add = |counted: Counted| {
        all += counted.all;
        steps.extend(counted.steps);
    };
    let whole = compare(&server, &world, None, None);
    let of_trend = |it: &&String| !it.starts_with(" \"20");
    let outside: Vec<_> = whole.steps.iter().filter(of_trend).collect();
    assert!(outside.is_empty(), "of the whole history all is within 1 %: {outside:?}");
    add(whole);
    for year in 2011..=2026 {
        // Years, of which the trend has months, and half years, of which it has weeks.
        let day = |year: i32, rest: &str| format!("{year}-{rest}");
        let (first, next) = (day(year, "01-01"), day(year + 1, "01-01"));
        add(compare(&server, &world, Some(&first), Some(&next)));
        let summer = day(year, "06-20");
        add(compare(&server, &world, Some(&first), Some(&summer)));
    }
    add(compare(&server, &world, Some("2024-03-05"), None));
    assert!(all > 5_000, "{all} figures were compared");
    let rare = steps.len() * 500 <= all;
    assert!(rare, "{} of {all} are a step away: {steps:?}", steps.len());
    drop(server);

    let imported = Data::new();
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    let file = imported.beside("events.ndjson");
    std::fs::write(&file, lines.join("\n")).unwrap();
    imported.run(&["import", file.to_str().unwrap()]);
    assert_same_answers("imported", &answers(&imported.serve()), &told);
    assert_same_answers("backfilled", &backfilled(&world, &told), &told);
}

fn assert_same_answers(how: &str, again: &BTreeMap<String, Value>, told: &BTreeMap<String, Value>) {
    for (path, told) in told {
        let again = &again[path];
        let (again, told) = (again.to_string(), told.to_string());
        let same = again.bytes().zip(told.bytes()).take_while(|(a, b)| a == b).count();
        let brief =
            |text: &str| text.chars().skip(same.saturating_sub(300)).take(600).collect::<String>();
        assert!(again == told, "{path}: {how} {}, live {}", brief(&again), brief(&told));
    }
}

/// The answers of a server that had the deployments from GitHub and the commits from git.
fn backfilled(world: &World, told: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let github = GitHub::start(world.objects());
    let data = Data::new().env("GITHUB_TOKEN", TOKEN);
    let since = ["--since", "2005-01-01", "--api-url", &github.url];
    let found = data.run(&[&["backfill", "github", "alphagov/frontend"][..], &since].concat());
    // The repository, and each deployment with its one status.
    let events = 1 + 2 * world.deployments.len();
    assert!(found.contains(&format!("{events} new events")), "{found}");

    let config = data.beside("seaway.toml");
    let place = world.repo.git_folder();
    let place = place.to_str().unwrap();
    std::fs::write(&config, format!("[repositories]\n{NAME:?} = {place:?}\n")).unwrap();
    let data = data.arg("--config").arg(config.display().to_string());
    let server = data.serve();
    // Revisions that are on no branch are asked for once those that are have been read, which may
    // take a minute.
    let linked = |report: &Value| report["flow"]["deployments"].clone();
    let since = Instant::now();
    while linked(&server.report(SERVICE)) != linked(&told[SERVICE]) {
        assert!(since.elapsed() < 4 * PATIENCE, "the repository is not read");
        std::thread::sleep(Duration::from_millis(100));
    }
    answers(&server)
}
