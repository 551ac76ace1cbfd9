//! The catalog: which services there are, who owns them, and how groups nest.
//!
//! Entities are those of Backstage. `reference` names them, `definition` says what is kept of
//! each, `class` what services are told apart by, [`Catalog`] is all of them at one moment, [`History`] all of them at every moment, and
//! [`entry()`] writes what a person can add to the catalog. Reading files is not done here.

mod class;
mod definition;
mod entry;
mod finding;
mod history;
mod index;
mod nesting;
mod reference;

pub use class::{Class, ClassFilter, UNKNOWN};
pub use definition::{Architecture, Definition, Group, Runtime, Service, System, Tier, User};
pub use entry::entry;
pub use finding::{Finding, FindingKind};
pub use history::{Change, ClassPeriod, History, OwnerPeriod};
pub use index::{Catalog, Named};
pub use reference::{
    BadReference, DEFAULT_NAMESPACE, EntityRef, Kind, NAME_MAX, is_name, is_namespace,
};

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
