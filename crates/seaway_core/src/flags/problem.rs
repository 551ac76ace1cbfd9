//! What is wrong with a definition, and where.

use std::fmt;

/// What is wrong with a definition at one place of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: a JSON pointer (RFC 6901) into the definition; empty for the whole of it.
    pub place: String,
    /// What is wrong, for the person who wrote it.
    pub reason: String,
}

impl Problem {
    pub(super) fn new(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { place: place.into(), reason: reason.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.place.is_empty() { "/" } else { &self.place };
        write!(f, "{place}: {}", self.reason)
    }
}

/// One step of the way to a place.
#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

/// A place while a definition is walked: costs nothing until somebody asks for its pointer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    step: Option<Step<'a>>,
}

impl<'a> Place<'a> {
    /// The whole definition.
    pub(super) const ROOT: Place<'static> = Place { parent: None, step: None };

    pub(super) fn name(&'a self, name: &'a str) -> Self {
        Self { parent: Some(self), step: Some(Step::Name(name)) }
    }

    pub(super) fn index(&'a self, index: usize) -> Self {
        Self { parent: Some(self), step: Some(Step::Index(index)) }
    }

    /// The JSON pointer to it.
    pub(super) fn pointer(&self) -> String {
        let mut steps = Vec::new();
        let mut at = Some(self);
        while let Some(place) = at {
            steps.extend(place.step);
            at = place.parent;
        }
        let mut pointer = String::new();
        for step in steps.into_iter().rev() {
            match step {
                Step::Name(name) => push_step(&mut pointer, name),
                Step::Index(index) => push_step(&mut pointer, &index.to_string()),
            }
        }
        pointer
    }

    pub(super) fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem::new(self.pointer(), reason)
    }
}

/// Adds one step to a JSON pointer.
pub(super) fn push_step(pointer: &mut String, name: &str) {
    pointer.push('/');
    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn pointers_escape_what_rfc_6901_escapes() {
        let flags = Place::ROOT.name("flags");
        let flag = flags.name("a/b~c");
        assert_eq!(flag.index(3).pointer(), "/flags/a~1b~0c/3");
        assert_eq!(Place::ROOT.pointer(), "");
    }
}
