//! Who sees what, in words, of definitions as people write them.

use super::who::{Gets, Reach, Who, fraction};
use seaway_core::flags::{Flag, FlagSet};
use std::sync::Arc;

const SWITCH: &str = r#""variants":{"on":true,"off":false},"defaultVariant":"off""#;
const COLOURS: &str = r#""variants":{"red":"r","blue":"b","green":"g"},"defaultVariant":"red""#;

fn flag_of(source: &str) -> Arc<Flag> {
    FlagSet::new(100_000).compile("k", source.as_bytes()).unwrap()
}

fn flag(rest: &str) -> Arc<Flag> {
    flag_of(&format!(r#"{{"state":"ENABLED",{rest}}}"#))
}

fn targeted(variants: &str, targeting: &str) -> Arc<Flag> {
    flag(&format!(r#"{variants},"targeting":{targeting}"#))
}

fn answer(flag: &Flag) -> String {
    Who::of(flag).answer(flag)
}

fn rules(flag: &Flag) -> Vec<String> {
    Who::of(flag).rules.into_iter().map(|it| it.when).collect()
}

#[test]
fn the_answer_is_short_and_says_who() {
    let team = r#"{"ends_with":[{"var":"email"},"@example.com"]}"#;
    for (targeting, expected) in [
        ("{}", "Off for everyone"),
        (r#""on""#, "On for everyone"),
        ("true", "The code's own default for everyone"),
        (r#"{"fractional":[["on",10],["off",90]]}"#, "On for a tenth"),
        (r#"{"fractional":[["on",1],["off"]]}"#, "On for half"),
        (r#"{"fractional":[["on",0],["off",9]]}"#, "Off for everyone"),
        (r#"{"fractional":[["on",37],["off",63]]}"#, "On for 37 %"),
        (r#"{"fractional":[{"var":"company"},["on",1],["off",2]]}"#, "On for a third"),
        (&format!(r#"{{"if":[{team},"on"]}}"#), "On for some"),
        (&format!(r#"{{"if":[{team},"off","on"]}}"#), "On for all but some"),
        (&format!(r#"{{"if":[{team},"on","on"]}}"#), "On for everyone"),
        (&format!(r#"{{"if":[{team},"off",null]}}"#), "Off for everyone"),
        (
            &format!(r#"{{"if":[{team},"on",{{"fractional":[["on",1],["off",3]]}}]}}"#),
            "On for some, and for a quarter of all others",
        ),
        (
            &format!(r#"{{"if":[{team},"off",{{"fractional":[["on",1],["off",3]]}}]}}"#),
            "On for a quarter of all but some",
        ),
        (r#"{"var":"wish"}"#, "Rules decide for whom it is on"),
        (&format!(r#"{{"if":[{team},{{"var":"wish"}},"off"]}}"#), "Rules decide for whom it is on"),
        (r#"{"$ref":"team"}"#, "Rules decide for whom it is on"),
    ] {
        let found = FlagSet::new(100_000).compile(
            "k",
            format!(r#"{{"state":"ENABLED",{SWITCH},"targeting":{targeting}}}"#).as_bytes(),
        );
        // A shared rule that is not there cannot be kept.
        let Ok(flag) = found else {
            assert!(targeting.contains("$ref"), "{targeting}");
            continue;
        };
        assert_eq!(answer(&flag), expected, "{targeting}");
    }
}

#[test]
fn variants_are_named_where_on_and_off_mean_nothing() {
    assert_eq!(answer(&flag(COLOURS)), "red for everyone");
    for (targeting, expected) in [
        (r#"{"fractional":[["red",1],["blue",1]]}"#, "red for half, blue for half"),
        (r#"{"fractional":[["red",1],["blue",0]]}"#, "red for everyone"),
        (r#"{"if":[{"var":"vip"},"blue"]}"#, "blue for some, red for all others"),
        (r#"{"if":[{"var":"a"},"blue",{"var":"b"},"green"]}"#, "Rules decide who gets what"),
        (r#"{"cat":["bl","ue"]}"#, "A rule decides who gets what"),
    ] {
        assert_eq!(answer(&targeted(COLOURS, targeting)), expected, "{targeting}");
    }
    let none = flag(r#""variants":{"a":"x","b":"y"}"#);
    assert_eq!(answer(&none), "The code's own default for everyone");
    // A variant that stands for off makes a switch of them.
    let named = r#""variants":{"off":"","new":"n"},"defaultVariant":"off""#;
    assert_eq!(answer(&flag(named)), "Off for everyone");
    assert_eq!(
        answer(&targeted(named, r#"{"fractional":[["new",1],["off",9]]}"#)),
        "On for a tenth"
    );
}

#[test]
fn what_is_disabled_is_the_codes_own_matter() {
    let source = format!(r#"{{"state":"DISABLED",{COLOURS},"targeting":"blue"}}"#);
    let disabled = flag_of(&source);
    let it = &*disabled;
    assert_eq!(Who::of(it), Who { rules: vec![], rest: Gets::Code, keyless: None });
    assert_eq!(answer(it), "The code's own default for everyone");
    assert_eq!(Who::of(it).reach(it), Reach { share: Some(0.0), some: false });
    let switch = flag_of(&format!(r#"{{"state":"DISABLED",{SWITCH}}}"#));
    assert_eq!(answer(&switch), "The code's own default for everyone");
    let none = r#""variants":{"on":true,"off":false}"#;
    assert_eq!(answer(&flag(none)), "The code's own default for everyone");
    let some = targeted(none, r#"{"if":[{"var":"vip"},"on"]}"#);
    assert_eq!(answer(&some), "on for some, the code's default for all others");
}

/// As ramps compile: see `seaway_core::flags::ramp`.
#[test]
fn a_ramp_is_told_with_its_audiences() {
    let flag = targeted(
        SWITCH,
        r#"{"if":[{"===":[{"var":"team"},"checkout"]},"on",
            {"if":[{"var":"targetingKey"},{"fractional":[["on",5000],["off",95000]]},"off"]}]}"#,
    );
    let who = Who::of(&flag);
    assert_eq!(rules(&flag), ["team is “checkout”"]);
    assert_eq!(answer(&flag), "On for some, and for a twentieth of all others");
    assert_eq!(who.keyless, Some(Gets::Variant("off".to_owned())));
    assert_eq!(who.reach(&flag), Reach { share: Some(0.05), some: true });
}

#[test]
fn conditions_are_sentences() {
    for (when, expected) in [
        (r#"{"==":[{"var":"plan"},"gold"]}"#, "plan is “gold”"),
        (r#"{"!==":[{"var":["plan","x"]},3]}"#, "plan is not 3"),
        (r#"{"in":[{"var":"land"},["at","de"]]}"#, "land is one of “at”, “de”"),
        (r#"{"in":[{"var":"n"},[1,2,3,4,5,6]]}"#, "n is one of 1, 2, 3, 4 and 2 more"),
        (r#"{"in":["beta",{"var":"groups"}]}"#, "groups contains “beta”"),
        (r#"{"sem_ver":[{"var":"app"},">=","2.1.0"]}"#, "version app ≥ “2.1.0”"),
        (r#"{">=":[{"var":"$flagd.timestamp"},1795435200]}"#, "the time ≥ 2026-11-23 12:00 UTC"),
        (r#"{"<":[1,{"var":"age"},9]}"#, "1 < age < 9"),
        (r#"{"!":{"var":"vip"}}"#, "vip is not set"),
        (r#"{"var":"vip"}"#, "vip is set"),
        (
            r#"{"and":[{"var":"a"},{"or":[{"var":"b"},{"!":[{"==":[{"var":"c"},1]}]}]}]}"#,
            "a is set and (b is set or not (c is 1))",
        ),
        (r#"{"some":[[1],{"var":""}]}"#, r#"{"some":[[1],{"var":""}]} holds"#),
    ] {
        let flag = targeted(SWITCH, &format!(r#"{{"if":[{when},"on","off"]}}"#));
        assert_eq!(rules(&flag), [expected], "{when}");
    }
    // What nests deeper than a sentence bears is told as it is written.
    let deep = (0..20).fold(r#"{"var":"a"}"#.to_owned(), |it, _| format!(r#"{{"!":[{it},0]}}"#));
    let nested = (0..20).fold(deep, |it, _| format!(r#"{{"and":[{it},true]}}"#));
    let flag = targeted(SWITCH, &format!(r#"{{"if":[{nested},"on","off"]}}"#));
    assert!(rules(&flag)[0].len() < 20_000);
}

#[test]
fn shares_have_short_names_where_they_have_some() {
    assert_eq!(
        [0.0, 0.1, 0.5, 0.123, 0.000_1, 1.0].map(fraction),
        ["nobody", "a tenth", "half", "12 %", "< 0.1 %", "everyone"]
    );
}
