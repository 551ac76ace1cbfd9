//! The log as lines: exports, backups, and back.
//!
//! A backup is an export with a last line that tells how many events there are and their hash, from
//! SQLite and from PostgreSQL alike. So a log can move from one to the other, any tool can read it,
//! and no long transaction is needed: a log only grows, so all up to the position that was the
//! newest at the start is a snapshot.

use super::database::{Databases, Place};
use super::line;
use super::writer::{Limits, Outcome};
use super::{Error, Ledger};
use crate::files;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

/// Events and bytes that are read from the log at once.
const STRETCH_EVENTS: u32 = 2000;
const STRETCH_BYTES: usize = 8 << 20;
/// Events that are restored at once.
const RESTORED_EVENTS: usize = 2000;
const RESTORED_BYTES: usize = 8 << 20;
/// The longest line that is believed to be an event.
const LINE_BYTES_MAX: u64 = 256 << 20;

/// What an export wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exported {
    /// How many events.
    pub(crate) events: u64,
    /// Positions of rows that are damaged and were left out.
    pub(crate) left_out: Vec<i64>,
}

/// The last line of a backup: a CloudEvent that says that it is whole.
#[derive(Serialize, Deserialize)]
struct End {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    data: Whole,
}

#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Whole {
    events: u64,
    sha256: String,
}

const END_KIND: &str = "dev.seaway.backup.end";

impl Ledger {
    /// Writes all events as lines of CloudEvents 1.0 in JSON, in the order of the log. `progress` is
    /// told how many have been written. Events that arrive meanwhile are left out.
    ///
    /// # Errors
    /// The database fails, or the writer.
    pub(crate) async fn export(
        &self,
        out: &mut impl Write,
        mut progress: impl FnMut(u64),
    ) -> Result<Exported, Error> {
        let newest = self.look_for_newer().await?;
        let mut exported = Exported { events: 0, left_out: Vec::new() };
        let (mut position, mut lines) = (0, Vec::new());
        while position < newest {
            let stretch = self.read_after(position, STRETCH_EVENTS, STRETCH_BYTES).await?;
            if stretch.up_to == position {
                break;
            }
            position = stretch.up_to;
            exported.left_out.extend(stretch.unreadable.iter().map(|it| it.position));
            lines.clear();
            for recorded in stretch.events.iter().take_while(|it| it.position <= newest) {
                match line::write(recorded, &mut lines) {
                    Ok(()) => exported.events += 1,
                    Err(_) => exported.left_out.push(recorded.position),
                }
            }
            out.write_all(&lines).map_err(|source| io("the events cannot be written", source))?;
            progress(exported.events);
        }
        out.flush().map_err(|source| io("the events cannot be written", source))?;
        Ok(exported)
    }

    /// Writes a backup while the log is in use. The file is there whole and on disk, or not at all.
    /// The files are written on a thread of their own; needs a tokio runtime.
    ///
    /// # Errors
    /// The database fails, or the file cannot be written.
    pub(crate) async fn backup(
        &self,
        file: &Path,
        mut progress: impl FnMut(u64) + Send + 'static,
    ) -> Result<Exported, crate::error::Error> {
        let (ledger, file) = (self.clone(), file.to_owned());
        let runtime = tokio::runtime::Handle::current();
        let task = tokio::task::spawn_blocking(move || {
            let mut result = None;
            let whole = files::write_whole(&file, &mut |out| {
                let mut out = Hashed { out, hash: Sha256::new() };
                let exported = runtime.block_on(ledger.export(&mut out, &mut progress));
                let hash = out.hash.finalize();
                let written = match &exported {
                    Ok(exported) => End::of(exported.events, &hash).write(out.out),
                    Err(error) => Err(std::io::Error::other(error.to_string())),
                };
                result = Some(exported);
                written
            });
            // What the log says is the better reason.
            match (result, whole) {
                (Some(Err(error)), Err(_)) => Err(error.into()),
                (Some(Ok(exported)), Ok(())) => {
                    sync_folder_of(&file).map_err(|error| files::failed(&file, &error))?;
                    Ok(exported)
                }
                (_, whole) => Err(whole.err().unwrap_or_else(|| not_started(&file))),
            }
        });
        task.await.unwrap_or_else(|error| {
            Err(crate::error::Error::Failed { what: error.to_string(), hint: None })
        })
    }
}

fn not_started(file: &Path) -> crate::error::Error {
    files::failed(file, &std::io::Error::other("it was not written"))
}

