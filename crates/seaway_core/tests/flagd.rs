//! flagd's own scenarios for evaluators, run as they are.

#![cfg(test)]

use gherkin::{Feature, GherkinEnv, Scenario, Step, Table};
use seaway_core::flags::{Context, Evaluation, FlagSet, Json, Kind, Members};
use seaway_core::time::Time;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

const NOW: Time = Time(1_790_000_000);
const BYTES_MAX: usize = 1 << 20;
/// Scenarios of these versions describe what flagd did before, or may do.
const OTHER_VERSIONS: [&str; 2] = ["fractional-v1", "fractional-v3"];

/// The folder of flagd's scenarios, where there is one.
fn evaluator() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("SEAWAY_SHARED_DATA").map_or_else(beside, PathBuf::from);
    let folder = folder.join("flagd/evaluator");
    if folder.join("flags/testkit-flags.json").exists() {
        return Some(folder);
    }
    let required = std::env::var_os("SEAWAY_REQUIRE").is_some_and(|what| what == "all");
    assert!(!required, "flagd's scenarios are not in {}", folder.display());
    println!("skipped: flagd's scenarios are not here; SEAWAY_SHARED_DATA names their folder");
    None
}

/// What a scenario has told so far.
struct World<'a> {
    set: &'a FlagSet,
    key: String,
    kind: String,
    fallback: String,
    members: Vec<(String, Json)>,
    evaluation: Option<Evaluation<'a>>,
}

/// The texts between quotes; `\"` is a quote within one.
fn quoted(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, &mut open) {
            ('\\', Some(inside)) => inside.extend(letters.next()),
            ('"', Some(_)) => found.extend(open.take()),
            ('"', None) => open = Some(String::new()),
            (letter, Some(inside)) => inside.push(letter),
            (_, None) => {}
        }
    }
    found
}

/// A value of one of the types that scenarios name.
fn value(kind: &str, text: &str) -> Json {
    match kind {
        "String" => Json::String(text.to_owned()),
        "Boolean" | "Integer" | "Float" | "Object" => Json::parse(text).unwrap(),
        _ => panic!("there is no type {kind}"),
    }
}

fn kind(name: &str) -> Kind {
    match name {
        "Boolean" => Kind::Boolean,
        "String" => Kind::String,
        "Integer" | "Float" => Kind::Number,
        _ => Kind::Object,
    }
}

/// Whether two values are the same; `0` and `0.0` are.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

impl<'a> World<'a> {
    fn of(set: &'a FlagSet) -> Self {
        let (key, kind, fallback) = Default::default();
        Self { set, key, kind, fallback, members: Vec::new(), evaluation: None }
    }

    fn tell(&mut self, name: &str, value: Json) {
        self.members.retain(|(other, _)| other != name);
        self.members.push((name.to_owned(), value));
    }

    fn step(&mut self, text: &str, table: Option<&Table>) {
        let texts = quoted(text);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        if text == "an evaluator" {
            return;
        }
        if text == "the flag was evaluated with details" {
            let context = Context::new(Members::new(self.members.clone()).unwrap());
            let evaluation = self.set.evaluate(&self.key, &context, NOW);
            self.evaluation = Some(evaluation.typed(kind(&self.kind)));
        } else if let Some((kind, _)) = text.split_once("-flag with key ") {
            self.kind = kind.trim_start_matches("a ").to_owned();
            (self.key, self.fallback) = (texts[0].to_owned(), texts[1].to_owned());
        } else if text.starts_with("a context containing a targeting key") {
            self.tell("targetingKey", value("String", texts[0]));
        } else if text.starts_with("a context containing a nested property") {
            let inner = Members::new(vec![(texts[1].to_owned(), value("String", texts[2]))]);
            self.tell(texts[0], Json::Object(inner.unwrap()));
        } else if text.starts_with("a context containing a key") {
            self.tell(texts[0], value(texts[1], texts[2]));
        } else {
            self.check(text, texts.first().copied(), table);
        }
    }

