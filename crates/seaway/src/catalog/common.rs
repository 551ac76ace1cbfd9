//! Fields of entities, checked, with the line of what is wrong.

use super::problem::Problems;
use super::yaml::{Node, Value};
use crate::pages::words;
use seaway_core::catalog::{DEFAULT_NAMESPACE, EntityRef, Kind, NAME_MAX, is_name, is_namespace};

/// Characters of a title, and of other short texts, that are kept.
const TITLE_CHARS: usize = 200;
/// Characters of a description that are kept.
const DESCRIPTION_CHARS: usize = 1_000;
/// References that one field may hold.
const REFERENCES_MAX: usize = 10_000;

/// One document of a file.
pub(super) struct Document<'a> {
    pub(super) file: &'a str,
    pub(super) root: &'a Node,
    /// What makes it wrong.
    pub(super) problems: &'a mut Problems,
    /// What to know of it; it is used all the same.
    pub(super) notes: &'a mut Problems,
}

/// Which entity a document defines.
pub(super) struct Header {
    pub(super) entity: EntityRef,
    pub(super) name: String,
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
}

impl<'a> Document<'a> {
    /// Says that something makes the document wrong.
    pub(super) fn wrong(&mut self, line: usize, text: impl Into<String>) {
        self.problems.add(self.file, line, text);
    }

    /// Says what is to know of the document.
    pub(super) fn note(&mut self, line: usize, text: impl Into<String>) {
        self.notes.add(self.file, line, text);
    }

    /// The value at a path like `spec.owner`; `None` where there is none.
    pub(super) fn at(&self, path: &str) -> Option<&'a Node> {
        path.split('.').try_fold(self.root, |node, key| node.get(key))
    }

    /// The line of a value, or of the nearest one around it that is there.
    fn line_near(&self, path: &str) -> usize {
        let mut node = self.root;
        for key in path.split('.') {
            match node.get(key) {
                Some(inner) => node = inner,
                None => break,
            }
        }
        node.line
    }

    /// The text of a field with its line, wherever it stands. Numbers count as they are written.
    pub(super) fn text(&mut self, path: &str) -> Option<(&'a str, usize)> {
        let node = self.at(path)?;
        self.text_of(node, path)
    }

    fn text_of(&mut self, node: &'a Node, path: &str) -> Option<(&'a str, usize)> {
        match &node.value {
            Value::Text(text) => Some((text.as_str(), node.line)),
            _ => {
                self.wrong(node.line, format!("{path} must be a text"));
                None
            }
        }
    }

    /// Text for people: cleaned and bounded.
    pub(super) fn words(&mut self, path: &str) -> Option<String> {
        self.words_up_to(path, TITLE_CHARS)
    }

    fn words_up_to(&mut self, path: &str, limit: usize) -> Option<String> {
        let (text, _) = self.text(path)?;
        Some(words::clean(text, limit)).filter(|text| !text.is_empty())
    }

    /// Which entity of this kind it defines; `None` where that cannot be told.
    pub(super) fn header(&mut self, kind: Kind) -> Option<Header> {
        let namespace = match self.text("metadata.namespace") {
            Some((text, line)) if !is_namespace(text) => {
                let text = quoted(text);
                self.wrong(line, format!(
                    "metadata.namespace {text} cannot be: use at most {NAME_MAX} letters, digits and -"
                ));
                return None;
            }
            Some((text, _)) => text,
            None => DEFAULT_NAMESPACE,
        };
        let Some((name, line)) = self.text("metadata.name") else {
            if self.at("metadata.name").is_none() {
                let line = self.line_near("metadata.name");
                self.wrong(line, "metadata.name is missing: give this entity a name");
            }
            return None;
        };
        let Some(entity) = EntityRef::new(kind, namespace, name).filter(|_| is_name(name)) else {
            let name = quoted(name);
            self.wrong(line, format!(
                "metadata.name {name} cannot be: use at most {NAME_MAX} letters, digits, -, _ and ., \
                 with a letter or digit at both ends"
            ));
            return None;
        };
        Some(Header {
            entity,
            name: name.to_owned(),
            title: self.words("metadata.title"),
            description: self.words_up_to("metadata.description", DESCRIPTION_CHARS),
        })
    }

    /// The entity that a field refers to. `missing` says what to do where the field has to be
    /// there and is not.
    pub(super) fn reference(
        &mut self,
        path: &str,
        kinds: &[Kind],
        namespace: &str,
        missing: Option<&str>,
    ) -> Option<EntityRef> {
        let Some(node) = self.at(path) else {
            if let Some(hint) = missing {
                let line = self.line_near(path);
                self.wrong(line, format!("{path} is missing: {hint}"));
            }
            return None;
        };
        self.reference_of(node, path, kinds, namespace)
    }

    /// The entities that a list refers to, in its order.
    pub(super) fn references(&mut self, path: &str, kind: Kind, namespace: &str) -> Vec<EntityRef> {
        let Some(node) = self.at(path) else { return Vec::new() };
        let Value::List(items) = &node.value else {
            self.wrong(node.line, format!("{path} must be a list"));
            return Vec::new();
        };
        if items.len() > REFERENCES_MAX {
            self.wrong(node.line, format!("{path} has more than {REFERENCES_MAX} entries"));
            return Vec::new();
        }
        items.iter().filter_map(|item| self.reference_of(item, path, &[kind], namespace)).collect()
    }

    /// A reference; the first of `kinds` is meant where it names none.
    fn reference_of(
        &mut self,
        node: &'a Node,
        path: &str,
        kinds: &[Kind],
        namespace: &str,
    ) -> Option<EntityRef> {
        let (text, line) = self.text_of(node, path)?;
        let implied = kinds.first().copied().unwrap_or(Kind::Component);
        match EntityRef::parse(text.trim(), implied, namespace) {
            Ok(entity) if kinds.contains(&entity.kind()) => Some(entity),
            Ok(entity) => {
                let wanted: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
                let wanted = wanted.join(" or ");
                self.wrong(line, format!("{path} {entity} must refer to a {wanted}"));
                None
            }
            Err(why) => {
                self.wrong(line, format!("{path} {} {why}", quoted(text)));
                None
            }
        }
    }
}

/// A foreign text as a message shows it.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", words::clean(text, words::NAME))
}
