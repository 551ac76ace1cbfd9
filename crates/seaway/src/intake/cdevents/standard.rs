//! Facts of the standard's own events.

use super::model::Reference;
use super::{Telling, commit_hash, fact, key, latest, link, optional_key, repository, revision};
use crate::intake::commits::TEXT_CHARS_MAX;
use crate::intake::text::Text;
use crate::pages::words;
use seaway_core::delivery::facts::{
    Artifact, Build, Deployment, Entity, Fact, Incident, Latest, PullRequest, Review, Scope,
    Verdict, repository_name,
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// The facts of an event of this subject and predicate. Many of the standard's events tell nothing
/// of deliveries: they have none.
pub(super) fn facts(telling: &Telling<'_>, what: (&str, &str)) -> Result<Vec<Fact>, String> {
    match what {
        ("service", "deployed" | "upgraded" | "rolledback") => deployment(telling),
        ("artifact", "packaged" | "published" | "signed") => artifact(telling),
        ("change", predicate) => change(telling, predicate),
        ("build", predicate @ ("started" | "finished")) => build(telling, predicate),
        ("pipelinerun", predicate @ ("started" | "finished")) => pipeline_run(telling, predicate),
        ("incident", predicate) => incident(telling, predicate),
        _ => Ok(Vec::new()),
    }
}

fn deployment(telling: &Telling<'_>) -> Result<Vec<Fact>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Content<'a> {
        #[serde(borrow)]
        environment: Reference<'a>,
        #[serde(borrow)]
        artifact_id: Text<'a>,
    }
    let content: Content<'_> = telling.content()?;
    let service = key("subject.id", &telling.event.subject.id)?;
    let artifact = key("subject.content.artifactId", &content.artifact_id)?;
    let moment = telling.moment;
    let (made_of, repository) = made_of(telling)?;
    let deployment = Deployment {
        environment: key("subject.content.environment.id", &content.environment.id)?,
        name: key("context.id", &telling.event.context.id)?,
        revision: latest(moment, made_of.clone()),
        artifact: Latest::at(moment, artifact.clone()),
        repository: latest(moment, repository.clone()),
        succeeded_at: moment.into(),
        ..Deployment::default()
    };
    let deployed = Artifact {
        id: artifact.clone(),
        revision: latest(moment, made_of),
        repository: latest(moment, repository),
        services: BTreeSet::from([service.clone()]),
        ..Artifact::default()
    };
    Ok(vec![
        fact(Scope::Service(service), Entity::Deployment(deployment)),
        fact(Scope::Artifact(artifact), Entity::Artifact(deployed)),
    ])
}

fn artifact(telling: &Telling<'_>) -> Result<Vec<Fact>, String> {
    #[derive(Deserialize)]
    struct Content<'a> {
        #[serde(borrow, default)]
        change: Option<Reference<'a>>,
    }
    let content: Content<'_> = telling.content()?;
    let id = key("subject.id", &telling.event.subject.id)?;
    let (mut made_of, mut repository) = made_of(telling)?;
    if let Some(change) = content.change {
        made_of = made_of.or_else(|| commit_hash(change.id.as_str().trim()));
        let source = change.source.and_then(|source| super::repository("source", &source).ok());
        repository = repository.or(source.filter(|name| is_repository(name)));
    }
    let artifact = Artifact {
        id: id.clone(),
        revision: latest(telling.moment, made_of),
        repository: latest(telling.moment, repository),
        // Signing follows packaging: it says at least by when the artifact was there.
        built_at: telling.moment.into(),
        ..Artifact::default()
    };
    Ok(vec![fact(Scope::Artifact(id), Entity::Artifact(artifact))])
}

