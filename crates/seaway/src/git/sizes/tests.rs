use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicU32;

use super::*;

/// A repository in a folder of its own, built by git and gone with the test.
struct Repo(PathBuf);

impl Drop for Repo {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

impl Repo {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("seaway-sizes-{}-{number}", std::process::id());
        let repo = Self(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&repo.0).unwrap();
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo
    }

    /// What git prints, with nothing from the user's own configuration.
    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(&self.0)
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "A")
            .env("GIT_AUTHOR_EMAIL", "a@example.com")
            .env("GIT_AUTHOR_DATE", "2024-01-01T00:00:00Z")
            .env("GIT_COMMITTER_NAME", "A")
            .env("GIT_COMMITTER_EMAIL", "a@example.com")
            .env("GIT_COMMITTER_DATE", "2024-01-01T00:00:00Z")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", output.stderr.escape_ascii());
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn commit_index(&self) -> ObjectId {
        self.git(&["commit", "--quiet", "--allow-empty", "--message=x"]);
        self.git(&["rev-parse", "HEAD"]).parse().unwrap()
    }

    fn commit(&self) -> ObjectId {
        self.git(&["add", "--all"]);
        self.commit_index()
    }

    fn remove_object(&self, id: &str) {
        let (folder, file) = id.split_at(2);
        std::fs::remove_file(self.path(".git/objects").join(folder).join(file)).unwrap();
    }

    fn open(&self) -> ThreadSafeRepository {
        open(&self.0)
    }

    /// What git counts between two commits.
    fn numstat(&self, pair: &Pair) -> Size {
        let before = pair.before.map_or_else(
            || self.git(&["hash-object", "-t", "tree", "/dev/null"]),
            |commit| commit.to_string(),
        );
        let text = self.git(&["diff", "--numstat", "-M", &before, &pair.after.to_string()]);
        let mut size = Size::default();
        for line in text.lines() {
            let mut columns = line.split('\t').map(|column| column.parse().unwrap_or(0));
            size.files += 1;
            size.lines_added += columns.next().unwrap();
            size.lines_deleted += columns.next().unwrap();
        }
        size
    }

    /// Measures a pair, and checks that git says the same.
    fn size(&self, before: Option<ObjectId>, after: ObjectId) -> (u32, u32, u32) {
        let pair = Pair { before, after };
        let size = one(&self.open(), pair).unwrap();
        assert_eq!(size, self.numstat(&pair), "git counts otherwise");
        (size.files, size.lines_added, size.lines_deleted)
    }

    fn touched(&self, before: Option<ObjectId>, after: ObjectId, globs: &[&str]) -> Option<bool> {
        let (done, interrupted) = (AtomicUsize::new(0), AtomicBool::new(false));
        let pairs = [Pair { before, after }];
        let globs = Globs::new(globs);
        let found = touches(&self.open(), &pairs, &globs, 1, &done, &interrupted);
        found.unwrap()[0]
    }
}

fn open(path: &Path) -> ThreadSafeRepository {
    gix::open_opts(path, gix::open::Options::isolated()).unwrap().into_sync()
}

fn one(repo: &ThreadSafeRepository, pair: Pair) -> Option<Size> {
    let (done, interrupted) = (AtomicUsize::new(0), AtomicBool::new(false));
    let sizes = measure(repo, &[pair], 1, &done, &interrupted).unwrap();
    assert_eq!(done.load(Ordering::Relaxed), 1);
    sizes[0]
}

/// Numbered lines, each told apart by `word`.
fn lines(word: &str, numbers: std::ops::Range<u32>) -> String {
    numbers.map(|number| format!("{word} {number}\n")).collect()
}

#[test]
fn root_commit_counts_every_line_even_without_newline() {
    let repo = Repo::new();
    repo.write("a/b/c.txt", "one\ntwo\nthree");
    repo.write("empty", "");
    let root = repo.commit();
    assert_eq!(repo.size(None, root), (2, 3, 0));
}

