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
fn commands(path: &str) -> Vec<String> {
    let text = read(path);
    let blocks = text.split("```console test\n").skip(1).map(|it| it.split_once("```").unwrap().0);
    blocks
        .flat_map(|block| {
            format!("\n{block}").split("\n$ ").skip(1).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

/// Runs a command of a document, where a server listens at a URL. Tells what it said.
fn run(data: &Data, command: &str, url: &str) -> String {
    // What the examples need beside the program: its place, and where it listens.
    let command = command.replace("http://127.0.0.1:7700", url);
    let program = env!("CARGO_BIN_EXE_seaway");
    let script = format!("set -e\nseaway() {{ {program} \"$@\"; }}\n{command}");
    let ran = Command::new("bash")
        .args(["-c", &script])
        .current_dir(data.beside(""))
        .env("SEAWAY_DATA", data.folder())
        .output()
        .unwrap();
    let [out, errors] = [ran.stdout, ran.stderr].map(|it| String::from_utf8(it).unwrap());
    assert!(ran.status.success(), "{command}: {errors}");
    out + &errors
}

#[test]
fn the_examples_of_the_document_work() {
    let data = Data::new();
    let server = data.serve();
    let commands = commands("docs/record.md");
    assert!(commands.len() > 15, "{commands:?}");
    for command in commands {
        server.settle();
        assert!(!run(&data, &command, &server.url()).is_empty(), "{command} says nothing");
    }
}

#[test]
fn the_examples_of_who_may_work() {
    let data = Data::new().setting("[access]\ntokens = \"always\"");
    let commands = commands("docs/access.md");
    assert!(commands.len() > 7, "{commands:?}");
    // The first makes the token without which no server starts.
    assert!(run(&data, &commands[0], "").contains("ops (admin)"));
    let server = data.serve();
    for command in &commands[1..] {
        assert!(!run(&data, command, &server.url()).is_empty(), "{command} says nothing");
    }
    let listed = data.run(&["token", "list"]);
    assert!(listed.contains("revoked") && listed.contains("grafana"), "{listed}");
}
