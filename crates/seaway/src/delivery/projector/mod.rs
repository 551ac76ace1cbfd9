//! The projector: from the log to the views, in order and without end.
//!
//! It works in two halves, each a transaction. *Absorbing* reads events and adds what they tell to
//! the knowledge of their scopes, together with the place on the log that was reached; scopes that
//! something was added to are *stale*. *Settling* takes stale scopes, computes the services that
//! rest on them, and writes the rows that differ. A crash between or within the two loses nothing
//! and repeats nothing. While many events wait, settling is put off, so that a service is computed
//! once for many events and not once for each few.

mod absorb;
mod ahead;
mod catalog;
mod compute;
mod follow;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod knowledge;
mod parts;
mod past;
mod registry;
mod rollup;
mod rows;
mod settle;
mod store;
mod tables;
#[cfg(test)]
mod tests;

pub(crate) use parts::{Parts, merge, merge_with_slices};
pub(crate) use rollup::{ORGANIZATION, scope_of_group, scope_of_service};
pub(crate) use tables::VIEWS;

use crate::error::Error;
use crate::ledger::{Database, Ledger, Turn, migrate};
use crate::parallel;
pub(crate) use absorb::ReadCatalog;
use ahead::Ahead;
use knowledge::{Cache, Known};
use past::Pasts;
use registry::Registry;
use seaway_core::catalog::{Catalog, History};
use seaway_core::delivery::summary::Days;
use seaway_core::delivery::view::ServiceView;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;
use store::Store;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A scope with more chunks than this is written anew as one.
const CHUNKS_MAX: usize = 32;
/// Threads that read events and compute services.
const THREADS_MAX: usize = 8;

/// How much is done or kept at once: it bounds memory and time, and changes nothing in the views.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Events that are absorbed at once.
    events_at_once: u32,
    /// Positions that are passed before services are computed, if there are so many.
    round_max: i64,
    /// While more events than this wait, services are not computed.
    backlog_max: i64,
    /// Scopes whose services are computed in one transaction.
    scopes_at_once: i64,
    /// Bytes of knowledge of these scopes: it takes some six times as much memory.
    bytes_at_once: i64,
    /// Entities whose knowledge is kept: some 200 MiB of commits.
    entities_max: usize,
    /// Rows of views that are kept, to compare the next ones with: some 200 MiB.
    rows_max: usize,
    /// Changes of a service from which on its past is sealed.
    seal_from: usize,
    /// Bytes of sealed pasts that are kept.
    past_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            events_at_once: 25_000,
            round_max: 50_000,
            backlog_max: 200_000,
            scopes_at_once: 1024,
            bytes_at_once: 24 << 20,
            entities_max: 250_000,
            rows_max: 250_000,
            seal_from: 24,
            past_bytes_max: 160 << 20,
        }
    }
}

/// What the projector needs to know of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Tell bots, AI assistance, incidents.
    pub(crate) reader: Arc<crate::intake::Settings>,
    /// Reads changes of the catalog.
    pub(crate) catalog: ReadCatalog,
    /// The organization's time zone.
    pub(crate) days: Arc<Days>,
    /// How long after a deployment an incident may open that belongs to it, in seconds.
    pub(crate) incident_window_seconds: i64,
}

/// How far the views have come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// The place on the log up to which everything is in the views.
    pub(crate) settled: i64,
    /// The catalog that the views were computed by.
    pub(crate) catalog: Arc<History>,
    /// The same as it is now.
    pub(crate) latest: Arc<Catalog>,
}

/// Computes views from the log. There is one at a time for a place.
pub(crate) struct Projector {
    ledger: Ledger,
    store: Store,
    settings: Settings,
    limits: Limits,
    registry: Registry,
    catalog: Arc<History>,
    latest: Arc<Catalog>,
    known: Cache,
    views: Views,
    pasts: Pasts,
    /// The services that have rows.
    written: HashSet<String>,
    position: i64,
    ahead: Ahead,
    /// Whether something failed, so that what is kept in memory may differ from what is written.
    is_unsure: bool,
    threads: usize,
    /// What copies back what was written, and when it began.
    copying: Option<(Instant, JoinHandle<()>)>,
    progress: watch::Sender<Progress>,
    /// `None` while another process computes the views.
    turn: Option<Turn>,
}

/// Views that were computed lately, to compare the next ones with.
#[derive(Default)]
struct Views {
    of: HashMap<String, ServiceView>,
    rows: usize,
}

impl Views {
    fn remove(&mut self, service: &str) {
        if let Some(view) = self.of.remove(service) {
            self.rows -= view.changes.len() + view.deployments.len();
        }
    }

