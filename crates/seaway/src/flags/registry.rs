//! The newest revisions of all flags, in memory: what is evaluated, and what edits begin with.

use super::definition;
use super::ofrep::{Answers, Streams, Told};
use super::revision::{Revision, SHARED};
use super::seen::Seen;
use super::snapshot::{Entry, Snapshot, Version};
use super::store::Store;
use crate::app::Clock;
use crate::ledger::Ledger;
use seaway_core::flags::{Flag, FlagSet};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Bytes of the definition of one flag, and of what all share.
pub(crate) const FLAG_BYTES_MAX: usize = 1 << 20;
/// How often a snapshot is made at most: each costs with the number of flags.
const PUBLISHED_EVERY: Duration = Duration::from_millis(10);

/// All flags.
pub(crate) struct Flags {
    pub(super) store: Store,
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
    environments: RwLock<BTreeMap<Arc<str>, Arc<Environment>>>,
    /// The place on the log up to which all revisions are known.
    pub(super) position: AtomicI64,
    pub(super) streams: Streams,
    /// Since when the log cannot be read, Unix microseconds; 0 if it can.
    pub(super) failing_since: AtomicI64,
}

/// One environment.
pub(crate) struct Environment {
    work: Mutex<Work>,
    snapshot: RwLock<Arc<Snapshot>>,
    versions: watch::Sender<Version>,
    /// What those who listen are told.
    pub(super) told: watch::Sender<Told>,
    /// Units that were seen lately.
    pub(crate) seen: Seen,
    /// When a snapshot was made last; who makes one holds it.
    publishing: tokio::sync::Mutex<Option<Instant>>,
    /// How much of what was applied is in the snapshot.
    published: AtomicU64,
}

/// What snapshots are made of.
struct Work {
    /// What the flags share, without flags: what they are compiled with.
    around: FlagSet,
    /// The newest revisions, deleted ones too.
    entries: BTreeMap<Arc<str>, Arc<Entry>>,
    version: Version,
    /// Grows with each revision that is applied.
    applied: u64,
}

/// A lock on what is whole after every statement.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Flags {
    /// None yet.
    pub(super) fn empty(store: Store, ledger: Ledger, clock: Clock) -> Self {
        Self {
            store,
            ledger,
            clock,
            environments: RwLock::default(),
            position: AtomicI64::new(0),
            streams: Streams::default(),
            failing_since: AtomicI64::new(0),
        }
    }

    /// An environment; `None` if there was never a flag in it.
    pub(crate) fn environment(&self, name: &str) -> Option<Arc<Environment>> {
        let environments = self.environments.read().unwrap_or_else(PoisonError::into_inner);
        environments.get(name).map(Arc::clone)
    }

    /// The flags of an environment as they are now; `None` if there was never one.
    pub(crate) fn snapshot(&self, environment: &str) -> Option<Arc<Snapshot>> {
        self.environment(environment).map(|it| it.snapshot())
    }

    /// The names of all environments, in order.
    pub(crate) fn environments(&self) -> Vec<Arc<str>> {
        let environments = self.environments.read().unwrap_or_else(PoisonError::into_inner);
        environments.keys().cloned().collect()
    }

    /// Since when the log cannot be read, Unix microseconds: flags are as they were then.
    pub(crate) fn failing_since(&self) -> Option<i64> {
        Some(self.failing_since.load(Ordering::Relaxed)).filter(|since| *since != 0)
    }

    /// An environment, made where there was none.
    pub(super) fn environment_or_new(&self, name: &str) -> Arc<Environment> {
        if let Some(found) = self.environment(name) {
            return found;
        }
        let mut environments = self.environments.write().unwrap_or_else(PoisonError::into_inner);
        let name: Arc<str> = name.into();
        let new = || Arc::new(Environment::new(Arc::clone(&name)));
        Arc::clone(environments.entry(Arc::clone(&name)).or_insert_with(new))
    }

    /// Takes revisions in, each with its place on the log, in any order, and returns when they are in
    /// the snapshots. Those that are not newer than what is known change nothing.
    pub(super) async fn apply(&self, revisions: Vec<(i64, Revision)>) {
        let mut by_environment: BTreeMap<String, Vec<(i64, Revision)>> = BTreeMap::new();
        for (position, revision) in revisions {
            let name = revision.environment.clone();
            by_environment.entry(name).or_default().push((position, revision));
        }
        for (name, revisions) in by_environment {
            let environment = self.environment_or_new(&name);
            // Where somebody else has taken them in already, they may not be in the snapshot yet.
            let applied = lock(&environment.work).apply(revisions);
            environment.publish(applied).await;
        }
    }

    /// The newest revision of a flag, or of what all share; one that deleted it too.
    pub(crate) fn newest(&self, environment: &str, key: &str) -> Option<Arc<Entry>> {
        let environment = self.environment(environment)?;
        let work = lock(&environment.work);
        work.entries.get(key).map(Arc::clone)
    }

    /// What flags of an environment are compiled with.
    pub(super) fn around(&self, environment: &str) -> FlagSet {
        match self.environment(environment) {
            Some(environment) => lock(&environment.work).around.clone(),
            None => nothing_around(),
        }
    }
}

impl Environment {
    fn new(name: Arc<str>) -> Self {
        let around = nothing_around();
        let version = Version::default();
        let first = Snapshot::new(name, version, Vec::new(), None, Vec::new());
        let work = Work { around, entries: BTreeMap::new(), version, applied: 0 };
        Self {
            work: Mutex::new(work),
            snapshot: RwLock::new(Arc::new(first)),
            versions: watch::Sender::new(version),
            told: watch::Sender::new(Told::default()),
            seen: Seen::default(),
            publishing: tokio::sync::Mutex::new(None),
            published: AtomicU64::new(0),
        }
    }

