use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn bytes(json: &Value) -> Bytes {
    Bytes::from(json.to_string())
}

fn minimal() -> Value {
    json!({"specversion": "1.0", "id": "1", "source": "/ci", "type": "a.b"})
}

/// `minimal` with some members set anew; `null` takes them away.
fn with(changes: Value) -> Value {
    let mut event = minimal();
    for (name, value) in changes.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

fn refused(event: &Value) -> String {
    structured(&bytes(event)).unwrap_err()
}

fn no_headers() -> std::iter::Empty<(&'static str, &'static [u8])> {
    std::iter::empty()
}

fn receive_batch(body: &Bytes) -> Vec<Result<Event, Problem>> {
    match receive(Some(BATCH), no_headers(), body) {
        Ok(Received::Batch(events)) => events,
        other => panic!("{other:?}"),
    }
}

fn binary(headers: &[(&str, &str)], kind: Option<&str>, body: &str) -> Result<Event, Refusal> {
    let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
    match receive(kind, headers, &Bytes::copy_from_slice(body.as_bytes()))? {
        Received::One(event) => Ok(event),
        Received::Batch(_) => panic!("it is one event"),
    }
}

#[test]
fn a_structured_event_is_read_and_its_data_stay_as_they_came() {
    let body = Bytes::from_static(
        br#" {"specversion":"1.0","id":"A \u00e4 1","source":"/ci","type":"a.b","subject":"s",
            "time":"2018-04-05T17:31:00.123456789+02:00","dataschema":"https://a/b","traceparent":"00-1",
            "count":5,"flag":true,"unset":null,"data": { "b" : 1.0e2, "a":[ ] , "c":"\u0041" } } "#,
    );
    let event = structured(&body).unwrap();
    assert_eq!(event.id, "A ä 1");
    assert_eq!((event.source.as_str(), event.kind.as_str()), ("/ci", "a.b"));
    assert_eq!(event.subject.as_deref(), Some("s"));
    assert_eq!(event.time, Some(1_522_942_260_123_456));
    assert_eq!(event.content_type, "application/json");
    assert_eq!(event.data, br#"{ "b" : 1.0e2, "a":[ ] , "c":"\u0041" }"#.as_slice());
    let extensions =
        json!({"dataschema": "https://a/b", "traceparent": "00-1", "count": 5, "flag": true});
    assert_eq!(serde_json::to_value(&event.extensions).unwrap(), extensions);
}

#[test]
fn data_are_text_json_or_base64_as_the_specification_has_it() {
    let data = |changes| structured(&bytes(&with(changes))).map(|event| event.data);
    assert_eq!(data(json!({"data": "<a/>\n", "datacontenttype": "text/xml"})).unwrap(), "<a/>\n");
    assert_eq!(data(json!({"data": "text"})).unwrap(), "\"text\"");
    assert_eq!(
        data(json!({"data": 1, "datacontenttype": "application/x+JSON; q=1"})).unwrap(),
        "1"
    );
    assert_eq!(data(json!({"data": null})).unwrap(), "null");
    assert_eq!(data(json!({})).unwrap(), "");
    assert_eq!(data(json!({"data_base64": "AP9h"})).unwrap(), b"\x00\xffa".as_slice());
    assert!(data(json!({"data_base64": "AP9"})).is_err());
    assert!(data(json!({"data_base64": "AP9h", "data": 1})).is_err());
    assert!(data(json!({"data": {}, "datacontenttype": "text/xml"})).is_err());
}

#[test]
fn what_is_missing_or_too_long_is_named() {
    for name in ["specversion", "id", "source", "type"] {
        assert_eq!(refused(&with(json!({ name: null }))), format!("{name} is missing"));
        assert!(structured(&bytes(&with(json!({ name: 5 })))).is_err(), "{name}");
    }
    assert_eq!(refused(&with(json!({"specversion": "0.3"}))), "specversion is not 1.0");
    for (name, most) in [("id", 256), ("type", 256), ("source", 1_024), ("subject", 1_024)] {
        assert_eq!(refused(&with(json!({ name: "" }))), format!("{name} is empty"));
        assert!(structured(&bytes(&with(json!({ name: "ä".repeat(most) })))).is_ok(), "{name}");
        let reason = refused(&with(json!({ name: "ä".repeat(most + 1) })));
        assert_eq!(reason, format!("{name} is longer than {most} characters"));
        let reason = refused(&with(json!({ name: "a\u{0}b" })));
        assert_eq!(reason, format!("{name} has control characters"));
    }
    for time in ["", "yesterday", "2020-01-01", "2020-13-01T00:00:00Z", "2020-01-01T00:00:00"] {
        assert!(refused(&with(json!({ "time": time }))).starts_with("time is not"), "{time}");
    }
}

#[test]
fn extensions_are_bounded() {
    for (name, value) in [
        ("Upper", json!("a")),
        ("with_line", json!("a")),
        ("", json!("a")),
        ("list", json!([1])),
        ("object", json!({})),
        ("broken", json!(1.5)),
        ("long", json!("a".repeat(EXTENSION_CHARS_MAX + 1))),
    ] {
        assert!(structured(&bytes(&with(json!({ name: value })))).is_err(), "{name}");
    }
    let mut event = minimal();
    for index in 0..EXTENSIONS_MAX {
        event[format!("e{index}")] = json!(index);
    }
    assert_eq!(structured(&bytes(&event)).unwrap().extensions.len(), EXTENSIONS_MAX);
    event["more"] = json!("");
    assert!(refused(&event).contains("more than 64 extensions"));
}

#[test]
fn a_name_told_twice_is_refused() {
    for twice in [r#""id":"2""#, r#""data":1,"data":2"#, r#""abc":1,"abc":2"#] {
        let body =
            format!(r#"{{"specversion":"1.0","id":"1","source":"/ci","type":"a.b",{twice}}}"#);
        assert!(structured(&Bytes::from(body)).unwrap_err().contains("told twice"), "{twice}");
    }
}

#[test]
fn headers_are_unquoted_and_decoded_once() {
    let headers = [
        ("ce-specversion", "1.0"),
        ("CE-ID", "Euro%20%E2%82%AC%20%f0%9f%98%80"),
        ("ce-source", "/a%2525"),
        ("ce-type", r#""a\"b \\c""#),
        ("ce-time", "2018-04-05T03:56:24Z"),
        ("ce-flag", "true"),
        ("x-other", "%FF"),
    ];
    let event =
        binary(&headers, Some("application/json; charset=utf-8"), r#"{ "a" : 1 }"#).unwrap();
    assert_eq!(event.id, "Euro € 😀");
    assert_eq!(event.source, "/a%25");
    assert_eq!(event.kind, r#"a"b \c"#);
    assert_eq!(event.time, Some(1_522_900_584_000_000));
    assert_eq!(event.extensions["flag"], "true");
    assert_eq!(event.content_type, "application/json; charset=utf-8");
    assert_eq!(event.data, r#"{ "a" : 1 }"#);
    assert!(!event.extensions.contains_key("specversion"));
}

#[test]
fn bad_headers_are_refused() {
    let good = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/"), ("ce-type", "t")];
    assert!(binary(&good, None, "").is_ok());
    assert_eq!(binary(&good, None, "x").unwrap().content_type, "application/octet-stream");
    for (name, value) in [
        ("ce-subject", "%C0%A0"),
        ("ce-subject", "%00"),
        ("ce-id", "2"),
        ("ce-datacontenttype", "text/plain"),
        ("ce-data", "1"),
        ("ce-a-b", "1"),
        ("ce-", "1"),
        ("ce-time", "now"),
    ] {
        let headers: Vec<_> = good.iter().copied().chain([(name, value)]).collect();
        assert!(
            matches!(binary(&headers, None, ""), Err(Refusal::Malformed(_))),
            "{name}: {value}"
        );
    }
    for missing in 0..good.len() {
        let mut headers = good.to_vec();
        let (name, _) = headers.remove(missing);
        let said = binary(&headers, None, "").unwrap_err().to_string();
        assert_eq!(said, format!("{} is missing", &name[3..]));
    }
    assert!(binary(&good, Some("application/json"), "{").is_err());
    let many: Vec<String> = (0..200).map(|index| format!("ce-e{index}")).collect();
    let many = good.into_iter().chain(many.iter().map(|name| (name.as_str(), "1")));
    assert!(binary(&many.collect::<Vec<_>>(), None, "").is_err());
}

#[test]
fn one_bad_item_leaves_the_others() {
    let deep = format!(
        r#"{{"specversion":"1.0","id":"d","source":"/ci","type":"a.b","data":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let body = format!("[{}, 5, {deep}, {}, {{}}]", minimal(), with(json!({"id": "2"})));
    let body = Bytes::from(body);
    let events = receive_batch(&body);
    let ids: Vec<_> = events.iter().map(|it| it.as_ref().map(|event| event.id.as_str())).collect();
    assert_eq!(ids[0], Ok("1"));
    assert_eq!(ids[3], Ok("2"));
    let reasons: Vec<_> = events.iter().filter_map(|it| it.as_ref().err()).collect();
    assert_eq!(reasons.iter().map(|it| it.index).collect::<Vec<_>>(), [1, 2, 4]);
    assert!(reasons[0].reason.contains("a CloudEvent is a JSON object"), "{}", reasons[0].reason);
    assert!(reasons[1].reason.contains("more than 100 levels"), "{}", reasons[1].reason);
    assert_eq!(reasons[2].reason, "specversion is missing");
}

#[test]
fn a_batch_is_an_array_of_a_bounded_length() {
    let refused = |body: &'static [u8]| {
        receive(Some(BATCH), no_headers(), &Bytes::from_static(body)).unwrap_err()
    };
    assert!(matches!(refused(b"{}"), Refusal::Malformed(_)));
    assert!(matches!(refused(b"[{]"), Refusal::Malformed(_)));
    assert!(matches!(refused(b"[] []"), Refusal::Malformed(_)));
    assert!(matches!(refused(b""), Refusal::Malformed(_)));
    assert!(matches!(refused(b"[\"\xff\"]"), Refusal::Malformed(_)));
    assert!(receive_batch(&Bytes::from_static(b" [ ] ")).is_empty());
    let ones = |n: usize| Bytes::from(format!("[{}1]", "1,".repeat(n - 1)));
    assert_eq!(receive_batch(&ones(BATCH_MAX)).len(), BATCH_MAX);
    let refusal = receive(Some(BATCH), no_headers(), &ones(BATCH_MAX + 1));
    assert_eq!(refusal, Err(Refusal::TooMany));
    // An array that is deep all through is one bad item, or no array.
    let deep = Bytes::from("[".repeat(100_000));
    assert!(receive(Some(BATCH), no_headers(), &deep).is_err());
    let deep = Bytes::from("[".repeat(100_000) + &"]".repeat(100_000));
    assert!(receive_batch(&deep)[0].is_err());
}

#[test]
fn a_bare_cdevent_names_itself() {
    let body = Bytes::from_static(
        br#" {"context":{"specversion":"0.5.1","id":"7","source":"/ci","type":"dev.cdevents.x.y.0.1.0",
        "timestamp":"2023-03-20T14:27:05.315384Z"},"subject":{"id":"s","content":{}}}"#,
    );
    let sent = |kind| receive(Some(kind), no_headers(), &body);
    let Ok(Received::One(event)) = sent("Application/JSON; charset=utf-8") else { panic!() };
    assert_eq!((event.id.as_str(), event.source.as_str()), ("7", "/ci"));
    assert_eq!(event.kind, "dev.cdevents.x.y.0.1.0");
    assert_eq!(event.time, Some(1_679_322_425_315_384));
    assert_eq!(event.data, body.slice(1..));
    assert!(matches!(sent("text/plain"), Err(Refusal::Form(_))));
    assert!(matches!(sent("application/cloudevents+avro"), Err(Refusal::Form(_))));
    assert!(matches!(receive(None, no_headers(), &body), Err(Refusal::Form(_))));
    for other in ["{}", "[]", "5", r#"{"context":{}}"#, r#"{"context":{},"subject":{}}"#] {
        let body = Bytes::from_static(other.as_bytes());
        let refusal = receive(Some(JSON), no_headers(), &body);
        assert!(matches!(refusal, Err(Refusal::Malformed(_))), "{other}");
    }
}

#[test]
fn a_body_of_one_event_may_be_deep_in_no_form() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let body = |text: String| Bytes::from(text);
    let context =
        r#""context":{"id":"1","source":"/","type":"a","timestamp":"2020-01-01T00:00:00Z"}"#;
    let bare = body(format!(r#"{{{context},"subject":{deep}}}"#));
    assert!(receive(Some(JSON), no_headers(), &bare).is_err());
    let envelope = r#""specversion":"1.0","id":"1","source":"/","type":"a""#;
    let one = body(format!(r#"{{{envelope},"data":{deep}}}"#));
    assert!(receive(Some(STRUCTURED), no_headers(), &one).is_err());
    let good = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/"), ("ce-type", "t")];
    assert!(binary(&good, Some(JSON), &deep).is_err());
    // Brackets in text are no levels.
    let text = format!(r#"{{{envelope},"data":"{}\"[["}}"#, "[".repeat(1_000));
    assert!(structured(&body(text)).is_ok());
}

/// What one way of sending takes, all take: an event that was kept can be sent on.
#[test]
fn data_may_be_as_deep_in_an_envelope_as_without() {
    let good = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/"), ("ce-type", "t")];
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for (depth, is_taken) in [(DEPTH_MAX, true), (DEPTH_MAX + 1, false)] {
        let json = nested(depth);
        let envelope = r#""specversion":"1.0","id":"1","source":"/","type":"t""#;
        let one = Bytes::from(format!(r#"{{{envelope},"data":{json}}}"#));
        assert_eq!(structured(&one).is_ok(), is_taken, "{depth}");
        assert_eq!(binary(&good, Some(JSON), &json).is_ok(), is_taken, "{depth}");
    }
}

#[test]
fn text_of_a_type_that_is_nearly_json_stays_text_when_it_is_sent_on() {
    let envelope = r#""specversion":"1.0","id":"1","source":"/","type":"t""#;
    let text = format!(r#"{{{envelope},"datacontenttype":"x+json","data":"12"}}"#);
    let event = structured(&Bytes::from(text)).unwrap();
    let mut sent = Vec::new();
    crate::ledger::write_object(&event, None, &mut sent).unwrap();
    assert_eq!(structured(&Bytes::from(sent)), Ok(event));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[\\PC\u{0}-\u{20}\"\\\\]{0,20}".prop_map(Value::from),
        Just(Value::from("1.0")),
        Just(Value::from("2020-01-01T00:00:00Z")),
    ];
    let name = prop_oneof![
        Just("specversion".to_owned()),
        Just("id".to_owned()),
        Just("source".to_owned()),
        Just("type".to_owned()),
        Just("time".to_owned()),
        Just("data".to_owned()),
        Just("data_base64".to_owned()),
        Just("datacontenttype".to_owned()),
        "[a-zA-Z_]{0,8}",
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_gives_events_or_reasons(json in any_json()) {
        let body = bytes(&json);
        for kind in [STRUCTURED, BATCH, JSON] {
            match receive(Some(kind), no_headers(), &body) {
                Ok(Received::Batch(events)) => {
                    prop_assert_eq!(events.len(), json.as_array().unwrap().len());
                }
                Ok(Received::One(event)) => prop_assert!(!event.id.is_empty()),
                Err(refusal) => prop_assert!(!refusal.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn any_bytes_give_events_or_reasons(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let body = Bytes::from(body);
        for kind in [STRUCTURED, BATCH, JSON] {
            let _ = receive(Some(kind), no_headers(), &body);
        }
    }

    #[test]
    fn any_header_gives_an_event_or_a_reason(value in prop::collection::vec(any::<u8>(), 0..50)) {
        let names = ["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-x"];
        let headers = names.iter().map(|name| (*name, value.as_slice()));
        let _ = receive(None, headers, &Bytes::new());
    }

    /// What percent-encoding by the rules of the binding makes of text is read as that text.
    #[test]
    fn encoded_headers_are_read_back(text in "\\PC{1,40}") {
        let mut encoded = String::new();
        for byte in text.bytes() {
            match byte {
                b'!'..=b'~' if byte != b'"' && byte != b'%' => encoded.push(char::from(byte)),
                byte => encoded.push_str(&format!("%{byte:02X}")),
            }
        }
        let headers = [("ce-specversion", "1.0"), ("ce-id", encoded.as_str()), ("ce-source", "/"),
            ("ce-type", "t")];
        prop_assert_eq!(binary(&headers, None, "").unwrap().id, text);
    }
}
