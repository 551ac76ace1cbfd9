//! A fault of the program ends no more than the attempt in which it showed.

use super::*;
use seaway_core::catalog::Change;
use std::sync::atomic::{AtomicBool, Ordering};

static HAS_FAILED: AtomicBool = AtomicBool::new(false);

/// Fails the first time that it is asked.
fn faulty(event: &Event) -> Option<Result<Change, String>> {
    assert!(HAS_FAILED.swap(true, Ordering::SeqCst), "a fault");
    events::change_of(event)
}

#[test]
fn views_are_computed_after_a_fault() {
    run(async {
        let seeds = (0..40_u8).map(|n| [n, n / 3, n, 1, n / 7, n, 2, 3]);
        let events: Vec<Event> = (0..).zip(seeds).map(|(n, seed)| events::event(n, seed)).collect();
        let log = Log::of(Ground::sqlite(), events.clone()).await;
        let mut settings = settings();
        settings.catalog = faulty;
        let views = log.views().clone();
        let projector = Projector::start(log.ledger.clone(), views, settings).await.unwrap();
        let mut progress = projector.progress();
        let (stop, stopped) = watch::channel(false);
        let following = tokio::spawn(projector.follow(stopped));
        let newest = *log.ledger.newest().borrow();
        progress.wait_for(|progress| progress.settled >= newest).await.unwrap();
        assert!(HAS_FAILED.load(Ordering::SeqCst));
        let _ = stop.send(true);
        following.await.unwrap();

        let found = store::dump(log.views()).await;
        let other = Log::of(Ground::sqlite(), events).await;
        let mut projector = other.projector(Limits::default()).await;
        assert_eq!(found, other.settled(&mut projector).await);
        drop(projector);
        log.close().await;
        other.close().await;
    });
}
