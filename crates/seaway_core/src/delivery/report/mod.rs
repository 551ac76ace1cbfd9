//! What `measure` tells its user.
//!
//! [`build()`] turns a measured history into a [`Report`]. `span` decides which changes a span of
//! time sees, `value` estimates their distribution, and every part of the report has a file of its
//! own: `trend` (with `period`), `stages`, `size`, `flow`, `rework`, `dora`, `dimensions` and
//! `quality`.

mod build;
mod dimensions;
pub(in crate::delivery) mod dora;
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
pub(in crate::delivery) use flow::{AGES, Pace};
pub use model::*;
pub(in crate::delivery) use period::midnight;
#[cfg(test)]
pub(in crate::delivery) use span::{Life, Span};
pub(in crate::delivery) use trend::{MOST_POINTS, drop_leading, finding};
pub(in crate::delivery) use value::{Spread, noise, time_to_value_of_curve};
