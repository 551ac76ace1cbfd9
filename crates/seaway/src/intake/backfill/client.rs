//! Asking GitHub: pages, patience, and limits.

use super::Error;
use crate::pages::words;
use bytes::{Bytes, BytesMut};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode, Url};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Times that an answer is asked for before it is given up.
const ATTEMPTS_MAX: u32 = 6;
/// Waits for the rate limit in a row before it is given up.
const LIMITS_MAX: u32 = 20;
/// The longest wait for a rate limit, in seconds: GitHub's limits are those of an hour.
const WAIT_MAX: u64 = 3_700;
/// The least wait where GitHub says that it was asked too much and not for how long, in seconds.
const SECONDARY_WAIT: u64 = 60;
/// Bytes of an answer that are read.
const BODY_MAX: usize = 64 * 1024 * 1024;

/// A future of nothing.
type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A client of GitHub's REST API that keeps within its limits.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    /// Lets time pass.
    wait: Box<dyn Fn(Duration) -> Waiting + Send + Sync>,
    /// Seconds to wait before the next request.
    pause: AtomicU64,
}

/// A page of a listing, or an object.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Bytes,
    /// The URL of the next page.
    pub(super) next: Option<String>,
    pub(super) etag: Option<String>,
    /// When it was given, by GitHub's clock, Unix seconds.
    pub(super) date: Option<i64>,
}

/// What to do about an answer that is none.
enum Trouble {
    /// Ask again after so many seconds: the limit is reached.
    Limited(u64),
    /// Ask again soon: the server, or the way to it, has failed; what it is if it stays so.
    Failed(Error),
    /// It stays like this.
    Final(Error),
}

