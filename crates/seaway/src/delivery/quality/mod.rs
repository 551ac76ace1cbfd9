//! What arrived, and what could not be linked or understood.

mod store;

pub(in crate::delivery) use store::{Finding, Malformed};
