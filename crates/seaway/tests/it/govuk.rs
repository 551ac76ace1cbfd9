//! The history of GOV.UK's frontend, rebuilt as a real repository: 14 years, 5,332 release tags.
//! What each commit's first deployment was is known from an implementation that is not ours.

use crate::lang::{Repo, commit_counts, rfc3339, seaway};
use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the shared data, where there is one.
fn shared_data() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("SEAWAY_SHARED_DATA").map_or_else(beside, PathBuf::from);
    folder.join("delivery/govuk-frontend.graph.tsv.gz").exists().then_some(folder)
}

pub(crate) fn unpacked(path: &Path) -> String {
    let output = Command::new("gzip").arg("-dc").arg(path).output().expect("gzip is installed");
    assert!(output.status.success(), "{} cannot be unpacked", path.display());
    String::from_utf8(output.stdout).unwrap()
}

/// The history for `git fast-import`: empty trees, and each tag of the kind it was; commit number
/// n gets mark n. With it, the original hashes by mark.
fn stream(graph: &str) -> (String, Vec<&str>) {
    let mut originals = Vec::new();
    let mut marks: HashMap<&str, usize> = HashMap::new();
    let mut stream = String::new();
    for line in graph.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            ["C", hash, authored, committed, ref parents @ ..] => {
                originals.push(hash);
                let mark = originals.len();
                marks.insert(hash, mark);
                let length = hash.len();
                let _ = write!(
                    stream,
                    "commit refs/heads/building\nmark :{mark}\n\
                     author A <a@example.com> {authored} +0000\n\
                     committer A <a@example.com> {committed} +0000\ndata {length}\n{hash}\n"
                );
                if parents.concat().trim().is_empty() {
                    // Without this, fast-import takes the commit before for the parent.
                    stream = root(stream);
                }
                for (at, parent) in parents.iter().flat_map(|it| it.split(' ')).enumerate() {
                    if let Some(mark) = marks.get(parent) {
                        let word = if at == 0 { "from" } else { "merge" };
                        let _ = writeln!(stream, "{word} :{mark}");
                    }
                }
                stream.push_str("deleteall\n\n");
            }
            ["T", name, target, tagged_at, "annotated"] => {
                let _ = write!(
                    stream,
                    "tag {name}\nfrom :{}\ntagger A <a@example.com> {tagged_at} +0000\ndata 0\n\n",
                    marks[target]
                );
            }
            ["T", name, target, _, "lightweight"] => {
                let _ = write!(stream, "reset refs/tags/{name}\nfrom :{}\n\n", marks[target]);
            }
            [_, head] => {
                let _ = write!(stream, "reset refs/heads/main\nfrom :{}\n\n", marks[head]);
            }
            _ => panic!("not a line of the graph: {line}"),
        }
    }
    (stream, originals)
}

/// A row of the file of what is known, as the export would write it.
fn known_row(row: &HashMap<String, String>) -> [String; 4] {
    let deployed_at = row["deployed_at"].parse().map(rfc3339).unwrap_or_default();
    [row["commit"].clone(), row["status"].clone(), row["deployment"].clone(), deployed_at]
}

/// Puts a reset of the branch before the commit that was written last, so that it is a root.
fn root(mut stream: String) -> String {
    let start = stream.rfind("commit refs/heads/building").unwrap();
    stream.insert_str(start, "reset refs/heads/building\n");
    stream
}

/// The history as a real repository, and the original hash of each of its commits.
pub(crate) fn rebuilt(graph: &str) -> (Repo, HashMap<String, String>) {
    let (stream, originals) = stream(graph);
    let repo = Repo::new();
    repo.git_fed(
        &["fast-import", "--quiet", "--export-marks=marks", "--date-format=raw-permissive"],
        stream.as_bytes(),
    );
    let marks = std::fs::read_to_string(repo.folder.join("marks")).unwrap();
    let original = |line: &str| {
        let (mark, hash) = line.split_once(' ').unwrap();
        (hash.to_owned(), originals[mark[1..].parse::<usize>().unwrap() - 1].to_owned())
    };
    let original = marks.lines().map(original).collect();
    (repo, original)
}

/// The shared data; `None`, with a word about it, where it is not here.
pub(crate) fn data_or_skip() -> Option<PathBuf> {
    let data = shared_data();
    if data.is_none() {
        let required = std::env::var("SEAWAY_REQUIRE").is_ok_and(|what| what == "all");
        assert!(!required, "SEAWAY_REQUIRE=all, and the shared data is not there");
        eprintln!(
            "skipped: the history of GOV.UK is not here; SEAWAY_SHARED_DATA names its folder"
        );
    }
    data
}

#[test]
fn every_commit_of_govuk_frontend_has_the_deployment_that_is_known() {
    let Some(data) = data_or_skip() else { return };
    let graph = unpacked(&data.join("delivery/govuk-frontend.graph.tsv.gz"));
    let (repo, original) = rebuilt(&graph);
    let measure =
        || seaway().measure(&repo).args(["--deploys", "tag:*", "--no-sizes", "--no-cache"]);
    assert_eq!(commit_counts(&measure().json()), [508, 10_401, 0]);

    let mut measured: Vec<[String; 4]> = measure()
        .export(&repo)
        .commits()
        .iter()
        .map(|row| {
            let hash = original[&row["commit"]].clone();
            [
                hash,
                row["status"].clone(),
                row["first_deployment"].clone(),
                row["deployed_at"].clone(),
            ]
        })
        .collect();
    let known = unpacked(&data.join("delivery/govuk-frontend.first-deployment.csv.gz"));
    let mut known: Vec<[String; 4]> = csv::Reader::from_reader(known.as_bytes())
        .deserialize::<HashMap<String, String>>()
        .map(|row| known_row(&row.unwrap()))
        .collect();
    assert_eq!(known.len(), 10_909);
    measured.sort();
    known.sort();
    for (measured, known) in measured.iter().zip(&known) {
        assert_eq!(measured, known);
    }
    assert_eq!(measured.len(), known.len());
}
