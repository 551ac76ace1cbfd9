//! The OpenFeature Remote Evaluation Protocol, 0.3.0: see
//! <https://github.com/open-feature/protocol>, and `docs/flags.md` for what is decided here.
//!
//! What is answered is put together of parts that were written when the flag was compiled
//! (`answers`); a request parses its context, evaluates, and copies those parts.

mod answers;
mod asked;
mod failure;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use answers::Answers;
pub(crate) use stream::{Streams, Told, events};

use super::seen::CONTEXT_BYTES_MAX;
use super::snapshot::{Entry, Snapshot, Version};
use crate::app::App;
use asked::Asked;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
pub(super) use failure::Failure;
use percent_encoding::percent_decode_str;
use seaway_core::flags::{Context, ErrorCode};
use seaway_core::time::Time;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// The header that names an environment, where no token does.
const ENVIRONMENT_HEADER: &str = "seaway-environment";
/// Where single flags are evaluated.
const SINGLE: &str = "/ofrep/v1/evaluate/flags/";
/// How long a request waits for a version that it has heard of from another server.
const BEHIND_MAX: Duration = Duration::from_secs(1);
/// What browsers may send, and read of an answer.
const ALLOWED_HEADERS: &str = "authorization, content-type, if-none-match, x-api-key, \
                               seaway-environment, last-event-id, cache-control";
const EXPOSED_HEADERS: &str = "etag, retry-after";

/// `POST /ofrep/v1/evaluate/flags`: all flags, for one context.
pub(crate) async fn bulk(State(app): State<Arc<App>>, request: Request) -> Response {
    let readers = app.access.readers(request.headers());
    let answer = all(&app, request).await.unwrap_or_else(Failure::into_response);
    readable(answer, readers)
}

/// `POST /ofrep/v1/evaluate/flags/{key}`: one flag, for one context.
pub(crate) async fn single(State(app): State<Arc<App>>, request: Request) -> Response {
    let readers = app.access.readers(request.headers());
    let answer = one(&app, request).await.unwrap_or_else(Failure::into_response);
    readable(answer, readers)
}

/// Answers what browsers ask before they ask, and refuses all other methods.
pub(crate) async fn other_method(State(app): State<Arc<App>>, request: Request) -> Response {
    let readers = app.access.readers(request.headers());
    if request.method() != Method::OPTIONS {
        let failure = Failure::new(StatusCode::METHOD_NOT_ALLOWED, "there is no such method here");
        return readable(failure.into_response(), readers);
    }
    let mut answer = StatusCode::NO_CONTENT.into_response();
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, "7200"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    readable(answer, readers)
}

/// Lets pages read an answer.
pub(super) fn readable(mut answer: Response, readers: Option<HeaderValue>) -> Response {
    let headers = answer.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(readers) = readers {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, readers);
        let exposed = HeaderValue::from_static(EXPOSED_HEADERS);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    }
    answer
}

/// The environment that a request is for: that of its token, or else the one that it names.
pub(super) fn environment<'r>(
    app: &'r App,
    of_token: Option<&'r str>,
    headers: &'r HeaderMap,
) -> Result<&'r str, Failure> {
    let Some(named) = headers.get(ENVIRONMENT_HEADER) else {
        return Ok(of_token.unwrap_or(&app.default_environment));
    };
    let named = named.to_str().unwrap_or_default();
    crate::environment::check(named).map_err(|why| Failure::new(StatusCode::BAD_REQUEST, why))?;
    if let Some(own) = of_token {
        environment_of(own, named)?;
    }
    Ok(named)
}

/// Looks whether the environment of a token is the one that is asked for.
pub(super) fn environment_of(own: &str, asked: &str) -> Result<(), Failure> {
    match own == asked {
        true => Ok(()),
        false => {
            let what = format!("the token is for the environment {own}, not for {asked}");
            Err(Failure::new(StatusCode::FORBIDDEN, what))
        }
    }
}

async fn all(app: &App, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let pass = app.access.evaluates(&parts).await?;
    let token = pass.token();
    let name = environment(app, token.map(|it| &*it.environment), &parts.headers)?;
    let channel = token.map(|it| it.channel.as_str());
    let asked = Asked::read(body).await?;
    if let Some(query) = parts.uri.query() {
        wait_for(app, name, query).await;
    }
    let Some(environment) = app.flags.environment(name) else {
        let empty = Snapshot::empty(name);
        return Ok(evaluated(&empty, &asked, channel, &parts.headers, now(app)));
    };
    let (snapshot, now) = (environment.snapshot(), now(app));
    let answer = evaluated(&snapshot, &asked, channel, &parts.headers, now);
    if asked.bytes.len() <= CONTEXT_BYTES_MAX {
        environment.seen.note(asked.context, now);
    }
    Ok(answer)
}

fn now(app: &App) -> Time {
    Time((app.clock)().div_euclid(1_000_000))
}