#[test]
fn edits_are_counted_by_line() {
    let repo = Repo::new();
    repo.write("a.txt", lines("line", 0..50));
    repo.write("end.txt", "x\ny\nz");
    repo.write("gone.txt", "1\n2\n");
    let before = repo.commit();
    let text = lines("line", 0..50);
    repo.write("a.txt", text.replace("line 7\n", "seven\n").replace("line 30\n", "") + "more\n");
    repo.write("end.txt", "x\ny\nz\n");
    std::fs::remove_file(repo.path("gone.txt")).unwrap();
    let after = repo.commit();
    assert_eq!(repo.size(Some(before), after), (3, 3, 5));
    assert_eq!(repo.size(Some(after), before), (3, 5, 3));
    assert_eq!(repo.size(Some(after), after), (0, 0, 0));
}

#[test]
fn frequent_lines_in_long_edits_are_counted_as_git_does() {
    let repo = Repo::new();
    let block = |word: &str, numbers: std::ops::Range<u32>| -> String {
        numbers.map(|number| format!("{word} {number}\n{{\n\n}}\n")).collect()
    };
    repo.write("a.c", block("keep", 0..60) + &block("old", 0..15) + &block("keep", 60..120));
    let before = repo.commit();
    let new = "\n{\n".to_owned() + &lines("new", 0..20) + "}\n" + &lines("new", 20..40);
    repo.write("a.c", block("keep", 0..60) + &new + &block("keep", 60..120));
    let after = repo.commit();
    let (files, added, deleted) = repo.size(Some(before), after);
    assert_eq!((files, 60 + added - deleted), (1, 43));
}

#[test]
fn renames_are_one_file_each() {
    let repo = Repo::new();
    repo.write("exact.txt", lines("exact", 0..20));
    repo.write("dir/same_name.txt", lines("named", 0..20));
    repo.write("edited.txt", lines("edited", 0..20));
    repo.write("rewritten.txt", lines("old", 0..20));
    repo.write("empty.txt", "");
    let before = repo.commit();
    for (old, new) in [
        ("exact.txt", "moved/exact_too.txt"),
        ("dir/same_name.txt", "other/same_name.txt"),
        ("edited.txt", "edited_elsewhere.txt"),
        ("rewritten.txt", "not_the_same.txt"),
        ("empty.txt", "still_empty.txt"),
    ] {
        std::fs::create_dir_all(repo.path(new).parent().unwrap()).unwrap();
        std::fs::rename(repo.path(old), repo.path(new)).unwrap();
    }
    repo.write("other/same_name.txt", lines("named", 0..18) + "x\n");
    repo.write("edited_elsewhere.txt", lines("edited", 5..20) + "y\n");
    repo.write("not_the_same.txt", lines("completely different", 0..20));
    let after = repo.commit();
    // Four renames, and one file that went while another came.
    assert_eq!(repo.size(Some(before), after), (6, 22, 27));
}

#[test]
fn likeness_of_half_is_a_rename_and_less_is_none() {
    for kept in 8..=12 {
        let repo = Repo::new();
        // All lines are of the same length, so that half of them are half of the bytes.
        repo.write("old.txt", lines("aaaaaaaa", 10..30));
        let before = repo.commit();
        std::fs::remove_file(repo.path("old.txt")).unwrap();
        repo.write("new.txt", lines("aaaaaaaa", 10..10 + kept) + &lines("bbbbbbbb", 10..30 - kept));
        let after = repo.commit();
        let files = repo.size(Some(before), after).0;
        assert_eq!(files, if kept < 10 { 2 } else { 1 }, "{kept} of 20 lines kept");
    }
}

#[test]
fn a_name_of_its_own_wins_over_a_closer_likeness() {
    let repo = Repo::new();
    repo.write("a/one.txt", lines("x", 0..40));
    repo.write("a/two.txt", lines("x", 0..36) + &lines("y", 0..4));
    let before = repo.commit();
    std::fs::remove_dir_all(repo.path("a")).unwrap();
    repo.write("b/one.txt", lines("x", 0..36) + &lines("y", 0..3));
    repo.write("b/three.txt", lines("x", 0..39));
    let after = repo.commit();
    assert_eq!(repo.size(Some(before), after).0, 2);
}

