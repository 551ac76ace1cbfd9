//! What people and programs may do.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What somebody may do. Of those of the API, each role may do what those before it may; those that
/// evaluate flags open nothing else, and none of the others evaluates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Evaluates the flags of one environment
    #[value(skip)]
    Evaluate,
    /// Reads the definitions of the flags of one environment, too
    #[value(skip)]
    Sync,
    /// Reads reports, pages and metrics
    Viewer,
    /// Sends events, too
    Editor,
    /// Manages tokens, too
    Admin,
}

impl Role {
    /// All of them, the one that may do least first.
    pub(crate) const ALL: [Self; 5] =
        [Self::Evaluate, Self::Sync, Self::Viewer, Self::Editor, Self::Admin];

    /// Its name: `viewer`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Evaluate => "evaluate",
            Self::Sync => "sync",
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }

    /// The role of this name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether it may do what needs another role.
    pub(crate) fn may(self, needed: Self) -> bool {
        self.evaluates() == needed.evaluates() && self >= needed
    }

    /// Whether it is for evaluating flags, in one environment, and for nothing else.
    pub(crate) fn evaluates(self) -> bool {
        matches!(self, Self::Evaluate | Self::Sync)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_what_those_before_it_may() {
        for (place, role) in Role::ALL.into_iter().enumerate() {
            for (other, needed) in Role::ALL.into_iter().enumerate() {
                let is_alike = (place < 2) == (other < 2);
                assert_eq!(role.may(needed), is_alike && place >= other, "{role:?} {needed:?}");
            }
            assert_eq!(Role::of_name(role.name()), Some(role));
        }
        assert_eq!(Role::of_name("Admin"), None);
        assert_eq!(Role::of_name(""), None);
    }
}
