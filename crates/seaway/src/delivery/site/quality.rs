//! What could not be linked or understood, and how to mend it.

use super::{Shown, service_url};
use crate::app::App;
use crate::delivery::api::{Findings, Quality, finding_message};
use crate::pages::parts::{Column, Table, as_csv, card, cards, nothing, section};
use crate::pages::site::{Page, Place, escape};
use crate::pages::words::{LINE, NAME, clean, count, counted, outside};
use crate::problem::Problem;
use axum::extract::{RawQuery, State};
use maud::{Markup, html};
use std::sync::Arc;

/// Rows of each kind that are shown.
const ROWS: i64 = 50;

/// `GET /quality`; with `kind`, the rows of that kind of finding.
pub(crate) async fn quality(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    match query.as_deref() {
        None | Some("") => all(&app).await,
        some => of_kind(&app, some).await,
    }
}

async fn all(app: &App) -> Result<Page, Problem> {
    let value = Quality::of(app, ROWS).await?;
    let body = html! {
        header.hero { div.frame {
            p.eyebrow { "What could not be linked or understood, and how to mend it" }
            h1 { (headline(&value)) }
            (cards(&[
                card(&number(findings(&value)), "Findings", "about the data of services"),
                card(&number(value.uncatalogued.count), "Services without a component",
                    &format!("of {}", number(value.services))),
                card(&number(outcome(&value, "malformed")), "Events not understood",
                    &format!("and {} of unknown kinds", number(outcome(&value, "unknown")))),
                card(&count(value.catalog.findings.len()), "Catalog", "what does not fit together"),
            ]))
        } }
        main.frame {
            (section("findings", "Findings", "What of the data could not be linked, by kind. The numbers lead to \
                the rows.", &kinds(&value)))
            (section("uncatalogued", "Not in the catalog", "Services that are known by their events alone: no group \
                owns them. Put the entry into a file of the catalog.", &uncatalogued(&value)))
            (section("malformed", "Not understood", "Events of kinds that are known, whose content is not as it \
                should be. They are kept: once they can be read, seaway rebuild takes them in.", &malformed(&value)))
            (section("unknown", "Unknown kinds", "Events that are kept, and that no report uses.", &unknown(&value)))
            (section("catalog", "Catalog", "What in the catalog's entries does not fit together.", &catalog(&value)))
            (section("arrivals", "Arrivals", "All events by kind, and what became of them.", &arrivals(&value)))
        }
    };
    let shown = Shown {
        title: "Data quality".to_owned(),
        place: Place::Quality,
        trail: Vec::new(),
        json: Some("/api/v1/quality".to_owned()),
        body,
    };
    shown.page(app).await
}

fn number(n: i64) -> String {
    count(usize::try_from(n).unwrap_or(0))
}

fn findings(value: &Quality) -> i64 {
    value.findings.iter().map(|it| it.count).sum()
}

fn outcome(value: &Quality, outcome: &str) -> i64 {
    value.arrivals.iter().filter(|it| it.outcome == outcome).map(|it| it.count).sum()
}

fn headline(value: &Quality) -> String {
    let mut open = Vec::new();
    let mut tell = |n: i64, one: &str, many: &str| {
        if n > 0 {
            open.push(counted(usize::try_from(n).unwrap_or(0), one, many));
        }
    };
    tell(findings(value), "finding", "findings");
    tell(value.uncatalogued.count, "service without a component", "services without a component");
    tell(outcome(value, "malformed"), "event not understood", "events not understood");
    tell(outcome(value, "unknown"), "event of an unknown kind", "events of unknown kinds");
    let catalog = value.catalog.findings.len() + value.catalog.files.problems.len();
    tell(catalog as i64, "problem of the catalog", "problems of the catalog");
    match (open.as_slice(), outcome(value, "understood")) {
        ([], 0) => "Nothing has arrived yet".to_owned(),
        ([], _) => "All that arrived was linked and understood".to_owned(),
        ([one], _) => one.clone(),
        (some, _) => some.join(", "),
    }
}

