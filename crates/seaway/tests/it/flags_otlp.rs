//! OpenTelemetry's logs, by hand and by its own exporter.

use crate::flags_exposures::{JSON, now, told};
use crate::serve_lang::{Data, Server};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::Command;

const PROTOBUF: (&str, &str) = ("Content-Type", "application/x-protobuf");
const GZIP: (&str, &str) = ("Content-Encoding", "gzip");

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// A field of a message that is a text, bytes or another message.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut all = vec![number << 3 | 2];
    let mut len = bytes.len();
    while len >= 0x80 {
        all.push(len as u8 | 0x80);
        len >>= 7;
    }
    all.push(len as u8);
    all.extend(bytes);
    all
}

fn attribute(number: u8, key: &str, value: &str) -> Vec<u8> {
    let value = field(2, &field(1, value.as_bytes()));
    field(number, &[field(1, key.as_bytes()), value].concat())
}

/// An evaluation, in Protocol Buffers.
fn evaluation(unit: &str, attributes: &[(&str, &str)]) -> Vec<u8> {
    let time = [&[1 << 3 | 1][..], &(now() as u64 * 1_000_000_000).to_le_bytes()].concat();
    let usual = [
        ("feature_flag.key", "cart"),
        ("feature_flag.context.id", unit),
        ("feature_flag.provider.name", "flagd"),
        ("feature_flag.set.id", "production"),
    ];
    let attributes = usual.iter().chain(attributes).flat_map(|(key, it)| attribute(6, key, it));
    [time, attributes.collect(), field(12, b"feature_flag.evaluation")].concat()
}

fn request(records: &[Vec<u8>]) -> Vec<u8> {
    let records: Vec<u8> = records.iter().flat_map(|record| field(2, record)).collect();
    field(1, &field(2, &records))
}

fn in_json(records: &[Value]) -> Vec<u8> {
    let logs = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": records }] }] });
    logs.to_string().into_bytes()
}

fn last(server: &Server) -> Value {
    server.get("/api/v1/progress").json()["newest"].clone()
}

#[test]
fn both_encodings_are_answered_as_otlp_has_it() {
    let data = Data::new();
    let server = data.serve();
    let on = ("feature_flag.result.variant", "on");
    let protobuf = request(&[evaluation("ada", &[on]), evaluation("bo", &[on])]);
    for (headers, body) in [
        (&[PROTOBUF][..], protobuf.clone()),
        (&[("Content-Type", "application/x-protobuf; x=y"), GZIP], gzip(&protobuf)),
        (&[PROTOBUF], Vec::new()),
    ] {
        let answer = server.post("/v1/logs", headers, &body);
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{}", answer.head);
        assert!(answer.head.contains("content-type: application/x-protobuf"), "{}", answer.head);
    }
    let attribute =
        |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let record = |unit: &str| {
        json!({ "timeUnixNano": (now() * 1_000_000_000).to_string(), "severityNumber": 9,
            "eventName": "feature_flag.evaluation", "attributes": [
                attribute("feature_flag.key", "cart"), attribute("feature_flag.set.id", "production"),
                attribute("feature_flag.result.variant", "on"),
                attribute("feature_flag.context.id", unit) ] })
    };
    let json_body =
        in_json(&[record("bo"), record("cy"), json!({ "body": { "stringValue": "x" } })]);
    for (headers, body) in [
        (&[JSON][..], json_body.clone()),
        (&[JSON, GZIP], gzip(&json_body)),
        (&[JSON], b"{}".to_vec()),
    ] {
        let answer = server.post("/v1/logs", headers, &body);
        assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
        assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    }
    let seen = told(&server, "cart", &last(&server));
    // A request that is sent again is taken once, also where it is compressed.
    assert_eq!((&seen["variants"][0]["units"], &seen["received"]), (&json!(3), &json!(4)));
}

#[test]
fn what_is_not_taken_is_told_and_the_rest_is_taken() {
    let data = Data::new();
    let server = data.serve();
    let on = ("feature_flag.result.variant", "on");
    let records =
        [evaluation("ada", &[]), evaluation("ada", &[on]), evaluation(&"x".repeat(2_000), &[on])];
    let answer = server.post("/v1/logs", &[PROTOBUF], &request(&records));
    assert_eq!(answer.status, 200);
    let message = "record 0: feature_flag.result.variant is missing; record 2: the unit is longer \
                   than 1024 bytes";
    let partial = [&[8, 2][..], &field(2, message.as_bytes())].concat();
    assert_eq!(answer.body.as_bytes(), field(1, &partial));
    let answer = server.post(
        "/v1/logs",
        &[JSON],
        &in_json(&[json!({ "attributes": [
        { "key": "event.name", "value": { "stringValue": "dev.seaway.outcome" } },
        { "key": "metric", "value": { "stringValue": "errors" } } ] })]),
    );
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        json!({ "partialSuccess":
            { "rejectedLogRecords": "1", "errorMessage": "record 0: unit is missing" } })
    );
    assert_eq!(told(&server, "cart", &last(&server))["received"], 1);
}

