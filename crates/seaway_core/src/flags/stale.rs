//! Flags whose time is over.

use super::flag::Flag;
use crate::time::{MONTH, Time, humanize};
use std::fmt;

/// How long a flag must have been the same, or silent, to be called stale: 30 days, in seconds.
pub const STALE_AFTER: i64 = MONTH;

/// What a flag is for, as its metadata say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To release a feature, and then to be deleted.
    Release,
    /// To find out something, and then to be deleted.
    Experiment,
    /// To turn something off in need: it is meant to stay as it is.
    Operations,
    /// To give something to some and not to others: it is meant to stay.
    Permission,
}

impl Purpose {
    /// The purpose of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "release" => Self::Release,
            "experiment" => Self::Experiment,
            "operations" => Self::Operations,
            "permission" => Self::Permission,
            _ => return None,
        })
    }

    fn is_meant_to_stay(self) -> bool {
        matches!(self, Self::Operations | Self::Permission)
    }
}

/// What a flag is for everyone alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled<'a> {
    /// It is off: the code's own default stands.
    Off,
    /// It always has this variant.
    On(&'a str),
}

/// What the flag is for everyone alike; `None` where its targeting decides.
#[must_use]
pub fn settled(flag: &Flag) -> Option<Settled<'_>> {
    if flag.is_disabled() {
        return Some(Settled::Off);
    }
    if flag.is_targeted() {
        return None;
    }
    Some(flag.default_variant().map_or(Settled::Off, Settled::On))
}

/// What is known of a flag. What is not known is `None`, and says nothing; where evaluations are
/// heard of, a flag without one was not evaluated, or not released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// What it is for.
    pub purpose: Option<Purpose>,
    /// When it was made.
    pub created: Option<Time>,
    /// Since when everyone gets the same of it, in every environment ([`settled`]).
    pub settled: Option<Time>,
    /// At how many places the code mentions it.
    pub mentions: Option<u64>,
    /// When it should be gone.
    pub expires: Option<Time>,
    /// Since when evaluations are heard of.
    pub heard_since: Option<Time>,
    /// When it was last evaluated.
    pub evaluated: Option<Time>,
    /// When somebody outside the team first saw it.
    pub released: Option<Time>,
}

/// Why a flag is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staleness {
    /// Everyone gets the same of it, and it is still in the code.
    Settled {
        /// For how many seconds.
        seconds: i64,
        /// At how many places of the code.
        mentions: u64,
    },
    /// It should be gone.
    Expired {
        /// For how many seconds.
        seconds: i64,
    },
    /// Nobody asks for it.
    Unasked {
        /// For how many seconds.
        seconds: i64,
    },
    /// Nobody outside the team has ever seen it.
    NeverReleased {
        /// For how many seconds it could have been seen.
        seconds: i64,
    },
}

impl fmt::Display for Staleness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = |seconds: &i64| humanize(*seconds as f64);
        match self {
            Self::Settled { seconds, mentions: 1 } => {
                write!(f, "the same for everyone for {}, and at 1 place of the code", span(seconds))
            }
            Self::Settled { seconds, mentions } => write!(
                f,
                "the same for everyone for {}, and at {mentions} places of the code",
                span(seconds)
            ),
            Self::Expired { seconds } => write!(f, "expired {} ago", span(seconds)),
            Self::Unasked { seconds } => write!(f, "not evaluated for {}", span(seconds)),
            Self::NeverReleased { seconds } => {
                write!(f, "never released in {}", span(seconds))
            }
        }
    }
}

/// Why a flag is stale now; nothing where it is not.
///
/// Flags for operations and permissions are meant to stay: that they are the same for everyone, or
/// were never released, is no reason to delete them. A flag that was never evaluated, or never
/// released, counts from when it was made, or from when evaluations began to be heard of, whichever
/// is later.
#[must_use]
pub fn staleness(facts: &Facts, now: Time) -> Vec<Staleness> {
    let age = |since: Time| now.0.saturating_sub(since.0);
    let long = |since: Option<Time>| since.map(age).filter(|age| *age >= STALE_AFTER);
    let stays = facts.purpose.is_some_and(Purpose::is_meant_to_stay);
    let mut reasons = Vec::new();
    if let (Some(seconds), Some(mentions @ 1..)) = (long(facts.settled), facts.mentions)
        && !stays
    {
        reasons.push(Staleness::Settled { seconds, mentions });
    }
    if let Some(seconds) = facts.expires.map(age).filter(|age| *age >= 0) {
        reasons.push(Staleness::Expired { seconds });
    }
    // Before evaluations were heard of, nobody knows what happened.
    let alone = facts.heard_since.map(|heard| facts.created.map_or(heard, |it| it.max(heard)));
    if let Some(seconds) = long(facts.evaluated.or(alone)) {
        reasons.push(Staleness::Unasked { seconds });
    }
    if let (None, Some(seconds)) = (facts.released, long(alone))
        && !stays
    {
        reasons.push(Staleness::NeverReleased { seconds });
    }
    reasons
}
