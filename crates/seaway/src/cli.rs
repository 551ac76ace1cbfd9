//! Every verb on one page.

use crate::access::TokenVerb;
use crate::backfill::Backfill;
use crate::delivery::command::{self, Measure};
use crate::demo::Demo;
use crate::error::Error;
use crate::flags::FlagVerb;
use crate::import::Import;
use crate::maintain::{Backup, Check, Export, Rebuild, Restore};
use crate::serve::{self, Serve};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Measures time to value: from the first commit until a customer can use the work.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 80)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Measure the time to value of a git repository
    Measure(Measure),
    /// Record deliveries: take in events, and report on them over HTTP
    Serve(Serve),
    /// Put events from files onto the log
    Import(Import),
    /// Read the past of repositories, and what webhooks have missed, from a forge
    Backfill(Backfill),
    /// Write the whole log as lines of CloudEvents to standard output
    Export(Export),
    /// Write the whole log to a file, also while a server runs
    Backup(Backup),
    /// Fill an empty place with what a backup holds
    Restore(Restore),
    /// Look whether the log is whole
    Check(Check),
    /// Compute all views anew from the log
    Rebuild(Rebuild),
    /// Turn features on and off, on a server that runs
    Flag(FlagVerb),
    /// Say who may: make, list and revoke tokens
    Token(TokenVerb),
    /// Show it all: a server with a made-up company on it
    Demo(Demo),
}

/// Reads the command line, does what it says, and tells how it went by the exit code: 0 done, 2
/// wrong use or bad input, 3 failed.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let is_help = !error.use_stderr();
            // There is nobody left to tell when the terminal is gone.
            let _ = error.print();
            return if is_help { ExitCode::SUCCESS } else { ExitCode::from(2) };
        }
    };
    let result = match cli.verb {
        Verb::Measure(measure) => command::run(&measure, now() / 1_000_000),
        Verb::Serve(verb) => wait_for(serve::run(verb, now, None)),
        Verb::Import(verb) => wait_for(verb.run(now)),
        Verb::Backfill(verb) => wait_for(verb.run(now)),
        Verb::Export(verb) => wait_for(verb.run()),
        Verb::Backup(verb) => wait_for(verb.run()),
        Verb::Restore(verb) => wait_for(verb.run()),
        Verb::Check(verb) => wait_for(verb.run()),
        Verb::Rebuild(verb) => wait_for(verb.run(now)),
        Verb::Token(verb) => wait_for(verb.run(now)),
        Verb::Flag(verb) => wait_for(verb.run()),
        Verb::Demo(verb) => wait_for(verb.run(now)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(anstream::stderr(), "{error}");
            error.exit_code()
        }
    }
}

/// The moment: Unix microseconds. The only place that reads the clock.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Does work that waits for many things at once.
fn wait_for(work: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let failed = |error: std::io::Error| Error::Failed { what: error.to_string(), hint: None };
    runtime.map_err(failed)?.block_on(work)
}
