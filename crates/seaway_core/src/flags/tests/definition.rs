//! Reading, objecting, exporting, editing.

use super::{BYTES_MAX, NOW, context, refused, set, told, with_targeting};
use crate::flags::{FlagSet, Json, Kind};

fn objections(text: &str) -> Vec<String> {
    set(text).objections().map(ToString::to_string).collect()
}

#[test]
fn export_keeps_every_member_number_and_order() {
    let text = r#"{"$schema":"https://flagd.dev/schema/v0/flags.json","note":[1.0,{"x":1e2}],
        "flags":{"zebra":{"variants":{"z":1.50,"a":12345678901234567890123},"state":"ENABLED",
            "defaultVariant":"z","owner":"me","metadata":{"b":1,"a":"x"}},
            "ape":{"state":"DISABLED","variants":{"on":null},"targeting":{}}},
        "metadata":{"version":"7"},"$evaluators":{"e":{"==":[1,1]}}}"#;
    let exported = set(text).export();
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    assert_eq!(bare(&exported), bare(text));
    assert_eq!(set(&exported).export(), exported);
}

#[test]
fn flags_in_an_array_stay_in_an_array() {
    let text =
        r#"{"flags":[{"key":"x","state":"ENABLED","variants":{"a":1},"defaultVariant":"a"}]}"#;
    let mut flags = set(text);
    assert_eq!(told(&flags.evaluate("x", &context("{}"), NOW)), "1 a STATIC");
    let other = br#"{"key":"y","state":"DISABLED","variants":{"a":1}}"#;
    assert_eq!(flags.insert("z", other).unwrap_err()[0].place, "/flags/1/key");
    assert!(flags.insert("y", other).unwrap().is_none());
    let bare: String = flags.export().split_whitespace().collect();
    assert_eq!(bare, text.replace("]}", &format!(",{}]}}", String::from_utf8_lossy(other))));
}

#[test]
fn metadata_of_the_flag_wins_over_that_of_the_set() {
    let flags = set(r#"{"metadata":{"version":"7","owner":"all"},"flags":{"f":{"state":"ENABLED",
        "variants":{"a":1},"metadata":{"owner":"me"}}}}"#);
    let metadata = |key: &str| {
        let evaluation = flags.evaluate(key, &context("{}"), NOW);
        let members = evaluation.metadata.iter();
        members.map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect()
    };
    let (own, none): (Vec<String>, Vec<String>) = (metadata("f"), metadata("no"));
    assert_eq!(own, ["owner=me", "version=7"]);
    assert_eq!(none, ["version=7", "owner=all"]);
}

#[test]
fn a_flag_without_a_default_variant_leaves_the_value_to_the_code() {
    let flags = set(r#"{"flags":{"f":{"state":"ENABLED","variants":{"a":1}},
        "off":{"state":"DISABLED","variants":{"a":1},"defaultVariant":"a"}}}"#);
    assert_eq!(told(&flags.evaluate("f", &context("{}"), NOW)), "DEFAULT");
    assert_eq!(told(&flags.evaluate("off", &context("{}"), NOW)), "DISABLED");
    assert_eq!(told(&flags.evaluate("no", &context("{}"), NOW)), "ERROR FLAG_NOT_FOUND");
}

