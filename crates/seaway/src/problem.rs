//! Errors as HTTP tells them: RFC 9457 problem details, made in this one place.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What went wrong with a request. The text is for whoever sent it: what happened, to what, and
/// what to do next. Never holds anything secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem(Box<Details>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Details {
    /// A stable name for programs: `urn:seaway:problem:too-large`.
    #[serde(rename = "type")]
    kind: String,
    /// The same in words.
    title: &'static str,
    /// The HTTP status.
    #[serde(serialize_with = "status_number")]
    status: StatusCode,
    /// What happened, to what.
    detail: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// What was wrong with single items of a batch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejected: Vec<Rejected>,
    /// What is wrong with single places of a definition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Misfit>,
    /// The newest revision of what was to be changed; 0 if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    /// Seconds after which it is worth trying again.
    #[serde(skip)]
    retry_after: Option<u64>,
}

/// An item of a batch that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Rejected {
    /// Its place in the batch, from 0.
    pub(crate) index: usize,
    /// Why, for people.
    pub(crate) reason: String,
}

/// What is wrong with one place of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Misfit {
    /// Where: a JSON pointer (RFC 6901) into what was sent; empty for the whole of it.
    pub(crate) place: String,
    /// What is wrong, for people.
    pub(crate) reason: String,
}

impl Misfit {
    /// What is wrong with a place, as far as people read it.
    pub(crate) fn of(place: &str, reason: &str) -> Self {
        let clean = |text| crate::pages::words::clean(text, DETAIL_CHARS_MAX);
        Self { place: clean(place), reason: clean(reason) }
    }
}

fn status_number<S: serde::Serializer>(status: &StatusCode, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_u16(status.as_u16())
}

/// Characters of a detail: what it quotes comes from outside.
const DETAIL_CHARS_MAX: usize = 600;

impl Problem {
    fn new(status: StatusCode, name: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Details {
            kind: format!("urn:seaway:problem:{name}"),
            title,
            status,
            detail: crate::pages::words::clean(&detail.into(), DETAIL_CHARS_MAX),
            hint: None,
            rejected: Vec::new(),
            problems: Vec::new(),
            revision: None,
            retry_after: None,
        }))
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What kind of problem it is, in words.
    pub(crate) fn title(&self) -> &'static str {
        self.0.title
    }

    /// What happened, to what; cleaned, and not escaped.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What to do next.
    pub(crate) fn hint_told(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Names items of a batch that could not be taken.
    pub(crate) fn rejecting(mut self, rejected: Vec<Rejected>) -> Self {
        self.0.rejected = rejected;
        self
    }

    /// Names places of a definition that are wrong.
    pub(crate) fn at_places(mut self, problems: Vec<Misfit>) -> Self {
        self.0.problems = problems;
        self
    }

    /// Tells the newest revision of what was to be changed.
    pub(crate) fn newest(mut self, revision: u64) -> Self {
        self.0.revision = Some(revision);
        self
    }

    /// Seconds after which it is worth trying again.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.0.retry_after
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// What was sent cannot be understood.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "The request is not right", detail)
    }

    /// The sender could not be told to be who it should be.
    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "The sender is not known", detail)
    }

    /// The sender is known, or need not be, and may not do this.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "This is not allowed", detail)
    }

    /// The sender has failed to be known, or has asked, too often.
    pub(crate) fn too_often(detail: impl Into<String>, retry_after_seconds: u64) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let mut problem = Self::new(status, "too-often", "That was too often", detail)
            .hint("try again after the time that Retry-After names");
        problem.0.retry_after = Some(retry_after_seconds);
        problem
    }

    /// There is no such thing.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", detail)
    }

    /// The URL exists, and not for this method.
    pub(crate) fn method_not_allowed(detail: impl Into<String>) -> Self {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self::new(status, "method-not-allowed", "The method does not fit", detail)
    }

    /// What is there does not let it happen.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "It cannot be so now", detail)
    }

    /// What was to be changed is not as whoever changes it has seen it.
    pub(crate) fn changed_meanwhile(detail: impl Into<String>) -> Self {
        let status = StatusCode::PRECONDITION_FAILED;
        Self::new(status, "changed-meanwhile", "It was changed meanwhile", detail)
    }

    /// It is not said which state is to be changed.
    pub(crate) fn no_base(detail: impl Into<String>) -> Self {
        let status = StatusCode::PRECONDITION_REQUIRED;
        Self::new(status, "no-base", "It is not said what is changed", detail)
    }

    /// What was sent can be read and cannot be kept.
    pub(crate) fn unfit(detail: impl Into<String>) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self::new(status, "unfit", "The definition cannot be kept", detail)
    }

    /// The body is larger than this server takes.
    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", detail)
    }

    /// The body is of a kind that is not taken.
    pub(crate) fn unsupported(detail: impl Into<String>) -> Self {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(status, "unsupported", "The kind of body is not taken", detail)
    }

    /// The body did not arrive in time.
    pub(crate) fn too_slow(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "The body came too slowly", detail)
    }

    /// There is more work than can be taken now.
    pub(crate) fn busy(detail: impl Into<String>, retry_after_seconds: u64) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let mut problem = Self::new(status, "busy", "The server is busy", detail)
            .hint("send it again after the time that Retry-After names");
        problem.0.retry_after = Some(retry_after_seconds);
        problem
    }

    /// The machine or the data failed.
    pub(crate) fn failed(detail: impl Into<String>) -> Self {
        let mut problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "failed",
            "The server could not do it",
            detail,
        );
        problem.0.retry_after = Some(5);
        problem
    }

    /// The program has a fault.
    pub(crate) fn fault() -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let detail = "the request met a fault of this program; the log of the server tells more";
        Self::new(status, "fault", "A fault of the program", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (self.0.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // Pages tell it in their own way.
        response.extensions_mut().insert(self);
        response
    }
}
