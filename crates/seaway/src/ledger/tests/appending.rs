use super::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::{BTreeSet, HashMap};
use std::task::Poll;

on_both!(
    an_event_is_kept_once,
    equal_events_of_many_senders_are_kept_once,
    a_reader_sees_positions_grow,
    positions_that_were_given_to_none_are_passed,
    batches_of_all_sizes_are_written,
    a_full_queue_answers_at_once,
    what_cannot_be_kept_is_refused_by_itself,
    many_rows_are_updated_and_deleted,
);

async fn an_event_is_kept_once(place: Place) {
    let open = Open::at(&place).await;
    let first = open.ledger.append(vec![event(1), event(2), event(1)], NOW).await.unwrap();
    assert!(matches!(first[..], [Outcome::New(_), Outcome::New(_), Outcome::Known]), "{first:?}");
    let mut changed = event(2);
    changed.data = "other".into();
    let second = open.ledger.append(vec![changed, event(3)], NOW + 5).await.unwrap();
    assert!(matches!(second[..], [Outcome::Known, Outcome::New(_)]), "{second:?}");
    let mut elsewhere = event(3);
    elsewhere.source = "elsewhere".to_owned();
    let third = open.ledger.append(vec![elsewhere.clone()], NOW + 6).await.unwrap();

    assert_eq!(open.ledger.len().await.unwrap(), 4);
    let all = open.all().await;
    let kept: Vec<_> = all.iter().map(|it| it.event.clone()).collect();
    assert_eq!(kept, [event(1), event(2), event(3), elsewhere.clone()], "the first one stays");
    let one = open.ledger.read_one(&elsewhere.source, &elsewhere.id).await.unwrap();
    assert_eq!(one.as_ref(), all.last());
    assert_eq!(positions(&third), [all[3].position]);
    assert_eq!(open.ledger.read_one("elsewhere", "4").await.unwrap(), None);
    assert_eq!(open.ledger.append(Vec::new(), NOW).await, Ok(Vec::new()));
    open.close().await;
}

/// Sixteen senders send the same events, each in another order and cut otherwise.
async fn equal_events_of_many_senders_are_kept_once(place: Place) {
    let open = Open::at(&place).await;
    let mut senders = Vec::new();
    for sender in 0..16_u32 {
        let ledger = open.ledger.clone();
        senders.push(tokio::spawn(async move {
            let mut new = Vec::new();
            let ids: Vec<u32> = (0..600).map(|it| (it * 7 + sender * 41) % 600).collect();
            for ids in ids.chunks(10 + sender as usize) {
                let batch: Vec<Event> = ids.iter().map(event).collect();
                let outcomes = ledger.append(batch, NOW).await.unwrap();
                new.extend(ids.iter().zip(outcomes).filter_map(|(&id, outcome)| match outcome {
                    Outcome::New(position) => Some((position, id)),
                    Outcome::Known => None,
                }));
            }
            new
        }));
    }
    let mut told = Vec::new();
    for sender in senders {
        told.extend(sender.await.unwrap());
    }
    told.sort_unstable();
    let kept: Vec<(i64, u32)> =
        open.all().await.iter().map(|it| (it.position, it.event.id.parse().unwrap())).collect();
    assert_eq!(told, kept, "exactly one sender was told that an event is new, and where it is");
    assert_eq!(kept.iter().map(|it| it.1).collect::<BTreeSet<_>>().len(), 600);
    assert_eq!(open.ledger.len().await.unwrap(), 600);
    open.close().await;
}

/// Two ledgers write at once (on PostgreSQL as two servers do), and a third one reads: once it has
/// read up to a position, no smaller one may appear.
async fn a_reader_sees_positions_grow(place: Place) {
    let databases = Databases::open(&place).await.unwrap();
    let ledger = async || Ledger::start(databases.log.clone(), Limits::default()).await.unwrap();
    let (first, second, reader) = (ledger().await, ledger().await, ledger().await);
    let mut senders = Vec::new();
    for sender in 0..16 {
        let ledger = if sender % 2 == 0 { first.clone() } else { second.clone() };
        senders.push(tokio::spawn(async move {
            for batch in 0..12 {
                let batch = (0..5).map(|it| event(format!("{sender}.{batch}.{it}"))).collect();
                ledger.append(batch, NOW).await.unwrap();
            }
        }));
    }
    let (mut position, mut seen) = (0, Vec::new());
    while seen.len() < 16 * 12 * 5 {
        let stretch = reader.read_after(position, 100, usize::MAX).await.unwrap();
        position = stretch.up_to;
        seen.extend(stretch.events);
    }
    for sender in senders {
        sender.await.unwrap();
    }
    let found = reader.read_after(0, 10_000, usize::MAX).await.unwrap().events;
    assert_eq!(seen, found, "what was read on the way is what is there");
    assert!(*reader.newest().borrow() < position);
    assert_eq!(reader.look_for_newer().await.unwrap(), position);
    assert_eq!(*reader.newest().borrow(), position);
    for ledger in [first, second, reader] {
        ledger.finish().await;
    }
    databases.close().await;
}

