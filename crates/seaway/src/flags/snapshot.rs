//! All flags of one environment as they are at one moment. What is in it never changes.

use super::definition::{Object, disabled, with_key};
use super::ofrep::Answers;
use super::revision::Revision;
use bytes::Bytes;
use seaway_core::flags::{Flag, Json};
use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// The member of a flag's metadata that asks for exposures to be recorded at evaluation.
const RECORD: &str = "recordExposures";

/// Which snapshot of an environment it is. Snapshots of the same revisions have the same tag on every
/// server, in whatever order they learned of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) struct Version {
    /// The place on the log of the newest revision.
    pub(crate) position: i64,
    /// The sum of the hashes of the names of all newest revisions.
    pub(crate) tag: u128,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:032x}", self.position, self.tag)
    }
}

impl Version {
    /// The version that a text names.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let (position, tag) = text.split_once('-')?;
        let tag = u128::from_str_radix(tag, 16).ok().filter(|_| tag.len() == 32)?;
        Some(Self { position: position.parse().ok().filter(|it| *it >= 0)?, tag })
    }
}

/// The newest revision of a flag, ready to be evaluated.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) revision: Revision,
    /// The place of the revision on the log.
    pub(crate) position: i64,
    /// What is evaluated: that of the definition, unless the flag is off. `None` for what is no flag,
    /// or deleted, or cannot be understood by this version of the program.
    pub(crate) flag: Option<Arc<Flag>>,
    /// What it is answered by.
    pub(crate) answers: Answers,
    /// Why it cannot be understood.
    pub(crate) problem: Option<String>,
}

impl Entry {
    /// The key of the flag.
    pub(crate) fn key(&self) -> &str {
        &self.revision.key
    }

    /// The definition of the flag as it was written; empty if it was deleted.
    pub(crate) fn source(&self) -> &str {
        self.revision.definition.as_deref().map_or("", |it| it.get())
    }

    /// The text of a member of its metadata, or of that of the set.
    pub(crate) fn metadata(&self, name: &str) -> Option<&str> {
        let flag = self.flag.as_ref()?;
        flag.metadata().iter().find(|(other, _)| other == name).and_then(|(_, it)| it.as_str())
    }

    /// Whether its metadata ask for whoever evaluates it alone to count as exposed: evaluating flags
    /// in bulk is no exposure.
    pub(crate) fn records_exposures(&self) -> bool {
        let metadata = self.flag.as_ref().map_or(&[][..], |flag| flag.metadata());
        metadata.iter().any(|(name, it)| name == RECORD && *it == Json::Bool(true))
    }
}

/// All flags of one environment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) environment: Arc<str>,
    pub(crate) version: Version,
    /// The flags that there are, by their keys.
    pub(crate) entries: Vec<Arc<Entry>>,
    /// What they share.
    pub(crate) shared: Option<Arc<Entry>>,
    /// The metadata of the set.
    pub(crate) metadata: Vec<(String, Json)>,
    /// What the tag of an answer begins with.
    pub(crate) tag: String,
    /// Whether all flags are the same for the same context at every moment.
    pub(crate) timeless: bool,
    exported: OnceLock<Bytes>,
    served: OnceLock<Bytes>,
    /// How long the longest answer was.
    room: AtomicUsize,
}

impl Snapshot {
    /// A snapshot of flags that are in the order of their keys.
    pub(super) fn new(
        environment: Arc<str>,
        version: Version,
        entries: Vec<Arc<Entry>>,
        shared: Option<Arc<Entry>>,
        metadata: Vec<(String, Json)>,
    ) -> Self {
        let tag = format!("\"{:032x}-", version.tag);
        let timeless = entries.iter().all(|entry| entry.answers.timeless);
        let (exported, served, room) = Default::default();
        Self {
            environment,
            version,
            entries,
            shared,
            metadata,
            tag,
            timeless,
            exported,
            served,
            room,
        }
    }

    /// An environment without flags.
    pub(crate) fn empty(environment: &str) -> Self {
        Self::new(environment.into(), Version::default(), Vec::new(), None, Vec::new())
    }

    /// How much room an answer takes.
    pub(super) fn room(&self) -> usize {
        self.room.load(Ordering::Relaxed).max(512)
    }

    /// Keeps how much room an answer took.
    pub(super) fn note_room(&self, bytes: usize) {
        if bytes > self.room.load(Ordering::Relaxed) {
            self.room.store(bytes, Ordering::Relaxed);
        }
    }

    /// The flag of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Arc<Entry>> {
        let at = self.entries.binary_search_by(|entry| entry.key().cmp(key)).ok()?;
        self.entries.get(at)
    }

    /// All of it in flagd's format, to keep: every member, number and text as it was written, the flags
    /// in the order of their keys. Those that are off are disabled.
    pub(crate) fn export(&self) -> Bytes {
        self.exported.get_or_init(|| self.written(kept).into()).clone()
    }

    /// All of it in flagd's format, to be evaluated elsewhere: those that are off are what
    /// everybody gets then.
    pub(crate) fn definition(&self) -> Bytes {
        self.served.get_or_init(|| self.written(served).into()).clone()
    }

    fn written(&self, source: fn(&Entry) -> Cow<'_, str>) -> String {
        let mut shared = self.shared.as_ref().map_or("", |shared| shared.source());
        if shared.is_empty() {
            shared = r#"{"flags":{}}"#;
        }
        // What is on the log has been read before.
        let Ok(object) = Object::of(shared) else { return r#"{"flags":{}}"#.to_owned() };
        let mut text = String::from("{");
        for (at, (name, value)) in object.members().enumerate() {
            text.push_str(if at == 0 { "\n  " } else { ",\n  " });
            text.push_str(&super::definition::quoted(name));
            text.push_str(": ");
            match name {
                "flags" => self.write_flags(&mut text, value.starts_with('['), source),
                _ => text.push_str(value),
            }
        }
        text.push_str("\n}\n");
        text
    }

    fn write_flags(&self, text: &mut String, listed: bool, source: fn(&Entry) -> Cow<'_, str>) {
        text.push(if listed { '[' } else { '{' });
        for (at, entry) in self.entries.iter().enumerate() {
            text.push_str(if at == 0 { "\n    " } else { ",\n    " });
            if !listed {
                text.push_str(&super::definition::quoted(entry.key()));
                text.push_str(": ");
            }
            let source = source(entry);
            let named = listed.then(|| with_key(entry.key(), &source)).flatten();
            text.push_str(named.as_deref().unwrap_or(&source));
        }
        text.push_str(if listed { "\n  ]" } else { "\n  }" });
    }
}

/// The definition of a flag as it is kept.
fn kept(entry: &Entry) -> Cow<'_, str> {
    match entry.revision.off {
        true => disabled(entry.source()).map_or(Cow::Borrowed(entry.source()), Cow::Owned),
        false => Cow::Borrowed(entry.source()),
    }
}

/// The definition of a flag as it is served.
fn served(entry: &Entry) -> Cow<'_, str> {
    Cow::Borrowed(entry.flag.as_ref().map_or("{}", |flag| flag.source()))
}
