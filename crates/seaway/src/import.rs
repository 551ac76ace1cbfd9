//! `seaway import`: events from files onto the log.

use crate::app::{Clock, Opened, PlaceArguments};
use crate::error::Error;
use crate::intake::captured;
use crate::ledger::{Event, Ledger, Outcome, Refusal};
use crate::progress::{Line, State};
use crate::remote::{Remote, ServerArgument};
use anstream::{stderr, stdout};
use clap::Args;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Events that are appended at once, and about how many bytes of them.
const EVENTS_AT_ONCE: usize = 2_000;
const BYTES_AT_ONCE: usize = 8 << 20;
/// The longest line that is read.
const LINE_BYTES_MAX: u64 = 64 << 20;
/// Lines that cannot be read are told one by one up to this many.
const TOLD_MAX: u64 = 20;

/// The arguments of `seaway import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(flatten)]
    place: PlaceArguments,
    #[command(flatten)]
    server: ServerArgument,
    /// Files of lines: CloudEvents, or captured webhooks; - for standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// What an import did.
#[derive(Debug, Default)]
struct Done {
    accepted: u64,
    known: u64,
    rejected: u64,
    /// Events of Seaway's own, which no server takes from outside.
    left_out: u64,
}

/// Where events go.
enum Destination {
    Place(Box<Opened>),
    Server(Remote),
}

/// What kinds of events are Seaway's own begin with.
const OWN: &str = "dev.seaway.";

impl Import {
    /// Appends what the files hold. Whatever is on the log already is passed over, so an import
    /// that was broken off is simply run again.
    pub(crate) async fn run(&self, clock: Clock) -> Result<(), Error> {
        let to = match self.server.remote(&self.place)? {
            Some(remote) => Destination::Server(remote),
            None => Destination::Place(Box::new(Opened::at(&self.place.place()).await?)),
        };
        let mut done = Done::default();
        let read = self.read_all(&to, clock, &mut done).await;
        if let Destination::Place(opened) = to {
            opened.close().await;
        }
        let Done { accepted, known, rejected, left_out } = done;
        let mut told = writeln!(
            stdout(),
            "{accepted} new events, {known} known already, {rejected} lines rejected"
        );
        if left_out > 0 {
            told = told.and_then(|()| {
                writeln!(
                    stdout(),
                    "{left_out} of Seaway's own events (the catalog) were left out: a server takes \
                     them from nobody. Stop it, and import with --data"
                )
            });
        }
        read?;
        match told {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Error::Failed { what: error.to_string(), hint: None })
            }
            _ if rejected > 0 => Err(Error::input(
                format!("{rejected} lines could not be read; all others are on the log"),
                "mend these lines and import the file again: what is known is passed over",
            )),
            _ => Ok(()),
        }
    }

    async fn read_all(&self, to: &Destination, clock: Clock, done: &mut Done) -> Result<(), Error> {
        let bytes = Arc::new(AtomicU64::new(0));
        let sizes: Vec<Option<u64>> = self
            .files
            .iter()
            .map(|path| path.metadata().ok().filter(|it| it.is_file()).map(|it| it.len()))
            .collect();
        let total = sizes.iter().copied().sum();
        let line = Line::draw({
            let bytes = Arc::clone(&bytes);
            move || State {
                what: "importing bytes".to_owned(),
                done: bytes.load(Ordering::Relaxed),
                total,
            }
        });
        for path in &self.files {
            let failed = |error: std::io::Error| {
                let what = format!("{} cannot be read: {error}", path.display());
                Error::input(what, "check the path; events before it are on the log")
            };
            let file: Box<dyn Read + Send> = match path.as_os_str() == "-" {
                true => Box::new(std::io::stdin()),
                false => Box::new(File::open(path).map_err(failed)?),
            };
            let mut lines = BufReader::with_capacity(1 << 20, file);
            let mut part = Part::default();
            let mut number = 0;
            loop {
                part.line.clear();
                let limited = lines.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut part.line);
                let length = limited.map_err(failed)?;
                if length == 0 {
                    break;
                }
                number += 1;
                bytes.fetch_add(length as u64, Ordering::Relaxed);
                if let Err(reason) = part.take(number, clock) {
                    done.rejected += 1;
                    if done.rejected <= TOLD_MAX {
                        let name = path.display();
                        let what = format!("{name}:{number}: {reason}");
                        let _ = writeln!(stderr(), "{}", crate::pages::words::clean(&what, 400));
                    }
                }
                if part.events.len() >= EVENTS_AT_ONCE || part.bytes >= BYTES_AT_ONCE {
                    part.append(to, done).await?;
                }
            }
            part.append(to, done).await?;
        }
        drop(line);
        Ok(())
    }
}

/// Events that were read and are not on the log yet.
#[derive(Default)]
struct Part {
    line: Vec<u8>,
    events: Vec<(Event, i64)>,
    /// The numbers of their lines.
    numbers: Vec<u64>,
    bytes: usize,
}

impl Part {
    /// Reads the line that is there.
    fn take(&mut self, number: u64, clock: Clock) -> Result<(), String> {
        let line = self.line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        let (event, received_at) = captured::read_line(line)?;
        self.numbers.push(number);
        self.bytes += line.len();
        self.events.push((event, received_at.unwrap_or_else(clock)));
        Ok(())
    }

    async fn append(&mut self, to: &Destination, done: &mut Done) -> Result<(), Error> {
        self.bytes = 0;
        let events = std::mem::take(&mut self.events);
        let numbers = std::mem::take(&mut self.numbers);
        match to {
            Destination::Place(opened) => append(&opened.ledger, events, done).await,
            Destination::Server(remote) => send(remote, events, &numbers, done).await,
        }
    }
}

async fn append(ledger: &Ledger, events: Vec<(Event, i64)>, done: &mut Done) -> Result<(), Error> {
    let refused = |refusal: Refusal| {
        Error::failed(
            format!("the events could not be appended: {refusal}"),
            "run the import again: what is known is passed over",
        )
    };
    for outcome in ledger.append_received(events).await.map_err(refused)? {
        match outcome {
            Outcome::New(_) => done.accepted += 1,
            Outcome::Known => done.known += 1,
        }
    }
    Ok(())
}

async fn send(
    remote: &Remote,
    events: Vec<(Event, i64)>,
    numbers: &[u64],
    done: &mut Done,
) -> Result<(), Error> {
    let lines = events.into_iter().map(|(event, _)| event).zip(numbers);
    let (own, others): (Vec<_>, Vec<_>) = lines.partition(|(event, _)| event.kind.starts_with(OWN));
    done.left_out += own.len() as u64;
    let (events, numbers): (Vec<Event>, Vec<u64>) = others.into_iter().unzip();
    let sent = remote.send(&events).await?;
    done.accepted += sent.accepted;
    done.known += sent.known;
    for (index, reason) in sent.rejected {
        done.rejected += 1;
        if done.rejected <= TOLD_MAX {
            let what = format!("line {}: {reason}", numbers.get(index).copied().unwrap_or(0));
            let _ = writeln!(stderr(), "{}", crate::pages::words::clean(&what, 400));
        }
    }
    Ok(())
}