#[test]
fn beyond_the_limit_only_equal_and_equally_named_files_are_renames() {
    let repo = Repo::new();
    for number in 0..1001 {
        repo.write(&format!("a/{number}.txt"), lines(&format!("file {number}"), 0..4));
    }
    let before = repo.commit();
    std::fs::remove_dir_all(repo.path("a")).unwrap();
    for number in 0..1001 {
        let text = lines(&format!("file {number}"), 0..4) + "z\n";
        repo.write(&format!("b/new_{number}.txt"), text);
    }
    let after = repo.commit();
    assert_eq!(repo.size(Some(before), after), (2002, 5005, 4004));
}

#[test]
fn binary_files_have_no_lines() {
    let repo = Repo::new();
    repo.write("a.bin", b"one\ntwo\0\n");
    repo.write("late.bin", [lines("x", 0..2000).as_bytes(), b"\0"].concat());
    let before = repo.commit();
    repo.write("a.bin", b"one\nthree\nfour\n");
    repo.write("late.bin", [lines("x", 0..1999).as_bytes(), b"\0"].concat());
    repo.write("new.bin", b"\0\n\n");
    let after = repo.commit();
    // A NUL behind the first 8,000 bytes is not looked for.
    assert_eq!(repo.size(Some(before), after), (3, 0, 1));
}

#[test]
fn big_files_are_taken_as_binary_and_not_read() {
    let repo = Repo::new();
    repo.write("big.txt", vec![b'\n'; (64 << 20) + 1]);
    repo.write("small.txt", "x\n");
    let root = repo.commit();
    let size = one(&repo.open(), Pair { before: None, after: root }).unwrap();
    assert_eq!(size, Size { files: 2, lines_added: 1, lines_deleted: 0 });
}

#[test]
fn modes_and_links_and_submodules() {
    let repo = Repo::new();
    repo.write("run.sh", "a\nb\n");
    repo.write("becomes_link", "some text\nmore\n");
    repo.git(&["add", "--all"]);
    let link = |target: &str| {
        repo.write("scratch", target);
        let id = repo.git(&["hash-object", "-w", "--no-filters", "scratch"]);
        std::fs::remove_file(repo.path("scratch")).unwrap();
        id
    };
    let entry = |mode: &str, id: &str, name: &str| {
        repo.git(&["update-index", "--add", "--cacheinfo", &format!("{mode},{id},{name}")]);
    };
    entry("120000", &link("target/one"), "link");
    entry("160000", &"1".repeat(40), "moved_module");
    entry("160000", &"2".repeat(40), "old_module");
    let before = repo.commit_index();
    repo.git(&["update-index", "--chmod=+x", "run.sh"]);
    entry("120000", &link("target/two"), "link");
    entry("120000", &link("run.sh"), "becomes_link");
    entry("160000", &"3".repeat(40), "moved_module");
    repo.git(&["update-index", "--force-remove", "old_module"]);
    entry("160000", &"4".repeat(40), "new_module");
    let after = repo.commit_index();
    // run.sh 0/0, link 1/1, becomes_link 1/2, moved_module 1/1, old_module 0/1, new_module 1/0
    assert_eq!(repo.size(Some(before), after), (6, 4, 5));
}

#[test]
fn a_file_in_place_of_a_folder_sorts_as_git_sorts_it() {
    let repo = Repo::new();
    repo.write("a/x", "1\n2\n3\n");
    repo.write("a.c", "c\n");
    repo.write("a0", "0\n");
    let before = repo.commit();
    std::fs::remove_dir_all(repo.path("a")).unwrap();
    repo.write("a", "other\n");
    repo.write("a0", "1\n");
    let after = repo.commit();
    assert_eq!(repo.size(Some(before), after), (3, 2, 4));
    assert_eq!(repo.size(Some(after), before), (3, 4, 2));
}

