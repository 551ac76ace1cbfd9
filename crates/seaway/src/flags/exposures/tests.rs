//! Exposures on a log of their own.

use super::{Audience, Exposures, Shared};
use crate::author::Author;
use crate::flags::Flags;
use crate::flags::edit::{Base, Edit};
use crate::flags::ramps::Wish;
use crate::ledger::tests::postgres::Cluster;
use crate::ledger::{Databases, Ledger, Limits, Place};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::watch;

const NOW: i64 = 1_790_000_000_000_000;

fn clock() -> i64 {
    NOW
}

async fn open(folder: &TempDir) -> (Exposures, Databases) {
    open_at(&Place::Folder(folder.path().join("data"))).await
}

async fn open_at(place: &Place) -> (Exposures, Databases) {
    let databases = Databases::open(place).await.unwrap();
    let ledger = Ledger::start(databases.log.clone(), Limits::default()).await.unwrap();
    let (log, views) = (databases.log.clone(), databases.views.clone());
    (Exposures::start(ledger, log, views, clock).await.unwrap(), databases)
}

/// What is shared, in a folder that is there as long as it is needed.
pub(super) async fn shared() -> (Arc<Shared>, TempDir) {
    let folder = TempDir::new().unwrap();
    let (exposures, _) = open(&folder).await;
    (exposures.shared, folder)
}

