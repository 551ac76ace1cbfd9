//! Records by the numbers and names of opentelemetry-proto, and what is no request.

use super::record::{Origin, Record, Value};
use super::wire::{write_bytes, write_number};
use super::{Encoding, ITEMS_MAX, Sink, json, protobuf};
use crate::flags::exposures::Shared;
use crate::flags::exposures::batch::{ExposureGroup, read_exposures, read_outcomes};
use crate::flags::exposures::intake::Intake;
use crate::flags::exposures::tests::shared;
use axum::http::{HeaderMap, HeaderValue, header};
use proptest::prelude::*;

const NOW: i64 = 1_790_000_000_000_000;

/// How many records are not taken and why, and the kinds and data of the events.
type Read = (usize, String, Vec<(String, Vec<u8>)>);

/// Reads a request.
fn read(shared: &Shared, encoding: Encoding, body: &[u8]) -> Option<Read> {
    let mut intake = Intake::new(shared, NOW);
    let mut sink = Sink { intake: &mut intake, records: 0, rejected: 0, named: Vec::new() };
    match encoding {
        Encoding::Protobuf => protobuf::read(body, &mut sink).ok()?,
        Encoding::Json => json::read(body, &mut sink).ok()?,
    }
    let (rejected, message) = (sink.rejected, sink.message());
    let events = intake.done(&[body]).unwrap().events();
    let events = events.into_iter().map(|(event, _)| (event.kind, event.data.to_vec())).collect();
    Some((rejected, message, events))
}

/// Messages by field numbers, the last one of each pair whole.
fn message(fields: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    fields.iter().for_each(|(number, field)| write_bytes(&mut bytes, *number, field));
    bytes
}

fn text(text: &str) -> Vec<u8> {
    message(&[(1, text.into())])
}

fn attribute(key: &str, value: Vec<u8>) -> (u64, Vec<u8>) {
    (6, message(&[(1, key.into()), (2, value)]))
}

fn fixed64(field: u8, number: u64) -> Vec<u8> {
    [&[field << 3 | 1][..], &number.to_le_bytes()].concat()
}

fn record(event: &str, attributes: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let attributes: Vec<_> =
        attributes.iter().map(|(key, value)| attribute(key, value.clone())).collect();
    let time = fixed64(1, (NOW as u64 - 5_000_000) * 1_000);
    [time, message(&[(12, event.into())]), message(&attributes)].concat()
}

fn request(records: &[Vec<u8>]) -> Vec<u8> {
    let records: Vec<_> = records.iter().map(|record| (2, record.clone())).collect();
    let name = message(&[(1, b"deployment.environment.name".into()), (2, text("production"))]);
    // The resource comes last, which is as good as first.
    let logs = message(&[(2, message(&records)), (1, message(&[(1, name)]))]);
    message(&[(1, logs)])
}

fn exposed(data: &[u8]) -> Vec<(String, String, usize, u64)> {
    let told = |group: &ExposureGroup<'_>| {
        let series = group.series;
        (series.flag.to_owned(), series.variant.to_owned(), group.rows().len(), group.received)
    };
    read_exposures(data).unwrap().iter().map(told).collect()
}

#[tokio::test]
async fn names_of_now_and_of_before_are_read() {
    let (shared, _folder) = shared().await;
    let records = [
        record(
            "feature_flag.evaluation",
            &[
                ("feature_flag.key", text("cart")),
                ("feature_flag.result.variant", text("on")),
                ("feature_flag.context.id", text("ada")),
                ("feature_flag.result.reason", text("targeting_match")),
            ],
        ),
        record(
            "",
            &[
                ("event.name", text("feature_flag")),
                ("feature_flag.key", text("cart")),
                ("feature_flag.variant", text("on")),
                ("feature_flag.context.id", text("bo")),
                ("feature_flag.provider_name", text("flagd")),
            ],
        ),
        // Without a variant its value is its name; without a context nobody can be told.
        record(
            "feature_flag.evaluation",
            &[("feature_flag.key", text("old")), ("feature_flag.result.value", vec![2 << 3, 1])],
        ),
        // The code's default was shown.
        record(
            "feature_flag.evaluation",
            &[("feature_flag.key", text("none")), ("error.type", text("flag_not_found"))],
        ),
        // Other logs are none of ours.
        record("device.app.lifecycle", &[("feature_flag.key", text("cart"))]),
        record("", &[]),
        record("feature_flag.evaluation", &[("feature_flag.key", text("cart"))]),
    ];
    let (rejected, why, events) = read(&shared, Encoding::Protobuf, &request(&records)).unwrap();
    assert_eq!((rejected, why.as_str()), (1, "record 6: feature_flag.result.variant is missing"));
    assert_eq!(events.len(), 1);
    let expected =
        [("cart".to_owned(), "on".to_owned(), 2, 2), ("old".to_owned(), "true".to_owned(), 0, 1)];
    assert_eq!(exposed(&events[0].1), expected);
}

