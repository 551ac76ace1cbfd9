//! The verbs of flags, against a server that runs.

use crate::flags_lang::switch;
use crate::serve_lang::Data;
use serde_json::{Value, json};

#[test]
fn the_verbs_do_what_the_pages_do() {
    let data = Data::new();
    let server = data.serve();
    let data = data.env("SEAWAY_SERVER", &server.url());
    let write = |name: &str, text: &str| {
        let path = data.beside(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let run = |arguments: &[&str]| data.run(&[&["flag"], arguments].concat());
    let json = |arguments: &[&str]| -> Value {
        serde_json::from_str(&run(&[arguments, &["--format", "json"]].concat())).unwrap()
    };
    let fails = |arguments: &[&str], code: i32, word: &str| {
        let (found, said) = data.run_failing(&[&["flag"], arguments].concat());
        assert_eq!(found, code, "{arguments:?}: {said}");
        assert!(said.contains(word), "{arguments:?}: {said}");
    };
    assert_eq!(run(&["list"]), "there are no flags\n");
    // Numbers are kept as they were written.
    let text = r#"{ "state": "ENABLED", "variants": { "a": 1.50, "b": 2 }, "defaultVariant": "a",
      "metadata": { "owner": "shop", "offVariant": "b" } }"#;
    let file = write("flag.json", text);
    assert_eq!(run(&["set", "price / x", &file]), "price / x is on in production (revision 1)\n");
    fails(&["set", "price / x", &file], 2, "--base");
    fails(&["set", "price / x", &file, "--base", "7"], 2, "the newest revision is 1");
    fails(&["set", "y", "/no/such"], 2, "cannot be read");
    fails(&["show", "none"], 2, "there is no flag none");
    let wrong =
        write("wrong.json", r#"{"state":"ENABLED","variants":{"a":1},"defaultVariant":"b"}"#);
    fails(&["set", "y", &wrong], 2, "/defaultVariant");
    let preview = run(&["set", "price / x", &file, "--preview"]);
    assert!(preview.contains("no unit was seen lately"), "{preview}");
    let off = run(&["off", "price / x", "--reason", "errors"]);
    assert_eq!(off, "price / x is off in production (revision 2)\n");
    assert_eq!(run(&["on", "price / x"]), "price / x is on in production (revision 3)\n");
    let shown = run(&["show", "price / x"]);
    for line in ["when off  b", "owner     shop", "type      number"] {
        assert!(shown.contains(line), "{shown}");
    }
    let exported = run(&["export"]);
    assert!(exported.contains(text), "{exported}");
    let history = run(&["history", "price / x"]);
    assert!(history.contains("errors") && history.lines().count() == 4, "{history}");
    assert_eq!(json(&["history", "price / x"]).as_array().unwrap().len(), 3);
    assert_eq!(json(&["restore", "price / x", "1"])["revision"], 4);
    let one = json!({ "flags": { "one": switch("on"), "two": switch("off") } }).to_string();
    let all = write("all.json", &one);
    assert_eq!(run(&["import", &all]), "2 added, 0 changed, 0 deleted, 0 as they were\n");
    let replaced = run(&["import", &all, "--replace", "--reason", "from git"]);
    assert_eq!(replaced, "0 added, 0 changed, 1 deleted, 2 as they were\n");
    let staging = json(&["import", &all, "--environment", "staging"]);
    assert_eq!(staging["added"], json!(["one", "two"]));
    let list = run(&["list"]);
    assert_eq!(list.lines().count(), 5, "{list}");
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    assert_eq!(json(&["list", "-e", "staging", "-q", "ONE"])[0]["key"], "one");
    let out = data.beside("out.json").display().to_string();
    let told = run(&["export", "-e", "staging", "-o", &out]);
    assert!(told.contains("out.json is version"), "{told}");
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!(kept["flags"]["one"], switch("on"));
    assert_eq!(run(&["delete", "one"]), "one is deleted in production (revision 2)\n");
    assert!(server.stop());
    fails(&["list"], 3, "cannot be reached");
}
