//! Deployments: which of them deliver, and their rows.

use super::graph::Graph;
use super::incidents::Incidents;
use super::known::Known;
use super::names::Names;
use super::{Findings, ServiceSpec, believed};
use crate::delivery::attribution;
use crate::delivery::facts::Deployment;
use crate::delivery::history::NONE;
use crate::delivery::measured::Measured;
use crate::delivery::view::DeploymentRow;

/// A deployment, and what it means.
#[derive(Debug)]
pub(super) struct Landing<'a> {
    pub(super) deployment: &'a Deployment,
    /// Whether customers use its environment.
    pub(super) production: bool,
    /// The revision as its source names it, or its artifact's.
    pub(super) revision: Option<&'a str>,
    /// The number of that commit, if it is known.
    pub(super) commit: Option<u32>,
    /// When it first succeeded, or else when it first failed.
    pub(super) finished_at: Option<i64>,
    /// Whether it became live; `None` while it runs.
    pub(super) succeeded: Option<bool>,
}

impl Landing<'_> {
    /// Whether it became live for customers. What became live need not be known.
    pub(super) fn is_success(&self) -> bool {
        self.production && self.succeeded == Some(true)
    }

    /// Whether it delivers: a success in production whose revision is known.
    pub(super) fn delivers(&self) -> bool {
        self.is_success() && self.commit.is_some()
    }

    /// As attribution sees it.
    pub(super) fn measured(&self, graph: &Graph<'_>) -> Option<attribution::Deployment> {
        Some(attribution::Deployment {
            name: self.deployment.name.clone(),
            revision: graph.index(self.commit?)?,
            finished_at: self.finished_at?,
        })
    }
}

/// The deployments in the order of rule 1, those that run last.
pub(super) fn of<'a>(
    spec: &ServiceSpec<'_>,
    known: &Known<'a>,
    names: &Names<'_>,
) -> Vec<Landing<'a>> {
    let mut landings: Vec<Landing<'a>> =
        known.deployments.iter().map(|it| landing(spec, known, names, it)).collect();
    landings.sort_by_key(|landing| {
        let Deployment { name, environment, .. } = landing.deployment;
        (landing.finished_at.unwrap_or(i64::MAX), name, environment)
    });
    landings
}

fn landing<'a>(
    spec: &ServiceSpec<'_>,
    known: &Known<'a>,
    names: &Names<'_>,
    deployment: &'a Deployment,
) -> Landing<'a> {
    let is_ours = |repository: Option<&String>| match (repository, spec.repository) {
        (Some(told), Some(ours)) => told == ours,
        _ => true,
    };
    let artifact = deployment.artifact.get().and_then(|artifact| known.artifact(artifact));
    let made_of = || artifact.and_then(|it| Some((it.revision.get()?, it.repository.get())));
    let told = deployment.revision.get().map(|revision| (revision, deployment.repository.get()));
    let told = told.or_else(made_of);
    let succeeded_at = believed(deployment.succeeded_at.0);
    let failed_at = believed(deployment.failed_at.0);
    Landing {
        deployment,
        production: is_production(spec, &deployment.environment, deployment.production),
        revision: told.map(|(revision, _)| revision.as_str()),
        commit: told
            .filter(|&(_, repository)| is_ours(repository))
            .and_then(|(revision, _)| names.find(revision)),
        finished_at: succeeded_at.or(failed_at),
        succeeded: succeeded_at.map(|_| true).or(failed_at.map(|_| false)),
    }
}

/// Words of the names of environments that customers use.
const PRODUCTION: [&str; 4] = ["production", "prod", "prd", "live"];
/// Words that say the opposite.
const NOT_PRODUCTION: [&str; 11] =
    ["pre", "non", "not", "no", "test", "testing", "stage", "staging", "dev", "qa", "preview"];

