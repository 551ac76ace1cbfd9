//! Every verb on one page.

use crate::delivery::command::{self, Measure};
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
}

/// Reads the command line, does what it says, and tells how it went by the exit code: 0 done, 2
/// wrong use or bad input, 3 failed.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let is_help = !error.use_stderr();
            // There is nobody left to tell when the terminal is gone.
            let _ = error.print();
            return if is_help { ExitCode::SUCCESS } else { ExitCode::from(2) };
        }
    };
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() as i64);
    let result = match cli.verb {
        Verb::Measure(measure) => command::run(&measure, now),
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
