//! Which paths `--path` means.

use gix::bstr::{BStr, ByteSlice};
use gix::glob::wildmatch::Mode;

/// Patterns of paths, as git reads a plain pathspec from the root of the repository.
///
/// - `services/a` and `services/a/` match everything under that folder, `services/a` also a file
///   of that name. `.` and the empty pattern match everything.
/// - `*` matches any run of bytes and `?` any single one, a slash included; `[…]` is a set and
///   `\` takes the special meaning from the next byte. Such a pattern matches whole paths:
///   `*.rs` means every such file in every folder, `services/*` everything below.
/// - Case counts. Magic words (`:(exclude)`) have no meaning here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Globs(Vec<Glob>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Glob {
    pattern: Vec<u8>,
    /// How many bytes at the start mean just themselves.
    literal: usize,
}

impl Globs {
    /// Reads patterns; a path matches if any of them does.
    pub(crate) fn new<T: AsRef<[u8]>>(patterns: impl IntoIterator<Item = T>) -> Self {
        Self(patterns.into_iter().map(|pattern| Glob::new(pattern.as_ref())).collect())
    }

    /// Whether a file's path matches.
    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        self.0.iter().any(|glob| glob.matches(path))
    }

    /// Whether a path in `folder` may match; `folder` ends with a slash.
    pub(crate) fn may_match_under(&self, folder: &[u8]) -> bool {
        self.0.iter().any(|glob| {
            let literal = glob.pattern.get(..glob.literal).unwrap_or_default();
            literal.iter().zip(folder).all(|(one, two)| one == two)
        })
    }
}

impl Glob {
    fn new(pattern: &[u8]) -> Self {
        let mut pattern = pattern;
        while let Some(rest) = pattern.strip_prefix(b"./") {
            pattern = rest;
        }
        if pattern == b"." {
            pattern = b"";
        }
        let literal = pattern.find_byteset(b"*?[\\").unwrap_or(pattern.len());
        Self { pattern: pattern.to_vec(), literal }
    }

    fn matches(&self, path: &[u8]) -> bool {
        self.holds(path)
            || self.literal < self.pattern.len()
                && gix::glob::wildmatch(self.pattern.as_bstr(), BStr::new(path), Mode::empty())
    }

    /// Whether the path is the pattern, byte by byte, or in a folder of that name.
    fn holds(&self, path: &[u8]) -> bool {
        match path.strip_prefix(self.pattern.as_slice()) {
            Some(rest) => {
                rest.is_empty()
                    || rest.starts_with(b"/")
                    || self.pattern.is_empty()
                    || self.pattern.ends_with(b"/")
            }
            None => false,
        }
    }
}
