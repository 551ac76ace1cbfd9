//! A running server, which verbs tell what they have through its API.

use crate::app::PlaceArguments;
use crate::error::Error;
use crate::ledger::{Event, write_object};
use crate::pages::words;
use clap::Args;
pub(crate) use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use std::time::Duration;

/// Events of one request, and about how many bytes of them.
const EVENTS_MAX: usize = 500;
const BYTES_MAX: usize = 8 << 20;
/// Times in a row that a request is sent before it is given up: while the server is busy, and while
/// it cannot be reached.
const BUSY_MAX: u32 = 100;
const FAILURES_MAX: u32 = 6;
/// The longest wait that a server may ask for.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Places of a definition that are told.
const PLACES_MAX: usize = 10;

/// Which server is told.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgument {
    /// A running server that is told, in the place of the folder [default: $SEAWAY_SERVER]
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "database"])]
    server: Option<String>,
}

impl ServerArgument {
    /// The server that is to be told; `None` where a place is named, or nothing at all.
    pub(crate) fn remote(&self, place: &PlaceArguments) -> Result<Option<Remote>, Error> {
        let named = || std::env::var("SEAWAY_SERVER").ok().filter(|_| !place.is_given());
        let url = self.server.clone().or_else(named).filter(|url| !url.trim().is_empty());
        url.map(|url| Remote::of(&url)).transpose()
    }
}

/// What is asked of a server.
pub(crate) struct Question<'q> {
    pub(crate) method: Method,
    /// The path, escaped.
    pub(crate) path: &'q str,
    pub(crate) query: &'q [(&'q str, &'q str)],
    /// A header that says on what condition something is done.
    pub(crate) condition: Option<(&'q str, &'q str)>,
    /// JSON.
    pub(crate) body: Option<Vec<u8>>,
}

/// What a server answered.
pub(crate) struct Reply {
    /// Its tag.
    pub(crate) tag: Option<String>,
    pub(crate) body: bytes::Bytes,
}

/// A running server.
pub(crate) struct Remote {
    http: Client,
    base: Url,
    events: Url,
}

/// What became of events that were sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) accepted: u64,
    pub(crate) known: u64,
    /// Which ones were not taken, and why.
    pub(crate) rejected: Vec<(usize, String)>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    accepted: u64,
    known: u64,
    rejected: Vec<Rejected>,
    detail: String,
}

#[derive(Deserialize)]
struct Rejected {
    index: usize,
    reason: String,
}

