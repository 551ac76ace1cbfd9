//! What Seaway knows: how long work takes until a customer can use it, and what statistics say
//! of it.
//!
//! This crate is pure. It performs no I/O, is not async, never reads a clock or the environment,
//! and never prints: whatever it needs is an argument.

pub mod catalog;
pub mod delivery;
pub mod demo;
pub mod flags;
pub mod paths;
pub mod stats;
pub mod time;
