//! Seaway's own events: what the standard has no event for. Their form is CDEvents' form for custom
//! events, their content is described by `docs/schemas/`.

use super::{
    Telling, fact, hash, key, latest, link, optional_key, pull_requests, pushed, repository,
    revision,
};
use crate::intake::commits::TEXT_CHARS_MAX;
use crate::intake::text::Text;
use crate::pages::words;
use seaway_core::delivery::facts::{
    Artifact, Build, COMMITS_MAX, Deployment, Earliest, Entity, Fact, Incident, Latest, Scope,
};
use serde::Deserialize;
use std::collections::BTreeSet;

/// Subjects (without `seaway-`) and predicates.
pub(super) const KNOWN: [(&str, &str); 8] = [
    ("build", "finished"),
    ("commit", "pushed"),
    ("deployment", "started"),
    ("deployment", "finished"),
    ("incident", "reported"),
    ("incident", "resolved"),
    ("pullrequest", "updated"),
    ("review", "submitted"),
];

/// The facts of an event of one of the [`KNOWN`] kinds.
pub(super) fn facts(telling: &Telling<'_>, what: (&str, &str)) -> Result<Vec<Fact>, String> {
    match what {
        ("build", _) => build(telling),
        ("commit", _) => pushed::facts(telling),
        ("deployment", "started") => deployment_started(telling),
        ("deployment", _) => deployment_finished(telling),
        ("incident", predicate) => incident(telling, predicate == "resolved"),
        ("pullrequest", _) => pull_requests::updated(telling),
        ("review", _) => pull_requests::reviewed(telling),
        _ => Ok(Vec::new()),
    }
}

/// How a deployment or a build ended.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Success,
    Failure,
}

impl Outcome {
    /// The moments of success and of failure of what ended at `end`.
    fn moments(self, end: Option<i64>) -> (Earliest, Earliest) {
        match self {
            Self::Success => (Earliest(end), Earliest::default()),
            Self::Failure => (Earliest::default(), Earliest(end)),
        }
    }
}

/// What both events of a deployment tell.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Deployed<'a> {
    #[serde(borrow)]
    service: Text<'a>,
    #[serde(borrow)]
    environment: Text<'a>,
    #[serde(default)]
    production: Option<bool>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    revision: Text<'a>,
    #[serde(borrow, default)]
    repository: Option<Text<'a>>,
    #[serde(borrow, default)]
    artifact_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    started_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    commits: Vec<Text<'a>>,
    #[serde(borrow, default)]
    url: Option<Text<'a>>,
}

fn deployment_started(telling: &Telling<'_>) -> Result<Vec<Fact>, String> {
    let told: Deployed<'_> = telling.content()?;
    let mut deployment = deployment(telling, &told)?;
    if told.started_at.is_none() {
        deployment.started_at = telling.moment.into();
    }
    of_deployment(telling.moment, &told, deployment)
}

fn deployment_finished(telling: &Telling<'_>) -> Result<Vec<Fact>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Finished<'a> {
        #[serde(borrow)]
        finished_at: Text<'a>,
        outcome: Outcome,
    }
    let told: Deployed<'_> = telling.content()?;
    let end: Finished<'_> = telling.content()?;
    let finished = telling.time("finishedAt", Some(&end.finished_at))?;
    let (succeeded_at, failed_at) = end.outcome.moments(finished);
    let deployment = Deployment { succeeded_at, failed_at, ..deployment(telling, &told)? };
    of_deployment(telling.moment, &told, deployment)
}

/// The deployment, but for how it ended.
fn deployment(telling: &Telling<'_>, told: &Deployed<'_>) -> Result<Deployment, String> {
    let moment = telling.moment;
    if told.commits.len() > COMMITS_MAX {
        return Err(format!("commits are more than {COMMITS_MAX}"));
    }
    let commits: Result<BTreeSet<String>, String> =
        told.commits.iter().map(|commit| hash("commits", commit)).collect();
    let from = told.repository.as_ref().map(|it| repository("repository", it)).transpose()?;
    let artifact = optional_key("artifactId", told.artifact_id.as_ref())?;
    Ok(Deployment {
        environment: key("environment", &told.environment)?,
        name: key("name", &told.name)?,
        revision: Latest::at(moment, revision("revision", &told.revision)?),
        artifact: latest(moment, artifact),
        repository: latest(moment, from),
        started_at: Earliest(telling.time("startedAt", told.started_at.as_ref())?),
        production: told.production,
        commits: commits?,
        url: latest(moment, told.url.as_ref().and_then(|url| link(url.as_str()))),
        ..Deployment::default()
    })
}

