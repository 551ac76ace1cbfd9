//! What is sent of flags, held against the OpenAPI document.

use crate::serve_lang::Data;
use crate::serve_openapi::Document;
use serde_json::json;

#[test]
fn what_is_sent_of_flags_is_answered_as_the_document_says() {
    let (document, data) = (Document::read(), Data::new());
    let server = data.serve();
    let json = ("Content-Type", "application/json");
    let text = ("Content-Type", "text/plain");
    let exposure = json!({ "environment": "production", "flag": "f", "variant": "v", "unit": "u" });
    let outcome = json!({ "environment": "production", "metric": "m", "unit": "u", "value": 1 });
    let record = |key: &str| {
        json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [
            { "eventName": "feature_flag.evaluation", "attributes": [
                { "key": key, "value": { "stringValue": "production" } },
                { "key": "feature_flag.key", "value": { "stringValue": "f" } },
                { "key": "feature_flag.result.variant", "value": { "stringValue": "v" } } ] } ] }] }] })
    };
    for (path, header, body, status) in [
        ("/api/v1/exposures", json, json!({ "exposures": [exposure] }), 200),
        ("/api/v1/exposures", json, json!({ "exposures": [exposure, {}] }), 207),
        ("/api/v1/exposures", json, json!({ "exposures": [7] }), 400),
        ("/api/v1/exposures", json, json!([exposure]), 400),
        ("/api/v1/exposures", text, json!({ "exposures": [] }), 415),
        ("/api/v1/outcomes", json, json!({ "outcomes": [outcome] }), 200),
        ("/api/v1/outcomes", json, json!({ "outcomes": [{}, outcome] }), 207),
        ("/api/v1/outcomes", json, json!({ "outcomes": [{}] }), 400),
        ("/v1/logs", json, record("dev.seaway.environment"), 200),
        ("/v1/logs", json, record("other"), 200),
        ("/v1/logs", json, json!([]), 400),
        ("/v1/logs", text, json!({}), 415),
    ] {
        let answer = server.post(path, &[header], body.to_string().as_bytes());
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.body);
        document.check("post", path, &answer, &body.to_string());
    }
}
