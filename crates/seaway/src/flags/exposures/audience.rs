//! For whom something is shown.

/// Who sees a variant. The order is that in which ramps go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Audience {
    /// Those who make it.
    Team,
    /// Those who work for the same organization.
    Internal,
    /// Customers.
    Everyone,
    /// Nobody has told.
    Unknown,
}

impl Audience {
    pub(super) const ALL: [Self; 4] = [Self::Team, Self::Internal, Self::Everyone, Self::Unknown];

    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Internal => "internal",
            Self::Everyone => "everyone",
            Self::Unknown => "unknown",
        }
    }

    /// What senders may write; nobody tells that nobody has told.
    pub(crate) fn told(name: &str) -> Option<Self> {
        Self::ALL[..3].iter().find(|it| it.name() == name).copied()
    }

    /// Whether an exposure to them is a release: `unknown` is, as most who send exposures know
    /// nothing of audiences, and to show a feature to somebody unknown is no test within the team.
    pub(crate) fn is_outside_the_team(self) -> bool {
        self != Self::Team
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }

    pub(super) fn of_index(index: u8) -> Option<Self> {
        Self::ALL.get(usize::from(index)).copied()
    }
}