fn kinds(value: &Quality) -> Markup {
    if value.findings.is_empty() {
        return nothing("Everything could be linked.");
    }
    let row = |it: &crate::delivery::api::FindingCount| {
        let url = format!("/quality?kind={}", escape(&it.kind));
        vec![
            html! { a href=(url) { (outside(&it.kind.replace('_', " "), NAME)) } },
            html! { a href=(url) { (number(it.count)) } },
            html! { (it.message) },
        ]
    };
    let table = Table {
        caption: "Findings by kind".to_owned(),
        columns: &[
            Column::Text("Kind"),
            Column::Number("Rows"),
            Column::Text("What it means, and how to mend it"),
        ],
        rows: value.findings.iter().map(row).collect(),
    };
    html! { (table.markup()) (sheet("findings")) }
}

/// The way to a table of the summary as a file.
fn sheet(table: &str) -> Markup {
    as_csv(&format!("/api/v1/quality?format=csv&table={table}"), "This table")
}

fn uncatalogued(value: &Quality) -> Markup {
    let all = &value.uncatalogued;
    if all.services.is_empty() {
        return nothing("Every service has a component in the catalog.");
    }
    html! {
        p { (number(all.count)) " of " (number(value.services)) " services." }
        @for it in &all.services {
            details.entry {
                summary { (outside(&it.service, NAME)) ": entry for the catalog" }
                p { a href=(service_url(&it.service)) { "The service" } }
                pre tabindex="0" { code { (clean_lines(&it.yaml)) } }
            }
        }
        (first(all.services.len(), all.count, "/api/v1/quality"))
        (sheet("uncatalogued"))
    }
}

/// A text of several lines, each cleaned.
fn clean_lines(text: &str) -> String {
    let line = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        format!("{}{}\n", " ".repeat(indent), clean(line, 1_000))
    };
    text.lines().map(line).collect()
}

/// Says that there are more rows than are shown, and where.
fn first(shown: usize, all: i64, url: &str) -> Markup {
    let more = usize::try_from(all).is_ok_and(|all| all > shown);
    html! { @if more { p.note { "The first " (count(shown)) ". " a href=(url) { "More as JSON" } } } }
}

fn malformed(value: &Quality) -> Markup {
    if value.malformed.is_empty() {
        return nothing("All events of known kinds were understood.");
    }
    let row = |it: &crate::delivery::api::Malformed| {
        let url = format!("/api/v1/event?source={}&id={}", escape(&it.source), escape(&it.id));
        vec![
            html! { a href=(url) { (outside(&it.id, NAME)) } },
            html! { (outside(&it.source, NAME)) },
            html! { (outside(&it.kind, NAME)) },
            html! { (outside(&it.reason, LINE * 2)) },
        ]
    };
    let table = Table {
        caption: "Events that were not understood".to_owned(),
        columns: &[
            Column::Text("Event"),
            Column::Text("Source"),
            Column::Text("Kind"),
            Column::Text("Why"),
        ],
        rows: value.malformed.iter().map(row).collect(),
    };
    let shown = value.malformed.len();
    html! { (table.markup()) (first(shown, outcome(value, "malformed"), "/api/v1/quality/malformed"))
    p { a href="/api/v1/quality/malformed?format=csv" { "As CSV" } }  }
}

fn unknown(value: &Quality) -> Markup {
    let kinds: Vec<_> = value.arrivals.iter().filter(|it| it.outcome == "unknown").collect();
    if kinds.is_empty() {
        return nothing("All events were of kinds that are known.");
    }
    let row = |it: &&crate::delivery::api::Arrivals| {
        let url = format!("/quality/unknown?kind={}", escape(&it.kind));
        vec![
            html! { a href=(url) { (outside(&it.kind, NAME)) } },
            html! { a href=(url) { (number(it.count)) } },
        ]
    };
    let table = Table {
        caption: "Events of unknown kinds".to_owned(),
        columns: &[Column::Text("Kind"), Column::Number("Events")],
        rows: kinds.iter().take(ROWS as usize).map(row).collect(),
    };
    html! {
        (table.markup())
        p.pager { a href="/quality/unknown" { "All of them" }
            a href="/api/v1/quality/unknown?format=csv" { "As CSV" } }
    }
}

