//! Errors as the protocol tells them. All have details.

use super::answers::details;
use crate::pages::words::clean;
use crate::problem::Problem;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use seaway_core::flags::ErrorCode;
use serde::Serialize;

/// Characters of details: they may quote what was sent.
const DETAILS_CHARS_MAX: usize = 300;

/// Why nothing was evaluated.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure {
    #[serde(skip)]
    status: StatusCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    error_code: &'static str,
    error_details: String,
    #[serde(skip)]
    retry_after: Option<u64>,
}

impl Failure {
    /// A failure without a code of its own.
    pub(crate) fn new(status: StatusCode, details: impl Into<String>) -> Self {
        let error_details = clean(&details.into(), DETAILS_CHARS_MAX);
        Self { status, key: None, error_code: "GENERAL", error_details, retry_after: None }
    }

    /// A request that cannot be understood.
    pub(super) fn coded(error_code: &'static str, details: impl Into<String>) -> Self {
        Self { error_code, ..Self::new(StatusCode::BAD_REQUEST, details) }
    }

    /// A flag that is not what it was asked for.
    pub(super) fn of_flag(key: &str, error: ErrorCode) -> Self {
        let status = match error {
            ErrorCode::FlagNotFound => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        };
        let details = format!("{}: {}", details(error), clean(key, 100));
        Self { error_code: error.name(), ..Self::new(status, details) }.of_key(key)
    }

    /// The same for the flag of a key.
    pub(super) fn of_key(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    pub(crate) fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let details = match problem.hint_told() {
            Some(hint) => format!("{}; {hint}", problem.detail()),
            None => problem.detail().to_owned(),
        };
        let retry_after = problem.retry_after();
        Self { retry_after, ..Self::new(problem.status(), details) }
    }
}
