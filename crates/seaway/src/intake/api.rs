//! Where events arrive: each is answered when it is durable.

use super::cloudevents::{self, Received};
use super::webhook::Refused;
use super::{github as github_webhook, gitlab as gitlab_webhook};
use crate::app::App;
use crate::body::Taken;
use crate::ledger::{Event, Outcome, RECEIVED_AT, Refusal, write_line};
use crate::problem::{Problem, Rejected};
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What became of what was sent.
#[derive(Debug, Serialize)]
struct Answer {
    /// Events that are on the log now.
    accepted: usize,
    /// Events that were there before: sent again, they change nothing.
    known: usize,
    /// Events that were not taken.
    rejected: Vec<Rejected>,
    /// The newest place on the log that these events have; reports can be asked to wait for it.
    position: Option<i64>,
}

/// `POST /events`: CloudEvents over HTTP, structured, binary or in a batch.
pub(crate) async fn events(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = app.budget.read(&headers, body).await?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let (events, rejected) = match cloudevents::receive(kind, pairs, &body.bytes)? {
        Received::One(event) => (vec![from_outside(event).map_err(Problem::bad_request)?], vec![]),
        Received::Batch(items) => {
            let (mut events, mut rejected) = (Vec::with_capacity(items.len()), Vec::new());
            for (index, item) in items.into_iter().enumerate() {
                match item.map_err(|problem| problem.reason).and_then(from_outside) {
                    Ok(event) => events.push(event),
                    Err(reason) => rejected.push(Rejected { index, reason }),
                }
            }
            (events, rejected)
        }
    };
    if events.is_empty() && !rejected.is_empty() {
        return Err(Problem::bad_request("none of the events can be kept").rejecting(rejected));
    }
    append(&app, events, rejected, body).await
}

/// What an event of Seaway itself begins its `type` or its `source` with.
const OWN_KIND: &str = "dev.seaway.";
const OWN_SOURCE: &str = "seaway/";

/// Refuses events that only Seaway itself writes (who owns what is one of them), and takes away
/// what only the log says of an event.
pub(super) fn from_outside(mut event: Event) -> Result<Event, String> {
    if event.kind.starts_with(OWN_KIND) {
        return Err(format!("events of a type that begins with {OWN_KIND} are Seaway's own"));
    }
    if event.source.starts_with(OWN_SOURCE) {
        return Err(format!("events of a source that begins with {OWN_SOURCE} are Seaway's own"));
    }
    event.extensions.remove(RECEIVED_AT);
    Ok(event)
}

/// `POST /webhooks/github`.
pub(crate) async fn github(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = app.budget.read(&headers, body).await?;
    let event = github_webhook::accept(&headers, &body.bytes, &app.secrets.github)?;
    append(&app, vec![event], Vec::new(), body).await
}

/// `POST /webhooks/gitlab`.
pub(crate) async fn gitlab(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = app.budget.read(&headers, body).await?;
    let event = gitlab_webhook::accept(&headers, &body.bytes, &app.secrets.gitlab)?;
    append(&app, vec![event], Vec::new(), body).await
}

/// What names an event.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Name {
    source: String,
    id: String,
}

/// `GET /api/v1/event?source=…&id=…`: one event of the log as a CloudEvent, so that what could not
/// be understood can be looked at.
pub(crate) async fn event(
    State(app): State<Arc<App>>,
    name: Result<Query<Name>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Name { source, id }) = name.map_err(|_| {
        Problem::bad_request("an event is named by its source and its id")
            .hint("give both as parameters, and no other: ?source=…&id=…")
    })?;
    let unreadable = |why: String| {
        tracing::error!(why, source, id, "an event cannot be read");
        Problem::failed("the event cannot be read").hint("seaway check tells more")
    };
    let found = app.ledger.read_one(&source, &id).await;
    let Some(recorded) = found.map_err(|error| unreadable(error.to_string()))? else {
        return Err(Problem::not_found(format!("there is no event {id} of {source}")));
    };
    let mut line = Vec::new();
    write_line(&recorded, &mut line).map_err(unreadable)?;
    let kind = [(header::CONTENT_TYPE, "application/cloudevents+json")];
    Ok((kind, line).into_response())
}

/// Answers when the events are durable. `body` is held until then: they are parts of it.
async fn append(
    app: &App,
    events: Vec<Event>,
    rejected: Vec<Rejected>,
    body: Taken,
) -> Result<Response, Problem> {
    let outcomes = app.ledger.append(events, (app.clock)()).await?;
    drop(body);
    let positions = outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::New(position) => Some(*position),
        Outcome::Known => None,
    });
    let accepted = positions.clone().count();
    let status = match rejected.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::MULTI_STATUS,
    };
    let position = positions.max();
    let answer = Answer { accepted, known: outcomes.len() - accepted, rejected, position };
    Ok((status, Json(answer)).into_response())
}

impl From<cloudevents::Refusal> for Problem {
    fn from(refusal: cloudevents::Refusal) -> Self {
        let what = refusal.to_string();
        match refusal {
            cloudevents::Refusal::Form(_) => Self::unsupported(what),
            cloudevents::Refusal::Malformed(_) => Self::bad_request(what),
            cloudevents::Refusal::TooMany => Self::too_large(what).hint("send fewer at once"),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let what = refused.to_string();
        match refused {
            Refused::Unproven(_) => {
                Self::unauthorized(what).hint("give the webhook the same secret as the server")
            }
            Refused::Malformed(_) => Self::bad_request(what),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let what = refusal.to_string();
        match refusal {
            Refusal::Busy { retry_after_seconds } => {
                Self::busy(what, u64::from(retry_after_seconds))
            }
            Refusal::Unfit { index, why } => {
                Self::bad_request(what).rejecting(vec![Rejected { index, reason: why }])
            }
            Refusal::Failed(_) => {
                Self::failed(what).hint("send it again: what is known already is not kept twice")
            }
        }
    }
}