impl Client {
    /// A client of the API at `api_url`: `https://api.github.com`, or `https://HOST/api/v3` of
    /// GitHub Enterprise. `wait` lets time pass.
    ///
    /// # Errors
    /// When the URL or the token cannot be used.
    pub(crate) fn new(
        api_url: &str,
        token: Option<&str>,
        wait: impl Fn(Duration) -> Waiting + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let base = Url::parse(&format!("{}/", api_url.trim_end_matches('/')));
        let base = base.ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let base =
            base.ok_or_else(|| Error::Wrong("the URL of the API is no http(s) URL".to_owned()))?;
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
        let version = HeaderName::from_static("x-github-api-version");
        headers.insert(version, HeaderValue::from_static("2022-11-28"));
        if let Some(token) = token {
            let is_here = matches!(base.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
            if base.scheme() == "http" && !is_here {
                let reason = "the token would be sent in the clear: use an https URL of the API";
                return Err(Error::Wrong(reason.to_owned()));
            }
            let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
                .map_err(|_| Error::Wrong("the token holds what no token can hold".to_owned()))?;
            bearer.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, bearer);
        }
        let http = reqwest::Client::builder()
            .user_agent(concat!("seaway/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(Duration::from_secs(20))
            .timeout(Duration::from_secs(120))
            .build()
            .map_err(|error| Error::Wrong(error.to_string()))?;
        Ok(Self { http, base, wait: Box::new(wait), pause: AtomicU64::new(0) })
    }

    /// The URL of a path of the API.
    pub(super) fn url(&self, path: &str, query: &[(&str, &str)]) -> Result<String, Error> {
        let url = self.base.join(path);
        let mut url = url.map_err(|error| Error::Wrong(format!("{path}: {error}")))?;
        url.query_pairs_mut().extend_pairs(query);
        Ok(url.into())
    }

    /// Asks until there is an answer; `None` where the state is still that of `etag`.
    pub(super) async fn get(&self, url: &str, etag: Option<&str>) -> Result<Option<Answer>, Error> {
        let url = self.own(url)?;
        let (mut failures, mut limits) = (0, 0);
        loop {
            let pause = self.pause.swap(0, Ordering::Relaxed);
            if pause > 0 {
                (self.wait)(Duration::from_secs(pause)).await;
            }
            match self.ask(&url, etag).await {
                Ok(answer) => return Ok(answer),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::Limited(seconds)) if limits < LIMITS_MAX => {
                    // Whoever asks too early too often is kept out: twice as long each time, where
                    // GitHub does not say how long.
                    let seconds = seconds.clamp(1, WAIT_MAX) << limits.min(5);
                    limits += 1;
                    self.pause.store(seconds.min(WAIT_MAX), Ordering::Relaxed);
                }
                Err(Trouble::Failed(_)) if failures + 1 < ATTEMPTS_MAX => {
                    self.pause.store(1 << failures, Ordering::Relaxed);
                    failures += 1;
                }
                Err(Trouble::Limited(_)) => {
                    let reason = "its rate limit does not end".to_owned();
                    return Err(Error::Unreachable { path: path_of(&url), reason });
                }
                Err(Trouble::Failed(error)) => return Err(error),
            }
        }
    }

    /// Whether a URL is one of the API: the token is for nobody else.
    pub(super) fn is_own(&self, url: &str) -> bool {
        Url::parse(url).is_ok_and(|it| it.origin() == self.base.origin())
    }

    fn own(&self, url: &str) -> Result<Url, Error> {
        let own = Url::parse(url).ok().filter(|_| self.is_own(url));
        own.ok_or_else(|| Error::Wrong("a page lies elsewhere than the API".to_owned()))
    }

    async fn ask(&self, url: &Url, etag: Option<&str>) -> Result<Option<Answer>, Trouble> {
        let mut request = self.http.get(url.clone());
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let mut response = request.send().await.map_err(|error| unreachable(url, error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        if status == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        let body = read(&mut response, url).await?;
        if !status.is_success() {
            return Err(trouble(url, status, &headers, &body));
        }
        if number(&headers, "x-ratelimit-remaining") == Some(0) {
            self.pause.store(until_reset(&headers).min(WAIT_MAX), Ordering::Relaxed);
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        Ok(Some(Answer {
            body,
            next: text(header::LINK).and_then(next_of),
            etag: text(header::ETAG).filter(|etag| etag.len() <= 200).map(str::to_owned),
            date: date(&headers),
        }))
    }
}

async fn read(response: &mut Response, url: &Url) -> Result<Bytes, Trouble> {
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= BODY_MAX => body.extend(chunk),
            Ok(Some(_)) => {
                let reason = "it is longer than any answer can be".to_owned();
                return Err(Trouble::Final(Error::Unreadable { path: path_of(url), reason }));
            }
            Ok(None) => return Ok(body.freeze()),
            Err(error) => return Err(unreachable(url, error)),
        }
    }
}

fn unreachable(url: &Url, error: reqwest::Error) -> Trouble {
    // The URL within the error may be long, and says nothing new.
    let reason = error.without_url().to_string();
    Trouble::Failed(Error::Unreachable { path: path_of(url), reason })
}

/// What an answer that is no success means, by GitHub's documentation of its rate limits.
fn trouble(url: &Url, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Trouble {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Message {
        message: String,
    }
    let reason = serde_json::from_slice::<Message>(body).unwrap_or_default().message;
    let reason = words::clean(&reason, 200);
    let may_be_limit = matches!(status.as_u16(), 403 | 429);
    if may_be_limit && let Some(seconds) = number(headers, "retry-after") {
        return Trouble::Limited(seconds);
    }
    if may_be_limit && number(headers, "x-ratelimit-remaining") == Some(0) {
        return Trouble::Limited(until_reset(headers));
    }
    if status.as_u16() == 429 || (may_be_limit && reason.to_lowercase().contains("rate limit")) {
        return Trouble::Limited(SECONDARY_WAIT);
    }
    let refused = Error::Refused { path: path_of(url), status: status.as_u16(), reason };
    if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
        Trouble::Failed(refused)
    } else {
        Trouble::Final(refused)
    }
}

fn path_of(url: &Url) -> String {
    words::clean(url.path(), 300)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// Seconds until the limit ends, by the clock of the server that says so: ours may be wrong.
fn until_reset(headers: &HeaderMap) -> u64 {
    let reset = number(headers, "x-ratelimit-reset").and_then(|it| i64::try_from(it).ok());
    match (reset, date(headers)) {
        // A second more: both are whole seconds.
        (Some(reset), Some(now)) => u64::try_from(reset.saturating_sub(now)).unwrap_or(0) + 1,
        _ => SECONDARY_WAIT,
    }
}

fn date(headers: &HeaderMap) -> Option<i64> {
    let text = headers.get(header::DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_second())
}

/// The URL with `rel="next"` of a `Link` header (RFC 8288).
pub(super) fn next_of(link: &str) -> Option<String> {
    let mut rest = link;
    while let Some((_, after)) = rest.split_once('<') {
        let (url, after) = after.split_once('>')?;
        let end = after.find('<').unwrap_or(after.len());
        let is_next = after[..end].split([';', ',']).any(|parameter| {
            let parameter = parameter.trim();
            parameter == "rel=\"next\"" || parameter == "rel=next"
        });
        if is_next {
            return (url.len() <= 2_000).then(|| url.to_owned());
        }
        rest = &after[end..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found() {
        let link = "<https://h/a?page=1>; rel=\"prev\", <https://h/a?page=3,4>; rel=\"next\", \
                    <https://h/a?page=9>; rel=\"last\"";
        assert_eq!(next_of(link), Some("https://h/a?page=3,4".to_owned()));
        for none in
            ["", "<", "<x", "<x>", "<x>; rel=\"prev\"", "<x>; rel=\"next\"".get(..5).unwrap()]
        {
            assert_eq!(next_of(none), None, "{none}");
        }
    }

    #[test]
    fn waits_are_told_by_the_servers_clock() {
        let mut headers = HeaderMap::new();
        assert_eq!(until_reset(&headers), SECONDARY_WAIT);
        headers.insert("x-ratelimit-reset", "1795435260".parse().unwrap());
        headers.insert("date", "Mon, 23 Nov 2026 12:00:00 GMT".parse().unwrap());
        assert_eq!(until_reset(&headers), 61);
        headers.insert("x-ratelimit-reset", "1".parse().unwrap());
        assert_eq!(until_reset(&headers), 1);
    }
}
