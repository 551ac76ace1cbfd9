use super::*;
use crate::ledger::check::Checked;
use std::sync::atomic::{AtomicBool, Ordering};

on_both!(a_row_that_cannot_be_read_stops_nobody, a_check_finds_what_is_wrong);

async fn a_row_that_cannot_be_read_stops_nobody(place: Place) {
    let open = Open::at(&place).await;
    let outcomes = open.ledger.append(events(0..30), NOW).await.unwrap();
    open.execute("UPDATE events SET extensions = '[1' WHERE id = '4'").await;
    open.execute("UPDATE events SET time = 9000000000000000000 WHERE id = '29'").await;
    let bad = [4, 29].map(|it| positions(&outcomes)[it]);

    let stretch = open.ledger.read_after(0, 100, usize::MAX).await.unwrap();
    assert_eq!(stretch.unreadable.iter().map(|it| it.position).collect::<Vec<_>>(), bad);
    assert_eq!(stretch.events.len(), 28);
    assert_eq!(stretch.up_to, bad[1], "the reader goes on after it");
    assert!(open.ledger.read_one(&event(4).source, "4").await.is_err());

    let mut out = Vec::new();
    let exported = open.ledger.export(&mut out, |_| {}).await.unwrap();
    assert_eq!((exported.events, exported.left_out), (28, bad.to_vec()));
    open.close().await;
}

async fn a_check_finds_what_is_wrong(place: Place) {
    let open = Open::at(&place).await;
    let outcomes = open.ledger.append(events(0..3000), NOW).await.unwrap();
    let at = |it: usize| positions(&outcomes)[it];
    let mut seen = 0;
    let checked = open.ledger.check(|it| seen = it).await.unwrap();
    let whole = Checked { good: 3000, problems: Vec::new(), problem_count: 0 };
    assert_eq!((checked, seen), (whole, 3000));

    open.execute("UPDATE events SET extensions = 'x' WHERE id = '7'").await;
    open.execute("UPDATE events SET source = 'changed' WHERE id = '2500'").await;
    open.execute("DELETE FROM events WHERE id = '8'").await;
    let checked = open.ledger.check(|_| {}).await.unwrap();
    let told = |what: &str| checked.problems.iter().any(|it| it.starts_with(what));
    assert!(told(&format!("the row at {} cannot be read: extensions", at(7))), "{checked:?}");
    assert!(told(&format!("the key at {} is not", at(2500))), "{checked:?}");
    assert!(told("2999 rows are there, 3000 were appended"), "{checked:?}");
    assert_eq!(checked.problem_count, 3);
    open.close().await;
}

/// What SQLite alone allows: a value of another type, text that is no UTF-8.
#[test]
fn rows_that_sqlx_cannot_read_stop_nobody() {
    let ground = Ground::sqlite();
    run(async {
        let open = Open::at(&ground.place).await;
        open.ledger.append(events(0..30), NOW).await.unwrap();
        open.execute("UPDATE events SET source = CAST(x'ff' AS TEXT) WHERE id = '5'").await;
        open.execute("UPDATE events SET received_at = 'noon' WHERE id = '6'").await;
        let (mut position, mut read, mut unreadable) = (0, 0, Vec::new());
        loop {
            let stretch = open.ledger.read_after(position, 4, usize::MAX).await.unwrap();
            if stretch.up_to == position {
                break;
            }
            position = stretch.up_to;
            read += stretch.events.len();
            unreadable.extend(stretch.unreadable.into_iter().map(|it| it.position));
        }
        assert_eq!((read, unreadable), (28, vec![6, 7]));
        open.close().await;
    });
}

