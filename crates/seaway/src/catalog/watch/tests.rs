use super::super::change_of;
use super::*;
use crate::ledger::{Databases, Limits, Place};
use std::fs;

/// 2026-06-01, Unix microseconds.
fn clock() -> i64 {
    1_780_272_000_000_000
}

fn component(owner: &str) -> String {
    format!(
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {{name: shop}}\n\
         spec: {{owner: {owner}}}\n"
    )
}

/// All changes of the catalog on a log.
async fn on_log(ledger: &Ledger) -> Vec<seaway_core::catalog::Change> {
    let stretch = ledger.read_after(0, 1_000, usize::MAX).await.unwrap();
    stretch.events.iter().map(|it| change_of(&it.event).unwrap().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_read_once_it_rests_and_each_change_is_told_once() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("catalog");
    fs::create_dir(&folder).unwrap();
    let place = Place::Folder(home.path().join("data"));
    let databases = Databases::open(&place).await.unwrap();
    let ledger = Ledger::start(databases.log.clone(), Limits::default()).await.unwrap();
    let reader = ledger.clone();
    let known = move |_| {
        let reader = reader.clone();
        async move {
            let mut history = History::default();
            on_log(&reader).await.into_iter().for_each(|change| history.add(change));
            Some(Arc::new(history))
        }
    };
    let write = |text: &str| fs::write(folder.join("shop.yaml"), text).unwrap();
    let mut watcher =
        Watcher::new(vec![Source::Folder(folder.clone())], ledger.clone(), known, clock);
    let state = watcher.state();

    watcher.look().await;
    assert!(state.borrow().problems[0].text.contains("there is no *.yaml"));
    write(&component("a"));
    watcher.look().await;
    assert_eq!(on_log(&ledger).await, [], "it may still be written");
    for _ in 0..3 {
        watcher.look().await;
    }
    assert_eq!(on_log(&ledger).await.len(), 1);
    assert_eq!(state.borrow().problems, []);
    assert!(state.borrow().read_at.is_some());

    write(&component("bb"));
    watcher.look().await;
    write(&component("ccc"));
    watcher.look().await;
    assert_eq!(on_log(&ledger).await.len(), 1, "it changed while it was watched");
    watcher.look().await;
    write("kind: Component");
    for _ in 0..3 {
        watcher.look().await;
    }
    let changes = on_log(&ledger).await;
    assert_eq!(changes.len(), 2, "what was never at rest was never told");
    // The files were written after the moment that the clock tells.
    assert_eq!(changes[0].at, 1_780_272_000);
    assert_eq!(changes[1].at, 1_780_272_001);
    assert_eq!(state.borrow().problems.len(), 1);
    drop(watcher);
    ledger.finish().await;
    databases.close().await;
}

#[test]
fn files_of_several_folders_are_one_catalog() {
    let home = tempfile::tempdir().unwrap();
    let folders = ["one", "two"].map(|name| home.path().join(name));
    for (folder, at) in folders.iter().zip([5, 7]) {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("shop.yaml"), component("a")).unwrap();
        let file = fs::File::options().write(true).open(folder.join("shop.yaml")).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(at)).unwrap();
    }
    let sources = folders.clone().map(Source::Folder);
    let problems = read(&sources).err().unwrap();
    let second = folders[1].join("shop.yaml").display().to_string();
    assert_eq!((problems[0].file.as_str(), problems[0].line), (second.as_str(), 1));
    let team = "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: a}\n";
    fs::write(folders[1].join("shop.yaml"), team).unwrap();
    let both = read(&sources).ok().unwrap();
    assert_eq!(both.entities.definitions.len(), 2);
    assert_eq!(both.written[0], Some(5));
    fs::remove_dir_all(&folders[0]).unwrap();
    assert!(read(&sources).is_err(), "one that is gone is no empty one");
}