/// Whether customers use an environment: by the configuration, else by what its source says, else
/// by its name.
pub(super) fn is_production(spec: &ServiceSpec<'_>, name: &str, told: Option<bool>) -> bool {
    if !spec.production.is_empty() {
        return spec.production.iter().any(|one| one.eq_ignore_ascii_case(name));
    }
    told.unwrap_or_else(|| {
        let has = |list: &[&str]| {
            let mut words = name.split(|letter: char| !letter.is_alphanumeric());
            words.any(|word| {
                let word = word.trim_end_matches(|letter: char| letter.is_ascii_digit());
                list.iter().any(|one| one.eq_ignore_ascii_case(word))
            })
        };
        has(&PRODUCTION) && !has(&NOT_PRODUCTION)
    })
}

/// Successes in production that are linked to nothing: each with an unknown revision, and each
/// that was there before the history that is known begins.
pub(super) fn findings(landings: &[Landing<'_>], graph: &Graph<'_>, findings: &mut Findings) {
    let committed = graph.commits.iter().flatten().filter_map(|it| it.detail.as_ref());
    let first = committed.filter_map(|detail| believed(detail.committed_at)).min();
    for landing in landings.iter().filter(|landing| landing.is_success()) {
        let name = &landing.deployment.name;
        if landing.commit.is_none() {
            findings.add("unknown_revision", name);
        }
        if first.is_some() && landing.finished_at < first {
            findings.add("deployment_before_history", name);
        }
    }
}

/// The rows, in the order of the landings; `delivering` are those that were measured.
pub(super) fn rows(
    landings: &[Landing<'_>],
    delivering: &[usize],
    (graph, measured): (&Graph<'_>, &Measured),
    incidents: &Incidents,
) -> Vec<DeploymentRow> {
    let position = |commit: u32| {
        let index = graph.index(commit)?;
        let mainline = &measured.mainline;
        mainline.is_on_chain(index).then(|| mainline.brought_by[index as usize])
    };
    let mut rows: Vec<DeploymentRow> = landings
        .iter()
        .map(|landing| {
            let it = landing.deployment;
            DeploymentRow {
                name: it.name.clone(),
                environment: it.environment.clone(),
                production: landing.production,
                revision: landing.revision.map(str::to_owned),
                linked: landing.commit.is_some(),
                position: landing.commit.and_then(position),
                started_at: believed(it.started_at.0),
                finished_at: landing.finished_at,
                succeeded: landing.succeeded,
                kind: None,
                changes: 0,
                replaced: None,
                replaced_environment: None,
                failed_by: None,
                recovered_at: None,
                unplanned: false,
                url: it.url.get().cloned(),
            }
        })
        .collect();
    incidents.mark(&mut rows);
    add_measured(&mut rows, delivering, measured);
    rows
}

/// What the deployments that were measured were, each against the one that it replaced.
fn add_measured(rows: &mut [DeploymentRow], delivering: &[usize], measured: &Measured) {
    let attribution = &measured.attribution;
    let mut older_lines = attribution.older_lines.iter().peekable();
    let mut live: Option<usize> = None;
    for (number, (&at, &kind)) in delivering.iter().zip(&attribution.kinds).enumerate() {
        let is_older_line = older_lines.next_if(|&&older| older as usize == number).is_some();
        rows[at].kind = Some(kind);
        if !is_older_line {
            let replaced = live.replace(at).map(|at| &rows[at]);
            let replaced = replaced.map(|it| (it.name.clone(), it.environment.clone()));
            (rows[at].replaced, rows[at].replaced_environment) = replaced.unzip();
        }
        let rollback = attribution.failed_by[number];
        if rollback != NONE {
            let rollback = &rows[delivering[rollback as usize]];
            let (name, finished_at) = (rollback.name.clone(), rollback.finished_at);
            // Where incidents are on record, these say when it was over.
            if rows[at].failed_by.replace(name).is_none() {
                rows[at].recovered_at = finished_at;
            }
        }
    }
    for change in measured.changes.iter().filter(|change| change.deployment != NONE) {
        rows[delivering[change.deployment as usize]].changes += 1;
    }
}
