//! Where repositories mention flags, and when that came and went.

use crate::lang::{Repo, Seaway, hour, rfc3339, seaway};
use serde_json::{Value, json};

fn refs(repo: &Repo) -> Seaway {
    let folder = repo.git_folder();
    seaway().verb(repo, &["flag", "refs"]).args([folder])
}

/// What is told of one flag.
fn flag(found: &Value, key: &str) -> Value {
    let flags = found["flags"].as_array().unwrap();
    flags.iter().find(|it| it["key"] == key).unwrap_or_else(|| panic!("no {key}: {found}")).clone()
}

/// When a mention came or went: the commit, the change, the moment.
fn moment(moment: &Value) -> Value {
    json!([moment["commit"], moment["change"], moment["at"]])
}

#[test]
fn mentions_have_places_and_come_and_go_by_commits() {
    let repo = Repo::new();
    repo.commit("Begin").file("src/shop.js", "sell();\n").at(hour(0));
    let direct = repo
        .commit("Sell <b>more</b>")
        .file("src/shop.js", "sell();\nif (isOn(\"sell-more\")) more();\n")
        .at(hour(1));
    // A branch: the second of its commits brings the flag, the last one more of it.
    repo.git(&["checkout", "-q", "-b", "topic"]);
    repo.commit("Nothing yet").file("src/new.js", "newCheckoutFlow();\n").at(hour(2));
    let on_branch = repo
        .commit("The new checkout")
        .file("src/new.js", "if (flags.newCheckout) go();\n")
        .at(hour(3));
    repo.commit("Say so").file("docs/new.md", "`new-checkout` is new.\nnew-checkout\n").at(hour(4));
    repo.git(&["checkout", "-q", "main"]);
    let merge = repo.merge("topic", hour(5));
    // One goes in two steps, comes back, and goes at last.
    repo.commit("Half gone").file("src/shop.js", "sell();\n// sell-more\n").at(hour(6));
    repo.commit("Gone").file("src/shop.js", "sell();\n").at(hour(7));
    repo.commit("Back").file("src/shop.js", "sell();\nisOn('sell-more');\n").at(hour(8));
    let gone = repo.commit("Gone for good").file("src/shop.js", "sell();\n").at(hour(9));
    repo.commit("Others' code")
        .file("node_modules/x/index.js", "new-checkout\nsell-more\n")
        .file("app/node_modules/y.js", "sell-more\n")
        .file("picture.bin", b"\0new-checkout sell-more")
        .file("src/new.js.map", "sell-more")
        .at(hour(10));

    let keys = ["--key", "new-checkout", "--key", "sell-more", "--key", "never", "--key", "never"];
    let found = refs(&repo).args(keys).json();
    assert_eq!(found["branch"], "main");
    assert_eq!(found["revision"], repo.head());
    assert_eq!((&found["shallow"], &found["unread_commits"]), (&json!(false), &json!(0)));
    assert_eq!(found["flags"].as_array().unwrap().len(), 3);

    let new = flag(&found, "new-checkout");
    assert_eq!(new["mentions"], 3);
    let place =
        |path: &str, line: u32, text: &str| json!({ "path": path, "line": line, "text": text });
    assert_eq!(
        new["places"],
        json!([
            place("docs/new.md", 1, "`new-checkout` is new."),
            place("docs/new.md", 2, "new-checkout"),
            place("src/new.js", 1, "if (flags.newCheckout) go();"),
        ])
    );
    assert_eq!(moment(&new["introduced"]), json!([on_branch, merge, rfc3339(hour(5))]));
    assert_eq!(new["removed"], Value::Null);

    let more = flag(&found, "sell-more");
    assert_eq!((&more["mentions"], &more["places"]), (&json!(0), &json!([])));
    assert_eq!(moment(&more["introduced"]), json!([direct, direct, rfc3339(hour(1))]));
    assert_eq!(more["introduced"]["subject"], "Sell <b>more</b>");
    assert_eq!(moment(&more["removed"]), json!([gone, gone, rfc3339(hour(9))]));

    let never = flag(&found, "never");
    assert_eq!([&never["introduced"], &never["removed"]], [&Value::Null, &Value::Null]);

    // A second look, with what was kept, says the same; without history nothing is said of it.
    assert_eq!(refs(&repo).args(keys).json(), found);
    let now = flag(&refs(&repo).args(keys).args(["--no-history"]).json(), "new-checkout");
    assert_eq!((&now["mentions"], &now["introduced"]), (&json!(3), &Value::Null));
}

