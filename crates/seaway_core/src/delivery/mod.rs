//! Delivery: from commits and deployments to changes, milestones, stages and time to value.
//!
//! The definitions are the rules of the design, section *Time to value, exactly*; the modules
//! name the rules that they hold.
//!
//! `history` is the graph, `mainline` cuts it into changes, `attribution` finds the deployment
//! that delivers each commit, `work` finds when its clock starts, `measured` puts them together,
//! and `report` tells what it means.
//!
//! Where events tell of deliveries, `facts` says what they say, and `derive` makes the rows of
//! `view` of it, with the same rules.

pub mod attribution;
pub mod derive;
pub mod facts;
pub mod history;
pub mod mainline;
pub mod measured;
pub mod report;
pub mod rollup;
pub mod summary;
pub mod view;
pub mod work;

#[cfg(test)]
mod naive;
