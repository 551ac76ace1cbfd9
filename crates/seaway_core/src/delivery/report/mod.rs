//! What `measure` tells its user.
//!
//! [`build()`] turns a measured history into a [`Report`]. `span` decides which changes a span of
//! time sees, `value` estimates their distribution, and every part of the report has a file of its
//! own: `trend` (with `period`), `stages`, `size`, `flow`, `rework`, `dora`, `dimensions` and
//! `quality`.

mod build;
mod dimensions;
mod dora;
#[cfg(test)]
mod fixture;
mod flow;
mod model;
mod period;
mod quality;
mod rework;
mod size;
mod span;
mod stages;
mod trend;
mod value;

pub use build::{ReportInput, build};
pub use model::*;
