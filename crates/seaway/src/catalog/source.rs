//! Where files of the catalog are: in a folder, or in a repository.

use super::folder::{self, Files, Fingerprint};
use super::problem::Problem;
use super::repository::Repository;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What the name of a repository begins with.
const GIT: &str = "git+";

/// Where files of the catalog are.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Folder(PathBuf),
    Repository(Arc<Repository>),
}

impl Source {
    /// The source of a name: `git+REPOSITORY[#[REVISION][:FOLDER]]`, or else a folder.
    ///
    /// Copies of repositories that are named by a URL are kept below `copies` and brought up to
    /// date every so often.
    ///
    /// # Errors
    /// What is wrong with the name, for people.
    pub(crate) fn of(name: &OsStr, copies: &Path, every: Duration) -> Result<Self, String> {
        let Some(repository) = name.to_str().and_then(|name| name.strip_prefix(GIT)) else {
            return Ok(Self::Folder(name.into()));
        };
        Repository::of(repository, copies, every).map(|it| Self::Repository(Arc::new(it)))
    }

    /// Its name as it may be shown.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Repository(repository) => format!("{GIT}{}", repository.shown()),
        }
    }

    /// How it looks; `None` while nobody has looked yet.
    pub(super) fn look(&self) -> Option<Result<Fingerprint, Vec<Problem>>> {
        match self {
            Self::Folder(folder) => Some(folder::scan(folder)),
            Self::Repository(repository) => repository.look(),
        }
    }

    /// Its files.
    pub(super) fn files(&self) -> Result<Files, Vec<Problem>> {
        match self {
            Self::Folder(folder) => folder::files(folder),
            Self::Repository(repository) => repository.files(),
        }
    }

    /// Begins to watch what cannot be looked at from one moment to the next.
    pub(super) fn watch(&self) {
        if let Self::Repository(repository) = self {
            Repository::watch(repository);
        }
    }
}

/// The names in the variable of the environment: with colons between them as in `PATH`, or where
/// one is that of a repository, which may have colons in it, with spaces.
pub(crate) fn names_of(variable: &OsStr) -> Vec<OsString> {
    match variable.to_str().filter(|text| text.split_whitespace().any(|it| it.starts_with(GIT))) {
        Some(text) => text.split_whitespace().map(OsString::from).collect(),
        None => std::env::split_paths(variable).map(PathBuf::into_os_string).collect(),
    }
}

/// Ends what is under way, as the server ends.
pub(super) fn stop() {
    super::repository::stop();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Result<Source, String> {
        Source::of(OsStr::new(name), Path::new("copies"), Duration::from_secs(60))
    }

    #[test]
    fn names_are_shown_without_what_is_secret() {
        for (name, shown) in [
            ("services/catalog", "services/catalog"),
            ("git+/srv/catalog.git", "git+/srv/catalog.git"),
            ("git+/srv/a#b#main", "git+/srv/a#b#main"),
            ("git+/srv/catalog#:a/b/", "git+/srv/catalog#:a/b"),
            (
                "git+https://me:secret@git.example.com/a.git#release/1:x",
                "git+https://git.example.com/a.git#release/1:x",
            ),
        ] {
            assert_eq!(of(name).unwrap().shown(), shown);
        }
        for name in ["git+", "git+#main", "git+/srv/a#:../b", "git+/srv/a#main:a//b"] {
            assert!(of(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_variable_has_colons_or_spaces_between_names() {
        let names = |text: &str| names_of(OsStr::new(text));
        assert_eq!(names("a:b c"), ["a", "b c"]);
        assert_eq!(names(" a git+https://x.y/z#m:f\nb:c"), ["a", "git+https://x.y/z#m:f", "b:c"]);
    }
}
