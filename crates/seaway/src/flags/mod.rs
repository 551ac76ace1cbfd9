//! Flags as they are kept, changed and served; what a flag *is* stands in `seaway_core::flags`.
//!
//! Whatever changes is an event on the log: one revision of one flag, with the whole state after
//! it (`revision`). Its id holds the number of the revision, and the log takes each id once: of two
//! who make the same revision, the second is told that it exists. So editors on any number of servers
//! cannot overwrite each other, without a lock (`edit`). Every server follows the log (`follow`) and
//! keeps the newest revisions in memory, for each environment as a snapshot that never changes
//! (`registry`, `snapshot`): evaluation reads that, and nothing else.

pub(crate) mod api;
mod command;
mod definition;
mod edit;
#[allow(dead_code, unused_imports, reason = "evaluations ask next")]
mod exposures;
mod follow;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod import;
pub(crate) mod ofrep;
pub(crate) mod page;
pub(crate) mod ramps;
mod refs;
mod registry;
mod revision;
mod seen;
mod snapshot;
mod stale;
mod store;
mod sync;
#[cfg(test)]
mod tests;
mod timeless;

#[cfg(any(test, fuzzing))]
pub use fuzzing::flags;

pub(crate) use command::FlagVerb;
pub(crate) use exposures::{Exposures, exposures, logs, send_exposures, send_outcomes};
pub(crate) use ramps::Runner as Ramps;
pub(crate) use registry::Flags;
pub(crate) use store::Store;
pub(crate) use sync::definitions;
