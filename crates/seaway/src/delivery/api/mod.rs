//! The JSON of delivery under `/api/v1`, described by `docs/openapi.json`.
//!
//! `reports` has the figures, `rows` the changes, deployments and incidents behind them, `journey` one
//! change with all that is known of its way, `quality`
//! what could not be linked or understood, `parameters` what URLs may say, `filter`
//! which services they may ask for, and `csv` tells lists as CSV. `compare` puts scopes side by side,
//! and `search` finds rows by what people remember of them.

mod compare;
mod csv;
pub(in crate::delivery) mod filter;
mod journey;
pub(in crate::delivery) mod parameters;
mod quality;
mod reports;
mod rows;
mod search;
mod tables;
mod unknown;

pub(in crate::delivery) use crate::url::Names;
pub(crate) use compare::compare;
pub(in crate::delivery) use compare::{By, ComparedPart, Comparison, DAYS, PARTS_MAX};
pub(crate) use journey::change;
pub(in crate::delivery) use journey::{Effect, Journey, LOOKED_AT as DEPLOYMENTS_LOOKED_AT};
pub(in crate::delivery) use quality::{
    Arrivals, Finding, FindingCount, Findings, Malformed, Quality, message as finding_message,
};
pub(crate) use quality::{findings, malformed, quality};
pub(in crate::delivery) use reports::{
    Asked, Figures, Group, GroupReport, OrganizationReport, Service, ServiceReport, groups_of,
    known_group, name_of,
};
pub(crate) use reports::{group, groups, organization, service, services};
pub(in crate::delivery) use rows::{Carried, Change, Deployment, known_service, waiting_in};
pub(crate) use rows::{changes, deployment, deployments, incidents, waiting};
pub(crate) use search::search;
pub(in crate::delivery) use search::{FOUND_MAX, Found, LOOKED_AT, Titled};
pub(crate) use unknown::unknown;
pub(in crate::delivery) use unknown::{UnknownEvent, UnknownEvents};

use crate::app::App;
use crate::problem::Problem;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
pub(in crate::delivery) use parameters::Parameters;
use serde::Serialize;
use std::sync::Arc;

/// How far the reports have come.
#[derive(Serialize)]
struct Progress {
    /// The newest place on the log.
    newest: i64,
    /// The place on the log up to which everything is in the reports.
    settled: i64,
}

/// `GET /api/v1/progress`.
pub(crate) async fn progress(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Json<impl Serialize>, Problem> {
    Parameters::none(query.as_deref())?;
    // In this order: what is settled never seems to be ahead of what is there.
    let settled = app.progress.borrow().settled;
    let newest = *app.ledger.newest().borrow();
    Ok(Json(Progress { newest, settled }))
}

/// `GET /readyz`: whether requests can be served; a balancer sends them elsewhere while they cannot.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    let (log, views) = tokio::join!(app.ledger.look_for_newer(), app.store.newest());
    match log.is_ok() && views.is_ok() {
        true => Ok("ready\n"),
        false => Err(Problem::failed("the database does not answer")),
    }
}

/// `GET /api/v1/openapi.json`.
pub(crate) async fn openapi(RawQuery(query): RawQuery) -> Result<Response, Problem> {
    Parameters::none(query.as_deref())?;
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((kind, include_str!("../../../../../docs/openapi.json")).into_response())
}

impl From<crate::ledger::Error> for Problem {
    fn from(error: crate::ledger::Error) -> Self {
        tracing::error!(%error, "a report could not be read");
        Self::failed("the views could not be read").hint("try again; the server's log tells more")
    }
}