/// A whole page of the file is overwritten.
#[test]
fn a_page_that_is_lost_is_told_and_the_rest_is_read() {
    let ground = Ground::sqlite();
    let Place::Folder(folder) = &ground.place else { panic!() };
    run(async {
        let open = Open::at(&ground.place).await;
        open.ledger.append(events(0..3000), NOW).await.unwrap();
        open.close().await;
        let file = folder.join("ledger.sqlite");
        let mut bytes = std::fs::read(&file).unwrap();
        // The page with the data of one event in it is a leaf of the table.
        let data = event(1500).data;
        let at = bytes.windows(data.len()).position(|it| it == &*data).unwrap() / 4096 * 4096;
        bytes[at..at + 4096].fill(0xaa);
        std::fs::write(&file, bytes).unwrap();

        let open = Open::at(&ground.place).await;
        let (mut position, mut read, mut unreadable) = (0, 0, 0);
        while position < 3000 {
            let stretch = open.ledger.read_after(position, 100, usize::MAX).await.unwrap();
            assert!(stretch.up_to > position);
            position = stretch.up_to;
            read += stretch.events.len();
            unreadable += stretch.unreadable.len();
        }
        assert!((1..50).contains(&unreadable), "{unreadable}");
        assert_eq!(read + unreadable, 3000);
        let checked = open.ledger.check(|_| {}).await.unwrap();
        assert!(checked.problem_count >= unreadable as u64, "{checked:?}");
        let outcome = open.ledger.append(events(5000..5001), NOW).await;
        assert!(outcome.is_ok(), "{outcome:?}");
        open.close().await;
    });
}

/// The file may not grow any more, as on a full disk. A batch that does not fit fails; what fits is
/// taken, before and afterwards.
#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let ground = Ground::sqlite();
    run(async {
        let open =
            Open::with(&ground.place, Limits::default(), "PRAGMA max_page_count = 300;").await;
        open.ledger.append(events(0..100), NOW).await.unwrap();
        let large: Vec<Event> = (0..2000)
            .map(|it| Event { data: vec![b' '; 2000].into(), ..event(format!("large {it}")) })
            .collect();
        for _ in 0..3 {
            let Err(refusal) = open.ledger.append(large.clone(), NOW).await else { panic!() };
            assert!(matches!(&refusal, Refusal::Failed(why) if why.contains("full")), "{refusal}");
        }
        open.ledger.append(events(100..200), NOW).await.unwrap();
        open.close().await;

        let open = Open::at(&ground.place).await;
        let kept: Vec<Event> = open.all().await.into_iter().map(|it| it.event).collect();
        assert_eq!(kept, events(0..200));
        let checked = open.ledger.check(|_| {}).await.unwrap();
        assert_eq!((checked.good, checked.problems), (200, Vec::new()));
        open.close().await;
    });
}

/// The server is killed again and again while four senders append. It has a cluster of its own.
#[test]
fn a_killed_server_loses_nothing_that_was_acknowledged() {
    let Some(cluster) = Cluster::start() else { return };
    let place = Place::Postgres(cluster.database());
    run(async {
        let open = Open::at(&place).await;
        let stop = Arc::new(AtomicBool::new(false));
        let (failed, mut failures) = tokio::sync::mpsc::unbounded_channel();
        let (done, mut successes) = tokio::sync::mpsc::unbounded_channel();
        let mut senders = Vec::new();
        for sender in 0..4 {
            let (ledger, stop) = (open.ledger.clone(), Arc::clone(&stop));
            let (failed, done) = (failed.clone(), done.clone());
            senders.push(tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                let mut batch = 0;
                while !stop.load(Ordering::Relaxed) {
                    let ids: Vec<_> = (0..5).map(|it| format!("{sender}.{batch}.{it}")).collect();
                    match ledger.append(ids.iter().map(event).collect(), NOW).await {
                        Ok(_) => {
                            acknowledged.extend(ids);
                            batch += 1;
                            done.send(()).unwrap();
                        }
                        // The same batch is sent again: whether it was written is not known.
                        Err(Refusal::Failed(why)) => failed.send(why).unwrap(),
                        Err(other) => panic!("{other:?}"),
                    }
                }
                acknowledged
            }));
        }
        let cluster = Arc::new(cluster);
        for _ in 0..3 {
            for _ in 0..20 {
                successes.recv().await.unwrap();
            }
            let cluster = Arc::clone(&cluster);
            tokio::task::spawn_blocking(move || cluster.restart()).await.unwrap();
            failures.recv().await.unwrap();
            while successes.try_recv().is_ok() {}
        }
        for _ in 0..20 {
            successes.recv().await.unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        let mut acknowledged = Vec::new();
        for sender in senders {
            acknowledged.extend(sender.await.unwrap());
        }
        let mut kept: Vec<_> = open.all().await.into_iter().map(|it| it.event.id).collect();
        kept.sort();
        acknowledged.sort();
        assert_eq!(kept, acknowledged, "every acknowledged event is there, once");
        open.close().await;
    });
}