/// Makes the name of a new file durable.
fn sync_folder_of(file: &Path) -> std::io::Result<()> {
    let folder = file.parent().filter(|it| !it.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

impl End {
    fn of(events: u64, hash: &[u8]) -> Self {
        let sha256 = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            specversion: "1.0".to_owned(),
            id: format!("{events}"),
            source: "seaway".to_owned(),
            kind: END_KIND.to_owned(),
            data: Whole { events, sha256 },
        }
    }

    fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        writeln!(out, "{}", serde_json::to_string(self)?)
    }
}

/// A writer that hashes what goes through it.
struct Hashed<'a> {
    out: &'a mut dyn Write,
    hash: Sha256,
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// Restores a backup into a place where no events are, and returns how many there were. The file is
/// checked as a whole before the first event is written. Positions are given anew, in the same
/// order. Blocks the thread while it reads the file.
///
/// # Errors
/// The file is not a whole backup, there are events already, or the database fails; then the place
/// holds the first part of the events and has to be emptied before the next try.
pub(crate) async fn restore(
    file: &Path,
    place: &Place,
    progress: impl FnMut(u64),
) -> Result<u64, Error> {
    let whole = verify(file)?;
    let databases = Databases::open(place).await?;
    let ledger = Ledger::start(databases.log.clone(), Limits::default()).await?;
    let restored = ledger.restore(file, &whole, progress).await;
    ledger.finish().await;
    databases.close().await;
    restored
}

impl Ledger {
    async fn restore(
        &self,
        file: &Path,
        whole: &Whole,
        mut progress: impl FnMut(u64),
    ) -> Result<u64, Error> {
        let there = self.len().await?;
        if there > 0 {
            return Err(Error::NotEmpty(there));
        }
        let mut lines = Lines::open(file)?;
        let (mut done, mut bytes, mut events) = (0, 0, Vec::new());
        while done < whole.events {
            let Some(line) = lines.next()? else { break };
            bytes += line.len();
            done += 1;
            let (event, received_at) = match line::parse(line) {
                Ok((event, Some(received_at))) => (event, received_at),
                Ok((_, None)) => return Err(lines.wrong(format!("no {}", line::RECEIVED_AT))),
                Err(why) => return Err(lines.wrong(why)),
            };
            events.push((event, received_at));
            if events.len() == RESTORED_EVENTS || bytes > RESTORED_BYTES || done == whole.events {
                bytes = 0;
                let outcomes = self.append_received(events.drain(..)).await?;
                if outcomes.contains(&Outcome::Known) {
                    return Err(lines.wrong("an event is there twice".to_owned()));
                }
                progress(done);
            }
        }
        Ok(done)
    }
}

/// Reads a backup once and compares it with its last line.
fn verify(file: &Path) -> Result<Whole, Error> {
    let wrong = |why: &str| Error::Backup { file: file.to_owned(), why: why.to_owned() };
    let mut lines = Lines::open(file)?;
    let (mut hash, mut events, mut last) = (Sha256::new(), 0, Vec::new());
    while let Some(line) = lines.next()? {
        if !last.is_empty() {
            hash.update(&last);
            events += 1;
        }
        line.clone_into(&mut last);
    }
    let end: End = serde_json::from_slice(&last)
        .ok()
        .filter(|end: &End| end.kind == END_KIND)
        .ok_or_else(|| wrong("its last line does not say that it is complete"))?;
    match End::of(events, &hash.finalize()).data == end.data {
        true => Ok(end.data),
        false => Err(wrong("its events are not those that its last line tells")),
    }
}

/// The lines of a file, with their line ends.
struct Lines {
    name: String,
    file: BufReader<File>,
    number: u64,
    line: Vec<u8>,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|source| io(&name, source))?;
        let file = BufReader::with_capacity(1 << 20, file);
        Ok(Self { name, file, number: 0, line: Vec::new() })
    }

    fn next(&mut self) -> Result<Option<&[u8]>, Error> {
        self.line.clear();
        self.number += 1;
        let mut bounded = (&mut self.file).take(LINE_BYTES_MAX);
        let read = bounded.read_until(b'\n', &mut self.line);
        if read.map_err(|source| io(&self.name, source))? as u64 == LINE_BYTES_MAX {
            return Err(self.wrong("it is too long".to_owned()));
        }
        Ok(Some(self.line.as_slice()).filter(|line| !line.is_empty()))
    }

    fn wrong(&self, why: String) -> Error {
        Error::Line { line: self.number, why }
    }
}

fn io(what: &str, source: std::io::Error) -> Error {
    Error::Io { what: what.to_owned(), source }
}
