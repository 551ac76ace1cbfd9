//! Repositories of services, read when events name what the log does not know.
//!
//! Whoever pushes or deploys names commits; what they are stands in the repository. Where one is
//! known by the configuration or the catalog it is read as soon as something is missing, and what
//! was read is put on the log. So the log alone is the truth, and the views of it need no
//! repository. No repository is ever read because an event says where it is.

use crate::app::Clock;
use crate::config::Config;
use crate::delivery::projector::Progress;
use crate::delivery::store::Store;
use crate::error::Error;
use crate::git::mirror::Mirror;
use crate::intake::mirrored;
use crate::ledger::{Event, Ledger};
use reading::{Job, Message, State};
use seaway_core::catalog::{Catalog, History};
use seaway_core::delivery::view::DeploymentRow;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

mod reading;

/// How long events may gather before repositories are read for them.
const GATHER: Duration = Duration::from_millis(500);
/// Between two readings of one repository for new reasons.
const SPACING: Duration = Duration::from_secs(2);
/// The first wait after a reading that failed, which doubles up to the last.
const FAILED_FIRST: Duration = Duration::from_secs(1);
const FAILED_LAST: Duration = Duration::from_secs(600);
/// The same after one that went well and did not help.
const FUTILE_FIRST: Duration = Duration::from_secs(60);
const FUTILE_LAST: Duration = Duration::from_secs(3_600);
/// Deployments of a service whose revisions are asked for.
const WANTED_MAX: i64 = 1_000;

/// Reads repositories for a server.
pub(crate) struct Mirrors {
    pub(crate) ledger: Ledger,
    pub(crate) store: Store,
    pub(crate) config: Arc<Config>,
    pub(crate) clock: Clock,
    /// Where the mirrors are kept.
    pub(crate) folder: PathBuf,
    pub(crate) progress: watch::Receiver<Progress>,
}

/// A repository that may be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Source {
    /// A path or a URL.
    place: String,
    /// Whether a service of it names paths.
    needs_paths: bool,
}

/// A repository of which something is missing.
struct Wanting {
    repository: String,
    source: Source,
    services: BTreeSet<String>,
    /// What is missing, in short: equal while the same is.
    reason: String,
}

/// How readings of one repository went.
struct Course {
    reason: String,
    /// Readings in a row that failed, or that did not help.
    in_vain: u32,
    failed: bool,
    at: Instant,
}

impl Course {
    /// When to read again for a reason.
    fn due(&self, reason: &str) -> Instant {
        let wait = |first: Duration, last: Duration| {
            first.saturating_mul(1 << self.in_vain.saturating_sub(1).min(16)).min(last)
        };
        self.at
            + match (self.failed, self.reason == reason) {
                (true, _) => wait(FAILED_FIRST, FAILED_LAST),
                (false, false) => SPACING,
                (false, true) => wait(FUTILE_FIRST, FUTILE_LAST),
            }
    }
}

impl Mirrors {
    /// Reads whenever something is missing, until `stop` says so.
    pub(crate) async fn follow(mut self, mut stop: watch::Receiver<bool>) {
        if self.config.repositories.is_empty() && !self.config.mirror_catalogued {
            return;
        }
        self.sweep();
        let mut work = std::pin::pin!(self.work());
        tokio::select! {
            () = &mut work => {}
            _ = stop.wait_for(|stop| *stop) => reading::stop(),
        }
    }

