//! Whatever is sent, there is a reading, and what it keeps is bounded.

use super::*;
use proptest::prelude::*;

/// All strings of a value.
fn strings<'a>(json: &'a Value, found: &mut Vec<&'a str>) {
    match json {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::Object(map) => {
            for (name, value) in map {
                found.push(name);
                strings(value, found);
            }
        }
        _ => {}
    }
}

fn check(reading: &Reading) {
    match reading {
        Reading::Facts(facts) => {
            let json = serde_json::to_value(facts).unwrap();
            let mut found = Vec::new();
            strings(&json, &mut found);
            for text in found {
                assert!(text.len() <= KEY_BYTES_MAX, "{} bytes", text.len());
                assert!(!text.contains('\0'), "{text:?}");
            }
        }
        Reading::Malformed(reason) => {
            assert!(!reason.is_empty() && reason.chars().count() <= 250, "{reason}");
        }
        Reading::Unknown => {}
    }
}

/// Reads data as an event of this type, whatever the data are.
fn read_data(kind: &str, data: &[u8]) -> Reading {
    let event = Event {
        source: "/s".to_owned(),
        id: "1".to_owned(),
        kind: kind.to_owned(),
        subject: None,
        time: None,
        content_type: "application/json".to_owned(),
        extensions: Default::default(),
        data: Bytes::copy_from_slice(data),
    };
    read_recorded(&Recorded { position: 1, received_at: RECEIVED * 1_000_000, event })
}

/// The examples of the document, and the conformance files where they are.
static SEEDS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let text = std::fs::read_to_string(docs().join("events.md")).unwrap();
    let blocks = text.split("```json\n").skip(1).map(|rest| rest.split("\n```").next().unwrap());
    let mut seeds: Vec<String> = blocks.map(str::to_owned).collect();
    seeds.extend(conformance::all_files().into_iter().flatten().map(|(_, text)| text));
    let kind = |text: &str| {
        let json: Value = serde_json::from_str(text).unwrap();
        json["context"]["type"].as_str().unwrap().to_owned()
    };
    seeds.into_iter().map(|text| (kind(&text), text)).collect()
});

/// What is put in the place of a member.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!({})),
        Just(json!([])),
        Just(json!([[], {}, null])),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        "\\PC{0,30}".prop_map(Value::from),
        "[\u{0}-\u{20}:/@.#!?%a]{0,12}".prop_map(Value::from),
        (1_usize..3_000).prop_map(|n| Value::from("ß".repeat(n))),
        (1_usize..3_000).prop_map(|n| Value::from("https://a/".to_owned() + &"x".repeat(n))),
        (1_usize..3_000).prop_map(|n| Value::from("İ".repeat(n))),
        Just(json!("-009999-01-01T00:00:00Z")),
        Just(json!("9999-12-30T22:00:00.999999999Z")),
        Just(json!("0".repeat(40))),
    ]
}

#[test]
fn deep_content_is_passed_over_or_refused() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let context =
        r#""context":{"id":"1","source":"/","type":"t","timestamp":"2026-01-01T00:00:00Z"}"#;
    for kind in ["dev.cdevents.service.deployed.0.1.0", "dev.cdeventsx.seaway-commit.pushed.0.1.0"]
    {
        for content in
            [deep.clone(), format!(r#"{{"other":{deep}}}"#), format!(r#"{{"environment":{deep}}}"#)]
        {
            let data = format!(
                r#"{{{context},"subject":{{"id":"s","content":{content}}},"customData":{deep}}}"#
            );
            let reading = read_data(kind, data.as_bytes());
            assert!(matches!(reading, Reading::Malformed(_)), "{reading:?}");
        }
    }
}

proptest! {
    #[test]
    fn any_data_give_a_reading(data in prop::collection::vec(any::<u8>(), 0..100)) {
        for kind in ["dev.cdevents.service.deployed.0.1.0", "dev.cdeventsx.seaway-commit.pushed.0.1.0"] {
            check(&read_data(kind, &data));
        }
    }

    #[test]
    fn any_spoilt_members_give_a_reading(
        changes in prop::collection::vec((any::<prop::sample::Index>(), odd()), 1..4),
        seed in any::<prop::sample::Index>(),
    ) {
        let (kind, text) = &SEEDS[seed.index(SEEDS.len())];
        let mut json: Value = serde_json::from_str(text).unwrap();
        for (place, odd) in changes {
            let mut members = Vec::new();
            conformance::collect(&json, String::new(), &mut members);
            if members.is_empty() {
                break;
            }
            let (parent, name) = members.swap_remove(place.index(members.len()));
            json.pointer_mut(&parent).unwrap()[name] = odd;
        }
        check(&read_data(kind, json.to_string().as_bytes()));
    }

    #[test]
    fn any_spoilt_bytes_give_a_reading(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        seed in any::<prop::sample::Index>(),
    ) {
        let (kind, text) = &SEEDS[seed.index(SEEDS.len())];
        let mut data = text.clone().into_bytes();
        for (place, byte) in changes {
            let place = place.index(data.len());
            data[place] = byte;
        }
        check(&read_data(kind, &data));
        data.truncate(cut.index(data.len()));
        check(&read_data(kind, &data));
    }
}
