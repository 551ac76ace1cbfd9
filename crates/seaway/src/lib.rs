//! Seaway measures time to value; `cli.rs` shows every verb.
//!
//! This library is for the program beside it and for no other: all that it offers is [`run`]. Built
//! for tests and for fuzzing it also has `fuzzing`, which the fuzz targets in `fuzz/` call.

mod access;
mod app;
mod author;
mod backfill;
mod body;
mod catalog;
mod cli;
mod config;
mod delivery;
mod demo;
mod environment;
mod error;
mod files;
mod flags;
mod form;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod git;
mod import;
mod intake;
mod ledger;
mod maintain;
mod mirrors;
mod pages;
mod parallel;
mod problem;
mod progress;
mod refusals;
mod remote;
mod repositories;
mod router;
mod serve;
mod sheet;
mod unread;
mod url;

pub use cli::run;
