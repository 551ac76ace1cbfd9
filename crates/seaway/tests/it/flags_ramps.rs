//! Ramps through HTTP: what they do by themselves, what people do with them, and what survives.

use crate::flags_lang::{JSON, evaluate, header, path, set, switch};
use crate::serve_lang::{Answer, Data, PATIENCE, Server};
use crate::serve_openapi::Document;
use crate::serve_shared::postgres::Cluster;
use seaway_core::flags::ramp::{Audience, Band, Reach, Share, Spread};
use seaway_core::flags::{Bucketing, Context, FlagSet};
use seaway_core::time::Time;
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

const FLAG: &str = "new-cart";
const RAMP: &str = "/api/v1/flags/{environment}/{key}/ramp";
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

static DOCUMENT: LazyLock<Document> = LazyLock::new(Document::read);

fn step(percent: u32, hold: u32, least: u32) -> Value {
    json!({ "percent": percent, "hold_seconds": hold, "least_exposures": least })
}

fn plan(steps: &[Value], more: &Value) -> Value {
    let mut plan = json!({ "variant": "on", "base": "off", "steps": steps });
    let all = more.as_object().unwrap().clone();
    plan.as_object_mut().unwrap().extend(all);
    plan
}

/// Does something with the ramp, and holds the answer against the document.
fn act(server: &Server, body: &Value, status: u16) -> Value {
    let headers = [JSON, ("If-Match", "*")];
    let answer =
        server.post(&path("production", FLAG, "/ramp"), &headers, body.to_string().as_bytes());
    assert_eq!(answer.status, status, "{body}: {}", answer.body);
    DOCUMENT.check("post", RAMP, &answer, &body.to_string())
}

fn start(server: &Server, plan: &Value) -> Value {
    set(server, "production", FLAG, &switch("off"));
    act(server, &json!({ "action": "start", "plan": plan, "reason": "a test" }), 200)
}

