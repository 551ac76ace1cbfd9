//! The numbers that pages print, read from their HTML: each is the JSON's, or the truth, in words.

use crate::serve_lang::Server;
use crate::truth_checks::Checks;
use crate::truth_figures::Figures;
use crate::truth_world::{Change, Deployment, MILESTONES, World};
use serde_json::Value;
use std::collections::BTreeMap;

/// A page as people read it: its text, and its tables by caption, each cell in its parts.
struct Page {
    url: String,
    text: String,
    tables: BTreeMap<String, Vec<Vec<Vec<String>>>>,
}

/// The texts between tags.
fn parts(html: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => {
                inside = true;
                parts.push(String::new());
            }
            '>' if inside => inside = false,
            _ if inside => {}
            '\u{a0}' => parts.last_mut().unwrap().push(' '),
            _ => parts.last_mut().unwrap().push(c),
        }
    }
    let plain = |it: String| {
        let it = it.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
        it.replace("&amp;", "&").trim().to_owned()
    };
    parts.into_iter().map(plain).filter(|it| !it.is_empty()).collect()
}

/// What stands between a tag that begins so and its end tag, each time.
fn elements<'a>(html: &'a str, names: &[&str]) -> Vec<&'a str> {
    let mut all = Vec::new();
    let mut rest = html;
    loop {
        let starts = names.iter().filter_map(|name| {
            let plain = rest.find(&format!("<{name}>"));
            let with = rest.find(&format!("<{name} "));
            Some((plain.into_iter().chain(with).min()?, *name))
        });
        let Some((at, name)) = starts.min() else { return all };
        let end = rest[at..].find(&format!("</{name}>")).expect("it ends") + at;
        let from = rest[at..].find('>').unwrap() + at + 1;
        all.push(&rest[from..end]);
        rest = &rest[end..];
    }
}

impl Page {
    fn of(server: &Server, url: &str) -> Self {
        let answer = server.get(url);
        assert_eq!(answer.status, 200, "{url}: {}", answer.body);
        let content = answer.body.split_once("id=\"content\"").expect("a page").1;
        let text = parts(content).join(" ");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut tables = BTreeMap::new();
        for table in elements(content, &["table"]) {
            let caption = parts(elements(table, &["caption"])[0]).join(" ");
            let body = elements(table, &["tbody"]);
            let row = |it: &str| elements(it, &["th", "td"]).into_iter().map(parts).collect();
            let rows = body.iter().flat_map(|it| elements(it, &["tr"])).map(row).collect();
            tables.insert(caption, rows);
        }
        Self { url: url.to_owned(), text, tables }
    }

    fn table(&self, caption: &str) -> &[Vec<Vec<String>>] {
        self.tables.get(caption).map_or(&[], |it| it)
    }

    /// The first part of a cell of the row that begins so.
    fn cell(&self, caption: &str, row: &str, column: usize) -> &str {
        let is_it = |it: &&Vec<Vec<String>>| it[0].first().is_some_and(|first| first == row);
        let row = self.table(caption).iter().find(is_it);
        row.and_then(|row| row.get(column)?.first()).map_or("(nothing)", String::as_str)
    }

    fn says(&self, checks: &mut Checks, what: &str) {
        checks.that(self.text.contains(what), || {
            format!("{} does not say {what:?}: {:.600}", self.url, self.text)
        });
    }

    fn number(&self, checks: &mut Checks, caption: &str, row: &str, column: usize, truth: &Value) {
        let told = self.cell(caption, row, column);
        checks.that(means(told, truth.as_f64()), || {
            format!("{} {caption:?} {row:?} {column}: {told:?}, and not {truth}", self.url)
        });
    }
}

