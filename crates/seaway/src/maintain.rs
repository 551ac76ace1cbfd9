//! Verbs that open the data themselves: `export`, `backup`, `restore`, `check` and `rebuild`.

use crate::app::{Clock, Opened, PlaceArguments};
use crate::error::Error;
use crate::ledger;
use crate::progress::{Line, State};
use anstream::stdout;
use clap::Args;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The arguments of `seaway export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    place: PlaceArguments,
}

/// The arguments of `seaway backup`.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    place: PlaceArguments,
    /// The file to write; it is there whole, or not at all
    file: PathBuf,
}

/// The arguments of `seaway restore`.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    #[command(flatten)]
    place: PlaceArguments,
    /// A file that `seaway backup` wrote
    file: PathBuf,
}

/// The arguments of `seaway check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    place: PlaceArguments,
}

/// The arguments of `seaway rebuild`.
#[derive(Debug, Args)]
pub(crate) struct Rebuild {
    #[command(flatten)]
    place: PlaceArguments,
}

/// A number that somebody watches while it grows.
#[derive(Clone, Default)]
struct Counter(Arc<AtomicU64>);

impl Counter {
    fn set(&self, done: u64) {
        self.0.store(done, Ordering::Relaxed);
    }

    /// Draws it until the line is dropped.
    fn draw(&self, what: &'static str, total: Option<u64>) -> Line {
        let done = Arc::clone(&self.0);
        Line::draw(move || State {
            what: what.to_owned(),
            done: done.load(Ordering::Relaxed),
            total,
        })
    }

    fn setter(&self) -> impl FnMut(u64) + Send + 'static {
        let counter = self.clone();
        move |done| counter.set(done)
    }
}

fn say(text: &str) -> Result<(), Error> {
    match writeln!(stdout(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Error::Failed { what: error.to_string(), hint: None }),
    }
}

/// `1 event`, `2 events`.
fn events(count: u64) -> String {
    crate::pages::words::counted(usize::try_from(count).unwrap_or(usize::MAX), "event", "events")
}

fn damaged(left_out: &[i64]) -> Result<(), Error> {
    match left_out.is_empty() {
        true => Ok(()),
        false => Err(Error::failed(
            format!(
                "{} on the log cannot be read and were left out",
                events(left_out.len() as u64)
            ),
            "seaway check tells which and why",
        )),
    }
}

impl Export {
    /// Writes the whole log to standard output, as lines of CloudEvents.
    pub(crate) async fn run(&self) -> Result<(), Error> {
        let opened = Opened::to_read(&self.place.place()).await?;
        let counter = Counter::default();
        let line = counter.draw("writing events", Some(opened.ledger.len().await?));
        let mut out = BufWriter::with_capacity(1 << 20, stdout());
        let exported = opened.ledger.export(&mut out, counter.setter()).await;
        drop(line);
        opened.close().await;
        match exported {
            Err(ledger::Error::Io { source, .. })
                if source.kind() == std::io::ErrorKind::BrokenPipe =>
            {
                Ok(())
            }
            exported => damaged(&exported?.left_out),
        }
    }
}

impl Backup {
    /// Writes the whole log to a file, also while a server uses it.
    pub(crate) async fn run(&self) -> Result<(), Error> {
        let opened = Opened::to_read(&self.place.place()).await?;
        let counter = Counter::default();
        let line = counter.draw("writing events", Some(opened.ledger.len().await?));
        let exported = opened.ledger.backup(&self.file, counter.setter()).await;
        drop(line);
        opened.close().await;
        let exported = exported?;
        say(&format!("{} are in {}", events(exported.events), self.file.display()))?;
        damaged(&exported.left_out)
    }
}

impl Restore {
    /// Fills an empty place with what a backup holds.
    pub(crate) async fn run(&self) -> Result<(), Error> {
        let counter = Counter::default();
        let line = counter.draw("restoring events", None);
        let restored = ledger::restore(&self.file, &self.place.place(), counter.setter()).await;
        drop(line);
        say(&format!("{} were restored", events(restored?)))
    }
}

impl Check {
    /// Looks at every event of the log.
    pub(crate) async fn run(&self) -> Result<(), Error> {
        let opened = Opened::to_read(&self.place.place()).await?;
        let counter = Counter::default();
        let line = counter.draw("checking events", Some(opened.ledger.len().await?));
        let checked = opened.ledger.check(counter.setter()).await;
        drop(line);
        opened.close().await;
        let checked = checked?;
        for problem in &checked.problems {
            say(&crate::pages::words::clean(problem, 300))?;
        }
        match checked.problem_count {
            0 => say(&format!("{}, all of them whole", events(checked.good))),
            count => Err(Error::failed(
                format!("the log has {count} problems; {} are whole", events(checked.good)),
                "restore a backup, or go on without these events: readers pass over them",
            )),
        }
    }
}

impl Rebuild {
    /// Computes all views anew from the log.
    pub(crate) async fn run(&self, clock: Clock) -> Result<(), Error> {
        let config = self.place.config()?;
        let opened = Opened::at(&self.place.place()).await?;
        let total = opened.ledger.len().await?;
        let mut projector = opened.projector(&config).await?;
        let counter = Counter::default();
        let line = counter.draw("reading events", Some(total));
        let rebuilt = projector.rebuild(counter.setter()).await;
        let rebuilt = match rebuilt {
            Ok(()) => opened.exposures(clock).await?.rebuild().await,
            failed => failed,
        };
        drop(line);
        drop(projector);
        opened.close().await;
        rebuilt?;
        say(&format!("the views are computed anew from {}", events(total)))
    }
}
