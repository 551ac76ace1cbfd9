//! Who moves between two definitions.

use super::{NOW, context, set, with_targeting};
use crate::flags::moves::Moves;
use crate::flags::{Context, Flag, FlagSet};
use proptest::prelude::*;

fn flag(set: &FlagSet) -> Option<&Flag> {
    set.get("f").map(|flag| &**flag)
}

fn units(count: u32) -> Vec<Context> {
    let of = |at| context(&format!(r#"{{"targetingKey":"u{at}","country":"{}"}}"#, at % 4));
    (0..count).map(of).collect()
}

#[test]
fn moves_are_counted_by_variant() {
    let before = set(&with_targeting(r#"{"if":[{"==":[{"var":"country"},"0"]},"a"]}"#));
    let after = set(&with_targeting(r#"{"if":[{"in":[{"var":"country"},["1","2"]]},"a"]}"#));
    let moves = Moves::between(flag(&before), flag(&after), &units(400), NOW);
    assert_eq!((moves.contexts, moves.moved, moves.broken), (400, 300, 0));
    assert_eq!(moves.share(), Some(0.75));
    let of = |from: &str, to: &str| {
        moves.by_variant.get(&(Some(from.to_owned()), Some(to.to_owned()))).copied()
    };
    assert_eq!(
        (of("a", "b"), of("b", "a"), of("b", "b"), of("a", "a")),
        (Some(100), Some(200), Some(100), None)
    );
}

#[test]
fn nobody_seen_is_not_nobody_moves() {
    let flags = set(&with_targeting("null"));
    let moves = Moves::between(flag(&flags), None, &[], NOW);
    assert_eq!((moves.share(), moves.contexts), (None, 0));
}

#[test]
fn off_deleted_and_broken_flags_leave_the_default_of_the_code() {
    let on = set(&with_targeting("null"));
    let off = set(&with_targeting("null").replace("ENABLED", "DISABLED"));
    let broken = set(&with_targeting(r#"{"nonsense":[1]}"#));
    for (after, broken) in [(flag(&off), 0), (None, 0), (flag(&broken), 10)] {
        let moves = Moves::between(flag(&on), after, &units(10), NOW);
        assert_eq!((moves.moved, moves.broken), (10, broken));
        let key = (Some("b".to_owned()), None);
        assert_eq!(moves.by_variant.get(&key), Some(&10));
        // There is nothing left to break or to change.
        assert_eq!(Moves::between(after, None, &units(10), NOW).moved, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// A share that is raised moves as many as were added, all of them the same way.
    #[test]
    fn raising_a_share_moves_its_difference(one in 0_u32..=100, other in 0_u32..=100) {
        let of = |share| {
            let rest = 100 - share;
            set(&with_targeting(&format!(r#"{{"fractional":[["a",{share}],["b",{rest}]]}}"#)))
        };
        let (before, after, units) = (of(one.min(other)), of(one.max(other)), units(300));
        let moves = Moves::between(flag(&before), flag(&after), &units, NOW);
        let share = f64::from(one.abs_diff(other)) / 100.0;
        let deviation = (share * (1.0 - share) / 300.0).sqrt();
        prop_assert!((moves.share().unwrap() - share).abs() <= 6.0 * deviation + 1e-9);
        prop_assert!(moves.by_variant.keys().all(|(from, to)| from >= to));
        let all: u64 = moves.by_variant.values().sum();
        prop_assert_eq!(all, moves.contexts);
        // Back again, the same ones move.
        prop_assert_eq!(Moves::between(flag(&after), flag(&before), &units, NOW).moved, moves.moved);
    }
}
