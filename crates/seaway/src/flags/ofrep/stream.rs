//! The stream of events by which clients hear that flags have changed (ADR 0008 of the protocol).
//!
//! An event says that something has changed, and never what. So of many changes one event is enough,
//! and a client that reads slowly misses none: there is only ever one to send, the newest.

use super::{Failure, environment, readable};
use crate::app::App;
use crate::flags::registry::Flags;
use crate::flags::snapshot::Version;
use crate::serve::connections_max;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// Clients are told at most this often; more of them are told less often, as all of them then ask.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_PER_CLIENT: Duration = Duration::from_micros(50);
/// Silence after which clients are told that the server is there still.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Seconds without a look at a page after which it may close its stream.
const INACTIVITY_SECONDS: u32 = 120;
/// Milliseconds after which a client whose stream broke off comes again.
const RETRY: u32 = 2_000;

/// What those who listen to an environment are told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    version: Version,
    event: Bytes,
    is_last: bool,
}

/// How many may listen.
pub(crate) struct Streams {
    slots: Arc<Semaphore>,
    most: usize,
}

impl Default for Streams {
    fn default() -> Self {
        let most = connections_max() / 2;
        Self { slots: Arc::new(Semaphore::new(most)), most }
    }
}

impl Streams {
    fn open(&self) -> u32 {
        u32::try_from(self.most - self.slots.available_permits()).unwrap_or(u32::MAX)
    }
}

impl Told {
    fn of(version: Version) -> Self {
        let event = format!(
            "id: {version}\nevent: message\nretry: {RETRY}\ndata: \
             {{\"type\":\"refetchEvaluation\",\"etag\":\"{version}\"}}\n\n"
        );
        Self { version, event: event.into(), is_last: false }
    }
}

impl Flags {
    /// Tells those who listen what has changed, until `stop` says so.
    pub(crate) async fn tell(&self, mut stop: watch::Receiver<bool>) {
        let mut alive = Instant::now();
        loop {
            let pause = PAUSE.max(PAUSE_PER_CLIENT * self.streams.open());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let is_silent = alive.elapsed() >= KEEP_ALIVE;
            if is_silent {
                alive = Instant::now();
            }
            for name in self.environments() {
                let Some(environment) = self.environment(&name) else { continue };
                let version = *environment.versions().borrow();
                let has_moved = environment.told.borrow().version != version;
                if has_moved {
                    environment.told.send_replace(Told::of(version));
                } else if is_silent {
                    environment.told.send_modify(|_| {});
                }
            }
        }
    }

    /// Ends all streams, which would never end by themselves.
    pub(crate) fn end_streams(&self) {
        for name in self.environments() {
            if let Some(environment) = self.environment(&name) {
                environment.told.send_modify(|told| told.is_last = true);
            }
        }
    }
}

/// Writes where the stream of an environment is, as a member that is not the first one. Browsers
/// send no token with it: what stands in the URL opens the stream and nothing else.
pub(super) fn write_place(environment: &str, channel: Option<&str>, out: &mut Vec<u8>) {
    let (name, value) = match channel {
        Some(channel) => ("channel", channel),
        None => ("environment", environment),
    };
    for part in [
        ",\"eventStreams\":[{\"type\":\"sse\",\"endpoint\":{\"requestUri\":\"/ofrep/v1/events?",
        name,
        "=",
        value,
        "\"},\"inactivityDelaySec\":",
        INACTIVITY,
        "}]",
    ] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// [`INACTIVITY_SECONDS`] as text.
const INACTIVITY: &str = "120";
const _: () = assert!(INACTIVITY_SECONDS == 120);

/// `GET /ofrep/v1/events`: an event whenever flags of an environment have changed. It begins with
/// one, as what has changed since the client asked for the flags is not known; not for a client that
/// comes again and says what it has heard last, if nothing has changed since.
pub(crate) async fn events(State(app): State<Arc<App>>, request: Request) -> Response {
    let readers = app.access.readers(request.headers());
    let answer = listen(&app, &request.into_parts().0).await.unwrap_or_else(Failure::into_response);
    readable(answer, readers)
}

/// A parameter of a query; those of this URL need no decoding.
fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(found, _)| *found == name).map(|(_, value)| value)
}

async fn listen(app: &App, parts: &Parts) -> Result<Response, Failure> {
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let pass = match parameter(&query, "channel") {
        Some(channel) => app.access.hears(channel, parts).await?,
        None => app.access.evaluates(parts).await?,
    };
    let token = pass.token().cloned();
    let named = parameter(&query, "environment");
    let own = token.as_ref().map(|it| &*it.environment);
    let name = match (own, named) {
        (None, Some(named)) => {
            crate::environment::check(named)
                .map_err(|why| Failure::new(StatusCode::BAD_REQUEST, why))?;
            named
        }
        _ => environment(app, own, &parts.headers)?,
    };
    let is_known = token.is_some() || name == app.default_environment;
    let environment = match app.flags.environment(name) {
        Some(found) => found,
        None if is_known => app.flags.environment_or_new(name),
        None => {
            let what = format!("there is no environment {name}");
            return Err(Failure::new(StatusCode::NOT_FOUND, what));
        }
    };
    let slot = Arc::clone(&app.flags.streams.slots).try_acquire_owned().map_err(|_| {
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "too many listen already; poll instead")
    })?;
    let heard = parts.headers.get("last-event-id").and_then(|it| it.to_str().ok());
    let heard = heard.and_then(Version::of);
    // In this order: what is told from now on comes after the version that is told first.
    let told = environment.told.subscribe();
    let version = *environment.versions().borrow();
    let first = match heard == Some(version) {
        // Something has to be sent, so that the client sees that it is connected.
        true => Bytes::from_static(b": nothing has changed\n\n"),
        false => Told::of(version).event,
    };
    let state = Listener { told, version, first: Some(first), clock: app.clock };
    let stream = unfold((state, token, slot), |(mut state, token, slot)| async move {
        let next = state.next(|now| token.as_ref().is_some_and(|it| it.is_over(now))).await?;
        Some((Ok::<_, Infallible>(next), (state, token, slot)))
    });
    let mut response = Body::from_stream(stream).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// One client that listens.
struct Listener {
    told: watch::Receiver<Told>,
    /// What it was told last.
    version: Version,
    first: Option<Bytes>,
    clock: crate::app::Clock,
}

impl Listener {
    /// What is sent next; `None` at the end.
    async fn next(&mut self, is_over: impl Fn(i64) -> bool) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        self.told.changed().await.ok()?;
        let told = self.told.borrow_and_update();
        if told.is_last || is_over((self.clock)()) {
            return None;
        }
        if told.event.is_empty() || told.version == self.version {
            return Some(Bytes::from_static(b":\n\n"));
        }
        self.version = told.version;
        Some(told.event.clone())
    }
}