    /// Its flags as they are now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its version, now and later.
    pub(crate) fn versions(&self) -> watch::Receiver<Version> {
        self.versions.subscribe()
    }

    /// Returns when all that was applied up to a number is in the snapshot. Of many who wait, one makes
    /// the snapshot for all.
    async fn publish(&self, applied: u64) {
        let mut last = self.publishing.lock().await;
        if self.published.load(Ordering::Acquire) >= applied {
            return;
        }
        if let Some(last) = *last {
            tokio::time::sleep_until(last + PUBLISHED_EVERY).await;
        }
        let name = Arc::clone(&self.snapshot().environment);
        let (snapshot, applied) = {
            let work = lock(&self.work);
            (work.snapshot(name), work.applied)
        };
        let version = snapshot.version;
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        self.published.store(applied, Ordering::Release);
        self.versions.send_replace(version);
        *last = Some(Instant::now());
    }
}

impl Work {
    /// Takes revisions in; tells how much has to be in a snapshot then.
    fn apply(&mut self, revisions: Vec<(i64, Revision)>) -> u64 {
        let mut is_new = false;
        let (shared, flags): (Vec<_>, Vec<_>) =
            revisions.into_iter().partition(|(_, revision)| revision.key == SHARED);
        for (position, revision) in shared {
            if self.replace(position, revision) {
                is_new = true;
                self.compile_all();
            }
        }
        for (position, revision) in flags {
            is_new |= self.replace(position, revision);
        }
        self.applied += u64::from(is_new);
        self.applied
    }

    /// Puts a revision in the place of an older one. Tells whether it was newer.
    fn replace(&mut self, position: i64, revision: Revision) -> bool {
        let known = self.entries.get(revision.key.as_str());
        if known.is_some_and(|known| known.revision.revision >= revision.revision) {
            return false;
        }
        let before = known.map_or(0, |known| known.revision.mark());
        let tag = self.version.tag.wrapping_sub(before).wrapping_add(revision.mark());
        self.version = Version { position: self.version.position.max(position), tag };
        let entry = self.entry(position, revision);
        self.entries.insert(entry.key().into(), Arc::new(entry));
        true
    }

    fn entry(&self, position: i64, revision: Revision) -> Entry {
        let is_flag = revision.key != SHARED && revision.is_live();
        let compiled = is_flag.then(|| served(&self.around, &revision));
        let (flag, problem) = match compiled {
            None => (None, None),
            Some(Ok(flag)) => (Some(flag), None),
            Some(Err(problem)) => {
                let (environment, key) = (&revision.environment, &revision.key);
                tracing::error!(environment, key, problem, "a flag cannot be understood");
                (None, Some(problem))
            }
        };
        let answers = Answers::of(&revision.key, flag.as_deref());
        Entry { revision, position, flag, answers, problem }
    }

    /// Compiles everything with what is shared now.
    fn compile_all(&mut self) {
        let shared = self.entries.get(SHARED).map_or("", |shared| shared.source());
        self.around = match shared {
            "" => nothing_around(),
            source => around(source).unwrap_or_else(|problem| {
                tracing::error!(problem, "what flags share cannot be understood");
                nothing_around()
            }),
        };
        let old = std::mem::take(&mut self.entries);
        for (key, entry) in old {
            let entry = match entry.flag.is_some() || entry.problem.is_some() {
                true => Arc::new(self.entry(entry.position, entry.revision.clone())),
                false => entry,
            };
            self.entries.insert(key, entry);
        }
    }

    fn snapshot(&self, environment: Arc<str>) -> Snapshot {
        let live = self.entries.values().filter(|it| it.revision.is_live() && it.key() != SHARED);
        let shared = self.entries.get(SHARED).filter(|it| it.revision.is_live()).cloned();
        let metadata = self.around.metadata().to_vec();
        Snapshot::new(environment, self.version, live.cloned().collect(), shared, metadata)
    }
}

/// What flags are compiled with where they share nothing.
pub(super) fn nothing_around() -> FlagSet {
    FlagSet::new(FLAG_BYTES_MAX)
}

/// What flags are compiled with that share something.
pub(super) fn around(source: &str) -> Result<FlagSet, String> {
    FlagSet::parse(source.as_bytes(), FLAG_BYTES_MAX).map_err(|problems| told(&problems))
}

/// Problems in one text.
pub(super) fn told(problems: &[seaway_core::flags::Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The flag of a definition, compiled with what all share.
pub(super) fn compiled(
    around: &FlagSet,
    key: &str,
    source: &str,
) -> Result<Arc<Flag>, Vec<seaway_core::flags::Problem>> {
    let listed = around.is_listed().then(|| definition::with_key(key, source)).flatten();
    around.compile(key, listed.as_deref().unwrap_or(source).as_bytes())
}

/// The flag of a revision as it is served.
pub(super) fn served(around: &FlagSet, revision: &Revision) -> Result<Arc<Flag>, String> {
    let source = revision.definition.as_deref().map_or("", |it| it.get());
    let flag = compiled(around, &revision.key, source).map_err(|it| told(&it))?;
    if !revision.off {
        return Ok(flag);
    }
    let off = definition::off(source, &flag).map_err(|error| error.to_string())?;
    compiled(around, &revision.key, &off).map_err(|it| told(&it))
}
