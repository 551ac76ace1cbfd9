//! The pages of the made-up company tell what its raw events say, read a second way.

use crate::serve_lang::{Data, Server};
use crate::truth_checks::{Checks, change, deployment, report, rows, trend};
use crate::truth_figures::Figures;
use crate::truth_pages as pages;
use crate::truth_world::{Change, DAY, World, seconds};
use serde_json::Value;
use std::collections::BTreeMap;

/// 280 days from 2026-01-05, a Monday, on: ten monthly trains.
const COMPANY: [&str; 6] = ["--days", "280", "--seed", "11", "--start", "1767571200"];
const MIDDLE: &str = "2026-05-25";

/// Some services, as pages show them together.
struct Scope {
    path: String,
    /// Its path under `/api/v1`.
    json: String,
    services: Vec<String>,
}

fn day(text: &str) -> i64 {
    let day: jiff::civil::Date = text.parse().unwrap();
    day.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second()
}

fn day_of(moment: i64) -> String {
    jiff::Timestamp::from_second(moment).unwrap().strftime("%F").to_string()
}

/// The company on a server of its own, through the public intake, and what its catalog says.
fn company(data: &Data) -> (Server, World, Catalog) {
    let catalog = Catalog::of(&data.run(&[&["demo", "--print-catalog"], &COMPANY[..]].concat()));
    let events = data.run(&[&["demo", "--print"], &COMPANY[..]].concat());
    let server = data.serve();
    let lines: Vec<&str> = events.lines().collect();
    for batch in lines.chunks(2_000) {
        let kind = [("Content-Type", "application/cloudevents-batch+json")];
        let answer = server.post("/events", &kind, format!("[{}]", batch.join(",")).as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    server.settle();
    (server, World::of(&events), catalog)
}

/// What the catalog says of each service, by the names that it has for it.
struct Catalog(BTreeMap<String, BTreeMap<String, String>>);

impl Catalog {
    fn of(yaml: &str) -> Self {
        let mut all = BTreeMap::new();
        for entity in yaml.split("---\n").filter(|it| it.contains("kind: Component")) {
            let fact = |line: &str| {
                let (name, value) = line.trim().split_once(": ")?;
                let name = name.trim_start_matches("seaway.dev/");
                Some((name.to_owned(), value.trim_matches('"').to_owned()))
            };
            let facts: BTreeMap<String, String> = entity.lines().filter_map(fact).collect();
            all.insert(facts["name"].clone(), facts);
        }
        Self(all)
    }

    fn all(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Services by a property.
    fn by(&self, property: &str) -> BTreeMap<String, Vec<String>> {
        let mut by = BTreeMap::<String, Vec<String>>::new();
        for (name, facts) in &self.0 {
            by.entry(facts[property].clone()).or_default().push(name.clone());
        }
        by
    }

    fn scopes(&self) -> Vec<Scope> {
        let of = |path: String, services| Scope { json: path.clone(), path, services };
        let organization =
            Scope { path: "/".to_owned(), json: "/organization".to_owned(), services: self.all() };
        let groups = self.by("owner").into_iter();
        let groups = groups.map(|(name, services)| of(format!("/groups/{name}"), services));
        let services = self.all().into_iter();
        let services = services.map(|name| of(format!("/services/{name}"), vec![name]));
        std::iter::once(organization).chain(groups).chain(services).collect()
    }
}

#[test]
fn the_pages_tell_what_the_raw_events_say() {
    let data = Data::new();
    let folder = data.beside("catalog");
    std::fs::create_dir(&folder).unwrap();
    let yaml = data.run(&[&["demo", "--print-catalog"], &COMPANY[..]].concat());
    std::fs::write(folder.join("catalog-info.yaml"), yaml).unwrap();
    let data = data.arg("--catalog").arg(folder.to_str().unwrap());
    let (server, world, catalog) = company(&data);
    assert_eq!((world.services.len(), catalog.0.len()), (12, 12));

    let mut checks = Checks::default();
    reports(&mut checks, &server, &world, &catalog);
    compared(&mut checks, &server, &world, &catalog);
    sizes(&mut checks, &server, &world, &catalog);
    lists(&mut checks, &server, &world);
    waiting(&mut checks, &server, &world);
    quality(&mut checks, &server, &world);
    stories(&mut checks, &server, &world);
    eprintln!("{} figures compared", checks.compared);
    assert!(checks.compared > 50_000, "{}", checks.compared);
    checks.verdict();
    assert!(server.stop(), "it stops as it is told to");
}

/// The reports of all scopes: of all time, of the days that pages show, and of two months; those of
/// pages beside their HTML.
fn reports(checks: &mut Checks, server: &Server, world: &World, catalog: &Catalog) {
    let since = day_of((world.as_of.div_euclid(DAY) - 89) * DAY);
    let until = Some("2026-05-01");
    let spans = [(None, None), (Some(since.as_str()), None), (Some("2026-03-01"), until)];
    for scope in catalog.scopes() {
        for (since, until) in spans {
            let pairs = [("since", since), ("until", until)];
            let pairs = pairs.iter().filter_map(|(name, day)| Some(format!("{name}={}", (*day)?)));
            let query = pairs.collect::<Vec<_>>().join("&");
            let within = (since.map(day), until.map(day));
            let truth = Figures::of(world, &scope.services, within.0, within.1);
            let told = server.report(&format!("{}?{query}", scope.json));
            let of = format!("{}?{query}", scope.path);
            report(checks, &of, &told, world, &truth);
            trend(checks, &of, &told, world, &scope.services, within);
            if since.is_none() {
                continue;
            }
            // A page without a span in its URL is about the last 90 days.
            let url = if until.is_none() { scope.path.clone() } else { of.clone() };
            pages::report(checks, server, &url, &told, &truth);
            if until.is_none() && scope.services.len() > 1 {
                pages::services(checks, server, &scope.path, &scope.services, world, within.0);
            }
        }
    }
}

/// Groups, architectures and runtimes side by side.
fn compared(checks: &mut Checks, server: &Server, world: &World, catalog: &Catalog) {
    for (by, property) in
        [("group", "owner"), ("architecture", "architecture"), ("runtime", "runtime")]
    {
        let told = server.report(&format!("/compare?by={by}"));
        let since = told["since"].as_str().map(day);
        assert_eq!(since, Some((world.as_of.div_euclid(DAY) - 89) * DAY), "90 days");
        let sides = catalog.by(property);
        checks.count(
            &format!("compared by {by}"),
            &Value::from(sides.len()),
            told["parts"].as_array().unwrap().len(),
        );
        for part in told["parts"].as_array().unwrap() {
            let name = part["name"].as_str().unwrap();
            let truth = Figures::of(world, &sides[name], since, None);
            crate::truth_checks::value(
                checks,
                &format!("compared {name}"),
                &part["time_to_value"],
                &truth,
            );
        }
        pages::compared(checks, server, by, &told);
    }
}

/// Quarters by size, cut at the powers of two that are nearest to them, of all services and of a
/// group.
fn sizes(checks: &mut Checks, server: &Server, world: &World, catalog: &Catalog) {
    let scopes = [
        ("by=size".to_owned(), catalog.all()),
        ("by=size&group=payments".to_owned(), catalog.by("owner").remove("payments").unwrap()),
        (
            "by=size&group=logistics&since=2026-03-01&until=2026-05-01".to_owned(),
            catalog.by("owner").remove("logistics").unwrap(),
        ),
    ];
    for (query, services) in scopes {
        let told = server.report(&format!("/compare?{query}"));
        let bound = |name: &str| told[name].as_str().map(day);
        let within = || Figures::of(world, &services, bound("since"), bound("until"));
        let truth = within();
        let seen: Vec<&Change> = truth.delivered().chain(truth.waiting()).collect();
        let lines: Vec<u64> = seen.iter().filter_map(|it| it.lines).collect();
        let of = format!("compared {query}");
        checks.count(&format!("{of} unknown"), &told["unknown_lines"], seen.len() - lines.len());
        let below =
            |cut: u64| lines.iter().filter(|it| **it < cut).count() as f64 / lines.len() as f64;
        let cuts = || {
            (1..=12)
                .map(|power| 1_u64 << power)
                .filter(|&cut| (1e-9..1.0 - 1e-9).contains(&below(cut)))
        };
        let nearest = |quarter: f64| {
            cuts()
                .min_by(|a, b| (below(*a) - quarter).abs().total_cmp(&(below(*b) - quarter).abs()))
        };
        let mut starts: Vec<u64> = [0.25, 0.5, 0.75].into_iter().filter_map(nearest).collect();
        starts.insert(0, 0);
        starts.dedup();
        let parts = told["parts"].as_array().unwrap();
        checks.count(&format!("{of} parts"), &Value::from(parts.len()), starts.len());
        for (at, (part, &start)) in parts.iter().zip(&starts).enumerate() {
            let of = format!("{of} from {start}");
            let last = starts.get(at + 1).map_or(u64::MAX, |next| next - 1);
            let size = &part["size"];
            checks.count(&of, &size["lines_min"], start as usize);
            let most = size["lines_max"].as_u64().unwrap_or(u64::MAX);
            checks.that(most == last, || format!("{of}: up to {most} and not {last}"));
            let upto = starts.get(at + 1).map_or(1.0, |next| below(*next));
            let share = upto - below(start);
            checks.exact(&format!("{of} share"), &size["share"], share);
            let truth = within().of_lines(start..=last);
            crate::truth_checks::value(checks, &of, &part["time_to_value"], &truth);
        }
    }
    let told = server.report("/compare?by=size");
    pages::compared(checks, server, "size", &told);
    let p50 = |at: usize| told["parts"][at]["time_to_value"]["p50"]["seconds"].as_f64().unwrap();
    checks.that(p50(3) > 2.0 * p50(0), || {
        "the monolith's large changes wait for its train".to_owned()
    });
}

/// Every change and every deployment, and the pages of some.
fn lists(checks: &mut Checks, server: &Server, world: &World) {
    for (service, truth) in &world.services {
        let changes: BTreeMap<&str, &Change> =
            truth.changes.iter().map(|it| (it.hash.as_str(), it)).collect();
        let told = rows(server, &format!("/services/{service}/changes"));
        let told: Vec<&Value> = told.iter().filter(|it| it["status"] != "baseline").collect();
        checks.count(&format!("{service} rows"), &Value::from(told.len()), changes.len());
        for (at, row) in told.iter().enumerate() {
            let hash = row["change"].as_str().unwrap();
            let Some(&known) = changes.get(hash) else {
                checks.that(false, || format!("{service} has no change {hash}"));
                continue;
            };
            change(checks, row, known);
            if at % 100 == 7 {
                pages::change(checks, server, known);
            }
        }
        let told = rows(server, &format!("/services/{service}/deployments"));
        checks.count(
            &format!("{service} deployments"),
            &Value::from(told.len()),
            truth.deployments.len(),
        );
        for (at, (row, known)) in told.iter().zip(truth.deployments.iter().rev()).enumerate() {
            let by = Some(known.name.as_str());
            let carried: Vec<&Change> =
                truth.changes.iter().filter(|it| it.deployment.as_deref() == by).collect();
            checks.same(service, row["name"].as_str().unwrap(), &known.name);
            deployment(checks, row, known, carried.len());
            if at % 40 == 3 || known.kind == "redeployment" {
                pages::deployment(checks, server, known, &carried);
            }
        }
    }
}

/// What waits, oldest first.
fn waiting(checks: &mut Checks, server: &Server, world: &World) {
    let all = world.services.values().flat_map(|it| &it.changes);
    let mut truth: Vec<&Change> = all.filter(|it| it.deployed().is_none()).collect();
    truth.sort_by_key(|it| (it.authored(), &it.hash));
    let told = rows(server, "/waiting");
    checks.count("in flight", &Value::from(told.len()), truth.len());
    for (row, known) in told.iter().zip(&truth) {
        checks.same("in flight", row["change"].as_str().unwrap(), &known.hash);
        change(checks, row, known);
    }
    pages::in_flight(checks, server, &truth, world.as_of);
}

/// What arrived, and that all of it was understood.
fn quality(checks: &mut Checks, server: &Server, world: &World) {
    let told = server.report("/quality");
    let mut kinds = world.kinds.clone();
    for row in told["arrivals"].as_array().unwrap() {
        let kind = row["kind"].as_str().unwrap();
        if kind.starts_with("dev.cdeventsx.") {
            checks.same(kind, row["outcome"].as_str().unwrap(), "understood");
            checks.count(kind, &row["count"], kinds.remove(kind).unwrap_or(0) as usize);
        }
    }
    checks.that(kinds.is_empty(), || format!("not told: {kinds:?}"));
    checks.that(told["findings"] == serde_json::json!([]), || told["findings"].to_string());
    checks.count("services", &told["services"], world.services.len());
    checks.count("uncatalogued", &told["uncatalogued"]["count"], 0);
    pages::quality(checks, server, &told);
}

/// The stories that the catalog tells of the services.
fn stories(checks: &mut Checks, server: &Server, world: &World) {
    let p50 = |path: &str| {
        let told = server.report(path);
        told["time_to_value"]["p50"]["seconds"].as_f64().unwrap()
    };
    let share = |service: &str, to: &str| {
        let told = server.report(&format!("/services/{service}"));
        let stages = told["stages"].as_array().unwrap().clone();
        stages.iter().find(|it| it["to"] == to).unwrap()["share"].as_f64().unwrap()
    };
    let top = |service: &str| {
        let told = server.report(&format!("/services/{service}"));
        told["waits"]["stages"][0]["to"].as_str().unwrap().to_owned()
    };
    let of = |service: &str| server.report(&format!("/services/{service}"));
    let mut story = |holds: bool, what: &str| checks.that(holds, || format!("not so: {what}"));

    // A monthly train: at most one departure in 28 days, and half of the work waits two weeks.
    let warehouse = of("warehouse");
    let days = DAY as f64;
    story(
        (10.0 * days..28.0 * days).contains(&p50("/services/warehouse")),
        "half wait for the train",
    );
    story(share("warehouse", "deployed") > 0.7, "the monolith waits for its train");
    story(top("warehouse") == "deployed", "the train is in the monolith's way");
    story(warehouse["flow"]["deployments_per_week"].as_f64().unwrap() < 0.5, "monthly trains");
    story(
        warehouse["flow"]["changes_per_deployment_mean"].as_f64().unwrap() > 50.0,
        "large trains",
    );
    let web = of("shop-web");
    story(web["flow"]["deployments_per_week"].as_f64().unwrap() > 10.0, "deploys many times a day");
    story(p50("/services/warehouse") > 10.0 * p50("/services/shop-web"), "slower than each merge");

    // Its ways changed in the middle: intervals do not overlap.
    let before = server.report(&format!("/services/checkout?until={MIDDLE}"));
    let after = server.report("/services/checkout?since=2026-06-08");
    let bound = |told: &Value, name: &str| told["time_to_value"]["p50"][name].as_f64().unwrap();
    story(bound(&before, "low") > 3.0 * bound(&after, "high"), "checkout became faster");
    let rate = |told: &Value| told["flow"]["deployments_per_week"].as_f64().unwrap();
    story(rate(&after) > 5.0 * rate(&before), "checkout deploys more often");

    // A board, long reviews, builds that fail.
    story(top("invoices") == "merged", "the board, after the approval, is in the way of invoices");
    story(share("invoices", "merged") > 0.5, "half of the time is the board's");
    story(top("parcels") == "reviewed", "reviews are in the way of parcels");
    let flaky = |service: &str| {
        let (failed, all) = world.services[service].builds;
        failed as f64 / all as f64
    };
    let flaky: BTreeMap<&str, f64> =
        world.services.keys().map(|it| (it.as_str(), flaky(it))).collect();
    story((0.35..0.55).contains(&flaky["refunds"]), "the builds of refunds fail");
    let built = |service: &str| share(service, "built");
    let others = flaky.keys().filter(|it| **it != "refunds");
    for other in others {
        story(flaky["refunds"] > 3.0 * flaky[other], "others' builds do not");
        story(built("refunds") > 1.5 * built(other), "what fails is built longer");
    }

    // Bots, assistants, rollbacks.
    let part = |told: &Value, name: &str| {
        told["flow"][name].as_f64().unwrap() / told["time_to_value"]["n"].as_f64().unwrap()
    };
    let bots = |service: &str| part(&of(service), "delivered_by_bots");
    story((0.43..0.57).contains(&bots("recommendations")), "bots make every second change");
    story((0.2..0.4).contains(&bots("maps")), "some bots");
    story(bots("shop-web") == 0.0, "no bots");
    story((0.53..0.67).contains(&part(&of("search"), "delivered_assisted")), "most are assisted");
    let rollbacks = |service: &str| of(service)["rework"]["rollbacks"].as_u64().unwrap();
    let routes = rollbacks("routes");
    for other in world.services.keys().filter(|it| *it != "routes") {
        story(routes > 2 * rollbacks(other), "routes is rolled back most");
    }
    story(of("routes")["dora"][3]["value"].as_f64().unwrap() > 0.08, "deployments of routes fail");
    assert_eq!(seconds(&warehouse["span"]["as_of"]), world.as_of);
}