#[test]
fn a_branch_that_takes_a_flag_away_is_told_by_the_commit_that_took_the_last() {
    let repo = Repo::new();
    repo.commit("Begin").file("a", "old-banner").file("b", "old-banner\n").at(hour(0));
    repo.git(&["checkout", "-q", "-b", "topic"]);
    repo.commit("One of two").file("a", "").at(hour(1));
    let last = repo.commit("The other").file("b", "").at(hour(2));
    repo.commit("And more").file("c", "more").at(hour(3));
    repo.git(&["checkout", "-q", "main"]);
    repo.commit("Meanwhile").at(hour(4));
    let merge = repo.merge("topic", hour(5));
    let found = flag(&refs(&repo).args(["--key", "old-banner"]).json(), "old-banner");
    assert_eq!(moment(&found["removed"]), json!([last, merge, rfc3339(hour(5))]));
    assert_eq!(found["introduced"]["or_earlier"], json!(false));
}

#[test]
fn a_history_that_is_cut_off_says_so() {
    let repo = Repo::new();
    repo.commit("Begin").file("a", "dark-mode").at(hour(0));
    repo.commit("More").file("b", "b").at(hour(1));
    repo.commit("And more").file("c", "c").at(hour(2));
    let shallow = repo.cloned(&["--depth", "2"]);
    let found = refs(&shallow).args(["--key", "dark-mode"]).json();
    assert_eq!(found["shallow"], json!(true));
    let found = flag(&found, "dark-mode");
    assert_eq!(found["introduced"]["or_earlier"], json!(true));
    let text = refs(&shallow).args(["--key", "dark-mode"]).good().stdout;
    assert!(text.contains("or earlier by"), "{text}");
}

#[test]
fn flags_are_named_by_definitions_and_shown_within_eighty_columns() {
    let repo = Repo::new();
    let long = format!("{}x", "deep/".repeat(30));
    let hostile =
        "\u{1b}[31mif (isOn('new-checkout')) \u{202e}hidden".to_owned() + &"y".repeat(500);
    let repeated = "new-checkout\n".repeat(40);
    repo.commit("Begin")
        .file(&long, "new-checkout")
        .file("a.js", hostile)
        .file("b.txt", repeated)
        .at(hour(0));
    let definitions = json!({ "flags": {
        "new-checkout": { "state": "ENABLED", "variants": { "on": true }, "defaultVariant": "on" },
        "gone": { "state": "ENABLED", "variants": { "on": true }, "defaultVariant": "on" },
    } });
    let file = repo.file_beside("flags.json", definitions.to_string());
    let text = refs(&repo).args(["--definitions"]).args([&file]).good().stdout;
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(!line.contains('\u{1b}') && !line.contains('\u{202e}'), "{line}");
    }
    assert!(text.contains("2 flags looked for, 1 mentioned"), "{text}");
    assert!(text.contains("new-checkout  42 mentions in 3 files"), "{text}");
    assert!(text.contains("and 32 more; --format json has them"), "{text}");
    assert!(text.contains("gone  no mention\n  never mentioned"), "{text}");
}

#[test]
fn wrong_use_is_told() {
    let repo = Repo::new();
    repo.commit("Begin").at(hour(0));
    let told = |run: Seaway, code: i32| run.bad(code).stderr;
    let missing = repo.beside("missing.json");
    let run = refs(&repo).args(["--definitions"]).args([&missing]);
    assert!(told(run, 2).contains("cannot be read"));
    let broken = repo.file_beside("broken.json", "{");
    let run = refs(&repo).args(["--definitions"]).args([&broken]);
    assert!(told(run, 2).contains("is no file of flagd definitions"));
    assert!(told(refs(&repo).args(["--key", ""]), 2).contains("no flag is named"));
    let run = seaway().verb(&repo, &["flag", "refs", "--key", "a"]).args([missing]);
    assert!(told(run, 2).contains("is not a git repository"));
}
