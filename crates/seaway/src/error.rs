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
