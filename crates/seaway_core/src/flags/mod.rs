//! Feature flags: flagd's definitions, and what a flag is for one context.
//!
//! A definition is read and compiled once ([`FlagSet::parse`]) and evaluated many times
//! ([`FlagSet::evaluate`]). What can never be evaluated is refused when it is read, with its place;
//! what flagd takes although nobody can want it ([`FlagSet::objections`]) is for those to refuse
//! who let people save definitions. Evaluation neither fails nor hangs, whatever comes: the work of
//! one evaluation is bounded.
//!
//! Targeting is `JsonLogic` with flagd's operators, by an interpreter of its own: problems must have
//! places, the work of an evaluation a bound, and unknown operators must not become known with an
//! update. `datalogic-rs` has many operators that flagd has not, builds each context anew in an
//! arena, and its newest versions want a newer Rust than this workspace.

mod bucket;
mod compile;
mod context;
mod evaluation;
mod flag;
mod fractional;
mod json;
pub mod mentions;
pub mod moves;
mod node;
mod operators;
mod problem;
pub mod ramp;
mod run;
mod set;
mod spread;
pub mod stale;
#[cfg(test)]
mod tests;
mod value;
mod version;

pub use bucket::{Bucketing, edge, position};
pub use context::Context;
pub use evaluation::{ErrorCode, Evaluation, Kind, Reason};
pub use flag::Flag;
pub use json::{DEPTH_MAX, Json, Members};
pub use problem::Problem;
pub use set::FlagSet;
