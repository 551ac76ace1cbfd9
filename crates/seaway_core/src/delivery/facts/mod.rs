//! What events say of deliveries, in Seaway's words and whatever the source.
//!
//! One event says little: a push names commits, a review its verdict, a deployment a revision. Each
//! such statement is a [`Fact`]: a piece of an [`Entity`], and the [`Scope`] that it belongs to.
//! What is known of an entity is all its facts merged.
//!
//! **Invariant:** [`Merge`] is commutative, associative and idempotent. Events arrive late, twice
//! and in any order; the same set of events always leaves the same entities.
//!
//! Times are Unix seconds. Whoever makes facts leaves out times that are not plausible, bounds the
//! length of every text and of every list (by the constants beside them: merging keeps to them, a
//! single fact must too), leaves line breaks out of names, and names repositories by
//! [`repository_name`].

#[cfg(test)]
pub(super) mod cases;
mod entity;
#[cfg(test)]
mod laws;
mod merge;

pub use entity::*;
pub use merge::{Earliest, Latest, Merge};

use serde::{Deserialize, Serialize};

/// What one event says of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Whose it is.
    pub scope: Scope,
    /// What is said.
    pub entity: Entity,
}

/// Whose entity it is: facts of one scope are kept and looked up together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// A repository, by [`repository_name`]: its branches, commits, pull requests and builds, and
    /// the deployments and incidents of which the source knows the repository only.
    Repository(String),
    /// A service, by the name that its source gives it: its deployments and incidents.
    Service(String),
    /// An artifact, by its identifier (a package URL): the revision that it was made of, and the
    /// services that deployed it.
    Artifact(String),
}

impl Scope {
    /// The scope as one word and a name, as it is stored: `repository github.com/owner/name`.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Repository(name) => format!("repository {name}"),
            Self::Service(name) => format!("service {name}"),
            Self::Artifact(name) => format!("artifact {name}"),
        }
    }

    /// The scope of a [`key`](Self::key); `None` where it is none.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        let (word, name) = key.split_once(' ')?;
        let name = name.to_owned();
        match word {
            "repository" => Some(Self::Repository(name)),
            "service" => Some(Self::Service(name)),
            "artifact" => Some(Self::Artifact(name)),
            _ => None,
        }
    }
}

/// The name of a repository that all sources agree on, made from any of its URLs:
/// `github.com/owner/name`, in lower case, without scheme, credentials, port of the scheme, `.git`
/// and slashes at the end. Names that are no URL stay as they are, but in lower case.
///
/// ```
/// use seaway_core::delivery::facts::repository_name;
/// assert_eq!(repository_name("https://token@GitHub.com/Owner/Name.git"), "github.com/owner/name");
/// assert_eq!(repository_name("git@github.com:owner/name.git"), "github.com/owner/name");
/// assert_eq!(repository_name("github.com/owner/name/"), "github.com/owner/name");
/// ```
#[must_use]
pub fn repository_name(url: &str) -> String {
    let url = url.trim();
    let rest = match url.split_once("://") {
        Some((_, rest)) => rest.to_owned(),
        // `git@host:path`, as ssh is written by git.
        None => match url.split_once('@').and_then(|(_, rest)| rest.split_once(':')) {
            Some((host, path)) => format!("{host}/{path}"),
            None => url.to_owned(),
        },
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host =
        [":443", ":80", ":22"].iter().find_map(|port| host.strip_suffix(port)).unwrap_or(host);
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    format!("{host}{path}").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_what_its_key_says() {
        for make in [Scope::Repository, Scope::Service, Scope::Artifact] {
            let scope = make("a name with spaces".to_owned());
            assert_eq!(Scope::of_key(&scope.key()), Some(scope));
        }
        assert_eq!(Scope::of_key("branch main"), None);
        assert_eq!(Scope::of_key("service"), None);
    }

    #[test]
    fn all_urls_of_a_repository_give_one_name() {
        for url in [
            "https://github.com/alphagov/frontend",
            "https://github.com/alphagov/frontend/",
            "https://github.com/alphagov/frontend.git",
            "https://user:token@github.com:443/alphagov/frontend.git?x#y",
            "ssh://git@github.com:22/alphagov/frontend.git",
            "git@github.com:alphagov/frontend.git",
            "git://github.com/AlphaGov/Frontend.git",
            "github.com/alphagov/frontend",
        ] {
            assert_eq!(repository_name(url), "github.com/alphagov/frontend", "{url}");
        }
        assert_eq!(repository_name("file:///srv/shop.git"), "/srv/shop");
        assert_eq!(repository_name("https://host:8443/a/b"), "host:8443/a/b");
        assert_eq!(repository_name(""), "");
    }
}
