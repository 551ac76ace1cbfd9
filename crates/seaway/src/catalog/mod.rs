//! The catalog's files: from a folder or a repository to entities of the core, and from those to
//! events of the ledger.
//!
//! `folder` finds and reads files, `yaml` parses them with the line of every value, `read` makes
//! entities of them, with `common` and `component`, or else a list of all [`Problem`]s, and
//! `events` keeps what changed on the ledger.
//!
//! **Invariant:** either all files are right, or the catalog stays as it was: [`read_all`] gives
//! entities or problems and never both.

mod common;
mod component;
mod events;
mod folder;
mod problem;
mod read;
mod yaml;

pub(crate) use events::{SOURCE, change_of, event_of};
pub(crate) use folder::{Fingerprint, files, scan, text_of};
pub(crate) use problem::Problem;
pub(crate) use read::{Entities, read_all};

#[cfg(test)]
mod tests;