#[test]
fn nothing_the_repository_configures_is_run_or_obeyed() {
    let repo = Repo::new();
    repo.write(".gitattributes", "*.txt -diff diff=evil filter=evil\n");
    repo.write("a.txt", "1\n2\n");
    let mark = repo.path("ran");
    for key in ["diff.evil.textconv", "diff.evil.command", "diff.external"] {
        repo.git(&["config", key, &format!("touch {}; cat", mark.display())]);
    }
    let root = repo.commit();
    let size = one(&repo.open(), Pair { before: None, after: root }).unwrap();
    assert_eq!(size, Size { files: 2, lines_added: 3, lines_deleted: 0 });
    assert!(!mark.exists());
}

#[test]
fn sha256_repositories_are_read() {
    let repo = Repo::new();
    std::fs::remove_dir_all(repo.path(".git")).unwrap();
    repo.git(&["init", "--quiet", "--object-format=sha256"]);
    repo.write("a", "1\n");
    repo.write("b/c", lines("x", 0..9));
    let before = repo.commit();
    std::fs::rename(repo.path("b/c"), repo.path("b/d")).unwrap();
    repo.write("a", "2\n3\n");
    let after = repo.commit();
    assert_eq!(repo.size(None, before), (2, 10, 0));
    assert_eq!(repo.size(Some(before), after), (2, 2, 1));
}

#[test]
fn what_cannot_be_read_is_none_and_the_rest_is_still_there() {
    let repo = Repo::new();
    let mut commits = Vec::new();
    for number in 0..6 {
        repo.write("dir/a.txt", lines("x", 0..number));
        repo.write("b.txt", number.to_string());
        commits.push(repo.commit());
    }
    let object = |name: &str| repo.git(&["rev-parse", name]);
    let (blob, tree) =
        (object(&format!("{}:dir/a.txt", commits[2])), object(&format!("{}:dir", commits[4])));
    repo.remove_object(&blob);
    let (folder, file) = tree.split_at(2);
    let path = repo.path(".git/objects").join(folder).join(file);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(path, "no object at all").unwrap();
    let pairs: Vec<Pair> = (0..commits.len())
        .map(|at| Pair { before: at.checked_sub(1).map(|at| commits[at]), after: commits[at] })
        .chain([Pair { before: None, after: ObjectId::null(gix::hash::Kind::Sha1) }])
        .collect();
    let (done, interrupted) = (AtomicUsize::new(0), AtomicBool::new(false));
    let sizes = measure(&repo.open(), &pairs, 2, &done, &interrupted).unwrap();
    let known: Vec<bool> = sizes.iter().map(Option::is_some).collect();
    assert_eq!(known, [true, true, false, false, false, false, false]);
    assert_eq!(done.load(Ordering::Relaxed), pairs.len());
    // Paths are known without the file, and without the folder where nobody asks for it.
    assert_eq!(repo.touched(Some(commits[1]), commits[2], &["dir"]), Some(true));
    assert_eq!(repo.touched(Some(commits[3]), commits[4], &["dir"]), None);
    assert_eq!(repo.touched(Some(commits[3]), commits[4], &["b*"]), Some(true));
    assert_eq!(repo.touched(Some(commits[3]), commits[4], &["elsewhere"]), Some(false));
}

#[test]
fn an_interruption_is_told() {
    let repo = Repo::new();
    repo.write("a", "1\n");
    let root = repo.commit();
    let (done, interrupted) = (AtomicUsize::new(0), AtomicBool::new(true));
    let pairs = vec![Pair { before: None, after: root }; 1000];
    let sizes = measure(&repo.open(), &pairs, 2, &done, &interrupted);
    assert_eq!((sizes, done.load(Ordering::Relaxed)), (Err(Interrupted), 0));
}

