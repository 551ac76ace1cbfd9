//! Computing the services that rest on stale scopes, and writing what of them differs.

use super::past::Past;
use super::registry::Plan;
use super::rollup::{self, Owners, RollUp};
use super::settle::{self, Before, Derived, Diffs, Stored, Task};
use super::store::{self, ServiceRow};
use super::{Projector, broken};
use crate::error::Error;
use crate::parallel;
use seaway_core::delivery::derive::sealed::Sealing;
use seaway_core::delivery::facts::Scope;
use seaway_core::delivery::summary::{Day, DaySummary, day_differences};
use seaway_core::delivery::view::{ChangeRow, DeploymentRow, FindingRow, IncidentRow, ServiceView};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long after the last time what was written is copied back: pages that are written again
/// within it are copied once.
const COPY_BACK_AFTER: Duration = Duration::from_secs(1);

/// A service that was computed.
struct Done {
    service: String,
    /// `None` where there is no such service any more.
    plan: Option<Plan>,
    derived: Derived,
    /// Whether the sealed rows are left out of the view.
    is_rest: bool,
}

impl Projector {
    /// Computes the services that rest on stale scopes; `are_all` says that no other is stale.
    pub(super) async fn settle_some(
        &mut self,
        stale: &[String],
        are_all: bool,
    ) -> Result<(), Error> {
        let services: BTreeSet<String> = stale
            .iter()
            .filter_map(|scope| Scope::of_key(scope))
            .flat_map(|scope| self.registry.touched_by(&scope))
            .collect();
        let plans: Vec<_> =
            services.into_iter().map(|name| (self.registry.plan(&name), name)).collect();
        let scopes: BTreeSet<String> = plans
            .iter()
            .filter_map(|(plan, _)| plan.as_ref())
            .flat_map(|plan| plan.scopes.iter().map(Scope::key))
            .collect();
        if self.check_pasts(&plans) && !self.fit(&scopes).await? {
            // What was at hand is not any more: fewer scopes are taken next time.
            return Ok(());
        }
        self.have_at_hand(&scopes).await?;
        let settled = self.settled_by(&plans, stale, &scopes);
        let Some(done) = self.derive_all(plans).await? else { return Ok(()) };

        let diffs = self.diffs(&done).await?;

        let mut writing = self.store.begin().await?;
        let mut rollup = RollUp::default();
        let catalog = Arc::clone(&self.catalog);
        let mut owners = Owners::new(&catalog, &self.settings.days);
        let (mut rows, mut gone) = (Vec::new(), Vec::new());
        let changed = self.differences(&done);
        let (written, before) = tokio::join!(
            self.store.write_rows(&mut writing, &diffs),
            self.summaries_before(&done, &changed),
        );
        written?;
        let mut before = before?;
        for (Done { service, plan, derived, .. }, differences) in done.iter().zip(changed) {
            let view = &derived.view;
            let before = before.remove(&rollup::scope_of_service(service)).unwrap_or_default();
            match differences {
                Some(all) => rollup.add_differences(service, all, before, &mut owners),
                None => rollup.add(service, view, before, &mut owners),
            }
            match plan {
                Some(plan) => rows.push(ServiceRow {
                    service: service.clone(),
                    catalogued: plan.catalogued,
                    repository: plan.repository.clone(),
                    newest: view.newest,
                }),
                None => gone.push(service.clone()),
            }
        }
        self.store.write_services(&mut writing, &rows).await?;
        self.store.remove_services(&mut writing, &gone).await?;
        self.write_rollup(&mut writing, rollup).await?;
        // No others become stale meanwhile: it is this process's turn.
        self.store.settle(&mut writing, &settled, are_all.then_some(self.position)).await?;
        writing.commit().await.map_err(crate::ledger::Error::from)?;
        self.copy_back();
        for done in done {
            self.keep(done);
        }
        Ok(())
    }

    /// Has what was written copied to where it stays, beside all other work.
    fn copy_back(&mut self) {
        if self.copying.as_ref().is_some_and(|(begun, copying)| {
            begun.elapsed() < COPY_BACK_AFTER || !copying.is_finished()
        }) {
            return;
        }
        let database = self.store.database().clone();
        let copying = tokio::spawn(async move {
            if let Err(error) = database.copy_back().await {
                tracing::warn!(%error, "the views could not be copied back; trying again later");
            }
        });
        self.copying = Some((Instant::now(), copying));
    }

