//! One change with all that is known of its way: its commits, reviews, builds and deployments.

use super::parameters::Parameters;
use super::rows::{Change, Deployment, read};
use super::tables::{self, TELLING, Table};
use crate::app::App;
use crate::problem::Problem;
use crate::url::Names;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use seaway_core::delivery::attribution::DeploymentKind;
use seaway_core::delivery::facts::Verdict;
use seaway_core::delivery::view::{
    BuildPart, ChangeParts, ChangeRow, CommitPart, DeploymentRow, Milestone,
};
use seaway_core::time::Time;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;

/// Deployments of a service that are looked at for one change: those after its merge, the first
/// first.
pub(in crate::delivery) const LOOKED_AT: i64 = 300;
/// Deployments that are told of one change.
const TOLD: usize = 50;
/// Digits of a hash that are told.
const DIGITS: usize = 12;

/// A change, its author, and the rows behind its milestones. A list that says nothing is not there.
#[derive(Serialize)]
pub(in crate::delivery) struct Journey {
    #[serde(flatten)]
    pub(in crate::delivery) change: Change,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::delivery) commit_list: Vec<CommitOfChange>,
    /// How many commits more there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub(in crate::delivery) more_commits: u32,
    /// Whether `commit_list` has the commits of a branch that became one commit on the mainline.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(in crate::delivery) squashed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::delivery) reviews: Vec<ReviewOfChange>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::delivery) builds: Vec<BuildOfChange>,
    /// How many older builds there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub(in crate::delivery) older_builds: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::delivery) deployments: Vec<DeploymentOfChange>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A commit of a change.
#[derive(Serialize)]
pub(in crate::delivery) struct CommitOfChange {
    /// The first digits.
    pub(in crate::delivery) hash: String,
    pub(in crate::delivery) subject: String,
    pub(in crate::delivery) author: String,
    pub(in crate::delivery) authored_at: Option<Time>,
    pub(in crate::delivery) committed_at: Option<Time>,
}

/// A review of the pull request of a change.
#[derive(Serialize)]
pub(in crate::delivery) struct ReviewOfChange {
    pub(in crate::delivery) at: Time,
    pub(in crate::delivery) verdict: Verdict,
    /// Who wrote it, where that is told.
    pub(in crate::delivery) by: Option<String>,
}

/// A build of a commit of a change.
#[derive(Serialize)]
pub(in crate::delivery) struct BuildOfChange {
    pub(in crate::delivery) pipeline: String,
    /// The first digits of the commit.
    pub(in crate::delivery) revision: String,
    pub(in crate::delivery) started_at: Option<Time>,
    pub(in crate::delivery) failed_at: Option<Time>,
    pub(in crate::delivery) succeeded_at: Option<Time>,
}

/// What a deployment did to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::delivery) enum Effect {
    /// It would have brought it to its environment, and did not become live.
    Failed,
    /// It brought it there first.
    Brought,
    /// It went back to before it.
    TookBack,
    /// It brought it there after it had been taken back.
    BroughtAgain,
}

/// A deployment, and what it did to a change.
#[derive(Serialize)]
pub(in crate::delivery) struct DeploymentOfChange {
    pub(in crate::delivery) effect: Effect,
    pub(in crate::delivery) environment: String,
    pub(in crate::delivery) name: String,
    pub(in crate::delivery) production: bool,
    pub(in crate::delivery) finished_at: Option<Time>,
    /// What showed that it failed customers.
    pub(in crate::delivery) failed_by: Option<String>,
}

impl Journey {
    /// The change that a URL names.
    pub(in crate::delivery) async fn of(
        app: &App,
        service: &str,
        change: &str,
    ) -> Result<Self, Problem> {
        let body = app.store.change(service, change).await?.ok_or_else(|| {
            Problem::not_found(format!("{service} has no change {change}"))
                .hint("name it by the whole hash of its commit on the mainline")
        })?;
        let mut row: ChangeRow = read(&body)?;
        let parts = row.parts.take().map_or_else(ChangeParts::default, |parts| *parts);
        let rows = deployments_after(app, service, &row).await?;
        let deployments = effects(&row, &rows);
        let own: String = row.change.chars().take(DIGITS).collect();
        let author = row.author.clone();
        let commit_list = parts.commits.into_iter().map(|it| commit(it, &author)).collect();
        let reviews = parts.reviews.into_iter().map(|it| ReviewOfChange {
            at: Time(it.at),
            verdict: it.verdict,
            by: it.by,
        });
        Ok(Self {
            change: Change::of(service.to_owned(), row, true),
            commit_list,
            more_commits: parts.more_commits,
            squashed: parts.squashed,
            reviews: reviews.collect(),
            builds: parts.builds.into_iter().map(|it| build(it, &own)).collect(),
            older_builds: parts.older_builds,
            deployments,
        })
    }

    /// The deployment that delivered it and stayed.
    pub(in crate::delivery) async fn delivered_by(
        &self,
        app: &App,
    ) -> Result<Option<Deployment>, Problem> {
        let Change { service, environment, deployment, .. } = &self.change;
        let (Some(environment), Some(name)) = (environment, deployment) else { return Ok(None) };
        let body = app.store.deployment(service, environment, name).await?;
        body.map(|body| Ok(Deployment::of(service.clone(), read(&body)?))).transpose()
    }
}

