//! One revision of a flag, and the event that keeps it.

use crate::author::Author;
use crate::environment;
use crate::ledger::{Event, FLAG_KIND};
use seaway_core::time::Time;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Who tells such events.
pub(super) const SOURCE: &str = "seaway/flags";
/// The key of what all flags of an environment share: a definition without flags, `$evaluators` and
/// metadata among its members. No flag has this key.
pub(crate) const SHARED: &str = "$shared";
/// The longest key of a flag, in bytes: it stands in an index of the database.
const KEY_BYTES_MAX: usize = 1_000;

/// What was done to a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Action {
    /// Its definition was written.
    Set,
    /// It came in a file.
    Import,
    /// It was turned off.
    Off,
    /// It was turned on again.
    On,
    /// An earlier revision was made the newest again.
    Restore,
    /// It was deleted.
    Delete,
    /// Its ramp was made, changed or ended.
    Ramp,
    /// Its ramp went a step on.
    Advance,
    /// Its ramp went back, and the flag is locked.
    RollBack,
    /// Its ramp waits until something is clear.
    Hold,
    /// Its ramp waits no longer.
    Resume,
}

impl Action {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Import => "import",
            Self::Off => "off",
            Self::On => "on",
            Self::Restore => "restore",
            Self::Delete => "delete",
            Self::Ramp => "ramp",
            Self::Advance => "advance",
            Self::RollBack => "roll-back",
            Self::Hold => "hold",
            Self::Resume => "resume",
        }
    }
}

/// One revision of a flag: all of it, as it is after what was done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Revision {
    pub(crate) environment: String,
    /// Its key, or [`SHARED`].
    pub(crate) key: String,
    /// 1, 2, 3 …
    pub(crate) revision: u64,
    pub(crate) action: Action,
    /// flagd's JSON of one flag, as it was written; `None` if it was deleted.
    pub(crate) definition: Option<Box<RawValue>>,
    /// Whether it is turned off: then it is not served as its definition says.
    #[serde(default)]
    pub(crate) off: bool,
    /// Its ramp, if it has one: see [`super::ramps::Kept`].
    #[serde(default)]
    pub(crate) ramp: Option<Box<RawValue>>,
    /// Why it may not be turned up, if it may not.
    #[serde(default)]
    pub(crate) lock: Option<Value>,
    pub(crate) by: Author,
    /// The address that it came from; empty for what Seaway does by itself.
    pub(crate) from: String,
    /// Why, in the words of who did it.
    pub(crate) reason: String,
    #[serde(deserialize_with = "time")]
    pub(crate) at: Time,
}

pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    let moment = jiff::Timestamp::deserialize(deserializer)?;
    Ok(Time(moment.as_second()))
}

impl Revision {
    /// The event that keeps it.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub(super) fn event(&self, now: i64) -> Result<Event, serde_json::Error> {
        Ok(Event {
            source: SOURCE.to_owned(),
            id: id(&self.environment, &self.key, self.revision),
            kind: FLAG_KIND.to_owned(),
            subject: Some(subject(&self.environment, &self.key)),
            time: Some(now),
            content_type: "application/json".to_owned(),
            extensions: BTreeMap::new(),
            data: serde_json::to_vec(self)?.into(),
        })
    }

    /// The revision that an event keeps.
    ///
    /// # Errors
    /// Why it keeps none.
    pub(super) fn of(data: &[u8]) -> Result<Self, String> {
        let revision: Self = serde_json::from_slice(data).map_err(|error| error.to_string())?;
        environment::check(&revision.environment)?;
        match revision.key.as_str() {
            SHARED => Ok(revision),
            key => check_key(key).map(|()| revision),
        }
    }

    /// Whether there is a flag after it.
    pub(crate) fn is_live(&self) -> bool {
        self.definition.is_some()
    }

    /// What it adds to the tag of its environment: see [`super::snapshot::Version`].
    pub(super) fn mark(&self) -> u128 {
        let id = id(&self.environment, &self.key, self.revision);
        let hash = Sha256::digest(id.as_bytes());
        hash.iter().take(16).fold(0, |mark, byte| mark << 8 | u128::from(*byte))
    }
}

/// What the log calls a flag.
pub(super) fn subject(environment: &str, key: &str) -> String {
    format!("{environment}/{key}")
}

/// What the log calls a revision. No environment has a slash in its name and no number has, so that no
/// two revisions have one name.
pub(super) fn id(environment: &str, key: &str, revision: u64) -> String {
    format!("{environment}/{key}/{revision}")
}

/// The environment, key and number of a revision by its name.
pub(super) fn parts(id: &str) -> Option<(&str, &str, u64)> {
    let (environment, rest) = id.split_once('/')?;
    let (key, revision) = rest.rsplit_once('/')?;
    Some((environment, key, revision.parse().ok()?))
}

/// Looks whether a text can be the key of a flag.
///
/// # Errors
/// Why not, for people.
pub(crate) fn check_key(key: &str) -> Result<(), String> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX || key.contains('\0') {
        return Err(format!("the key of a flag has 1 to {KEY_BYTES_MAX} bytes, and no NUL in it"));
    }
    match key {
        SHARED => Err(format!("{SHARED} is no flag: it is what all flags share")),
        _ => Ok(()),
    }
}
