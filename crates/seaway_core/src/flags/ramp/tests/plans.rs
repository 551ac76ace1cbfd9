//! What is a plan and what is not.

use super::{DOCUMENTATION, around, flag, plan, unit};
use crate::flags::ramp::{Audience, GuardrailKind, Plan, Ramp, Reach, Share, State};
use crate::flags::{FlagSet, Json, Members};
use proptest::prelude::*;

const WHOLE: &str = r#"{
    "variant":"on","base":"off","salt":"spring",
    "team":{"attribute":"user.team","values":["cart"]},
    "internal":{"attribute":"internal","values":[true]},
    "steps":[
        {"audience":"team","percent":100,"hold_seconds":60,"least_exposures":0},
        {"audience":"internal","percent":50,"hold_seconds":60,"least_exposures":5},
        {"percent":0.125,"hold_seconds":3600,"least_exposures":500},
        {"percent":100}],
    "guardrails":[
        {"metric":"error"},
        {"metric":"crash","kind":"guardrail","silence_seconds":600},
        {"metric":"slow","kind":"signal"}],
    "alpha":0.01,"silence_seconds":900,"mixed_units_max":3}"#;

#[test]
fn a_plan_says_what_it_says() {
    let plan = plan(WHOLE);
    assert_eq!((plan.variant(), plan.base(), plan.salt()), ("on", "off", Some("spring")));
    assert_eq!((plan.silence_seconds(), plan.mixed_units_max()), (900, 3));
    let reached: Vec<(Audience, f64)> =
        plan.steps().iter().map(|step| (step.audience, step.share.percent())).collect();
    let wanted = [
        (Audience::Team, 100.0),
        (Audience::Internal, 50.0),
        (Audience::Everyone, 0.125),
        (Audience::Everyone, 100.0),
    ];
    assert_eq!(reached, wanted);
    // α is split over the guardrails that roll back; a signal does not take part of theirs.
    assert_eq!(plan.alpha_of(GuardrailKind::Guardrail), 0.005);
    assert_eq!(plan.alpha_of(GuardrailKind::Signal), 0.01);
    let of = |more: &str| plan.audience_of(&unit("u", more));
    assert_eq!(of(r#"{"user":{"team":"cart"},"internal":true}"#), Audience::Team);
    assert_eq!(of(r#"{"user":{"team":"search"},"internal":true}"#), Audience::Internal);
    assert_eq!(of(r#"{"internal":"true"}"#), Audience::Everyone);
    assert_eq!(of(r#"{"user":"cart"}"#), Audience::Everyone);
}

#[test]
fn a_plan_survives_being_written() {
    let short = r#"{"variant":"on","base":"off","steps":[{"percent":7.5,"hold_seconds":1,
        "least_exposures":1}]}"#;
    for text in [WHOLE, short] {
        let plan = plan(text);
        let written = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&written).unwrap(), plan, "{written}");
    }
    assert!(serde_json::from_str::<Plan>(r#"{"variant":"on"}"#).is_err());
}

#[test]
fn the_plan_of_the_documentation_is_one() {
    let example = DOCUMENTATION.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let plan = plan(example);
    assert_eq!((plan.steps().len(), plan.guardrails().len()), (6, 2));
    let definition = flag(r#""defaultVariant":"off""#);
    assert!(Ramp::new(&around(), "f", &definition, plan).is_ok());
}

#[test]
fn what_is_wrong_has_a_place_and_a_reason() {
    let steps = r#""steps":[{"percent":1,"hold_seconds":1,"least_exposures":1}]"#;
    let of = |members: &str| format!(r#"{{"variant":"on","base":"off",{members}}}"#);
    let cases = [
        ("[]".to_owned(), "", "object"),
        (of(""), "", "trailing comma"),
        (format!(r#"{{"base":"off",{steps}}}"#), "/variant", "missing"),
        (format!(r#"{{"variant":"off","base":"off",{steps}}}"#), "/variant", "is the base"),
        (of(&format!(r#"{steps},"guard":1"#)), "", "there is no “guard”"),
        (of(&format!(r#"{steps},"alpha":0.6"#)), "/alpha", "probability"),
        (of(&format!(r#"{steps},"alpha":0"#)), "/alpha", "probability"),
        (of(&format!(r#"{steps},"salt":"""#)), "/salt", "text of 1 to 200"),
        (of(&format!(r#"{steps},"silence_seconds":0"#)), "/silence_seconds", "whole number"),
        (of(&format!(r#"{steps},"guardrails":{{}}"#)), "/guardrails", "is a list"),
        (of(&format!(r#"{steps},"guardrails":[{{}}]"#)), "/guardrails/0/metric", "missing"),
        (
            of(&format!(r#"{steps},"guardrails":[{{"metric":"e"}},{{"metric":"e"}}]"#)),
            "/guardrails/1/metric",
            "twice",
        ),
        (
            of(&format!(r#"{steps},"guardrails":[{{"metric":"e","kind":"alarm"}}]"#)),
            "/guardrails/0/kind",
            "guardrail or signal",
        ),
        (
            of(&format!(r#"{steps},"team":{{"attribute":"a","values":[]}}"#)),
            "/team/values",
            "items",
        ),
        (
            of(&format!(r#"{steps},"team":{{"attribute":"a","values":["x",1]}}"#)),
            "/team/values/1",
            "text, true or false",
        ),
        (
            of(&format!(r#"{steps},"team":{{"attribute":"$flagd.flagKey","values":["x"]}}"#)),
            "/team/attribute",
            "attribute of the context",
        ),
        (of(r#""steps":[]"#), "/steps", "1 to 100 items"),
        (of(r#""steps":[{"percent":0}]"#), "/steps/0/percent", "above 0"),
        (of(r#""steps":[{"percent":0.0005}]"#), "/steps/0/percent", "three decimals"),
        (of(r#""steps":[{"percent":100.5}]"#), "/steps/0/percent", "at most 100"),
        (of(r#""steps":[{"percent":5,"least_exposures":0}]"#), "/steps/0/hold_seconds", "missing"),
        (
            of(r#""steps":[{"percent":5,"hold_seconds":1.5,"least_exposures":0}]"#),
            "/steps/0/hold_seconds",
            "whole number",
        ),
        (
            of(r#""steps":[{"percent":5,"hold_seconds":1,"least_exposures":0},
                {"percent":5,"hold_seconds":1,"least_exposures":0}]"#),
            "/steps/1",
            "adds nobody",
        ),
        (
            of(r#""steps":[{"percent":5,"hold_seconds":1,"least_exposures":0},
                {"audience":"team","percent":50,"hold_seconds":1,"least_exposures":0}]"#),
            "/steps/1",
            "adds nobody",
        ),
        (
            of(r#""steps":[{"audience":"team","percent":50,"hold_seconds":1,
                "least_exposures":0}]"#),
            "/steps/0/audience",
            "who is “team”",
        ),
    ];
    for (text, place, reason) in cases {
        let problems = Plan::parse(&text).expect_err(&text);
        let found = problems.iter().any(|it| it.place == place && it.reason.contains(reason));
        assert!(found, "{text}: {problems:?}");
    }
}

#[test]
fn a_plan_must_fit_the_flag() {
    let steps = r#""steps":[{"percent":1,"hold_seconds":1,"least_exposures":1}]"#;
    let simple = format!(r#"{{"variant":"on","base":"off",{steps}}}"#);
    let cases = [
        (flag(r#""defaultVariant":"off""#), simple.replace("on\"", "up\""), "/plan/variant"),
        (flag(r#""defaultVariant":"off""#), simple.replace("off\"", "down\""), "/plan/base"),
        // Whoever no rule decides for has another variant than the base, or the code's own.
        (flag(r#""defaultVariant":"on""#), simple.clone(), "/definition/targeting"),
        (flag(r#""defaultVariant":null"#), simple.clone(), "/definition/targeting"),
        (
            flag(r#""defaultVariant":"off","targeting":{"if":[{"var":"x"},"off","on"]}"#),
            simple.clone(),
            "/definition/targeting/if/2",
        ),
        (
            flag(r#""defaultVariant":"off","targeting":{"$ref":"german"}"#),
            simple.clone(),
            "/definition/targeting",
        ),
        // The flag spreads its units already.
        (
            flag(
                r#""defaultVariant":"off","targeting":{"if":[{"var":"x"},
                    {"fractional":[["on",1],["off",1]]},"off"]}"#,
            ),
            simple.clone(),
            "/plan/salt",
        ),
        ("[]".to_owned(), simple.clone(), "/definition"),
        ("{".to_owned(), simple, "/definition"),
    ];
    for (definition, text, place) in cases {
        let problems = Ramp::new(&around(), "f", &definition, plan(&text)).expect_err(&definition);
        assert!(problems.iter().any(|it| it.place == place), "{definition}: {problems:?}");
    }
}

/// Any JSON, with names and values of plans among it.
fn json() -> impl Strategy<Value = Json> {
    const NAMES: [&str; 20] = [
        "variant",
        "base",
        "salt",
        "team",
        "internal",
        "steps",
        "guardrails",
        "alpha",
        "silence_seconds",
        "mixed_units_max",
        "audience",
        "percent",
        "hold_seconds",
        "least_exposures",
        "metric",
        "kind",
        "attribute",
        "values",
        "on",
        "$flagd.x",
    ];
    let number = prop_oneof![
        Just(serde_json::Number::from(0)),
        Just(serde_json::Number::from(100)),
        any::<i64>().prop_map(serde_json::Number::from),
        any::<f64>().prop_map(|it| {
            serde_json::Number::from_f64(it).unwrap_or_else(|| serde_json::Number::from(1))
        }),
    ];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        number.prop_map(Json::Number),
        prop::sample::select(&NAMES[..]).prop_map(|name| Json::String(name.to_owned())),
        "\\PC{0,6}".prop_map(Json::String),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let name = prop_oneof![
            prop::sample::select(&NAMES[..]).prop_map(str::to_owned),
            "[a-z]{0,3}".prop_map(String::from),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::Array),
            prop::collection::btree_map(name, inner, 0..6)
                .prop_map(|it| Json::Object(Members::new(it.into_iter().collect()).unwrap())),
        ]
    })
}

/// The whole plan of above with one of its values replaced, or one of its members taken away.
fn broken(json: &Json, at: &mut usize, by: Option<&Json>) -> Option<Json> {
    if *at == 0 {
        *at = usize::MAX;
        return by.cloned();
    }
    *at -= 1;
    Some(match json {
        Json::Array(items) => {
            Json::Array(items.iter().filter_map(|item| broken(item, at, by)).collect())
        }
        Json::Object(members) => {
            let members = members
                .iter()
                .filter_map(|(name, value)| Some((name.to_owned(), broken(value, at, by)?)));
            Json::Object(Members::new(members.collect()).unwrap())
        }
        plain => plain.clone(),
    })
}

/// Reads a plan; where it is one, all that it compiles to is a definition without objections.
fn holds(json: &Json) -> Result<(), TestCaseError> {
    let Ok(plan) = Plan::read(json) else {
        let problems = Plan::read(json).unwrap_err();
        prop_assert!(!problems.is_empty() && problems.len() <= 100);
        return Ok(());
    };
    let definition = flag(r#""defaultVariant":"off""#);
    match Ramp::new(&around(), "f", &definition, plan.clone()) {
        Err(problems) => prop_assert!(problems.iter().all(|it| !it.reason.is_empty())),
        Ok(ramp) => {
            for step in plan.steps() {
                let compiled = ramp.definition(Reach::Share(step.audience, step.share));
                let set = format!(r#"{{"flags":{{"f":{compiled}}}}}"#);
                let set = FlagSet::parse(set.as_bytes(), 1 << 20).expect("it compiles");
                prop_assert_eq!(set.objections().count(), 0, "{}", compiled);
                let _ = ramp.band(Reach::Share(step.audience, step.share), "unit");
            }
            let state = State::start(&plan, super::NOW);
            prop_assert!(state.reach(&plan) != Reach::Nobody);
            prop_assert_eq!(ramp.definition(Reach::Nobody), definition);
            prop_assert!(plan.steps().iter().all(|step| step.share > Share::NONE));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_json_is_a_plan_or_is_refused(json in json()) {
        holds(&json)?;
    }

    #[test]
    fn a_plan_with_any_part_replaced_is_a_plan_or_is_refused(
        at in 1_usize..60, by in prop::option::of(json()),
    ) {
        let whole = Json::parse(WHOLE).unwrap();
        let mut at = at;
        if let Some(json) = broken(&whole, &mut at, by.as_ref()) {
            holds(&json)?;
        }
    }
}
