//! Repositories of every strange shape: a right answer, or a clear sentence.

use crate::lang::{Repo, commit_counts, finding, hour, seaway};
use std::fmt::Write;

/// The hashes of the commits in the export.
fn exported(repo: &Repo) -> Vec<String> {
    let rows = seaway().measure(repo).args(["--no-cache"]).export(repo).commits();
    let mut hashes: Vec<String> = rows.iter().map(|row| row["commit"].clone()).collect();
    hashes.sort();
    hashes
}

#[test]
fn an_empty_repository() {
    let report = seaway().measure(&Repo::new()).json();
    assert_eq!(finding(&report, "empty"), Some(1));
    assert_eq!(commit_counts(&report), [0, 0, 0]);
    assert!(report["time_to_value"]["p50"]["seconds"].is_null());
    seaway().measure(&Repo::new()).good();
}

#[test]
fn no_tags() {
    let repo = Repo::new();
    repo.commit("one").at(hour(0));
    repo.commit("two").at(hour(1));
    let report = seaway().measure(&repo).json();
    assert_eq!(commit_counts(&report), [1, 1, 0]);
    let report = seaway().measure(&repo).args(["--deploys", "tag:v*"]).json();
    assert_eq!(commit_counts(&report), [0, 0, 2]);
    assert_eq!(finding(&report, "no_matching_tag"), Some(1));
}

#[test]
fn no_default_branch() {
    let repo = Repo::new();
    repo.with_little_history();
    repo.git(&["symbolic-ref", "HEAD", "refs/heads/gone"]);
    repo.git(&["update-ref", "-d", "refs/heads/main"]);
    let report = seaway().measure(&repo).json();
    assert_eq!(commit_counts(&report), [1, 1, 0]);
    assert_eq!(finding(&report, "no_default_branch"), Some(1));
    assert!(report["source"]["branch"].is_null());
}

#[test]
fn a_detached_head() {
    let repo = Repo::new();
    let [first, _, third] = repo.with_little_history();
    repo.git(&["checkout", "--quiet", &first]);
    let report = seaway().measure(&repo).json();
    assert_eq!(report["source"]["branch"], "main");
    assert_eq!(report["source"]["head"], third);
    repo.git(&["branch", "--quiet", "-m", "main", "odd"]);
    repo.git(&["checkout", "--quiet", &third]);
    let report = seaway().measure(&repo).json();
    assert!(report["source"]["branch"].is_null());
    assert_eq!(report["source"]["head"], third);
    assert_eq!(finding(&report, "detached_head"), Some(1));
    assert_eq!(commit_counts(&report), [1, 1, 1]);
}

#[test]
fn a_bare_repository_and_a_folder_within_a_work_tree() {
    let repo = Repo::new();
    repo.with_little_history();
    let bare = repo.cloned(&["--bare"]);
    let reports = [
        seaway().measure(&repo).json(),
        seaway().measure(&bare).json(),
        seaway().measure_path(&repo, &repo.git_folder()).json(),
    ];
    for report in &reports {
        assert_eq!(commit_counts(report), [1, 1, 1]);
        assert_eq!(report["time_to_value"], reports[0]["time_to_value"]);
        assert_eq!(report["size"], reports[0]["size"]);
    }
    let within = repo.folder.join("within");
    std::fs::create_dir(&within).unwrap();
    assert_eq!(commit_counts(&seaway().measure_path(&repo, &within).json()), [1, 1, 1]);
}

#[test]
fn a_shallow_clone_is_said_and_its_edge_is_baseline() {
    let repo = Repo::new();
    repo.with_little_history();
    repo.commit("fourth").at(hour(7));
    repo.tag_at("v1.2.0", hour(8));
    let shallow = repo.cloned(&["--depth", "3"]);
    let report = seaway().measure(&shallow).json();
    assert_eq!(finding(&report, "shallow"), Some(1));
    assert_eq!(commit_counts(&report), [1, 2, 0]);
    // Once the rest is there, nothing that was kept of the shallow history stands in the way.
    shallow.git(&["fetch", "--quiet", "--unshallow", "--tags"]);
    let report = seaway().measure(&shallow).json();
    assert_eq!(finding(&report, "shallow"), None);
    assert_eq!(commit_counts(&report), [1, 3, 0]);
}

#[test]
fn a_partial_clone_lacks_sizes_and_nothing_else() {
    let repo = Repo::new();
    repo.with_little_history();
    repo.git(&["config", "uploadpack.allowFilter", "true"]);
    for filter in ["--filter=blob:none", "--filter=tree:0"] {
        let partial = repo.cloned(&["--bare", filter]);
        let whole = partial.git(&["count-objects", "-v"]);
        let report = seaway().measure(&partial).json();
        assert_eq!(commit_counts(&report), [1, 1, 1]);
        assert_eq!(report["size"]["unknown"], 2, "{filter}");
        assert_eq!(report["size"]["n"], 0, "{filter}");
        assert_eq!(partial.git(&["count-objects", "-v"]), whole, "nothing was fetched");
    }
}

