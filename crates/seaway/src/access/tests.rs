//! Tokens in a database: on SQLite and on PostgreSQL.

use super::Role;
use super::audit::{Actor, Entry};
use super::manage::{Manager, Refused, Wanted};
use super::store::{Session, Store};
use super::token::{Secret, State};
use crate::ledger::tests::{Ground, run};
use crate::ledger::{Database, Databases, Ledger, Place};
use seaway_core::time::DAY;

/// 2026-11-23T12:00:00Z, in microseconds.
const NOW: i64 = 1_795_435_200_000_000;

fn clock() -> i64 {
    NOW
}

struct Open {
    database: Database,
    ledger: Ledger,
    store: Store,
    manager: Manager,
}

impl Open {
    async fn at(place: &Place) -> Self {
        let database = Databases::open_beside(place, true).await.unwrap();
        let ledger = Ledger::start_beside(database.clone()).await.unwrap();
        let store = Store::open(database.clone()).await.unwrap();
        let manager = Manager::new(store.clone(), ledger.clone(), clock);
        Self { database, ledger, store, manager }
    }

    async fn close(self) {
        drop(self.manager);
        self.ledger.finish().await;
        self.database.close().await;
    }
}

fn wanted(name: &str, role: Role, expires: &str) -> Wanted {
    Wanted { name: name.to_owned(), role, environment: None, expires: expires.to_owned() }
}

/// Makes two tests of each function, one for each database.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[test]
            fn on_sqlite() {
                let ground = crate::ledger::tests::Ground::sqlite();
                super::run(super::$name(ground.place.clone()));
            }

            #[test]
            fn on_postgres() {
                if let Some(ground) = super::Ground::postgres() {
                    super::run(super::$name(ground.place.clone()));
                }
            }
        }
    )*};
}

on_both!(
    a_token_is_kept_found_used_and_revoked,
    a_session_ends_with_its_token_and_by_itself,
    what_is_done_is_on_the_log_once_and_told_the_newest_first,
    there_is_room_for_so_many_tokens,
);

async fn a_token_is_kept_found_used_and_revoked(place: Place) {
    let open = Open::at(&place).await;
    let evil = "'; DROP TABLE access_tokens; -- \u{1F600} é";
    let made = open
        .manager
        .create(&wanted(evil, Role::Editor, "90d"), Actor::local(), None)
        .await
        .unwrap();
    assert!(!open.store.has_admin(NOW).await.unwrap());
    let hash = made.secret.fingerprint();
    let found = open.store.token_of(&hash).await.unwrap().unwrap();
    assert_eq!(found, made.token);
    assert_eq!((found.name.as_str(), found.role), (evil, Role::Editor));
    assert_eq!(found.expires_at, NOW + 90 * DAY * 1_000_000);
    assert_eq!(
        open.store.token_of(&Secret::token(Role::Admin).unwrap().fingerprint()).await.unwrap(),
        None
    );

    open.store.used(&found.id, NOW + 5, NOW - 100).await.unwrap();
    open.store.used(&found.id, NOW + 6, NOW - 100).await.unwrap();
    let used = open.store.token(&found.id).await.unwrap().unwrap();
    assert_eq!(used.used_at, Some(NOW + 5), "it is written once in a while only");

    let revoked = open.manager.revoke(&found.id, Actor::local(), None).await.unwrap().unwrap();
    assert_eq!((revoked.revoked_at, revoked.state(NOW)), (Some(NOW), State::Revoked));
    let again = open.store.revoke(&found.id, NOW + 9).await.unwrap().unwrap();
    assert_eq!(again.revoked_at, Some(NOW), "the first time counts");
    assert_eq!(open.manager.revoke("none", Actor::local(), None).await.unwrap(), None);

    let admin = wanted("a", Role::Admin, "1d");
    open.manager.create(&admin, Actor::local(), None).await.unwrap();
    assert!(open.store.has_admin(NOW).await.unwrap());
    assert!(!open.store.has_admin(NOW + DAY * 1_000_000).await.unwrap(), "it has expired by then");
    assert_eq!(open.store.all().await.unwrap().len(), 2);
    open.close().await;
}

