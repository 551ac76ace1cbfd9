//! The conformance files of the standard, and its schemas.

use super::*;
use crate::intake::cloudevents;
use std::collections::BTreeMap;
use std::path::Path;

const VERSIONS: [&str; 3] = ["v0.4.1", "v0.5.1", "v0.6.0-draft"];

/// The conformance files of one version: name, and what they hold.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut paths: Vec<PathBuf> =
        folder.join("conformance").read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_file());
    paths.push(folder.join("custom/conformance.json"));
    paths.sort();
    let read =
        |path: PathBuf| (path.display().to_string(), std::fs::read_to_string(&path).unwrap());
    paths.into_iter().map(read).collect()
}

/// All conformance files of all versions.
pub(super) fn all_files() -> Option<Vec<(String, String)>> {
    let shared = shared()?;
    Some(VERSIONS.iter().flat_map(|version| files(&shared.join(version))).collect())
}

#[test]
fn all_files_are_read_and_none_is_unknown_but_the_custom_one() {
    let Some(files) = all_files() else { return };
    assert_eq!(files.len(), 141);
    for (name, text) in files {
        let json: Value = serde_json::from_str(&text).unwrap();
        let reading = read_event(&json);
        if name.contains("/custom/") {
            assert_eq!(reading, Reading::Unknown, "{name}");
        } else {
            assert!(matches!(reading, Reading::Facts(_)), "{name}: {reading:?}");
        }
    }
}

/// What is read is written again as it was; so links, custom data and the contents of events that
/// nobody looks into survive.
#[test]
fn all_files_round_trip_through_the_model() {
    let Some(files) = all_files() else { return };
    for (name, text) in files {
        let event: CdEvent<'_> = serde_json::from_str(&text).unwrap();
        let again: Value = serde_json::to_value(&event).unwrap();
        assert_eq!(again, serde_json::from_str::<Value>(&text).unwrap(), "{name}");
    }
}

/// In each form of CloudEvents the data of the event are the file, byte by byte, and all forms are
/// read alike.
#[test]
fn all_files_round_trip_through_all_forms() {
    let Some(files) = all_files() else { return };
    for (name, text) in files {
        let text = text.trim();
        let json: Value = serde_json::from_str(text).unwrap();
        let word = |name: &str| json["context"][name].as_str().unwrap().to_owned();
        let (id, source, kind, time) =
            (word("id"), word("source"), word("type"), word("timestamp"));
        let quoted = |text: &str| Value::from(text).to_string();
        let envelope = format!(
            r#"{{"specversion":"1.0","id":{},"source":{},"type":{},"time":{},"data":{text}}}"#,
            quoted(&id),
            quoted(&source),
            quoted(&kind),
            quoted(&time)
        );
        let headers = [
            ("ce-specversion", "1.0"),
            ("ce-id", &id),
            ("ce-source", &source),
            ("ce-type", &kind),
            ("ce-time", &time),
        ];
        let send = |form: &str, with_headers: bool, body: String| {
            let headers = headers.iter().filter(|_| with_headers);
            let headers = headers.map(|(name, value)| (*name, value.as_bytes()));
            match cloudevents::receive(Some(form), headers, &Bytes::from(body)).unwrap() {
                Received::One(event) => event,
                Received::Batch(mut events) => events.remove(0).unwrap(),
            }
        };
        let bare = send("application/json", false, text.to_owned());
        assert_eq!(bare.data, text.as_bytes(), "{name}");
        let forms: [Event; 3] = [
            send("application/cloudevents+json", false, envelope.clone()),
            send("application/cloudevents-batch+json", false, format!("[{envelope}]")),
            send("application/json", true, text.to_owned()),
        ];
        for event in forms {
            assert_eq!(event, bare, "{name}");
        }
    }
}

/// The events that tell of deliveries, and no others, have facts.
#[test]
fn the_events_that_matter_have_facts() {
    let Some(files) = all_files() else { return };
    let mut with: BTreeMap<String, usize> = BTreeMap::new();
    for (_, text) in files {
        let json: Value = serde_json::from_str(&text).unwrap();
        if let Reading::Facts(facts) = read_event(&json)
            && !facts.is_empty()
        {
            let kind = json["context"]["type"].as_str().unwrap();
            let name: Vec<&str> = kind.split('.').skip(2).take(2).collect();
            *with.entry(name.join(".")).or_default() += 1;
        }
    }
    let expected = [
        "artifact.packaged",
        "artifact.published",
        "artifact.signed",
        "change.abandoned",
        "change.created",
        "change.merged",
        "change.reviewed",
        "change.updated",
        "incident.detected",
        "incident.reported",
        "incident.resolved",
        "service.deployed",
        "service.rolledback",
        "service.upgraded",
    ];
    assert_eq!(with, expected.iter().map(|name| ((*name).to_owned(), 3)).collect());
}

/// What the standard's schemas call valid is read: here with the least that each asks for.
#[test]
fn what_is_valid_by_the_schemas_is_read() {
    let Some(shared) = shared() else { return };
    let mut tried = 0;
    for version in VERSIONS {
        let folder = shared.join(version);
        let validators = validators(&folder.join("schemas"));
        for (name, text) in files(&folder) {
            let mut json: Value = serde_json::from_str(&text).unwrap();
            let kind = json["context"]["type"].as_str().unwrap().to_owned();
            let Some(validator) = validators.get(&kind) else { continue };
            assert!(validator.is_valid(&json), "{name} is valid");
            while let Some(less) = one_member_less(&json, validator) {
                json = less;
            }
            let reading = read_event(&json);
            assert!(matches!(reading, Reading::Facts(_)), "{name}: {reading:?}\n{json}");
            tried += 1;
        }
    }
    assert_eq!(tried, 138, "45 events, 45, and 48 of the draft");
}

/// Validators by the type of the event. Links within them lead to other files, which are put in
/// their place.
fn validators(folder: &Path) -> BTreeMap<String, jsonschema::Validator> {
    let mut validators = BTreeMap::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() {
            continue;
        }
        let mut schema: Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let context = &mut schema["properties"]["context"]["properties"];
        let kind = context["type"]["enum"][0].as_str().unwrap().to_owned();
        context["links"] = json!({"type": "array"});
        validators.insert(kind, jsonschema::validator_for(&schema).unwrap());
    }
    validators
}

/// The event without one of its members that the schema does not ask for.
fn one_member_less(json: &Value, validator: &jsonschema::Validator) -> Option<Value> {
    let mut pointers = Vec::new();
    collect(json, String::new(), &mut pointers);
    pointers.into_iter().find_map(|(parent, name)| {
        let mut less = json.clone();
        less.pointer_mut(&parent)?.as_object_mut()?.remove(&name);
        validator.is_valid(&less).then_some(less)
    })
}

/// All members of objects: where the object is, and their names.
pub(super) fn collect(json: &Value, at: String, found: &mut Vec<(String, String)>) {
    match json {
        Value::Object(map) => {
            for (name, value) in map {
                found.push((at.clone(), name.clone()));
                let name = name.replace('~', "~0").replace('/', "~1");
                collect(value, format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                collect(value, format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}