/// A number that is printed, and how far off what it stands for may be: half of its last digit.
fn number(text: &str) -> Option<(f64, f64)> {
    if text == "< 0.1 %" {
        return Some((0.0005, 0.0005));
    }
    let (text, scale) = match text.strip_suffix(" %") {
        Some(text) => (text, 0.01),
        None => (text.trim_end_matches(" per week"), 1.0),
    };
    let text = text.replace(',', "");
    let digits = text.split_once('.').map_or(0, |(_, part)| part.len());
    let value: f64 = text.parse().ok()?;
    // Three significant digits at the most, for what is no count.
    Some((value * scale, 0.5 * 10_f64.powi(-i32::try_from(digits).unwrap()) * scale))
}

/// A duration that is printed, in seconds, and how far off it may be: half of its last unit.
fn duration(text: &str) -> Option<(f64, f64)> {
    let words: Vec<&str> = text.split(' ').collect();
    let units = [
        ("s", 1.0),
        ("min", 60.0),
        ("h", 3_600.0),
        ("d", 86_400.0),
        ("wk", 604_800.0),
        ("y", 31_536_000.0),
    ];
    let place = |word: &str| units.iter().position(|(unit, _)| *unit == word);
    let (mut sum, mut last) = (0.0, 0);
    for pair in words.chunks(2) {
        let [count, unit] = pair else { return None };
        last = place(unit)?;
        sum += count.parse::<f64>().ok()? * units[last].1;
    }
    // One unit alone, from hours on, is one of two of which the smaller is none.
    let finest = if words.len() == 2 && last > 1 { last - 1 } else { last };
    Some((sum, units[finest].1 / 2.0))
}

/// Whether words stand for a number; `None`: for what is not reached.
fn means(words: &str, truth: Option<f64>) -> bool {
    match (duration(words).or_else(|| number(words)), truth) {
        (Some((told, off)), Some(truth)) => (told - truth).abs() <= off + 1e-9,
        (None, None) => {
            ["not reached", "not known", "none delivered"].contains(&words)
                || words.starts_with("more than ")
        }
        _ => false,
    }
}

fn stage(to: &str) -> &'static str {
    match to {
        "opened" => "until the pull request",
        "reviewed" => "until the first review",
        "approved" => "until the approval",
        "merged" => "until the merge",
        "built" => "until the build",
        "deployed" => "until the deployment",
        _ => "?",
    }
}

fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What stands after some words, up to others.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).map_or("", |it| it.1);
    rest.split_once(after).map_or("", |it| it.0).trim()
}

