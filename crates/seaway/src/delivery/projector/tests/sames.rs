//! Random logs, in random orders, in random steps.

use super::*;
use events::{Seed, event};
use seaway_core::delivery::summary::{Day, DaySummary};
use std::collections::BTreeMap;

/// A random log: its events, another order of them, and the steps of the one who reads it.
#[derive(Debug, Clone)]
struct Case {
    events: Vec<Seed>,
    /// Sorting by these makes the other order.
    order: Vec<u16>,
    steps: Vec<(u8, u8)>,
}

fn cases() -> impl Strategy<Value = Case> {
    let events = proptest::collection::vec(any::<Seed>(), 1..40);
    let steps = proptest::collection::vec(any::<(u8, u8)>(), 0..40);
    (events, proptest::collection::vec(any::<u16>(), 40), steps)
        .prop_map(|(events, order, steps)| Case { events, order, steps })
}

impl Case {
    fn events(&self) -> Vec<Event> {
        self.events.iter().enumerate().map(|(at, seed)| event(at, *seed)).collect()
    }

    /// The same events in another order, some of them told twice.
    fn shuffled(&self) -> Vec<Event> {
        let mut events: Vec<(u16, Event)> = self.order.iter().copied().zip(self.events()).collect();
        let again = events.iter().filter(|(key, _)| key % 4 == 0).cloned();
        let again: Vec<_> = again.map(|(key, event)| (key.reverse_bits(), event)).collect();
        events.extend(again);
        events.sort_by_key(|(key, _)| *key);
        events.into_iter().map(|(_, event)| event).collect()
    }
}

/// One step of a projector whose steps are told to it: part of its work, its end, or a database
/// that fails. Where it fails it goes on as one that follows the log does.
async fn step(log: &Log, mut projector: Projector, (what, number): (u8, u8)) -> Projector {
    match what % 8 {
        0..=2 if projector.position < *projector.ledger.newest().borrow() => {
            let newest = *projector.ledger.newest().borrow();
            projector.absorb(newest).await.unwrap();
        }
        3 | 4 => {
            let stale = projector.store.stale(i64::from(number % 3) + 1).await.unwrap();
            projector.settle_some(&stale, false).await.unwrap();
        }
        5 => {
            drop(projector);
            return log.projector(small(u32::from(number % 4) + 1)).await;
        }
        6 => {
            store::break_down(log.views(), number).await;
            // It may have nothing to write there.
            let _ = projector.catch_up().await;
            store::mend(log.views(), number).await;
            if number >= 128 {
                projector.catch_up().await.unwrap();
            }
        }
        _ => projector.limits = small(u32::from(number % 4) + 1),
    }
    projector
}

/// Checks one case.
async fn check(case: Case, ground: fn() -> Option<Ground>) -> Result<(), TestCaseError> {
    let (Some(one), Some(other)) = (ground(), ground()) else { return Ok(()) };
    let log = Log::of(one, case.events()).await;
    let mut projector = log.projector(Limits::default()).await;
    let expected = log.settled(&mut projector).await;
    prop_assert!(!expected.iter().any(|line| line.starts_with("stale")));
    sums_are_merges(&log, &projector).await?;

    projector.rebuild(|_| {}).await.unwrap();
    compare("rebuilt", &expected, &store::dump(log.views()).await)?;

    for events_at_once in [1, 3] {
        projector.limits = small(events_at_once);
        projector.store.forget().await.unwrap();
        projector.remember().await.unwrap();
        compare("in small batches", &expected, &log.settled(&mut projector).await)?;
    }

    projector.limits = small(1);
    projector.store.forget().await.unwrap();
    projector.remember().await.unwrap();
    for &told in &case.steps {
        projector = step(&log, projector, told).await;
    }
    compare("in odd steps", &expected, &log.settled(&mut projector).await)?;
    drop(projector);
    log.close().await;

    // The events arrive while it works.
    let shuffled = case.shuffled();
    let (first, then) = shuffled.split_at(shuffled.len() / 2);
    let log = Log::of(other, first.to_vec()).await;
    let mut projector = log.projector(Limits::default()).await;
    projector.catch_up().await.unwrap();
    for some in then.chunks(4) {
        log.ledger.append(some.to_vec(), NOW).await.unwrap();
        projector.catch_up().await.unwrap();
    }
    compare("in another order", &expected, &log.settled(&mut projector).await)?;
    drop(projector);
    log.close().await;
    Ok(())
}

/// The sums of the organization and of groups are the merges of the summaries of their services,
/// each day by who owned them at its end.
async fn sums_are_merges(log: &Log, projector: &Projector) -> Result<(), TestCaseError> {
    let summaries = store::summaries(log.views()).await;
    let mut merged: BTreeMap<(String, i64), DaySummary> = BTreeMap::new();
    for (scope, number, body) in &summaries {
        let Some(service) = scope.strip_prefix("service ") else { continue };
        let day = Day::of_number(*number).unwrap();
        let last = projector.settings.days.start(day.next()) - 1;
        let catalog = projector.catalog.at(last);
        let name = seaway_core::catalog::EntityRef::new(
            seaway_core::catalog::Kind::Component,
            "default",
            service,
        );
        let service = name.as_ref().and_then(|name| catalog.service(name));
        let owner = service.and_then(|service| catalog.group_of(service));
        let groups = owner.into_iter().flat_map(|owner| {
            std::iter::once(owner).chain(catalog.ancestors(owner)).map(scope_of_group)
        });
        for scope in groups.chain([ORGANIZATION.to_owned()]) {
            let sum = merged.entry((scope, *number)).or_default();
            sum.merge(&DaySummary::decode(body).unwrap());
        }
    }
    merged.retain(|_, sum| !sum.is_empty());
    let stored = summaries.into_iter().filter(|(scope, ..)| !scope.starts_with("service "));
    let stored: BTreeMap<(String, i64), Vec<u8>> =
        stored.map(|(scope, day, body)| ((scope, day), body)).collect();
    let keys = |sums: Vec<&(String, i64)>| format!("{sums:?}");
    prop_assert_eq!(keys(merged.keys().collect()), keys(stored.keys().collect()));
    for (key, sum) in merged {
        prop_assert_eq!(&stored[&key], &sum.encode(), "{:?}", key);
    }
    Ok(())
}

fn check_all(count: u32, ground: fn() -> Option<Ground>) {
    let count = std::env::var("SEAWAY_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(count);
    let config = ProptestConfig { max_shrink_iters: 300, ..ProptestConfig::with_cases(count) };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&cases(), |case| {
        let mut found = Ok(());
        run(async { found = check(case, ground).await });
        found
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_views_are_a_function_of_the_set_of_events_on_sqlite() {
    check_all(40, || Some(Ground::sqlite()));
}

#[test]
fn the_views_are_a_function_of_the_set_of_events_on_postgres() {
    check_all(6, Ground::postgres);
}
