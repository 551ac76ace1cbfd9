//! Senders that take their time, break off, or come by the thousand.

use crate::serve_lang::{Answer, Data, PATIENCE, Server};
use crate::serve_load::event;
use std::io::{Error, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long an answer may take while others do their worst.
const SOON: Duration = Duration::from_secs(5);

/// Looks whether a server takes an event in, and answers soon.
fn assert_serves(server: &Server, number: u64) {
    let since = Instant::now();
    server.events(&[event(number)]);
    assert_eq!(server.get("/healthz").status, 200);
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
}

fn begin(server: &Server, text: &str) -> TcpStream {
    let mut stream = server.connect();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

const HEAD: &str = "POST /events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                    Content-Type: application/cloudevents+json\r\nContent-Length: 500\r\n";

#[test]
fn slow_senders_are_sent_away_and_hold_nobody_up() {
    let data = Data::new();
    let server = data.serve();
    let since = Instant::now();
    let mut heads: Vec<_> = (0..300).map(|_| begin(&server, &HEAD[..60])).collect();
    let silent: Vec<_> = (0..300).map(|_| server.connect()).collect();
    let mut bodies: Vec<_> =
        (0..300).map(|_| begin(&server, &format!("{HEAD}\r\n{{\"specversion\":"))).collect();
    assert_serves(&server, 0);
    // A byte now and then does not help.
    let mut drops = Vec::new();
    for stream in bodies.iter_mut().take(20) {
        drops.push(stream.try_clone().unwrap());
    }
    let (end, ended) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let wait = || ended.recv_timeout(Duration::from_millis(500));
            while wait() == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                drops.iter_mut().for_each(|stream| drop(stream.write_all(b" ")));
            }
        });
        for stream in heads.iter_mut().chain(&mut silent.into_iter().collect::<Vec<_>>()) {
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
            let rest = String::from_utf8_lossy(&rest);
            assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 408"), "{rest}");
        }
        assert!(since.elapsed() < Duration::from_secs(25), "heads took {:?}", since.elapsed());
        assert_serves(&server, 1);
        for stream in &mut bodies {
            let answer = Answer::read(stream).expect("an answer");
            assert_eq!(answer.status, 408);
            assert_eq!(answer.problem()["type"], "urn:seaway:problem:too-slow");
        }
        end.send(()).unwrap();
    });
    assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
    assert_serves(&server, 2);
    assert_eq!(server.report("/progress")["newest"], 3);
}

#[test]
fn who_asks_and_never_reads_is_given_up() {
    let data = Data::new();
    let server = data.serve();
    let request = "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1_000);
    let is_full =
        |error: &Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    let mut streams: Vec<_> = (0..10).map(|_| server.connect()).collect();
    for stream in &mut streams {
        // Until the server waits for its answers to be read, and reads no more requests.
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        while stream.write_all(request.as_bytes()).is_ok() {}
        stream.set_nonblocking(true).unwrap();
    }
    assert_serves(&server, 0);
    let since = Instant::now();
    for stream in &mut streams {
        loop {
            match stream.write(b" ") {
                Err(error) if !is_full(&error) => break,
                _ => std::thread::sleep(Duration::from_millis(100)),
            }
            assert!(since.elapsed() < PATIENCE, "it still waits");
        }
    }
    assert_serves(&server, 1);
}

#[test]
fn a_request_that_breaks_off_changes_nothing() {
    let data = Data::new();
    let server = data.serve();
    let batch = serde_json::to_vec(&[event(0), event(1)]).unwrap();
    let head = format!(
        "POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\
         Content-Type: application/cloudevents-batch+json\r\n\r\n",
        batch.len()
    );
    let whole = [head.as_bytes(), &batch].concat();
    for length in (1..whole.len()).step_by(whole.len() / 40) {
        let mut stream = server.connect();
        stream.write_all(&whole[..length]).unwrap();
        drop(stream);
    }
    assert_serves(&server, 2);
    assert_eq!(server.report("/progress")["newest"], 1, "no part of a batch was kept");
}

#[test]
fn thousands_of_connections_are_served() {
    // More than are served at once: some wait until others are sent away.
    let data = Data::new();
    let server = data.serve();
    let silent: Vec<_> = (0..3_000).map(|_| server.connect()).collect();
    let since = Instant::now();
    server.events(&[event(0)]);
    assert!(since.elapsed() < Duration::from_secs(30), "{:?}", since.elapsed());
    drop(silent);
    assert_serves(&server, 1);
    // A connection may be used for many requests.
    let mut stream = server.connect();
    for _ in 0..1_000 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        let mut rest = Vec::new();
        let mut byte = [0];
        while !rest.ends_with(b"ok\n") {
            stream.read_exact(&mut byte).unwrap();
            rest.push(byte[0]);
        }
    }
}

#[test]
fn connections_leave_files_for_the_databases() {
    let data = Data::new();
    let seaway = data.seaway(&["serve", "--listen", "127.0.0.1:0"]);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -n 100 && exec \"$0\" \"$@\""]).arg(seaway.get_program());
    command.args(seaway.get_args()).env_clear();
    for (name, value) in seaway.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let server = Server::start(command);
    // Half of the files are for connections: the next ones wait until these are sent away.
    let silent: Vec<_> = (0..90).map(|_| server.connect()).collect();
    for number in 0..20 {
        server.events(&[event(number)]);
    }
    server.settle();
    assert_eq!(server.report("/quality")["malformed"].as_array().unwrap().len(), 0);
    drop(silent);
    assert_serves(&server, 20);
}