/// The page of the organization, of a group or of a service, beside its JSON.
pub(crate) fn report(
    checks: &mut Checks,
    server: &Server,
    url: &str,
    told: &Value,
    truth: &Figures,
) {
    let page = Page::of(server, url);
    let value = &told["time_to_value"];
    let p50 =
        between(&page.text, "Half of all changes reach customers within ", " p50, the median");
    checks.that(means(p50, value["p50"]["seconds"].as_f64()), || {
        format!("{url} p50: {p50:?}, and not {}", value["p50"])
    });
    page.says(checks, &format!("n = {} delivered", thousands(value["n"].as_u64().unwrap())));
    let waiting = value["waiting"].as_u64().unwrap();
    if waiting > 1 {
        page.says(checks, &format!("{} waiting changes", thousands(waiting)));
    }
    let p85 = between(&page.text, " p85 ", " 95 %:");
    if let Some(seconds) = value["p85"]["seconds"].as_f64() {
        checks.that(means(p85, Some(seconds)), || format!("{url} p85: {p85:?}, and not {seconds}"));
    }
    let rate = between(&page.text, "Deployments a week ", " ");
    let per_week = told["flow"]["deployments_per_week"].as_f64();
    checks.that(means(rate, per_week), || format!("{url}: {rate:?} a week, and not {per_week:?}"));
    for wait in told["waits"]["stages"].as_array().unwrap() {
        let (caption, row) = ("What each stage costs", stage(wait["to"].as_str().unwrap()));
        page.number(checks, caption, row, 1, &wait["hours_per_week"]);
        page.number(checks, caption, row, 3, &wait["p50_without"]["seconds"]);
    }
    for part in told["stages"].as_array().unwrap() {
        let (caption, row) = ("Time by stage", stage(part["to"].as_str().unwrap()));
        page.number(checks, caption, row, 1, &part["n"]);
        page.number(checks, caption, row, 2, &part["waiting"]);
        page.number(checks, caption, row, 3, &part["p50"]["seconds"]);
        page.number(checks, caption, row, 4, &part["p85"]["seconds"]);
        page.number(checks, caption, row, 5, &part["share"]);
    }
    let caption = "Time to value by period of delivery";
    for point in told["trend"]["points"].as_array().unwrap() {
        let row = point["label"].as_str().unwrap();
        page.number(checks, caption, row, 1, &point["n"]);
        page.number(checks, caption, row, 2, &point["waiting"]);
        for (column, name) in [(3, "p50"), (4, "p85"), (5, "p95")] {
            page.number(checks, caption, row, column, &point[name]["seconds"]);
        }
    }
    for band in told["flow"]["waiting_by_age"].as_array().unwrap() {
        let row = band["label"].as_str().unwrap();
        if waiting > 0 {
            page.number(checks, "Waiting changes by age", row, 1, &band["changes"]);
        }
    }
    for measure in told["dora"].as_array().unwrap() {
        let row = measure["name"].as_str().unwrap();
        page.number(checks, "DORA’s five measures", row, 1, &measure["value"]);
        page.number(checks, "DORA’s five measures", row, 2, &measure["n"]);
    }
    latest(checks, &page, url, truth);
}

/// The deployments that a page lists first are the latest ones of all.
fn latest(checks: &mut Checks, page: &Page, url: &str, truth: &Figures) {
    // Of the whole history, whatever the span.
    let mut all: Vec<&Deployment> = truth.ever_deployed().collect();
    all.sort_by_key(|it| std::cmp::Reverse(it.finished));
    let rows = page.table("The latest deployments in production");
    let is_service = url.starts_with("/services/");
    checks.that(rows.len() >= 10.min(all.len()) || !is_service, || {
        format!("{url} lists {} deployments of {}", rows.len(), all.len())
    });
    for (row, known) in rows.iter().zip(&all) {
        let words: Vec<&str> = row.iter().map(|it| it.first().map_or("", String::as_str)).collect();
        let (service, rest) = if is_service {
            (known.service.as_str(), &words[1..])
        } else {
            (words[1], &words[2..])
        };
        let at = jiff::Timestamp::from_second(known.finished).unwrap().strftime("%F %H:%M");
        let at = at.to_string();
        let what = match (known.success, known.failed, known.kind) {
            (false, ..) => "did not become live",
            (_, Some(_), _) => "failed later",
            (_, _, "rollback") => "rollback",
            (_, _, "redeployment") => "redeployment",
            (_, _, "first") => "the first",
            _ => "success",
        };
        let carried = match known.success {
            true => truth.carried(known).to_string(),
            false => "none".to_owned(),
        };
        let truth = [at.as_str(), &known.service, &known.name, &carried, what];
        let told = [words[0], service, rest[0], rest[1], rest[2]];
        checks.that(told == truth, || format!("{url} lists {told:?}, and not {truth:?}"));
    }
}

/// The services that an overview has as rows.
pub(crate) fn services(
    checks: &mut Checks,
    server: &Server,
    url: &str,
    services: &[String],
    world: &World,
    since: Option<i64>,
) {
    let page = Page::of(server, url);
    let rows = page.table("Services").len();
    checks.that(rows == services.len(), || format!("{url} has {rows} rows"));
    for service in services {
        let truth = Figures::of(world, std::slice::from_ref(service), since, None);
        let counts = [truth.delivered().count(), truth.waiting().count(), truth.live().count()];
        for (column, count) in (2..).zip(counts) {
            page.number(checks, "Services", service, column, &Value::from(count));
        }
        let told = page.cell("Services", service, 1);
        let near = duration(told).is_some_and(|(told, off)| {
            let survival = truth.survival();
            survival.allows(0.5, 0.005, Some(told - off))
                || survival.allows(0.5, 0.005, Some(told + off))
                || survival.allows(0.5, 0.005, Some(told))
        });
        let exact = truth.survival().quantile(0.5);
        checks.that(near || exact.is_none(), || {
            format!("{url} {service}: {told:?}, and not {exact:?}")
        });
    }
}

