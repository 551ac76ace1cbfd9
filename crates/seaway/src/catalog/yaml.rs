//! YAML as values that know their lines.
//!
//! What a value means is for its reader: `1.10` is the text `1.10`, as the file has it. An alias is
//! the value that it repeats, shared and not copied, so that aliases of aliases cost nothing.

use granit_parser::{Event, Options, Parser, ScalarStyle, StrInput};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Values within values that are followed, those behind aliases too.
const DEPTH_MAX: usize = 64;
/// Errors of one file after which the rest of it is not read.
const ERRORS_MAX: usize = 100;

/// A value.
#[derive(Debug)]
pub(super) struct Node {
    /// The line where it starts, from 1.
    pub(super) line: usize,
    pub(super) value: Value,
    depth: usize,
}

#[derive(Debug)]
pub(super) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    Text(String),
    List(Vec<Rc<Node>>),
    Map(Vec<(String, Rc<Node>)>),
}

impl Node {
    /// The value of a key; `None` where there is none, it is null, or this is no map.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        let Value::Map(entries) = &self.value else { return None };
        let (_, node) = entries.iter().find(|(name, _)| name == key)?;
        (!matches!(node.value, Value::Null)).then_some(node)
    }
}

/// An error of the syntax: its line and what it is.
pub(super) type Fault = (usize, String);

/// The documents of a file, and what is wrong with those that are missing.
pub(super) fn documents(text: &str) -> (Vec<Rc<Node>>, Vec<Fault>) {
    let mut options = Options::default();
    options.flow_nesting_limit = DEPTH_MAX;
    options.block_nesting_limit = DEPTH_MAX;
    let mut parser = Parser::new_from_str_with_options(text, options);
    let (mut documents, mut faults) = (Vec::new(), Vec::new());
    loop {
        match document(&mut parser) {
            Ok(None) => return (documents, faults),
            Ok(Some(root)) if matches!(root.value, Value::Null) => {}
            Ok(Some(root)) => documents.push(root),
            Err(fault) => {
                faults.push(fault);
                if faults.len() >= ERRORS_MAX || !matches!(parser.proceed_next_document(), Ok(true))
                {
                    return (documents, faults);
                }
            }
        }
    }
}

/// The next document; `None` at the end of the file.
fn document<'a>(parser: &mut Parser<'a, StrInput<'a>>) -> Result<Option<Rc<Node>>, Fault> {
    let mut tree = Tree::default();
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| (error.marker().line(), error.info()))?;
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let value = match style {
                    ScalarStyle::Plain if is_null(&text) => Value::Null,
                    _ => Value::Text(text.into_owned()),
                };
                tree.add(Rc::new(Node { line, value, depth: 1 }), anchor)?;
            }
            Event::SequenceStart(_, anchor, _) => tree.open(line, anchor, Part::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => tree.open(line, anchor, Part::map()),
            Event::SequenceEnd | Event::MappingEnd => tree.close()?,
            Event::Alias(anchor) => {
                let known = tree.anchors.get(&anchor).cloned();
                let node = known.ok_or((line, "this alias repeats what it is a part of".into()))?;
                tree.add(node, 0)?;
            }
            Event::DocumentEnd => return Ok(tree.root),
            _ => {}
        }
    }
    Ok(None)
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// A document as far as it was read.
#[derive(Default)]
struct Tree {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
}

/// A list or a map of which not all is read.
struct Open {
    line: usize,
    anchor: usize,
    depth: usize,
    part: Part,
}

enum Part {
    List(Vec<Rc<Node>>),
    Map { entries: Vec<(String, Rc<Node>)>, seen: HashSet<String>, key: Option<String> },
}

impl Part {
    fn map() -> Self {
        Self::Map { entries: Vec::new(), seen: HashSet::new(), key: None }
    }
}

impl Tree {
    fn open(&mut self, line: usize, anchor: usize, part: Part) {
        self.open.push(Open { line, anchor, depth: 0, part });
    }

    fn close(&mut self) -> Result<(), Fault> {
        let Some(Open { line, anchor, depth, part }) = self.open.pop() else { return Ok(()) };
        let value = match part {
            Part::List(items) => Value::List(items),
            Part::Map { entries, .. } => Value::Map(entries),
        };
        let depth = depth + 1;
        if depth > DEPTH_MAX {
            return Err((line, format!("values are nested more than {DEPTH_MAX} deep")));
        }
        self.add(Rc::new(Node { line, value, depth }), anchor)
    }

    /// Puts a whole value where it belongs.
    fn add(&mut self, node: Rc<Node>, anchor: usize) -> Result<(), Fault> {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.depth = open.depth.max(node.depth);
        match &mut open.part {
            Part::List(items) => items.push(node),
            Part::Map { entries, seen, key } => match key.take() {
                Some(name) => entries.push((name, node)),
                None => {
                    let name = match &node.value {
                        Value::Text(text) => text.clone(),
                        Value::Null => "null".to_owned(),
                        _ => return Err((node.line, "a key must be a text".to_owned())),
                    };
                    if !seen.insert(name.clone()) {
                        let name = crate::pages::words::clean(&name, crate::pages::words::NAME);
                        return Err((node.line, format!("the key {name} is here a second time")));
                    }
                    *key = Some(name);
                }
            },
        }
        Ok(())
    }
}
