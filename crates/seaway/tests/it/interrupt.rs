//! Ctrl-C at any moment, and worse.

use crate::lang::{Repo, START, seaway};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A history long enough that reading it takes a while.
fn long_history() -> Repo {
    let repo = Repo::new();
    let mut stream = String::new();
    for number in 1..=40_000_i64 {
        let time = START + number * 60;
        let message = format!("Change {number}");
        let _ = write!(
            stream,
            "commit refs/heads/main\nmark :{number}\nauthor A <a@example.com> {time} +0000\n\
             committer A <a@example.com> {time} +0000\ndata {}\n{message}\n",
            message.len()
        );
        if number % 100 == 0 {
            let _ = write!(stream, "reset refs/tags/v{number}\nfrom :{number}\n\n");
        }
    }
    repo.git_fed(&["fast-import", "--quiet"], stream.as_bytes());
    repo
}

/// Files that were begun and not finished, anywhere below a folder.
fn begun(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(".tmp") {
            found.push(path.display().to_string());
        }
        found.extend(begun(&path));
    }
    found
}

/// Runs that may be over before the first signal comes, on a machine that has much else to do.
const TRIES: u64 = 50;

/// Runs the measure again and again and ends each run with a signal, later every time, until one
/// has come to its end by itself. `check` looks at what each has left.
fn end_at_every_moment(repo: &Repo, signal: &str, target: &Path, check: &dyn Fn(Option<i32>)) {
    let (mut step, mut too_late) = (0, 0);
    loop {
        let export = repo.beside("export");
        let mut child = seaway()
            .measure_path(repo, target)
            .args(["--export".as_ref(), export.as_os_str()])
            .start();
        // The moments are spread over the whole run; whatever the moment is, all has to hold.
        std::thread::sleep(Duration::from_millis(step * 12));
        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        let status = child.wait().unwrap();
        check(status.code());
        match (status.success(), step) {
            (false, _) => step += 1,
            (true, 0) => too_late += 1,
            (true, _) => return,
        }
        assert!(too_late < TRIES, "no run was interrupted");
    }
}

#[test]
fn ctrl_c_leaves_nothing_half_written() {
    let repo = long_history();
    let url = format!("file://{}", repo.folder.display());
    for target in [repo.folder.as_path(), Path::new(&url)] {
        end_at_every_moment(&repo, "-INT", target, &|code| {
            // Before the program can listen, the signal ends it: nothing is written by then.
            assert!(matches!(code, Some(0 | 130) | None), "{code:?}");
            assert_eq!(begun(&repo.beside("cache")), Vec::<String>::new());
            assert_eq!(begun(&repo.beside("export")), Vec::<String>::new());
        });
    }
}

#[test]
fn a_killed_run_harms_no_later_one() {
    let repo = long_history();
    let whole = seaway().measure(&repo).args(["--no-cache"]).good().stdout;
    end_at_every_moment(&repo, "-KILL", &repo.folder, &|_| {});
    assert_eq!(seaway().measure(&repo).good().stdout, whole);
}

#[test]
fn a_damaged_cache_is_read_anew() {
    let repo = long_history();
    let whole = seaway().measure(&repo).args(["--no-cache"]).good().stdout;
    let graphs = repo.beside("cache/seaway/graphs");
    seaway().measure(&repo).good();
    let folder = std::fs::read_dir(&graphs).unwrap().next().unwrap().unwrap().path();
    for damage in 0..3 {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            match damage {
                0 => bytes[middle] ^= 1,
                1 => bytes.truncate(middle),
                _ => bytes.clear(),
            }
            std::fs::write(&path, bytes).unwrap();
        }
        assert_eq!(seaway().measure(&repo).good().stdout, whole);
    }
}
