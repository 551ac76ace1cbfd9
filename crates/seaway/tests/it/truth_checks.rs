//! What is told beside what is true: all that differs is collected, so that one run shows all of it.

use crate::serve_lang::Server;
use crate::truth_figures::{Figures, Survival, middles};
use crate::truth_world::{Change, Deployment, MILESTONES, World, seconds};
use serde_json::Value;
use std::collections::BTreeMap;

/// By how much the server's curve may be off where lives enter late or leave undelivered
/// (docs/record.md, *Limits*).
const OFF: f64 = 0.005;

/// What was compared, and what of it differs.
#[derive(Default)]
pub(crate) struct Checks {
    pub(crate) compared: usize,
    wrong: Vec<String>,
}

impl Checks {
    pub(crate) fn that(&mut self, holds: bool, what: impl FnOnce() -> String) {
        self.compared += 1;
        if !holds {
            self.wrong.push(what());
        }
    }

    pub(crate) fn count(&mut self, what: &str, told: &Value, truth: usize) {
        self.that(told.as_u64() == Some(truth as u64), || {
            format!("{what}: {told}, and not {truth}")
        });
    }

    pub(crate) fn same(&mut self, what: &str, told: &str, truth: &str) {
        self.that(told == truth, || format!("{what}: {told:?}, and not {truth:?}"));
    }

    /// A number that comes from exact sums.
    pub(crate) fn exact(&mut self, what: &str, told: &Value, truth: f64) {
        let told = told.as_f64();
        let holds = told.is_some_and(|it| (it - truth).abs() <= truth.abs() * 1e-9 + 1e-9);
        self.that(holds, || format!("{what}: {told:?}, and not {truth}"));
    }

    /// A quantile of durations.
    fn quantile(&mut self, what: &str, told: &Value, truth: &Survival, share: f64, off: f64) {
        let told = told.as_f64();
        self.that(truth.allows(share, off, told), || {
            let exact = truth.quantile(share);
            let near = truth.near(share, off);
            format!("{what}: {told:?}, and not {exact:?} (within {near:?})")
        });
    }

    /// Ends the test if anything differs.
    pub(crate) fn verdict(self) {
        let count = self.wrong.len();
        let first: Vec<String> = self.wrong.into_iter().take(60).collect();
        let compared = self.compared;
        assert!(first.is_empty(), "{count} of {compared} figures differ:\n{}", first.join("\n"));
    }
}

/// Everything in the report of a scope and a span.
pub(crate) fn report(checks: &mut Checks, of: &str, told: &Value, world: &World, truth: &Figures) {
    value(checks, of, &told["time_to_value"], truth);
    stages(checks, of, told, truth);
    flow(checks, of, &told["flow"], truth);
    rework(checks, of, told, truth);
    dora(checks, of, told, truth);
    waits(checks, of, &told["waits"], truth);
    assert_eq!(seconds(&told["span"]["as_of"]), world.as_of);
}

/// Time to value of a set of changes.
pub(crate) fn value(checks: &mut Checks, of: &str, told: &Value, truth: &Figures) {
    checks.count(&format!("{of} n"), &told["n"], truth.delivered().count());
    checks.count(&format!("{of} waiting"), &told["waiting"], truth.waiting().count());
    let survival = truth.survival();
    for (name, share) in [("p50", 0.5), ("p85", 0.85), ("p95", 0.95)] {
        let what = format!("{of} {name}");
        checks.quantile(&what, &told[name]["seconds"], &survival, share, OFF);
    }
}

fn stages(checks: &mut Checks, of: &str, told: &Value, truth: &Figures) {
    let stages = truth.stages();
    let all: i64 = stages.values().map(|it| it.1).sum();
    // What is built after the end of a span is in its last stage after it, too.
    let waiting = truth.waiting().filter(|it| it.ready() <= truth.end).count();
    for (to, (n, sum, survival)) in &stages {
        let name = MILESTONES[*to];
        let what = |figure: &str| format!("{of} stage {name} {figure}");
        let stage = told["stages"].as_array().unwrap().iter().find(|it| it["to"] == name);
        let stage = stage.cloned().unwrap_or_default();
        checks.count(&what("n"), &stage["n"], *n);
        checks.count(&what("waiting"), &stage["waiting"], if *to == 6 { waiting } else { 0 });
        if all > 0 {
            checks.exact(&what("share"), &stage["share"], *sum as f64 / all as f64);
        }
        // The last stage of a span is seen from its start on, as time to value is.
        if *to < 6 || truth.is_whole() {
            checks.quantile(&what("p50"), &stage["p50"]["seconds"], survival, 0.5, OFF);
            checks.quantile(&what("p85"), &stage["p85"]["seconds"], survival, 0.85, OFF);
        }
    }
}

