//! `seaway backfill`, and the same on a schedule while a server runs.
//!
//! How far everything was read is kept in a file of the data folder, which is written once the
//! events are durable. So it may be behind, and then some are found again, and never ahead.

use crate::app::{Clock, Opened, PlaceArguments, append_patiently};
use crate::config::Config;
use crate::error::Error;
use crate::files;
use crate::intake::backfill::{self, Client, Cursor, Summary, What};
use crate::ledger::{Event, Ledger};
use crate::pages::words;
use crate::progress::{Line, State};
use crate::remote::{Remote, ServerArgument};
use anstream::{stderr, stdout};
use clap::{Args, Subcommand};
use seaway_core::time::DAY;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// The arguments of `seaway backfill`.
#[derive(Debug, Args)]
pub(crate) struct Backfill {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// From GitHub's REST API; the token is read from $GITHUB_TOKEN
    Github(FromGitHub),
}

#[derive(Debug, Args)]
struct FromGitHub {
    /// An organization, a user, or one repository of either
    #[arg(value_name = "OWNER[/REPO]")]
    what: String,
    /// What changed before this day is left out: 2026-01-31
    #[arg(long, value_name = "DAY")]
    since: String,
    /// Where the API is [default: as configured, <https://api.github.com>]
    #[arg(long, value_name = "URL")]
    api_url: Option<String>,
    #[command(flatten)]
    place: PlaceArguments,
    #[command(flatten)]
    server: ServerArgument,
}

/// Where what is found goes.
enum Destination {
    Ledger(Ledger, Clock),
    Server(Remote),
}

impl Backfill {
    /// Reads what there is, and puts it on the log. Run again, it goes on where it was.
    pub(crate) async fn run(&self, clock: Clock) -> Result<(), Error> {
        let From::Github(from) = &self.from;
        from.run(clock).await
    }
}

impl FromGitHub {
    async fn run(&self, clock: Clock) -> Result<(), Error> {
        let config = self.place.config()?;
        let since = self.since(&config)?;
        let what = What::parse(&self.what, since, &config.incident_labels).ok_or_else(|| {
            Error::input(
                format!("{} is neither OWNER nor OWNER/REPO", self.what),
                "write acme/shop",
            )
        })?;
        let api_url = self.api_url.as_deref().unwrap_or(&config.github.api_url);
        let client = client(api_url)?;
        let folder = self.place.folder();
        let (to, opened) = match self.server.remote(&self.place)? {
            Some(remote) => (Destination::Server(remote), None),
            None => {
                let opened = Opened::at(&self.place.place()).await?;
                (Destination::Ledger(opened.ledger.clone(), clock), Some(opened))
            }
        };
        let found = Arc::new(AtomicU64::new(0));
        let line = Line::draw({
            let found = Arc::clone(&found);
            move || State {
                what: "reading events".to_owned(),
                done: found.load(Ordering::Relaxed),
                total: None,
            }
        });
        let file = cursor_file(&folder, api_url, &to);
        let done = tokio::select! {
            done = fill(&client, &what, &file, &to, &found) => done,
            // What was handed over is on the log, and the cursor is not ahead of it.
            _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
        };
        drop(line);
        drop(to);
        if let Some(opened) = opened {
            opened.close().await;
        }
        tell(&done?)
    }

    fn since(&self, config: &Config) -> Result<i64, Error> {
        let day = || {
            let day: jiff::civil::Date = self.since.parse().ok()?;
            Some(day.to_zoned(config.time_zone.clone()).ok()?.timestamp().as_second())
        };
        day().ok_or_else(|| {
            Error::input(format!("--since {} is not a day", self.since), "write it like 2026-01-31")
        })
    }
}

fn tell((summary, accepted): &(Summary, u64)) -> Result<(), Error> {
    for (path, reason) in &summary.skipped {
        let what = format!("{path} could not be read: {reason}");
        let _ = writeln!(stderr(), "{}", words::clean(&what, 400));
    }
    let repositories = words::counted(summary.repositories, "repository", "repositories");
    let known = (summary.events as u64).saturating_sub(*accepted);
    match writeln!(stdout(), "{repositories}: {accepted} new events, {known} known already") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::Failed { what: error.to_string(), hint: None })
        }
        _ => Ok(()),
    }
}

