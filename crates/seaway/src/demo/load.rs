//! A load for a server: many clients that send as fast as they are answered.

use super::figures::{Durations, Figures};
use super::http::{Connection, Head};
use crate::error::Error;
use serde::Deserialize;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, watch};

/// How often it is looked how far the reports have come.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long the reports may take to come to the end.
const REPORTS_TIME_MAX: Duration = Duration::from_secs(600);
/// How long a client waits that was told to.
const BUSY_WAIT: Duration = Duration::from_millis(100);

/// Requests to be sent. The first of them are made at once, so that making them takes no time from
/// sending; the others when it is their turn, so that any number of them fits into memory.
pub(super) struct Bodies {
    head: Head,
    ready: VecDeque<Vec<u8>>,
    lines: Box<dyn Iterator<Item = String> + Send>,
    batch: usize,
    /// Events and bytes of all that were made.
    made: (usize, usize),
}

/// Bytes of the requests that are made at once.
const AHEAD_BYTES: usize = 128 << 20;

impl Bodies {
    /// Requests of `batch` events each.
    pub(super) fn of(
        head: Head,
        lines: impl Iterator<Item = String> + Send + 'static,
        batch: usize,
    ) -> Self {
        let (ready, lines) = (VecDeque::new(), Box::new(lines));
        let mut bodies = Self { head, ready, lines, batch, made: (0, 0) };
        while bodies.made.1 < AHEAD_BYTES {
            let Some(request) = bodies.make() else { break };
            bodies.ready.push_back(request);
        }
        bodies
    }

    fn make(&mut self) -> Option<Vec<u8>> {
        let some: Vec<String> = self.lines.by_ref().take(self.batch).collect();
        let request = match &some[..] {
            [] => return None,
            [one] if self.batch == 1 => {
                self.head.post("/events", "application/cloudevents+json", one.as_bytes())
            }
            some => {
                let body = format!("[{}]", some.join(","));
                self.head.post("/events", "application/cloudevents-batch+json", body.as_bytes())
            }
        };
        self.made.0 += some.len();
        self.made.1 += request.len();
        Some(request)
    }
}

impl Iterator for Bodies {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        self.ready.pop_front().or_else(|| self.make())
    }
}

/// How a load is put on a server.
pub(super) struct Load {
    pub(super) server: SocketAddr,
    pub(super) clients: u32,
    pub(super) watch: bool,
}

/// What the server answers to events.
#[derive(Deserialize)]
struct Taken {
    accepted: usize,
    known: usize,
    position: Option<i64>,
}

/// What the server answers to how far it is.
#[derive(Deserialize)]
struct Progress {
    settled: i64,
}

/// What one client saw.
#[derive(Default)]
struct Seen {
    events: usize,
    refused: usize,
    answers: Vec<Duration>,
    /// When the events up to which place were acknowledged.
    acknowledged: Vec<(i64, Instant)>,
}

impl Load {
    /// Sends everything.
    pub(super) async fn run(&self, bodies: Bodies) -> Result<Figures, Error> {
        let bodies = Arc::new(Mutex::new(bodies));
        let (goal, goal_seen) = watch::channel(None);
        let server = self.server;
        let progress = Head::to(server)?.get("/api/v1/progress");
        let watching = self.watch.then(|| tokio::spawn(look(server, progress, goal_seen)));
        let begin = Instant::now();
        let clients: Vec<_> =
            (0..self.clients).map(|_| tokio::spawn(send(server, Arc::clone(&bodies)))).collect();
        let mut seen = Seen::default();
        for client in clients {
            seen.join(client.await.map_err(|error| failed(&error.to_string()))??);
        }
        let took = begin.elapsed();
        let (events, bytes) = bodies.lock().await.made;
        if seen.events != events {
            return Err(failed(&format!("{} of {events} events were taken", seen.events)));
        }
        let newest = seen.acknowledged.iter().map(|&(position, _)| position).max();
        let _ = goal.send(Some(newest.unwrap_or(0)));
        let lag = match watching {
            Some(watching) => {
                let looks = watching.await.map_err(|error| failed(&error.to_string()))??;
                Some(lag(&looks, &seen.acknowledged))
            }
            None => None,
        };
        let (answers, refused) = (Durations::of(seen.answers), seen.refused);
        Ok(Figures { events, bytes, took, answers, refused, lag })
    }
}

impl Seen {
    fn join(&mut self, other: Self) {
        self.events += other.events;
        self.refused += other.refused;
        self.answers.extend(other.answers);
        self.acknowledged.extend(other.acknowledged);
    }
}

/// One client: sends what is next until nothing is left.
async fn send(server: SocketAddr, bodies: Arc<Mutex<Bodies>>) -> Result<Seen, Error> {
    let mut connection = Connection::open(server).await.map_err(|error| broken(server, &error))?;
    let mut seen = Seen::default();
    loop {
        let Some(request) = bodies.lock().await.next() else { return Ok(seen) };
        loop {
            let begin = Instant::now();
            let answer = connection.ask(&request).await.map_err(|error| broken(server, &error))?;
            match answer.status {
                200 => {
                    let now = Instant::now();
                    let taken: Taken =
                        serde_json::from_slice(answer.body).map_err(|_| failed("no answer"))?;
                    seen.events += taken.accepted + taken.known;
                    seen.answers.push(now - begin);
                    seen.acknowledged.extend(taken.position.map(|position| (position, now)));
                    break;
                }
                429 => {
                    seen.refused += 1;
                    tokio::time::sleep(BUSY_WAIT).await;
                }
                status => {
                    let body = String::from_utf8_lossy(answer.body);
                    return Err(failed(&format!("the server answered {status}: {body}")));
                }
            }
        }
    }
}

/// Looks how far the reports have come, until they have come to the goal.
async fn look(
    server: SocketAddr,
    request: Vec<u8>,
    goal: watch::Receiver<Option<i64>>,
) -> Result<Vec<(Instant, i64)>, Error> {
    let mut connection = Connection::open(server).await.map_err(|error| broken(server, &error))?;
    let mut looks = Vec::new();
    let mut late = None;
    loop {
        let answer = connection.ask(&request).await.map_err(|error| broken(server, &error))?;
        let progress: Progress = serde_json::from_slice(answer.body)
            .map_err(|_| failed("the server tells no progress"))?;
        let now = Instant::now();
        looks.push((now, progress.settled));
        if let Some(goal) = *goal.borrow() {
            if progress.settled >= goal {
                return Ok(looks);
            }
            if now > *late.get_or_insert(now + REPORTS_TIME_MAX) {
                return Err(failed("the reports do not come to the end"));
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// From each answer to the first look at which its events were in the reports.
fn lag(looks: &[(Instant, i64)], acknowledged: &[(i64, Instant)]) -> Durations {
    let lag = |&(position, at): &(i64, Instant)| {
        let first = looks.partition_point(|&(_, settled)| settled < position);
        looks.get(first).map(|&(look, _)| look.saturating_duration_since(at))
    };
    Durations::of(acknowledged.iter().filter_map(lag).collect())
}

fn failed(what: &str) -> Error {
    Error::Failed { what: what.to_owned(), hint: None }
}

fn broken(server: SocketAddr, error: &std::io::Error) -> Error {
    Error::failed(
        format!("the server at {server} cannot be reached: {error}"),
        "start one: seaway serve",
    )
}
