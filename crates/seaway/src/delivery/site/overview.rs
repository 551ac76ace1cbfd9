//! The overview of the organization or of a group.

use super::{Shown, group_url, service_url, with_query};
use crate::app::App;
use crate::delivery::api::OrganizationReport;
use crate::pages::parts::{card, cards, section};
use crate::pages::site::{Page, Place};
use crate::pages::words::{NAME, count, estimate, interval, outside, unbroken};
use crate::problem::Problem;
use axum::extract::{RawQuery, State};
use maud::html;
use seaway_core::time::humanize;
use std::sync::Arc;

/// Services that are listed.
const SERVICES_MAX: i64 = 50;

/// `GET /`.
pub(crate) async fn organization(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    let value = OrganizationReport::of(&app, query.as_deref()).await?;
    let time = &value.report.time_to_value;
    let bounds = interval(time.p50.low, time.p50.high, humanize).unwrap_or_default();
    let catalog = Arc::clone(&app.progress.borrow().latest);
    let services = app.store.services("", SERVICES_MAX).await?;
    let parts = html! {
        ul { @for group in catalog.groups() {
            @let name = group.entity.name();
            li { a href=(group_url(name)) { (outside(name, NAME)) } }
        } }
        ul { @for row in &services {
            li { a href=(service_url(&row.service)) { (outside(&row.service, NAME)) } }
        } }
    };
    let body = html! {
        header.hero { div.frame {
            p.eyebrow { "Time to value of all services" }
            h1 { "Organization" }
            div.median {
                p.big { (unbroken(&estimate(&time.p50))) }
                p.evidence { "p50, the median. 95 % interval: " (unbroken(&bounds)) }
            }
            (cards(&[
                card(&count(time.n), "Delivered", "changes"),
                card(&count(time.waiting), "Waiting", "changes"),
            ]))
        } }
        main.frame { (section("parts", "Groups and services", "By name.", &parts)) }
    };
    let json = with_query("/api/v1/organization", query.as_deref());
    let shown = Shown {
        title: "Overview".to_owned(),
        place: Place::Overview,
        trail: Vec::new(),
        json: Some(json),
        body,
    };
    shown.page(&app).await
}
