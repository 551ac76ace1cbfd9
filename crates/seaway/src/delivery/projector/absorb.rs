//! The first half of the work: from events to knowledge.

use super::knowledge::{self, Known};
use super::store::Absorbed;
use crate::intake::{Reader, Reading};
use crate::ledger::{Event, Recorded};
use crate::parallel;
use seaway_core::catalog::Change;
use seaway_core::delivery::facts::{Entity, Fact, Scope};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The scope under which the changes of the catalog are kept.
pub(super) const CATALOG: &str = "catalog";
/// The scope under which the catalog is kept that the sums were made by.
pub(super) const CATALOG_APPLIED: &str = "catalog applied";
/// Reads the change of the catalog that an event tells; `None` where it tells none, or why it
/// cannot be understood.
pub(crate) type ReadCatalog = fn(&Event) -> Option<Result<Change, String>>;

/// Characters of a reason that are kept.
const REASON_CHARS_MAX: usize = 300;

/// What reading some events brought, before it is joined with what is known.
#[derive(Debug, Default)]
pub(super) struct Brought {
    pub(super) scopes: HashMap<Scope, Known>,
    /// Changes of the catalog.
    pub(super) catalog: Vec<Change>,
    /// Names of services, and repositories that they were said to be deployed from: all of them,
    /// as of those that were told at once with a later one the merged facts keep only that.
    claims: BTreeSet<(String, String)>,
    counts: BTreeMap<(String, &'static str), i64>,
    malformed: Vec<[String; 4]>,
}

/// Reads events on all cores. What comes out does not depend on how they are shared out.
pub(super) fn read(
    events: &[Recorded],
    reader: &Reader<'_>,
    catalog: ReadCatalog,
    threads: usize,
) -> Brought {
    // Each share is joined with the others at a cost, so that they are not too small.
    let share = events.len().div_ceil(threads.max(1)).max(200);
    let shares: Vec<&[Recorded]> = events.chunks(share).collect();
    let brought = parallel::map(&shares, threads, |some| {
        let mut brought = Brought::default();
        some.iter().for_each(|recorded| brought.add(recorded, reader, catalog));
        brought
    });
    let joined = brought.into_iter().reduce(|mut all, other| {
        all.join(other);
        all
    });
    joined.unwrap_or_default()
}

impl Brought {
    fn add(&mut self, recorded: &Recorded, reader: &Reader<'_>, catalog: ReadCatalog) {
        let event = &recorded.event;
        let outcome = match catalog(event) {
            Some(Ok(change)) => {
                self.catalog.push(change);
                "understood"
            }
            Some(Err(reason)) => self.refuse(recorded, &reason),
            None => match reader.read(recorded) {
                Reading::Facts(facts) => {
                    for mut fact in facts {
                        self.claim(&mut fact);
                        let known = self.scopes.entry(fact.scope).or_default();
                        knowledge::take_in(known, [fact.entity]);
                    }
                    "understood"
                }
                Reading::Unknown => "unknown",
                Reading::Malformed(reason) => self.refuse(recorded, &reason),
            },
        };
        *self.counts.entry((event.kind.clone(), outcome)).or_default() += 1;
    }

    /// Keeps which repository a single fact names.
    fn claim(&mut self, fact: &mut Fact) {
        match (&fact.scope, &mut fact.entity) {
            (Scope::Service(name), Entity::Deployment(deployment)) => {
                let repository = deployment.repository.get();
                self.claims.extend(repository.map(|it| (name.clone(), it.clone())));
            }
            (_, Entity::Artifact(artifact)) => {
                artifact.repositories.extend(artifact.repository.get().cloned());
            }
            _ => {}
        }
    }

    fn refuse(&mut self, recorded: &Recorded, reason: &str) -> &'static str {
        let event = &recorded.event;
        let reason = crate::pages::words::clean(reason, REASON_CHARS_MAX);
        self.malformed.push([event.source.clone(), event.id.clone(), event.kind.clone(), reason]);
        "malformed"
    }

    fn join(&mut self, other: Self) {
        for (scope, known) in other.scopes {
            knowledge::take_in(self.scopes.entry(scope).or_default(), known.into_values());
        }
        self.catalog.extend(other.catalog);
        self.claims.extend(other.claims);
        for (key, count) in other.counts {
            *self.counts.entry(key).or_default() += count;
        }
        self.malformed.extend(other.malformed);
    }

    /// The artifacts that something was said of.
    pub(super) fn artifacts(&self) -> Vec<String> {
        let is_artifact = |scope: &&Scope| matches!(scope, Scope::Artifact(_));
        self.scopes.keys().filter(is_artifact).map(Scope::key).collect()
    }

    /// Hands what is known of artifacts on to the services that deployed them, so that a service
    /// has all it needs in its own scope. `known` is what was known of them before, by scope.
    pub(super) fn hand_on_artifacts(&mut self, mut known: HashMap<String, Known>) {
        let mut handed = Vec::new();
        for (scope, new) in &self.scopes {
            if !matches!(scope, Scope::Artifact(_)) {
                continue;
            }
            let mut all = known.remove(&scope.key()).unwrap_or_default();
            knowledge::take_in(&mut all, new.values().cloned());
            for entity in all.into_values() {
                let Entity::Artifact(mut artifact) = entity else { continue };
                let services = std::mem::take(&mut artifact.services);
                handed.extend(services.into_iter().map(|name| (name, artifact.clone())));
            }
        }
        for (name, artifact) in handed {
            let known = self.scopes.entry(Scope::Service(name)).or_default();
            knowledge::take_in(known, [Entity::Artifact(artifact)]);
        }
    }

    /// The services that sources name, with the repositories that they are deployed from.
    pub(super) fn claims(&self) -> BTreeSet<(String, Option<String>)> {
        let told = self.claims.iter().map(|(name, it)| (name.clone(), Some(it.clone())));
        let mut claims: BTreeSet<_> = told.collect();
        for (scope, known) in &self.scopes {
            let Scope::Service(name) = scope else { continue };
            claims.insert((name.clone(), None));
            let artifacts = known.values().filter_map(|entity| match entity {
                Entity::Artifact(artifact) => Some(&artifact.repositories),
                _ => None,
            });
            claims.extend(artifacts.flatten().map(|it| (name.clone(), Some(it.clone()))));
        }
        claims
    }

    /// The repositories that something was said of.
    pub(super) fn repositories(&self) -> impl Iterator<Item = &String> {
        self.scopes.keys().filter_map(|scope| match scope {
            Scope::Repository(name) => Some(name),
            _ => None,
        })
    }

    /// As it is stored.
    pub(super) fn absorbed(
        &mut self,
        position: i64,
        threads: usize,
    ) -> Result<Absorbed, serde_json::Error> {
        let scopes: Vec<(&Scope, &Known)> = self.scopes.iter().collect();
        let chunks = parallel::map(&scopes, threads, |(scope, known)| {
            Ok((scope.key(), knowledge::encode(known)?))
        });
        let mut chunks: Vec<(String, Vec<u8>)> =
            chunks.into_iter().collect::<Result<_, serde_json::Error>>()?;
        // In the order of the table's key, new rows lie side by side.
        chunks.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        if !self.catalog.is_empty() {
            chunks.push((CATALOG.to_owned(), serde_json::to_vec(&self.catalog)?));
        }
        let counts = std::mem::take(&mut self.counts);
        let counts = counts.into_iter().map(|((kind, outcome), n)| (kind, outcome, n));
        Ok(Absorbed {
            position,
            chunks,
            counts: counts.collect(),
            malformed: std::mem::take(&mut self.malformed),
            ..Absorbed::default()
        })
    }
}