    /// Takes away what a server that was killed has left half-made.
    fn sweep(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') && name.ends_with(".tmp") {
                let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
            }
        }
    }

    async fn work(&mut self) {
        let mut courses: HashMap<String, Course> = HashMap::new();
        let mut sources = Sources::default();
        // Events up to here are ours, and what they mend is still told as missing before that.
        let mut position = 0;
        loop {
            let wanting = match self.wanting(&mut sources, position).await {
                Ok(wanting) => wanting,
                Err(error) => {
                    tracing::warn!(%error, "what repositories are missing could not be found out");
                    Vec::new()
                }
            };
            // What was missing before and is not any more may be missing anew.
            if self.progress.borrow().settled >= position {
                let is_wanting = |name: &String| wanting.iter().any(|it| it.repository == *name);
                courses.retain(|name, course| course.failed || is_wanting(name));
            }
            let mut next: Option<Instant> = None;
            for wanting in wanting {
                let course = courses.get(&wanting.repository);
                let due = course.map(|course| course.due(&wanting.reason));
                if let Some(due) = due.filter(|due| *due > Instant::now()) {
                    next = Some(next.map_or(due, |next| next.min(due)));
                    continue;
                }
                let read = self.read(&wanting).await;
                let same = course.filter(|it| it.failed || it.reason == wanting.reason);
                let in_vain = same.map_or(0, |it| it.in_vain) + 1;
                let failed = read.is_err();
                match read {
                    Ok(newest) => position = position.max(newest),
                    Err(error) => {
                        let repository = &wanting.repository;
                        tracing::warn!(repository, %error, "a repository could not be read");
                    }
                }
                let Wanting { repository, reason, .. } = wanting;
                courses.insert(repository, Course { reason, in_vain, failed, at: Instant::now() });
                next = Some(Instant::now());
            }
            self.wait(next, position).await;
        }
    }

    /// Waits until there may be something to do.
    async fn wait(&mut self, next: Option<Instant>, position: i64) {
        let next = async {
            match next {
                Some(next) => tokio::time::sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        self.progress.mark_unchanged();
        if self.progress.borrow().settled < position {
            // What was read is not in the views yet.
            let _ = self.progress.changed().await;
        } else {
            tokio::select! {
                changed = self.progress.changed() => if changed.is_err() {
                    // The server ends: nothing will be missing any more.
                    std::future::pending::<()>().await;
                },
                () = next => {}
            }
        }
        tokio::time::sleep(GATHER).await;
    }

    /// The repositories of which something is missing and that may be read.
    async fn wanting(&self, sources: &mut Sources, after: i64) -> Result<Vec<Wanting>, Error> {
        let (settled, catalog) = {
            let progress = self.progress.borrow();
            (progress.settled, Arc::clone(&progress.catalog))
        };
        if settled < after {
            return Ok(Vec::new());
        }
        let sources = sources.of(&self.config, &catalog);
        if sources.is_empty() {
            return Ok(Vec::new());
        }
        let services = self.store.repositories().await?.into_iter();
        let of_service: HashMap<String, (String, i64)> =
            services.map(|(service, repository, newest)| (service, (repository, newest))).collect();
        let mut reasons: BTreeMap<&str, (String, BTreeSet<String>)> = BTreeMap::new();
        for (service, kind, count, last) in self.store.unread().await? {
            let Some((repository, newest)) = of_service.get(&service) else { continue };
            if sources.contains_key(repository) {
                let (reason, services) = reasons.entry(repository).or_default();
                reason.push_str(&format!("{service} {newest} {kind} {count} {last}\n"));
                services.insert(service);
            }
        }
        for (repository, source) in sources.iter().filter(|(_, source)| source.needs_paths) {
            let state = State::read(&self.state_file(repository, source));
            if state.is_some_and(|state| !state.has_paths()) {
                reasons.entry(repository).or_default().0.push_str("paths\n");
            }
        }
        let wanting = |(repository, (reason, services)): (&str, (String, BTreeSet<String>))| {
            let source = sources.get(repository)?.clone();
            Some(Wanting { repository: repository.to_owned(), source, services, reason })
        };
        Ok(reasons.into_iter().filter_map(wanting).collect())
    }

    /// Reads a repository, and puts on the log what is new in it. Returns the newest place on the
    /// log that it has.
    async fn read(&self, wanting: &Wanting) -> Result<i64, Error> {
        let Wanting { repository, source, services, .. } = wanting;
        let mut revisions = BTreeSet::new();
        for service in services {
            let (deployments, named) = self.store.wanted(service, WANTED_MAX).await?;
            let rows = deployments.iter().filter_map(|row| serde_json::from_str(row).ok());
            revisions.extend(rows.filter_map(|row: DeploymentRow| row.revision));
            revisions.extend(named);
        }
        let at = (self.clock)();
        let file = self.state_file(repository, source);
        let (mut reading, known) = Job {
            mirror: Mirror::of(&source.place, &file.with_extension("git")),
            state: file.clone(),
            revisions,
            needs_paths: source.needs_paths,
            patterns: self.config.patterns.clone(),
        }
        .start();
        let mut newest = 0;
        while let Some(message) = reading.recv().await {
            match message {
                Message::Commits(told) => {
                    let event = mirrored::commits(repository, &told, at);
                    newest = newest.max(self.append(event).await?);
                }
                Message::Done(Ok(state)) => {
                    if let Some((branch, tip)) = state.new_tip(known.as_ref()) {
                        let event = mirrored::default_branch(repository, branch, tip, at);
                        newest = newest.max(self.append(event).await?);
                    }
                    // Only now that all is on the log.
                    state.write(&file)?;
                    return Ok(newest);
                }
                Message::Done(Err(error)) => return Err(error.into()),
            }
        }
        Err(Error::Interrupted)
    }

    async fn append(&self, event: Event) -> Result<i64, Error> {
        let appended = crate::app::append_patiently(&self.ledger, vec![event], self.clock).await?;
        Ok(appended.position)
    }

    fn state_file(&self, repository: &str, source: &Source) -> PathBuf {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let name: String = repository.chars().take(80).map(plain).collect();
        let place = crate::git::clone::without_credentials(&source.place);
        let hash = Sha256::digest(format!("{repository}\n{place}"));
        let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(format!("{}-{hash}.json", name.trim_start_matches('.')))
    }
}

/// The repositories that may be read, as long as the catalog stays the same.
#[derive(Default)]
struct Sources {
    catalog: Option<Arc<History>>,
    of: BTreeMap<String, Source>,
}

impl Sources {
    fn of(&mut self, config: &Config, catalog: &Arc<History>) -> &BTreeMap<String, Source> {
        if !self.catalog.as_ref().is_some_and(|it| Arc::ptr_eq(it, catalog)) {
            self.of = sources(config, &catalog.latest());
            self.catalog = Some(Arc::clone(catalog));
        }
        &self.of
    }
}

fn sources(config: &Config, catalog: &Catalog) -> BTreeMap<String, Source> {
    let source = |place: &String| Source { place: place.clone(), needs_paths: false };
    let configured = config.repositories.iter();
    let mut sources: BTreeMap<String, Source> =
        configured.map(|(name, place)| (name.clone(), source(place))).collect();
    for service in catalog.services() {
        for repository in &service.repositories {
            if let Some(url) = url_of(repository).filter(|_| config.mirror_catalogued) {
                sources.entry(repository.clone()).or_insert_with(|| source(&url));
            }
            if let Some(source) = sources.get_mut(repository) {
                source.needs_paths |= !service.paths.is_empty();
            }
        }
    }
    sources
}

/// The URL of a repository that the catalog names; `None` where the name is not one of a host and
/// a path on it.
fn url_of(repository: &str) -> Option<String> {
    let (host, path) = repository.split_once('/')?;
    let plain = |text: &str, more: &str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    let is_host = host.contains('.') && plain(host, "-.:") && !host.starts_with(['-', '.']);
    let is_path = plain(path, "-_./~") && path.split('/').all(|part| !matches!(part, "" | ".."));
    (is_host && is_path).then(|| format!("https://{host}/{path}.git"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_hosts_and_paths_become_urls() {
        let url = |name| url_of(name);
        assert_eq!(
            url("github.com/acme/shop").as_deref(),
            Some("https://github.com/acme/shop.git")
        );
        assert_eq!(url("host.example:8443/a").as_deref(), Some("https://host.example:8443/a.git"));
        for name in [
            "",
            "shop",
            "/srv/shop",
            "localhost/shop",
            "-o.x/shop",
            "a.b/../c",
            "a.b/",
            "a.b/c d",
            "user@a.b/c",
            "a.b/c?d",
            "a.b/c#d",
            "ext::sh -c x.y/z",
            "file:///srv.x/y",
        ] {
            assert_eq!(url(name), None, "{name}");
        }
    }

    #[test]
    fn readings_in_vain_become_rare() {
        let at = Instant::now();
        let course = |failed, in_vain| Course { reason: "a".to_owned(), in_vain, failed, at };
        let seconds = |course: Course, reason| (course.due(reason) - at).as_secs();
        assert_eq!([1, 2, 3, 99].map(|n| seconds(course(true, n), "b")), [1, 2, 4, 600]);
        assert_eq!([1, 2, 7, 99].map(|n| seconds(course(false, n), "a")), [60, 120, 3_600, 3_600]);
        assert_eq!(seconds(course(false, 99), "b"), 2);
    }
}