#[test]
fn a_value_of_another_type_is_a_mismatch() {
    let flags =
        set(r#"{"flags":{"f":{"state":"ENABLED","variants":{"a":1},"defaultVariant":"a"}}}"#);
    let evaluation = flags.evaluate("f", &context("{}"), NOW);
    assert_eq!(told(&evaluation.typed(Kind::Number)), "1 a STATIC");
    assert_eq!(told(&evaluation.typed(Kind::String)), "ERROR TYPE_MISMATCH");
}

#[test]
fn what_is_unusable_is_refused_with_its_place() {
    let flag = |members: &str| format!(r#"{{"flags":{{"a/b":{{"state":"ENABLED",{members}}}}}}}"#);
    for (text, place, reason) in [
        ("{".to_owned(), "", "EOF"),
        ("[]".to_owned(), "", "an object"),
        ("{}".to_owned(), "", "no flags"),
        (r#"{"flags":3}"#.to_owned(), "/flags", "an object"),
        (r#"{"flags":{"f":1}}"#.to_owned(), "/flags/f", "an object"),
        (r#"{"flags":{"f":{},"f":{}}}"#.to_owned(), "/flags", "named twice"),
        (r#"{"flags":{},"$evaluators":[]}"#.to_owned(), "/$evaluators", "an object"),
        (r#"{"flags":{},"metadata":1}"#.to_owned(), "/metadata", "an object"),
        (flag(r#""variants":[]"#), "/flags/a~1b/variants", "an object"),
        (flag(r#""variants":{"a":1,"a":1}"#), "/flags/a~1b/variants/a", "named twice"),
        (
            flag(r#""variants":{"a":1},"defaultVariant":"b""#),
            "/flags/a~1b/defaultVariant",
            "no variant",
        ),
        (flag(r#""variants":{"a":1},"defaultVariant":1"#), "/flags/a~1b/defaultVariant", "text"),
    ] {
        let problems = refused(&text);
        assert_eq!(problems[0].place, place, "{text}: {problems:?}");
        assert!(problems[0].reason.contains(reason), "{text}: {problems:?}");
    }
    assert!(FlagSet::parse(b"\xff", BYTES_MAX).unwrap_err()[0].reason.contains("UTF-8"));
    assert!(FlagSet::parse(b"{ }", 2).unwrap_err()[0].reason.contains("at most 2"));
}

#[test]
fn what_nobody_can_want_is_objected_to_at_its_place() {
    for (targeting, wanted) in [
        (r#"{"if":[true,"a","c"]}"#, r"/if/2: there is no variant “c”"),
        (r#"{"if":["c","a","b"]}"#, ""),
        (r#"{"==":[1,1]}"#, "/==: there is no variant “false”"),
        (r#"{"fractional":[]}"#, "/fractional: has no shares"),
        (r#"{"fractional":[["a",-1],["b",2]]}"#, "/fractional/0/1: a weight is not negative"),
        (
            r#"{"fractional":[["a",0.5]]}"#,
            "/fractional/0/1: a weight is a whole number of at most 2147483647",
        ),
        (
            r#"{"fractional":[["a",2147483647],["b",1]]}"#,
            "/fractional: the weights add up to more than 2147483647",
        ),
        (r#"{"fractional":[["a",0]]}"#, "/fractional: all weights are zero"),
        (r#"{"fractional":[["c",1]]}"#, "/fractional/0/0: there is no variant “c”"),
        (r#"{"if":[{"fractional":[["c",1]]},"a"]}"#, ""),
        (r#"{"if":[{"/":[1,0]},"a"]}"#, "/if/0//: divides by zero"),
        (r#"{"matches":[1,0]}"#, "/matches: there is no operator “matches”"),
        (r#"{"if":[{"$ref":"no"},"a"]}"#, "/if/0/$ref: there is no “no” in $evaluators"),
        (r#"{"if":[{"sem_ver":["1","=="]},"a"]}"#, "/if/0/sem_ver: takes 3 arguments, not 2"),
        (r#"{"if":[{"sem_ver":["1","==","1"]},"a"]}"#, "/if/0/sem_ver: “==” compares no versions"),
        (r#"{"var":"variant","and":1}"#, ": a rule has exactly one operator"),
    ] {
        let found = objections(&with_targeting(targeting));
        let wanted = wanted.replace("/if/0//:", "/if/0/~1:");
        if wanted.is_empty() {
            assert_eq!(found, [""; 0], "{targeting}");
        } else {
            assert!(found.contains(&format!("/flags/f/targeting{wanted}")), "{found:#?}");
        }
    }
}

#[test]
fn a_shared_rule_names_variants_for_who_uses_it() {
    let text = with_targeting(r#"{"$ref":"outer"}"#).replacen(
        '{',
        r#"{"$evaluators":{"outer":{"if":[true,{"$ref":"inner"}]},"inner":{"if":[true,"c"]}},"#,
        1,
    );
    assert_eq!(objections(&text), ["/$evaluators/inner/if/1: there is no variant “c”"]);
    assert_eq!(told(&set(&text).evaluate("f", &context("{}"), NOW)), "ERROR GENERAL");
    let text = text.replace("\"c\"", "\"a\"");
    assert_eq!(told(&set(&text).evaluate("f", &context("{}"), NOW)), r#""A" a TARGETING_MATCH"#);
}

#[test]
fn one_flag_is_replaced_without_the_others() {
    let mut flags = set(r#"{"flags":{"a":{"state":"ENABLED","variants":{"x":1},
        "defaultVariant":"x"},"b":{"state":"DISABLED","variants":{"x":1}}},"$evaluators":{
        "yes":{"==":[1,1]}}}"#);
    let before = flags.clone();
    let new = br#"{"state":"ENABLED","variants":{"x":2,"y":3},"defaultVariant":"x",
        "targeting":{"if":[{"$ref":"yes"},"y"]}}"#;
    assert!(flags.insert("a", new).unwrap().is_some());
    assert_eq!(told(&flags.evaluate("a", &context("{}"), NOW)), "3 y TARGETING_MATCH");
    assert_eq!(told(&before.evaluate("a", &context("{}"), NOW)), "1 x STATIC");
    assert_eq!(flags.insert("c", b"7").unwrap_err()[0].place, "/flags/c");
    assert_eq!(flags.insert("c", b"{").unwrap_err()[0].place, "/flags/c");
    let keys: Vec<&str> = flags.flags().map(|flag| flag.key()).collect();
    assert_eq!(keys, ["a", "b"]);
    assert!(flags.remove("a").is_some() && flags.remove("a").is_none());
    assert_eq!(flags.flags().len(), 1);
    let json = Json::parse(&flags.export()).unwrap();
    assert!(json.as_object().unwrap().get("$evaluators").is_some());
}
