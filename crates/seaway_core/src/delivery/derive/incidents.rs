//! Incidents, and the deployments that they belong to.
//!
//! An incident belongs to the deployment that its source names, or else to the latest success in
//! production, in its own environment if it names one, that finished before it opened and not
//! longer ago than the window. It fails that deployment.
//!
//! The first success in production that finished after an incident opened and not after it was
//! resolved was made to mend it: an *unplanned* deployment, as DORA's rework rate counts them. An
//! incident that is not resolved has not been mended by anyone yet.

use super::known::Known;
use super::landings::{Landing, is_production};
use super::{Findings, ServiceSpec, believed};
use crate::delivery::facts::Incident;
use crate::delivery::view::{DeploymentRow, IncidentRow};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The rows of the incidents, and what they say of deployments. Deployments are named by their
/// places among the landings.
#[derive(Debug, Default)]
pub(super) struct Incidents {
    pub(super) rows: Vec<IncidentRow>,
    /// By deployment, the rows of the incidents that belong to it.
    failed: BTreeMap<usize, Vec<usize>>,
    unplanned: BTreeSet<usize>,
}

impl Incidents {
    pub(super) fn of(
        spec: &ServiceSpec<'_>,
        known: &Known<'_>,
        landings: &[Landing<'_>],
        findings: &mut Findings,
    ) -> Self {
        let live = Live::of(landings);
        let mut incidents: Vec<&Incident> = known.incidents.clone();
        incidents.sort_by_key(|it| (believed(it.opened_at.0).unwrap_or(i64::MAX), &it.id));
        let mut all = Self::default();
        for incident in incidents {
            let successes = live.successes(spec, incident);
            let opened_at = believed(incident.opened_at.0);
            let resolved_at = believed(incident.resolved_at.get().copied().flatten());
            let named = incident.deployment.get().and_then(|name| live.named(name, opened_at));
            let caused = || live.latest(successes?, opened_at?, spec.incident_window_seconds);
            let deployment = named.or_else(caused);
            match deployment {
                Some(at) => all.failed.entry(at).or_default().push(all.rows.len()),
                // Of another environment, no deployment of production is to blame.
                None if successes.is_none() => {}
                None => findings.add("incident_without_deployment", &incident.id),
            }
            let mended = || live.next(successes?, opened_at?, resolved_at?);
            all.unplanned.extend(mended());
            all.rows.push(IncidentRow {
                id: incident.id.clone(),
                title: incident.title.get().cloned().unwrap_or_default(),
                opened_at,
                resolved_at,
                deployment: deployment.map(|at| landings[at].deployment.name.clone()),
                environment: deployment.map(|at| landings[at].deployment.environment.clone()),
                url: incident.url.get().cloned(),
            });
        }
        all
    }

    /// Tells the rows of the landings what incidents say of them. A deployment that several
    /// incidents belong to has recovered when all of them are resolved.
    pub(super) fn mark(&self, rows: &mut [DeploymentRow]) {
        for (&at, incidents) in &self.failed {
            let incidents = || incidents.iter().map(|&incident| &self.rows[incident]);
            rows[at].failed_by = incidents().next().map(|incident| incident.id.clone());
            let resolved: Option<Vec<i64>> = incidents().map(|one| one.resolved_at).collect();
            rows[at].recovered_at = resolved.and_then(|resolved| resolved.into_iter().max());
        }
        for &at in &self.unplanned {
            rows[at].unplanned = true;
        }
    }
}

/// Successes in production.
struct Live<'a> {
    landings: &'a [Landing<'a>],
    /// In the order of rule 1, as places among the landings.
    all: Vec<usize>,
    /// The same by environment, in lower case.
    by_environment: HashMap<String, Vec<usize>>,
    by_name: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Live<'a> {
    fn of(landings: &'a [Landing<'a>]) -> Self {
        let all: Vec<usize> = (0..landings.len()).filter(|&at| landings[at].is_success()).collect();
        let mut live =
            Self { landings, all, by_environment: HashMap::new(), by_name: HashMap::new() };
        for &at in &live.all {
            let deployment = landings[at].deployment;
            let environment = deployment.environment.to_lowercase();
            live.by_environment.entry(environment).or_default().push(at);
            live.by_name.entry(&deployment.name).or_default().push(at);
        }
        live
    }

    /// Those that an incident may belong to; `None` where it happened in an environment that is
    /// not for customers.
    fn successes(&self, spec: &ServiceSpec<'_>, incident: &Incident) -> Option<&[usize]> {
        let Some(environment) = incident.environment.get() else { return Some(&self.all) };
        match self.by_environment.get(&environment.to_lowercase()) {
            Some(successes) => Some(successes),
            None => is_production(spec, environment, None).then_some(self.all.as_slice()),
        }
    }

    fn finished_at(&self, at: usize) -> i64 {
        self.landings[at].finished_at.unwrap_or(i64::MAX)
    }

    /// How many of them had finished by a moment.
    fn finished_by(&self, successes: &[usize], moment: i64) -> usize {
        successes.partition_point(|&at| self.finished_at(at) <= moment)
    }

    /// The success of this name: the latest before `moment`, or else the first.
    fn named(&self, name: &str, moment: Option<i64>) -> Option<usize> {
        let named = self.by_name.get(name)?;
        let finished = moment.map_or(0, |moment| self.finished_by(named, moment));
        named.get(finished.saturating_sub(1)).copied()
    }

    /// The latest that had finished by `moment`, within the window.
    fn latest(&self, successes: &[usize], moment: i64, window: i64) -> Option<usize> {
        let at = successes[self.finished_by(successes, moment).checked_sub(1)?];
        (moment - self.finished_at(at) <= window).then_some(at)
    }

    /// The first that finished after `moment` and by `latest`.
    fn next(&self, successes: &[usize], moment: i64, latest: i64) -> Option<usize> {
        let next = successes.get(self.finished_by(successes, moment)).copied();
        next.filter(|&at| self.finished_at(at) <= latest)
    }
}
