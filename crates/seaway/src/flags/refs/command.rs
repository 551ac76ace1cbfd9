//! `seaway flag refs`: where a repository mentions flags.

use super::{look, text};
use crate::config::Config;
use crate::error::Error;
use clap::{Args, ValueEnum};
use seaway_core::flags::FlagSet;
use seaway_core::flags::mentions::Keys;
use seaway_core::paths::Globs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Bytes of a file of definitions that is read.
const DEFINITIONS_BYTES_MAX: usize = 256 << 20;
/// Keys that are looked for at once.
const KEYS_MAX: usize = 100_000;

/// The arguments of `seaway flag refs`.
#[derive(Debug, Args)]
pub(in crate::flags) struct Refs {
    /// The repository: a folder (worktree or bare) or a URL
    #[arg(default_value = ".", value_name = "REPO")]
    repository: String,
    /// A flag to look for; may be given several times
    #[arg(long, value_name = "KEY", required_unless_present = "definitions")]
    key: Vec<String>,
    /// A file of flagd definitions, whose flags are looked for
    #[arg(long, value_name = "FILE")]
    definitions: Option<PathBuf>,
    /// Look at the newest commit only, and not at when mentions came and went
    #[arg(long)]
    no_history: bool,
    /// How to print what is found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Settings over the defaults [default: $SEAWAY_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

impl Refs {
    /// Looks, and tells what it found.
    pub(in crate::flags) fn run(self) -> Result<(), Error> {
        let named = || std::env::var_os("SEAWAY_CONFIG").map(PathBuf::from);
        let config = Config::load(self.config.clone().or_else(named).as_deref())?;
        let keys = self.keys()?;
        let hint = "look for fewer flags at once, with --key";
        let looked_for = Keys::new(keys.iter().map(String::as_str), &config.flag_refs.styles)
            .map_err(|error| {
                Error::input(format!("the flags cannot be looked for: {error}"), hint)
            })?;
        let except = Globs::new(&config.flag_refs.except);
        let found = look(
            &self.repository,
            &keys,
            (&looked_for, &except),
            !self.no_history,
            (&config.patterns, &config.patterns_text),
        )?;
        let printed = match self.format {
            Format::Text => text::render(&found, !self.no_history),
            Format::Json => serde_json::to_string_pretty(&found)
                .map(|json| json + "\n")
                .map_err(|error| Error::Failed { what: error.to_string(), hint: None })?,
        };
        match anstream::stdout().write_all(printed.as_bytes()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Error::Failed { what: error.to_string(), hint: None })
            }
            _ => Ok(()),
        }
    }

    /// The keys that are asked for, each once.
    fn keys(&self) -> Result<Vec<String>, Error> {
        let mut keys = self.key.clone();
        if let Some(file) = &self.definitions {
            keys.extend(keys_of(file)?);
        }
        let mut seen = std::collections::HashSet::new();
        keys.retain(|key| !key.is_empty() && seen.insert(key.clone()));
        match keys.len() {
            0 => Err(Error::input("no flag is named", "name one with --key")),
            n if n > KEYS_MAX => Err(Error::input(
                format!("{n} flags are more than the {KEYS_MAX} that are looked for at once"),
                "look for some of them, with --key",
            )),
            _ => Ok(keys),
        }
    }
}

/// The flags that a file defines.
fn keys_of(file: &Path) -> Result<Vec<String>, Error> {
    let name = file.display();
    let bytes = std::fs::read(file).map_err(|error| {
        Error::input(format!("{name} cannot be read: {error}"), "check the path of --definitions")
    })?;
    let set = FlagSet::parse(&bytes, DEFINITIONS_BYTES_MAX).map_err(|problems| {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        Error::input(format!("{name} is no file of flagd definitions: {first}"), "mend it there")
    })?;
    Ok(set.flags().map(|flag| flag.key().to_owned()).collect())
}