fn catalog(value: &Quality) -> Markup {
    let files = &value.catalog.files;
    html! {
        @for told in files.told() { p.note { (outside(&told, LINE * 2)) } }
        @if value.catalog.findings.is_empty() { (nothing("Its entries fit together.")) }
        @else { ul { @for it in value.catalog.findings.iter().take(ROWS as usize) {
            li { (outside(&it.message, LINE * 3)) }
        } } }
        (first(ROWS as usize, i64::try_from(value.catalog.findings.len()).unwrap_or(0), "/api/v1/quality"))
    }
}

fn arrivals(value: &Quality) -> Markup {
    if value.arrivals.is_empty() {
        return nothing("Nothing has arrived yet.");
    }
    let row = |it: &crate::delivery::api::Arrivals| {
        vec![
            html! { (outside(&it.kind, NAME)) },
            html! { (outside(&it.outcome, NAME)) },
            html! { @match rows_of(it) {
                Some(url) => { a href=(url) { (number(it.count)) } }
                None => { (number(it.count)) }
            } },
        ]
    };
    let table = Table {
        caption: "Events by kind".to_owned(),
        columns: &[Column::Text("Kind"), Column::Text("Outcome"), Column::Number("Events")],
        rows: value.arrivals.iter().map(row).collect(),
    };
    html! { (table.folded()) (sheet("arrivals")) }
}

/// Where the events of a kind that came to an outcome are listed; those that were understood are
/// behind all figures.
fn rows_of(it: &crate::delivery::api::Arrivals) -> Option<String> {
    match it.outcome.as_str() {
        "unknown" => Some(format!("/quality/unknown?kind={}", escape(&it.kind))),
        "malformed" => Some("#malformed".to_owned()),
        _ => None,
    }
}

async fn of_kind(app: &App, query: Option<&str>) -> Result<Page, Problem> {
    let Findings { parameters, page } = Findings::of(app, query).await?;
    let kind = parameters.text("kind").unwrap_or_default();
    let row = |it: &crate::delivery::api::Finding| {
        let subject = match it.kind.as_str() {
            "unknown_revision" | "deployment_before_history" => {
                let search = format!("/search?q={}", escape(&it.subject));
                html! { a href=(search) { (outside(&it.subject, NAME)) } }
            }
            _ => outside(&it.subject, NAME),
        };
        vec![html! { a href=(service_url(&it.service)) { (outside(&it.service, NAME)) } }, subject]
    };
    let table = Table {
        caption: "Findings of this kind".to_owned(),
        columns: &[Column::Text("Service"), Column::Text("What it concerns")],
        rows: page.rows.iter().map(row).collect(),
    };
    let json = format!("/api/v1/quality/findings?{}", query.unwrap_or_default());
    let body = html! {
        header.hero { div.frame {
            p.eyebrow { "A kind of finding about the data" }
            h1 { (outside(&kind.replace('_', " "), NAME)) }
            p { (finding_message(kind)) }
        } }
        main.frame { (section("rows", "Rows", "By service.", &html! {
            @if page.rows.is_empty() { (nothing("There are none.")) } @else { (table.markup()) }
            p.pager {
                @if page.next.is_some() { a href={ "/quality" (parameters.next(&page.next.unwrap_or_default())) } { "More" } }
                a href={ (json) "&format=csv" } { "As CSV" }
            }
        })) }
    };
    let shown = Shown {
        title: kind.replace('_', " "),
        place: Place::Quality,
        trail: vec![crate::pages::site::Step {
            url: "/quality".to_owned(),
            name: "Data quality".to_owned(),
        }],
        json: Some(json),
        body,
    };
    shown.page(app).await
}
