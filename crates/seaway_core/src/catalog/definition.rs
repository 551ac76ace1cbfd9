//! What the catalog keeps of each entity.
//!
//! Serialized, a definition is always the same bytes: this is what the log keeps of it.

use super::reference::{EntityRef, Kind};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// An entity as it is defined.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Definition {
    /// A Backstage `Component`.
    Component(Service),
    /// A Backstage `Group`.
    Group(Group),
    /// A Backstage `System`.
    System(System),
    /// A Backstage `User`.
    User(User),
}

impl Definition {
    /// The name of what is defined. Definitions of one entity have equal references.
    #[must_use]
    pub fn reference(&self) -> &EntityRef {
        match self {
            Self::Component(it) => &it.entity,
            Self::Group(it) => &it.entity,
            Self::System(it) => &it.entity,
            Self::User(it) => &it.entity,
        }
    }

    /// Whether the reference is one of the kind that is defined.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let kind = match self {
            Self::Component(_) => Kind::Component,
            Self::Group(_) => Kind::Group,
            Self::System(_) => Kind::System,
            Self::User(_) => Kind::User,
        };
        self.reference().kind() == kind
    }
}

/// A service: a Backstage `Component`, the unit that deploys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Service {
    /// Which one it is.
    pub entity: EntityRef,
    /// `metadata.name` as it is written.
    pub name: String,
    /// What people call it; not escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is for; not escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who owns it: a group or a user.
    pub owner: EntityRef,
    /// The system that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<EntityRef>,
    /// `spec.lifecycle`: `production`, `experimental` …; not escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<String>,
    /// `spec.type`: `service`, `website` …; not escaped.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// The repositories that it is built from, by [`repository_name`]; usually one.
    ///
    /// [`repository_name`]: crate::delivery::facts::repository_name
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub repositories: BTreeSet<String>,
    /// The patterns of paths ([`Globs`]) that are its part of its repositories; empty where all of
    /// them is.
    ///
    /// [`Globs`]: crate::paths::Globs
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// The environments in which customers use it; empty where the source or the configuration
    /// decides.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub environments: BTreeSet<String>,
    /// Other names by which sources call it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub aliases: BTreeSet<String>,
    /// How it is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Architecture>,
    /// What it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
    /// How much depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// Properties that its instances have in common with others; not escaped.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub traits: BTreeMap<String, String>,
}

/// How a service is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// One function.
    Function,
    /// A small service of its own.
    Microservice,
    /// A large service that does much.
    Monolith,
}

/// What a service runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    /// Something that somebody else runs and scales.
    Serverless,
    /// Containers.
    Container,
    /// Virtual or physical machines.
    Vm,
}

impl Architecture {
    /// All of them, by the word that stands for each.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("function", Self::Function),
        ("microservice", Self::Microservice),
        ("monolith", Self::Monolith),
    ];

    /// The word that stands for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        word_of(&Self::WORDS, &self)
    }
}

impl Runtime {
    /// All of them, by the word that stands for each.
    pub const WORDS: [(&'static str, Self); 3] =
        [("serverless", Self::Serverless), ("container", Self::Container), ("vm", Self::Vm)];

    /// The word that stands for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        word_of(&Self::WORDS, &self)
    }
}

fn word_of<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words.iter().find(|(_, known)| known == value).map_or("", |&(word, _)| word)
}

/// How much depends on a service: 0 (everything) to 4 (hardly anything).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Tier(u8);

impl Tier {
    /// The words for tiers, from 0 to 4.
    pub const WORDS: [&'static str; 5] = ["critical", "high", "medium", "low", "minimal"];

    /// The tier that a number or a word stands for, whatever its case.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let word = Self::WORDS.iter().position(|word| word.eq_ignore_ascii_case(text));
        let number = || text.parse::<usize>().ok().filter(|&n| n < Self::WORDS.len());
        word.or_else(number).and_then(|tier| u8::try_from(tier).ok()).map(Self)
    }

    /// All tiers, from 0 to 4.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).take(Self::WORDS.len()).map(Self)
    }

    /// The tier as a number, 0 to 4.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

impl From<Tier> for u8 {
    fn from(tier: Tier) -> Self {
        tier.0
    }
}

impl TryFrom<u8> for Tier {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match usize::from(number) < Self::WORDS.len() {
            true => Ok(Self(number)),
            false => Err("a tier is a number from 0 to 4"),
        }
    }
}

/// A group: a team, a department, the organization.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Group {
    /// Which one it is.
    pub entity: EntityRef,
    /// `metadata.name` as it is written.
    pub name: String,
    /// What people call it; not escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is for; not escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `spec.type`: `team`, `organization` …; not escaped.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// The group that it says to be in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<EntityRef>,
    /// The groups that it says to be in it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub children: BTreeSet<EntityRef>,
    /// The users that it says to be in it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub members: BTreeSet<EntityRef>,
}

/// A system: services that belong together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct System {
    /// Which one it is.
    pub entity: EntityRef,
    /// `metadata.name` as it is written.
    pub name: String,
    /// What people call it; not escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is for; not escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who owns it: a group or a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<EntityRef>,
}

/// A user. Nothing is kept but which groups are meant where a user owns a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct User {
    /// Which one it is.
    pub entity: EntityRef,
    /// The groups that the user says to be in, in the order of the entity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub member_of: Vec<EntityRef>,
}
