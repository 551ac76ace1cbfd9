//! The deployments that finished last: a table that open pages fetch again.

use super::{deployment_url, service_url};
use crate::app::App;
use crate::delivery::api::filter::{FILTERS, Wanted};
use crate::delivery::api::known_group;
use crate::delivery::api::parameters::Parameters;
use crate::delivery::store::Kept;
use crate::pages::parts::{Column, Table, nothing};
use crate::pages::words::{NAME, count, moment, outside};
use crate::problem::Problem;
use axum::extract::{RawQuery, State};
use axum::response::Html;
use maud::{Markup, html};
use seaway_core::delivery::view::DeploymentRow;
use seaway_core::time::Time;
use std::sync::Arc;

/// Deployments that are shown.
const SHOWN: usize = 10;
/// Deployments that are read at once, and at most, to find those of some services.
const PORTION: i64 = 50;
const READ_MAX: usize = 1_000;

/// `GET /live/deployments`: the table alone.
pub(crate) async fn latest_deployments(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Html<String>, Problem> {
    let parameters = Parameters::of(query.as_deref(), &[&FILTERS[..], &["group"]].concat())?;
    let wanted = Wanted::of(&app, &parameters)?;
    let wanted = match parameters.text("group") {
        Some(group) => wanted.of_group(&known_group(&app, group).await?),
        None => wanted,
    };
    Ok(Html(latest(&app, &wanted).await?.into_string()))
}

/// The latest deployments of some services.
pub(super) async fn latest(app: &App, wanted: &Wanted) -> Result<Markup, Problem> {
    let (mut read, mut found) = (0, Vec::new());
    let portion = if wanted.is_all() { SHOWN as i64 } else { PORTION };
    while found.len() < SHOWN && read < READ_MAX {
        let rows = app.store.latest_deployments(portion, read as i64).await?;
        let is_last = (rows.len() as i64) < portion;
        read += rows.len();
        found.extend(rows.into_iter().filter(|row| wanted.has(&row.service)));
        if is_last {
            break;
        }
    }
    found.truncate(SHOWN);
    Ok(table(&found))
}

fn table(found: &[Kept]) -> Markup {
    let rows = found.iter().filter_map(|kept| {
        let row: DeploymentRow = serde_json::from_str(&kept.body).ok()?;
        let url = deployment_url(&kept.service, &row.environment, &row.name);
        Some(vec![
            html! { span.nowrap { (moment(Some(Time(kept.at)))) } },
            html! { a href=(service_url(&kept.service)) { (outside(&kept.service, NAME)) } },
            html! { a href=(url) { (outside(&row.name, NAME)) } },
            html! { (changes_of(&row)) },
            html! { (outcome(&row)) },
        ])
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return nothing("Nothing was deployed to production lately.");
    }
    let table = Table {
        caption: "The latest deployments in production".to_owned(),
        columns: &[
            Column::Text("Finished (UTC)"),
            Column::Text("Service"),
            Column::Text("Deployment"),
            Column::Number("Changes"),
            Column::Text("What it was"),
        ],
        rows,
    };
    table.markup()
}

/// How many changes a deployment carried, where that is known.
pub(super) fn changes_of(row: &DeploymentRow) -> String {
    match (row.kind, row.succeeded) {
        (Some(_), _) => count(row.changes as usize),
        (None, Some(false)) => "none".to_owned(),
        (None, _) => "not known".to_owned(),
    }
}

/// What a deployment was, in words.
pub(super) fn outcome(row: &DeploymentRow) -> &'static str {
    use seaway_core::delivery::attribution::DeploymentKind::{
        First, Normal, Redeployment, Rollback,
    };
    match (row.kind, row.succeeded, row.failed_by.is_some()) {
        (Some(_), _, true) => "failed later",
        (Some(Rollback), ..) => "rollback",
        (Some(Redeployment), ..) => "redeployment",
        (Some(First), ..) => "the first",
        (Some(Normal), ..) => "success",
        (None, Some(false), _) => "did not become live",
        (None, Some(true), _) => "revision not known",
        (None, None, _) => "runs",
    }
}