fn flow(checks: &mut Checks, of: &str, told: &Value, truth: &Figures) {
    let (live, n) = (truth.live().count(), truth.delivered().count());
    checks.count(&format!("{of} deployments"), &told["deployments"], live);
    checks.exact(&format!("{of} a week"), &told["deployments_per_week"], truth.per_week());
    checks.exact(&format!("{of} weeks"), &told["weeks"], truth.weeks());
    let delivering = truth.delivering();
    checks.count(&format!("{of} delivering"), &told["delivering_deployments"], delivering);
    if delivering > 0 {
        let mean = n as f64 / delivering as f64;
        checks.exact(&format!("{of} mean"), &told["changes_per_deployment_mean"], mean);
    }
    checks.count(&format!("{of} merged"), &told["merged"], truth.merged().count());
    let bots = truth.delivered().filter(|it| it.bot).count();
    checks.count(&format!("{of} by bots"), &told["delivered_by_bots"], bots);
    let assisted = truth.delivered().filter(|it| it.assisted).count();
    checks.count(&format!("{of} assisted"), &told["delivered_assisted"], assisted);
    checks.count(&format!("{of} flow waiting"), &told["waiting"], truth.waiting().count());
    let age = told["waiting_age_p50"].as_f64();
    let middles = middles(truth.ages());
    let is_near = match (age, middles) {
        (None, None) => true,
        (Some(age), Some((low, high))) => (low as f64 * 0.99..=high as f64 * 1.01).contains(&age),
        _ => false,
    };
    checks.that(is_near, || format!("{of} age of what waits: {age:?}, and not {middles:?}"));
    for (band, truth) in truth.by_age().into_iter().enumerate() {
        let told = &told["waiting_by_age"][band];
        checks.count(&format!("{of} waiting {}", told["label"]), &told["changes"], truth);
    }
    let (opened, resolved) = truth.troubles();
    checks.count(&format!("{of} incidents opened"), &told["incidents_opened"], opened);
    checks.count(&format!("{of} incidents resolved"), &told["incidents_resolved"], resolved);
    let mut days = BTreeMap::<String, (u64, u64)>::new();
    for it in truth.live() {
        let day = jiff::Timestamp::from_second(it.finished).unwrap().strftime("%F").to_string();
        let day = days.entry(day).or_default();
        (day.0, day.1) = (day.0 + 1, day.1 + u64::from(it.kind == "rollback"));
    }
    let calendar = told["calendar"].as_array().unwrap().iter().map(|it| {
        let day = it["day"].as_str().unwrap().to_owned();
        (day, (it["deployments"].as_u64().unwrap(), it["rollbacks"].as_u64().unwrap()))
    });
    let calendar: BTreeMap<_, _> = calendar.collect();
    checks.that(calendar == days, || format!("{of} calendar: {calendar:?}, and not {days:?}"));
}

fn rework(checks: &mut Checks, of: &str, told: &Value, truth: &Figures) {
    let told = &told["rework"];
    let count = |is: fn(&&Deployment) -> bool| truth.live().filter(is).count();
    let figures = [
        ("rollbacks", truth.of_kind("rollback")),
        ("redeployments", truth.of_kind("redeployment")),
        ("failed_deployments", count(|it| it.failed.is_some())),
        ("unplanned_deployments", count(|it| it.unplanned)),
        ("unsuccessful_deployments", truth.deployments().filter(|it| !it.success).count()),
        ("unlinked_deployments", 0),
        ("reverts", 0),
        ("reverted", 0),
    ];
    for (name, truth) in figures {
        checks.count(&format!("{of} {name}"), &told[name], truth);
    }
}

