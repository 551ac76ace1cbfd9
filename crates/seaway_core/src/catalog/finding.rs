//! What does not fit together in a catalog of which every entity is right.

use super::reference::EntityRef;
use serde::Serialize;
use std::fmt;

/// Something that does not fit. The catalog is usable all the same, in the way that the kind of
/// the finding tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// The entity that it concerns.
    pub subject: EntityRef,
    /// What does not fit to it: another entity, a name.
    pub about: String,
}

/// What does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A service is owned by a group or user that no file defines. A group counts as owner all the
    /// same.
    UnknownOwner,
    /// A service is owned by a user who is in no group: no group's report contains it.
    OwnerWithoutGroup,
    /// A service is a part of a system that no file defines.
    UnknownSystem,
    /// A group names a parent that no file defines: it has none.
    UnknownParent,
    /// A group names a child that no file defines.
    UnknownChild,
    /// A group and its parent say different things: what the child says counts.
    NestingDisagrees,
    /// Several groups name a group that names no parent as their child: the first by name counts.
    SeveralParents,
    /// Groups are in each other in a circle: the first by name counts as having no parent.
    Circle,
    /// A name that means several services: sources that use it are not understood.
    AmbiguousName,
    /// A service is named as another one says to be called: the name means the other one.
    HiddenName,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, about, .. } = self;
        match self.kind {
            FindingKind::UnknownOwner => {
                write!(f, "{subject} is owned by {about}, which no file defines")
            }
            FindingKind::OwnerWithoutGroup => {
                write!(f, "{subject} is owned by {about}, who is in no group")
            }
            FindingKind::UnknownSystem => {
                write!(f, "{subject} is a part of {about}, which no file defines")
            }
            FindingKind::UnknownParent => {
                write!(f, "{subject} names the parent {about}, which no file defines")
            }
            FindingKind::UnknownChild => {
                write!(f, "{subject} names the child {about}, which no file defines")
            }
            FindingKind::NestingDisagrees => {
                write!(f, "{subject} and {about} disagree on whether the first is in the second")
            }
            FindingKind::SeveralParents => {
                write!(f, "{subject} is named as child by several groups: {about}")
            }
            FindingKind::Circle => {
                write!(f, "{subject} is in a circle of groups: {about}")
            }
            FindingKind::AmbiguousName => {
                write!(f, "the name {about} of {subject} also means another service")
            }
            FindingKind::HiddenName => {
                write!(f, "the name {about} of {subject} means another service that claims it")
            }
        }
    }
}