#[test]
fn many_pairs_keep_their_order_whatever_the_threads() {
    let repo = Repo::new();
    let mut pairs = Vec::new();
    for number in 0..5 {
        repo.write("a", lines("x", 0..number));
        let before = pairs.last().map(|pair: &Pair| pair.after);
        pairs.push(Pair { before, after: repo.commit() });
    }
    let many: Vec<Pair> = pairs.iter().copied().cycle().take(3 * BATCH + 7).collect();
    let expected: Vec<Option<Size>> = many
        .iter()
        .map(|pair| {
            // The first adds an empty file, each other one line.
            let lines_added = u32::from(pair.before.is_some());
            Some(Size { files: 1, lines_added, lines_deleted: 0 })
        })
        .collect();
    for threads in [0, 1, 2, 5] {
        let (done, interrupted) = (AtomicUsize::new(0), AtomicBool::new(false));
        let sizes = measure(&repo.open(), &many, threads, &done, &interrupted).unwrap();
        assert_eq!(sizes, expected, "{threads} threads");
    }
}

#[test]
fn globs_match_as_git_pathspecs_do() {
    let repo = Repo::new();
    let paths =
        ["services/a/x.rs", "services/ab/y.rs", "services/a.rs", "top.rs", "docs/[x].md", "a"];
    let globs = [
        "services/a",
        "services/a/",
        "services",
        "services/",
        "*.rs",
        "*.md",
        "services/*",
        "serv*/a",
        "serv*/a/*",
        "s?rvices/a*",
        "services/a?",
        "services/?/x.rs",
        "[dt]o*",
        ".",
        "./top.rs",
        "top",
        "docs/[x].md",
        "docs/\\[x\\].md",
        "**/x.rs",
        "services/**/x.rs",
        "x.rs",
        "Services",
        "a",
        "a/",
    ];
    let mut before = repo.commit();
    for path in paths {
        repo.write(path, path);
        let after = repo.commit();
        for glob in globs {
            let (old, new) = (before.to_string(), after.to_string());
            let listed = repo.git(&["diff", "--name-only", &old, &new, "--", glob]);
            let found = repo.touched(Some(before), after, &[glob]);
            assert_eq!(found, Some(!listed.is_empty()), "{glob} on {path}");
        }
        before = after;
    }
    assert_eq!(repo.touched(None, before, &["none", "also_none", "docs"]), Some(true));
    assert_eq!(repo.touched(None, before, &[]), Some(false));
}

/// Patterns and paths of few letters, so that they meet often, compared with gitoxide's matcher.
#[test]
fn wildcards_match_as_in_gitoxide() {
    use gix::glob::wildmatch::Mode;
    let letters = b"ab/*?[]!^-\\:";
    let mut state = 1_u64;
    let mut next = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut matched = 0;
    for _ in 0..100_000 {
        // A pattern without a wildcard means folders as well, which gitoxide's matcher does not.
        let pattern: Vec<u8> = std::iter::once(b'?')
            .chain((0..next(9)).map(|_| letters[next(letters.len())]))
            .collect();
        let path: Vec<u8> = (0..=next(7)).map(|_| letters[next(4)]).collect();
        let expected =
            gix::glob::wildmatch(pattern.as_slice().into(), path.as_slice().into(), Mode::empty());
        let text = String::from_utf8_lossy(&pattern);
        assert_eq!(Globs::new([&pattern]).matches(&path), expected, "{text} on {path:?}");
        matched += usize::from(expected);
    }
    assert!(matched > 1_000, "{matched}");
}

#[test]
fn both_names_of_a_renamed_file_count_as_touched() {
    let repo = Repo::new();
    repo.write("old/a", "1\n2\n3\n");
    let before = repo.commit();
    std::fs::rename(repo.path("old"), repo.path("new")).unwrap();
    let after = repo.commit();
    for (glob, touched) in [("old", true), ("new", true), ("other", false)] {
        assert_eq!(repo.touched(Some(before), after, &[glob]), Some(touched), "{glob}");
    }
}
