//! What is asked: a context, in the body of a request.

use super::Failure;
use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use seaway_core::flags::{Context, Json};
use serde::Deserialize;
use std::pin::pin;
use std::time::Duration;

/// The largest body that is taken, in bytes.
const BYTES_MAX: usize = 256 << 10;
/// How long it may take to arrive.
const TIME_MAX: Duration = Duration::from_secs(10);

/// What is asked.
pub(super) struct Asked {
    pub(super) context: Context,
    /// The whole body.
    pub(super) bytes: Bytes,
}

#[derive(Deserialize)]
struct Question {
    context: Option<Json>,
}

impl Asked {
    pub(super) async fn read(body: Body) -> Result<Self, Failure> {
        let bytes = read(body).await?;
        let question: Question = serde_json::from_slice(&bytes).map_err(|error| {
            let code = if error.is_data() { "INVALID_CONTEXT" } else { "PARSE_ERROR" };
            Failure::coded(code, format!("the body of the request cannot be understood: {error}"))
        })?;
        let members = match question.context {
            Some(Json::Object(members)) => members,
            Some(_) => return Err(invalid("the context is an object")),
            None => return Err(invalid("the body of the request has no context")),
        };
        match members.get("targetingKey") {
            None | Some(Json::String(_)) => {}
            Some(_) => return Err(invalid("the targetingKey of the context is text")),
        }
        Ok(Self { context: Context::new(members), bytes })
    }
}

fn invalid(details: &str) -> Failure {
    Failure::coded("INVALID_CONTEXT", details)
}

async fn read(body: Body) -> Result<Bytes, Failure> {
    let mut reading = pin!(Limited::new(body, BYTES_MAX).collect());
    // Most bodies came with their heads, and need no timer.
    let read = match reading.as_mut().now_or_never() {
        Some(read) => read,
        None => tokio::time::timeout(TIME_MAX, reading).await.map_err(|_| {
            Failure::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")
        })?,
    };
    match read {
        Ok(read) => Ok(read.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let what = format!("a request has at most {} KiB", BYTES_MAX >> 10);
            Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, what))
        }
        Err(_) => Err(Failure::new(StatusCode::BAD_REQUEST, "the body broke off")),
    }
}
