//! Events of kinds that nobody here knows: each is kept, and can be looked at.

use super::csv::{Column, Sheet, listed};
use super::parameters::Parameters;
use super::rows::Page;
use crate::app::App;
use crate::delivery::quality::Unknown;
use crate::ledger::Recorded;
use crate::problem::Problem;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use seaway_core::time::Time;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;

/// An event of a kind that nobody here knows.
#[derive(Serialize)]
pub(in crate::delivery) struct UnknownEvent {
    /// Its place on the log.
    pub(in crate::delivery) position: i64,
    pub(in crate::delivery) source: String,
    pub(in crate::delivery) id: String,
    pub(in crate::delivery) kind: String,
    pub(in crate::delivery) received_at: Time,
    /// How long its data are.
    pub(in crate::delivery) bytes: usize,
}

impl UnknownEvent {
    fn of(recorded: Recorded) -> Self {
        let Recorded { position, received_at, event } = recorded;
        Self {
            position,
            received_at: Time(received_at.div_euclid(1_000_000)),
            bytes: event.data.len(),
            source: event.source,
            id: event.id,
            kind: event.kind,
        }
    }
}

impl Sheet for UnknownEvent {
    const FILE: &'static str = "unknown";
    const COLUMNS: &'static [Column] = &[
        ("position", "/position"),
        ("source", "/source"),
        ("id", "/id"),
        ("kind", "/kind"),
        ("received_at", "/received_at"),
        ("bytes", "/bytes"),
    ];
}

/// Events of unknown kinds, as a query asks for them.
pub(in crate::delivery) struct UnknownEvents {
    pub(in crate::delivery) parameters: Parameters,
    pub(in crate::delivery) page: Page<UnknownEvent>,
    /// The oldest place of the log that was looked at.
    pub(in crate::delivery) from: i64,
}

impl UnknownEvents {
    /// The newest first. A page may have fewer rows than asked for, or none, and still a next one:
    /// it looks through so much of the log and no more.
    pub(in crate::delivery) async fn of(app: &App, query: Option<&str>) -> Result<Self, Problem> {
        let parameters = Parameters::of(query, &["kind", "after", "limit", "format"])?;
        parameters.wait(app).await?;
        let limit = usize::try_from(parameters.limit()?).unwrap_or(1);
        let before = match parameters.text("after") {
            None => app.ledger.newest().borrow().saturating_add(1),
            Some(text) => text.parse().ok().filter(|&place: &i64| place > 0).ok_or_else(|| {
                Problem::bad_request("after is not what a page before has named in next")
            })?,
        };
        let kind = parameters.text("kind");
        let arrivals = app.store.arrivals().await?.into_iter();
        let kinds: BTreeSet<String> = arrivals
            .filter(|it| it.outcome == "unknown" && kind.is_none_or(|kind| kind == it.kind))
            .map(|it| it.kind)
            .collect();
        let Unknown { events, from, next } = Unknown::before(app, &kinds, before, limit).await?;
        let rows = events.into_iter().map(UnknownEvent::of).collect();
        let next = next.map(|place| place.to_string());
        Ok(Self { parameters, page: Page { rows, next }, from })
    }
}

/// `GET /api/v1/quality/unknown`: the events of kinds that nobody here knows.
pub(crate) async fn unknown(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let UnknownEvents { parameters, page, .. } = UnknownEvents::of(&app, query.as_deref()).await?;
    listed(&parameters, page)
}