    /// Keeps in memory what was computed of a service and is written.
    fn keep(&mut self, Done { service, plan, derived, is_rest }: Done) {
        let Derived { view, sealing, was_tried } = derived;
        let Some(plan) = plan else {
            self.written.remove(&service);
            self.views.put(service, view, self.limits.rows_max);
            return;
        };
        self.written.insert(service.clone());
        if was_tried {
            let unsealed = sealing.as_ref().map_or(&view, |sealing| &sealing.rest).changes.len();
            self.pasts.tried(&service, unsealed, self.limits.seal_from);
        }
        match sealing {
            Some(Sealing { sealed, rest, is_sealed }) => {
                let mut is_sealed = is_sealed.into_iter();
                for scope in &plan.scopes {
                    self.known.leave_out(&scope.key(), &service, &mut is_sealed);
                }
                self.views.remove(&service);
                self.pasts.put(service, Past { sealed, plan, rest });
            }
            None if is_rest => self.pasts.go_on(&service, view),
            None => self.views.put(service, view, self.limits.rows_max),
        }
    }

    /// What the summaries of services gain and lose, where it is known what they were made of.
    fn differences(&self, done: &[Done]) -> Vec<Option<BTreeMap<Day, DaySummary>>> {
        let both: Vec<_> =
            done.iter().map(|done| (self.view_before(done), &done.derived.view)).collect();
        let days = &self.settings.days;
        let differences = |&(before, now): &(Option<&ServiceView>, &ServiceView)| {
            before.map(|before| day_differences(before, now, days))
        };
        tokio::task::block_in_place(|| parallel::map(&both, self.threads, differences))
    }

    /// The summaries of services as they were, by scope: on the days on which they `changed`, or all
    /// where that is not known.
    async fn summaries_before(
        &self,
        done: &[Done],
        changed: &[Option<BTreeMap<Day, DaySummary>>],
    ) -> Result<HashMap<String, Vec<(i64, Vec<u8>)>>, Error> {
        let (mut days, mut wholes) = (Vec::new(), Vec::new());
        let written = done.iter().zip(changed).filter(|(it, _)| self.written.contains(&it.service));
        for (done, changed) in written {
            let scope = rollup::scope_of_service(&done.service);
            match changed {
                Some(all) => {
                    days.extend(all.keys().map(|day| (scope.clone(), i64::from(day.0))));
                }
                None => wholes.push(scope),
            }
        }
        let mut before = self.store.summaries_of_days(&days).await?;
        before.extend(self.store.summaries(&wholes).await?);
        Ok(before)
    }

    /// The scopes that need no work any more once some services are computed: those that were
    /// `stale`, and of the others that these services rest on each that no other service does. So
    /// a service is not computed once for its repository and again for its name.
    fn settled_by(
        &self,
        plans: &[(Option<Plan>, String)],
        stale: &[String],
        scopes: &BTreeSet<String>,
    ) -> Vec<String> {
        let services: BTreeSet<&String> = plans.iter().map(|(_, name)| name).collect();
        let is_done = |scope: &&String| {
            let touched = Scope::of_key(scope).map(|scope| self.registry.touched_by(&scope));
            touched.is_some_and(|touched| touched.iter().all(|name| services.contains(name)))
        };
        let mut settled: BTreeSet<String> = scopes.iter().filter(is_done).cloned().collect();
        settled.extend(stale.iter().cloned());
        settled.into_iter().collect()
    }

    /// Whether what has to be read to have some scopes at hand is not too much.
    async fn fit(&self, scopes: &BTreeSet<String>) -> Result<bool, Error> {
        let is_missing = |scope: &&str| self.known.peek(scope).is_none();
        let missing: Vec<&str> = scopes.iter().map(String::as_str).filter(is_missing).collect();
        let sizes = self.store.sizes(&missing).await?;
        let all = sizes.values().fold(0_i64, |all, size| all.saturating_add(*size));
        Ok(all <= self.limits.bytes_at_once)
    }

    /// Computes services whose scopes are at hand. Those whose sealed past something touches are
    /// computed as a whole, for which all that is known of them is read. `None` if that is too much
    /// at once: their pasts are forgotten, so that fewer are taken next time.
    async fn derive_all(
        &mut self,
        plans: Vec<(Option<Plan>, String)>,
    ) -> Result<Option<Vec<Done>>, Error> {
        let (mut done, touched) = self.derive(plans);
        if touched.is_empty() {
            return Ok(Some(done));
        }
        for (_, service) in &touched {
            self.forget_past(service);
        }
        let plans = touched.iter().filter_map(|(plan, _)| plan.as_ref());
        let scopes = plans.flat_map(|plan| plan.scopes.iter().map(Scope::key)).collect();
        if !self.fit(&scopes).await? {
            return Ok(None);
        }
        self.have_at_hand(&scopes).await?;
        let (whole, _) = self.derive(touched);
        done.extend(whole);
        Ok(Some(done))
    }

