//! The language of tests of the server: one that runs, what is sent to it, and what it answers.
//!
//! Requests are written by hand onto a connection, so that a test can send what no well-behaved
//! client would.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take before a test gives up: much more than it ever needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs on a free port, until it is dropped.
pub(crate) struct Server {
    child: Child,
    address: String,
}

/// A folder for the data of servers, and how to start them.
pub(crate) struct Data {
    home: TempDir,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Data {
    pub(crate) fn new() -> Self {
        Self { home: TempDir::new().unwrap(), arguments: Vec::new(), environment: Vec::new() }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// A file or folder beside the data.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Servers are started with this argument too.
    pub(crate) fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Servers are started with this in their environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Servers are started with these settings too, as TOML.
    pub(crate) fn setting(self, text: &str) -> Self {
        let path = self.offline();
        let before = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{before}\n{text}\n")).unwrap();
        self
    }

    /// Settings that keep servers of tests from asking the forges that their catalogs name.
    fn offline(&self) -> PathBuf {
        let path = self.beside("offline.toml");
        if !path.exists() {
            std::fs::write(&path, "[mirrors]\ncatalogued = false\n").unwrap();
        }
        path
    }

    /// The program with a verb that opens the data, and a home of its own.
    pub(crate) fn seaway(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seaway"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("SEAWAY_DATA", self.folder())
            .env("SEAWAY_CONFIG", self.offline())
            .envs(self.environment.iter().cloned());
        command
    }

    /// Runs a verb that must succeed, and tells what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.seaway(arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "seaway {arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a verb that must fail, and tells its exit code and what it said.
    pub(crate) fn run_failing(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.seaway(arguments).output().unwrap();
        assert!(!output.status.success(), "seaway {arguments:?} went well");
        let code = output.status.code().unwrap();
        (code, String::from_utf8(output.stderr).unwrap())
    }

    pub(crate) fn serve(&self) -> Server {
        let mut command = self.seaway(&["serve", "--listen", "127.0.0.1:0"]);
        command.args(&self.arguments);
        Server::start(command)
    }
}

impl Server {
    /// Starts a server and waits until it says where it listens.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(address) = line.trim().strip_prefix("listening on http://") else {
            let _ = child.kill();
            panic!("the server said {line:?} and ended with {:?}", child.wait());
        };
        let address = address.to_owned();
        Self { child, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// What is reported at a path, once everything that arrived is in the reports.
    pub(crate) fn report(&self, path: &str) -> Value {
        self.settle();
        let answer = self.get(&format!("/api/v1{path}"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.send("POST", path, headers, body)
    }

    /// Sends CloudEvents that must all be taken.
    pub(crate) fn events(&self, events: &[Value]) {
        for batch in events.chunks(500) {
            let body = serde_json::to_vec(batch).unwrap();
            let kind = [("Content-Type", "application/cloudevents-batch+json")];
            let answer = self.post("/events", &kind, &body);
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
    }

    /// Sends a webhook of GitHub that must be taken.
    pub(crate) fn github(&self, event: &str, delivery: &str, body: &[u8]) {
        let headers = [
            ("Content-Type", "application/json"),
            ("X-GitHub-Event", event),
            ("X-GitHub-Delivery", delivery),
        ];
        let answer = self.post("/webhooks/github", &headers, body);
        assert_eq!(answer.status, 200, "{event}: {}", answer.body);
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.try_send(method, path, headers, body).expect("an answer")
    }

    /// Like [`send`](Self::send) where the server may be dying: `None` without a whole answer.
    pub(crate) fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Answer> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.address,
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        // A server that refuses a body may answer before it has read all of it.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        Answer::read(&mut stream)
    }

    /// Waits until everything that has arrived is in the reports.
    pub(crate) fn settle(&self) {
        let since = Instant::now();
        loop {
            let progress = self.get("/api/v1/progress").json();
            if progress["settled"] == progress["newest"] {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "the reports never caught up: {progress}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as a power cut would, while others send to it.
    pub(crate) fn kill_now(&self) {
        let id = self.process().to_string();
        assert!(Command::new("kill").args(["-KILL", &id]).status().unwrap().success());
    }

    /// Ends it as its operator does, and tells whether it went well.
    pub(crate) fn stop(mut self) -> bool {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().success()
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Reads an answer up to the end of the connection.
    pub(crate) fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut all = Vec::new();
        // A connection that is reset after the answer has still brought the answer.
        let _ = stream.read_to_end(&mut all);
        let all = String::from_utf8_lossy(&all);
        let (head, body) = all.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let length = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if length.is_some_and(|length: usize| body.len() < length) {
            return None;
        }
        Some(Self { status, head: head.to_lowercase(), body: body.to_owned() })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {} {}", self.head, self.body))
    }

    /// What a problem says, after checking that it is one.
    pub(crate) fn problem(&self) -> Value {
        assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        for field in ["type", "title", "detail"] {
            assert!(problem[field].as_str().is_some_and(|it| !it.is_empty()), "{problem}");
        }
        problem
    }
}
