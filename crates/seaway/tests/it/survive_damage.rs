//! Damage, change and full disks: nothing wrong is told, and nothing is left half-written.

use crate::lang::{Repo, commit_counts, hour, seaway};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// A history of some length in one pack.
fn packed() -> Repo {
    let repo = Repo::new();
    for number in 0..40 {
        let text = format!("{number}\n").repeat(50);
        repo.commit(&format!("Change {number}")).file("text", text).at(hour(number));
        if number % 4 == 0 {
            repo.tag_at(&format!("v1.{number}"), hour(number));
        }
    }
    repo.git(&["pack-refs", "--all"]);
    repo.git(&["repack", "-a", "-d", "-q"]);
    repo
}

/// The one file of the packs with this ending.
fn pack_file(repo: &Repo, ending: &str) -> PathBuf {
    let folder = repo.git_folder().join("objects/pack");
    let mut paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.find(|path| path.extension().is_some_and(|it| it == ending)).unwrap()
}

/// Puts other bytes into a file that git has made read-only.
fn overwrite(path: &Path, bytes: &[u8]) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Whether a run told the right counts, or failed with a sentence.
fn told_nothing_wrong(repo: &Repo, right: [u64; 3], what: &str) {
    let run = seaway().measure(repo).args(["--no-cache", "--format", "json"]).run();
    match run.code {
        0 => {
            let report = run.json();
            assert_eq!(commit_counts(&report), right, "{what}: {}", report["data_quality"]);
        }
        3 => assert!(run.stderr.starts_with("error: ") && run.stdout.is_empty(), "{what}"),
        code => panic!("{what}: exit code {code}: {}", run.stderr),
    }
}

#[test]
fn a_corrupt_pack() {
    let repo = packed();
    let right = commit_counts(&seaway().measure(&repo).args(["--no-cache"]).json());
    let pack = pack_file(&repo, "pack");
    let whole = std::fs::read(&pack).unwrap();
    for part in 0..40 {
        let mut bytes = whole.clone();
        let start = 12 + (bytes.len() - 60) * part / 40;
        for byte in &mut bytes[start..start + 16] {
            *byte ^= 0xff;
        }
        overwrite(&pack, &bytes);
        told_nothing_wrong(&repo, right, &format!("16 bytes from {start} on"));
    }
    for length in [0, 10, whole.len() / 2, whole.len() - 21] {
        overwrite(&pack, &whole[..length]);
        told_nothing_wrong(&repo, right, &format!("the first {length} bytes"));
    }
}

#[test]
fn a_truncated_or_damaged_index_of_a_pack() {
    let repo = packed();
    let right = commit_counts(&seaway().measure(&repo).args(["--no-cache"]).json());
    let index = pack_file(&repo, "idx");
    let whole = std::fs::read(&index).unwrap();
    for length in [0, 4, 600, whole.len() / 2, whole.len() - 41] {
        overwrite(&index, &whole[..length]);
        told_nothing_wrong(&repo, right, &format!("the first {length} bytes"));
    }
    for part in 0..20 {
        let mut bytes = whole.clone();
        let start = 8 + (bytes.len() - 60) * part / 20;
        for byte in &mut bytes[start..start + 8] {
            *byte ^= 0xff;
        }
        overwrite(&index, &bytes);
        told_nothing_wrong(&repo, right, &format!("8 bytes from {start} on"));
    }
}

fn remove_object(repo: &Repo, hash: &str) {
    let (folder, file) = hash.split_at(2);
    std::fs::remove_file(repo.git_folder().join("objects").join(folder).join(file)).unwrap();
}

#[test]
fn a_missing_commit_is_named() {
    for which in 0..3 {
        let repo = Repo::new();
        let hashes = repo.with_little_history();
        remove_object(&repo, &hashes[which]);
        let run = seaway().measure(&repo).bad(3);
        assert!(run.stderr.contains(&hashes[which]), "{which}: {}", run.stderr);
        assert!(run.stderr.contains("hint: "), "{}", run.stderr);
    }
}