async fn followed(exposures: &Exposures) {
    let newest = exposures.shared.ledger.look_for_newer().await.unwrap();
    exposures.followed().wait_for(|followed| *followed >= newest).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_recorded_at_evaluation_is_counted_and_survives() {
    let folder = TempDir::new().unwrap();
    let key = {
        let (exposures, databases) = open(&folder).await;
        let (stop, stopped) = watch::channel(false);
        let following = tokio::spawn(exposures.clone().follow(stopped));
        for unit in 0..100 {
            let unit = format!("u{}", unit % 10);
            exposures.record("production", "cart", "on", Some(&unit), None, NOW);
        }
        let team = Some(Audience::Team);
        exposures.record("production", "cart", "on", None, team, NOW - 1_000_000);
        stop.send(true).unwrap();
        following.await.unwrap();
        // What was recorded last is on the log, and counted by the one who comes next.
        let shared = Arc::clone(&exposures.shared);
        let key = shared.key.unit("production", "u1");
        drop(exposures);
        Arc::into_inner(shared).unwrap().ledger.finish().await;
        databases.close().await;
        key
    };
    let (exposures, _databases) = open(&folder).await;
    assert_eq!(exposures.shared.key.unit("production", "u1"), key, "the key stays");
    let (stop, stopped) = watch::channel(false);
    let following = tokio::spawn(exposures.clone().follow(stopped));
    followed(&exposures).await;
    let told = exposures.shared.read().told("production", "cart").unwrap();
    let variant = &told.variants[0];
    assert_eq!(variant.hours.iter().map(|(_, count)| count.units).sum::<u64>(), 10);
    let received = |at: usize| variant.audiences[at].map(|span| span.received);
    assert_eq!([0, 1, 2, 3].map(received), [Some(1), None, None, Some(100)]);
    assert_eq!(exposures.released("production", "cart", |it| it == "on"), Some(NOW / 1_000));
    assert_eq!(exposures.released("production", "cart", |it| it == "off"), None);
    assert_eq!(exposures.last_exposure("production", "cart"), Some(NOW / 1_000));
    stop.send(true).unwrap();
    following.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_is_what_a_rebuild_gives() {
    let folder = TempDir::new().unwrap();
    let (exposures, _databases) = open(&folder).await;
    let (stop, stopped) = watch::channel(false);
    let following = tokio::spawn(exposures.clone().follow(stopped));
    for round in 0..5 {
        for unit in 0..3_000 {
            let flag = ["a", "b"][unit % 2];
            let unit = format!("u{}", unit / (round + 1));
            let at = NOW - i64::try_from(round).unwrap() * 1_800_000_000;
            exposures.record("production", flag, "on", Some(&unit), None, at);
        }
        let recorded = exposures.shared.take_recorded();
        let batch = super::intake::Batch::of_own(recorded, NOW).unwrap();
        exposures.shared.append(batch).await.unwrap();
        followed(&exposures).await;
    }
    stop.send(true).unwrap();
    following.await.unwrap();
    let store = &exposures.shared.store;
    let kept = store.all_parts().await.unwrap();
    assert!(kept.len() > 3, "{}", kept.len());
    exposures.rebuild().await.unwrap();
    assert_eq!(store.all_parts().await.unwrap(), kept);
    // What is damaged there is computed anew.
    store.damage().await.unwrap();
    let state = store.state(exposures.shared.limits).await.unwrap();
    assert_eq!(state.position(), 0);
}

fn edit() -> Edit {
    let by = Author { id: None, name: None, role: None };
    let (from, reason) = (String::new(), "a test".to_owned());
    Edit { base: Base::Any, by, from, reason, unlock: false }
}

/// A ramp asks any of several servers, and is told the same by all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_count_the_same_for_a_ramp() {
    let Some(cluster) = Cluster::start() else { return };
    let place = Place::Postgres(cluster.database());
    let ((one, databases), (two, _)) = (open_at(&place).await, open_at(&place).await);
    let (stop, stopped) = watch::channel(false);
    let following = [&one, &two].map(|it| tokio::spawn(it.clone().follow(stopped.clone())));
    let half = seaway_core::flags::edge(50, 100);
    let store = crate::flags::Store::new(databases.log.clone());
    let flags = Flags::start(store, one.shared.ledger.clone(), clock).await.unwrap();
    let flag = r#"{"state":"ENABLED","variants":{"on":1,"off":0},"defaultVariant":"off"}"#;
    let flag = serde_json::value::RawValue::from_string(flag.to_owned()).unwrap();
    flags.set("production", "cart", &flag, edit()).await.unwrap();
    let plan = r#"{"variant":"on","base":"off","guardrails":[{"metric":"errors"}],"steps":[
        {"percent":20,"hold_seconds":9,"least_exposures":9},
        {"percent":50,"hold_seconds":9,"least_exposures":9}]}"#;
    let plan = seaway_core::flags::ramp::Plan::parse(plan).unwrap();
    let send = async |from: &Exposures, units: std::ops::Range<u32>, at: i64, round: usize| {
        let mut intake = super::intake::Intake::new(&from.shared, NOW);
        for unit in units {
            let unit = format!("u{unit}");
            let is_first = u64::from(seaway_core::flags::position("cart", &unit)) < half;
            intake
                .expose(&super::intake::Exposure {
                    environment: Some("production"),
                    flag: "cart",
                    variant: if is_first { "on" } else { "off" },
                    unit: Some(&unit),
                    audience: None,
                    time: Some(at),
                })
                .unwrap();
            intake
                .conclude(&super::intake::Outcome {
                    environment: Some("production"),
                    unit: &unit,
                    metric: "errors",
                    value: f64::from(u8::from(is_first)),
                    time: Some(at + 2_000_000),
                })
                .unwrap();
        }
        let batch =
            intake.done(&[&at.to_le_bytes(), format!("{from:p} {round}").as_bytes()]).unwrap();
        from.shared.append(batch).await.unwrap();
    };
    let counts = |exposures: &Exposures| {
        let counts = exposures.ramped("production", "cart").unwrap().counts;
        (counts.treated, [counts.treatment, counts.control], counts.evidence)
    };
    let mut units = Vec::new();
    for wish in [Wish::Start(Box::new(plan)), Wish::Move { step: 1, treated: 0 }] {
        flags.ramp("production", "cart", &wish, edit()).await.unwrap();
        // Each takes in some, and some that the other has taken in.
        for (from, seen, at) in [(&one, 0..600, NOW), (&two, 400..1_000, NOW + 5_000_000)] {
            followed(from).await;
            send(from, seen, at, units.len()).await;
        }
        for it in [&one, &two] {
            followed(it).await;
        }
        assert_eq!(counts(&one), counts(&two));
        let (treated, [treatment, control], evidence) = counts(&one);
        // Whoever is in the first half sends that it has seen the variant.
        assert!((400..600).contains(&treated), "{treated}");
        assert_eq!([evidence[0].treatment(), evidence[0].control()], [treatment, 0]);
        units.push(treatment + control);
    }
    assert!((300..500).contains(&units[0]) && units[1] == 1_000, "{units:?}");
    stop.send(true).unwrap();
    for it in following {
        it.await.unwrap();
    }
    let three = open_at(&place).await.0;
    assert!(three.shared.read().position() > 0, "one of them has kept what it knows");
    assert_eq!(counts(&three), counts(&one));
}
