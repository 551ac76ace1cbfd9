//! From what is known of a service's things to its view: the rows behind every figure.
//!
//! `known` sorts the entities, `names` finds commits by what they are called, `landings` tells
//! which deployments deliver, `graph` makes a [`History`](super::history::History) of the commits,
//! and [`Measured`] applies the rules of the design to it, as it does for `measure`. What git
//! cannot tell is added then: `pulls` finds the pull request that brought a change, `built` the
//! first build that contains it, `changes` puts the milestones together, `parts` adds what a
//! change consists of, and `incidents` finds the deployments that failed customers.
//!
//! **Invariant:** a view is a pure function of the *set* of entities. The order in which they are
//! given, and whether one is given twice or in pieces, does not matter.

mod built;
mod changes;
mod graph;
mod head;
mod incidents;
mod known;
mod landings;
mod names;
mod parts;
mod pulls;
pub mod sealed;

#[cfg(test)]
mod tests;

use super::facts::{Deployment, Entity};
use super::measured::{CommitLife, Measured, Question};
use super::view::{FindingRow, ServiceView};
use super::work::Plausible;
use graph::Graph;
use known::Known;
use landings::Landing;
use names::{Boundary, Names};
use std::collections::BTreeSet;

/// What there is to know of a service before its entities are looked at.
#[derive(Clone, Copy, Default)]
pub struct ServiceSpec<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its repository, by [`repository_name`](super::facts::repository_name). A deployment of a
    /// revision of another repository is not linked. `None` believes any.
    pub repository: Option<&'a str>,
    /// Which paths are the service's own (rule 8); all are if `None`. A commit whose paths are not
    /// known is taken to touch them.
    pub touches: Option<&'a (dyn Fn(&str) -> bool + Sync)>,
    /// The environments that customers use; upper and lower case are the same. If there are none,
    /// what the source of a deployment says counts, and where it says nothing, the name:
    /// `production`, `prod`, `prd` or `live`, alone or as a word of it (`prod-eu`, `live2`), but
    /// not with a word such as `pre`, `non`, `test` or `staging`.
    pub production: &'a [String],
    /// How long after a deployment an incident may open that is taken to be caused by it, in
    /// seconds.
    pub incident_window_seconds: i64,
}

/// The incident window where nothing else is configured: a week.
pub const INCIDENT_WINDOW_SECONDS: i64 = 7 * crate::time::DAY;

/// Times that are believed. Whoever made the facts has left out the others; this only keeps sums
/// and differences within range. The smallest number stands for a time that is not known.
const BELIEVED: Plausible = Plausible { earliest: -(1 << 53), latest: 1 << 53 };

/// The moment, if it is known and believed.
fn believed(moment: Option<i64>) -> Option<i64> {
    moment.and_then(|moment| BELIEVED.check(moment))
}

/// Computes the rows of a service from the entities of its repository's scope, of its own scopes,
/// and the artifacts that its deployments name, in any order.
///
/// Branches, commits, pull requests and builds are taken to be of its repository; deployments and
/// incidents to be its own. Entities with equal keys are merged first.
#[must_use]
pub fn derive(spec: &ServiceSpec<'_>, entities: &[&Entity]) -> ServiceView {
    if let Some(known) = Known::of(entities) {
        return view_of(spec, &known);
    }
    let united = known::united(entities);
    let entities: Vec<&Entity> = united.iter().collect();
    Known::of(&entities).map_or_else(ServiceView::default, |known| view_of(spec, &known))
}

fn view_of(spec: &ServiceSpec<'_>, known: &Known<'_>) -> ServiceView {
    Course::of(spec, known, None).view
}

/// What a view was made of, and the view.
struct Course<'a> {
    names: Names<'a>,
    landings: Vec<Landing<'a>>,
    /// The landings that deliver, by place: the deployments of `measured`.
    delivering: Vec<usize>,
    graph: Graph<'a>,
    measured: Measured,
    view: ServiceView,
}

impl<'a> Course<'a> {
    /// `boundary` is where what is known begins, if what came before it is sealed.
    fn of(spec: &ServiceSpec<'_>, known: &'a Known<'a>, boundary: Option<Boundary<'a>>) -> Self {
        let mut findings = Findings::default();
        let names = Names::of(known, boundary);
        let landings = landings::of(spec, known, &names);
        let delivering: Vec<usize> =
            (0..landings.len()).filter(|&at| landings[at].delivers()).collect();
        let (graph, measured) = measure(spec, known, &names, &landings, &mut findings);

        let built = built::of(known, &names, &graph, |_| true);
        let carriers: Vec<&Deployment> =
            delivering.iter().map(|&at| landings[at].deployment).collect();
        let changes =
            changes::rows(known, &names, &graph, &measured, &carriers, &built, &mut findings);
        let incidents = incidents::Incidents::of(spec, known, &landings, &mut findings);
        landings::findings(&landings, &graph, &mut findings);
        let deployments = landings::rows(&landings, &delivering, (&graph, &measured), &incidents);
        let mut commits: Vec<CommitLife> = measured.commit_lives(&graph.history).collect();
        commits.sort_unstable();
        let moments = deployments.iter().flat_map(|row| [row.started_at, row.finished_at]);
        let of_incidents = incidents.rows.iter().flat_map(|row| [row.opened_at, row.resolved_at]);
        let view = ServiceView {
            newest: moments.chain(of_incidents).chain([measured.as_of]).flatten().max(),
            changes,
            deployments,
            incidents: incidents.rows,
            findings: findings.0.into_iter().collect(),
            commits,
        };
        Self { names, landings, delivering, graph, measured, view }
    }
}

/// Asks of the commits and the deployments what `measure` asks of a repository. The history holds
/// what the default branch and the deployments contain, and nothing else.
fn measure<'a>(
    spec: &ServiceSpec<'_>,
    known: &Known<'a>,
    names: &Names<'a>,
    landings: &[Landing<'_>],
    findings: &mut Findings,
) -> (Graph<'a>, Measured) {
    let head = head::of(spec, known, names, landings, findings);
    let delivering = || landings.iter().filter(|landing| landing.delivers());
    let mut tips: Vec<u32> = delivering().filter_map(|landing| landing.commit).collect();
    tips.sort_unstable();
    tips.dedup();
    let graph = Graph::of(known, names, head.into_iter().chain(tips), findings);
    let question = Question {
        head: head.and_then(|head| graph.index(head)),
        // They come in the order of rule 1, which keeps the order of equal ones: deployments of
        // one name and moment in two environments.
        deployments: delivering().filter_map(|landing| landing.measured(&graph)).collect(),
        plausible: BELIEVED,
        as_of: None,
        touches: spec.touches.map(|touches| graph.touches(touches)),
    };
    let measured = Measured::of(&graph.history, question);
    (graph, measured)
}

/// What is found on the way, each once.
#[derive(Debug, Default)]
struct Findings(BTreeSet<FindingRow>);

impl Findings {
    fn add(&mut self, kind: &str, subject: &str) {
        self.0.insert(FindingRow { kind: kind.to_owned(), subject: subject.to_owned() });
    }
}