pub(crate) fn compared(checks: &mut Checks, server: &Server, by: &str, told: &Value) {
    let page = Page::of(server, &format!("/compare?by={by}"));
    let table = page.table("Time to value of each, with 95 % intervals");
    for (row, part) in table.iter().zip(told["parts"].as_array().unwrap()) {
        let name = part["name"].as_str().unwrap();
        checks.that(row[0].iter().any(|it| it == name), || format!("{by}: {row:?}, not {name}"));
        let value = &part["time_to_value"];
        let figures = [
            &value["n"],
            &value["waiting"],
            &value["p50"]["seconds"],
            &value["p85"]["seconds"],
            &value["p95"]["seconds"],
        ];
        for (cell, truth) in row[1..].iter().zip(figures) {
            let words = cell.first().map_or("", String::as_str);
            checks.that(means(words, truth.as_f64()), || {
                format!("{by} {name}: {words}, not {truth}")
            });
        }
    }
    checks.count(
        &format!("{by} lines"),
        &Value::from(table.len()),
        told["parts"].as_array().unwrap().len(),
    );
    page.says(checks, &told["finding"].as_str().unwrap().replace('\u{a0}', " "));
}

fn minute(moment: i64) -> String {
    jiff::Timestamp::from_second(moment).unwrap().strftime("%F %H:%M").to_string()
}

/// A change's journey.
pub(crate) fn change(checks: &mut Checks, server: &Server, truth: &Change) {
    let url = format!("/services/{}/changes/{}", truth.service, truth.hash);
    let page = Page::of(server, &url);
    let rows = page.table("The stages of the journey, times in UTC");
    let stages = truth.stages();
    checks.that(rows.len() >= stages.len(), || format!("{url}: {} stages", rows.len()));
    let mut before = MILESTONES[0];
    for (row, (to, from, at)) in rows.iter().zip(stages) {
        let cell = |column: usize| row[column].first().map_or("", String::as_str);
        let name = format!("{before} → {}", MILESTONES[to]);
        before = MILESTONES[to];
        checks.same(&url, &row[0].join(" "), &name);
        checks.same(&url, cell(1), &minute(from));
        checks.same(&url, cell(2), &minute(at));
        let took = (at - from) as f64;
        checks.that(means(cell(3), Some(took)), || {
            format!("{url} {name}: {:?}, not {took}", cell(3))
        });
    }
    page.says(checks, &truth.subject);
    match truth.lines {
        Some(1) => page.says(checks, "1 line added or removed"),
        // Thousands are set apart.
        Some(lines @ 1..1_000) => page.says(checks, &format!("{lines} lines added or removed")),
        Some(_) => page.says(checks, "lines added or removed"),
        None => page.says(checks, "nobody tells them"),
    }
    match (&truth.deployment, truth.deployed()) {
        (Some(by), Some(at)) => {
            page.says(checks, &format!("Deployment {by} in production"));
            let took = between(&page.text, "from its first commit to customers ", " Most of");
            let whole = (at - truth.authored()) as f64;
            checks.that(means(took, Some(whole)), || format!("{url} took {took:?}, not {whole}"));
        }
        _ => {
            checks.that(!page.text.contains("to customers, and stayed. Deployment"), || url.clone())
        }
    }
}