fn change(telling: &Telling<'_>, predicate: &str) -> Result<Vec<Fact>, String> {
    #[derive(Deserialize)]
    struct Content<'a> {
        #[serde(borrow, default)]
        repository: Option<Reference<'a>>,
        #[serde(borrow, default)]
        description: Option<Text<'a>>,
    }
    let content: Content<'_> = telling.content()?;
    let number = key("subject.id", &telling.event.subject.id)?;
    let Some(repository) = repository_of(telling, content.repository.as_ref()) else {
        return Ok(Vec::new());
    };
    let moment = telling.moment;
    let commit = telling.custom_data.revision.as_ref().and_then(|it| commit_hash(it.as_str()));
    let mut change =
        PullRequest { number: number_of(&number).to_owned(), ..PullRequest::default() };
    match predicate {
        "created" => {
            change.opened_at = moment.into();
            change.head = latest(moment, commit);
            let line = content.description.as_ref().and_then(|it| it.as_str().lines().next());
            let title = line.map(|line| words::clean(line, TEXT_CHARS_MAX));
            change.title = latest(moment, title.filter(|title| !title.is_empty()));
        }
        "reviewed" => {
            let id = key("context.id", &telling.event.context.id)?;
            // The standard does not say what the review said.
            let review = Review { at: moment, verdict: Verdict::Commented, by: None };
            change.reviews = BTreeMap::from([(id, review)]);
        }
        "merged" => {
            change.merged_at = moment.into();
            change.merge_commit = latest(moment, commit);
        }
        "abandoned" => change.abandoned_at = moment.into(),
        _ => change.head = latest(moment, commit),
    }
    Ok(vec![fact(Scope::Repository(repository), Entity::PullRequest(change))])
}

fn build(telling: &Telling<'_>, predicate: &str) -> Result<Vec<Fact>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Content<'a> {
        #[serde(borrow, default)]
        artifact_id: Option<Text<'a>>,
    }
    let content: Content<'_> = telling.content()?;
    // The standard does not say how a build went. One that made an artifact went well.
    let outcome = match (predicate, content.artifact_id) {
        ("started", _) => Outcome::Started,
        (_, Some(_)) => Outcome::Succeeded,
        (_, None) => return Ok(Vec::new()),
    };
    run(telling, None, outcome)
}

fn pipeline_run(telling: &Telling<'_>, predicate: &str) -> Result<Vec<Fact>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Content<'a> {
        #[serde(borrow, default)]
        pipeline_name: Option<Text<'a>>,
        #[serde(borrow, default)]
        outcome: Option<Text<'a>>,
    }
    let content: Content<'_> = telling.content()?;
    let outcome = match (predicate, content.outcome.as_ref().map(Text::as_str)) {
        ("started", _) => Outcome::Started,
        (_, Some("success")) => Outcome::Succeeded,
        (_, Some("failure" | "error")) => Outcome::Failed,
        // Cancelled, or a word of nobody's.
        _ => return Ok(Vec::new()),
    };
    run(telling, content.pipeline_name.as_ref(), outcome)
}

enum Outcome {
    Started,
    Succeeded,
    Failed,
}

/// A build, where the custom data say of what.
fn run(
    telling: &Telling<'_>,
    name: Option<&Text<'_>>,
    outcome: Outcome,
) -> Result<Vec<Fact>, String> {
    let (Some(revision), Some(repository)) = made_of(telling)? else { return Ok(Vec::new()) };
    let name = telling.custom_data.pipeline.as_ref().or(name);
    let mut build = Build {
        revision,
        pipeline: key("the name of the pipeline", name.unwrap_or(&telling.event.context.source))?,
        ..Build::default()
    };
    let moment = telling.moment.into();
    match outcome {
        Outcome::Started => build.started_at = moment,
        Outcome::Succeeded => build.succeeded_at = moment,
        Outcome::Failed => build.failed_at = moment,
    }
    Ok(vec![fact(Scope::Repository(repository), Entity::Build(build))])
}

