//! What tests of the forges share: real bodies, and bodies made wrong.

use super::{Reader, Reading};
use crate::config::Config;
use crate::ledger::{Event, Recorded};
use proptest::prelude::*;
use seaway_core::delivery::facts::{Entity, Fact, Merge};
use serde_json::Value;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::sync::LazyLock;

/// 2026-11-23 12:00 UTC, Unix seconds.
pub(super) const NOW: i64 = 1_795_435_200;

/// The folder of data by others; `None`, said aloud, where it is not here.
pub(super) fn shared_data() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("SEAWAY_SHARED_DATA").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var("SEAWAY_REQUIRE").is_ok_and(|what| what == "all");
    assert!(!required, "SEAWAY_REQUIRE=all, and the shared data is not there");
    println!("skipped: no shared data here; SEAWAY_SHARED_DATA names its folder");
    None
}

/// All bodies below a folder of the shared data: the path from there, and the body. None where the
/// data is not here.
pub(super) fn bodies(folder: &str) -> Vec<(String, String)> {
    let Some(data) = shared_data() else { return Vec::new() };
    let root = data.join(folder);
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

pub(super) fn recorded(kind: &str, body: &str, received_at: i64) -> Recorded {
    let event = Event {
        source: "https://forge.example".to_owned(),
        id: "1".to_owned(),
        kind: kind.to_owned(),
        subject: None,
        time: None,
        content_type: "application/json".to_owned(),
        extensions: BTreeMap::new(),
        data: body.as_bytes().to_vec().into(),
    };
    Recorded { position: 1, received_at: received_at * 1_000_000, event }
}

/// Reads a body as the forge's event of that kind, arrived at [`NOW`]; `bug` is a label of
/// incidents.
pub(super) fn read(kind: &str, body: &str) -> Reading {
    read_at(kind, body, NOW)
}

pub(super) fn read_at(kind: &str, body: &str, received_at: i64) -> Reading {
    static CONFIG: LazyLock<Config> = LazyLock::new(|| Config::load(None).unwrap());
    let labels = ["Bug".to_owned(), "api".to_owned()];
    let reader = Reader { patterns: &CONFIG.patterns, incident_labels: &labels };
    reader.read(&recorded(kind, body, received_at))
}

/// The facts of a body as JSON without their scope, which must be `repository` for all of them.
pub(super) fn told(kind: &str, body: &str, repository: &str) -> Value {
    let Reading::Facts(facts) = read(kind, body) else { panic!("{:?}", read(kind, body)) };
    let entities = facts.into_iter().map(|fact| {
        assert_eq!(serde_json::to_value(&fact.scope).unwrap()["repository"], repository);
        serde_json::to_value(&fact.entity).unwrap()
    });
    entities.collect()
}

/// Facts of one scope merged by key.
pub(super) fn merged<'f>(facts: impl IntoIterator<Item = &'f Fact>) -> BTreeMap<String, Entity> {
    let mut known: BTreeMap<String, Entity> = BTreeMap::new();
    for Fact { scope, entity } in facts {
        match known.entry(format!("{scope:?} {}", entity.key())) {
            Entry::Occupied(mut it) => it.get_mut().merge(entity.clone()),
            Entry::Vacant(it) => drop(it.insert(entity.clone())),
        }
    }
    known
}

/// The facts of events leave the same entities in any order, and told twice.
pub(super) fn assert_order_does_not_matter(events: &[(String, String)]) {
    let read = |(kind, body): &(String, String)| match read(kind, body) {
        Reading::Facts(facts) => facts,
        _ => Vec::new(),
    };
    let facts: Vec<Fact> = events.iter().flat_map(read).collect();
    assert!(facts.len() > 5 || facts.is_empty());
    let once = merged(&facts);
    let strategy = Just((0..facts.len()).collect::<Vec<usize>>()).prop_shuffle();
    let config = ProptestConfig::with_cases(50);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&strategy, |order| {
        let shuffled = order.iter().chain(&order[..order.len() / 2]).map(|&at| &facts[at]);
        prop_assert_eq!(&merged(shuffled), &once);
        Ok(())
    });
    outcome.unwrap();
}

/// Every text of the facts is bounded.
pub(super) fn assert_bounded(facts: &[Fact]) {
    fn walk(value: &Value) {
        match value {
            // 200 characters, of which each may be made visible by eight.
            Value::String(text) => assert!(text.len() <= 2_000, "{} bytes", text.len()),
            Value::Array(items) => items.iter().for_each(walk),
            Value::Object(fields) => fields.iter().for_each(|(key, value)| {
                assert!(key.len() <= 400, "{key}");
                walk(value);
            }),
            _ => {}
        }
    }
    walk(&serde_json::to_value(facts).unwrap());
}

/// One way to make a body wrong.
#[derive(Debug, Clone)]
pub(super) enum Mutation {
    Drop,
    Null,
    Number(i64),
    Huge,
    Deep,
    List,
    Odd(String),
}

pub(super) fn mutations() -> impl Strategy<Value = Vec<(usize, Mutation)>> {
    let mutation = prop_oneof![
        Just(Mutation::Drop),
        Just(Mutation::Null),
        any::<i64>().prop_map(Mutation::Number),
        Just(Mutation::Huge),
        Just(Mutation::Deep),
        Just(Mutation::List),
        "\\PC{0,12}".prop_map(Mutation::Odd),
        "[0\u{0}\u{202e}\n<>\"/ ]{1,400}".prop_map(Mutation::Odd),
    ];
    proptest::collection::vec((any::<usize>(), mutation), 1..5)
}

/// Applies each mutation to the value that its number falls on.
pub(super) fn mutate(body: &str, mutations: &[(usize, Mutation)]) -> String {
    let mut value: Value = serde_json::from_str(body).unwrap();
    for (at, mutation) in mutations {
        let mut paths = Vec::new();
        pointers(&value, String::new(), &mut paths);
        let path = &paths[at % paths.len()];
        let (parent, key) = path.rsplit_once('/').unwrap();
        if let (Mutation::Drop, Some(Value::Object(fields))) = (mutation, value.pointer_mut(parent))
        {
            fields.remove(key);
            if fields.is_empty() {
                return value.to_string();
            }
        } else if let Some(target) = value.pointer_mut(path) {
            *target = match mutation {
                Mutation::Drop | Mutation::Null => Value::Null,
                Mutation::Number(number) => (*number).into(),
                Mutation::Huge => "x".repeat(100_000).into(),
                Mutation::Deep => (0..100).fold(Value::Null, |inner, _| Value::Array(vec![inner])),
                Mutation::List => Value::Array(vec![target.clone(), Value::Bool(true)]),
                Mutation::Odd(text) => text.clone().into(),
            };
        }
    }
    value.to_string()
}

fn pointers(value: &Value, path: String, paths: &mut Vec<String>) {
    let mut go = |key: String, inner: &Value| {
        let path = format!("{path}/{key}");
        paths.push(path.clone());
        pointers(inner, path, paths);
    };
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, inner)| go(key.replace('~', "~0").replace('/', "~1"), inner)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, inner)| go(i.to_string(), inner))
        }
        _ => {}
    }
}