fn told(server: &Server) -> Value {
    let answer = server.get(&path("production", FLAG, "/ramp"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    DOCUMENT.check("get", RAMP, &answer, "the ramp")
}

fn flag(server: &Server) -> Answer {
    server.get(&path("production", FLAG, ""))
}

fn phase(told: &Value) -> &str {
    told["state"]["phase"]["phase"].as_str().unwrap()
}

/// Waits until a ramp is so; meanwhile something happens again and again.
fn until(server: &Server, mut meanwhile: impl FnMut(), is_so: impl Fn(&Value) -> bool) -> Value {
    let since = Instant::now();
    loop {
        meanwhile();
        let told = told(server);
        if is_so(&told) {
            return told;
        }
        assert!(since.elapsed() < PATIENCE, "it never came so far: {told:#}");
        std::thread::sleep(PAUSE);
    }
}

/// The causes that a ramp is held for.
fn held_for(told: &Value) -> Vec<&str> {
    let causes = told["state"]["phase"]["causes"].as_array();
    causes.into_iter().flatten().map(|cause| cause["cause"].as_str().unwrap()).collect()
}

/// So many units of each side that are compared from a share on.
fn units(percent: f64, count: usize) -> [Vec<String>; 2] {
    let spread = Spread::new(FLAG, None, Bucketing::V2);
    let reach = Reach::Share(Audience::Everyone, Share::of_percent(percent).unwrap());
    [Band::Treatment, Band::Control].map(|band| {
        let names = (0..).map(|at| format!("u{at}"));
        names.filter(|name| spread.band(reach, name) == Some(band)).take(count).collect()
    })
}

/// Sends that units have seen what the flag is for them now.
fn see(server: &Server, units: &[String]) {
    let flag = flag(server).json();
    let definition = flag["definition"].to_string();
    let flag = FlagSet::new(1 << 20).compile(FLAG, definition.as_bytes()).unwrap();
    let seen = units.iter().map(|unit| {
        let context = Context::parse(&json!({ "targetingKey": unit }).to_string()).unwrap();
        let variant = flag.evaluate(&context, Time(0)).variant.unwrap().to_owned();
        json!({ "flag": FLAG, "variant": variant, "unit": unit })
    });
    let body = json!({ "environment": "production", "exposures": seen.collect::<Vec<_>>() });
    let answer = server.post("/api/v1/exposures", &[JSON], body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn came(server: &Server, units: &[String], value: u8) {
    let outcome = |unit| json!({ "unit": unit, "metric": "errors", "value": value });
    let outcomes: Vec<Value> = units.iter().map(outcome).collect();
    let body = json!({ "environment": "production", "outcomes": outcomes });
    let answer = server.post("/api/v1/outcomes", &[JSON], body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// The history, the oldest first: revision, action, author, reason.
fn history(server: &Server) -> Vec<(u64, String, String, String)> {
    let rows = server.get(&path("production", FLAG, "/history?limit=1000")).json();
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let row = |row: &Value| {
        let [action, by, reason] = [&row["action"], &row["by"]["id"], &row["reason"]].map(text);
        (row["revision"].as_u64().unwrap(), action, by, reason)
    };
    rows["rows"].as_array().unwrap().iter().rev().map(row).collect()
}

/// The steps that a history went to, after looking that no revision is missing.
fn steps_taken(history: &[(u64, String, String, String)]) -> Vec<u64> {
    let revisions: Vec<u64> = history.iter().map(|it| it.0).collect();
    assert_eq!(revisions, (1..=revisions.len() as u64).collect::<Vec<_>>());
    let taken = history.iter().filter(|it| it.1 == "advance");
    let number = |reason: &str| -> u64 {
        reason.strip_prefix("step ").unwrap().split(' ').next().unwrap().parse().unwrap()
    };
    taken
        .map(|(_, _, by, reason)| {
            assert_eq!(by, "ramp");
            number(reason)
        })
        .collect()
}

#[test]
fn a_ramp_goes_on_by_exposures_and_time() {
    let data = Data::new();
    let server = data.serve();
    let steps = [step(10, 1, 5), step(50, 1, 20), step(100, 0, 0)];
    let plan = plan(&steps, &json!({ "guardrails": [{ "metric": "errors" }] }));
    let begun = start(&server, &plan);
    assert_eq!((phase(&begun), &begun["state"]["step"]), ("running", &json!(0)));
    assert_eq!(begun["reach"], json!({ "audience": "everyone", "percent": 10 }));
    let [treated, control] = units(10.0, 30);
    let value = |unit: &str| evaluate(&server, FLAG, &json!({ "targetingKey": unit })).json();
    assert_eq!(value(&treated[0])["value"], true);
    assert_eq!(value(&control[0])["value"], false);
    // A metric that nobody has heard holds it.
    let all = [treated, control].concat();
    let held = until(&server, || see(&server, &all), |it| phase(it) == "held");
    assert_eq!(held_for(&held), ["not_heard_yet"], "{held:#}");
    assert_eq!([&held["seen"]["treatment"], &held["seen"]["control"]], [&json!(30), &json!(30)]);
    came(&server, &all[..1], 0);
    let second = until(&server, || see(&server, &all), |it| it["state"]["step"] == 1);
    assert_eq!(second["reach"]["percent"], 50);
    // Only units that have not seen it before count for the next step.
    let waiting = until(&server, || see(&server, &all), |it| phase(it) == "held");
    assert_eq!(held_for(&waiting), ["too_few_exposures"]);
    assert_eq!(waiting["next"]["exposures_lacking"], 20);
    let more = units(50.0, 100).concat();
    let done = until(&server, || see(&server, &more), |it| phase(it) == "complete");
    assert_eq!(flag(&server).json()["definition"]["defaultVariant"], "on");
    assert_eq!(done["locked"], false);
    let history = history(&server);
    assert_eq!(steps_taken(&history), [2, 3]);
    assert!(history.iter().any(|it| it.3.starts_with("step 2 of 3: 50 % of everyone")));
    // Whoever changes the flag then, changes a flag without a ramp.
    set(&server, "production", FLAG, &switch("on"));
    assert_eq!(server.get(&path("production", FLAG, "/ramp")).status, 404);
}

#[test]
fn harm_rolls_back_and_locks_until_somebody_says_why_it_may_go_on() {
    let data = Data::new();
    let server = data.serve();
    let before = set(&server, "production", FLAG, &switch("off"));
    let plan = plan(&[step(50, 3600, 1000)], &json!({ "guardrails": [{ "metric": "errors" }] }));
    start(&server, &plan);
    let [treated, control] = units(50.0, 40);
    see(&server, &[&treated[..], &control].concat());
    came(&server, &control[..2], 1);
    came(&server, &treated[..20], 1);
    let since = Instant::now();
    let back = until(&server, || (), |it| phase(it) == "rolled_back");
    eprintln!("back at nobody {:?} after the last error was acknowledged", since.elapsed());
    let harm = &back["state"]["phase"]["causes"][0];
    assert_eq!(
        (&harm["cause"], &harm["treatment"], &harm["control"]),
        (&json!("harm"), &json!(20), &json!(2))
    );
    assert_eq!((&back["locked"], &back["reach"]["audience"]), (&json!(true), &Value::Null));
    let now = flag(&server).json();
    assert_eq!((&now["definition"], &now["action"]), (&before["definition"], &json!("roll-back")));
    assert!(now["lock"]["why"].as_str().unwrap().contains("20 in the treatment"), "{now}");
    let value = evaluate(&server, FLAG, &json!({ "targetingKey": treated[0] })).json();
    assert_eq!(value["value"], false);
    // Nothing turns it up.
    let why = json!({ "action": "start", "plan": plan, "reason": "again" });
    for body in [json!({ "action": "go-on" }), json!({ "action": "move", "step": 1 }), why] {
        act(&server, &body, 409);
    }
    act(&server, &json!({ "action": "unlock" }), 422);
    let again = act(&server, &json!({ "action": "unlock", "reason": "the tax is mended" }), 200);
    assert_eq!((&again["state"]["attempt"], &again["locked"]), (&json!(2), &json!(false)));
    // No error of before counts for the new attempt, also where its unit comes again.
    see(&server, &[&treated[..], &control].concat());
    let fresh = until(&server, || (), |it| it["seen"]["treatment"] == 40);
    assert_eq!((&fresh["guardrails"][0]["treatment"], phase(&fresh)), (&json!(0), "running"));
    let ended = act(&server, &json!({ "action": "end", "reason": "not now" }), 200);
    assert_eq!(ended["locked"], false);
    assert_eq!(flag(&server).json()["definition"], before["definition"]);
}

#[test]
fn a_signal_holds_and_lets_go_on() {
    let data = Data::new();
    let server = data.serve();
    let signal = json!({ "guardrails": [{ "metric": "errors", "kind": "signal" }] });
    start(&server, &plan(&[step(50, 3600, 1)], &signal));
    let [treated, control] = units(50.0, 80);
    see(&server, &[&treated[..], &control].concat());
    came(&server, &treated[..20], 1);
    let held = until(&server, || (), |it| phase(it) == "held");
    assert_eq!(held_for(&held), ["signal"]);
    assert_eq!(held["locked"], false);
    came(&server, &control[..40], 1);
    let on = until(&server, || (), |it| phase(it) == "running");
    assert!(on["guardrails"][0]["e_max"].as_f64() > on["guardrails"][0]["e"].as_f64());
    let actions: Vec<String> = history(&server).into_iter().map(|it| it.1).collect();
    assert_eq!(actions[2..], ["hold", "resume"]);
}

#[test]
fn missing_data_and_a_wrong_ratio_hold() {
    let data = Data::new();
    let server = data.serve();
    start(&server, &plan(&[step(50, 3600, 1)], &json!({ "silence_seconds": 1 })));
    let [treated, control] = units(50.0, 200);
    let some = [&treated[..10], &control[..10]].concat();
    see(&server, &some);
    let silent = until(&server, || (), |it| phase(it) == "held");
    assert_eq!(held_for(&silent), ["no_exposures"]);
    until(&server, || see(&server, &some), |it| phase(it) == "running");
    // Of one side half the units are lost on their way.
    let odd = [&treated[..], &control[..80]].concat();
    let wrong = until(&server, || see(&server, &odd), |it| held_for(it) == ["ratio_mismatch"]);
    let cause = &wrong["state"]["phase"]["causes"][0];
    assert_eq!((&cause["treatment"], &cause["control"]), (&json!(200), &json!(80)));
    let all = [treated, control].concat();
    until(&server, || see(&server, &all), |it| phase(it) == "running");
}

#[test]
fn people_stop_move_and_change_what_is_under_way() {
    let data = Data::new();
    let server = data.serve();
    let plan = plan(&[step(20, 3600, 1), step(50, 3600, 1), step(100, 0, 0)], &json!({}));
    start(&server, &plan);
    let [treated, _] = units(20.0, 1);
    let value =
        || evaluate(&server, FLAG, &json!({ "targetingKey": treated[0] })).json()["value"].clone();
    let post = |end: &str| server.post(&path("production", FLAG, end), &[JSON], b"{}");
    assert_eq!(value(), true);
    act(&server, &json!({ "action": "start", "plan": plan }), 409);
    // Off at once, and when it is on again, the ramp waits for a person.
    assert_eq!(post("/off").status, 200);
    assert_eq!((value(), phase(&told(&server))), (json!(false), "paused"));
    act(&server, &json!({ "action": "go-on" }), 409);
    assert_eq!(post("/on").status, 200);
    assert_eq!((value(), phase(&told(&server))), (json!(true), "paused"));
    act(&server, &json!({ "action": "go-on" }), 200);
    act(&server, &json!({ "action": "go-on" }), 409);
    // Whoever stops it need not know its revision; all others do.
    let url = path("production", FLAG, "/ramp");
    let answer = server.post(&url, &[JSON], br#"{"action":"move","step":2}"#);
    assert_eq!(answer.status, 428);
    let stale = server.post(&url, &[JSON, ("If-Match", "\"2\"")], br#"{"action":"move","step":2}"#);
    assert_eq!(stale.status, 412);
    let paused = server.post(&url, &[JSON], br#"{"action":"pause"}"#);
    assert_eq!((paused.status, phase(&paused.json())), (200, "paused"));
    assert_eq!(
        header(&paused, "etag"),
        Some(format!("\"{}\"", paused.json()["revision"]).as_str())
    );
    let moved = act(&server, &json!({ "action": "move", "step": 2, "reason": "sure" }), 200);
    assert_eq!((phase(&moved), &moved["reach"]["percent"]), ("running", &json!(50)));
    for wrong in [0, 4] {
        let status = if wrong == 0 { 400 } else { 422 };
        act(&server, &json!({ "action": "move", "step": wrong }), status);
    }
    // The definition under it is changed, as it is served or as it is without the ramp.
    let mut served = flag(&server).json()["definition"].clone();
    assert!(served["targeting"].is_object());
    served["metadata"] = json!({ "owner": "cart" });
    set(&server, "production", FLAG, &served);
    let after = told(&server);
    assert_eq!((phase(&after), after["definition"].get("targeting")), ("paused", None));
    assert_eq!(after["definition"]["metadata"]["owner"], "cart");
    assert_eq!(flag(&server).json()["definition"]["targeting"], served["targeting"]);
    let mut ruled = switch("off");
    ruled["targeting"] = json!({ "if": [{ "===": [{ "var": "country" }, "DE"] }, "off", "off"] });
    set(&server, "production", FLAG, &ruled);
    assert_eq!(told(&server)["definition"], ruled);
    let body = json!({ "definition": switch("on") }).to_string();
    let headers = [JSON, ("If-Match", "*")];
    let answer = server.send("PUT", &path("production", FLAG, ""), &headers, body.as_bytes());
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert_eq!(answer.problem()["problems"][0]["place"], "/targeting");
    // A file that brings the flag as it was exported changes nothing.
    let file = server.get("/api/v1/environments/production/export").body;
    let url = "/api/v1/environments/production/import";
    let done = server.post(url, &[JSON, ("If-Match", "*")], file.as_bytes()).json();
    assert_eq!(done["unchanged"], 1, "{done}");
    act(&server, &json!({ "action": "end", "complete": true, "reason": "all of them" }), 200);
    let done = flag(&server).json()["definition"].clone();
    assert_eq!(done["targeting"]["if"][2], "on", "{done}");
    assert_eq!(server.get(&path("production", FLAG, "/ramp")).status, 404);
}

#[test]
fn a_plan_that_does_not_fit_is_refused_with_its_places() {
    let data = Data::new();
    let server = data.serve();
    set(&server, "production", FLAG, &switch("off"));
    let wrong = [
        (json!({ "variant": "on", "base": "off", "steps": [] }), "/plan/steps"),
        (plan(&[step(10, 1, 1)], &json!({ "variant": "blue" })), "/plan/variant"),
        (
            plan(&[step(10, 1, 1)], &json!({ "base": "on", "variant": "off" })),
            "/definition/targeting",
        ),
        (plan(&[step(10, 1, 1)], &json!({ "salad": 1 })), "/plan"),
    ];
    for (plan, place) in wrong {
        let problem = act(&server, &json!({ "action": "start", "plan": plan }), 422);
        assert_eq!(problem["problems"][0]["place"], place, "{problem}");
    }
    for body in [json!({}), json!({ "action": "start" }), json!({ "action": "fly" }), json!([])] {
        act(&server, &body, 400);
    }
    act(&server, &json!({ "action": "pause" }), 404);
    let headers = [("Content-Type", "text/plain"), ("If-Match", "*")];
    assert_eq!(server.post(&path("production", FLAG, "/ramp"), &headers, b"{}").status, 415);
    let long = format!("{{\"action\":\"{}\"}}", "x".repeat(300_000));
    let headers = [JSON, ("If-Match", "*")];
    let answer = server.post(&path("production", FLAG, "/ramp"), &headers, long.as_bytes());
    assert_eq!(answer.status, 413);
    assert_eq!(server.get(&path("production", "other", "/ramp")).status, 404);
}

/// Waits until a moment of the clock of which the server tells.
fn wait_for_seconds(since: Instant, seconds: u64) {
    let left = Duration::from_secs(seconds).saturating_sub(since.elapsed());
    std::thread::sleep(left);
}

#[test]
fn steps_that_were_missed_are_one_revision_that_says_so() {
    let data = Data::new();
    let server = data.serve();
    let steps: Vec<Value> = [10, 20, 30, 40, 50].map(|percent| step(percent, 1, 5)).to_vec();
    let steps = [steps, vec![step(100, 0, 0)]].concat();
    start(&server, &plan(&steps, &json!({})));
    let since = Instant::now();
    assert!(server.stop());
    // The times of all steps go by.
    wait_for_seconds(since, 6);
    let server = data.serve();
    let [treated, control] = units(10.0, 30);
    see(&server, &[treated, control].concat());
    let there = until(&server, || (), |it| it["state"]["step"] != 0);
    assert_eq!(there["state"]["step"], 4, "never to everyone: {there:#}");
    let history = history(&server);
    assert_eq!(steps_taken(&history), [5]);
    let reason = &history.iter().find(|it| it.1 == "advance").unwrap().3;
    for passed in ["step 2 of 6", "step 3 of 6", "step 4 of 6"] {
        assert!(reason.contains("passed over") && reason.contains(passed), "{reason}");
    }
}

/// Eight steps of a second each.
fn quick() -> Value {
    let steps: Vec<Value> = [1, 5, 10, 15, 20, 25, 30].map(|percent| step(percent, 1, 1)).to_vec();
    plan(&[steps, vec![step(100, 0, 0)]].concat(), &json!({}))
}

/// Units of which each step adds some.
fn crowd() -> Vec<String> {
    (0..1_000).map(|at| format!("u{at}")).collect()
}

fn assert_each_step_once(history: &[(u64, String, String, String)]) {
    let taken = steps_taken(history);
    assert!(taken.windows(2).all(|it| it[0] < it[1]), "a step was taken twice: {taken:?}");
    // Each step is taken, or told to be passed over.
    let passed: usize = history
        .iter()
        .filter_map(|it| it.3.split_once("suffices for them: "))
        .map(|(_, steps)| steps.matches("step ").count())
        .sum();
    assert_eq!((taken.len() + passed, taken.last()), (7, Some(&8)), "{history:#?}");
}

#[test]
fn a_server_that_dies_in_a_step_loses_and_doubles_none() {
    let data = Data::new().env("SEAWAY_LOG", "off");
    let mut server = data.serve();
    start(&server, &quick());
    let crowd = crowd();
    let mut before = json!(null);
    let mut deaths = 0;
    loop {
        let now = until(&server, || see(&server, &crowd), |it| it["revision"] != before);
        if phase(&now) == "complete" {
            break;
        }
        before = now["revision"].clone();
        server.kill();
        deaths += 1;
        server = data.serve();
        let after = told(&server);
        assert!(after["revision"].as_u64() >= before.as_u64(), "a step was lost");
    }
    assert!(deaths >= 3, "{deaths}");
    assert_each_step_once(&history(&server));
    eprintln!("killed {deaths} times on its way");
}

#[test]
fn two_servers_take_each_step_once() {
    let Some(cluster) = Cluster::start() else { return };
    let url = cluster.database();
    let data = Data::new().env("SEAWAY_LOG", "off").arg("--database").arg(&url);
    let (one, other) = (data.serve(), data.serve());
    start(&one, &quick());
    let crowd = crowd();
    let both = || {
        see(&one, &crowd[..500]);
        // It may not have heard of the flag yet.
        if flag(&other).status == 200 {
            see(&other, &crowd[500..]);
        }
    };
    until(&one, both, |it| phase(it) == "complete");
    until(&other, || (), |it| phase(it) == "complete");
    let [first, second] = [&one, &other].map(history);
    assert_eq!(first, second);
    assert_each_step_once(&first);
    // Each comes to the end of the log in its own time.
    let treated = |server: &Server| told(server)["seen"]["treated"].clone();
    until(&one, || (), |it| it["seen"]["treated"] == treated(&other));
    let counts = [&one, &other].map(treated);
    assert_eq!(counts[0], counts[1]);
    // The servers that come after them tell the same.
    drop((one, other));
    let third = data.serve();
    until(&third, || (), |it| it["seen"]["treated"] == counts[0]);
    assert_eq!(history(&third), first);
}

#[test]
fn the_command_line_starts_stops_and_tells() {
    let data = Data::new();
    let server = data.serve();
    set(&server, "production", FLAG, &switch("off"));
    let (file, url) = (data.beside("plan.json"), server.url());
    std::fs::write(&file, quick().to_string()).unwrap();
    let ramp =
        |rest: &[&str]| data.run(&[&["flag", "ramp", FLAG, "--server", &url], rest].concat());
    let begun = ramp(&["start", "--plan", file.to_str().unwrap(), "--reason", "ready"]);
    assert!(begun.contains("running: step 1 of 8") && begun.contains("1 % of everyone"), "{begun}");
    assert!(ramp(&["pause"]).contains("paused: step 1 of 8"));
    assert!(ramp(&["move", "--to", "3"]).contains("step 3 of 8"));
    let status: Value = serde_json::from_str(&ramp(&["--format", "json"])).unwrap();
    assert_eq!(status["state"]["step"], 2);
    assert!(ramp(&["end"]).contains("no ramp"));
    let (code, said) = data.run_failing(&["flag", "ramp", FLAG, "--server", &url, "start"]);
    assert!(code == 2 && said.contains("--plan"), "{said}");
}
