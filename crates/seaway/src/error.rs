//! Errors as the user meets them, by what they can do about it; mapped to exit codes once, here.

use std::fmt;
use std::process::ExitCode;

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Error {
    /// Wrong use or bad input: the user can put it right. Exit code 2.
    Input {
        /// What happened, to what.
        what: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// The machine or the data failed. Exit code 3.
    Failed {
        /// What happened, to what.
        what: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// The user has interrupted the work. Exit code 130, as shells expect.
    Interrupted,
}

impl Error {
    pub(crate) fn input(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Input { what: what.into(), hint: Some(hint.into()) }
    }

    pub(crate) fn failed(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Failed { what: what.into(), hint: Some(hint.into()) }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Input { .. } => ExitCode::from(2),
            Self::Failed { .. } => ExitCode::from(3),
            Self::Interrupted => ExitCode::from(130),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input { what, hint } | Self::Failed { what, hint } => {
                // What happened may quote a repository, so it is cleaned like its contents.
                write!(f, "error: {}", crate::pages::words::clean(what, 600))?;
                match hint {
                    Some(hint) => write!(f, "\n hint: {}", crate::pages::words::clean(hint, 600)),
                    None => Ok(()),
                }
            }
            Self::Interrupted => write!(f, "interrupted; nothing was left half-written"),
        }
    }
}

impl From<crate::git::Error> for Error {
    fn from(error: crate::git::Error) -> Self {
        use crate::git::Error as Git;
        let what = error.to_string();
        match error {
            Git::NotARepository { .. } => {
                Self::input(what, "name a folder with a git repository in it, or a URL of one")
            }
            Git::Scheme { .. } => {
                Self::input(what, "use an https://, http://, file://, git:// or ssh:// URL")
            }
            Git::Clone { .. } => Self::failed(
                what,
                "check the URL, the network, and that your git credentials may read it",
            ),
            Git::Interrupted => Self::Interrupted,
            Git::Missing { .. } | Git::Unreadable { .. } => Self::failed(
                what,
                "fetch the repository anew, or repair it, and measure again: a history with a hole \
                 in it would give wrong figures",
            ),
            Git::Refs { .. } | Git::Circle => Self::Failed { what, hint: None },
        }
    }
}

impl From<crate::intake::backfill::Error> for Error {
    fn from(error: crate::intake::backfill::Error) -> Self {
        use crate::intake::backfill::Error as Backfill;
        let what = error.to_string();
        let again = "run it again: it goes on where it was";
        match error {
            Backfill::Wrong(_) => Self::input(what, "check --api-url and $GITHUB_TOKEN"),
            Backfill::Refused { status: 401 | 403 | 404, .. } => {
                Self::input(what, "check the name, and that the token in $GITHUB_TOKEN may read it")
            }
            Backfill::Refused { .. }
            | Backfill::Unreachable { .. }
            | Backfill::Unreadable { .. }
            | Backfill::Sink(_) => Self::failed(what, again),
        }
    }
}

impl From<crate::ledger::Error> for Error {
    fn from(error: crate::ledger::Error) -> Self {
        use crate::ledger::Error as Ledger;
        let what = error.to_string();
        match error {
            Ledger::InUse { .. } => Self::failed(
                what,
                "stop the other one, or name another folder with --data; several servers can share \
                 a PostgreSQL database (--database)",
            ),
            Ledger::Nothing { .. } => {
                Self::input(what, "name the folder with --data, or in SEAWAY_DATA")
            }
            Ledger::Older { .. } => {
                Self::failed(what, "start seaway serve once: it brings the data to this version")
            }
            Ledger::Newer { .. } => Self::failed(what, "start a newer seaway"),
            Ledger::Folder { .. } => {
                Self::failed(what, "check that it may be written, or name another with --data")
            }
            Ledger::Url(_) => Self::input(what, "use postgres://user:password@host/database"),
            Ledger::Open { .. } => Self::failed(
                what,
                "check that it is there, that it is not damaged (seaway check), and that you may \
                 use it",
            ),
            Ledger::OthersTurn => {
                Self::failed(what, "stop the servers that use the database, and try again")
            }
            Ledger::NotEmpty(_) => {
                Self::input(what, "name an empty folder or database to restore into")
            }
            Ledger::Line { .. } => Self::input(what, "nothing after this line was read"),
            Ledger::Backup { .. } => Self::input(what, "restore another copy; nothing was written"),
            Ledger::Database(_) => {
                Self::failed(what, "check the disk and the database; what was acknowledged is kept")
            }
            Ledger::Io { .. } | Ledger::Refused(_) => Self::Failed { what, hint: None },
        }
    }
}