    fn put(&mut self, service: String, view: ServiceView, rows_max: usize) {
        let rows = |view: &ServiceView| view.changes.len() + view.deployments.len();
        if self.rows > rows_max {
            self.of.clear();
            self.rows = 0;
        }
        self.rows += rows(&view);
        if let Some(before) = self.of.insert(service, view) {
            self.rows -= rows(&before);
        }
    }
}

impl Projector {
    /// Brings the tables of the views to their newest version, and goes on where the last one
    /// stopped.
    pub(crate) async fn start(
        ledger: Ledger,
        views: Database,
        settings: Settings,
    ) -> Result<Self, Error> {
        migrate(&views, &VIEWS).await?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let mut projector = Self {
            ahead: Ahead::new(ledger.clone(), settings.clone(), threads),
            ledger,
            store: Store::new(views),
            settings,
            limits: Limits::default(),
            registry: Registry::default(),
            catalog: Arc::default(),
            latest: Arc::default(),
            known: Cache::default(),
            views: Views::default(),
            pasts: Pasts::default(),
            written: HashSet::new(),
            position: 0,
            is_unsure: false,
            threads,
            copying: None,
            progress: watch::Sender::default(),
            turn: None,
        };
        if !projector.has_turn().await? {
            projector.watch().await?;
        }
        Ok(projector)
    }

    /// How far the views have come, now and later.
    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Reads from the tables what is kept in memory.
    async fn remember(&mut self) -> Result<(), Error> {
        self.position = self.store.position().await?;
        self.registry = Registry::default();
        for name in self.store.repositories().await? {
            self.registry.hear_of_repository(&name);
        }
        for (name, repository) in self.store.claims().await? {
            let repository = Some(repository.as_str()).filter(|it| !it.is_empty());
            self.registry.hear_of_service(&name, repository);
        }
        self.catalog = Arc::default();
        self.read_catalog().await?;
        self.known.clear();
        self.views = Views::default();
        self.pasts = Pasts::default();
        self.written = self.store.services().await?.into_iter().collect();
        if self.store.stale(1).await?.is_empty() {
            self.tell();
        }
        Ok(())
    }

    /// Computes until everything that is on the log now is in the views. After a failure it goes on
    /// from what is written: a transaction whose commit failed may be there all the same.
    pub(crate) async fn catch_up(&mut self) -> Result<(), Error> {
        if self.is_unsure {
            self.remember().await?;
        }
        self.is_unsure = true;
        self.work_off().await?;
        self.is_unsure = false;
        Ok(())
    }

    async fn work_off(&mut self) -> Result<(), Error> {
        let mut newest = self.ledger.newest();
        loop {
            let goal = *newest.borrow_and_update();
            let begin = self.position;
            let Limits { round_max, backlog_max, .. } = self.limits;
            let is_enough = |position: i64| {
                position >= goal || position - begin >= round_max && goal - position <= backlog_max
            };
            while !is_enough(self.position) {
                self.absorb(goal).await?;
            }
            self.settle().await?;
            if self.position >= goal && !newest.has_changed().unwrap_or(false) {
                return Ok(());
            }
        }
    }

    /// Forgets the views and computes them from the start of the log.
    /// `progress` is told the place on the log that was reached.
    pub(crate) async fn rebuild(&mut self, mut progress: impl FnMut(u64)) -> Result<(), Error> {
        if !self.has_turn().await? {
            return Err(crate::ledger::Error::OthersTurn.into());
        }
        self.store.forget().await?;
        self.remember().await?;
        let newest = self.ledger.look_for_newer().await?;
        while self.position < newest {
            self.absorb(newest).await?;
            progress(self.position.unsigned_abs());
        }
        self.catch_up().await
    }

