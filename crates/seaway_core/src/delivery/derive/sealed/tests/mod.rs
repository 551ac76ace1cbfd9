//! The sealed rows and the rest are the whole, whatever comes and in whatever portions.

mod keeper;
mod life;

use crate::delivery::derive::ServiceSpec;
use crate::delivery::facts::Entity;
use crate::delivery::facts::cases::fact;
use keeper::{Counts, Keeper};
use life::{Step, told};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

fn spec(touches: Option<&(dyn Fn(&str) -> bool + Sync)>) -> ServiceSpec<'_> {
    ServiceSpec {
        name: "shop",
        repository: Some("shop"),
        touches,
        incident_window_seconds: 3_000,
        ..ServiceSpec::default()
    }
}

/// Feeds what was told in portions; each fact is held back for as many places as it says.
fn feed(told: Vec<(usize, Entity)>, portion: usize, is_monorepo: bool) -> Counts {
    let mut told: Vec<(usize, Entity)> =
        told.into_iter().enumerate().map(|(at, (late, fact))| (at + late, fact)).collect();
    told.sort_by_key(|(at, _)| *at);
    let touches = |path: &str| path.starts_with("shop");
    let spec = spec(is_monorepo.then_some(&touches as &(dyn Fn(&str) -> bool + Sync)));
    let mut keeper = Keeper::new(spec, 3);
    for some in told.chunks(portion.max(1)) {
        keeper.feed(some.iter().map(|(_, fact)| fact.clone()));
    }
    keeper.counts
}

/// Random lives of each kind.
const CASES: u32 = 200;

proptest! {
    #![proptest_config(Config { cases: CASES, max_shrink_iters: 200, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_wild_life_is_the_same_in_parts(
        steps in vec(any::<Step>(), 20..150), portion in 1..12usize, is_monorepo: bool,
    ) {
        feed(told(&steps, 0), portion, is_monorepo);
    }

    #[test]
    fn a_life_that_goes_wild_is_the_same_in_parts(
        steps in vec(any::<Step>(), 60..150), from in 30..100usize, portion in 1..12usize,
    ) {
        feed(told(&steps, from), portion, false);
    }

    #[test]
    fn an_ordinary_life_is_the_same_in_parts(
        steps in vec(any::<Step>(), 20..150), portion in 1..12usize, is_monorepo: bool,
    ) {
        feed(told(&steps, usize::MAX), portion, is_monorepo);
    }

    /// An ordinary life, and things that have to do with nothing, or with anything.
    #[test]
    fn nonsense_in_an_ordinary_life_is_the_same_in_parts(
        steps in vec(any::<Step>(), 20..120), facts in vec((0..400usize, fact()), 0..8),
    ) {
        let mut told = told(&steps, usize::MAX);
        for (at, fact) in facts {
            told.insert(at.min(told.len()), (0, fact));
        }
        feed(told, 4, false);
    }
}

fn counted(wild_from: usize) -> Counts {
    let mut runner = TestRunner::deterministic();
    let strategy = vec(any::<Step>(), 150);
    let mut counts = Counts::default();
    for _ in 0..40 {
        let steps = strategy.new_tree(&mut runner).unwrap().current();
        counts.add(feed(told(&steps, wild_from), 4, false));
    }
    counts
}

#[test]
fn an_ordinary_life_is_computed_in_parts() {
    let counts = counted(usize::MAX);
    let all = counts.parts + counts.wholes;
    assert!(counts.parts * 100 >= all * 85, "only {counts:?} in parts");
    assert!(counts.seals > 400, "only {counts:?} seals");
    let mean = counts.rest / counts.parts;
    assert!(mean <= 25, "the rest has {mean} changes in the mean");
}

#[test]
fn a_wild_life_is_computed_in_parts_and_as_a_whole() {
    let counts = counted(0);
    assert!(counts.parts > 300 && counts.given_up > 50 && counts.seals > 100, "{counts:?}");
}
