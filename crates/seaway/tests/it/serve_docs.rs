//! The documents, held against the program.

use crate::serve_lang::Data;
use std::path::PathBuf;
use std::process::Command;

fn read(path: &str) -> String {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    std::fs::read_to_string(root.join(path)).unwrap()
}

#[test]
fn the_configuration_in_the_document_is_that_of_the_program() {
    let document = read("docs/measure.md");
    let after = document.split_once("```toml\n# Seaway's defaults").unwrap().1;
    let shown = after.split_once("```").unwrap().0;
    assert_eq!(format!("# Seaway's defaults{shown}"), read("crates/seaway/src/default.toml"));
}

/// The commands of the blocks that are marked to be run, in order.
fn commands() -> Vec<String> {
    let text = read("docs/record.md");
    let blocks = text.split("```console test\n").skip(1).map(|it| it.split_once("```").unwrap().0);
    blocks
        .flat_map(|block| {
            format!("\n{block}").split("\n$ ").skip(1).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn the_examples_of_the_document_work() {
    let data = Data::new();
    let server = data.serve();
    let commands = commands();
    assert!(commands.len() > 15, "{commands:?}");
    for command in commands {
        server.settle();
        // What the examples need beside the program: its place, and where it listens.
        let command = command.replace("http://127.0.0.1:7700", &server.url());
        let program = env!("CARGO_BIN_EXE_seaway");
        let script = format!("set -e\nseaway() {{ {program} \"$@\"; }}\n{command}");
        let home = data.beside("");
        let ran = Command::new("bash")
            .args(["-c", &script])
            .current_dir(&home)
            .env("SEAWAY_DATA", data.folder())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{command}: {errors}");
        assert!(!ran.stdout.is_empty(), "{command} says nothing");
    }
}