#[test]
fn a_repository_that_changes_while_it_is_read() {
    let repo = packed();
    let done = AtomicBool::new(false);
    let mut runs = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 40..60 {
                repo.commit(&format!("Change {number}")).at(hour(number));
                repo.tag_at(&format!("v1.{number}"), hour(number));
                match number % 3 {
                    0 => repo.git(&["gc", "--quiet", "--prune=now"]),
                    1 => repo.git(&["repack", "-a", "-d", "-q"]),
                    _ => repo.git(&["pack-refs", "--all"]),
                };
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            let run = seaway().measure(&repo).run();
            let is_sentence = run.stderr.starts_with("error: ") && run.stdout.is_empty();
            let is_good = match run.code {
                0 => run.stderr.is_empty(),
                2 | 3 => is_sentence,
                _ => false,
            };
            assert!(is_good, "{run:?}");
            runs += 1;
        }
    });
    assert!(runs > 1, "the repository was read while it changed");
    let report = seaway().measure(&repo).json();
    assert_eq!(commit_counts(&report).iter().sum::<u64>(), 60);
    // The cache that grew meanwhile holds nothing wrong.
    assert_eq!(report, seaway().measure(&repo).args(["--no-cache"]).json());
}

#[test]
fn a_place_that_cannot_be_written() {
    let repo = Repo::new();
    repo.with_little_history();
    let file = repo.file_beside("file", "here before");
    let below = file.join("below");
    for option in ["--export", "--html"] {
        let run = seaway().measure(&repo).args([option.as_ref(), below.as_os_str()]).bad(3);
        assert!(run.stderr.contains("file/below cannot be written"), "{}", run.stderr);
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"here before");
    // A folder stands where a file should go.
    let export = repo.beside("export");
    std::fs::create_dir_all(export.join("changes.csv")).unwrap();
    seaway().measure(&repo).args(["--export".as_ref(), export.as_os_str()]).bad(3);
    assert_eq!(unfinished(&export), Vec::<PathBuf>::new());
    // A cache that cannot be written costs nothing but time.
    let run = seaway().measure(&repo).env("SEAWAY_CACHE", below.as_os_str()).run();
    assert_eq!(run.code, 0);
    assert!(run.stderr.starts_with("warning: the cache was not kept"), "{}", run.stderr);
    assert_eq!(run.stdout, seaway().measure(&repo).good().stdout);
}

/// Files of a folder that were begun and not finished.
fn unfinished(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.to_string_lossy().ends_with(".tmp")).collect()
}

/// A disk with very little room, until it is dropped.
struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// `None` where this user may not mount anything.
    fn mount(folder: PathBuf) -> Option<Self> {
        std::fs::create_dir(&folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16k", "tmpfs"])
            .arg(&folder)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self { folder })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.folder).status();
    }
}

#[test]
fn a_full_disk() {
    let repo = packed();
    let Some(disk) = SmallDisk::mount(repo.beside("disk")) else {
        println!("skipped: a small disk cannot be mounted here");
        return;
    };
    let whole = seaway().measure(&repo).args(["--no-cache"]).good().stdout;
    // A file of before stays as it was, and what does not fit leaves nothing behind.
    std::fs::write(disk.folder.join("page.html"), "before").unwrap();
    let page = disk.folder.join("page.html");
    let run = seaway().measure(&repo).args(["--html".as_ref(), page.as_os_str()]).bad(3);
    assert!(run.stderr.contains("cannot be written"), "{}", run.stderr);
    assert_eq!(std::fs::read(&page).unwrap(), b"before");
    assert_eq!(unfinished(&disk.folder), Vec::<PathBuf>::new());

    std::fs::write(disk.folder.join("filling"), vec![0; 12 << 10]).unwrap();
    let export = disk.folder.join("export");
    std::fs::create_dir(&export).unwrap();
    seaway().measure(&repo).args(["--export".as_ref(), export.as_os_str()]).bad(3);
    assert_eq!(unfinished(&export), Vec::<PathBuf>::new());

    let run = seaway().measure(&repo).env("SEAWAY_CACHE", disk.folder.as_os_str()).run();
    assert_eq!((run.code, run.stdout), (0, whole));
    assert!(run.stderr.starts_with("warning: the cache was not kept"), "{}", run.stderr);
}

#[test]
fn wrong_use_is_told_with_exit_code_2() {
    let repo = Repo::new();
    repo.with_little_history();
    let empty = repo.beside("empty");
    std::fs::create_dir(&empty).unwrap();
    for path in [empty, repo.beside("nowhere")] {
        let run = seaway().measure_path(&repo, &path).bad(2);
        assert!(run.stderr.contains("is not a git repository"), "{}", run.stderr);
        assert!(run.stderr.contains("hint: "), "{}", run.stderr);
    }
    for spec in ["", "tag:", "file:", "branches", "tags:v*"] {
        let run = seaway().measure(&repo).args(["--deploys", spec]).bad(2);
        assert!(run.stderr.contains("--deploys"), "{}", run.stderr);
    }
}