impl Remote {
    /// The server at a URL. `SEAWAY_TOKEN`, if it is set, goes with each request.
    pub(crate) fn of(url: &str) -> Result<Self, Error> {
        let wrong = || Error::input("--server is no http(s) URL", "write http://127.0.0.1:7700");
        let base = Url::parse(url.trim()).map_err(|_| wrong())?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(wrong());
        }
        let is_here = matches!(base.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let mut headers = HeaderMap::new();
        if let Some(token) = std::env::var("SEAWAY_TOKEN").ok().filter(|it| !it.trim().is_empty()) {
            if base.scheme() == "http" && !is_here {
                return Err(Error::input(
                    "the token would be sent in the clear",
                    "use an https URL for --server",
                ));
            }
            let mut value =
                HeaderValue::from_str(&format!("Bearer {}", token.trim())).map_err(|_| {
                    Error::input("SEAWAY_TOKEN holds what no token can hold", "set it anew")
                })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut client = Client::builder()
            .user_agent(concat!("seaway/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(120));
        if is_here {
            client = client.no_proxy();
        }
        let http = client
            .build()
            .map_err(|error| Error::Failed { what: error.to_string(), hint: None })?;
        let mut base = base;
        base.set_query(None);
        base.set_fragment(None);
        let events = under(&base, "/events");
        Ok(Self { http, base, events })
    }

    /// Asks for what is at a path, once, and tells the JSON that is answered.
    ///
    /// # Errors
    /// The server cannot be reached or refuses; `hint` says what to do where it is not let in.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
        hint: &str,
    ) -> Result<serde_json::Value, Error> {
        let body = body.map(|body| body.to_string().into_bytes());
        let question = Question { method, path, query: &[], condition: None, body };
        let reply = self.put(question, hint).await?;
        serde_json::from_slice(&reply.body).map_err(|_| {
            let what = format!("{} answers what is no JSON", self.name());
            Error::Failed { what, hint: None }
        })
    }

    /// Asks for what is at a path, once, and tells what is answered.
    ///
    /// # Errors
    /// The server cannot be reached or refuses; `hint` says what to do where it is not let in.
    pub(crate) async fn put(&self, question: Question<'_>, hint: &str) -> Result<Reply, Error> {
        let Question { method, path, query, condition, body } = question;
        let mut url = under(&self.base, path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url);
        if let Some((name, value)) = condition {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let unreachable = |error: reqwest::Error| {
            Error::failed(
                format!("{} cannot be reached: {}", self.name(), error.without_url()),
                "look whether the server runs",
            )
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let tag = response.headers().get(ETAG).and_then(|it| it.to_str().ok().map(str::to_owned));
        let body = response.bytes().await.map_err(unreachable)?;
        if status.is_success() {
            return Ok(Reply { tag, body });
        }
        let told = told(serde_json::from_slice(&body).unwrap_or_default());
        let what = format!("{} answers {status}: {told}", self.name());
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::input(what, hint),
            _ if status.is_client_error() => Error::Input { what, hint: None },
            _ => Error::Failed { what, hint: None },
        })
    }

    /// Where it is, to tell it from others: without credentials.
    pub(crate) fn name(&self) -> String {
        crate::git::clone::without_credentials(self.events.as_str())
    }

    /// Sends events, as many requests as it takes, and waits while the server is busy.
    pub(crate) async fn send(&self, events: &[Event]) -> Result<Sent, Error> {
        let mut sent = Sent::default();
        let (mut body, mut indexes) = (Vec::new(), Vec::new());
        for (index, event) in events.iter().enumerate() {
            body.push(if body.is_empty() { b'[' } else { b',' });
            let start = body.len();
            if let Err(reason) = write_object(event, None, &mut body) {
                body.truncate(start - 1);
                sent.rejected.push((index, reason));
                continue;
            }
            indexes.push(index);
            if indexes.len() == EVENTS_MAX || body.len() > BYTES_MAX {
                self.send_batch(&mut body, &mut indexes, &mut sent).await?;
            }
        }
        self.send_batch(&mut body, &mut indexes, &mut sent).await?;
        Ok(sent)
    }

    async fn send_batch(
        &self,
        body: &mut Vec<u8>,
        indexes: &mut Vec<usize>,
        sent: &mut Sent,
    ) -> Result<(), Error> {
        let indexes = std::mem::take(indexes);
        let mut body = std::mem::take(body);
        if indexes.is_empty() {
            return Ok(());
        }
        body.push(b']');
        let (status, answer) = self.post(bytes::Bytes::from(body)).await?;
        let is_told = status.is_success() || !answer.rejected.is_empty();
        if status == StatusCode::PAYLOAD_TOO_LARGE && indexes.len() == 1 {
            sent.rejected.push((indexes[0], "it is larger than the server takes".to_owned()));
            return Ok(());
        }
        if !is_told {
            let detail = words::clean(&answer.detail, 300);
            return Err(Error::failed(
                format!("{} answers {status}: {detail}", self.name()),
                "mend it and run this again: what is known is passed over",
            ));
        }
        sent.accepted += answer.accepted;
        sent.known += answer.known;
        for Rejected { index, reason } in answer.rejected {
            let index = indexes.get(index).copied().unwrap_or(indexes[0]);
            sent.rejected.push((index, words::clean(&reason, 300)));
        }
        Ok(())
    }

    async fn post(&self, body: bytes::Bytes) -> Result<(StatusCode, Answer), Error> {
        let (mut busy, mut failures) = (0, 0);
        loop {
            let request = self
                .http
                .post(self.events.clone())
                .header(CONTENT_TYPE, "application/cloudevents-batch+json")
                .body(body.clone());
            let wait = match request.send().await {
                Ok(response) if is_busy(&response) && busy < BUSY_MAX => {
                    busy += 1;
                    retry_after(response.headers())
                }
                Ok(response) => {
                    let status = response.status();
                    let answer = response.bytes().await.unwrap_or_default();
                    return Ok((status, serde_json::from_slice(&answer).unwrap_or_default()));
                }
                Err(error) if failures + 1 == FAILURES_MAX => {
                    return Err(Error::failed(
                        format!("{} cannot be reached: {}", self.name(), error.without_url()),
                        "look whether the server runs, and run this again: what is known is passed \
                         over",
                    ));
                }
                Err(_) => {
                    failures += 1;
                    Duration::from_millis(250 << failures)
                }
            };
            tokio::time::sleep(wait).await;
        }
    }
}

/// What a problem tells: with the places of a definition that are wrong.
fn told(problem: serde_json::Value) -> String {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let places = problem["problems"].as_array().into_iter().flatten().take(PLACES_MAX);
    let places: Vec<String> =
        places.map(|it| format!("{}: {}", text(&it["place"]), text(&it["reason"]))).collect();
    let detail = match problem["detail"].as_str() {
        None => "no JSON",
        Some(_) if !places.is_empty() => return words::clean(&places.join("; "), 500),
        Some(detail) => detail,
    };
    words::clean(detail, 300)
}

/// The URL of a path below that of a server.
fn under(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

fn is_busy(response: &Response) -> bool {
    matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1)).min(WAIT_MAX)
}
