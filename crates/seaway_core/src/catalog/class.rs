//! What services are told apart by, whoever owns them: architecture, runtime and tier.

use super::definition::{Architecture, Runtime, Service, Tier};
use std::collections::BTreeSet;
use std::fmt;

/// The word for what the catalog does not say.
pub const UNKNOWN: &str = "unknown";

/// What the catalog says of a service beside who owns it; `None` where it says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Class {
    /// How it is cut.
    pub architecture: Option<Architecture>,
    /// What it runs on.
    pub runtime: Option<Runtime>,
    /// How much depends on it.
    pub tier: Option<Tier>,
}

impl Class {
    /// The class of a service as it is defined.
    #[must_use]
    pub fn of(service: &Service) -> Self {
        let Service { architecture, runtime, tier, .. } = service;
        Self { architecture: *architecture, runtime: *runtime, tier: *tier }
    }

    /// Whether the catalog says nothing at all.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// All that there are.
    pub fn all() -> impl Iterator<Item = Self> {
        let architectures = || or_unknown(Architecture::WORDS.map(|(_, it)| it));
        let runtimes = || or_unknown(Runtime::WORDS.map(|(_, it)| it));
        architectures().flat_map(move |architecture| {
            runtimes().flat_map(move |runtime| {
                or_unknown(Tier::all()).map(move |tier| Self { architecture, runtime, tier })
            })
        })
    }
}

fn or_unknown<T>(known: impl IntoIterator<Item = T>) -> impl Iterator<Item = Option<T>> {
    std::iter::once(None).chain(known.into_iter().map(Some))
}

/// A word for each of the three, the same one for the same class always: `microservice,vm,unknown`.
impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let architecture = self.architecture.map_or(UNKNOWN, Architecture::word);
        write!(f, "{architecture},{},", self.runtime.map_or(UNKNOWN, Runtime::word))?;
        match self.tier {
            Some(tier) => write!(f, "{}", tier.number()),
            None => f.write_str(UNKNOWN),
        }
    }
}

/// Which classes are meant: of each of the three any of some values, or any at all where there are
/// none. `None` is the value of what the catalog does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClassFilter {
    /// How services are cut.
    pub architectures: BTreeSet<Option<Architecture>>,
    /// What they run on.
    pub runtimes: BTreeSet<Option<Runtime>>,
    /// How much depends on them.
    pub tiers: BTreeSet<Option<Tier>>,
}

impl ClassFilter {
    /// Whether every class is meant.
    #[must_use]
    pub fn is_any(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a class is meant.
    #[must_use]
    pub fn matches(&self, class: &Class) -> bool {
        fn fits<T: Ord>(values: &BTreeSet<T>, value: &T) -> bool {
            values.is_empty() || values.contains(value)
        }
        fits(&self.architectures, &class.architecture)
            && fits(&self.runtimes, &class.runtime)
            && fits(&self.tiers, &class.tier)
    }
}
