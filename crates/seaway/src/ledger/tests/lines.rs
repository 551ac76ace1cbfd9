use super::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

/// Texts that are hard to carry, without NUL.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,20}",
        "[^\\x00]{0,12}",
        Just("\u{2028}\r\n\"\\\u{7f}</script>\u{1F600}".to_owned()),
    ]
}

fn scalar() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        text().prop_map(Into::into),
        Just(serde_json::Value::Null),
        Just(serde_json::json!({"a": [1, {"b": "\u{0}"}]})),
    ]
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        text().prop_map(|it| serde_json::to_vec(&it).unwrap()),
        scalar().prop_map(|it| serde_json::to_vec(&it).unwrap()),
        scalar().prop_map(|it| serde_json::to_vec_pretty(&it).unwrap()),
        Just(br#"  {"a":1} "#.to_vec()),
        Just(br#"{ "a" : 1.000, "a":1e400, "b": "\u0041\ud800" }"#.to_vec()),
        Just(b"null".to_vec()),
        Just(b"\"\xff\"".to_vec()),
        Just([b"[".repeat(5000), b"]".repeat(5000)].concat()),
    ]
}

fn content_type() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("application/json".to_owned()),
        Just("Application/vnd.x+JSON; charset=utf-8".to_owned()),
        Just(String::new()),
        Just("text/plain".to_owned()),
        text(),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    let moments = prop_oneof![
        Just(-62_167_219_200_000_000_i64),
        Just(253_402_207_199_999_999),
        -62_167_219_200_000_000..253_402_207_200_000_000_i64,
    ];
    let extensions = proptest::collection::btree_map("x[a-z0-9]{0,8}|dataschema", scalar(), 0..4);
    let texts = (text(), text(), text(), proptest::option::of(text()));
    (texts, proptest::option::of(moments), content_type(), extensions, data()).prop_map(
        |((source, id, kind, subject), time, content_type, extensions, data)| Event {
            source,
            id,
            kind,
            subject,
            time,
            content_type,
            extensions,
            data: data.into(),
        },
    )
}

proptest! {
    #[test]
    fn a_line_tells_an_event_whole(event in any_event(), received_at in 0..i64::pow(10, 17)) {
        let recorded = Recorded { position: 5, received_at, event };
        let mut line = Vec::new();
        write_line(&recorded, &mut line).unwrap();
        prop_assert_eq!(line.iter().filter(|&&it| it == b'\n').count(), 1);
        prop_assert_eq!(line.last(), Some(&b'\n'));
        prop_assert_eq!(parse_line(&line), Ok((recorded.event, Some(received_at))));
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(line in data()) {
        let _ = parse_line(&line);
    }
}

on_both!(any_event_is_kept_and_exported_as_it_is);

/// Export, import into another log, export: equal, but for positions.
async fn any_event_is_kept_and_exported_as_it_is(place: Place) {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = proptest::collection::vec(any_event(), 300);
    let mut sent = strategy.new_tree(&mut runner).unwrap().current();
    for (number, event) in sent.iter_mut().enumerate() {
        event.id.push_str(&number.to_string());
    }
    let open = Open::at(&place).await;
    let outcomes = open.ledger.append(sent.clone(), NOW).await.unwrap();
    assert_eq!(positions(&outcomes).len(), 300);
    let kept: Vec<_> = open.all().await.into_iter().map(|it| it.event).collect();
    assert_eq!(kept, sent);
    let mut lines = Vec::new();
    open.ledger.export(&mut lines, |_| {}).await.unwrap();

    let ground = Ground::sqlite();
    let other = Open::at(&ground.place).await;
    for batch in lines.split_inclusive(|&it| it == b'\n').collect::<Vec<_>>().chunks(70) {
        let parse =
            |line: &&[u8]| parse_line(line).map(|(event, at)| (event, at.unwrap())).unwrap();
        other.ledger.append_received(batch.iter().map(parse)).await.unwrap();
    }
    let mut again = Vec::new();
    other.ledger.export(&mut again, |_| {}).await.unwrap();
    assert_eq!(again, lines);
    other.close().await;
    open.close().await;
}

#[test]
fn data_that_are_json_can_be_read_in_the_line() {
    let mut recorded = Recorded { position: 1, received_at: NOW, event: event(1) };
    recorded.event.extensions.clear();
    let mut line = Vec::new();
    write_line(&recorded, &mut line).unwrap();
    let expected = concat!(
        r#"{"specversion":"1.0","id":"1","source":"https://ci.example.com/main","#,
        r#""type":"dev.cdevents.service.deployed.0.2.0","subject":"service/1","#,
        r#""time":"2025-06-15T15:06:39.999999Z","datacontenttype":"application/json","#,
        r#""seawayreceivedat":"2025-06-15T15:06:40Z","data":{"id": "1"}}"#,
        "\n"
    );
    assert_eq!(String::from_utf8(line).unwrap(), expected);
}

#[test]
fn lines_that_are_no_events_are_refused_with_a_reason() {
    let whole = r#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#;
    assert!(parse_line(whole.as_bytes()).is_ok());
    for (line, why) in [
        ("", "no JSON object"),
        ("[]", "no JSON object"),
        ("{}", "specversion is not 1.0"),
        (&whole.replace("1.0", "0.3"), "specversion is not 1.0"),
        (&whole.replace(r#""id":"1","#, ""), "no id"),
        (&whole.replace(r#""id":"1""#, r#""id":1"#), "id is not a text"),
        (&whole.replace('}', r#","time":"noon"}"#), "time: "),
        (&whole.replace('}', r#","data_base64":"%"}"#), "data_base64: "),
        (&whole.replace('}', r#","data":1,"data_base64":""}"#), "both data and data_base64"),
    ] {
        let refused = parse_line(line.as_bytes()).unwrap_err();
        assert!(refused.starts_with(why), "{line}: {refused}");
    }
}
