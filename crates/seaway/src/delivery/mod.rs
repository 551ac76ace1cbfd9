//! How delivery is asked for and shown; what is true of it stands in `seaway_core::delivery`.

pub(crate) mod command;
mod deployments;
mod export;
mod page;
mod text;
