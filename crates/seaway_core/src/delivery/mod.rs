//! Delivery: from commits and deployments to changes, milestones, stages and time to value.
//!
//! The definitions are the rules of the design, section *Time to value, exactly*; the modules
//! name the rule that they hold.

pub mod report;
