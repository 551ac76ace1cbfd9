//! Which flags are stale, and why.

use super::{NOW, set, with_targeting};
use crate::flags::stale::{Facts, Purpose, STALE_AFTER, Settled, Staleness, settled, staleness};
use crate::time::{DAY, Time};

fn ago(seconds: i64) -> Option<Time> {
    Some(Time(NOW.0 - seconds))
}

/// A flag that is in use: half of a year old, released, asked a minute ago.
fn in_use() -> Facts {
    Facts {
        purpose: Some(Purpose::Release),
        created: ago(180 * DAY),
        mentions: Some(2),
        expires: ago(-DAY),
        heard_since: ago(200 * DAY),
        evaluated: ago(60),
        released: ago(170 * DAY),
        ..Facts::default()
    }
}

#[test]
fn a_flag_in_use_is_not_stale() {
    assert_eq!(staleness(&in_use(), NOW), []);
    assert_eq!(staleness(&Facts::default(), NOW), []);
}

#[test]
fn each_reason_comes_after_its_time_and_not_before() {
    type Case = (fn(Facts, Option<Time>) -> Facts, i64, fn(i64) -> Staleness);
    let cases: [Case; 5] = [
        (
            |it, then| Facts { settled: then, ..it },
            STALE_AFTER,
            |seconds| Staleness::Settled { seconds, mentions: 2 },
        ),
        (|it, then| Facts { expires: then, ..it }, 0, |seconds| Staleness::Expired { seconds }),
        (
            |it, then| Facts { evaluated: then, ..it },
            STALE_AFTER,
            |seconds| Staleness::Unasked { seconds },
        ),
        (
            |it, then| Facts { evaluated: None, heard_since: then, ..it },
            STALE_AFTER,
            |seconds| Staleness::Unasked { seconds },
        ),
        (
            |it, then| Facts { released: None, created: then, ..it },
            STALE_AFTER,
            |seconds| Staleness::NeverReleased { seconds },
        ),
    ];
    for (change, limit, reason) in cases {
        for seconds in [limit, limit + 90 * DAY] {
            let found = staleness(&change(in_use(), ago(seconds)), NOW);
            assert_eq!(found, [reason(seconds)]);
            assert!(!found[0].to_string().is_empty());
        }
        assert_eq!(staleness(&change(in_use(), ago(limit - 1)), NOW), []);
    }
}

#[test]
fn what_is_not_known_is_no_reason() {
    let settled = Facts { settled: ago(90 * DAY), ..in_use() };
    assert_eq!(staleness(&Facts { mentions: Some(0), ..settled }, NOW), []);
    assert_eq!(staleness(&Facts { mentions: None, ..settled }, NOW), []);
    // Before evaluations are heard of, silence says nothing.
    let unheard = Facts { heard_since: None, evaluated: None, released: None, ..in_use() };
    assert_eq!(staleness(&unheard, NOW), []);
}

#[test]
fn flags_that_are_meant_to_stay_may_be_the_same_for_everyone() {
    let facts = Facts { settled: ago(90 * DAY), released: None, ..in_use() };
    assert_eq!(staleness(&facts, NOW).len(), 2);
    for name in ["operations", "permission"] {
        let facts = Facts { purpose: Purpose::named(name), ..facts };
        assert_eq!(staleness(&facts, NOW), []);
        let silent = Facts { evaluated: ago(90 * DAY), expires: ago(DAY), ..facts };
        assert_eq!(staleness(&silent, NOW).len(), 2);
    }
    assert_eq!(Purpose::named("Release"), None);
}

#[test]
fn a_flag_is_settled_where_no_rule_decides() {
    let of = |text: &str| {
        let flags = set(text);
        let flag = flags.get("f").unwrap();
        settled(flag).map(|it| match it {
            Settled::Off => "off".to_owned(),
            Settled::On(variant) => variant.to_owned(),
        })
    };
    assert_eq!(of(&with_targeting("null")).as_deref(), Some("b"));
    assert_eq!(of(&with_targeting("{}")).as_deref(), Some("b"));
    assert_eq!(of(&with_targeting(r#"{"var":"x"}"#)), None);
    let off = with_targeting(r#"{"var":"x"}"#).replace("ENABLED", "DISABLED");
    assert_eq!(of(&off).as_deref(), Some("off"));
    let none = with_targeting("null").replace("\"defaultVariant\":\"b\"", "\"x\":1");
    assert_eq!(of(&none).as_deref(), Some("off"));
}
