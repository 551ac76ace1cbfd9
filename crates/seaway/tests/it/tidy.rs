//! The walls between the parts, and how the source is kept.

use std::path::{Path, PathBuf};

/// Folders of the program that serve the nouns and are none themselves.
const SERVANTS: [&str; 4] = ["git", "intake", "ledger", "pages"];
/// The longest source file, in lines.
const LINES_MAX: usize = 600;

struct Source {
    /// The path from `crates`, with slashes.
    name: String,
    text: String,
}

/// All Rust sources of the workspace.
fn sources() -> Vec<Source> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    let mut folders = vec![crates.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let name = path.strip_prefix(crates).unwrap().to_string_lossy().replace('\\', "/");
                found.push(Source { name, text: std::fs::read_to_string(&path).unwrap() });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(found.len() > 40, "the sources are where this test looks for them");
    found
}

/// Lines of code that hold one of the words; comments may name anything.
fn naming<'a>(source: &'a Source, words: &'a [&str]) -> impl Iterator<Item = String> + 'a {
    source
        .text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter(|(_, line)| words.iter().any(|word| line.contains(word)))
        .map(|(number, line)| format!("{}:{}: {}", source.name, number + 1, line.trim()))
}

fn none(found: Vec<String>, why: &str) {
    assert!(found.is_empty(), "{why}:\n{}", found.join("\n"));
}

fn is_this_file(source: &Source) -> bool {
    source.name == "seaway/tests/it/tidy.rs"
}

#[test]
fn only_the_git_folder_names_gix() {
    let sources = sources();
    let names = |source: &&Source| naming(source, &["gix::", "use gix"]).next().is_some();
    let (inside, outside): (Vec<_>, Vec<_>) = sources
        .iter()
        .filter(|source| !is_this_file(source))
        .filter(names)
        .partition(|source| source.name.starts_with("seaway/src/git/"));
    assert!(!inside.is_empty(), "the test knows gix when it sees it");
    none(outside.iter().map(|it| it.name.clone()).collect(), "gix belongs in seaway/src/git");
}

#[test]
fn only_the_ledger_and_stores_speak_sql() {
    let is_allowed = |name: &str| {
        name.starts_with("seaway/src/ledger/")
            || (name.starts_with("seaway/src/") && name.ends_with("/store.rs"))
    };
    let found = sources()
        .iter()
        .filter(|source| !is_allowed(&source.name) && !is_this_file(source))
        .flat_map(|source| naming(source, &["sqlx::", "use sqlx"]).collect::<Vec<_>>())
        .collect();
    none(found, "SQL belongs in ledger/ and in a noun's store.rs");
}

#[test]
fn the_core_is_pure() {
    let words = [
        "std::fs",
        "std::env",
        "std::net",
        "std::process",
        "std::thread",
        "SystemTime",
        "Instant::now",
        "Timestamp::now",
        "Zoned::now",
    ];
    let sources = sources();
    let core = || sources.iter().filter(|it| it.name.starts_with("seaway_core/src/"));
    let found = core().flat_map(|source| naming(source, &words)).collect();
    none(found, "the core does no I/O and reads no clock");
    // Simulations among its tests tell their figures.
    let printing = core().filter(|source| !source.name.contains("/tests/"));
    let found = printing.flat_map(|source| naming(source, &["println!"])).collect();
    none(found, "the core prints nothing");
}

/// Nouns meet in types of the core.
#[test]
fn nouns_do_not_name_each_other() {
    let sources = sources();
    let mut nouns: Vec<&str> = sources
        .iter()
        .filter_map(|source| source.name.strip_prefix("seaway/src/")?.split_once('/'))
        .map(|(noun, _)| noun)
        .filter(|noun| !SERVANTS.contains(noun))
        .collect();
    nouns.dedup();
    assert!(nouns.contains(&"delivery"));
    let mut found = Vec::new();
    for source in &sources {
        let Some(path) = source.name.strip_prefix("seaway/src/") else { continue };
        // The files beside the folders (`cli.rs`) put the nouns together.
        let Some((home, _)) = path.split_once('/') else { continue };
        for noun in nouns.iter().filter(|&&noun| noun != home) {
            found.extend(naming(source, &[&format!("crate::{noun}::")]));
        }
    }
    none(found, "nouns do not import each other, and what serves them imports none");
}

#[test]
fn no_file_is_too_long() {
    let found = sources()
        .iter()
        .map(|source| (source.text.lines().count(), &source.name))
        .filter(|&(lines, _)| lines > LINES_MAX)
        .map(|(lines, name)| format!("{name}: {lines} lines"))
        .collect();
    none(found, "split it");
}

#[test]
fn nothing_is_left_for_later() {
    // In two parts, so that they do not stand here themselves.
    let words = [["to", "do!("], ["unimple", "mented!("], ["#[ig", "nore"], ["db", "g!("]];
    let words = words.map(|parts| parts.concat());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let found =
        sources().iter().flat_map(|source| naming(source, &words).collect::<Vec<_>>()).collect();
    none(found, "finish it");
}