/// What a deployment carried, what it replaced, and whether it failed.
pub(crate) fn deployment(
    checks: &mut Checks,
    server: &Server,
    truth: &Deployment,
    carried: &[&Change],
) {
    let url = format!("/services/{}/deployments/production/{}", truth.service, truth.name);
    let page = Page::of(server, &url);
    let told = server.report(&url);
    let mut names: Vec<&str> = told["delivered"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["change"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    let mut hashes: Vec<&str> = carried.iter().map(|it| it.hash.as_str()).collect();
    hashes.sort_unstable();
    checks.that(names == hashes, || format!("{url} carried {names:?}, and not {hashes:?}"));
    let rows = page.table("Changes that it carried");
    let listed = carried.len().min(rows.len());
    checks.that(rows.len() == carried.len() || listed >= 50, || {
        format!("{url}: {} rows", rows.len())
    });
    for row in rows {
        let short = row[1][0].trim_end_matches('…');
        let Some(known) = carried.iter().find(|it| it.hash.starts_with(short)) else {
            checks.that(false, || format!("{url}: {row:?}"));
            continue;
        };
        checks.same(&url, &row[2][0], &minute(known.merged()));
        let took = (known.deployed().unwrap() - known.authored()) as f64;
        checks.that(means(&row[3][0], Some(took)), || format!("{url}: {row:?}, and not {took}"));
    }
    let count = match carried.len() {
        0 => "no changes".to_owned(),
        1 => "1 change".to_owned(),
        more => format!("{more} changes"),
    };
    if truth.success {
        if truth.kind == "normal" && truth.failed.is_none() {
            page.says(checks, &format!("brought to customers {count}"));
        }
        if let Some(replaced) = &truth.replaced {
            page.says(checks, &format!("Replaced {replaced} "));
        }
    }
    page.says(checks, &format!("Finished {} UTC", minute(truth.finished)));
    match truth.failed {
        Some(Some(back)) => {
            let told = between(&page.text, "Back to normal ", " Who waits");
            checks.that(told.starts_with(&format!("{} UTC", minute(back))), || {
                format!("{url}: back to normal {told:.60}, and not {}", minute(back))
            });
        }
        Some(None) => page.says(
            checks,
            "A deployment fails if a rollback takes it back or an incident follows it. Shown by",
        ),
        None if truth.success => page.says(checks, "Nothing shows that it failed."),
        None => {}
    }
}

/// What waits, oldest first.
pub(crate) fn in_flight(checks: &mut Checks, server: &Server, truth: &[&Change], as_of: i64) {
    let page = Page::of(server, "/in-flight");
    let rows = page.table("Waiting changes");
    checks.that(rows.len() == truth.len().min(50), || format!("{} rows in flight", rows.len()));
    for (row, known) in rows.iter().zip(truth) {
        let cell = |column: usize| row[column].first().map_or("", String::as_str);
        let age = (as_of - known.authored()) as f64;
        checks.that(means(cell(0), Some(age)), || format!("in flight {row:?}, and not {age}"));
        let short = row[1].last().unwrap().trim_end_matches('…');
        checks.that(known.hash.starts_with(short), || format!("in flight {row:?}: {}", known.hash));
        checks.same("in flight", cell(2), &known.service);
        let last = (0..7).rev().find(|at| known.reached[*at].is_some()).unwrap();
        checks.same("in flight", cell(3), MILESTONES[last]);
        let since = (as_of - known.ready()) as f64;
        checks.that(means(cell(4), Some(since)), || format!("in flight {row:?}, and not {since}"));
    }
}

pub(crate) fn quality(checks: &mut Checks, server: &Server, told: &Value) {
    let page = Page::of(server, "/quality");
    for row in told["arrivals"].as_array().unwrap() {
        page.number(checks, "Events by kind", row["kind"].as_str().unwrap(), 2, &row["count"]);
    }
    page.says(checks, "Findings 0 ");
    page.says(checks, "All that arrived was linked and understood");
}
