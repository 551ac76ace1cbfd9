//! Several servers on one PostgreSQL, which dies and comes back.

use crate::serve_lang::{Data, Server};
use crate::serve_load::{Load, assert_same, check_views, event, reports};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[path = "../../src/ledger/tests/postgres.rs"]
pub(crate) mod postgres;

/// How often the database is killed.
const ROUNDS: u64 = 8;

fn servers_of(url: &str) -> Data {
    Data::new().env("SEAWAY_LOG", "off").arg("--database").arg(url)
}

#[test]
fn what_was_acknowledged_survives_the_database() {
    let Some(cluster) = postgres::Cluster::start() else { return };
    let url = cluster.database();
    let data = servers_of(&url);
    let load = Load::new();
    let (one, other) = (data.serve(), data.serve());
    let since = Instant::now();
    for round in 0..ROUNDS {
        let stop = AtomicBool::new(false);
        let before = load.acknowledged().len();
        std::thread::scope(|scope| {
            let clients = scope.spawn(|| load.run(&[&one, &other], round, &stop, false));
            wait_until(|| load.acknowledged().len() > before + 50);
            cluster.restart();
            let after = load.acknowledged().len();
            // Neither server has to be started again.
            wait_until(|| load.acknowledged().len() > after + 50);
            stop.store(true, Ordering::Relaxed);
            clients.join().unwrap();
        });
    }
    let under_load = since.elapsed();
    assert_same(&reports(&one), &reports(&other));
    drop((one, other));
    let (exported, reports) = check_views(&data, &load, &["--database", &url]);
    eprintln!(
        "{ROUNDS} rounds in {under_load:?}: {} events acknowledged, {exported} on the log, {} \
         requests refused meanwhile, {reports} reports equal",
        load.acknowledged().len(),
        load.failed.load(Ordering::Relaxed),
    );
}

fn wait_until(is_so: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < crate::serve_lang::PATIENCE, "it never came so far");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends some events, and waits until a server has what was sent to another in its reports.
fn send(numbers: std::ops::Range<u64>, to: &Server, see: &Server) {
    let end = numbers.end;
    to.events(&numbers.map(event).collect::<Vec<_>>());
    let total = || -> u64 {
        let quality = see.report("/quality");
        quality["arrivals"].as_array().unwrap().iter().map(|it| it["count"].as_u64().unwrap()).sum()
    };
    wait_until(|| total() == end);
}

#[test]
fn one_of_two_servers_computes_the_views_and_the_other_takes_over() {
    let Some(cluster) = postgres::Cluster::start() else { return };
    let url = cluster.database();
    let data = servers_of(&url);
    let (first, second) = (data.serve(), data.serve());
    send(0..300, &first, &second);
    send(300..600, &second, &first);
    assert_same(&reports(&first), &reports(&second));

    let (code, said) = data.run_failing(&["rebuild", "--database", &url]);
    assert_eq!(code, 3);
    assert!(said.contains("another server computes the views"), "{said}");

    // The first one had the turn.
    first.kill();
    send(600..900, &second, &second);
    let third = data.serve();
    send(900..1_200, &second, &third);
    assert!(second.stop());
    send(1_200..1_500, &third, &third);
    let before = reports(&third);
    assert!(third.stop());
    data.run(&["rebuild", "--database", &url]);
    assert_same(&before, &reports(&data.serve()));
}

/// Ends the connections that hold the turn, as a broken network would: who had it does not know
/// yet. Tells how many held it.
fn take_turn_away(url: &str) -> usize {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_locks \
               WHERE locktype = 'advisory' AND granted";
    let output = std::process::Command::new("psql").args(["-At", "-c", sql, url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().count()
}

#[test]
fn a_turn_that_is_taken_away_at_work_leaves_no_trace() {
    let Some(cluster) = postgres::Cluster::start() else { return };
    let url = cluster.database();
    let data = servers_of(&url);
    let load = Load::new();
    let (one, other) = (data.serve(), data.serve());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients = scope.spawn(|| load.run(&[&one, &other], 77, &stop, false));
        for _ in 0..6 {
            let before = load.acknowledged().len();
            wait_until(|| load.acknowledged().len() > before + 100);
            // Now and then nobody has it, until a server has looked again.
            wait_until(|| take_turn_away(&url) > 0);
        }
        stop.store(true, Ordering::Relaxed);
        clients.join().unwrap();
    });
    assert_same(&reports(&one), &reports(&other));
    drop((one, other));
    let (exported, _) = check_views(&data, &load, &["--database", &url]);
    eprintln!("the turn was taken away 6 times while {exported} events came");
}
