//! Seaway's own events: the examples of the document, and the schemas.

use super::conformance::collect;
use super::*;

/// The examples of `docs/events.md`.
fn examples() -> Vec<Value> {
    let text = std::fs::read_to_string(docs().join("events.md")).unwrap();
    let blocks = text.split("```json\n").skip(1).map(|rest| rest.split("\n```").next().unwrap());
    blocks.map(|block| serde_json::from_str(block).unwrap()).collect()
}

fn kind(event: &Value) -> &str {
    event["context"]["type"].as_str().unwrap()
}

/// The schema of one of Seaway's own types.
fn schema(kind: &str) -> jsonschema::Validator {
    let name = kind.strip_prefix("dev.cdeventsx.").unwrap();
    let path = docs().join(format!("schemas/{name}.json"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(schema["properties"]["context"]["properties"]["type"]["const"], *kind);
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

fn own_examples() -> Vec<Value> {
    let mut examples = examples();
    examples.retain(|example| kind(example).starts_with("dev.cdeventsx."));
    examples
}

#[test]
fn every_example_is_read_and_has_facts() {
    for example in examples() {
        assert!(!facts_of(&example).is_empty(), "{example}");
    }
}

#[test]
fn every_own_event_has_an_example_and_a_schema() {
    let kinds: Vec<String> = own_examples().iter().map(|it| kind(it).to_owned()).collect();
    for (subject, predicate) in custom::KNOWN {
        let kind = format!("dev.cdeventsx.seaway-{subject}.{predicate}.0.1.0");
        assert!(kinds.contains(&kind), "{kind}");
        schema(&kind);
    }
    let files = docs().join("schemas").read_dir().unwrap().count();
    assert_eq!(files, custom::KNOWN.len());
}

#[test]
fn examples_are_valid_by_their_schemas_and_by_the_standard() {
    // The pattern that the standard has for types of custom events.
    let pattern = regex::Regex::new(
        r"^dev\.cdeventsx\.[a-zA-Z0-9]+-[a-zA-Z]+\.[a-zA-Z]+\.[0-9]\.[0-9]\.[0-9]$",
    );
    let pattern = pattern.unwrap();
    for example in own_examples() {
        let errors: Vec<_> =
            schema(kind(&example)).iter_errors(&example).map(|it| it.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", kind(&example));
        assert!(pattern.is_match(kind(&example)), "{}", kind(&example));
    }
    let Some(shared) = shared() else { return };
    for version in ["v0.5.1", "v0.6.0-draft"] {
        let text =
            std::fs::read_to_string(shared.join(version).join("custom/schema.json")).unwrap();
        let mut standard: Value = serde_json::from_str(&text).unwrap();
        standard["properties"]["context"]["properties"]["links"] = json!({"type": "array"});
        let standard = jsonschema::validator_for(&standard).unwrap();
        for example in own_examples() {
            assert!(standard.is_valid(&example), "{version}: {}", kind(&example));
        }
    }
}

/// Takes away and spoils every member of every example: what the schema calls valid is read.
#[test]
fn what_a_schema_calls_valid_is_read() {
    let (mut valid, mut invalid, mut malformed) = (0, 0, 0);
    for example in own_examples() {
        let schema = schema(kind(&example));
        let mut members = Vec::new();
        collect(&example, String::new(), &mut members);
        // The envelope is made of these: without them there is no event to read.
        let is_context = |(parent, name): &(String, String)| {
            parent == "/context" || (parent.is_empty() && (name == "context" || name == "subject"))
        };
        for (parent, name) in members.into_iter().filter(|member| !is_context(member)) {
            for spoilt in
                [None, Some(json!("")), Some(json!(7)), Some(json!("x")), Some(json!([1]))]
            {
                let mut changed = example.clone();
                let object = changed.pointer_mut(&parent).unwrap().as_object_mut().unwrap();
                match spoilt.clone() {
                    None => object.remove(&name),
                    Some(value) => object.insert(name.clone(), value),
                };
                let reading = read_event(&changed);
                let is_read = matches!(reading, Reading::Facts(_));
                if schema.is_valid(&changed) {
                    valid += 1;
                    assert!(is_read, "{parent}/{name} {spoilt:?}: {reading:?}");
                } else {
                    invalid += 1;
                    malformed += usize::from(!is_read);
                }
            }
        }
    }
    assert!(valid > 50 && invalid > 300, "{valid} {invalid}");
    // Readers are a little more generous than schemas: with addresses and unread members.
    assert!(malformed * 10 > invalid * 8, "{malformed} of {invalid}");
}

#[test]
fn what_is_required_is_named_when_it_is_missing() {
    for example in own_examples() {
        let schema = schema(kind(&example));
        let content = example["subject"]["content"].as_object().unwrap();
        for name in content.keys() {
            let mut changed = example.clone();
            changed["subject"]["content"].as_object_mut().unwrap().remove(name);
            let reading = read_event(&changed);
            match schema.is_valid(&changed) {
                true => assert!(matches!(reading, Reading::Facts(_)), "{name}: {reading:?}"),
                false => {
                    let Reading::Malformed(reason) = reading else { panic!("{name}: {reading:?}") };
                    assert!(reason.contains(name.as_str()), "{name}: {reason}");
                }
            }
        }
    }
}
