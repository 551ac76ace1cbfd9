//! Flags that are kept and changed: on SQLite and on PostgreSQL.

use super::edit::{Base, Edit, Refused};
use super::import::Onto;
use super::{Flags, Store};
use crate::author::Author;
use crate::ledger::tests::on_both;
use crate::ledger::{Databases, Ledger, Limits, Place};
use seaway_core::flags::{Context, Json};
use seaway_core::time::Time;
use serde_json::value::RawValue;
use std::sync::Arc;

/// 2026-11-23T12:00:00Z, in microseconds.
const NOW: i64 = 1_795_435_200_000_000;

const PLAIN: &str =
    r#"{ "state":"ENABLED", "variants":{"on":true,"off":false},"defaultVariant":"on" }"#;
const OTHER: &str = r#"{"state":"ENABLED","variants":{"a":"x","b":"y"},"defaultVariant":"b"}"#;

fn clock() -> i64 {
    NOW
}

/// Two servers on one log.
struct Two {
    databases: Databases,
    ledgers: [Ledger; 2],
    flags: [Arc<Flags>; 2],
}

impl Two {
    async fn at(place: &Place) -> Self {
        let databases = Databases::open(place).await.unwrap();
        let start = async || {
            let ledger = Ledger::start(databases.log.clone(), Limits::default()).await.unwrap();
            let store = Store::new(databases.log.clone());
            (Flags::start(store, ledger.clone(), clock).await.unwrap(), ledger)
        };
        let ((one, first), (other, second)) = (start().await, start().await);
        let flags = [Arc::new(one), Arc::new(other)];
        Self { databases, ledgers: [first, second], flags }
    }

    async fn close(self) {
        drop(self.flags);
        for ledger in self.ledgers {
            ledger.finish().await;
        }
        self.databases.close().await;
    }
}

