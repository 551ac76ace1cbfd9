//! OTLP/HTTP: OpenTelemetry's logs, of which the evaluations of flags are exposures and Seaway's own
//! events are outcomes. In Protocol Buffers or JSON, and answered in the same.

mod json;
mod protobuf;
mod record;
#[cfg(test)]
mod tests;
mod wire;

use super::intake::{ITEMS_MAX, Intake, Wrong};
use crate::app::App;
use crate::pages::words::clean;
use crate::problem::Problem;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use record::{Origin, Record};
use serde_json::json;
use std::sync::Arc;

/// Records that are named in an answer, of those that were not taken.
const NAMED_MAX: usize = 5;

/// How a request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let kind = kind.split(';').next().unwrap_or_default().trim();
        [Self::Protobuf, Self::Json].into_iter().find(|it| kind.eq_ignore_ascii_case(it.kind()))
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    /// `ExportLogsServiceResponse`: how many records were not taken, and why.
    fn answer(self, rejected: usize, message: &str) -> Vec<u8> {
        match self {
            Self::Json if rejected == 0 => b"{}".to_vec(),
            // Numbers of 64 bits are texts in JSON of Protocol Buffers.
            Self::Json => json!({ "partialSuccess": {
                "rejectedLogRecords": rejected.to_string(), "errorMessage": message } })
            .to_string()
            .into_bytes(),
            Self::Protobuf if rejected == 0 => Vec::new(),
            Self::Protobuf => {
                let (mut partial, mut response) = (Vec::new(), Vec::new());
                wire::write_number(&mut partial, 1, rejected as u64);
                wire::write_bytes(&mut partial, 2, message.as_bytes());
                wire::write_bytes(&mut response, 1, &partial);
                response
            }
        }
    }

    /// `google.rpc.Status`, in the place of a problem; with its status and other headers.
    fn failure(self, problem: Problem) -> Response {
        let message = match problem.hint_told() {
            Some(hint) => format!("{}: {hint}", problem.detail()),
            None => problem.detail().to_owned(),
        };
        let body = match self {
            Self::Json => json!({ "message": message }).to_string().into_bytes(),
            Self::Protobuf => {
                let mut status = Vec::new();
                wire::write_bytes(&mut status, 2, message.as_bytes());
                status
            }
        };
        let (mut parts, _) = problem.into_response().into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind()));
        Response::from_parts(parts, Body::from(body))
    }
}

/// Where the records of a request go.
struct Sink<'i, 's> {
    intake: &'i mut Intake<'s>,
    records: usize,
    rejected: usize,
    /// The first that were not taken: which, and why.
    named: Vec<(usize, Wrong)>,
}

impl Sink<'_, '_> {
    fn take(&mut self, origin: &Origin<'_>, record: &Record<'_>) {
        if !self.is_full()
            && let Err(why) = record.take_in(origin, self.intake)
        {
            self.rejected += 1;
            if self.named.len() < NAMED_MAX {
                self.named.push((self.records, why));
            }
        }
        self.records += 1;
    }

    /// Whether there are more records than are taken at once.
    fn is_full(&self) -> bool {
        self.records > ITEMS_MAX
    }

    fn message(&self) -> String {
        let mut all: Vec<String> = self
            .named
            .iter()
            .map(|(index, why)| format!("record {index}: {}", clean(why, 200)))
            .collect();
        if self.rejected > all.len() {
            all.push("…".to_owned());
        }
        all.join("; ")
    }
}

/// `POST /v1/logs`.
pub(crate) async fn logs(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    let Some(encoding) = Encoding::of(&headers) else {
        return Encoding::Json.failure(Problem::unsupported(
            "logs are sent as application/x-protobuf or application/json",
        ));
    };
    match taken(&app, encoding, &headers, body).await {
        Ok((rejected, message)) => {
            let kind = [(header::CONTENT_TYPE, encoding.kind())];
            (StatusCode::OK, kind, encoding.answer(rejected, &message)).into_response()
        }
        Err(problem) => encoding.failure(problem),
    }
}

/// Puts what a request holds on the log. Returns how many records were not taken, and why.
async fn taken(
    app: &App,
    encoding: Encoding,
    headers: &HeaderMap,
    body: Body,
) -> Result<(usize, String), Problem> {
    let body = app.budget.read(headers, body).await?;
    let shared = &app.exposures.shared;
    let (batch, rejected, message) = tokio::task::block_in_place(|| {
        let mut intake = Intake::new(shared, (app.clock)());
        let mut sink = Sink { intake: &mut intake, records: 0, rejected: 0, named: Vec::new() };
        match encoding {
            Encoding::Protobuf => protobuf::read(&body.bytes, &mut sink).map_err(|_| {
                Problem::bad_request("this is no ExportLogsServiceRequest in Protocol Buffers")
            })?,
            Encoding::Json => json::read(&body.bytes, &mut sink).map_err(|error| {
                Problem::bad_request(format!(
                    "this is no ExportLogsServiceRequest in JSON: {error}"
                ))
            })?,
        }
        if sink.is_full() {
            return Err(Problem::too_large(format!("a request has {ITEMS_MAX} records at most")));
        }
        let (rejected, message) = (sink.rejected, sink.message());
        Ok((intake.done(&[b"logs", &body.bytes])?, rejected, message))
    })?;
    drop(body);
    shared.append(batch).await?;
    Ok((rejected, message))
}
