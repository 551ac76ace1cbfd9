//! Taking in what another event says of the same thing, in any order.

use serde::{Deserialize, Serialize};

/// Takes in what else is known.
///
/// Commutative, associative and idempotent: `a.merge(b)` equals `b.merge(a)`, grouping does not
/// matter, and taking in the same again changes nothing.
pub trait Merge {
    /// Takes in `other`.
    fn merge(&mut self, other: Self);
}

/// The earliest of the moments that were told; `None` while none was. Unix seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Earliest(pub Option<i64>);

impl Earliest {
    /// Whether nothing was told.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }
}

impl From<i64> for Earliest {
    fn from(moment: i64) -> Self {
        Self(Some(moment))
    }
}

impl Merge for Earliest {
    fn merge(&mut self, other: Self) {
        self.0 = match (self.0, other.0) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

/// What was said last of something that may change: a title, a state. Of two things said for the
/// same moment the greater value counts, so that order of arrival never does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Latest<T>(pub Option<(i64, T)>);

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Latest<T> {
    /// `value`, as it was at `moment` (Unix seconds).
    pub fn at(moment: i64, value: T) -> Self {
        Self(Some((moment, value)))
    }

    /// The value; `None` while nothing was told.
    pub fn get(&self) -> Option<&T> {
        self.0.as_ref().map(|(_, value)| value)
    }

    /// Whether nothing was told.
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }
}

impl<T: Ord> Merge for Latest<T> {
    fn merge(&mut self, other: Self) {
        if other.0 > self.0 {
            *self = other;
        }
    }
}

impl Merge for bool {
    /// Whether anyone said so.
    fn merge(&mut self, other: Self) {
        *self |= other;
    }
}

/// Keeps the greater one: for values of which a source tells one and the same, or none.
impl<T: Ord> Merge for Option<T> {
    fn merge(&mut self, other: Self) {
        if other > *self {
            *self = other;
        }
    }
}
