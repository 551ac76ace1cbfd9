//! Issues that are incidents.

use super::{Moment, Repository, Text, parse};
use crate::intake::Reader;
use crate::intake::payload::Gathered;
use crate::ledger::Recorded;
use seaway_core::delivery::facts::{Earliest, Entity, Fact, Incident, Latest};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    issue: Issue<'a>,
    #[serde(borrow)]
    repository: Repository<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Issue<'a> {
    #[serde(borrow)]
    number: Text<'a>,
    #[serde(borrow)]
    title: Text<'a>,
    #[serde(borrow)]
    html_url: Text<'a>,
    #[serde(borrow)]
    state: Text<'a>,
    #[serde(borrow)]
    labels: Vec<Label<'a>>,
    created_at: Moment,
    updated_at: Moment,
    closed_at: Moment,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Label<'a> {
    #[serde(borrow)]
    name: Text<'a>,
}

/// An issue: an incident while it carries one of the labels for it. What was an incident once
/// stays one when the label is taken off, as facts are never taken back.
pub(super) fn issue(reader: &Reader<'_>, recorded: &Recorded) -> Result<Vec<Fact>, String> {
    let event: Event<'_> = parse(recorded)?;
    let mut gathered = Gathered::new(reader, recorded, event.repository.name()?);
    let issue = event.issue;
    let id = issue.number.name().ok_or("its issue has no number")?;
    if !gathered.is_incident(issue.labels.iter().map(|label| label.name.as_str())) {
        return Ok(gathered.facts);
    }
    let at = issue.updated_at;
    let resolved_at = match (issue.state.as_str(), gathered.at(issue.closed_at)) {
        ("open", _) => gathered.latest(at, Some(None)),
        ("closed", Some(closed_at)) => gathered.latest(at, Some(Some(closed_at))),
        _ => Latest::default(),
    };
    gathered.say(Entity::Incident(Incident {
        id,
        opened_at: Earliest(gathered.at(issue.created_at)),
        resolved_at,
        title: gathered.latest(at, issue.title.line()),
        url: gathered.latest(at, issue.html_url.link()),
        ..Incident::default()
    }));
    Ok(gathered.facts)
}