/// Headers and a body, and the status that they are answered with.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [u8], u16);

#[test]
fn failures_are_a_status_in_the_encoding_of_the_request() {
    let data = Data::new();
    let server = data.serve();
    let whole = request(&[evaluation("ada", &[])]);
    let huge = vec![0_u8; (32 << 20) + 1];
    // Two bytes each: none of them may become more.
    let empty = field(1, &field(2, &[0x12, 0].repeat(15 << 20)));
    let cases: [Case<'_>; 9] = [
        (&[PROTOBUF], &whole[..whole.len() - 1], 400),
        (&[PROTOBUF], b"{}", 400),
        (&[PROTOBUF, GZIP], b"not gzip", 400),
        (&[PROTOBUF], &huge, 413),
        (&[PROTOBUF], &empty, 413),
        (&[PROTOBUF, GZIP], &gzip(&vec![0; 40 << 20]), 413),
        (&[JSON], b"[]", 400),
        (&[JSON], &[b"{\"resourceLogs\":", &b"[".repeat(1 << 20)[..]].concat(), 400),
        (&[JSON], &in_json(&vec![json!({}); 100_002]), 413),
    ];
    for (headers, body, status) in cases {
        let answer = server.post("/v1/logs", headers, body);
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.body);
        let kind = headers[0].1;
        assert!(answer.head.contains(&format!("content-type: {kind}")), "{}", answer.head);
        match kind {
            "application/json" => assert!(answer.json()["message"].is_string()),
            _ => assert_eq!(answer.body.as_bytes()[0], 2 << 3 | 2, "the field message"),
        }
    }
    for kind in ["application/grpc", "text/plain", ""] {
        assert_eq!(server.post("/v1/logs", &[("Content-Type", kind)], b"").status, 415);
    }
    assert_eq!(server.post("/v1/logs", &[JSON, ("Content-Encoding", "br")], b"{}").status, 415);
    assert_eq!(server.send("GET", "/v1/logs", &[], b"").status, 405);
    let status = format!("/proc/{}/status", server.process());
    let status = std::fs::read_to_string(status).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    eprintln!("the server had {} MiB at most", kib >> 10);
    assert!(kib < 300 << 10, "{kib} KiB");
}

/// What applications do: OpenTelemetry's SDK with its exporter, through batches.
const CLIENT: &str = r#"
import sys, logging, time
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
logging.basicConfig(stream=sys.stderr)
url, compression = sys.argv[1], Compression(sys.argv[2])
resource = Resource({"service.name": "shop", "deployment.environment.name": "production"})
provider = LoggerProvider(resource=resource)
exporter = OTLPLogExporter(endpoint=url + "/v1/logs", compression=compression)
provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
logger = provider.get_logger("openfeature")
def emit(event, attributes):
    logger.emit(LogRecord(timestamp=time.time_ns(), severity_number=SeverityNumber.INFO,
        event_name=event, attributes=attributes, body={"of": ["no", "use"]}))
for unit in range(1000):
    emit("feature_flag.evaluation", {"feature_flag.key": "cart",
        "feature_flag.result.variant": "on" if unit % 2 else "off",
        "feature_flag.context.id": "unit-%d" % unit, "feature_flag.provider.name": "flagd",
        "feature_flag.result.reason": "split", "feature_flag.version": 7})
    emit("shop.sale", {"amount": 3.5})
emit("dev.seaway.outcome", {"unit": "unit-1", "metric": "errors", "value": 1})
emit("dev.seaway.outcome", {"unit": "unit-2", "metric": "errors"})
ok = provider.force_flush()
provider.shutdown()
print("flushed" if ok else "failed")
"#;

#[test]
fn opentelemetrys_own_exporter_is_understood() {
    let Ok(python) = std::env::var("SEAWAY_OTEL") else {
        let is_required = std::env::var("SEAWAY_REQUIRE").is_ok_and(|it| it == "all");
        assert!(!is_required, "SEAWAY_REQUIRE=all, and SEAWAY_OTEL names no Python");
        eprintln!("skipped: SEAWAY_OTEL names no Python with OpenTelemetry (scripts/otel.sh)");
        return;
    };
    let data = Data::new();
    let server = data.serve();
    for (round, compression) in ["none", "gzip"].into_iter().enumerate() {
        let output = Command::new(&python)
            .args(["-c", CLIENT, &server.url(), compression])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "flushed", "{said}");
        assert!(!said.contains("Failed to export"), "{said}");
        let seen = told(&server, "cart", &last(&server));
        assert_eq!(seen["received"], 1_000 * (round as u64 + 1));
        let units = seen["variants"].as_array().unwrap().iter().map(|it| &it["units"]);
        assert_eq!(units.collect::<Vec<_>>(), [500, 500]);
        assert_eq!(seen["environment"], "production");
    }
}