fn incident(telling: &Telling<'_>, predicate: &str) -> Result<Vec<Fact>, String> {
    #[derive(Deserialize)]
    struct Content<'a> {
        #[serde(borrow, default)]
        description: Option<Text<'a>>,
        #[serde(borrow, default)]
        environment: Option<Reference<'a>>,
        #[serde(borrow, default)]
        service: Option<Reference<'a>>,
        #[serde(borrow, default, rename = "ticketURI")]
        ticket_uri: Option<Text<'a>>,
    }
    let content: Content<'_> = telling.content()?;
    let id = key("subject.id", &telling.event.subject.id)?;
    let service = content.service.map(|it| key("subject.content.service.id", &it.id));
    let environment = content.environment.map(|it| key("subject.content.environment.id", &it.id));
    let (service, environment) = (service.transpose()?, environment.transpose()?);
    // Some name the environment of one service like the service.
    let Some(scope) = service.or_else(|| environment.clone()) else { return Ok(Vec::new()) };
    let moment = telling.moment;
    let description = content.description.filter(|it| !it.as_str().trim().is_empty());
    let mut incident =
        Incident { id, environment: latest(moment, environment), ..Incident::default() };
    match predicate {
        "resolved" => incident.resolved_at = Latest::at(moment, Some(moment)),
        predicate => {
            incident.opened_at = moment.into();
            let title = description.map(|it| words::clean(it.as_str(), TEXT_CHARS_MAX));
            incident.title = latest(moment, title);
            incident.url = latest(moment, content.ticket_uri.and_then(|it| link(it.as_str())));
            if predicate == "detected" {
                // Detected after it was resolved: it is back. A report may just be late.
                incident.resolved_at = Latest::at(moment, None);
            }
        }
    }
    Ok(vec![fact(Scope::Service(scope), Entity::Incident(incident))])
}

/// The revision and its repository that the custom data name.
fn made_of(telling: &Telling<'_>) -> Result<(Option<String>, Option<String>), String> {
    let custom = &telling.custom_data;
    let made_of = custom.revision.as_ref().map(|it| revision("customData.revision", it));
    let from = custom.repository.as_ref().map(|it| repository("customData.repository", it));
    Ok((made_of.transpose()?, from.transpose()?))
}

/// The repository of a change: named by the custom data, by its content, or by where it is from.
fn repository_of(telling: &Telling<'_>, told: Option<&Reference<'_>>) -> Option<String> {
    let named = telling.custom_data.repository.as_ref();
    if let Some(name) = named.and_then(|name| repository("repository", name).ok()) {
        return Some(name);
    }
    if let Some(reference) = told {
        return join(reference);
    }
    let sources = [telling.event.subject.source.as_ref(), Some(&telling.event.context.source)];
    let mut names = sources.into_iter().flatten().filter_map(|it| repository("source", it).ok());
    names.find(|name| is_repository(name))
}

/// The name of a repository that is told in two parts, as `owner/name` of `https://host`.
fn join(reference: &Reference<'_>) -> Option<String> {
    let id = repository("id", &reference.id).ok()?;
    let id = id.trim_matches('/');
    let source = optional_key("source", reference.source.as_ref()).ok().flatten();
    let source = source.map(|source| repository_name(&source)).unwrap_or_default();
    let source = source.trim_end_matches('/');
    let is_number = id.bytes().all(|byte| byte.is_ascii_digit());
    let name = if is_repository(id) || source.is_empty() {
        id.to_owned()
    } else if source.ends_with(&format!("/{id}")) || (is_number && is_repository(source)) {
        source.to_owned()
    } else {
        format!("{source}/{id}")
    };
    (name.len() <= super::KEY_BYTES_MAX).then_some(name)
}

/// Whether this is `host.domain/…` and not a path or a word.
fn is_repository(name: &str) -> bool {
    name.split_once('/').is_some_and(|(host, path)| host.contains(['.', ':']) && !path.is_empty())
}

/// The number of a change within an identifier as `owner/name/pull/12` or `owner/name#12`.
fn number_of(id: &str) -> &str {
    let last = id.rsplit(['/', '#', '!']).next().unwrap_or(id);
    let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { last } else { id }
}
