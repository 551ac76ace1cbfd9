//! The faces of a report: text, JSON, page and CSV.

use crate::lang::{Repo, hour, seaway};
use std::path::Path;

/// A few weeks with a little of everything.
fn story() -> Repo {
    let repo = Repo::new();
    repo.commit("Begin").at(hour(0));
    repo.tag_at("v1.0", hour(1));
    let mut last = String::new();
    for number in 1..=12_i64 {
        let at = hour(number * 40);
        last = repo.commit(&format!("Change {number}")).authored(at - 3600 * number).at(at);
        if number % 3 == 0 {
            repo.tag_at(&format!("v1.{number}"), at + 3600 * 5);
        }
    }
    repo.revert(&last, hour(500));
    repo.tag_at("v1.13", hour(505));
    repo.commit("A subject that is so long that it does not fit in one line of the report at all")
        .at(hour(510));
    repo
}

#[test]
fn the_text_reads_well() {
    let repo = story();
    // By a relative path, so that the name of the temporary folder is not in the report.
    let text = seaway().measure_path(&repo, Path::new("repository")).good().stdout;
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert_eq!(line, line.trim_end());
    }
    assert!(!text.contains('\x1b'), "no colours where there is no terminal");
    insta::assert_snapshot!(text);
}

#[test]
fn the_json_follows_its_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/measure.schema.json");
    let schema = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let little = Repo::new();
    little.with_little_history();
    for repo in [story(), little, Repo::new()] {
        for arguments in [&["--no-cache"][..], &["--no-sizes", "--since", "2024-01-03"]] {
            let report = seaway().measure(&repo).args(arguments).json();
            let errors: Vec<String> = validator
                .iter_errors(&report)
                .map(|it| format!("{}: {it}", it.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{errors:#?}");
        }
    }
    assert!(!validator.is_valid(&serde_json::json!({})), "the schema asks for something");
}

#[test]
fn the_page_is_one_file_that_loads_nothing() {
    let repo = story();
    let path = repo.beside("report.html");
    seaway().measure(&repo).args(["--html".as_ref(), path.as_os_str()]).good();
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page.len() < 6 << 20, "{} bytes", page.len());
    assert!(page.starts_with("<!DOCTYPE html>"));
    // Plotly's own code holds addresses that it opens for nobody here: what the page itself loads
    // or leads to stands outside of scripts.
    let own = outside_of_scripts(&page);
    let link = r#"(?i)\b(?:src|href|srcset|action)\s*=\s*["']?([^"'\s>]*)"#;
    let mut count = 0;
    for link in regex::Regex::new(link).unwrap().captures_iter(&own) {
        assert!(link[1].starts_with('#') || link[1].starts_with("data:"), "{}", &link[0]);
        count += 1;
    }
    assert!(count > 0, "the test knows a link when it sees it");
    assert!(!own.contains("@import") && !own.contains("url(http"), "the style loads nothing");
    assert!(!page.contains("<script src"), "every script is in the page");
}

/// A page without the contents of its scripts.
fn outside_of_scripts(page: &str) -> String {
    let mut text = String::new();
    for (number, part) in page.split("<script").enumerate() {
        if number == 0 {
            text.push_str(part);
        } else {
            let (tag, rest) = part.split_once('>').unwrap();
            text.push_str("<script");
            text.push_str(tag);
            text.push_str(rest.split_once("</script>").map_or("", |(_, after)| after));
        }
    }
    text
}

#[test]
fn formulas_stay_text_in_a_spreadsheet() {
    let repo = Repo::new();
    repo.commit("one").at(hour(0));
    repo.tag_at("v1", hour(1));
    let subjects = ["=HYPERLINK(\"http://example.com\")", "+1", "-1", "@SUM(A1)"];
    for (number, subject) in (2..).zip(subjects) {
        repo.commit(subject).at(hour(number));
    }
    repo.tag_at("=1+1", hour(9));
    let export = seaway().measure(&repo).args(["--deploys", "tag:*"]).export(&repo);
    for row in export.changes().iter().chain(&export.commits()).chain(&export.deployments()) {
        for (column, cell) in row {
            assert!(!cell.starts_with(['=', '+', '-', '@']), "{column}: {cell}");
        }
    }
    let found: Vec<String> = export.changes().iter().map(|row| row["subject"].clone()).collect();
    for subject in subjects {
        assert!(found.contains(&format!("'{subject}")), "{found:?}");
    }
}

#[test]
fn the_same_history_gives_the_same_bytes() {
    let repo = story();
    let run = |arguments: &[&str]| {
        let folder = repo.beside("export");
        let page = repo.beside("report.html");
        let text = seaway()
            .measure(&repo)
            .args(arguments)
            .args(["--export".as_ref(), folder.as_os_str()])
            .args(["--html".as_ref(), page.as_os_str()])
            .args(["--format", "json"])
            .good()
            .stdout;
        let files = ["commits.csv", "deployments.csv", "changes.csv"].map(|it| folder.join(it));
        let files = files.iter().chain([&page]).map(|path| std::fs::read(path).unwrap());
        (text, files.collect::<Vec<_>>())
    };
    let uncached = run(&["--no-cache"]);
    assert!(!repo.beside("cache").exists(), "--no-cache writes none");
    let (cold, warm) = (run(&[]), run(&[]));
    assert!(repo.beside("cache/seaway/graphs").exists(), "the cache is written");
    assert!(uncached == cold && cold == warm && warm == run(&["--no-cache"]));

    // What is new on top of what the cache has gives what no cache gives.
    repo.commit("later").at(hour(600));
    repo.tag_at("v2.0", hour(601));
    repo.git(&["gc", "--quiet"]);
    assert!(run(&[]) == run(&["--no-cache"]));
}
