use super::*;

on_both!(
    what_was_acknowledged_is_there_when_it_is_opened_again,
    a_newer_schema_is_refused,
    servers_that_start_at_once_make_the_tables_once,
);

async fn what_was_acknowledged_is_there_when_it_is_opened_again(place: Place) {
    let open = Open::at(&place).await;
    let outcomes = open.ledger.append(events(0..1000), NOW).await.unwrap();
    let written = open.all().await;
    assert_eq!(written.iter().map(|it| it.position).collect::<Vec<_>>(), positions(&outcomes));
    assert_eq!(written.iter().map(|it| it.event.clone()).collect::<Vec<_>>(), events(0..1000));
    assert!(written.iter().all(|it| it.received_at == NOW));
    open.close().await;

    let open = Open::at(&place).await;
    assert_eq!(open.all().await, written);
    assert_eq!(open.ledger.len().await.unwrap(), 1000);
    assert_eq!(*open.ledger.newest().borrow(), written[999].position);
    let later = open.ledger.append(vec![event("later"), event(3)], NOW + 1).await.unwrap();
    assert!(matches!(later[..], [Outcome::New(it), Outcome::Known] if it > written[999].position));
    open.close().await;
}

async fn a_newer_schema_is_refused(place: Place) {
    let open = Open::at(&place).await;
    open.execute("UPDATE schema_versions SET version = 99").await;
    open.close().await;
    let databases = Databases::open(&place).await.unwrap();
    let error = Ledger::start(databases.log.clone(), Limits::default()).await.unwrap_err();
    assert!(matches!(error, Error::Newer { found: 99, known: 3, .. }), "{error:?}");
    let error = crate::error::Error::from(error);
    assert!(matches!(error, crate::error::Error::Failed { .. }), "exit code 3");
    assert!(error.to_string().ends_with("hint: start a newer seaway"), "{error}");
    databases.close().await;
}

async fn servers_that_start_at_once_make_the_tables_once(place: Place) {
    // SQLite's have one folder and so one server, but several parts of it may start at once.
    let databases = Databases::open(&place).await.unwrap();
    let start = || {
        let log = databases.log.clone();
        tokio::spawn(async move { Ledger::start(log, Limits::default()).await.map(drop) })
    };
    for server in (0..6).map(|_| start()).collect::<Vec<_>>() {
        server.await.unwrap().unwrap();
    }
    databases.close().await;
}

#[test]
fn a_folder_is_opened_by_one_at_a_time() {
    let ground = Ground::sqlite();
    run(async {
        let first = Open::at(&ground.place).await;
        let error = Databases::open(&ground.place).await.unwrap_err();
        assert!(matches!(error, Error::InUse { .. }), "{error:?}");
        let Place::Folder(folder) = &ground.place else { panic!() };
        let told = crate::error::Error::from(error).to_string();
        assert!(told.contains(&folder.display().to_string()) && told.contains("hint:"), "{told}");
        first.close().await;
        Open::at(&ground.place).await.close().await;
    });
}

#[test]
fn folders_may_have_any_name() {
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let place = Place::Folder(folder.path().join("a b%20?#é;/c=d&mode=ro"));
        let open = Open::at(&place).await;
        open.ledger.append(events(0..1), NOW).await.unwrap();
        open.close().await;
        let Place::Folder(data) = &place else { panic!() };
        let mut names: Vec<_> = std::fs::read_dir(data)
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["ledger.sqlite", "seaway.lock", "views.sqlite"]);
    });
}

#[test]
fn sqlite_waits_for_the_disk() {
    let ground = Ground::sqlite();
    run(async {
        let open = Open::at(&ground.place).await;
        let ask = async |database: &Database, pragma| -> i64 {
            sqlx::query_scalar(pragma).fetch_one(database.pool()).await.unwrap()
        };
        assert_eq!(ask(&open.databases.log, "PRAGMA synchronous").await, 2, "FULL");
        assert_eq!(ask(&open.databases.views, "PRAGMA synchronous").await, 1, "NORMAL");
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(open.databases.log.pool())
            .await
            .unwrap();
        assert_eq!(mode, "wal");
        open.close().await;
    });
}

#[test]
fn urls_of_other_databases_are_refused_and_passwords_not_told() {
    run(async {
        for url in ["", "mysql://host/x", "sqlite:///x", "no url"] {
            let error = Databases::open(&Place::Postgres(url.to_owned())).await.unwrap_err();
            assert!(matches!(error, Error::Url(_)), "{url}: {error:?}");
        }
        let url = "postgres://seaway:secret@127.0.0.1:1/data?password=secret";
        let error = Databases::open(&Place::Postgres(url.to_owned())).await.unwrap_err();
        assert!(error.to_string().contains("postgres://seaway@127.0.0.1:1/data"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    });
}
