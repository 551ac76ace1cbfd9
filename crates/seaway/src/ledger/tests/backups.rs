use super::*;
use std::path::Path;

on_both!(a_backup_is_restored_as_it_was, a_backup_is_made_while_events_arrive);

async fn backup(open: &Open, file: &Path) -> u64 {
    open.ledger.backup(file, |_| {}).await.unwrap().events
}

/// Into the other database, and back from there.
async fn a_backup_is_restored_as_it_was(place: Place) {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let open = Open::at(&place).await;
    open.ledger.append(events(0..2500), NOW).await.unwrap();
    open.ledger.append(events(2490..2600), NOW + 9).await.unwrap();
    assert_eq!(backup(&open, &first).await, 2600);

    let other = match &place {
        Place::Folder(_) => Ground::postgres(),
        Place::Postgres(_) => Some(Ground::sqlite()),
    };
    let other = other.unwrap_or_else(Ground::sqlite);
    let mut told = Vec::new();
    assert_eq!(restore(&first, &other.place, |it| told.push(it)).await.unwrap(), 2600);
    assert_eq!(told, [2000, 2600]);
    let restored = Open::at(&other.place).await;
    assert_eq!(restored.ledger.len().await.unwrap(), 2600);
    backup(&restored, &second).await;
    assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap());
    let moments: Vec<i64> = restored.all().await.iter().map(|it| it.received_at).collect();
    assert_eq!((moments[2499], moments[2500]), (NOW, NOW + 9));
    restored.close().await;

    let again = restore(&first, &other.place, |_| {}).await.unwrap_err();
    assert!(matches!(again, Error::NotEmpty(2600)), "{again:?}");
    open.close().await;
}

/// The backup holds the log as it was at one moment: all up to a position.
async fn a_backup_is_made_while_events_arrive(place: Place) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup");
    let open = Open::at(&place).await;
    open.ledger.append(events(0..500), NOW).await.unwrap();
    let ledger = open.ledger.clone();
    let sender = tokio::spawn(async move {
        for batch in 10..30 {
            ledger.append(events(batch * 100..batch * 100 + 100), NOW).await.unwrap();
        }
    });
    let count = usize::try_from(backup(&open, &file).await).unwrap();
    sender.await.unwrap();
    let ground = Ground::sqlite();
    restore(&file, &ground.place, |_| {}).await.unwrap();
    let restored = Open::at(&ground.place).await;
    let of = |all: Vec<Recorded>| all.into_iter().map(|it| it.event).collect::<Vec<_>>();
    let all = of(open.all().await);
    assert!((500..=2500).contains(&count));
    assert_eq!(of(restored.all().await), all[..count]);
    restored.close().await;
    open.close().await;
}

#[test]
fn a_backup_that_is_not_whole_is_refused_and_nothing_written() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (Ground::sqlite(), Ground::sqlite());
    let whole = folder.path().join("whole");
    run(async {
        let open = Open::at(&source.place).await;
        open.ledger.append(events(0..50), NOW).await.unwrap();
        backup(&open, &whole).await;
        let bytes = std::fs::read(&whole).unwrap();
        let line_end = |number: usize| {
            let ends = bytes.iter().enumerate().filter(|it| *it.1 == b'\n');
            ends.map(|(at, _)| at + 1).nth(number).unwrap()
        };
        let flipped = |at: usize| {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            flipped
        };
        let damaged = [
            Vec::new(),
            bytes[..line_end(20)].to_vec(),
            bytes[..bytes.len() - 5].to_vec(),
            bytes[line_end(0)..].to_vec(),
            flipped(100),
            flipped(line_end(49) + 100),
            [&bytes[..], &bytes[..line_end(0)]].concat(),
        ];
        for (number, damaged) in damaged.iter().enumerate() {
            let file = folder.path().join("damaged");
            std::fs::write(&file, damaged).unwrap();
            let error = restore(&file, &target.place, |_| {}).await.unwrap_err();
            assert!(matches!(error, Error::Backup { .. }), "{number}: {error:?}");
        }
        let missing = restore(&folder.path().join("missing"), &target.place, |_| {}).await;
        assert!(matches!(missing, Err(Error::Io { .. })), "{missing:?}");
        let Place::Folder(data) = &target.place else { panic!() };
        assert!(!data.exists(), "nothing was opened before the backup was found whole");
        assert_eq!(restore(&whole, &target.place, |_| {}).await.unwrap(), 50);

        let nowhere = folder.path().join("no such folder/backup");
        let error = open.ledger.backup(&nowhere, |_| {}).await.unwrap_err();
        assert!(error.to_string().contains("no such folder"), "{error}");
        let mut names: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|it| it.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["damaged", "whole"], "nothing is left half-written");
        open.close().await;
    });
}
