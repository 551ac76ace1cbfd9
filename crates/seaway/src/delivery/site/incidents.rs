//! The latest incidents of a service, and the deployments that they belong to.

use super::deployment_url;
use crate::pages::parts::{Column, Table, as_csv, nothing};
use crate::pages::site::{escape, is_link};
use crate::pages::words::{LINE, NAME, counted, moment, outside, unbroken};
use maud::{Markup, html};
use seaway_core::delivery::view::IncidentRow;
use seaway_core::time::{Time, humanize};

/// Incidents that are listed.
pub(super) const LISTED: i64 = 10;

/// The latest of a service's incidents, the newest first.
pub(super) fn latest_incidents(service: &str, rows: &[IncidentRow]) -> Markup {
    if rows.is_empty() {
        return nothing("No incident of this service is known.");
    }
    let table = Table {
        caption: "The latest incidents".to_owned(),
        columns: &[
            Column::Text("Incident"),
            Column::Text("Opened (UTC)"),
            Column::Number("Lasted"),
            Column::Text("Deployment"),
            Column::Text("Environment"),
        ],
        rows: rows.iter().map(|it| row(service, it)).collect(),
    };
    let sheet = format!("/api/v1/services/{}/incidents?format=csv", escape(service));
    html! {
        p { "The latest " (counted(rows.len(), "incident", "incidents")) "." }
        (table.markup())
        (as_csv(&sheet, "All incidents"))
    }
}

fn row(service: &str, it: &IncidentRow) -> Vec<Markup> {
    let lasted = it.resolved_at.zip(it.opened_at).map(|(end, start)| (end - start).max(0));
    let title = outside(if it.title.is_empty() { &it.id } else { &it.title }, LINE);
    let deployment = it.environment.as_ref().zip(it.deployment.as_ref());
    vec![
        html! { @match it.url.as_deref().filter(|url| is_link(url)) {
            Some(url) => { a href=(url) rel="noreferrer noopener" { (title) } }
            None => (title),
        } },
        html! { span.nowrap { (moment(it.opened_at.map(Time))) } },
        html! { @match (lasted, it.resolved_at) {
            (Some(seconds), _) => (unbroken(&humanize(seconds as f64))),
            (None, Some(_)) => "not known",
            (None, None) => "is open",
        } },
        html! { @match deployment {
            Some((environment, name)) => {
                a href=(deployment_url(service, environment, name)) { (outside(name, NAME)) }
            }
            None => "none",
        } },
        html! { @match deployment {
            Some((environment, _)) => (outside(environment, NAME)),
            None => "none",
        } },
    ]
}
