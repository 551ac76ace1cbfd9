//! What pipelines do: workflow runs and deployments.

use super::{Moment, Repository, Text, parse};
use crate::intake::Reader;
use crate::intake::payload::Gathered;
use crate::ledger::Recorded;
use seaway_core::delivery::facts::{Build, Deployment, Earliest, Entity, Fact};
use serde::Deserialize;

/// What starts a workflow that builds the commit it names. Others run beside it: by the clock, or
/// since somebody wrote a comment.
const BUILDING: [&str; 8] = [
    "create",
    "merge_group",
    "pull_request",
    "push",
    "release",
    "repository_dispatch",
    "workflow_dispatch",
    "workflow_run",
];

#[derive(Debug, Deserialize)]
struct RunEvent<'a> {
    #[serde(borrow)]
    workflow_run: Run<'a>,
    #[serde(borrow)]
    repository: Repository<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Run<'a> {
    #[serde(borrow)]
    workflow_id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    head_sha: Text<'a>,
    #[serde(borrow)]
    event: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    conclusion: Text<'a>,
    created_at: Moment,
    run_started_at: Moment,
    updated_at: Moment,
}

/// A run of a workflow. Its workflow is known by its number, which stays when it is renamed.
pub(super) fn workflow_run(reader: &Reader<'_>, recorded: &Recorded) -> Result<Vec<Fact>, String> {
    let event: RunEvent<'_> = parse(recorded)?;
    let mut gathered = Gathered::new(reader, recorded, event.repository.name()?);
    let run = event.workflow_run;
    let revision = run.head_sha.hash().ok_or("its run names no commit")?;
    let pipeline = run.workflow_id.name().or_else(|| run.name.name());
    let pipeline = pipeline.ok_or("its run names no workflow")?;
    if BUILDING.binary_search(&run.event.as_str()).is_err() {
        return Ok(gathered.facts);
    }
    let started_at = gathered.at(run.run_started_at).or(gathered.at(run.created_at));
    let mut build =
        Build { revision, pipeline, started_at: Earliest(started_at), ..Build::default() };
    let finished_at = Earliest(gathered.at(run.updated_at));
    match (run.status.as_str(), run.conclusion.as_str()) {
        ("completed", "success") => build.succeeded_at = finished_at,
        ("completed", "failure" | "timed_out" | "startup_failure") => build.failed_at = finished_at,
        _ => {}
    }
    gathered.say(Entity::Build(build));
    Ok(gathered.facts)
}

#[derive(Debug, Deserialize)]
struct DeploymentEvent<'a> {
    #[serde(borrow)]
    deployment: Deployed<'a>,
    #[serde(borrow)]
    deployment_status: Option<Status<'a>>,
    #[serde(borrow)]
    repository: Repository<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Deployed<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    sha: Text<'a>,
    #[serde(borrow)]
    environment: Text<'a>,
    #[serde(borrow)]
    original_environment: Text<'a>,
    production_environment: Option<bool>,
    created_at: Moment,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow)]
    state: Text<'a>,
    #[serde(borrow)]
    log_url: Text<'a>,
    #[serde(borrow)]
    target_url: Text<'a>,
    created_at: Moment,
}

/// A deployment, and one of its statuses if there is one.
///
/// The environment is the one that the deployment was made for: a status may name another later,
/// and the deployment stays the same. A deployment that is not marked as one of production may be
/// one all the same, as nobody has to mark it.
pub(super) fn deployment(reader: &Reader<'_>, recorded: &Recorded) -> Result<Vec<Fact>, String> {
    let event: DeploymentEvent<'_> = parse(recorded)?;
    let mut gathered = Gathered::new(reader, recorded, event.repository.name()?);
    let told = event.deployment;
    let environment = told.original_environment.name().or_else(|| told.environment.name());
    let repository = gathered.repository.clone();
    let mut known = Deployment {
        environment: environment.ok_or("its deployment names no environment")?,
        name: told.id.name().ok_or("its deployment has no id")?,
        revision: gathered.latest(told.created_at, told.sha.hash()),
        repository: gathered.latest(told.created_at, Some(repository)),
        started_at: Earliest(gathered.at(told.created_at)),
        production: told.production_environment.filter(|&it| it),
        ..Deployment::default()
    };
    if let Some(status) = event.deployment_status {
        let at = Earliest(gathered.at(status.created_at));
        match status.state.as_str() {
            "success" => known.succeeded_at = at,
            "failure" | "error" => known.failed_at = at,
            // `inactive` says that a later deployment took its place.
            _ => {}
        }
        let url = status.log_url.link().or_else(|| status.target_url.link());
        known.url = gathered.latest(status.created_at, url);
    }
    gathered.say(Entity::Deployment(known));
    Ok(gathered.facts)
}