    /// Computes services, and tells also those whose sealed past something touches.
    fn derive(
        &self,
        plans: Vec<(Option<Plan>, String)>,
    ) -> (Vec<Done>, Vec<(Option<Plan>, String)>) {
        let task = |(plan, service): (Option<Plan>, String)| {
            let scopes = plan.iter().flat_map(|plan| &plan.scopes);
            let known = scopes.filter_map(|scope| self.known.peek(&scope.key())).collect();
            let past = self.pasts.get(&service);
            let from = self.pasts.seal_from(&service, self.limits.seal_from);
            let is_alone = self.is_alone(&service, plan.as_ref());
            Task { service, plan, known, past, seal_from: is_alone.then_some(from) }
        };
        let tasks: Vec<Task<'_>> = plans.into_iter().map(task).collect();
        let window = self.settings.incident_window_seconds;
        let derived =
            tokio::task::block_in_place(|| settle::derive_all(&tasks, window, self.threads));
        let (mut done, mut touched) = (Vec::new(), Vec::new());
        for (task, derived) in tasks.into_iter().zip(derived) {
            let Task { service, plan, past, .. } = task;
            match derived {
                Some(derived) => {
                    done.push(Done { service, plan, derived, is_rest: past.is_some() });
                }
                None => touched.push((plan, service)),
            }
        }
        (done, touched)
    }

    /// The rows of services that differ from those before.
    async fn diffs<'a>(&self, done: &'a [Done]) -> Result<Vec<(&'a str, Diffs<'a>)>, Error> {
        let both: Vec<_> = done.iter().zip(self.before(done).await?).collect();
        let diff = |(done, before): &(&'a Done, Before<'_>)| {
            Ok((done.service.as_str(), settle::diff(&done.derived.view, before)?))
        };
        let diffs = tokio::task::block_in_place(|| parallel::map(&both, self.threads, diff));
        diffs.into_iter().collect::<Result<_, _>>().map_err(broken)
    }

    /// What there was of services before. Those that were never written have nothing.
    async fn before(&self, done: &[Done]) -> Result<Vec<Before<'_>>, Error> {
        let views = &self.views.of;
        let wholes = done.iter().filter(|done| !done.is_rest);
        let services = wholes.map(|done| done.service.as_str());
        let unknown: Vec<&str> = services
            .filter(|&service| !views.contains_key(service) && self.written.contains(service))
            .collect();
        let mut changes = self.store.rows::<ChangeRow>(&unknown).await?;
        let mut deployments = self.store.rows::<DeploymentRow>(&unknown).await?;
        let mut incidents = self.store.rows::<IncidentRow>(&unknown).await?;
        let mut findings = self.store.rows::<FindingRow>(&unknown).await?;
        let mut rows = |service: &str| Stored {
            changes: changes.remove(service).unwrap_or_default(),
            deployments: deployments.remove(service).unwrap_or_default(),
            incidents: incidents.remove(service).unwrap_or_default(),
            findings: findings.remove(service).unwrap_or_default(),
        };
        let before = done.iter().map(|done| match self.view_before(done) {
            Some(view) => Before::View(view),
            None => Before::Rows(rows(&done.service)),
        });
        Ok(before.collect())
    }

    /// The view of a service before, or the rest of it, if it is at hand.
    fn view_before(&self, Done { service, is_rest, .. }: &Done) -> Option<&ServiceView> {
        let rest = self.pasts.get(service).filter(|_| *is_rest).map(|past| &past.rest);
        rest.or_else(|| self.views.of.get(service))
    }

    pub(super) async fn write_rollup(
        &self,
        writing: &mut store::Writing,
        rollup: RollUp,
    ) -> Result<(), Error> {
        let mut before = HashMap::new();
        for (scope, days) in rollup.sums() {
            let days = [days.start(), days.end()].map(|day| i64::from(day.0));
            for (day, body) in self.store.summaries_between(scope, days).await? {
                if let Some(day) = Day::of_number(day) {
                    before.insert((scope.to_owned(), day), body);
                }
            }
        }
        Ok(self.store.write_summaries(writing, &rollup.rows(before)).await?)
    }
}
