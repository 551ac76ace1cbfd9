//! The tables of what a change consists of, what was said of it, and where it went.

use crate::delivery::api::{DEPLOYMENTS_LOOKED_AT, Effect, Journey};
use crate::delivery::site::{change_url, deployment_url, forge_url};
use crate::pages::parts::{Column, Table, as_csv};
use crate::pages::words::{LINE, NAME, count, counted, moment, outside, unbroken};
use maud::{Markup, html};
use seaway_core::delivery::facts::Verdict;
use seaway_core::time::{Time, humanize};

/// The way to one of its tables as a file.
fn sheet(whole: &Journey, table: &str) -> Markup {
    let url = change_url(&whole.change.service, &whole.change.change);
    as_csv(&format!("/api/v1{url}?format=csv&table={table}"), "This table")
}

/// Its commits. Where the one on the mainline is all, the facts above tell of it.
pub(super) fn commits(whole: &Journey, repository: Option<&str>) -> Markup {
    let listed = &whole.commit_list;
    if listed.is_empty() {
        return html! { p { "It is one commit, the one on the mainline." } };
    }
    let rows = listed.iter().map(|it| {
        vec![
            html! { (outside(if it.subject.is_empty() { &it.hash } else { &it.subject }, LINE)) },
            hash(&it.hash, repository),
            html! { (outside(&it.author, NAME)) },
            html! { (moment(it.authored_at)) },
            html! { (moment(it.committed_at)) },
        ]
    });
    let table = Table {
        caption: "The commits, times in UTC".to_owned(),
        columns: &[
            Column::Text("Subject"),
            Column::Text("Commit"),
            Column::Text("Author"),
            Column::Text("Authored"),
            Column::Text("Committed"),
        ],
        rows: rows.collect(),
    };
    let all = listed.len() + whole.more_commits as usize;
    html! {
        @if whole.squashed {
            p { "On the mainline it is one commit. Of the branch of its pull request "
                (counted(all, "commit is known:", "commits are known:")) }
        }
        (table.markup())
        @if whole.more_commits > 0 {
            p.note { "The first " (count(listed.len())) " of " (count(all)) " commits." }
        }
        (sheet(whole, "commits"))
    }
}

fn hash(hash: &str, repository: Option<&str>) -> Markup {
    html! { code { @match forge_url(repository, "commit", hash) {
        Some(url) => { a href=(url) { (outside(hash, NAME)) } }
        None => (outside(hash, NAME)),
    } } }
}

pub(super) fn reviews(whole: &Journey) -> Markup {
    let rows = whole.reviews.iter().map(|it| {
        let verdict = match it.verdict {
            Verdict::Commented => "commented",
            Verdict::ChangesRequested => "changes requested",
            Verdict::Approved => "approved",
            Verdict::Dismissed => "dismissed: it no longer counts",
        };
        let by = it.by.as_deref().map_or_else(|| html! { "not told" }, |by| outside(by, NAME));
        vec![html! { (moment(Some(it.at))) }, html! { (verdict) }, by]
    });
    let table = Table {
        caption: "The reviews, times in UTC".to_owned(),
        columns: &[Column::Text("Submitted"), Column::Text("Verdict"), Column::Text("Reviewer")],
        rows: rows.collect(),
    };
    html! { (table.markup()) (sheet(whole, "reviews")) }
}

pub(super) fn builds(whole: &Journey, repository: Option<&str>) -> Markup {
    let rows = whole.builds.iter().map(|it| {
        let ended = it.succeeded_at.or(it.failed_at);
        let outcome = match (it.failed_at, it.succeeded_at) {
            (Some(failed), Some(succeeded)) if failed <= succeeded => {
                "failed first, then succeeded"
            }
            (Some(_), Some(_)) => "succeeded, failed later",
            (None, Some(_)) => "succeeded",
            (Some(_), None) => "failed",
            (None, None) => "runs, or nobody told",
        };
        vec![
            html! { (outside(&it.pipeline, NAME)) },
            hash(&it.revision, repository),
            html! { (moment(it.started_at)) },
            html! { (moment(ended)) },
            html! { (took(it.started_at, ended)) },
            html! { (outcome) },
        ]
    });
    let table = Table {
        caption: "The builds, times in UTC".to_owned(),
        columns: &[
            Column::Text("Pipeline"),
            Column::Text("Commit"),
            Column::Text("Started"),
            Column::Text("Ended"),
            Column::Number("Took"),
            Column::Text("Outcome"),
        ],
        rows: rows.collect(),
    };
    let all = whole.builds.len() + whole.older_builds as usize;
    html! {
        (table.markup())
        @if whole.older_builds > 0 {
            p.note { "The last " (count(whole.builds.len())) " of " (count(all)) " builds." }
        }
        (sheet(whole, "builds"))
    }
}

fn took(started: Option<Time>, ended: Option<Time>) -> String {
    match (started, ended) {
        (Some(Time(started)), Some(Time(ended))) if ended >= started => {
            unbroken(&humanize((ended - started) as f64))
        }
        _ => "–".to_owned(),
    }
}

/// All deployments that brought it anywhere or took it back.
pub(super) fn deployments(whole: &Journey) -> Markup {
    if whole.deployments.is_empty() {
        return html! {};
    }
    let rows = whole.deployments.iter().map(|it| {
        let url = deployment_url(&whole.change.service, &it.environment, &it.name);
        let effect = match it.effect {
            Effect::Failed => "did not become live",
            Effect::Brought => "brought it there",
            Effect::TookBack => "took it back",
            Effect::BroughtAgain => "brought it there again",
        };
        vec![
            html! { a href=(url) { (outside(&it.name, NAME)) } },
            html! { (outside(&it.environment, NAME)) },
            html! { @if it.production { "customers use it" } @else { "no" } },
            html! { (moment(it.finished_at)) },
            html! { (effect) @if let Some(by) = &it.failed_by { "; failed, by " (outside(by, NAME)) } },
        ]
    });
    let table = Table {
        caption: "Its deployments, times in UTC".to_owned(),
        columns: &[
            Column::Text("Deployment"),
            Column::Text("Environment"),
            Column::Text("Production"),
            Column::Text("Finished"),
            Column::Text("What it did"),
        ],
        rows: rows.collect(),
    };
    html! {
        (table.markup())
        p.note { "Of the first " (count(DEPLOYMENTS_LOOKED_AT as usize)) " deployments of the service since its \
            merge, those of revisions on the mainline. Later ones that kept it are not listed." }
        (sheet(whole, "deployments"))
    }
}
