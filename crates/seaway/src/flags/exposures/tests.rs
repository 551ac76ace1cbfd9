//! Exposures on a log of their own.

use super::{Audience, Exposures, Shared, Watch};
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
        let watch = Watch {
            since: NOW - 1,
            edges: vec![0, 1 << 32],
            metrics: vec!["errors".to_owned()],
            audience: Some(Audience::Internal),
        };
        exposures.watch("production", "cart", watch);
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
    assert_eq!([0, 1, 2, 3].map(received), [Some(1), Some(100), None, None]);
    assert_eq!(exposures.released("production", "cart", |it| it == "on"), Some(NOW / 1_000));
    assert_eq!(exposures.released("production", "cart", |it| it == "off"), None);
    assert_eq!(exposures.last_exposure("production", "cart"), Some(NOW / 1_000));
    // Whoever watches again finds what was counted before.
    let edges = vec![0, 1 << 31, 1 << 32];
    let watch = Watch { since: NOW - 1, edges, metrics: Vec::new(), audience: None };
    exposures.watch("production", "cart", watch);
    let bands = exposures.bands("production", "cart").unwrap().bands;
    assert_eq!(
        bands.iter().map(|band| band.seen.iter().map(|it| it.units).sum::<u64>()).sum::<u64>(),
        10
    );
    assert_eq!(bands.len(), 2);
    exposures.unwatch("production", "cart");
    assert_eq!(exposures.bands("production", "cart"), None);
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

/// A ramp asks any of several servers, and is told the same by all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_count_the_same_for_a_ramp() {
    let Some(cluster) = Cluster::start() else { return };
    let place = Place::Postgres(cluster.database());
    let (one, two) = (open_at(&place).await.0, open_at(&place).await.0);
    let (stop, stopped) = watch::channel(false);
    let following = [&one, &two].map(|it| tokio::spawn(it.clone().follow(stopped.clone())));
    let half = seaway_core::flags::edge(50, 100);
    let step = |since: i64| Watch {
        since,
        edges: vec![0, half, 1 << 32],
        metrics: vec!["errors".to_owned()],
        audience: None,
    };
    let send = async |from: &Exposures, units: std::ops::Range<u32>, at: i64| {
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
        let batch = intake.done(&[&at.to_le_bytes(), format!("{from:p}").as_bytes()]).unwrap();
        from.shared.append(batch).await.unwrap();
    };
    let counts = |exposures: &Exposures| {
        let bands = exposures.bands("production", "cart").unwrap();
        assert!(bands.bands.iter().all(|band| band.in_two == 0 && band.seen.len() <= 1));
        let seen = |at: usize| {
            let seen = bands.bands[at].seen.first().cloned().unwrap_or_default();
            (seen.variant, seen.units, seen.failed)
        };
        (seen(0), seen(1))
    };
    let mut units = Vec::new();
    for since in [NOW - 90_000_000, NOW - 60_000_000] {
        [&one, &two].iter().for_each(|it| it.watch("production", "cart", step(since)));
        // Each takes in some, and some that the other has taken in.
        send(&one, 0..600, since).await;
        send(&two, 400..1_000, since + 5_000_000).await;
        for it in [&one, &two] {
            followed(it).await;
        }
        assert_eq!(counts(&one), counts(&two));
        let ((on, first, failed), (off, second, others)) = counts(&one);
        assert_eq!((on.as_str(), off.as_str(), first + second), ("on", "off", 1_000));
        assert_eq!((failed, others), (vec![first], vec![0]));
        units.push(first);
    }
    assert_eq!(units[0], units[1], "the second step counts everybody anew");
    stop.send(true).unwrap();
    for it in following {
        it.await.unwrap();
    }
    let three = open_at(&place).await.0;
    assert!(three.shared.read().position() > 0, "one of them has kept what it knows");
    three.watch("production", "cart", step(NOW - 60_000_000));
    assert_eq!(counts(&three), counts(&one));
}