/// What all flags are for a context; nothing if whoever asks has it already.
fn evaluated(
    snapshot: &Snapshot,
    asked: &Asked,
    channel: Option<&str>,
    headers: &HeaderMap,
    now: Time,
) -> Response {
    let known = headers.get(header::IF_NONE_MATCH);
    let mut hash = Sha256::new_with_prefix(&asked.bytes);
    if snapshot.timeless {
        let tag = tag(&snapshot.tag, hash);
        if is_known(known, &tag) {
            return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
        }
        return whole(written(snapshot, &asked.context, channel, now), tag);
    }
    let answer = written(snapshot, &asked.context, channel, now);
    hash.update(&answer);
    let tag = tag(&snapshot.tag, hash);
    match is_known(known, &tag) {
        true => (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response(),
        false => whole(answer, tag),
    }
}

fn whole(answer: Vec<u8>, tag: HeaderValue) -> Response {
    let mut response = Response::new(Body::from(answer));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response.headers_mut().insert(header::ETAG, tag);
    response
}

/// The tag of an answer: of the configuration, and of what was asked.
fn tag(begin: &str, hash: Sha256) -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut tag = Vec::with_capacity(begin.len() + 33);
    tag.extend_from_slice(begin.as_bytes());
    for byte in &hash.finalize()[..16] {
        tag.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    tag.push(b'"');
    HeaderValue::from_maybe_shared(bytes::Bytes::from(tag))
        .unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// Whether a tag is among those that a header names.
pub(super) fn is_known(header: Option<&HeaderValue>, tag: &HeaderValue) -> bool {
    let Some(known) = header else { return false };
    if known == tag {
        return true;
    }
    let (Ok(known), Ok(tag)) = (known.to_str(), tag.to_str()) else { return false };
    let plain = |text: &'_ str| text.trim().trim_start_matches("W/").to_owned();
    known.trim() == "*" || known.split(',').any(|it| plain(it) == tag)
}

fn written(snapshot: &Snapshot, context: &Context, channel: Option<&str>, now: Time) -> Vec<u8> {
    let mut out = Vec::with_capacity(snapshot.room());
    out.extend_from_slice(b"{\"flags\":[");
    for (at, entry) in snapshot.entries.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        entry.answers.write(entry.flag.as_deref(), context, now, &mut out);
    }
    out.push(b']');
    answers::write_metadata(&snapshot.metadata, &mut out);
    stream::write_place(&snapshot.environment, channel, &mut out);
    out.push(b'}');
    snapshot.note_room(out.len());
    out
}

/// Waits a moment for a version that whoever asks has heard of, if this server is behind.
async fn wait_for(app: &App, environment: &str, query: &str) {
    let told = query.split('&').find_map(|pair| pair.strip_prefix("flagConfigEtag="));
    let told = told.and_then(|it| percent_decode_str(it).decode_utf8().ok());
    let Some(wanted) = told.and_then(|it| Version::of(it.trim_matches('"'))) else { return };
    let Some(environment) = app.flags.environment(environment) else { return };
    let is_there =
        |version: &Version| version.tag == wanted.tag || version.position >= wanted.position;
    let mut versions = environment.versions();
    if is_there(&versions.borrow()) {
        return;
    }
    // What is behind then is told all the same.
    let _ = tokio::time::timeout(BEHIND_MAX, versions.wait_for(is_there)).await;
}

/// Records that a unit was shown what a flag is for it. Whoever shows the default of the code was
/// shown no variant.
fn record(app: &App, environment: &str, entry: &Entry, context: &Context, now: Time) {
    let found = entry.flag.as_ref().map(|flag| flag.evaluate(context, now));
    if let Some(variant) = found.filter(|it| it.error.is_none()).and_then(|it| it.variant) {
        let (unit, moment) = (context.targeting_key(), (app.clock)());
        app.exposures.record(environment, entry.key(), variant, unit, None, moment);
    }
}

async fn one(app: &App, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let pass = app.access.evaluates(&parts).await?;
    let of_token = pass.token().map(|it| &*it.environment);
    let name = environment(app, of_token, &parts.headers)?;
    let key = parts.uri.path().strip_prefix(SINGLE).unwrap_or_default();
    let key = percent_decode_str(key)
        .decode_utf8()
        .map_err(|_| Failure::new(StatusCode::BAD_REQUEST, "the key is not UTF-8"))?;
    let asked = Asked::read(body).await.map_err(|failure| failure.of_key(&key))?;
    let environment = app.flags.environment(name);
    let snapshot = environment.as_ref().map(|it| it.snapshot());
    let Some(entry) = snapshot.as_ref().and_then(|it| it.get(&key)) else {
        return Err(Failure::of_flag(&key, ErrorCode::FlagNotFound));
    };
    let now = now(app);
    let mut out = Vec::with_capacity(256);
    let error = entry.answers.write(entry.flag.as_deref(), &asked.context, now, &mut out);
    if entry.records_exposures() {
        record(app, name, entry, &asked.context, now);
    }
    if let Some(environment) = &environment
        && asked.bytes.len() <= CONTEXT_BYTES_MAX
    {
        environment.seen.note(asked.context, now);
    }
    let mut response = Response::new(Body::from(out));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    if error.is_some() {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    Ok(response)
}