async fn a_session_ends_with_its_token_and_by_itself(place: Place) {
    let open = Open::at(&place).await;
    let viewer = wanted("v", Role::Viewer, "1d");
    let made = open.manager.create(&viewer, Actor::local(), None).await.unwrap();
    let begin = async |id: &str, expires_at: i64, now: i64| {
        let secret = Secret::cookie().unwrap().fingerprint();
        let session = Session { id: id.to_owned(), expires_at };
        open.store.begin_session(&session, &secret, &made.token.id, now).await.unwrap();
        (session, secret)
    };
    let (one, one_hash) = begin("one", NOW + 10, NOW).await;
    let (_, two_hash) = begin("two", NOW + 20, NOW).await;
    let (found, token) = open.store.session_of(&one_hash).await.unwrap().unwrap();
    assert_eq!((found, token.id), (one, made.token.id.clone()));
    open.store.end_session("one").await.unwrap();
    assert!(open.store.session_of(&one_hash).await.unwrap().is_none());
    assert!(open.store.session_of(&two_hash).await.unwrap().is_some());
    let (_, three_hash) = begin("three", NOW + 90, NOW + 30).await;
    assert!(open.store.session_of(&two_hash).await.unwrap().is_none(), "it was forgotten");
    open.manager.revoke(&made.token.id, Actor::local(), None).await.unwrap();
    assert!(open.store.session_of(&three_hash).await.unwrap().is_none());
    open.close().await;
}

async fn what_is_done_is_on_the_log_once_and_told_the_newest_first(place: Place) {
    let open = Open::at(&place).await;
    for number in 0..3 {
        let viewer = wanted(&number.to_string(), Role::Viewer, "1d");
        let made = open.manager.create(&viewer, Actor::local(), None).await.unwrap();
        let from = Some("192.0.2.1".parse().unwrap());
        for _ in 0..2 {
            open.manager.revoke(&made.token.id, Actor::of(&made.token), from).await.unwrap();
        }
    }
    assert_eq!(open.ledger.len().await.unwrap(), 6);
    let all = open.ledger.audit_before(i64::MAX, 100).await.unwrap();
    let positions: Vec<i64> = all.iter().map(|it| it.position).collect();
    assert_eq!(positions.len(), 6);
    assert!(positions.is_sorted_by(|a, b| a > b));
    let some = open.ledger.audit_before(positions[1], 2).await.unwrap();
    assert_eq!(some, all[2..4]);
    let entry = serde_json::to_value(Entry::of(&all[0]).unwrap()).unwrap();
    assert_eq!((&entry["action"], &entry["from"]), (&"token-revoked".into(), &"192.0.2.1".into()));
    assert_eq!(entry["by"]["name"], "2");
    let entry = serde_json::to_value(Entry::of(&all[5]).unwrap()).unwrap();
    assert_eq!((&entry["action"], &entry["by"]["id"]), (&"token-created".into(), &"local".into()));
    open.close().await;
}

async fn there_is_room_for_so_many_tokens(place: Place) {
    let open = Open::at(&place).await;
    let viewer = wanted("v", Role::Viewer, "1d");
    let first = open.manager.create(&viewer, Actor::local(), None).await.unwrap();
    let hash = Secret::token(Role::Admin).unwrap().fingerprint();
    let other = super::token::Token { id: "other".to_owned(), ..first.token.clone() };
    assert!(!open.store.create(&other, &hash, 1, NOW).await.unwrap());
    // Those that ended long ago make room.
    let later = NOW + 2 * DAY * 1_000_000;
    assert!(open.store.create(&other, &hash, 1, later).await.unwrap());
    assert_eq!(open.store.all().await.unwrap(), [other]);
    for (name, expires) in [("", "1d"), ("x", "never"), ("x", "2020-01-01")] {
        let wrong = wanted(name, Role::Viewer, expires);
        let refused = open.manager.create(&wrong, Actor::local(), None).await.unwrap_err();
        assert!(matches!(refused, Refused::Wrong(_)), "{refused:?}");
    }
    open.close().await;
}
