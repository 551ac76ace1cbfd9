//! Pipelines, deployments, and issues that are incidents.

use super::{Moment, Project, Text, parse};
use crate::intake::Reader;
use crate::intake::payload::Gathered;
use crate::ledger::Recorded;
use seaway_core::delivery::facts::{Build, Deployment, Earliest, Entity, Fact, Incident, Latest};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct PipelineEvent<'a> {
    #[serde(borrow)]
    object_attributes: Pipeline<'a>,
    #[serde(borrow)]
    project: Project<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pipeline<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    sha: Text<'a>,
    #[serde(borrow)]
    source: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    created_at: Moment,
    finished_at: Moment,
}

/// A pipeline. Those that run by the clock, and parts of other pipelines, are no builds by
/// themselves. Pipelines without a name are one and the same for their project.
pub(super) fn pipeline(reader: &Reader<'_>, recorded: &Recorded) -> Result<Vec<Fact>, String> {
    let event: PipelineEvent<'_> = parse(recorded)?;
    let mut gathered = Gathered::new(reader, recorded, event.project.name()?);
    let pipeline = event.object_attributes;
    if matches!(pipeline.source.as_str(), "schedule" | "parent_pipeline") {
        return Ok(gathered.facts);
    }
    let mut build = Build {
        revision: pipeline.sha.hash().ok_or("its pipeline names no commit")?,
        pipeline: pipeline.name.name().unwrap_or_else(|| "pipeline".to_owned()),
        started_at: Earliest(gathered.at(pipeline.created_at)),
        ..Build::default()
    };
    let finished_at = Earliest(gathered.at(pipeline.finished_at));
    match pipeline.status.as_str() {
        "success" => build.succeeded_at = finished_at,
        "failed" => build.failed_at = finished_at,
        _ => {}
    }
    gathered.say(Entity::Build(build));
    Ok(gathered.facts)
}

#[derive(Debug, Deserialize)]
struct DeploymentEvent<'a> {
    #[serde(borrow, default)]
    deployment_id: Text<'a>,
    #[serde(borrow, default)]
    status: Text<'a>,
    #[serde(default)]
    status_changed_at: Moment,
    #[serde(borrow, default)]
    environment: Text<'a>,
    #[serde(borrow, default)]
    environment_tier: Text<'a>,
    #[serde(borrow, default)]
    commit_url: Text<'a>,
    #[serde(borrow, default)]
    deployable_url: Text<'a>,
    #[serde(borrow)]
    project: Project<'a>,
}

/// A deployment. Its commit is told in full by the URL of the commit only.
pub(super) fn deployment(reader: &Reader<'_>, recorded: &Recorded) -> Result<Vec<Fact>, String> {
    let event: DeploymentEvent<'_> = parse(recorded)?;
    let mut gathered = Gathered::new(reader, recorded, event.project.name()?);
    let at = event.status_changed_at;
    let repository = gathered.repository.clone();
    let mut known = Deployment {
        environment: event.environment.name().ok_or("its deployment names no environment")?,
        name: event.deployment_id.name().ok_or("its deployment has no id")?,
        revision: gathered.latest(at, event.commit_url.last_segment().hash()),
        repository: gathered.latest(at, Some(repository)),
        production: match event.environment_tier.as_str() {
            "production" => Some(true),
            "staging" | "testing" | "development" => Some(false),
            _ => None,
        },
        url: gathered.latest(at, event.deployable_url.link()),
        ..Deployment::default()
    };
    let at = Earliest(gathered.at(at));
    match event.status.as_str() {
        "running" => known.started_at = at,
        "success" => known.succeeded_at = at,
        "failed" => known.failed_at = at,
        _ => {}
    }
    gathered.say(Entity::Deployment(known));
    Ok(gathered.facts)
}

#[derive(Debug, Deserialize)]
struct IssueEvent<'a> {
    #[serde(borrow)]
    object_attributes: Issue<'a>,
    #[serde(borrow, default)]
    labels: Vec<Label<'a>>,
    #[serde(borrow)]
    project: Project<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Issue<'a> {
    #[serde(borrow)]
    iid: Text<'a>,
    #[serde(borrow)]
    title: Text<'a>,
    #[serde(borrow)]
    url: Text<'a>,
    #[serde(borrow)]
    state: Text<'a>,
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
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
    title: Text<'a>,
}

/// An issue: an incident if GitLab says so of its type, or while it carries one of the labels for
/// it. What was an incident once stays one, as facts are never taken back.
pub(super) fn issue(reader: &Reader<'_>, recorded: &Recorded) -> Result<Vec<Fact>, String> {
    let event: IssueEvent<'_> = parse(recorded)?;
    let mut gathered = Gathered::new(reader, recorded, event.project.name()?);
    let issue = event.object_attributes;
    let id = issue.iid.name().ok_or("its issue has no number")?;
    let labels = issue.labels.iter().chain(&event.labels).map(|label| label.title.as_str());
    if !issue.kind.as_str().eq_ignore_ascii_case("incident") && !gathered.is_incident(labels) {
        return Ok(gathered.facts);
    }
    let at = issue.updated_at;
    let closed_at = gathered.at(issue.closed_at).or(gathered.at(at));
    let resolved_at = match issue.state.as_str() {
        "opened" => gathered.latest(at, Some(None)),
        "closed" => gathered.latest(at, Some(closed_at)),
        _ => Latest::default(),
    };
    gathered.say(Entity::Incident(Incident {
        id,
        opened_at: Earliest(gathered.at(issue.created_at)),
        resolved_at,
        title: gathered.latest(at, issue.title.line()),
        url: gathered.latest(at, issue.url.link()),
        ..Incident::default()
    }));
    Ok(gathered.facts)
}