/// The facts of a deployment: itself, and what it says of its artifact.
fn of_deployment(
    moment: i64,
    told: &Deployed<'_>,
    deployment: Deployment,
) -> Result<Vec<Fact>, String> {
    let service = key("service", &told.service)?;
    let mut facts = Vec::with_capacity(2);
    if let Some(id) = deployment.artifact.get() {
        let artifact = Artifact {
            id: id.clone(),
            revision: latest(moment, deployment.revision.get().cloned()),
            repository: latest(moment, deployment.repository.get().cloned()),
            services: BTreeSet::from([service.clone()]),
            ..Artifact::default()
        };
        facts.push(fact(Scope::Artifact(id.clone()), Entity::Artifact(artifact)));
    }
    facts.push(fact(Scope::Service(service), Entity::Deployment(deployment)));
    Ok(facts)
}

fn build(telling: &Telling<'_>) -> Result<Vec<Fact>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Finished<'a> {
        #[serde(borrow)]
        repository: Text<'a>,
        #[serde(borrow)]
        revision: Text<'a>,
        #[serde(borrow)]
        pipeline: Text<'a>,
        #[serde(borrow, default)]
        started_at: Option<Text<'a>>,
        #[serde(borrow)]
        finished_at: Text<'a>,
        outcome: Outcome,
    }
    let told: Finished<'_> = telling.content()?;
    let finished = telling.time("finishedAt", Some(&told.finished_at))?;
    let (succeeded_at, failed_at) = told.outcome.moments(finished);
    let build = Build {
        revision: hash("revision", &told.revision)?,
        pipeline: key("pipeline", &told.pipeline)?,
        started_at: Earliest(telling.time("startedAt", told.started_at.as_ref())?),
        succeeded_at,
        failed_at,
    };
    let scope = Scope::Repository(repository("repository", &told.repository)?);
    Ok(vec![fact(scope, Entity::Build(build))])
}

fn incident(telling: &Telling<'_>, is_resolved: bool) -> Result<Vec<Fact>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Content<'a> {
        #[serde(borrow)]
        service: Text<'a>,
        #[serde(borrow)]
        incident: Text<'a>,
        #[serde(borrow, default)]
        environment: Option<Text<'a>>,
        #[serde(borrow, default)]
        deployment: Option<Text<'a>>,
        #[serde(borrow, default)]
        title: Option<Text<'a>>,
        #[serde(borrow, default)]
        url: Option<Text<'a>>,
        #[serde(borrow, default)]
        reported_at: Option<Text<'a>>,
        #[serde(borrow, default)]
        resolved_at: Option<Text<'a>>,
    }
    let told: Content<'_> = telling.content()?;
    let moment = telling.moment;
    let reported_at = telling.time("reportedAt", told.reported_at.as_ref())?;
    let resolved_at = telling.time("resolvedAt", told.resolved_at.as_ref())?;
    // The event happened when the thing that it tells of did, unless it says otherwise.
    let or_now = |told: &Option<Text<'_>>| told.is_none().then_some(moment);
    let (opened_at, resolved) = match is_resolved {
        false => (reported_at.or(or_now(&told.reported_at)), None),
        true => (reported_at, resolved_at.or(or_now(&told.resolved_at))),
    };
    let said = |text: &Option<Text<'_>>| {
        let text = text.as_ref().map(|text| words::clean(text.as_str(), TEXT_CHARS_MAX));
        latest(moment, text.filter(|text| !text.is_empty()))
    };
    let incident = Incident {
        id: key("incident", &told.incident)?,
        environment: latest(moment, optional_key("environment", told.environment.as_ref())?),
        opened_at: Earliest(opened_at),
        resolved_at: latest(moment, resolved.map(Some)),
        title: said(&told.title),
        deployment: latest(moment, optional_key("deployment", told.deployment.as_ref())?),
        url: latest(moment, told.url.as_ref().and_then(|url| link(url.as_str()))),
    };
    let scope = Scope::Service(key("service", &told.service)?);
    Ok(vec![fact(scope, Entity::Incident(incident))])
}