#[test]
fn a_sha_256_repository() {
    let repo = Repo::init(&["--object-format=sha256"]);
    let [_, second, _] = repo.with_little_history();
    assert_eq!(second.len(), 64);
    for _ in 0..2 {
        let report = seaway().measure(&repo).json();
        assert_eq!(commit_counts(&report), [1, 1, 1]);
        assert_eq!(report["size"]["unknown"], 0);
        let export = seaway().measure(&repo).export(&repo);
        assert_eq!(export.change(&second)["seconds"], "10800");
        assert_eq!(export.change(&second)["lines_added"], "1");
        repo.git(&["gc", "--quiet"]);
    }
}

#[test]
fn tags_on_trees_and_blobs_are_left_out_and_said() {
    let repo = Repo::new();
    repo.with_little_history();
    let tree = repo.git(&["rev-parse", "HEAD^{tree}"]);
    let blob = repo.git_fed(&["hash-object", "-w", "--stdin"], b"a key");
    repo.git(&["tag", "v2.0.0", &tree]);
    repo.git(&["tag", "v3.0.0", &blob]);
    repo.git(&["tag", "-a", "-m", "key", "v4.0.0", &blob]);
    for arguments in [&[][..], &["--deploys", "tag:*"]] {
        let report = seaway().measure(&repo).args(arguments).json();
        assert_eq!(finding(&report, "tag_without_commit"), Some(3));
        assert_eq!(commit_counts(&report), [1, 1, 1]);
    }
}

/// Three commits, the middle one to be left out by a graft or a replacement.
fn with_a_middle() -> (Repo, [String; 3]) {
    let repo = Repo::new();
    let first = repo.commit("one").at(hour(0));
    repo.tag_at("v1", hour(1));
    let middle = repo.commit("two").at(hour(2));
    let last = repo.commit("three").at(hour(3));
    repo.tag_at("v2", hour(4));
    (repo, [first, middle, last])
}

#[test]
fn grafts_are_read_as_git_reads_them() {
    let (repo, [first, middle, last]) = with_a_middle();
    assert_eq!(commit_counts(&seaway().measure(&repo).json()), [1, 2, 0]);
    std::fs::create_dir_all(repo.git_folder().join("info")).unwrap();
    std::fs::write(repo.git_folder().join("info/grafts"), format!("{last} {first}\n")).unwrap();
    for _ in 0..2 {
        let report = seaway().measure(&repo).json();
        assert_eq!(commit_counts(&report), [1, 1, 0]);
        assert_eq!(finding(&report, "grafts"), Some(1));
        assert!(!exported(&repo).contains(&middle));
        repo.git(&["repack", "-a", "-d", "-q"]);
    }
    // A circle is said, and does not run for ever.
    let circle = format!("{first} {last}\n");
    std::fs::write(repo.git_folder().join("info/grafts"), circle).unwrap();
    let run = seaway().measure(&repo).bad(3);
    assert!(run.stderr.contains("circle"), "{}", run.stderr);
}

#[test]
fn replacements_are_read_as_git_reads_them() {
    for packed in [false, true] {
        let (repo, [first, middle, last]) = with_a_middle();
        repo.git(&["replace", "--graft", &last, &first]);
        if packed {
            repo.git(&["gc", "--quiet"]);
        }
        let report = seaway().measure(&repo).json();
        assert_eq!(commit_counts(&report), [1, 1, 0], "packed: {packed}");
        assert_eq!(finding(&report, "replaced"), Some(1));
        assert!(!exported(&repo).contains(&middle));
        // Without the replacement the cache must not remember it.
        repo.git(&["replace", "-d", &last]);
        assert_eq!(commit_counts(&seaway().measure(&repo).json()), [1, 2, 0]);
    }
}

#[test]
fn dates_that_cannot_be_true_count_as_missing() {
    let repo = Repo::new();
    repo.with_little_history();
    let dates: [&[u8]; 5] = [b"0", b"4102444800", b"-86400", b"99999999999999999999", b"soon"];
    for date in dates {
        let who = [b"Ada <ada@example.com> ", date, b" +0000"].concat();
        repo.raw_commit(&who, &who, b"a strange date\n");
    }
    repo.tag_at("v9.0.0", hour(9));
    let report = seaway().measure(&repo).json();
    assert_eq!(finding(&report, "absurd_clocks"), Some(5));
    assert_eq!(commit_counts(&report), [1, 7, 0]);
    assert_eq!(report["source"]["as_of"], "2024-01-01T09:00:00Z");
    for row in seaway().measure(&repo).export(&repo).changes() {
        assert!(!row["seconds"].starts_with('-'), "{row:?}");
    }
    seaway().measure(&repo).good();
    seaway().measure(&repo).args(["--deploys", "merges"]).good();
}