fn commit(it: CommitPart, author: &str) -> CommitOfChange {
    CommitOfChange {
        hash: it.hash,
        subject: it.subject,
        author: it.author.unwrap_or_else(|| author.to_owned()),
        authored_at: it.authored_at.map(Time),
        committed_at: it.committed_at.or(it.authored_at).map(Time),
    }
}

fn build(it: BuildPart, own: &str) -> BuildOfChange {
    BuildOfChange {
        pipeline: it.pipeline,
        revision: it.revision.unwrap_or_else(|| own.to_owned()),
        started_at: it.started_at.map(Time),
        failed_at: it.failed_at.map(Time),
        succeeded_at: it.succeeded_at.map(Time),
    }
}

/// The first deployments of the service since the change was merged, and the one that delivered it.
async fn deployments_after(
    app: &App,
    service: &str,
    change: &ChangeRow,
) -> Result<Vec<DeploymentRow>, Problem> {
    let merged = change.milestones.get(Milestone::Merged).or(change.milestones.start());
    let mut bodies = match merged {
        Some(since) => app.store.deployments_since(service, since, LOOKED_AT).await?,
        None => Vec::new(),
    };
    if let (Some(environment), Some(name)) = (&change.environment, &change.deployment) {
        bodies.extend(app.store.deployment(service, environment, name).await?);
    }
    let mut rows: Vec<DeploymentRow> =
        bodies.iter().map(|body| read(body)).collect::<Result<_, _>>()?;
    rows.sort_by(|a, b| moment(a).cmp(&moment(b)));
    rows.dedup_by(|a, b| moment(a) == moment(b));
    Ok(rows)
}

fn moment(row: &DeploymentRow) -> (Option<i64>, &str, &str) {
    (row.finished_at, &row.name, &row.environment)
}

/// What each deployment did to a change, in the order in which they finished. A revision on the
/// mainline has every change in it that came no later; what another one has in it is known of the
/// deployment that delivered the change only.
fn effects(change: &ChangeRow, rows: &[DeploymentRow]) -> Vec<DeploymentOfChange> {
    // By environment, whether the change is in it.
    let mut live: HashMap<&str, bool> = HashMap::new();
    let mut told = Vec::new();
    for row in rows {
        let known = live.get(row.environment.as_str()).copied();
        let is_live = known == Some(true);
        let Some(effect) = effect(change, row, known) else { continue };
        match effect {
            Effect::Failed => {}
            _ => drop(live.insert(&row.environment, !is_live)),
        }
        told.push(DeploymentOfChange {
            effect,
            environment: row.environment.clone(),
            name: row.name.clone(),
            production: row.production,
            finished_at: row.finished_at.map(Time),
            failed_by: row.failed_by.clone(),
        });
    }
    // Those that failed are many where nothing else went well, and the last of them say most.
    told.split_off(told.len().saturating_sub(TOLD))
}

/// What a deployment did to a change; `known` is whether the environment has it, `None` if it never
/// had.
fn effect(change: &ChangeRow, row: &DeploymentRow, known: Option<bool>) -> Option<Effect> {
    let is_deliverer = change.deployment.as_ref() == Some(&row.name)
        && change.environment.as_ref() == Some(&row.environment);
    let place = row.position.map(|position| position >= change.position);
    let has_it = is_deliverer || place == Some(true);
    let is_back =
        place == Some(false) && (!row.production || row.kind == Some(DeploymentKind::Rollback));
    match (row.succeeded?, known) {
        (false, None | Some(false)) if has_it => Some(Effect::Failed),
        (true, None) if has_it => Some(Effect::Brought),
        (true, Some(false)) if has_it => Some(Effect::BroughtAgain),
        (true, Some(true)) if is_back => Some(Effect::TookBack),
        _ => None,
    }
}

/// `GET /api/v1/services/{service}/changes/{change}`.
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    Names((service, change)): Names<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(query.as_deref(), &TELLING)?;
    parameters.wait(&app).await?;
    tables::any(&parameters, &Journey::of(&app, &service, &change).await?, &TABLES)
}

const TABLES: [Table; 5] = [
    Table { name: "stages", rows: "/stages", columns: &[("to", "/to"), ("seconds", "/seconds")] },
    Table {
        name: "commits",
        rows: "/commit_list",
        columns: &[
            ("hash", "/hash"),
            ("subject", "/subject"),
            ("author", "/author"),
            ("authored_at", "/authored_at"),
            ("committed_at", "/committed_at"),
        ],
    },
    Table {
        name: "reviews",
        rows: "/reviews",
        columns: &[("at", "/at"), ("verdict", "/verdict"), ("by", "/by")],
    },
    Table {
        name: "builds",
        rows: "/builds",
        columns: &[
            ("pipeline", "/pipeline"),
            ("revision", "/revision"),
            ("started_at", "/started_at"),
            ("failed_at", "/failed_at"),
            ("succeeded_at", "/succeeded_at"),
        ],
    },
    Table {
        name: "deployments",
        rows: "/deployments",
        columns: &[
            ("effect", "/effect"),
            ("environment", "/environment"),
            ("name", "/name"),
            ("production", "/production"),
            ("finished_at", "/finished_at"),
            ("failed_by", "/failed_by"),
        ],
    },
];
