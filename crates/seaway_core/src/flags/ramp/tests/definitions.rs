//! What ramps compile to, by the evaluator that answers clients.

use super::{NOW, around, flag, plan, ramp, unit, variant};
use crate::flags::ramp::{Audience, Band, Ramp, Reach, Share};
use crate::flags::{FlagSet, Json};
use proptest::prelude::*;

const SIMPLE: &str = r#"{"variant":"on","base":"off",
    "steps":[{"percent":10,"hold_seconds":1,"least_exposures":1}]}"#;
const NAMED: &str = r#"{"variant":"on","base":"off",
    "team":{"attribute":"team","values":["cart"]},
    "internal":{"attribute":"mail","values":["a.example","b.example"]},
    "steps":[{"percent":10,"hold_seconds":1,"least_exposures":1}]}"#;

fn everyone(percent: f64) -> Reach {
    Reach::Share(Audience::Everyone, Share::of_percent(percent).unwrap())
}

/// The targeting of a compiled definition.
fn targeting(definition: &str) -> serde_json::Value {
    let json: serde_json::Value = serde_json::from_str(definition).unwrap();
    json["targeting"].clone()
}

#[test]
fn a_simple_ramp_is_one_line_of_flagd() {
    let definition = flag(r#""defaultVariant":"off","metadata":{"owner":"cart","weight":1.50}"#);
    let ramp = ramp(&definition, SIMPLE);
    let compiled = ramp.definition(everyone(12.5));
    let wanted = serde_json::json!({"fractional": [["on", 12_500], ["off", 87_500]]});
    assert_eq!(targeting(&compiled), wanted);
    // All else is as it was written, and nothing at all remains of a ramp that went back.
    assert!(compiled.contains(r#""metadata":{"owner":"cart","weight":1.50}"#), "{compiled}");
    assert_eq!(ramp.definition(Reach::Nobody), definition);
}

#[test]
fn a_complete_ramp_leaves_no_trace() {
    let complete = everyone(100.0);
    let plain = ramp(&flag(r#""defaultVariant":"off""#), NAMED).definition(complete);
    assert_eq!(plain, flag(r#""defaultVariant":"on""#));
    let empty = ramp(&flag(r#""defaultVariant":"off","targeting":{}"#), NAMED);
    assert_eq!(empty.definition(complete), flag(r#""defaultVariant":"on""#));
    let ruled = ramp(
        &flag(r#""defaultVariant":"off","targeting":{"if":[{"$ref":"german"},"off","off"]}"#),
        NAMED,
    );
    let wanted = serde_json::json!({"if": [{"$ref": "german"}, "off", "on"]});
    assert_eq!(targeting(&ruled.definition(complete)), wanted);
}

#[test]
fn smaller_audiences_come_first() {
    let ramp = ramp(&flag(r#""defaultVariant":"off""#), NAMED);
    let at = |audience, percent| {
        let compiled = ramp.definition(Reach::Share(audience, Share::of_percent(percent).unwrap()));
        let count = |more: &str| {
            let of = |at: u32| variant(&compiled, &unit(&format!("u{at}"), more));
            (0..400).filter(|at| of(*at).as_deref() == Some("on")).count()
        };
        [count(r#"{"team":"cart"}"#), count(r#"{"mail":"b.example"}"#), count("{}")]
    };
    assert_eq!(at(Audience::Team, 100.0), [400, 0, 0]);
    assert_eq!(at(Audience::Internal, 100.0), [400, 400, 0]);
    let [team, internal, others] = at(Audience::Team, 50.0);
    assert!((150..250).contains(&team) && internal == 0 && others == 0, "{team}");
    let [team, internal, others] = at(Audience::Internal, 25.0);
    assert!(team == 400 && (60..140).contains(&internal) && others == 0, "{internal}");
    let [team, internal, others] = at(Audience::Everyone, 10.0);
    assert!(team == 400 && internal == 400 && (20..60).contains(&others), "{others}");
}

#[test]
fn rules_that_decide_go_on_deciding() {
    let cases = [
        // An end that is the base, one that is missing, and one that is another `if`.
        r#"{"if":[{"$ref":"german"},"off","off"]}"#,
        r#"{"if":[{"$ref":"german"},"off"]}"#,
        r#"{"if":[{"var":"nobody"},"on",{"?:":[{"$ref":"german"},"off","off"]}]}"#,
        r#"{"if":[{"$ref":"german"},"off",{"var":"nobody"},"on",null]}"#,
    ];
    for case in cases {
        let definition = flag(&format!(r#""defaultVariant":"off","targeting":{case}"#));
        let ramp = ramp(&definition, NAMED);
        for percent in [30.0, 99.0, 100.0] {
            let compiled = ramp.definition(everyone(percent));
            let on = |more: &str| {
                let of = |at: u32| variant(&compiled, &unit(&format!("u{at}"), more));
                (0..200).filter(|at| of(*at).as_deref() == Some("on")).count()
            };
            // Germans keep what their rule says, even those of the team.
            assert_eq!(on(r#"{"country":"DE","team":"cart"}"#), 0, "{compiled}");
            assert_eq!(on(r#"{"country":"FR","team":"cart"}"#), 200, "{compiled}");
            let others = on(r#"{"country":"FR"}"#) as f64 / 2.0;
            assert!((others - percent).abs() < 15.0, "{others} of {percent}: {compiled}");
        }
    }
}

#[test]
fn a_rule_of_yes_and_no_keeps_its_yes() {
    let definition = r#"{"state":"ENABLED","variants":{"true":1,"false":0},
        "defaultVariant":"false","targeting":{"==":[{"var":"country"},"DE"]}}"#;
    let text = SIMPLE.replace("\"on\"", "\"true\"").replace("\"off\"", "\"false\"");
    let ramp = ramp(definition, &text);
    let wanted = serde_json::json!({"if": [{"==": [{"var": "country"}, "DE"]}, "true",
        {"fractional": [["true", 50_000], ["false", 50_000]]}]});
    assert_eq!(targeting(&ramp.definition(everyone(50.0))), wanted);
}

/// The default is another variant than the base: who has no key still gets the base.
#[test]
fn who_has_no_name_gets_the_base() {
    let definition =
        flag(r#""defaultVariant":"on","targeting":{"if":[{"$ref":"german"},"on","off"]}"#);
    for text in [
        SIMPLE.to_owned(),
        SIMPLE.replace('{', r#"{"salt":"s","#).replacen(r#"[{"salt":"s","#, "[{", 1),
    ] {
        let compiled = ramp(&definition, &text).definition(everyone(99.0));
        let nobody = crate::flags::Context::default();
        assert_eq!(variant(&compiled, &nobody).as_deref(), Some("off"), "{compiled}");
        assert_eq!(variant(&compiled, &unit("", "{}")).as_deref(), Some("off"), "{compiled}");
    }
}

#[test]
fn what_the_compiled_audiences_say_is_what_the_plan_says() {
    let ramp = ramp(&flag(r#""defaultVariant":"off""#), NAMED);
    let compiled = ramp.definition(Reach::Share(Audience::Internal, Share::ALL));
    for more in [
        "{}",
        r#"{"team":"cart"}"#,
        r#"{"team":["cart"]}"#,
        r#"{"team":null}"#,
        r#"{"team":1}"#,
        r#"{"mail":"a.example"}"#,
        r#"{"mail":"b.example"}"#,
        r#"{"mail":"c.example"}"#,
        r#"{"mail":"a.example,b.example"}"#,
        r#"{"mail":{"a":"a.example"}}"#,
    ] {
        let context = unit("u", more);
        let wanted = ramp.plan().audience_of(&context) < Audience::Everyone;
        assert_eq!(variant(&compiled, &context).as_deref() == Some("on"), wanted, "{more}");
    }
}

/// A ramp, by bucketing version and salt, and a set with its flag at a share.
fn spread(version: u8, salt: Option<&str>, share: Share) -> (Ramp, FlagSet) {
    let definition =
        flag(&format!(r#""defaultVariant":"off","metadata":{{"bucketingVersion":{version}}}"#));
    let salt = salt.map_or(String::new(), |salt| format!(r#""salt":"{salt}","#));
    let text = SIMPLE.replacen('{', &format!("{{{salt}"), 1);
    let ramp = ramp(&definition, &text);
    let mut set = around();
    let compiled = ramp.definition(Reach::Share(Audience::Everyone, share));
    set.insert("new-cart", compiled.as_bytes()).unwrap();
    (ramp, set)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// For any two shares, both bucketing versions, with and without a salt: raising only adds,
    /// lowering takes away exactly what was added, the treatment is what the evaluator gives the
    /// variant to, and no unit is ever compared on both sides.
    #[test]
    fn units_never_move_back_and_forth(
        places in (1_u32..100_000, 1_u32..100_000),
        third in any::<bool>(),
        salt in prop::option::of("[a-z]{1,4}"),
        names in prop::collection::vec("[a-zé0-9]{1,8}", 60),
    ) {
        let share = |places: u32| Share::of_percent(f64::from(places) / 1000.0).unwrap();
        let (less, more) = (share(places.0.min(places.1)), share(places.0.max(places.1)));
        let version = if third { 3 } else { 2 };
        let (ramp, before) = spread(version, salt.as_deref(), less);
        let (_, after) = spread(version, salt.as_deref(), more);
        for name in &names {
            let context = unit(name, "{}");
            let on = |set: &FlagSet| {
                set.evaluate("new-cart", &context, NOW).variant == Some("on")
            };
            prop_assert!(!on(&before) || on(&after), "{name} left");
            let band = |share| ramp.band(Reach::Share(Audience::Everyone, share), name);
            for (set, share) in [(&before, less), (&after, more)] {
                let half = share.places() <= Share::PLACES / 2;
                match band(share) {
                    Some(Band::Treatment) => prop_assert!(on(set)),
                    Some(Band::Control) => prop_assert!(!on(set)),
                    // Below a half all of the treatment is compared, above it all of the rest.
                    None => prop_assert!(on(set) != half),
                }
            }
            if let (Some(one), Some(other)) = (band(less), band(more)) {
                prop_assert_eq!(one, other);
            }
        }
    }
}

#[test]
fn bands_are_equal_and_at_most_one_to_one() {
    for (percent, wanted) in [(1.0, 1.0), (25.0, 25.0), (50.0, 50.0), (80.0, 20.0), (100.0, 0.0)] {
        for version in [2, 3] {
            let share = Share::of_percent(percent).unwrap();
            let (ramp, _) = spread(version, None, share);
            let mut counts = [0.0_f64; 2];
            for at in 0..20_000 {
                match ramp.band(everyone(percent), &format!("unit-{at}")) {
                    Some(Band::Treatment) => counts[0] += 1.0,
                    Some(Band::Control) => counts[1] += 1.0,
                    None => {}
                }
            }
            let share: f64 = wanted / 100.0;
            // Five standard deviations of a binomial count.
            let deviation = 5.0 * (20_000.0 * share * (1.0 - share)).sqrt();
            for count in counts {
                assert!((count - 20_000.0 * share).abs() <= deviation, "{percent}: {counts:?}");
            }
        }
    }
}

#[test]
fn only_everyone_is_compared() {
    let ramp = ramp(&flag(r#""defaultVariant":"off""#), NAMED);
    for reach in [Reach::Nobody, Reach::Share(Audience::Team, Share::ALL)] {
        assert!((0..200).all(|at| ramp.band(reach, &format!("u{at}")).is_none()));
    }
    assert_eq!(ramp.band(everyone(50.0), ""), None);
}

#[test]
fn a_salt_puts_others_first() {
    let share = Share::of_percent(10.0).unwrap();
    let ramps = [None, Some("a"), Some("b")].map(|salt| spread(2, salt, share).0);
    let both = |one: &Ramp, other: &Ramp| {
        let of = |ramp: &Ramp, at: u32| {
            ramp.band(everyone(10.0), &format!("u{at}")) == Some(Band::Treatment)
        };
        (0..10_000).filter(|at| of(one, *at) && of(other, *at)).count()
    };
    assert!(both(&ramps[0], &ramps[0]) > 900);
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        assert!(both(&ramps[one], &ramps[other]) < 160);
    }
}

#[test]
fn a_flag_in_a_list_keeps_its_key() {
    let list = r#"{"flags":[{"key":"a","state":"ENABLED","variants":{"on":1,"off":0},
        "defaultVariant":"off"}]}"#;
    let mut set = FlagSet::parse(list.as_bytes(), 1 << 20).unwrap();
    let definition = set.get("a").unwrap().source().to_owned();
    let ramp = Ramp::new(&set, "a", &definition, plan(SIMPLE)).unwrap();
    set.insert("a", ramp.definition(everyone(5.0)).as_bytes()).unwrap();
    assert!(Json::parse(&set.export()).is_ok());
}