#[test]
fn broken_encodings_and_a_megabyte_of_a_subject() {
    let repo = Repo::new();
    repo.with_little_history();
    let author = |name: &[u8]| [name, b" <\xff@\xfe> 1704100000 +0000"].concat();
    let long = vec![b'x'; 1 << 20];
    repo.raw_commit(&author(b"\xff\xfe\x80"), &author(b"\xc3"), b"caf\xe9 \xf0\x9f\xff\n");
    repo.raw_commit(&author(&long), &author(&long), &long);
    repo.raw_commit(b"", b"", b"");
    let page = repo.beside("page.html");
    let text = seaway().measure(&repo).args(["--html".as_ref(), page.as_os_str()]).good().stdout;
    assert!(text.lines().all(|line| line.chars().count() <= 80));
    assert!(std::fs::metadata(page).unwrap().len() < 6 << 20);
    assert_eq!(commit_counts(&seaway().measure(&repo).json()), [1, 1, 4]);
    for row in seaway().measure(&repo).export(&repo).changes() {
        assert!(row["subject"].chars().count() <= 200, "{}", row["subject"].len());
    }
}

#[test]
fn escape_sequences_and_markup_reach_nobody_as_code() {
    let repo = Repo::new();
    repo.with_little_history();
    let bad = "\x1b[31mred\x1b]0;title\x07\u{9b}5m\u{202e}<script>alert(1)</script><img src=x>";
    let who = format!("{bad} <a@example.com> {} +0000", hour(7));
    let hash = repo.raw_commit(who.as_bytes(), who.as_bytes(), bad.as_bytes());
    repo.raw_commit(
        format!("Ada <a@example.com> {} +0000", hour(8)).as_bytes(),
        format!("Ada <a@example.com> {} +0000", hour(8)).as_bytes(),
        format!("Revert\n\nThis reverts commit {hash}.\n").as_bytes(),
    );
    let waiting = format!("Ada <a@example.com> {} +0000", hour(8));
    repo.raw_commit(waiting.as_bytes(), waiting.as_bytes(), bad.as_bytes());
    repo.git(&["tag", "v2<script>alert(1)", "HEAD~1"]);
    let page = repo.beside("page.html");
    let arguments = ["--deploys", "tag:*"];
    let text = seaway()
        .measure(&repo)
        .args(arguments)
        .args(["--html".as_ref(), page.as_os_str()])
        .good()
        .stdout;
    let harmless =
        |text: &str| !text.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}'));
    assert!(text.contains("red"), "the subject is shown");
    assert!(harmless(&text), "{text}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(!page.contains("<script>alert") && !page.contains("<img src=x"));
    assert!(!page.contains(['\x1b', '\x07', '\u{9b}', '\u{202e}']));
    // On a terminal, colours are the program's own and nothing else is.
    let coloured = seaway().measure(&repo).args(arguments).env("CLICOLOR_FORCE", "1").good().stdout;
    assert!(coloured.contains('\x1b'), "colours were asked for");
    let own = regex::Regex::new("\x1b\\[(?:0|1|2|36)m").unwrap();
    assert!(harmless(&own.replace_all(&coloured, "")), "{coloured:?}");
    for row in seaway().measure(&repo).args(arguments).export(&repo).changes() {
        assert!(row.values().all(|cell| harmless(cell)), "{row:?}");
    }
    // What is quoted in an error is cleaned, too.
    let run = seaway().measure_path(&repo, "no\x1b[31msuch".as_ref()).bad(2);
    assert!(harmless(&run.stderr), "{:?}", run.stderr);
}

/// Twenty thousand here; a million was tried by hand.
#[test]
fn very_many_tags() {
    let repo = Repo::new();
    let [first, second, third] = repo.with_little_history();
    let mut names: Vec<(String, &String)> = (0..20_000)
        .map(|number| {
            let commit = [&first, &second, &third][number % 3];
            (format!("refs/tags/n{number}"), commit)
        })
        .collect();
    names.sort();
    let mut packed = "# pack-refs with: peeled fully-peeled sorted \n".to_owned();
    for (name, commit) in names {
        let _ = writeln!(packed, "{commit} {name}");
    }
    std::fs::write(repo.git_folder().join("packed-refs"), packed).unwrap();
    let report = seaway().measure(&repo).args(["--deploys", "tag:n*"]).json();
    assert_eq!(report["deployments"]["count"], 20_000);
    assert_eq!(commit_counts(&report), [1, 2, 0]);
}
