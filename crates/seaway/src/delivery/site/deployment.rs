//! What a deployment carried, what it replaced, and whether it failed.

use super::{Shown, change_url, deployment_url, forge_url, service_url, trail_of_service};
use crate::app::App;
use crate::delivery::api::{Carried, Change, Deployment, Names, Parameters, waiting_in};
use crate::pages::parts::{Column, Table, as_csv, nothing, section};
use crate::pages::site::{Page, Place, is_link};
use crate::pages::words::{HASH, LINE, NAME, clean, count, counted, moment, outside, unbroken};
use crate::problem::Problem;
use axum::extract::{RawQuery, State};
use maud::{Markup, html};
use seaway_core::delivery::attribution::DeploymentKind;
use seaway_core::time::humanize;
use std::sync::Arc;

/// Rows of a table.
const ROWS: usize = 100;

/// `GET /services/{service}/deployments/{environment}/{name}`.
pub(crate) async fn deployment(
    State(app): State<Arc<App>>,
    Names((service, environment, name)): Names<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    Parameters::of(query.as_deref(), &[])?.wait(&app).await?;
    let value = Carried::of(&app, [&service, &environment, &name]).await?;
    let next = value.replaced_by(&app).await?;
    let rollback = value.taken_back_by(&app, next.as_ref()).await?;
    let repository = app.store.service(&service).await?.and_then(|row| row.repository);
    let waiting = waiting_in(&app, &service, ROWS as i64).await?;
    let it = &value.deployment;
    let body = html! {
        header.hero { div.frame {
            p.eyebrow { "A deployment of " a href=(service_url(&service)) { (outside(&service, NAME)) }
                " to " (outside(&environment, NAME)) }
            h1 { (outside(&name, LINE)) }
            div.median { (answer(&value, rollback.as_ref())) }
        } }
        main.frame {
            (section("carried", "What it carried", "Changes that it brought to customers first, and that stayed.",
                &carried(&value)))
            (section("facts", "The deployment", "What is known of it.", &facts(it, repository.as_deref())))
            (section("place", "Before and after", "What it replaced, and what replaced it. \
                All environments that customers use count as one line.", &place(it, next.as_ref())))
            (section("failure", "Failure", "A deployment fails if a rollback takes it back or an incident follows it.",
                &failure(it, rollback.as_ref())))
            (section("behind", "Who waits behind it", "Changes of this service that no deployment that stayed has \
                brought to customers yet, oldest first.", &behind(it, next.as_ref(), &waiting)))
        }
    };
    let url = deployment_url(&service, &environment, &name);
    let shown = Shown {
        title: clean(&name, NAME),
        place: Place::Elsewhere,
        trail: trail_of_service(&app, &service),
        json: Some(format!("/api/v1{url}")),
        body,
    };
    shown.page(&app).await
}

fn answer(value: &Carried, rollback: Option<&Deployment>) -> Markup {
    let it = &value.deployment;
    let has_failed = it.failed_by.is_some();
    let (lead, big) = match (it.succeeded, it.kind) {
        (None, _) => ("It has not finished", "Running".to_owned()),
        (Some(false), _) => ("It did not become live", "No success".to_owned()),
        (Some(true), _) if !it.production => {
            ("Customers do not use this environment", "Became live".to_owned())
        }
        (Some(true), _) if rollback.is_some() => {
            ("It failed customers, and a rollback took it back", "Rolled back".to_owned())
        }
        (Some(true), _) if has_failed => ("It failed customers", "Failed".to_owned()),
        (Some(true), None) => (
            "Its revision is not in the known history, so it delivered nothing that is known",
            "Not linked".to_owned(),
        ),
        (Some(true), Some(DeploymentKind::First)) => (
            "The first of this service that is known: what it contains is measured nowhere",
            "The first one".to_owned(),
        ),
        (Some(true), Some(DeploymentKind::Rollback)) => {
            ("It went back to an earlier revision", "A rollback".to_owned())
        }
        (Some(true), Some(DeploymentKind::Redeployment)) => {
            ("It deployed what was there already", "A redeployment".to_owned())
        }
        (Some(true), Some(DeploymentKind::Normal)) => {
            ("It brought to customers", counted(it.changes as usize, "change", "changes"))
        }
    };
    html! {
        p.lead { (lead) }
        p.big.long { (big) }
        p.evidence { @match it.finished_at {
            Some(finished) => { "Finished " (moment(Some(finished))) " UTC" }
            None => { "Started " (moment(it.started_at)) " UTC" }
        } }
        @if has_failed {
            @if let Some(kind) = it.kind.and_then(itself) { p.evidence { (kind) } }
            p.evidence { (mended(it)) " Of what it carried, "
                (counted(it.changes as usize, "change", "changes")) " stayed." }
        }
    }
}

/// What one that failed was itself, where that is not the usual.
fn itself(kind: DeploymentKind) -> Option<&'static str> {
    match kind {
        DeploymentKind::Normal => None,
        DeploymentKind::First => Some("It was the first of this service that is known."),
        DeploymentKind::Rollback => Some("It was itself a rollback to an earlier revision."),
        DeploymentKind::Redeployment => Some("It had deployed what was there already."),
    }
}

