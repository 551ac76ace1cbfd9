//! The latest changes of a service: the rows behind its figures.

use super::{change_url, figures};
use crate::pages::parts::{Column, Table, as_csv, finding_line, nothing};
use crate::pages::site::escape;
use crate::pages::words::{HASH, LINE, count, counted, moment, outside, unbroken};
use maud::{Markup, html};
use seaway_core::delivery::measured::Status;
use seaway_core::delivery::view::{ChangeRow, Milestone};
use seaway_core::time::{Time, humanize};

/// Changes that are listed.
const LISTED: usize = 10;

/// The latest of some changes, the newest first, as they reached the mainline.
pub(super) fn latest_changes(service: &str, changes: &[ChangeRow], as_of: i64) -> Markup {
    if changes.is_empty() {
        return nothing("No change has reached the mainline yet.");
    }
    let shown = &changes[..changes.len().min(LISTED)];
    let waiting = shown.iter().filter(|it| it.status == Status::Waiting).count();
    let finding = match waiting {
        0 => format!("None of the latest {} waits", counted(shown.len(), "change", "changes")),
        _ => format!("{} of the latest {} wait", count(waiting), count(shown.len())),
    };
    let table = Table {
        caption: "The latest changes".to_owned(),
        columns: &[
            Column::Text("Change"),
            Column::Text("Merged (UTC)"),
            Column::Number("Time to value"),
            Column::Text("Most of it passed"),
            Column::Text("Status"),
        ],
        rows: shown.iter().map(|it| row(service, it, as_of)).collect(),
    };
    let sheet = format!("/api/v1/services/{}/changes?format=csv", escape(service));
    html! {
        (finding_line(&finding, ""))
        (table.markup())
        (as_csv(&sheet, "All changes"))
    }
}

fn row(service: &str, change: &ChangeRow, as_of: i64) -> Vec<Markup> {
    let subject = if change.subject.is_empty() { &change.change } else { &change.subject };
    let deployed = change.milestones.get(Milestone::Deployed);
    let took = deployed.zip(change.milestones.start()).map(|(end, start)| end - start);
    // What waits is in its last stage until now.
    let since = change.milestones.before_deployed().filter(|_| change.status == Status::Waiting);
    let open = since.map(|since| (Milestone::Deployed, as_of.saturating_sub(since)));
    let longest = change.milestones.stages().chain(open).max_by_key(|(_, seconds)| *seconds);
    let is_measured = change.is_measured() || deployed.is_some();
    let longest = longest.filter(|(_, seconds)| *seconds > 0 && is_measured);
    vec![
        html! {
            a href=(change_url(service, &change.change)) { (outside(subject, LINE)) } " "
            code.muted { (outside(&change.change.chars().take(HASH).collect::<String>(), HASH)) }
        },
        html! { span.nowrap { (moment(change.milestones.get(Milestone::Merged).map(Time))) } },
        html! { @match took {
            Some(seconds) => (unbroken(&humanize(seconds as f64))),
            None if change.status == Status::Baseline => "not measured",
            None => "not yet",
        } },
        html! { @match longest {
            Some((to, seconds)) => {
                (figures::stage(to.name())) ": " span.nowrap { (humanize(seconds as f64)) }
            }
            None => "not known",
        } },
        html! { (change.status.name()) },
    ]
}
