//! The sealed pasts of services. They are kept in memory only: where one is lost, the service is
//! computed as a whole again.

use super::Projector;
use super::registry::Plan;
use seaway_core::delivery::derive::sealed::Sealed;
use seaway_core::delivery::facts::Scope;
use seaway_core::delivery::view::ServiceView;
use std::collections::{BTreeSet, HashMap};

/// The sealed past of a service.
pub(super) struct Past {
    pub(super) sealed: Sealed,
    /// What the service was computed from.
    pub(super) plan: Plan,
    /// Its rows that are not sealed.
    pub(super) rest: ServiceView,
}

impl Past {
    fn bytes(&self) -> usize {
        let rows = self.rest.changes.len() + self.rest.deployments.len();
        self.sealed.bytes() + 600 * rows
    }
}

/// The sealed pasts of all services.
#[derive(Default)]
pub(super) struct Pasts {
    of: HashMap<String, (Past, u64)>,
    /// By service, with how many changes it is tried next to seal.
    tries: HashMap<String, usize>,
    bytes: usize,
    /// Counts uses, to tell which was not used for long.
    uses: u64,
}

impl Pasts {
    pub(super) fn get(&self, service: &str) -> Option<&Past> {
        self.of.get(service).map(|(past, _)| past)
    }

    pub(super) fn put(&mut self, service: String, past: Past) {
        self.remove(&service);
        self.bytes += past.bytes();
        self.uses += 1;
        self.of.insert(service, (past, self.uses));
    }

    /// Puts the rows that are not sealed in the place of those before.
    pub(super) fn go_on(&mut self, service: &str, rest: ServiceView) {
        self.uses += 1;
        let Some((past, used)) = self.of.get_mut(service) else { return };
        self.bytes -= past.bytes();
        past.rest = rest;
        self.bytes += past.bytes();
        *used = self.uses;
    }

    pub(super) fn remove(&mut self, service: &str) -> Option<Past> {
        let (past, _) = self.of.remove(service)?;
        self.bytes -= past.bytes();
        Some(past)
    }

    /// With how many changes a service is to be sealed.
    pub(super) fn seal_from(&self, service: &str, least: usize) -> usize {
        self.tries.get(service).copied().unwrap_or(least)
    }

    /// It was tried to seal a service; so many changes are not sealed. The next time is when they
    /// are twice as many, so that all tries cost as much as the last one.
    pub(super) fn tried(&mut self, service: &str, unsealed: usize, least: usize) {
        self.tries.insert(service.to_owned(), (2 * unsealed).max(least));
    }

    /// The services whose pasts were not used for longest, as far as the others fit.
    fn too_many(&self, bytes_max: usize) -> Vec<String> {
        if self.bytes <= bytes_max {
            return Vec::new();
        }
        let mut all: Vec<(u64, &String, usize)> =
            self.of.iter().map(|(name, (past, used))| (*used, name, past.bytes())).collect();
        all.sort_unstable();
        let mut left = self.bytes;
        let gone = all.into_iter().take_while(|(_, _, bytes)| {
            let is_over = left > bytes_max / 4 * 3;
            left -= bytes;
            is_over
        });
        gone.map(|(_, name, _)| name.clone()).collect()
    }
}

impl Projector {
    /// Forgets pasts that do not hold any more: of services that are computed from something else
    /// now, or that are not alone with a scope. Tells whether there were any.
    pub(super) fn check_pasts(&mut self, plans: &[(Option<Plan>, String)]) -> bool {
        let mut gone = BTreeSet::new();
        for (plan, service) in plans {
            let scopes = || plan.iter().flat_map(|plan| &plan.scopes);
            let left_out = |scope: &Scope| self.known.left_out_for(&scope.key()).map(str::to_owned);
            gone.extend(scopes().filter_map(left_out).filter(|other| other != service));
            let is_whole = |scope: &Scope| left_out(scope).as_ref() != Some(service);
            let holds = |past: &Past| {
                plan.as_ref() == Some(&past.plan)
                    && !scopes().any(is_whole)
                    && self.is_alone(service, plan.as_ref())
            };
            if self.pasts.get(service).is_some_and(|past| !holds(past)) {
                gone.insert(service.clone());
            }
        }
        gone.iter().filter(|service| self.forget_past(service)).count() > 0
    }

    /// Forgets the past of a service, and what is known of its scopes, which is not all. Tells
    /// whether there was any.
    pub(super) fn forget_past(&mut self, service: &str) -> bool {
        let Some(past) = self.pasts.remove(service) else { return false };
        for scope in &past.plan.scopes {
            if self.known.left_out_for(&scope.key()).is_some() {
                self.known.remove(&scope.key());
            }
        }
        true
    }

    /// Whether no other service is computed from the scopes of a service.
    pub(super) fn is_alone(&self, service: &str, plan: Option<&Plan>) -> bool {
        let scopes = plan.iter().flat_map(|plan| &plan.scopes);
        let mut touched = scopes.flat_map(|scope| self.registry.touched_by(scope));
        touched.all(|other| other == service || self.registry.plan(&other).is_none())
    }

    /// Forgets pasts until the others fit.
    pub(super) fn trim_pasts(&mut self) {
        for service in self.pasts.too_many(self.limits.past_bytes_max) {
            self.forget_past(&service);
        }
    }
}
