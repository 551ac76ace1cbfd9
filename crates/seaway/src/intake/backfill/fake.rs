//! A server on the loopback that answers as GitHub's API documents.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, header};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// 2026-11-23 12:00 UTC.
pub(super) const NOW: i64 = 1_795_435_200;

/// An answer that is sent instead of the right one: status, headers, body.
pub(super) type Odd = (u16, Vec<(&'static str, String)>, String);
type Interfere = Box<dyn FnMut(usize, &str) -> Option<Odd> + Send>;

/// What the server knows, and what it was asked.
#[derive(Default)]
pub(super) struct World {
    /// Lists and objects by path, without the leading slash. Lists are in the order of answers.
    pub(super) objects: BTreeMap<String, Value>,
    /// Its clock, Unix seconds.
    pub(super) clock: i64,
    /// Requests that are left until the limit is reset, of how many an hour.
    pub(super) limit: Option<(u64, u64)>,
    reset: i64,
    /// Called with the number and the path of each request.
    pub(super) interfere: Option<Interfere>,
    /// Paths with queries, and the status of the answer.
    pub(super) requests: Vec<(String, u16)>,
    /// Values of `authorization` that were sent.
    pub(super) tokens: Vec<String>,
    /// Seconds of each wait of the client.
    pub(super) waits: Vec<u64>,
    /// Where it listens.
    pub(super) url: String,
}

pub(super) type Shared = Arc<Mutex<World>>;

/// Starts a server, which ends with the runtime of the test.
pub(super) async fn serve(objects: BTreeMap<String, Value>) -> Shared {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let world = World { objects, clock: NOW, url, ..World::default() };
    let shared = Arc::new(Mutex::new(world));
    let router = Router::new().fallback(answer).with_state(shared.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    shared
}

/// A client of the server whose waits let the clock of the server go on.
pub(super) fn client(shared: &Shared) -> super::Client {
    let url = shared.lock().unwrap().url.clone();
    let world = shared.clone();
    let wait = move |time: Duration| -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut world = world.lock().unwrap();
        world.clock += i64::try_from(time.as_secs()).unwrap();
        world.waits.push(time.as_secs());
        Box::pin(async {})
    };
    super::Client::new(&url, Some("secret-token"), wait).unwrap()
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response<Body> {
    let mut world = shared.lock().unwrap();
    let asked = request.uri().path_and_query().unwrap().to_string();
    let text = |name| request.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
    world.tokens.extend(text(header::AUTHORIZATION));
    assert_eq!(text(header::ACCEPT).unwrap(), "application/vnd.github+json");
    assert!(text(header::USER_AGENT).unwrap().starts_with("seaway/"));
    let (status, headers, body) = world.answer(&asked, text(header::IF_NONE_MATCH));
    world.requests.push((asked, status));
    let mut response = Response::builder().status(status);
    let clock = jiff::Timestamp::from_second(world.clock).unwrap();
    let date = clock.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    response = response.header(header::DATE, date);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap()
}

impl World {
    fn answer(&mut self, asked: &str, if_none_match: Option<String>) -> Odd {
        let number = self.requests.len();
        if let Some(odd) = self.interfere.as_mut().and_then(|it| it(number, asked)) {
            return odd;
        }
        let mut limits = Vec::new();
        if let Some((left, an_hour)) = self.limit {
            let left = if self.clock >= self.reset {
                self.reset = self.clock + 3_600;
                an_hour
            } else {
                left
            };
            let reset = ("x-ratelimit-reset", self.reset.to_string());
            limits = vec![("x-ratelimit-remaining", left.saturating_sub(1).to_string()), reset];
            if left == 0 {
                let body = json!({"message": "API rate limit exceeded for user ID 1."});
                return (403, limits, body.to_string());
            }
            self.limit = Some((left - 1, an_hour));
        }
        let url = reqwest::Url::parse(&format!("{}{asked}", self.url)).unwrap();
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let Some(found) = self.objects.get(url.path().trim_start_matches('/')) else {
            return (404, limits, json!({"message": "Not Found"}).to_string());
        };
        let (body, next) = page(found, &query, asked, &self.url);
        let etag = format!("W/\"{}\"", crate::intake::webhook::fingerprint(body.as_bytes()));
        if if_none_match.is_some_and(|it| it == etag) {
            // What has not changed costs nothing.
            self.limit = self.limit.map(|(left, an_hour)| (left + 1, an_hour));
            return (304, limits, String::new());
        }
        let headers = limits.into_iter().chain([("etag", etag)]);
        (200, headers.chain(next.map(|next| ("link", next))).collect(), body)
    }
}

/// One page of a list, and the header that leads to the next.
fn page(
    found: &Value,
    query: &BTreeMap<String, String>,
    asked: &str,
    base: &str,
) -> (String, Option<String>) {
    let (list, wrapped) = match (found.as_array(), found["workflow_runs"].as_array()) {
        (Some(list), _) => (list, false),
        (_, Some(list)) => (list, true),
        _ => return (found.to_string(), None),
    };
    let number = |key: &str, else_: usize| query.get(key).map_or(else_, |it| it.parse().unwrap());
    let (page, size) = (number("page", 1), number("per_page", 30).min(100));
    let items: Vec<&Value> = list.iter().skip((page - 1) * size).take(size).collect();
    let next = (page * size < list.len()).then(|| {
        let bare = asked.split("&page=").next().unwrap();
        let last = list.len().div_ceil(size);
        format!(
            "<{base}{bare}&page={}>; rel=\"next\", <{base}{bare}&page={last}>; rel=\"last\"",
            page + 1
        )
    });
    let body = match wrapped {
        true => json!({"total_count": list.len(), "workflow_runs": items}),
        false => json!(items),
    };
    (body.to_string(), next)
}
