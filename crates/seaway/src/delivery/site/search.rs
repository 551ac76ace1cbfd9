//! What was found by what people remember of it.

use super::{Shown, change_url, deployment_url, group_url, service_url, with_query};
use crate::app::App;
use crate::delivery::api::{Change, Deployment, FOUND_MAX, Found, LOOKED_AT, Titled};
use crate::pages::parts::{Column, Table, as_csv, section};
use crate::pages::site::{Page, Place, escape};
use crate::pages::words::{HASH, LINE, NAME, count, counted, moment, outside};
use crate::problem::Problem;
use axum::extract::{RawQuery, State};
use maud::{Markup, html};
use std::sync::Arc;

/// `GET /search?q=…`.
pub(crate) async fn search(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    let found = Found::of(&app, query.as_deref()).await?;
    let body = html! {
        header.hero { div.frame {
            p.eyebrow { "Search" }
            h1 { (headline(&found)) }
        } }
        main.frame {
            @if !found.services.is_empty() { (section("services", "Services", "By name and title.",
                &titled(&found, "services"))) }
            @if !found.groups.is_empty() { (section("groups", "Groups", "By name and title.",
                &titled(&found, "groups"))) }
            @if !found.changes.is_empty() { (section("changes", "Changes", "By the beginning of the hash, the number of \
                the pull request, or words of the subject.", &changes(&found))) }
            @if !found.deployments.is_empty() { (section("deployments", "Deployments", "By the beginning of the name.",
                &deployments(&found))) }
            (section("limits", "What is searched", "", &limits()))
        }
    };
    let shown = Shown {
        title: "Search".to_owned(),
        place: Place::Elsewhere,
        trail: Vec::new(),
        json: Some(with_query("/api/v1/search", query.as_deref())),
        body,
    };
    let mut page = shown.page(&app).await?;
    page.searched = found.q;
    Ok(page)
}

fn headline(found: &Found) -> Markup {
    let Found { q, services, groups, changes, deployments, .. } = found;
    let all = services.len() + groups.len() + changes.len() + deployments.len();
    html! {
        @if q.is_empty() { "Type a name, a hash, a number or words into the box above" }
        @else if all == 0 { "Nothing was found for “" (outside(q, NAME)) "”" }
        @else { (counted(all, "thing was", "things were")) " found for “" (outside(q, NAME)) "”" }
    }
}

/// The way to a table of what was found, as a file.
fn sheet(found: &Found, table: &str, what: &str) -> Markup {
    let url = format!("/api/v1/search?q={}&format=csv&table={table}", escape(&found.q));
    as_csv(&url, what)
}

fn titled(found: &Found, table: &str) -> Markup {
    let (rows, url, what): (&[Titled], fn(&str) -> String, _) = match table {
        "groups" => (&found.groups, group_url, "These groups"),
        _ => (&found.services, service_url, "These services"),
    };
    html! {
        ul.found { @for row in rows { li {
            a href=(url(&row.name)) { (outside(&row.name, NAME)) }
            @if let Some(title) = &row.title { " " span.muted { (outside(title, LINE)) } }
        } } }
        (full(rows.len()))
        (sheet(found, table, what))
    }
}

/// Says where there may be more.
fn full(shown: usize) -> Markup {
    html! { @if shown == FOUND_MAX { p.note { "The first " (FOUND_MAX) "; there may be more." } } }
}

fn changes(found: &Found) -> Markup {
    let rows = &found.changes;
    let row = |it: &Change| {
        let subject = if it.subject.is_empty() { &it.change } else { &it.subject };
        vec![
            html! { a href=(change_url(&it.service, &it.change)) { (outside(subject, LINE)) } },
            html! { a href=(service_url(&it.service)) { (outside(&it.service, NAME)) } },
            html! { code { (outside(&it.change, HASH)) } },
            html! { @if let Some(number) = &it.pull_request { "#" (outside(number, NAME)) } @else { "none" } },
            html! { (moment(it.milestones.get("merged").copied())) },
            html! { (it.status.name()) },
        ]
    };
    let table = Table {
        caption: "Changes that were found".to_owned(),
        columns: &[
            Column::Text("Change"),
            Column::Text("Service"),
            Column::Text("Commit"),
            Column::Text("Pull request"),
            Column::Text("Merged (UTC)"),
            Column::Text("Status"),
        ],
        rows: rows.iter().map(row).collect(),
    };
    html! { (table.markup()) (full(rows.len())) (sheet(found, "changes", "These changes")) }
}

fn deployments(found: &Found) -> Markup {
    let rows = &found.deployments;
    let row = |it: &Deployment| {
        let url = deployment_url(&it.service, &it.environment, &it.name);
        vec![
            html! { a href=(url) { (outside(&it.name, NAME)) } },
            html! { a href=(service_url(&it.service)) { (outside(&it.service, NAME)) } },
            html! { (outside(&it.environment, NAME)) },
            html! { (moment(it.finished_at)) },
        ]
    };
    let table = Table {
        caption: "Deployments that were found".to_owned(),
        columns: &[
            Column::Text("Deployment"),
            Column::Text("Service"),
            Column::Text("Environment"),
            Column::Text("Finished (UTC)"),
        ],
        rows: rows.iter().map(row).collect(),
    };
    html! { (table.markup()) (full(rows.len())) (sheet(found, "deployments", "These deployments")) }
}

fn limits() -> Markup {
    html! {
        p { "Services and groups by any part of their name or title; changes by the beginning of their hash (four \
            digits or more) and by the number of their pull request; deployments by the beginning of their name, as \
            it is written. Words of subjects are looked for in the newest "
            (count(usize::try_from(LOOKED_AT).unwrap_or(0))) " changes of the organization only." }
        p.note { "It does not find authors, branches, single commits of a merged change, incidents, descriptions, or \
            older changes by their words." }
    }
}