fn edit(base: Base) -> Edit {
    let by =
        Author { id: Some("0a".into()), name: Some("Ada".into()), role: Some("editor".into()) };
    Edit { base, by, from: "192.0.2.1".into(), reason: "why".into(), unlock: false }
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

/// What a flag is in an environment for nobody in particular.
fn value(flags: &Flags, key: &str) -> Option<Json> {
    let snapshot = flags.snapshot("production")?;
    let entry = snapshot.get(key)?;
    let flag = entry.flag.as_ref()?;
    flag.evaluate(&Context::default(), Time(0)).value.cloned()
}

on_both! {
    a_flag_is_changed_step_by_step,
    of_two_editors_one_is_told,
    a_file_comes_in_as_a_whole,
    what_is_locked_is_not_turned_up,
}

async fn a_flag_is_changed_step_by_step(place: Place) {
    let two = Two::at(&place).await;
    let [one, other] = &two.flags;
    let key = "näw/ flag";
    let made = one.set("production", key, &raw(PLAIN), edit(Base::Nothing)).await.unwrap();
    assert_eq!((made.revision.revision, made.source()), (1, PLAIN));
    assert_eq!(value(one, key), Some(Json::Bool(true)));
    assert!(matches!(
        one.set("production", key, &raw(PLAIN), edit(Base::Nothing)).await,
        Err(Refused::Conflict { current: 1 })
    ));
    let off = one.off("production", key, edit(Base::Any)).await.unwrap();
    assert_eq!((off.revision.revision, off.source()), (2, PLAIN));
    assert_eq!(value(one, key), Some(Json::Bool(false)));
    // Once more changes nothing.
    let off = one.off("production", key, edit(Base::Any)).await.unwrap();
    assert_eq!(off.revision.revision, 2);
    // What is off stays off while its definition is changed, here by the other server.
    let changed = other.set("production", key, &raw(OTHER), edit(Base::Revision(2))).await.unwrap();
    assert!(changed.revision.off);
    // No variant of it stands for off.
    assert_eq!(value(other, key), None);
    let on = one.on("production", key, edit(Base::Any)).await.unwrap();
    assert_eq!(on.revision.revision, 4);
    assert_eq!(value(one, key), Some(Json::String("y".into())));
    let restored = one.restore("production", key, 1, edit(Base::Revision(4))).await.unwrap();
    assert_eq!((restored.revision.revision, restored.source()), (5, PLAIN));
    let gone = one.delete("production", key, edit(Base::Revision(5))).await.unwrap();
    assert_eq!(gone.revision.definition.as_deref().map(RawValue::get), None);
    assert!(one.snapshot("production").unwrap().get(key).is_none());
    assert!(matches!(one.off("production", key, edit(Base::Any)).await, Err(Refused::NotFound(_))));
    let again = one.set("production", key, &raw(PLAIN), edit(Base::Nothing)).await.unwrap();
    assert_eq!(again.revision.revision, 7);
    let history = one.history("production", key, i64::MAX, 100).await.unwrap();
    let actions: Vec<&str> = history.iter().map(|(_, it)| it.action.name()).collect();
    assert_eq!(actions, ["set", "delete", "restore", "on", "set", "off", "set"]);
    other.catch_up().await.unwrap();
    let version = |flags: &Flags| flags.snapshot("production").unwrap().version;
    assert_eq!(version(one), version(other));
    let before = version(one);
    two.close().await;
    let two = Two::at(&place).await;
    assert_eq!(version(&two.flags[0]), before);
    assert_eq!(two.flags[0].newest("production", key).unwrap().source(), PLAIN);
    two.close().await;
}

async fn of_two_editors_one_is_told(place: Place) {
    let two = Two::at(&place).await;
    let [one, other] = &two.flags;
    one.set("production", "a", &raw(PLAIN), edit(Base::Nothing)).await.unwrap();
    other.catch_up().await.unwrap();
    for round in 1..20 {
        let (base, [a, b]) = (edit(Base::Revision(round)), [OTHER, PLAIN].map(raw));
        let (first, second) = tokio::join!(
            one.set("production", "a", &a, base.clone()),
            other.set("production", "a", &b, base.clone()),
        );
        let told: Vec<_> =
            [&first, &second].into_iter().filter_map(|it| it.as_ref().err()).collect();
        let [Refused::Conflict { current }] = told[..] else { panic!("{first:?} {second:?}") };
        assert_eq!(*current, round + 1);
        for flags in &two.flags {
            flags.catch_up().await.unwrap();
            let newest = flags.newest("production", "a").unwrap();
            let won = [&first, &second].into_iter().find_map(|it| it.as_ref().ok()).unwrap();
            assert_eq!(newest.source(), won.source());
        }
    }
    // Kill switches need no base, and all of them get through.
    let all = (0..20).map(|at| {
        let flags = Arc::clone(&two.flags[at % 2]);
        async move {
            match at % 4 {
                0 | 1 => flags.off("production", "a", edit(Base::Any)).await.map(drop),
                _ => flags.on("production", "a", edit(Base::Any)).await.map(drop),
            }
        }
    });
    for done in futures_util::future::join_all(all).await {
        done.unwrap();
    }
    two.close().await;
}

async fn a_file_comes_in_as_a_whole(place: Place) {
    let two = Two::at(&place).await;
    let [one, other] = &two.flags;
    let file =
        r#"{"$schema":"s","flags":{"b":PLAIN,"a":OTHER},"$evaluators":{"e":{"==":[1,1]}},"x":1.0}"#;
    let file = file.replace("PLAIN", PLAIN).replace("OTHER", OTHER);
    let import = async |flags: &Flags, file: &str, replace: bool| {
        flags.import("production", file.as_bytes(), Onto::Any, replace, edit(Base::Any)).await
    };
    let imported = import(one, &file, false).await.unwrap();
    assert_eq!((imported.added.len(), imported.shared), (2, true));
    let exported = one.snapshot("production").unwrap().export();
    let [before, after]: [serde_json::Value; 2] =
        [file.as_bytes(), &exported].map(|text| serde_json::from_slice(text).unwrap());
    assert_eq!(before, after);
    let again = import(one, std::str::from_utf8(&exported).unwrap(), false).await.unwrap();
    assert_eq!((again.unchanged, again.shared), (2, false));
    let version = one.snapshot("production").unwrap().version;
    let stale = file.replace("\"b\":{", "\"c\":{");
    // Two files at once: one after the other, or one of them not at all, and never a mixture.
    for round in 0..10 {
        let files = [0, 1].map(|by| {
            let flag = PLAIN.replacen('{', &format!(r#"{{"metadata":{{"n":"{round}-{by}"}},"#), 1);
            format!(r#"{{"flags":{{"m1":{flag},"m2":{flag},"m3":{flag}}}}}"#)
        });
        let (first, second) =
            tokio::join!(import(one, &files[0], false), import(other, &files[1], false));
        assert!(first.is_ok() || second.is_ok(), "{first:?} {second:?}");
        one.catch_up().await.unwrap();
        let sources = ["m1", "m2", "m3"].map(|key| one.newest("production", key).unwrap());
        assert!(sources.iter().all(|it| it.source() == sources[0].source()), "{sources:?}");
        let of = usize::from(sources[0].source().contains("-1\""));
        assert!([&first, &second][of].is_ok());
    }
    import(one, &file, true).await.unwrap();
    let replaced = import(other, &stale, true).await.unwrap();
    assert_eq!(replaced.added, ["c"]);
    assert_eq!((replaced.unchanged, &*replaced.deleted), (1, &["b".to_owned()][..]));
    let old = Onto::Version(version);
    let refused = one.import("production", file.as_bytes(), old, false, edit(Base::Any)).await;
    assert!(matches!(refused, Err(Refused::Conflict { .. })), "{refused:?}");
    for (wrong, place) in [
        (
            r#"{"flags":{"a":{"state":"ENABLED","variants":{},"defaultVariant":"x"}}}"#,
            "/flags/a/defaultVariant",
        ),
        (r#"{"flags":{"a":{},"a":{}}}"#, "/flags"),
    ] {
        let Err(Refused::Objections(problems)) = import(one, wrong, false).await else {
            panic!("{wrong}")
        };
        assert_eq!(problems[0].place, place, "{wrong}");
    }
    two.close().await;
}

async fn what_is_locked_is_not_turned_up(place: Place) {
    let two = Two::at(&place).await;
    let [one, _] = &two.flags;
    let set = async |definition: &str, unlock: bool, reason: &str| {
        let edit = Edit { unlock, reason: reason.to_owned(), ..edit(Base::Any) };
        one.set("production", "a", &raw(definition), edit).await
    };
    set(PLAIN, false, "").await.unwrap();
    one.change("production", "a", edit(Base::Any), |before| {
        let mut next =
            super::edit::Next::of(&before.unwrap().revision, super::revision::Action::RollBack);
        next.lock = Some(serde_json::json!({"why": "errors doubled"}));
        Ok(Some(next))
    })
    .await
    .unwrap();
    let refused = set(OTHER, false, "it is fine").await.unwrap_err();
    assert_eq!(refused.to_string(), "the flag is locked: errors doubled");
    let with_owner = PLAIN.replacen('{', r#"{"metadata":{"owner":"shop"},"#, 1);
    set(&with_owner, false, "").await.unwrap();
    one.off("production", "a", edit(Base::Any)).await.unwrap();
    assert!(matches!(one.on("production", "a", edit(Base::Any)).await, Err(Refused::Locked(_))));
    assert!(matches!(set(OTHER, true, " ").await, Err(Refused::Wrong(_))));
    let unlocked = set(OTHER, true, "it is mended").await.unwrap();
    assert!(unlocked.revision.lock.is_none());
    one.on("production", "a", edit(Base::Any)).await.unwrap();
    two.close().await;
}
