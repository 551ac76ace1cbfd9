//! Whatever comes: no panic, no hang, no stack that ends.

use super::{BYTES_MAX, NOW, context, refused, set, told, with_targeting};
use crate::flags::{Context, DEPTH_MAX, FlagSet, Json};
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn rules_that_loop_are_refused() {
    let text = r#"{"$evaluators":{"a":{"if":[{"$ref":"b"},1]},"b":{"!":{"$ref":"a"}}},"flags":{}}"#;
    let problems = refused(text);
    assert_eq!(problems[0].place, "/$evaluators/b/!/$ref", "{problems:?}");
    assert!(problems[0].reason.contains("refers to itself"), "{problems:?}");
    assert_eq!(refused(r#"{"flags":{},"$evaluators":{"a":{"$ref":"a"}}}"#).len(), 1);
}

#[test]
fn what_nests_10_000_deep_is_refused() {
    let deep = format!("{}1{}", r#"{"!":["#.repeat(10_000), "]}".repeat(10_000));
    for text in [
        with_targeting(&deep),
        format!(r#"{{"flags":{{}},"$evaluators":{{"a":{deep}}}}}"#),
        format!(r#"{{"flags":{{}},"metadata":{{"a":{deep}}}}}"#),
        format!(r#"{{"flags":{{}},"unknown":{deep}}}"#),
        "[".repeat(10_000),
        "{\"flags\":".repeat(10_000),
    ] {
        assert!(refused(&text)[0].reason.len() < 200, "{}", &text[..60]);
    }
    assert!(Context::parse(&format!("{{\"a\":{deep}}}")).is_err());
}

#[test]
fn long_chains_of_shared_rules_are_refused_and_short_ones_are_not() {
    let chain = |length: usize| {
        let rules: Vec<String> =
            (0..length).map(|at| format!(r#""r{at}":{{"!":{{"$ref":"r{}"}}}}"#, at + 1)).collect();
        format!(r#"{{"$evaluators":{{{},"r{length}":{{"!":1}}}},"flags":{{}}}}"#, rules.join(","))
    };
    set(&chain(DEPTH_MAX / 3));
    let problems = refused(&chain(10_000));
    assert!(problems[0].reason.contains("too deep"), "{problems:?}");
}

#[test]
fn the_deepest_evaluation_fits_on_a_stack() {
    let levels = DEPTH_MAX - 5;
    let rules: Vec<String> = (0..levels)
        .map(|at| format!(r#""r{at}":{{"all":[[1],{{"$ref":"r{}"}}]}}"#, at + 1))
        .collect();
    let text = with_targeting(r#"{"if":[{"$ref":"r0"},"a"]}"#);
    let rules = format!(r#"{{"$evaluators":{{{},"r{levels}":{{"!":0}}}},"#, rules.join(","));
    let text = text.replacen('{', &rules, 1);
    let context = context(&format!("{{\"a\":{}1{}}}", "[".repeat(99), "]".repeat(99)));
    // Threads of tests have as small a stack as those of the server.
    assert_eq!(told(&set(&text).evaluate("f", &context, NOW)), r#""A" a TARGETING_MATCH"#);
}

#[test]
fn shared_rules_that_double_at_every_level_are_refused() {
    let rules: Vec<String> = (0..40)
        .map(|at| format!(r#""r{at}":{{"and":[{{"$ref":"r{0}"}},{{"$ref":"r{0}"}}]}}"#, at + 1))
        .collect();
    let text = format!(r#"{{"$evaluators":{{{},"r40":{{"!":1}}}},"flags":{{}}}}"#, rules.join(","));
    assert!(refused(&text)[0].reason.contains("steps"));
}

#[test]
fn an_evaluation_that_takes_too_long_ends() {
    let list: Vec<String> = (0..3000).map(|at| at.to_string()).collect();
    let context =
        context(&format!(r#"{{"list":[{}],"text":"{}"}}"#, list.join(","), "x".repeat(60_000)));
    let list = r#"{"var":"list"}"#;
    for rule in [
        // Text, a list, and the depth of a list that double or grow with each item.
        r#"{"reduce":[LIST,{"cat":[{"var":"accumulator"},{"var":"accumulator"}]},"xy"]}"#,
        r#"{"reduce":[LIST,{"merge":[{"var":"accumulator"},{"var":"accumulator"}]},[1]]}"#,
        r#"{"reduce":[LIST,[{"var":"accumulator"}],[1]]}"#,
        r#"{"map":[LIST,{"map":[[1,2,3,4,5,6,7,8,9,10],{"map":[[1,2,3,4,5,6,7,8,9,10],1]}]}]}"#,
    ] {
        let targeting = format!(r#"{{"if":[{},"a"]}}"#, rule.replace("LIST", list));
        let flags = set(&with_targeting(&targeting));
        assert_eq!(told(&flags.evaluate("f", &context, NOW)), "ERROR GENERAL", "{rule}");
    }
}

/// JSON that looks like rules more often than not.
fn rule() -> impl Strategy<Value = Value> {
    let names = ["a", "b", "user.name", "list", "text", "", "$flagd.timestamp", "current", "1"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-3_i64..100).prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
        prop::sample::select(&["a", "b", "1.2.3", "^", "=", "~", "v2"][..]).prop_map(Value::from),
        prop::sample::select(names.to_vec()).prop_map(|name| json!({ "var": name })),
        prop::sample::select(&["yes", "no", "nowhere"][..])
            .prop_map(|name| json!({ "$ref": name })),
    ];
    let operators = [
        "var",
        "missing",
        "missing_some",
        "if",
        "==",
        "===",
        "!=",
        "!==",
        "!",
        "!!",
        "or",
        "and",
        "<",
        "<=",
        ">",
        ">=",
        "max",
        "min",
        "+",
        "-",
        "*",
        "/",
        "%",
        "map",
        "filter",
        "reduce",
        "all",
        "none",
        "some",
        "merge",
        "in",
        "cat",
        "substr",
        "log",
        "fractional",
        "sem_ver",
        "starts_with",
        "ends_with",
        "unknown",
        "$ref",
    ];
    leaf.prop_recursive(5, 60, 5, move |inner| {
        let items = prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from);
        let shares = prop::collection::vec((inner.clone(), inner.clone()), 0..4)
            .prop_map(|pairs| json!({ "fractional": pairs }));
        prop_oneof![
            (prop::sample::select(operators.to_vec()), items.clone())
                .prop_map(|(operator, items)| json!({ operator: items })),
            (prop::sample::select(operators.to_vec()), inner.clone())
                .prop_map(|(operator, item)| json!({ operator: item })),
            prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(|members| json!(members)),
            items,
            shares,
        ]
    })
}

fn definition() -> impl Strategy<Value = String> {
    (rule(), rule(), rule(), any::<bool>()).prop_map(|(targeting, yes, no, third)| {
        json!({
            "x": no.clone(),
            "$evaluators": { "yes": yes, "no": no },
            "metadata": { "bucketingVersion": if third { 3 } else { 2 } },
            "flags": { "f": {
                "state": "ENABLED",
                "variants": { "b": 1, "a": 2, "true": null, "false": { "x": [1.5] } },
                "defaultVariant": "a",
                "targeting": targeting,
            }},
        })
        .to_string()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn evaluation_never_panics_and_export_loses_nothing(
        text in definition(),
        a in rule(),
        list in prop::collection::vec(rule(), 0..6),
        key in "\\PC{0,8}",
    ) {
        let Ok(flags) = FlagSet::parse(text.as_bytes(), BYTES_MAX) else { return Ok(()) };
        let data = json!({ "a": a, "list": list, "text": key, "targetingKey": key,
            "user": { "name": "Jane" }, "$flagd": { "flagKey": "forged" } });
        let evaluation = flags.evaluate("f", &context(&data.to_string()), NOW);
        prop_assert_eq!(evaluation.error.is_some(), evaluation.value.is_none());
        let again = flags.evaluate("f", &context(&data.to_string()), NOW);
        prop_assert_eq!(evaluation, again);
        let exported = flags.export();
        prop_assert_eq!(Json::parse(&exported).unwrap(), Json::parse(&text).unwrap());
        prop_assert_eq!(set(&exported).export(), exported);
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = FlagSet::parse(&bytes, BYTES_MAX);
    }

    #[test]
    fn no_part_of_a_definition_makes_reading_panic(text in definition(), cut in 0.0_f64..1.0) {
        let end = (text.len() as f64 * cut) as usize;
        let _ = FlagSet::parse(&text.as_bytes()[..end], BYTES_MAX);
    }
}
