//! `seaway flag`.

use super::refs::Refs;
use crate::error::Error;
use clap::{Args, Subcommand};

/// The arguments of `seaway flag`.
#[derive(Debug, Args)]
pub(crate) struct FlagVerb {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Find where a repository mentions flags, and which commits brought and took that
    Refs(Refs),
}

impl FlagVerb {
    /// Does what the command line says.
    pub(crate) async fn run(self) -> Result<(), Error> {
        match self.verb {
            Verb::Refs(verb) => verb.run(),
        }
    }
}
