//! What arrived, and what could not be linked or understood.

mod store;
mod unknown;

pub(in crate::delivery) use store::{Finding, Malformed};
pub(in crate::delivery) use unknown::Unknown;
