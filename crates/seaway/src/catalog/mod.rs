//! The catalog's files: from a folder or a repository to entities of the core, and from those to
//! events of the ledger.
//!
//! `source` names where files are: `folder` and `repository` find and read them. `yaml` parses them with the line of every value, `read` makes
//! entities of them, with `common` and `component`, or else a list of all [`Problem`]s, `events`
//! keeps what changed on the ledger, and `watch` does all of that again whenever a file changes.
//!
//! **Invariant:** either all files are right, or the catalog stays as it was: [`read_all`] gives
//! entities or problems and never both.

mod common;
mod component;
mod events;
mod folder;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod problem;
mod read;
mod repository;
mod source;
mod watch;
mod yaml;

pub(crate) use events::change_of;
use events::event_of;
use folder::Fingerprint;
#[cfg(any(test, fuzzing))]
pub use fuzzing::catalog;
use problem::Problem;
use read::{Entities, read_all};
pub(crate) use source::{Source, names_of};
pub(crate) use watch::{State, Watcher};

#[cfg(test)]
mod tests;
