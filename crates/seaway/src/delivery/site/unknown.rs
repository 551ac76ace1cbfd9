//! Events of kinds that nobody here knows, one by one.

use super::Shown;
use crate::app::App;
use crate::delivery::api::{UnknownEvent, UnknownEvents};
use crate::pages::parts::{Column, Table, nothing, section};
use crate::pages::site::{Page, Place, Step, escape};
use crate::pages::words::{NAME, count, moment, outside};
use crate::problem::Problem;
use axum::extract::{RawQuery, State};
use maud::{Markup, html};
use std::sync::Arc;

/// `GET /quality/unknown`; with `kind`, those of one kind.
pub(crate) async fn unknown(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    let found = UnknownEvents::of(&app, query.as_deref()).await?;
    let kind = found.parameters.text("kind");
    let mut json = "/api/v1/quality/unknown".to_owned();
    let mut sheet = format!("{json}?format=csv");
    if let Some(kind) = kind {
        json.push_str(&format!("?kind={}", escape(kind)));
        sheet.push_str(&format!("&kind={}", escape(kind)));
    }
    let body = html! {
        header.hero { div.frame {
            p.eyebrow { "Events that are kept, and that no report uses" }
            h1 { @match kind {
                Some(kind) => { "Events of the kind " (outside(kind, NAME)) }
                None => { "Events of unknown kinds" }
            } }
            p { "Nobody here knows what they tell. Stop sending them, or leave them: once a newer Seaway \
                knows their kind, seaway rebuild takes them in." }
        } }
        main.frame { (section("rows", "Events", "The newest first.", &html! {
            (rows(&found))
            p.pager {
                @if let Some(next) = &found.page.next {
                    a href={ "/quality/unknown" (found.parameters.next(next)) } { "Older ones" }
                }
                a href=(sheet) { "As CSV" }
            }
        })) }
    };
    let shown = Shown {
        title: "Events of unknown kinds".to_owned(),
        place: Place::Quality,
        trail: vec![Step { url: "/quality".to_owned(), name: "Data quality".to_owned() }],
        json: Some(json),
        body,
    };
    shown.page(&app).await
}

fn rows(found: &UnknownEvents) -> Markup {
    let all = &found.page.rows;
    let has_more = found.page.next.is_some();
    let row = |it: &UnknownEvent| {
        let url = format!("/api/v1/event?source={}&id={}", escape(&it.source), escape(&it.id));
        vec![
            html! { a href=(url) { (outside(&it.id, NAME)) } },
            html! { (outside(&it.kind, NAME)) },
            html! { (outside(&it.source, NAME)) },
            html! { span.nowrap { (moment(Some(it.received_at))) } },
            html! { (count(it.bytes)) },
            html! { (it.position) },
        ]
    };
    let table = Table {
        caption: "Events of unknown kinds".to_owned(),
        columns: &[
            Column::Text("Event"),
            Column::Text("Kind"),
            Column::Text("Source"),
            Column::Text("Received (UTC)"),
            Column::Number("Bytes"),
            Column::Number("Place on the log"),
        ],
        rows: all.iter().map(row).collect(),
    };
    html! {
        @if !all.is_empty() { (table.markup()) }
        @else if has_more { (nothing("There are none in this part of the log.")) }
        @else { (nothing("There are none.")) }
        @if has_more {
            p.note { "The log was looked through back to place " (found.from) "." }
        }
    }
}
