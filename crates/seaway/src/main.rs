//! Seaway measures time to value. This file only starts it; `cli.rs` shows every verb.

mod cli;
mod config;
mod delivery;
mod error;
mod files;
mod git;
mod pages;
mod progress;

fn main() -> std::process::ExitCode {
    cli::run()
}
