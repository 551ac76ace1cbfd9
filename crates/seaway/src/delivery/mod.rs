//! How delivery is asked for and shown; what is true of it stands in `seaway_core::delivery`.

pub(crate) mod api;
pub(crate) mod command;
mod deployments;
mod export;
pub(crate) mod metrics;
mod page;
pub(crate) mod projector;
mod quality;
pub(crate) mod site;
pub(crate) mod store;
mod text;
mod waiting;

#[cfg(any(test, fuzzing))]
pub use {deployments::fuzzing::deployments, projector::fuzzing::knowledge};
