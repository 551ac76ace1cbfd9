//! How entities are named: `[kind:][namespace/]name`, as Backstage writes references.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The namespace of entities that name none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// The longest name and the longest namespace of an entity, in characters.
pub const NAME_MAX: usize = 63;

/// The kinds of entities that the catalog keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A service.
    Component,
    /// A team, or a group of groups.
    Group,
    /// Services that belong together.
    System,
    /// A person.
    User,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Component, Self::Group, Self::System, Self::User];

    /// The kind as references write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Group => "group",
            Self::System => "system",
            Self::User => "user",
        }
    }

    /// The kind of this name, whatever its case.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }
}

/// The name of an entity: `group:default/team-a`.
///
/// Case does not count in references, so all parts are kept in lower case: two references to one
/// entity are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntityRef {
    kind: Kind,
    namespace: String,
    name: String,
}

/// Why a text is no reference to an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadReference {
    /// It has not the form `[kind:][namespace/]name`, or a part has characters or a length that
    /// names cannot have.
    Form,
    /// It names a kind that the catalog does not keep.
    Kind,
}

impl fmt::Display for BadReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "is no reference of the form [kind:][namespace/]name",
            Self::Kind => "refers to a kind other than component, group, system and user",
        })
    }
}

/// Whether entities can have this name: 1 to 63 ASCII letters, digits and `-`, `_`, `.`, with a
/// letter or digit at both ends.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let inner = |c: &u8| c.is_ascii_alphanumeric() || b"-_.".contains(c);
    let ends = |c: Option<&u8>| c.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= NAME_MAX && ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(inner)
}

/// Whether entities can have this namespace: a DNS label, whatever its case.
#[must_use]
pub fn is_namespace(text: &str) -> bool {
    is_name(text) && !text.contains(['_', '.'])
}

impl EntityRef {
    /// The entity of this kind, namespace and name. `None` where a part is not what
    /// [`is_namespace`] and [`is_name`] allow.
    #[must_use]
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Option<Self> {
        (is_namespace(namespace) && is_name(name)).then(|| Self {
            kind,
            namespace: namespace.to_ascii_lowercase(),
            name: name.to_ascii_lowercase(),
        })
    }

    /// Reads a reference; a missing kind or namespace is the one that the field implies where it
    /// stands (`spec.owner` means a group in the namespace of the entity).
    ///
    /// # Errors
    /// When the text is no reference, or to a kind that the catalog does not keep.
    pub fn parse(text: &str, kind: Kind, namespace: &str) -> Result<Self, BadReference> {
        let (kind_name, rest) = match text.split_once(':') {
            Some((kind, rest)) => (Some(kind), rest),
            None => (None, text),
        };
        let (namespace, name) = rest.split_once('/').unwrap_or((namespace, rest));
        let kind_of = |name: &str| Kind::of(name).ok_or(BadReference::Kind);
        let checked = Self::new(kind, namespace, name).ok_or(BadReference::Form)?;
        Ok(Self { kind: kind_name.map_or(Ok(kind), kind_of)?, ..checked })
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its namespace, in lower case.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its name, in lower case.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.kind.as_str(), self.namespace, self.name)
    }
}

impl From<EntityRef> for String {
    fn from(reference: EntityRef) -> Self {
        reference.to_string()
    }
}

impl TryFrom<String> for EntityRef {
    type Error = BadReference;

    /// Reads a reference that names all its parts.
    fn try_from(text: String) -> Result<Self, BadReference> {
        if !(text.contains(':') && text.contains('/')) {
            return Err(BadReference::Form);
        }
        Self::parse(&text, Kind::Component, DEFAULT_NAMESPACE)
    }
}
