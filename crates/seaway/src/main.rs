//! Seaway measures time to value. This file only starts it; `cli.rs` shows every verb.

mod app;
mod backfill;
mod body;
mod catalog;
mod cli;
mod config;
mod delivery;
mod demo;
mod error;
mod files;
mod git;
mod import;
mod intake;
mod ledger;
mod maintain;
mod mirrors;
mod pages;
mod problem;
mod progress;
mod remote;
mod router;
mod serve;
mod unread;

fn main() -> std::process::ExitCode {
    cli::run()
}
