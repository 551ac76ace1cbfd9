//! Repositories named by a URL.

use crate::lang::{DAY, HOUR, Repo, START, seaway};
use serde_json::Value;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn measure(home: &Repo, url: &str) -> Value {
    seaway().measure_path(home, Path::new(url)).args(["--deploys", "tag:*"]).json()
}

fn deployments(report: &Value) -> u64 {
    report["deployments"]["count"].as_u64().unwrap()
}

#[test]
fn a_file_url_is_cloned_and_brought_up_to_date() {
    let origin = Repo::new();
    origin.commit("one").at(START);
    origin.tag("v1");
    let url = format!("file://{}", origin.folder.display());
    let home = Repo::new();
    let first = measure(&home, &url);
    assert_eq!(deployments(&first), 1);
    assert_eq!(first["source"]["branch"], "main");

    origin.commit("two").at(START + HOUR);
    origin.tag("v2");
    origin.commit("three").at(START + DAY);
    origin.git(&["tag", "-f", "v2"]);
    origin.tag("v3");
    let second = measure(&home, &url);
    assert_eq!(deployments(&second), 3);
    assert_eq!(second["time_to_value"]["n"], 2);

    origin.git(&["tag", "-d", "v3"]);
    assert_eq!(deployments(&measure(&home, &url)), 2);
}

#[test]
fn a_url_and_a_path_give_the_same_figures() {
    let origin = Repo::new();
    origin.with_little_history();
    let by_path = seaway().measure(&origin).json();
    let home = Repo::new();
    let url = format!("file://{}", origin.folder.display());
    let by_url = seaway().measure_path(&home, Path::new(&url)).json();
    for part in ["time_to_value", "commits", "stages", "flow", "rework", "size", "trend"] {
        assert_eq!(by_path[part], by_url[part], "{part}");
    }
}

/// `git daemon` on a free port of this machine, until it is dropped.
struct Daemon {
    child: Child,
    port: u16,
}

impl Daemon {
    fn of(folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("git")
            .args(["daemon", "--export-all", "--listen=127.0.0.1"])
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", folder.display()))
            .arg(folder)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::yield_now();
        }
        Self { child, port }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The daemon proper is a child of `git`: end it by its port's owner going away with it.
        let group = self.child.id().to_string();
        let _ = Command::new("pkill").args(["-P", &group]).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_git_url_is_cloned() {
    let origin = Repo::new();
    origin.commit("one").at(START);
    origin.tag("v1");
    let daemon = Daemon::of(&origin.folder);
    let home = Repo::new();
    let report = measure(&home, &format!("git://127.0.0.1:{}/", daemon.port));
    assert_eq!(deployments(&report), 1);
}

#[test]
fn a_url_that_cannot_be_cloned_leaves_nothing_and_shows_no_secret() {
    let home = Repo::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("https://me:secret@127.0.0.1:{free}/a.git");
    let run = seaway().measure_path(&home, Path::new(&url)).bad(3);
    assert!(run.stderr.contains(&format!("https://127.0.0.1:{free}/a.git")), "{}", run.stderr);
    assert!(!run.stderr.contains("secret"), "{}", run.stderr);
    let clones = home.beside("cache/seaway/clones");
    assert_eq!(std::fs::read_dir(clones).unwrap().count(), 0);
}

#[test]
fn urls_that_could_run_commands_are_refused() {
    let home = Repo::new();
    for url in ["ext::sh -c id", "fd::17", "ftp://example.com/a.git", "ext://x"] {
        let run = seaway().measure_path(&home, Path::new(url)).bad(2);
        assert!(run.stderr.contains("hint: use an https://"), "{}", run.stderr);
    }
}