fn client(api_url: &str) -> Result<Client, Error> {
    let token = std::env::var("GITHUB_TOKEN").ok().filter(|token| !token.trim().is_empty());
    let wait = |time: Duration| -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        if time > Duration::from_secs(30) {
            tracing::info!(seconds = time.as_secs(), "waiting as GitHub asks to");
        }
        Box::pin(tokio::time::sleep(time))
    };
    Ok(Client::new(api_url, token.as_deref(), wait)?)
}

/// The file of the cursor: one for each API and destination.
fn cursor_file(folder: &Path, api_url: &str, to: &Destination) -> PathBuf {
    let destination = match to {
        Destination::Ledger(..) => String::new(),
        Destination::Server(remote) => remote.name(),
    };
    let api_url = api_url.trim_end_matches('/');
    let hash = Sha256::digest(format!("{api_url}\n{destination}"));
    let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    folder.join("backfill").join(format!("github-{hash}.json"))
}

/// Reads what is new since the cursor of a file, and tells how many events of it were new.
async fn fill(
    client: &Client,
    what: &What,
    file: &Path,
    to: &Destination,
    found: &AtomicU64,
) -> Result<(Summary, u64), Error> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| files::failed(folder, &error))?;
    // A file that cannot be read costs time: everything is read again.
    let cursor = std::fs::read(file).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let mut accepted = 0;
    let summary =
        backfill::run(client, what, cursor.unwrap_or_default(), async |events, cursor: &Cursor| {
            found.fetch_add(events.len() as u64, Ordering::Relaxed);
            let kept = async {
                accepted += put(to, events).await?;
                files::write_whole(file, &mut |out: &mut dyn Write| {
                    serde_json::to_writer(out, cursor).map_err(Into::into)
                })
            };
            kept.await.map_err(|error: Error| error.to_string())
        })
        .await?;
    Ok((summary, accepted))
}

/// Puts events where they belong, and tells how many were new.
async fn put(to: &Destination, events: Vec<Event>) -> Result<u64, Error> {
    match to {
        Destination::Ledger(ledger, clock) => {
            append_patiently(ledger, events, *clock).await.map(|it| it.new)
        }
        Destination::Server(remote) => {
            let sent = remote.send(&events).await?;
            match sent.rejected.first() {
                Some((_, reason)) => Err(Error::failed(
                    format!("the server does not take an event: {reason}"),
                    "use the same version of seaway on both sides",
                )),
                None => Ok(sent.accepted),
            }
        }
    }
}

/// Fills what webhooks have missed while a server runs.
pub(crate) struct Schedule {
    pub(crate) ledger: Ledger,
    pub(crate) config: Arc<Config>,
    pub(crate) clock: Clock,
    /// The folder of the data.
    pub(crate) folder: PathBuf,
}

impl Schedule {
    /// Looks at once, and again and again, until `stop` says so.
    pub(crate) async fn follow(self, mut stop: watch::Receiver<bool>) {
        let github = &self.config.github;
        if github.backfill.is_empty() {
            return;
        }
        let client = match client(&github.api_url) {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(%error, "nothing is filled from GitHub");
                return;
            }
        };
        let to = Destination::Ledger(self.ledger.clone(), self.clock);
        let file = cursor_file(&self.folder, &github.api_url, &to);
        let work = async {
            loop {
                for text in &github.backfill {
                    self.fill(&client, text, &file, &to).await;
                }
                let minutes = u64::from(github.every_minutes);
                tokio::time::sleep(Duration::from_secs(minutes * 60)).await;
            }
        };
        tokio::select! {
            () = work => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn fill(&self, client: &Client, text: &str, file: &Path, to: &Destination) {
        let since = (self.clock)() / 1_000_000 - i64::from(self.config.github.days) * DAY;
        let Some(what) = What::parse(text, since, &self.config.incident_labels) else { return };
        match fill(client, &what, file, to, &AtomicU64::new(0)).await {
            Ok((summary, accepted)) => {
                let skipped = summary.skipped.len();
                tracing::info!(what = text, accepted, skipped, "filled from GitHub");
            }
            Err(error) => tracing::warn!(what = text, %error, "could not fill from GitHub"),
        }
    }
}
