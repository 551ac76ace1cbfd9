//! Nothing that was acknowledged is lost, whatever happens to the server and its disk.

use crate::serve_lang::{Data, Server};
use crate::serve_load::{Load, Random, assert_same, check_views, event, reports};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often the server is killed.
const ROUNDS: u64 = 200;

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let data = Data::new().env("SEAWAY_LOG", "error");
    let load = Load::new();
    let mut random = Random(41);
    let since = Instant::now();
    for round in 0..ROUNDS {
        if random.below(8) == 0 {
            kill_while_it_starts(&data, &mut random);
        }
        let server = data.serve();
        let never = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let clients = scope.spawn(|| load.run(&[&server], round, &never, true));
            std::thread::sleep(Duration::from_millis(random.below(200)));
            server.kill_now();
            clients.join().unwrap();
        });
    }
    let under_load = since.elapsed();
    let acknowledged = load.acknowledged().len();
    let (exported, reports) = check_views(&data, &load, &[]);
    assert!(acknowledged > 2_000, "{acknowledged} events are little load");
    eprintln!(
        "{ROUNDS} rounds in {under_load:?}: {acknowledged} events acknowledged, {exported} on the \
         log, {reports} reports equal; all in {:?}",
        since.elapsed()
    );
}

/// Also a server that is still reading what the last one left.
fn kill_while_it_starts(data: &Data, random: &mut Random) {
    let mut command = data.seaway(&["serve", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(random.below(60)));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_is_sent_again_does_not_hold_the_reports_up() {
    let data = Data::new();
    let server = data.serve();
    let events: Vec<_> = (0..100).map(event).collect();
    server.events(&events);
    for _ in 0..3 {
        server.events(&events[50..]);
    }
    let progress = server.report("/progress");
    assert_eq!(progress["newest"], progress["settled"]);
    let before = reports(&server);
    assert!(server.stop());
    data.run(&["rebuild"]);
    let server = data.serve();
    assert_eq!(server.report("/progress"), progress);
    assert_same(&reports(&server), &before);
}

/// A file system of its own, small, until it is dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None`, with a word about it, where nothing can be mounted.
    fn mount(folder: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir(&folder).unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&folder)
            .status()
            .is_ok_and(|status| status.success());
        if mounted {
            return Some(Self(folder));
        }
        let required = std::env::var("SEAWAY_REQUIRE").is_ok_and(|it| it == "all");
        assert!(!required, "SEAWAY_REQUIRE=all, and no file system can be mounted");
        eprintln!("skipped: no file system can be mounted here");
        None
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_loses_nothing_and_is_no_end() {
    let data = Data::new().env("SEAWAY_LOG", "off");
    let Some(disk) = Disk::mount(data.folder(), "256m") else { return };
    let ballast = disk.0.join("ballast");
    let load = Load::new();
    let server = data.serve();
    run_until(&load, &server, 0, || load.acknowledged().len() > 300);
    for times in 1..=3 {
        fill(&ballast);
        let failed = load.failed.load(Ordering::Relaxed);
        run_until(&load, &server, times, || load.failed.load(Ordering::Relaxed) > failed + 200);
        // It still answers: there is no need of a disk to say how it is.
        assert_eq!(server.get("/healthz").status, 200);
        assert_eq!(server.get("/api/v1/progress").status, 200);
        let full = load.acknowledged().len();
        let file = std::fs::File::options().write(true).open(&ballast).unwrap();
        file.set_len(file.metadata().unwrap().len().saturating_sub(70 << 20)).unwrap();
        run_until(&load, &server, times + 100, || load.acknowledged().len() > full + 500);
    }
    std::fs::remove_file(&ballast).unwrap();
    server.settle();
    let failed = load.failed.load(Ordering::Relaxed);
    assert!(server.stop());
    let (exported, _) = check_views(&data, &load, &[]);
    eprintln!("{exported} events on the log, {failed} requests refused for a full disk");
}

/// Makes a file longer until there is no room for more.
fn fill(file: &std::path::Path) {
    let mut file = std::fs::File::options().append(true).create(true).open(file).unwrap();
    for size in [1 << 20, 1 << 12] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
}

/// Sends until something is so.
fn run_until(load: &Load, server: &Server, seed: u64, is_done: impl Fn() -> bool) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients = scope.spawn(|| load.run(&[server], seed, &stop, false));
        let since = Instant::now();
        while !is_done() && since.elapsed() < crate::serve_lang::PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        stop.store(true, Ordering::Relaxed);
        clients.join().unwrap();
        assert!(is_done(), "it never came so far");
    });
}