/// Whoever follows the log comes to its end, though the last positions have no events.
async fn positions_that_were_given_to_none_are_passed(place: Place) {
    let open = Open::at(&place).await;
    let all: Vec<Event> = (1..=4).map(event).collect();
    for batch in [&all[..2], &all[..2], &all, &all] {
        open.ledger.append(batch.to_vec(), NOW).await.unwrap();
    }
    let newest = *open.ledger.newest().borrow();
    assert_eq!(newest, 12);
    for at_once in 1..6 {
        let (mut position, mut seen) = (0, Vec::new());
        for _ in 0..6 {
            let stretch = open.ledger.read_after(position, at_once, usize::MAX).await.unwrap();
            assert!(stretch.up_to >= position);
            position = stretch.up_to;
            seen.extend(stretch.events.into_iter().map(|it| it.event));
        }
        assert_eq!((position, &seen), (newest, &all), "{at_once} at once");
    }
    open.close().await;
}

async fn batches_of_all_sizes_are_written(place: Place) {
    let limits = Limits { group_events: 100, waiting_events: 300, ..Limits::default() };
    let open = Open::with(&place, limits, "").await;
    let mut expected = Vec::new();
    for (batch, size) in [1_u32, 7, 8, 9, 63, 65, 329, 1024].into_iter().enumerate() {
        let batch: Vec<_> = (0..size).map(|it| event(format!("{batch}.{it}"))).collect();
        let outcomes = open.ledger.append(batch.clone(), NOW).await.unwrap();
        assert_eq!(outcomes.len(), batch.len());
        expected.extend(positions(&outcomes).into_iter().zip(batch));
    }
    let found: Vec<_> = open.all().await.into_iter().map(|it| (it.position, it.event)).collect();
    assert_eq!(found, expected);
    open.close().await;
}

/// Another transaction holds the log, so nothing leaves the queue.
async fn a_full_queue_answers_at_once(place: Place) {
    let limits = Limits { waiting_events: 100, waiting_bytes: 100_000, ..Limits::default() };
    let open = Open::with(&place, limits, "").await;
    let mut held = open.databases.log.begin().await.unwrap();
    let hold = "UPDATE log_head SET newest = newest WHERE one = 1";
    sqlx::query(hold).execute(&mut *held).await.unwrap();

    // Polling an append once puts it into the queue.
    let mut waiting = Vec::new();
    for batch in 0..3_u32 {
        let batch = events(batch * 33..batch * 33 + 33);
        let mut append = Box::pin(open.ledger.append(batch, NOW));
        let polled = std::future::poll_fn(|context| Poll::Ready(append.as_mut().poll(context)));
        assert!(polled.await.is_pending());
        waiting.push(append);
    }
    let busy = Err(Refusal::Busy { retry_after_seconds: 1 });
    assert_eq!(open.ledger.append(events(200..202), NOW).await, busy, "too many events");
    let mut large = event("large");
    large.data = vec![b' '; 100_000].into();
    assert_eq!(open.ledger.append(vec![large.clone()], NOW).await, busy, "too many bytes");

    held.rollback().await.unwrap();
    for append in waiting {
        assert_eq!(append.await.unwrap().len(), 33);
    }
    assert_eq!(open.ledger.append(events(200..202), NOW).await.unwrap().len(), 2);
    let alone = open.ledger.append(vec![large], NOW).await.unwrap();
    assert_eq!(alone.len(), 1, "what is greater than the queue is taken when it is empty");
    assert_eq!(open.ledger.len().await.unwrap(), 102);
    open.close().await;
}