    fn check(&self, text: &str, wanted: Option<&str>, table: Option<&Table>) {
        let evaluation = self.evaluation.unwrap();
        match (text.split(" \"").next().unwrap(), wanted) {
            ("the resolved details value should be", Some(wanted)) => {
                let fallback = value(&self.kind, &self.fallback);
                let got = evaluation.value.unwrap_or(&fallback);
                assert!(same(got, &value(&self.kind, wanted)), "{got:?} and not {wanted}");
            }
            ("the reason should be", Some(wanted)) => assert_eq!(evaluation.reason.name(), wanted),
            ("the error-code should be", Some(wanted)) => {
                assert_eq!(evaluation.error.map(|code| code.name()), Some(wanted));
            }
            ("the resolved metadata is empty", None) => assert!(evaluation.metadata.is_empty()),
            ("the resolved metadata should contain", None) => {
                let rows = &table.unwrap().rows[1..];
                assert!(!rows.is_empty());
                for row in rows {
                    let found = evaluation.metadata.iter().find(|(name, _)| *name == row[0]);
                    assert!(same(&found.unwrap().1, &value(&row[1], &row[2])), "{row:?}");
                }
            }
            _ => panic!("no step is “{text}”"),
        }
    }
}

/// One scenario with all it says filled in.
struct Case {
    name: String,
    tags: Vec<String>,
    steps: Vec<(String, Option<Table>)>,
}

impl Case {
    /// Whether it is of a version that this evaluator does not have by default.
    fn is_of_other_version(&self) -> bool {
        self.tags.iter().any(|tag| OTHER_VERSIONS.contains(&tag.as_str()))
    }

    fn run(&self, set: &FlagSet) {
        println!("{}", self.name);
        let mut world = World::of(set);
        for (text, table) in &self.steps {
            world.step(text, table.as_ref());
        }
        assert!(world.evaluation.is_some(), "{} evaluates", self.name);
    }
}

fn cases(feature: &Feature) -> Vec<Case> {
    let background = feature.background.iter().flat_map(|background| &background.steps);
    let background: Vec<&Step> = background.collect();
    let scenarios = feature.scenarios.iter();
    scenarios.flat_map(|scenario| cases_of(feature, scenario, &background)).collect()
}

fn cases_of(feature: &Feature, scenario: &Scenario, background: &[&Step]) -> Vec<Case> {
    let steps: Vec<&Step> = background.iter().copied().chain(&scenario.steps).collect();
    let case = |names: &[String], row: &[String], tags: &[String]| {
        let fill = |text: &str| {
            let pairs = names.iter().zip(row);
            pairs.fold(text.to_owned(), |text, (name, to)| text.replace(&format!("<{name}>"), to))
        };
        let tags = [&feature.tags[..], &scenario.tags, tags].concat();
        let name = format!("{}: {} {row:?}", feature.name, scenario.name);
        let steps = steps.iter().map(|step| (fill(&step.value), step.table.clone())).collect();
        Case { name, tags, steps }
    };
    if scenario.examples.is_empty() {
        return vec![case(&[], &[], &[])];
    }
    let mut cases = Vec::new();
    for examples in &scenario.examples {
        let rows = &examples.table.as_ref().unwrap().rows;
        cases.extend(rows[1..].iter().map(|row| case(&rows[0], row, &examples.tags)));
    }
    cases
}

fn features(folder: &Path) -> Vec<Feature> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder.join("gherkin"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "feature"))
        .collect();
    paths.sort();
    let read = |path: &PathBuf| {
        // Gherkin has no `\"`, and the parser refuses what other parsers leave as it is.
        let text = std::fs::read_to_string(path).unwrap().replace(r#"\""#, r#"\\""#);
        Feature::parse(text, GherkinEnv::default())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.iter().map(read).collect()
}

#[test]
fn every_scenario_of_flagd_passes() {
    let Some(folder) = evaluator() else { return };
    let definition = std::fs::read(folder.join("flags/testkit-flags.json")).unwrap();
    let set = FlagSet::parse(&definition, BYTES_MAX).unwrap();
    let cases: Vec<Case> = features(&folder).iter().flat_map(cases).collect();
    let (excluded, run): (Vec<&Case>, Vec<&Case>) =
        cases.iter().partition(|case| case.is_of_other_version());
    run.iter().for_each(|case| case.run(&set));
    let mut disagreeing = 0;
    for case in &excluded {
        println!("excluded, {:?}: {}", case.tags, case.name);
        disagreeing += usize::from(catch_unwind(AssertUnwindSafe(|| case.run(&set))).is_err());
    }
    assert!(disagreeing > 0, "other versions are told apart: this test can fail");
    println!("{} scenarios passed, {} excluded", run.len(), excluded.len());
    assert!(run.len() >= 100, "the scenarios are where this test looks for them: {}", run.len());
    assert!(excluded.iter().all(|case| case.tags.contains(&"fractional-v1".to_owned())));
}
