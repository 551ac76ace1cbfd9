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
/// Services that are asked at once when they deployed last.
const PORTION: usize = 500;

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
    let mut found = match wanted.is_all() {
        true => app.store.latest_deployments(SHOWN as i64).await?,
        false => latest_of(app, &wanted.services(app).await?).await?,
    };
    found.truncate(SHOWN);
    Ok(table(&found))
}

/// The latest deployments of some services: they are of those that deployed last.
async fn latest_of(app: &App, services: &[String]) -> Result<Vec<Kept>, Problem> {
    let mut last = Vec::new();
    for some in services.chunks(PORTION) {
        last.extend(app.store.last_deployed(some).await?);
    }
    last.sort_unstable_by(|a, b| b.cmp(a));
    let mut found = Vec::new();
    for (_, service) in last.iter().take(SHOWN) {
        found.extend(app.store.latest_deployments_of(service, SHOWN as i64).await?);
    }
    found.sort_by(|a, b| (b.at, &a.service, &a.key).cmp(&(a.at, &b.service, &b.key)));
    Ok(found)
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
        return nothing("Nothing was deployed to production yet.");
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