fn dora(checks: &mut Checks, of: &str, told: &Value, truth: &Figures) {
    let live = truth.live().count();
    let failed = truth.live().filter(|it| it.failed.is_some()).count();
    let unplanned = truth.live().filter(|it| it.unplanned).count();
    let measure = |at: usize| &told["dora"][at];
    let n = truth.delivered().map(|it| it.committed.len()).sum();
    checks.count(&format!("{of} lead time n"), &measure(0)["n"], n);
    let what = format!("{of} lead time");
    checks.quantile(&what, &measure(0)["value"], &truth.lead_time(), 0.5, OFF);
    checks.count(&format!("{of} frequency n"), &measure(1)["n"], live);
    checks.exact(&format!("{of} frequency"), &measure(1)["value"], truth.per_week());
    checks.count(&format!("{of} recovery n"), &measure(2)["n"], truth.recovered());
    checks.quantile(&format!("{of} recovery"), &measure(2)["value"], &truth.recovery(), 0.5, OFF);
    for (at, name, count) in [(3, "fail rate", failed), (4, "rework rate", unplanned)] {
        checks.count(&format!("{of} {name} n"), &measure(at)["n"], live);
        // Where nobody tells of incidents, nobody knows what mended one.
        let told = &measure(at)["value"];
        if live > 0 && !(at == 4 && told.is_null() && truth.incidents().next().is_none()) {
            checks.exact(&format!("{of} {name}"), told, count as f64 / live as f64);
        }
    }
}

fn waits(checks: &mut Checks, of: &str, told: &Value, truth: &Figures) {
    let delivered = truth.merged().filter(|it| it.deployed().is_some()).count();
    checks.count(&format!("{of} waits n"), &told["n"], delivered);
    let waiting = truth.merged().count() - delivered;
    checks.count(&format!("{of} waits waiting"), &told["waiting"], waiting);
    let mut waits = truth.waits();
    let whole = waits.remove(&0).unwrap();
    let what = format!("{of} waits p50");
    checks.quantile(&what, &told["p50"]["seconds"], &whole.without, 0.5, OFF);
    checks.exact(&format!("{of} waits weeks"), &told["weeks"], truth.weeks());
    let mut before = i64::MAX;
    for stage in told["stages"].as_array().unwrap() {
        let to = MILESTONES.iter().position(|it| stage["to"] == *it).unwrap();
        let Some(wait) = waits.remove(&to) else { panic!("{of}: {told}") };
        let what = |figure: &str| format!("{of} wait {} {figure}", MILESTONES[to]);
        checks.exact(&what("seconds"), &stage["seconds"], wait.seconds as f64);
        let hours = wait.seconds as f64 / 3_600.0 / truth.weeks();
        checks.exact(&what("hours a week"), &stage["hours_per_week"], hours);
        let without = &stage["p50_without"]["seconds"];
        checks.quantile(&what("p50 without"), without, &wait.without, 0.5, OFF);
        checks.that(wait.seconds <= before, || what("is not in its order"));
        before = wait.seconds;
    }
    let left: Vec<usize> = waits.iter().filter(|it| it.1.seconds > 0).map(|it| *it.0).collect();
    checks.that(left.is_empty(), || format!("{of}: waits {left:?} are not told"));
}

