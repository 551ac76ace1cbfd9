//! One change's journey, milestone by milestone.

mod parts;

use super::{Shown, change_url, deployment_url, forge_url, service_url, trail_of_service};
use crate::app::App;
use crate::delivery::api::{Change, Deployment, Journey, Names, Parameters};
use crate::pages::parts::{Column, Table, figure, nothing, section};
use crate::pages::site::{Page, Place, escape};
use crate::pages::words::{
    HASH, LINE, NAME, clean, counted, lines as lines_told, moment, outside, percent, unbroken,
};
use crate::problem::Problem;
use axum::extract::{RawQuery, State};
use maud::{Markup, html};
use seaway_core::delivery::measured::Status;
use seaway_core::delivery::view::Milestone;
use seaway_core::time::{Time, humanize};
use std::sync::Arc;

/// The height of a stage in the picture, in pixels.
const ROW: usize = 44;

/// A stage of the journey, or the wait at its end.
struct Leg {
    from: &'static str,
    /// `None`: it goes on.
    to: Option<&'static str>,
    start: i64,
    seconds: i64,
}

impl Leg {
    fn name(&self) -> String {
        format!("{} → {}", self.from, self.to.unwrap_or("now"))
    }

    /// What goes on in it.
    fn content(&self) -> &'static str {
        match (self.from, self.to) {
            (_, Some("opened")) => "work before its pull request was opened",
            (_, Some("reviewed")) => "waiting for its first review",
            ("reviewed", Some("approved")) => "the review, until its approval",
            (_, Some("approved")) => "waiting for its approval",
            ("authored", Some("merged")) => "work and review, until the merge",
            (_, Some("merged")) => "waiting for its merge",
            (_, Some("built")) => "waiting for a build",
            (_, Some(_)) | ("merged" | "built", None) => "waiting for a deployment",
            (_, None) => "waiting for its merge",
        }
    }
}

/// `GET /services/{service}/changes/{change}`.
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    Names((service, change)): Names<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    Parameters::of(query.as_deref(), &[])?.wait(&app).await?;
    let whole = Journey::of(&app, &service, &change).await?;
    let deployment = whole.delivered_by(&app).await?;
    let value = &whole.change;
    let repository = app.store.service(&service).await?.and_then(|row| row.repository);
    let repository = repository.as_deref();
    let as_of = app.store.newest().await?.unwrap_or(0);
    let legs = legs(value, as_of);
    let body = html! {
        header.hero { div.frame {
            p.eyebrow { "A change of " a href=(service_url(&service)) { (outside(&service, NAME)) } }
            h1 { (outside(&value.subject, LINE)) }
            div.median { (answer(value, &legs)) }
        } }
        main.frame {
            (section("journey", "Journey", "Each stage from its first to its last moment. They add up to the \
                whole time.", &journey(value, &legs)))
            (section("facts", "The change", "What is known of it.", &facts(value, repository)))
            (section("commits", "Commits", "The work in it, the oldest first. Merge commits carry none of their own.",
                &parts::commits(&whole, repository)))
            @if !whole.reviews.is_empty() {
                (section("reviews", "Reviews", "What people other than its author said of its pull request.",
                    &parts::reviews(&whole)))
            }
            @if !whole.builds.is_empty() {
                (section("builds", "Builds", "Builds of its commits. Runs of one pipeline on one commit are one row.",
                    &parts::builds(&whole, repository)))
            }
            (section("delivery", "Delivery", "The deployment that brought it to customers, and stayed; \
                and all that brought it anywhere or took it back.", &html! {
                (delivery(value, deployment.as_ref())) (parts::deployments(&whole)) }))
        }
    };
    let shown = Shown {
        title: clean(&value.change, HASH),
        place: Place::Elsewhere,
        trail: trail_of_service(&app, &service),
        json: Some(format!("/api/v1{}", change_url(&service, &change))),
        body,
    };
    shown.page(&app).await
}

