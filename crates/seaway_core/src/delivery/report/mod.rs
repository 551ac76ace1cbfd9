//! What `measure` tells its user.

mod model;

pub use model::*;
