//! What is wrong with a file of the catalog, and where.

use crate::pages::words;
use serde::{Serialize, Serializer};
use std::fmt;

/// The problems of one reading that are kept; the others are counted.
const PROBLEMS_MAX: usize = 1_000;
/// Characters of a file's path that a problem shows.
const FILE_CHARS: usize = 200;

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// The path of the file, as it was handed in.
    pub(crate) file: String,
    /// The line, from 1; 0 where the file as a whole is meant.
    pub(crate) line: usize,
    /// What is wrong and what to do. What it quotes is cleaned, not escaped.
    pub(crate) text: String,
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Told<'a> {
            file: String,
            /// `null` where the file as a whole is meant.
            line: Option<usize>,
            text: &'a str,
        }
        let line = (self.line > 0).then_some(self.line);
        let file = words::clean(&self.file, FILE_CHARS).to_string();
        Told { file, line, text: &self.text }.serialize(serializer)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words::clean(&self.file, FILE_CHARS))?;
        match self.line {
            0 => write!(f, ": {}", self.text),
            line => write!(f, ":{line}: {}", self.text),
        }
    }
}

/// Problems as they are found.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    /// How many there are beyond those that are kept.
    more: usize,
}

impl Problems {
    pub(super) fn add(&mut self, file: &str, line: usize, text: impl Into<String>) {
        if self.found.len() < PROBLEMS_MAX {
            self.found.push(Problem { file: file.to_owned(), line, text: text.into() });
        } else {
            self.more += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All that are kept, by file and line, and how many more there are.
    pub(super) fn take_sorted(&mut self) -> Vec<Problem> {
        let mut found = std::mem::take(&mut self.found);
        found.sort();
        if let Some(last) = found.last().filter(|_| self.more > 0) {
            let text = format!("and {} more like these", words::count(self.more));
            found.push(Problem { file: last.file.clone(), line: 0, text });
        }
        found
    }
}