#[tokio::test]
async fn json_says_the_same_as_protobuf() {
    let (shared, _folder) = shared().await;
    let attributes = [
        ("feature_flag.key", text("cart")),
        ("feature_flag.result.variant", text("on")),
        ("feature_flag.context.id", text("ada")),
        ("dev.seaway.audience", text("team")),
    ];
    let outcome = [
        ("unit", text("ada")),
        ("metric", text("errors")),
        ("value", fixed64(4, 1.5_f64.to_bits())),
    ];
    let records = [
        record("feature_flag.evaluation", &attributes),
        record("dev.seaway.outcome", &outcome),
        record("dev.seaway.outcome", &outcome[..2]),
    ];
    let told = (NOW - 5_000_000) * 1_000;
    let json = format!(
        r#"{{ "unknown": [[[]]], "resourceLogs": [{{ "scopeLogs": [{{ "scope": null, "logRecords": [
            {{ "timeUnixNano": "{told}", "eventName": "feature_flag.evaluation", "severityNumber": 9,
              "body": {{ "kvlistValue": {{}} }}, "attributes": [
                {{ "key": "feature_flag.key", "value": {{ "stringValue": "c\u0061rt" }} }},
                {{ "key": "feature_flag.result.variant", "value": {{ "stringValue": "on" }} }},
                {{ "key": "feature_flag.context.id", "value": {{ "stringValue": "ada" }} }},
                {{ "key": "other", "value": {{ "arrayValue": {{ "values": [{{}}] }} }} }},
                {{ "key": "dev.seaway.audience", "value": {{ "stringValue": "team" }} }} ] }},
            {{ "observedTimeUnixNano": {told}, "timeUnixNano": "0", "attributes": [
                {{ "key": "event.name", "value": {{ "stringValue": "dev.seaway.outcome" }} }},
                {{ "key": "unit", "value": {{ "stringValue": "ada" }} }},
                {{ "key": "metric", "value": {{ "stringValue": "errors" }} }},
                {{ "key": "value", "value": {{ "doubleValue": "1.5" }} }} ] }},
            {{ "eventName": "dev.seaway.outcome", "attributes": [
                {{ "key": "unit", "value": {{ "intValue": "7" }} }},
                {{ "key": "metric", "value": {{ "stringValue": "errors" }} }} ] }} ] }}],
            "resource": {{ "attributes": [ {{ "key": "deployment.environment.name",
                "value": {{ "stringValue": "production" }} }} ] }} }}, {{ "scopeLogs": null }}] }}"#
    );
    let of_protobuf = read(&shared, Encoding::Protobuf, &request(&records)).unwrap();
    let of_json = read(&shared, Encoding::Json, json.as_bytes()).unwrap();
    assert_eq!(of_json, of_protobuf);
    assert_eq!((of_json.0, of_json.1.as_str()), (1, "record 2: value is missing"));
    let groups = of_json.2;
    let outcomes = read_outcomes(&groups[1].1).unwrap();
    assert_eq!((outcomes[0].environment, outcomes[0].metric), ("production", "errors"));
    let (unit, second, value) = outcomes[0].rows().next().unwrap();
    assert_eq!((unit, value), (shared.key.unit("production", "ada"), 1.5));
    assert_eq!(i64::from(second), NOW / 1_000_000 - 5);
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let (shared, _folder) = shared().await;
    let good = request(&[record("feature_flag.evaluation", &[])]);
    for wrong in [&good[..good.len() - 3], b"{}", b"\x0a", b"\x0a\xff\xff\xff\xff\x0f"] {
        assert!(read(&shared, Encoding::Protobuf, wrong).is_none(), "{wrong:?}");
    }
    let odd = request(&[message(&[(12, vec![0xff])])]);
    assert!(read(&shared, Encoding::Protobuf, &odd).is_none(), "a name that is not UTF-8");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let attribute = |value: &str| {
        format!(
            r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"eventName":"feature_flag",
               "attributes":[{{"key":"feature_flag.key","value":{value}}}]}}]}}]}}]}}"#
        )
    };
    for wrong in [
        "",
        "[]",
        "{\"resourceLogs\":{}}",
        "{\"resourceLogs\":[[]]}",
        &deep,
        &attribute("7"),
        &attribute(r#"{"intValue":"x"}"#),
        &attribute(r#"{"intValue":"9223372036854775808"}"#),
        &attribute(r#"{"boolValue":"yes"}"#),
    ] {
        let short: String = wrong.chars().take(100).collect();
        assert!(read(&shared, Encoding::Json, wrong.as_bytes()).is_none(), "{short}");
    }
    // What is deep where nobody looks is passed over, in both.
    let deep = attribute(&format!(r#"{{"arrayValue":{deep}}}"#));
    let (rejected, ..) = read(&shared, Encoding::Json, deep.as_bytes()).unwrap();
    assert_eq!(rejected, 1);
    let mut list = Vec::new();
    for _ in 0..2_000 {
        list = message(&[(5, message(&[(1, list)]))]);
    }
    let record = record("feature_flag.evaluation", &[("feature_flag.key", list)]);
    let (rejected, why, _) = read(&shared, Encoding::Protobuf, &request(&[record])).unwrap();
    assert_eq!((rejected, why.as_str()), (1, "record 0: feature_flag.key is missing"));
}

#[tokio::test]
async fn numbers_that_are_none_are_no_outcomes() {
    let (shared, _folder) = shared().await;
    let records: Vec<_> = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX]
        .map(|value| {
            let value = fixed64(4, value.to_bits());
            let attributes = [("unit", text("a")), ("metric", text("m")), ("value", value)];
            record("dev.seaway.outcome", &attributes)
        })
        .into();
    let (rejected, why, events) = read(&shared, Encoding::Protobuf, &request(&records)).unwrap();
    assert_eq!((rejected, events.len()), (3, 1));
    assert!(why.starts_with("record 0: the value is not a finite number"), "{why}");
}

/// Two bytes a record: what would be gigabytes of messages takes nothing here.
#[tokio::test]
async fn many_empty_records_are_too_many() {
    let (shared, _folder) = shared().await;
    let records = [0x12_u8, 0].repeat(ITEMS_MAX * 3);
    let body = message(&[(1, message(&[(2, records)]))]);
    let mut intake = Intake::new(&shared, NOW);
    let mut sink = Sink { intake: &mut intake, records: 0, rejected: 0, named: Vec::new() };
    protobuf::read(&body, &mut sink).unwrap();
    assert!(sink.is_full());
}

#[test]
fn answers_are_as_otlp_has_them() {
    let of = |kind: &'static str| {
        let value = HeaderValue::from_static(kind);
        Encoding::of(&HeaderMap::from_iter([(header::CONTENT_TYPE, value)]))
    };
    assert_eq!(of("application/x-protobuf"), Some(Encoding::Protobuf));
    assert_eq!(of("Application/JSON; charset=utf-8"), Some(Encoding::Json));
    assert_eq!((of("application/grpc"), of("")), (None, None));
    assert_eq!(Encoding::Protobuf.answer(0, ""), b"");
    assert_eq!(Encoding::Json.answer(0, ""), b"{}");
    let mut partial = Vec::new();
    write_number(&mut partial, 1, 3);
    write_bytes(&mut partial, 2, b"why");
    assert_eq!(Encoding::Protobuf.answer(3, "why"), message(&[(1, partial)]));
    let told: serde_json::Value = serde_json::from_slice(&Encoding::Json.answer(3, "why")).unwrap();
    assert_eq!(told["partialSuccess"]["rejectedLogRecords"], "3");
}

/// What of a record counts: of attributes that come twice, the last.
#[tokio::test]
async fn the_environment_is_the_nearest_one_that_is_told() {
    let (shared, _folder) = shared().await;
    let of = |attributes: &[(&str, &str)], origin: &[(&str, &str)]| {
        let (mut record, mut from) = (Record::default(), Origin::default());
        record.event = "feature_flag.evaluation".into();
        let usual = [("feature_flag.key", "a"), ("feature_flag.result.variant", "b")];
        for (key, value) in usual.iter().chain(attributes) {
            record.attribute(key, || Value::Text((*value).into()));
        }
        for (key, value) in origin {
            from.attribute(key, || Value::Text((*value).into()));
        }
        let mut intake = Intake::new(&shared, NOW);
        record.take_in(&from, &mut intake).map_err(|why| why.into_owned())?;
        let (event, _) = intake.done(&[]).unwrap().events().remove(0);
        let environment = read_exposures(&event.data).unwrap()[0].series.environment.to_owned();
        Ok::<_, String>(environment)
    };
    let set = ("feature_flag.set.id", "of-set");
    let (before, now) =
        (("deployment.environment", "of-before"), ("deployment.environment.name", "of-now"));
    let own = ("dev.seaway.environment", "of-own");
    assert_eq!(of(&[set], &[]).unwrap(), "of-set");
    assert_eq!(of(&[set], &[before]).unwrap(), "of-before");
    assert_eq!(of(&[set], &[now, before]).unwrap(), "of-now");
    assert_eq!(of(&[set, own], &[now, before]).unwrap(), "of-own");
    assert_eq!(of(&[], &[]).unwrap_err(), "no environment is told");
    assert!(of(&[("dev.seaway.environment", "No Such")], &[]).unwrap_err().contains("1 to 63"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_request_is_read_or_refused(bytes: Vec<u8>, at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (shared, _folder) = shared().await;
            let attributes = [("feature_flag.key", text("a")), ("feature_flag.variant", text("b"))];
            let mut good = request(&[record("feature_flag.evaluation", &attributes)]);
            let at = at.index(good.len());
            good[at] = byte;
            let cut = &good[..cut.index(good.len())];
            for body in [&bytes[..], &good, cut] {
                let _ = read(&shared, Encoding::Protobuf, body);
                let _ = read(&shared, Encoding::Json, body);
            }
        });
    }
}