    /// Reads events on the way to a position that is known to be on the log.
    async fn absorb(&mut self, goal: i64) -> Result<(), Error> {
        let next = self.ahead.next(self.position, goal, self.limits).await?;
        for unreadable in &next.unreadable {
            let position = unreadable.position;
            tracing::error!(position, why = unreadable.why, "an event on the log cannot be read");
        }
        let (mut brought, up_to) = (next.brought, next.up_to);
        let artifacts = brought.artifacts();
        if !artifacts.is_empty() {
            let known = self.load(&artifacts).await?;
            brought.hand_on_artifacts(known);
        }
        let claims = brought.claims();
        let is_new = |claim: &&(String, Option<String>)| {
            self.registry.is_new_service(&claim.0, claim.1.as_deref())
        };
        let new_claims: Vec<_> = claims.iter().filter(is_new).cloned().collect();
        let repositories =
            brought.repositories().chain(claims.iter().filter_map(|it| it.1.as_ref()));
        let new_repositories: BTreeSet<String> =
            repositories.filter(|name| self.registry.is_new_repository(name)).cloned().collect();

        let has_catalog = !brought.catalog.is_empty();
        let threads = self.threads;
        let absorbed = tokio::task::block_in_place(|| brought.absorbed(up_to, threads));
        let mut absorbed = absorbed.map_err(broken)?;
        absorbed.claims = new_claims
            .iter()
            .map(|(name, repository)| (name.clone(), repository.clone().unwrap_or_default()))
            .collect();
        absorbed.repositories = new_repositories.iter().cloned().collect();
        self.store.absorb(&absorbed).await?;

        // Only now that it is written it is known.
        self.position = up_to;
        for (name, repository) in new_claims {
            self.registry.hear_of_service(&name, repository.as_deref());
        }
        for name in new_repositories {
            self.registry.hear_of_repository(&name);
        }
        for (scope, known) in brought.scopes {
            self.known.add(&scope.key(), known);
        }
        if has_catalog {
            self.read_catalog().await?;
        }
        Ok(())
    }

    /// What is known of some scopes.
    async fn load(&mut self, scopes: &[String]) -> Result<HashMap<String, Known>, Error> {
        let mut found = HashMap::new();
        for (scope, chunks) in self.store.chunks(scopes).await? {
            found.insert(scope, settle::merge_chunks(&chunks).map_err(broken)?);
        }
        Ok(found)
    }

    /// Sees to it that what is known of some scopes is at hand. Scopes in many chunks are written
    /// anew as one.
    async fn have_at_hand(&mut self, scopes: &BTreeSet<String>) -> Result<(), Error> {
        let missing: Vec<String> =
            scopes.iter().filter(|scope| self.known.get(scope).is_none()).cloned().collect();
        let mut found = self.store.chunks(&missing).await?;
        let chunks: Vec<Vec<Vec<u8>>> =
            missing.iter().map(|scope| found.remove(scope).unwrap_or_default()).collect();
        let read = |chunks: &Vec<Vec<u8>>| {
            let known = settle::merge_chunks(chunks)?;
            let are_many = chunks.len() > CHUNKS_MAX;
            let compacted = are_many.then(|| knowledge::encode(&known)).transpose()?;
            Ok((known, compacted))
        };
        let threads = self.threads;
        let read = tokio::task::block_in_place(|| parallel::map(&chunks, threads, read));
        let mut compacted = Vec::new();
        for (scope, read) in missing.into_iter().zip(read) {
            let (known, chunk) = read.map_err(broken)?;
            compacted.extend(chunk.map(|chunk| (scope.clone(), chunk)));
            self.known.put(scope, known);
        }
        if !compacted.is_empty() {
            let mut writing = self.store.begin().await?;
            self.store.compact(&mut writing, self.position, &compacted).await?;
            writing.commit().await.map_err(crate::ledger::Error::from)?;
        }
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), Error> {
        loop {
            let (stale, are_all) = self.stale_that_fit().await?;
            if stale.is_empty() {
                self.tell();
                return Ok(());
            }
            self.settle_some(&stale, are_all).await?;
            self.trim_pasts();
            self.known.trim(self.limits.entities_max);
        }
    }

    /// The first scopes whose services have to be computed anew: one, or as many as have not too
    /// much knowledge that must be read. Also whether these are all.
    async fn stale_that_fit(&self) -> Result<(Vec<String>, bool), Error> {
        let Limits { scopes_at_once, bytes_at_once, .. } = self.limits;
        let mut stale = self.store.stale(scopes_at_once).await?;
        let is_missing = |scope: &&str| self.known.peek(scope).is_none();
        let missing: Vec<&str> = stale.iter().map(String::as_str).filter(is_missing).collect();
        let sizes = self.store.sizes(&missing).await?;
        let mut all = 0_i64;
        let fit = stale.iter().take_while(|scope| {
            all = all.saturating_add(sizes.get(*scope).copied().unwrap_or(0));
            all <= bytes_at_once
        });
        let fit = fit.count().max(1);
        let are_all = fit >= stale.len() && (stale.len() as i64) < scopes_at_once;
        stale.truncate(fit);
        Ok((stale, are_all))
    }

    fn tell(&self) {
        self.ledger.has_followed(self.position);
        self.progress.send_replace(Progress {
            settled: self.position,
            catalog: Arc::clone(&self.catalog),
            latest: Arc::clone(&self.latest),
        });
    }
}

/// What was written by this program cannot be read by it.
fn broken(error: serde_json::Error) -> Error {
    Error::failed(
        format!("the views hold something that cannot be read: {error}"),
        "compute them anew: seaway rebuild",
    )
}
