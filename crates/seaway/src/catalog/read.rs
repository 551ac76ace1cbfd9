//! From the text of files to entities, or to everything that is wrong with them.

use super::common::{Document, Header, quoted};
use super::component;
use super::problem::{Problem, Problems};
use super::yaml::{self, Node, Value};
use crate::pages::words;
use seaway_core::catalog::{Definition, EntityRef, Group, Kind, System, User};
use std::collections::HashMap;

/// The largest file, in bytes.
pub(super) const FILE_MAX: usize = 1024 * 1024;
/// Entities of a catalog.
const ENTITIES_MAX: usize = 100_000;
/// The start of the API versions of Backstage's entities.
const API: &str = "backstage.io/";
/// Kinds of Backstage that mean nothing here.
const IGNORED: [&str; 5] = ["api", "domain", "location", "resource", "template"];

/// What right files define.
#[derive(Debug, Default)]
pub(crate) struct Entities {
    /// Every entity once, in the order of files and documents.
    pub(crate) definitions: Vec<Definition>,
    /// For each definition, which of the files has it.
    pub(crate) files: Vec<usize>,
    /// What to know of the files: documents that are no entities, kinds and annotations that
    /// nobody here knows. By file and line.
    pub(crate) notes: Vec<Problem>,
}

/// Reads all files of a catalog, each a path and its text.
///
/// # Errors
/// All problems of all files, by file and line (of very many the first 1,000), if there is any.
pub(crate) fn read_all(files: &[(String, String)]) -> Result<Entities, Vec<Problem>> {
    let (mut problems, mut notes) = (Problems::default(), Problems::default());
    let (mut definitions, mut of_files) = (Vec::new(), Vec::new());
    let mut places: HashMap<EntityRef, (&str, usize)> = HashMap::new();
    for (number, (file, text)) in files.iter().enumerate() {
        if text.len() > FILE_MAX {
            problems.add(file, 0, format!("the file is larger than {FILE_MAX} bytes: split it"));
            continue;
        }
        let (documents, faults) = yaml::documents(text);
        for (line, fault) in faults {
            problems.add(file, line, words::clean(&fault, words::LINE));
        }
        for root in &documents {
            let (problems, notes) = (&mut problems, &mut notes);
            let mut document = Document { file, root, problems, notes };
            let Some(definition) = document.read() else { continue };
            let entity = definition.reference();
            if let Some((first, line)) = places.get(entity) {
                let first = words::clean(first, words::LINE);
                let text = format!("{entity} is defined a second time; first in {first}:{line}");
                document.wrong(root.line, text);
                continue;
            }
            places.insert(entity.clone(), (file, root.line));
            definitions.push(definition);
            of_files.push(number);
            if definitions.len() > ENTITIES_MAX {
                let text = format!("the catalog has more than {ENTITIES_MAX} entities");
                document.wrong(root.line, text);
                return Err(document.problems.take_sorted());
            }
        }
    }
    if problems.is_empty() {
        Ok(Entities { definitions, files: of_files, notes: notes.take_sorted() })
    } else {
        Err(problems.take_sorted())
    }
}

impl<'a> Document<'a> {
    /// The entity of the document; `None` where it is none that the catalog keeps, or is wrong.
    fn read(&mut self) -> Option<Definition> {
        let kind = self.kind()?;
        let header = self.header(kind);
        if let Some(spec) = self.at("spec").filter(|spec| !matches!(spec.value, Value::Map(_))) {
            self.wrong(spec.line, "spec must be a map");
            return None;
        }
        match kind {
            Kind::Component => component::read(self, header?).map(Definition::Component),
            Kind::Group => Some(Definition::Group(self.group(header?))),
            Kind::System => Some(Definition::System(self.system(header?))),
            Kind::User => Some(Definition::User(self.user(header?))),
        }
    }

    /// The kind, if the document is an entity of a kind that the catalog keeps.
    fn kind(&mut self) -> Option<Kind> {
        let root: &'a Node = self.root;
        if !matches!(root.value, Value::Map(_)) {
            self.note(root.line, "this is no entity and was left out");
            return None;
        }
        let kind = self.at("kind").and_then(|node| match &node.value {
            Value::Text(text) => Some((text.as_str(), node.line)),
            _ => None,
        });
        let version = self.at("apiVersion").and_then(|node| match &node.value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let (name, line) = match (kind, version) {
            (Some(kind), Some(version)) if version.starts_with(API) => kind,
            (Some((name, line)), None) if Kind::of(name).is_some() => {
                self.wrong(line, format!("apiVersion is missing: write {API}v1alpha1"));
                return None;
            }
            (None, Some(version)) if version.starts_with(API) => {
                self.wrong(root.line, "kind is missing: write Component, Group, System or User");
                return None;
            }
            (_, version) => {
                let version = version.map_or_else(|| "not there".to_owned(), quoted);
                self.note(root.line, format!(
                    "this is no entity of Backstage and was left out: its apiVersion is {version}"
                ));
                return None;
            }
        };
        let found = Kind::of(name);
        if found.is_none() && !IGNORED.iter().any(|it| it.eq_ignore_ascii_case(name)) {
            let name = quoted(name);
            self.note(line, format!("the kind {name} is not known here and was left out"));
        }
        found
    }

    fn group(&mut self, header: Header) -> Group {
        let namespace = header.entity.namespace().to_owned();
        let named = self.words("spec.profile.displayName");
        Group {
            form: self.words("spec.type"),
            parent: self.reference("spec.parent", &[Kind::Group], &namespace, None),
            children: self
                .references("spec.children", Kind::Group, &namespace)
                .into_iter()
                .collect(),
            members: self.references("spec.members", Kind::User, &namespace).into_iter().collect(),
            title: header.title.or(named),
            entity: header.entity,
            name: header.name,
            description: header.description,
        }
    }

    fn system(&mut self, header: Header) -> System {
        let namespace = header.entity.namespace().to_owned();
        System {
            owner: self.reference("spec.owner", &[Kind::Group, Kind::User], &namespace, None),
            entity: header.entity,
            name: header.name,
            title: header.title,
            description: header.description,
        }
    }

    fn user(&mut self, header: Header) -> User {
        let namespace = header.entity.namespace().to_owned();
        User {
            member_of: self.references("spec.memberOf", Kind::Group, &namespace),
            entity: header.entity,
        }
    }
}
