//! What must hold of files of a catalog, whatever they are.

#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped is what fuzzing looks for")]

use super::{change_of, event_of, read_all};
use crate::fuzzing::is_for_people;
use seaway_core::catalog::{Change, Definition};
use seaway_core::paths::Globs;

/// Characters of a problem: some words, and the few texts that it quotes.
const PROBLEM_CHARS_MAX: usize = 1_500;

/// A file of a catalog.
pub fn catalog(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let file = |name: &str| (name.to_owned(), text.to_owned());
    let read = read_all(&[file("a.yaml")]);
    let lines = text.matches(['\n', '\r']).count() + 2;
    let told = match &read {
        Ok(entities) => &entities.notes,
        Err(problems) => problems,
    };
    assert!(told.is_sorted_by_key(|it| (it.line == 0, it.line)) && told.len() <= 1_001);
    for problem in told {
        assert!(problem.line <= lines, "line {} of {lines}", problem.line);
        assert!(is_for_people(&problem.text, PROBLEM_CHARS_MAX), "{}", problem.text);
    }
    let twice = read_all(&[file("a.yaml"), file("b.yaml")]);
    let Ok(entities) = read else {
        assert!(twice.is_err(), "a wrong file stays wrong beside another");
        return;
    };
    assert_eq!(twice.is_ok(), entities.definitions.is_empty(), "nothing is defined twice");
    assert_eq!(entities.definitions.len(), entities.files.len());
    for definition in entities.definitions {
        let entity = definition.reference().clone();
        assert!(definition.is_consistent(), "{definition:?}");
        if let Definition::Component(service) = &definition {
            let globs = Globs::new(&service.paths);
            if globs.matches(b"services/shop/main.rs") {
                assert!(globs.may_match_under(b"services/shop"), "{:?}", service.paths);
            }
        }
        let change = Change { entity, at: 1_795_435_200, definition: Some(definition) };
        let event = event_of(change.clone()).unwrap();
        assert_eq!(change_of(&event), Some(Ok(change)), "from the log");
    }
}