/// All rows of a list, page by page.
pub(crate) fn rows(server: &Server, path: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page = server.report(&format!("{path}?limit=250{after}"));
        all.extend(page["rows"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else { return all };
        after = format!("&after={}", next.replace(' ', "%20").replace('/', "%2F"));
    }
}

/// A change's own figures.
pub(crate) fn change(checks: &mut Checks, told: &Value, truth: &Change) {
    let of = format!("{} {}", truth.service, truth.hash);
    let status = if truth.deployed().is_some() { "delivered" } else { "waiting" };
    checks.same(&format!("{of} status"), told["status"].as_str().unwrap(), status);
    checks.same(&format!("{of} subject"), told["subject"].as_str().unwrap(), &truth.subject);
    checks.count(&format!("{of} commits"), &told["commits"], truth.commits);
    let lines = &told["lines"];
    checks.that(lines.as_u64() == truth.lines && truth.lines.is_none() == lines.is_null(), || {
        format!("{of} lines: {lines}, and not {:?}", truth.lines)
    });
    for (name, truth) in [("bot", truth.bot), ("assisted", truth.assisted)] {
        checks.that(told[name] == truth, || format!("{of} {name}: {}", told[name]));
    }
    let reached: BTreeMap<&str, i64> = told["milestones"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, at)| !at.is_null())
        .map(|(name, at)| (name.as_str(), seconds(at)))
        .collect();
    let known = (0..7).filter_map(|at| Some((MILESTONES[at], truth.reached[at]?)));
    let known: BTreeMap<&str, i64> = known.collect();
    checks.that(reached == known, || format!("{of} reached: {reached:?}, and not {known:?}"));
    let stages = told["stages"].as_array().unwrap().iter();
    let stages: Vec<(&str, i64)> =
        stages.map(|it| (it["to"].as_str().unwrap(), it["seconds"].as_i64().unwrap())).collect();
    let took: Vec<(&str, i64)> =
        truth.stages().into_iter().map(|(to, from, at)| (MILESTONES[to], at - from)).collect();
    checks.that(stages == took, || format!("{of} stages: {stages:?}, and not {took:?}"));
    let value = truth.deployed().map(|at| at - truth.authored());
    let told_value = &told["time_to_value_seconds"];
    checks.that(told_value.as_i64() == value, || {
        format!("{of} took {told_value}, and not {value:?}")
    });
    let (by, truth) = (told["deployment"].as_str(), truth.deployment.as_deref());
    checks.that(by == truth, || format!("{of} by {by:?}, and not {truth:?}"));
}

/// A deployment's own figures.
pub(crate) fn deployment(checks: &mut Checks, told: &Value, truth: &Deployment, carried: usize) {
    let of = format!("{} {}", truth.service, truth.name);
    checks.same(&format!("{of} revision"), told["revision"].as_str().unwrap(), &truth.revision);
    let at = seconds(&told["finished_at"]);
    checks.that(at == truth.finished, || format!("{of} ended {at}, and not {}", truth.finished));
    checks.that(told["succeeded"] == truth.success, || format!("{of}: {}", told["succeeded"]));
    checks.same(&format!("{of} kind"), told["kind"].as_str().unwrap_or_default(), truth.kind);
    checks.count(&format!("{of} changes"), &told["changes"], carried);
    let replaced = told["replaced"].as_str();
    let was = truth.replaced.as_deref();
    checks.that(replaced == was, || format!("{of} replaced {replaced:?}, and not {was:?}"));
    let failed = told["failed_by"].is_string();
    let recovered = told["recovered_at"].is_string().then(|| seconds(&told["recovered_at"]));
    checks.that(failed == truth.failed.is_some(), || format!("{of} failed: {failed}"));
    let back = truth.failed.flatten();
    checks.that(recovered == back, || format!("{of} is back {recovered:?}, and not {back:?}"));
    let unplanned = &told["unplanned"];
    checks.that(*unplanned == truth.unplanned, || format!("{of} unplanned: {unplanned}"));
}

/// The points of a trend: each is a span of its own.
pub(crate) fn trend(
    checks: &mut Checks,
    of: &str,
    told: &Value,
    world: &World,
    services: &[String],
    within: (Option<i64>, Option<i64>),
) {
    for point in told["trend"]["points"].as_array().unwrap() {
        let (start, end) = (seconds(&point["start"]), seconds(&point["end"]));
        let start = start.max(within.0.unwrap_or(i64::MIN));
        let end = end.min(within.1.unwrap_or(i64::MAX));
        let truth = Figures::of(world, services, Some(start), Some(end));
        let of = format!("{of} {}", point["label"].as_str().unwrap());
        checks.count(&format!("{of} n"), &point["n"], truth.delivered().count());
        checks.count(&format!("{of} waiting"), &point["waiting"], truth.waiting().count());
        let survival = truth.survival();
        // Of fewer than ten, the last step of the curve is the 85th percentile or is not.
        let shares = if truth.delivered().count() < 10 { 1 } else { 2 };
        for (name, share) in [("p50", 0.5), ("p85", 0.85)].into_iter().take(shares) {
            let what = format!("{of} {name}");
            checks.quantile(&what, &point[name]["seconds"], &survival, share, OFF);
        }
    }
}