async fn what_cannot_be_kept_is_refused_by_itself(place: Place) {
    let open = Open::at(&place).await;
    let changes: [fn(&mut Event); 6] = [
        |it| it.source.push('\0'),
        |it| it.id.insert(0, '\0'),
        |it| it.subject = Some("\0".to_owned()),
        |it| it.time = Some(i64::MAX),
        |it| it.time = Some(-70_000_000_000_000_000),
        |it| drop(it.extensions.insert("data".to_owned(), 1.into())),
    ];
    for change in changes {
        let mut unfit = event("unfit");
        change(&mut unfit);
        let (bad, good) = tokio::join!(
            open.ledger.append(vec![event("beside"), unfit], NOW),
            open.ledger.append(events(0..1), NOW),
        );
        assert!(matches!(bad, Err(Refusal::Unfit { index: 1, .. })), "{bad:?}");
        assert!(good.is_ok());
    }
    assert_eq!(open.all().await.len(), 1);
    open.close().await;
}

/// The helper that other tables are written with, beside a map.
async fn many_rows_are_updated_and_deleted(place: Place) {
    const TABLE: Schema = Schema {
        name: "test",
        versions: &[
            &["CREATE TABLE pairs (scope TEXT NOT NULL, key BIGINT NOT NULL, body {bytes})"],
            &["CREATE UNIQUE INDEX pairs_key ON pairs (scope, key)"],
        ],
    };
    let databases = Databases::open(&place).await.unwrap();
    let views = &databases.views;
    migrate(views, &TABLE).await.unwrap();
    let insert = "INSERT INTO pairs (scope, key, body) VALUES";
    let update = "ON CONFLICT (scope, key) DO UPDATE SET body = excluded.body";
    let upsert = Many::new(views.engine(), insert, 3, update);
    let head = "DELETE FROM pairs WHERE (scope, key) IN (VALUES";
    let delete = Many::new(views.engine(), head, 2, ")");

    let mut naive: HashMap<i64, Vec<u8>> = HashMap::new();
    for (round, size) in [3_i64, 700, 256, 65, 1].into_iter().enumerate() {
        let mut transaction = views.begin().await.unwrap();
        let rows: Vec<i64> = (0..size).collect();
        let body = |key: i64| vec![u8::try_from(round).unwrap(), 0, 255, key.to_le_bytes()[0]];
        let affected = upsert.run(&mut transaction, &rows, |&key, values| {
            values.text("scope").int(key).bytes(&body(key));
        });
        assert_eq!(affected.await.unwrap(), rows.len() as u64);
        naive.extend(rows.iter().map(|&key| (key, body(key))));
        let gone: Vec<i64> = rows.iter().copied().filter(|it| it % 3 == 0).collect();
        let affected = delete.run(&mut transaction, &gone, |&key, values| {
            values.text("scope").int(key);
        });
        assert_eq!(affected.await.unwrap(), gone.len() as u64);
        naive.retain(|key, _| !gone.contains(key));
        transaction.commit().await.unwrap();
    }
    let found: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT key, body FROM pairs").fetch_all(views.pool()).await.unwrap();
    assert_eq!(found.into_iter().collect::<HashMap<_, _>>(), naive);

    let mut transaction = views.begin().await.unwrap();
    let wrong = upsert.run(&mut transaction, &[1], |_, values| {
        values.maybe_text(None);
    });
    assert!(matches!(wrong.await, Err(sqlx::Error::Protocol(_))));
    drop(transaction);
    databases.close().await;
}

/// Any batches, beside a plain list of the first of each name.
#[test]
fn the_log_is_what_a_list_would_be() {
    let ground = Ground::sqlite();
    run(async {
        let open = Open::at(&ground.place).await;
        let mut naive: Vec<Event> = Vec::new();
        let mut runner = TestRunner::new(Config { cases: 64, ..Config::default() });
        let batches = proptest::collection::vec(0_u32..400, 0..80);
        for _ in 0..64 {
            let batch = proptest::strategy::Strategy::new_tree(&batches, &mut runner).unwrap();
            let ids = proptest::strategy::ValueTree::current(&batch);
            let sent: Vec<Event> = ids.iter().map(event).collect();
            let outcomes = open.ledger.append(sent.clone(), NOW).await.unwrap();
            for (event, outcome) in sent.into_iter().zip(outcomes) {
                let is_new = !naive.contains(&event);
                assert_eq!(matches!(outcome, Outcome::New(_)), is_new);
                if is_new {
                    naive.push(event);
                }
            }
        }
        let kept: Vec<Event> = open.all().await.into_iter().map(|it| it.event).collect();
        assert_eq!(kept, naive);
        open.close().await;
    });
}