/// The stages, and what goes on at `as_of`.
fn legs(value: &Change, as_of: i64) -> Vec<Leg> {
    let known = Milestone::ALL
        .into_iter()
        .filter_map(|it| Some((it.name(), value.milestones.get(it.name())?.0)));
    let known: Vec<(&'static str, i64)> = known.collect();
    let mut legs: Vec<Leg> = known
        .windows(2)
        .filter_map(|pair| match pair {
            &[(from, start), (to, end)] => {
                Some(Leg { from, to: Some(to), start, seconds: end.saturating_sub(start) })
            }
            _ => None,
        })
        .collect();
    if let Some(&(from, start)) = known.last().filter(|_| value.status == Status::Waiting) {
        legs.push(Leg { from, to: None, start, seconds: as_of.saturating_sub(start).max(0) });
    }
    legs
}

fn answer(value: &Change, legs: &[Leg]) -> Markup {
    let whole: i64 = legs.iter().map(|leg| leg.seconds).sum();
    let whole = humanize(whole as f64);
    html! {
        @match value.status {
            Status::Delivered => {
                p.lead { "It took from its first commit to customers" }
                p.big { (unbroken(&whole)) }
            }
            Status::Waiting => {
                p.lead { "It has not reached customers yet, and is so old" }
                p.big { (unbroken(&whole)) }
            }
            Status::Rework => {
                p.lead { @if value.reverts { "It takes another change back" } @else { "It was taken back" } }
                p.big.long { "Rework" }
            }
            Status::Baseline => {
                p.lead { "It was there before the first deployment that is known" }
                p.big.long { "Not measured" }
            }
        }
        @if let Some(longest) = longest(legs) {
            p.evidence { "Most of the time went into " (longest.content()) ": "
                (unbroken(&humanize(longest.seconds as f64))) " from " (longest.from) " on." }
        }
    }
}

fn longest(legs: &[Leg]) -> Option<&Leg> {
    legs.iter().max_by_key(|leg| leg.seconds).filter(|leg| leg.seconds > 0)
}

fn journey(value: &Change, legs: &[Leg]) -> Markup {
    if legs.is_empty() {
        return nothing("Too few of its moments are known for a journey.");
    }
    let whole: i64 = legs.iter().map(|leg| leg.seconds).sum();
    let share = |leg: &Leg| (whole > 0).then(|| leg.seconds as f64 / whole as f64);
    let rows = legs.iter().map(|leg| {
        let until = leg.to.map(|_| Time(leg.start.saturating_add(leg.seconds)));
        vec![
            html! { (leg.name()) },
            html! { (moment(Some(Time(leg.start)))) },
            html! { @match until { Some(until) => (moment(Some(until))), None => "goes on" } },
            html! { (unbroken(&humanize(leg.seconds as f64))) },
            html! { (share(leg).map_or_else(|| "–".to_owned(), percent)) },
            html! { (leg.content()) },
        ]
    });
    let table = Table {
        caption: "The stages of the journey, times in UTC".to_owned(),
        columns: &[
            Column::Text("Stage"),
            Column::Text("From"),
            Column::Text("To"),
            Column::Number("Took"),
            Column::Number("Share"),
            Column::Text("What went on"),
        ],
        rows: rows.collect(),
    };
    let finding = match longest(legs) {
        Some(leg) => format!(
            "{} of {} went by between {}",
            share(leg).map_or_else(|| "All".to_owned(), percent),
            humanize(whole as f64),
            leg.name().replace(" → ", " and ")
        ),
        None => "It went through at once".to_owned(),
    };
    let mut evidence = counted(legs.len(), "stage is", "stages are") + " known";
    if !value.moved.is_empty() {
        let moved: Vec<&str> = value.moved.iter().map(|it| it.name()).collect();
        evidence.push_str(&format!(
            "; told to be before the milestone that it follows, and moved up to it: {}",
            moved.join(", ")
        ));
    }
    html! {
        (figure(&finding, &evidence, &picture(legs, whole, &finding), &table))
        @if value.approximate {
            p.note { "Nobody could read the repository, so what the change consists of is assumed." }
        }
    }
}

/// A bar for each stage, over the whole time. Its width follows the page's, and its words do not.
fn picture(legs: &[Leg], whole: i64, name: &str) -> Markup {
    let mut passed = 0_i64;
    let at = |seconds: i64| 100.0 * seconds as f64 / whole.max(1) as f64;
    let bars = legs.iter().enumerate().map(|(i, leg)| {
        let (from, width) = (at(passed).min(99.4), at(leg.seconds).max(0.6));
        passed = passed.saturating_add(leg.seconds);
        (i * ROW, leg, from, width.min(100.0 - from))
    });
    let bars: Vec<_> = bars.collect();
    html! {
        svg.journey width="100%" height=(legs.len() * ROW) role="img" aria-label=(name) {
            @for (y, leg, from, width) in bars {
                text x="0" y=(y + 15) { (leg.name()) }
                text.took x="100%" y=(y + 15) text-anchor="end" { (humanize(leg.seconds as f64)) }
                rect.ground x="0" y=(y + 22) width="100%" height="10" rx="2" {}
                rect.leg.open[leg.to.is_none()] x={ (format!("{from:.2}")) "%" } y=(y + 22)
                    width={ (format!("{width:.2}")) "%" } height="10" rx="2" {}
            }
        }
    }
}

fn facts(value: &Change, repository: Option<&str>) -> Markup {
    let commit = forge_url(repository, "commit", &value.change);
    let pull = value.pull_request.as_deref();
    let pull_url = pull.and_then(|number| forge_url(repository, "pull", number));
    let marks = [
        (value.bot, "all of it was written by bots"),
        (value.assisted, "written with the help of AI"),
        (value.reverts, "takes another change back"),
    ];
    let marks: Vec<&str> = marks.into_iter().filter(|it| it.0).map(|it| it.1).collect();
    html! { dl.facts {
        dt { "Commit on the mainline" }
        dd { code { (outside(&value.change, NAME)) } @if let Some(url) = commit { " " a href=(url) { "see it" } } }
        dt { "Status" } dd { (value.status.name()) }
        dt { "Reached the mainline by" } dd { @if value.kind == "merge" { "a merge" }
            @else if pull.is_some() { "a single commit of its pull request" } @else { "a direct commit" } }
        dt { "Commits" } dd { (counted(value.commits as usize, "commit", "commits")) ", merge commits not counted" }
        dt { "Lines" } dd { @match value.lines {
            Some(lines) => { (lines_told(lines)) " added or removed" }
            None => "nobody tells them",
        } }
        dt { "Pull request" }
        dd { @match pull {
            Some(number) => { "#" (outside(number, NAME)) @if let Some(url) = pull_url { " " a href=(url) { "see it" } } }
            None => "none is known",
        } }
        @if let Some(author) = &value.author { dt { "Author" } dd { (outside(author, NAME)) } }
        @if !marks.is_empty() { dt { "Marks" } dd { (marks.join("; ")) } }
    } }
}

fn delivery(value: &Change, deployment: Option<&Deployment>) -> Markup {
    let Some(deployment) = deployment else {
        return match value.status {
            Status::Waiting => html! {
                p { "It waits. " a href=(format!("/in-flight?service={}", escape(&value.service))) {
                    "What else waits in this service" } }
            },
            _ => nothing("No deployment is known that delivered it."),
        };
    };
    let url = deployment_url(&value.service, &deployment.environment, &deployment.name);
    let others = deployment.changes.saturating_sub(1) as usize;
    html! { dl.facts {
        dt { "Deployment" } dd { a href=(url) { (outside(&deployment.name, NAME)) } " in " (outside(&deployment.environment, NAME)) }
        dt { "Finished" } dd { (moment(deployment.finished_at)) " UTC" }
        dt { "With it came" } dd { (counted(others, "other change", "other changes")) }
        @if deployment.failed_by.is_some() { dt { "It failed" } dd { "see the deployment for how it was mended" } }
    } }
}