fn changes(caption: &str, changes: &[Change], all: usize) -> Markup {
    let row = |it: &Change| {
        let subject = if it.subject.is_empty() { &it.change } else { &it.subject };
        vec![
            html! { a href=(change_url(&it.service, &it.change)) { (outside(subject, LINE)) } },
            html! { code { (outside(&it.change, HASH)) } },
            html! { (moment(it.milestones.get("merged").copied())) },
            html! { @match it.time_to_value_seconds {
                Some(seconds) => (unbroken(&humanize(seconds as f64))),
                None => "not yet",
            } },
            html! { (it.status.name()) },
        ]
    };
    let table = Table {
        caption: caption.to_owned(),
        columns: &[
            Column::Text("Change"),
            Column::Text("Commit"),
            Column::Text("Merged (UTC)"),
            Column::Number("Time to value"),
            Column::Text("Status"),
        ],
        rows: changes.iter().take(ROWS).map(row).collect(),
    };
    html! {
        (table.markup())
        @if all > ROWS { p.note { "The first " (ROWS) " of " (count(all)) "." } }
    }
}

fn carried(value: &Carried) -> Markup {
    match value.delivered.as_slice() {
        [] => nothing("It delivered no change that stayed."),
        delivered => html! {
            @let sheet = format!("/api/v1{}?format=csv", deployment_url(
                &value.deployment.service, &value.deployment.environment, &value.deployment.name));
            p { (counted(value.deployment.changes as usize, "change", "changes")) ", rework included." }
            (changes("Changes that it carried", delivered, value.deployment.changes as usize))
            (as_csv(&sheet, "Changes that it carried"))
        },
    }
}

fn facts(it: &Deployment, repository: Option<&str>) -> Markup {
    let took = it.finished_at.zip(it.started_at).map(|(end, start)| end.0 - start.0);
    let took = took.filter(|seconds| *seconds >= 0);
    html! { dl.facts {
        dt { "Revision" }
        dd { @match &it.revision {
            Some(revision) => {
                code { (outside(revision, NAME)) }
                @if let Some(url) = forge_url(repository, "commit", revision) { " " a href=(url) { "see it" } }
                @if !it.linked { " (not in the known history)" }
            }
            None => "not known",
        } }
        dt { "Started" } dd { (moment(it.started_at)) @if it.started_at.is_some() { " UTC" } }
        dt { "Finished" } dd { (moment(it.finished_at)) @if it.finished_at.is_some() { " UTC" } }
        @if let Some(seconds) = took { dt { "Took" } dd { (unbroken(&humanize(seconds as f64))) } }
        dt { "Production" } dd { @if it.production { "yes: customers use it" } @else { "no" } }
        @if it.unplanned { dt { "Planned" } dd { "no: it was made to mend an incident" } }
        @if let Some(url) = it.url.as_deref().filter(|url| is_link(url)) {
            dt { "Told by" } dd { a href=(url) rel="noreferrer noopener" { (outside(url, NAME)) } }
        }
    } }
}

fn place(it: &Deployment, next: Option<&Deployment>) -> Markup {
    let link = |environment: &str, name: &str| {
        let url = deployment_url(&it.service, environment, name);
        html! {
            a href=(url) { (outside(name, NAME)) }
            @if environment != it.environment { " in " (outside(environment, NAME)) }
        }
    };
    let replaced = it.replaced_environment.as_ref().zip(it.replaced.as_ref());
    html! { dl.facts {
        dt { "Replaced" }
        dd { @match replaced { Some((environment, name)) => (link(environment, name)), None => "nothing that is known" } }
        dt { "Replaced by" }
        dd { @match next {
            Some(next) => { (link(&next.environment, &next.name)) ", " (moment(next.finished_at)) " UTC" }
            None => "nothing yet, as far as is known",
        } }
    } }
}

/// When service was back to normal after it failed.
fn mended(it: &Deployment) -> Markup {
    let lasted = it.recovered_at.zip(it.finished_at).map(|(end, start)| end.0 - start.0);
    html! { @match lasted.filter(|it| *it >= 0) {
        Some(seconds) => { "Service was back to normal after " (unbroken(&humanize(seconds as f64))) "." }
        None => "When service was back to normal is not known.",
    } }
}

fn failure(it: &Deployment, rollback: Option<&Deployment>) -> Markup {
    let Some(by) = &it.failed_by else {
        return match it.succeeded {
            Some(true) => html! { p { "Nothing shows that it failed." } },
            Some(false) => {
                html! { p { "It did not become live, so it could not fail customers." } }
            }
            None => html! { p { "It has not finished." } },
        };
    };
    let lasted = it.recovered_at.zip(it.finished_at).map(|(end, start)| end.0 - start.0);
    html! { dl.facts {
        dt { "Shown by" }
        dd { @match rollback {
            Some(next) => {
                "the rollback "
                a href=(deployment_url(&it.service, &next.environment, &next.name)) { (outside(by, NAME)) }
            }
            None => (outside(by, NAME)),
        } }
        dt { "Back to normal" }
        dd { @match it.recovered_at {
            Some(at) => {
                (moment(Some(at))) " UTC"
                @if let Some(seconds) = lasted.filter(|it| *it >= 0) { ", after " (unbroken(&humanize(seconds as f64))) }
            }
            None => "not yet, as far as is known",
        } }
    } }
}

fn behind(it: &Deployment, next: Option<&Deployment>, waiting: &[Change]) -> Markup {
    let shown = html! {
        @match waiting {
            [] => p { "Nothing waits in this service." },
            some => (changes("Changes that wait", some, some.len())),
        }
        @if waiting.len() == ROWS { p.note { "The oldest " (ROWS) "." } }
    };
    html! {
        @if !it.production {
            (nothing("Customers do not use this environment, so nobody waits for it."))
        } @else if let Some(next) = next {
            p { "Nobody any more: " a href=(deployment_url(&it.service, &next.environment, &next.name)) {
                (outside(&next.name, NAME)) } " has followed. What waits in this service now:" }
            (shown)
        } @else { (shown) }
    }
}
