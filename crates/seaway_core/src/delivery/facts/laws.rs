//! The laws of [`Merge`](super::Merge) for all that events tell of.

use super::cases::{fact, much_reviewed};
use super::{Build, Entity, Merge};
use proptest::prelude::*;
use proptest::test_runner::Config;
use std::collections::BTreeMap;

fn merged(a: &Entity, b: &Entity) -> Entity {
    let mut merged = a.clone();
    merged.merge(b.clone());
    merged
}

/// Facts by the thing that they are about.
fn by_thing(facts: Vec<Entity>) -> BTreeMap<String, Vec<Entity>> {
    let mut things: BTreeMap<String, Vec<Entity>> = BTreeMap::new();
    for fact in facts {
        things.entry(fact.key()).or_default().push(fact);
    }
    things
}

fn laws_hold(trio: &[Entity]) -> Result<(), TestCaseError> {
    let [a, b, c] = trio else { unreachable!() };
    prop_assert_eq!(&merged(a, a), a);
    prop_assert_eq!(merged(a, b), merged(b, a));
    prop_assert_eq!(merged(&merged(a, b), c), merged(a, &merged(b, c)));
    let both = merged(a, b);
    prop_assert_eq!(&merged(&both, b), &both);
    Ok(())
}

proptest! {
    #![proptest_config(Config { cases: 500, failure_persistence: None, ..Config::default() })]

    #[test]
    fn order_and_grouping_do_not_matter_and_repetition_changes_nothing(
        facts in proptest::collection::vec(fact(), 60..120)
    ) {
        for trio in by_thing(facts).values().flat_map(|facts| facts.windows(3)) {
            laws_hold(trio)?;
        }
    }

    #[test]
    fn nor_do_they_where_more_is_told_than_kept(
        pulls in proptest::collection::vec(much_reviewed(), 3)
    ) {
        laws_hold(&pulls)?;
    }

    #[test]
    fn what_is_written_is_read_again(fact in fact()) {
        let json = serde_json::to_string(&fact).unwrap();
        prop_assert_eq!(serde_json::from_str::<Entity>(&json).unwrap(), fact);
    }
}

#[test]
fn things_whose_names_hold_spaces_are_told_apart() {
    let key = |revision: &str, pipeline: &str| {
        let (revision, pipeline) = (revision.to_owned(), pipeline.to_owned());
        Entity::Build(Build { revision, pipeline, ..Build::default() }).key()
    };
    assert_ne!(key("release 7", "main"), key("release", "7 main"));
}
