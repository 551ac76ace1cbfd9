//! Small catalogs for tests.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn reference(kind: Kind, name: &str) -> EntityRef {
    EntityRef::parse(name, kind, DEFAULT_NAMESPACE).unwrap()
}

pub(super) fn service(name: &str, owner: &str) -> Service {
    Service {
        entity: reference(Kind::Component, name),
        name: name.to_owned(),
        title: None,
        description: None,
        owner: reference(Kind::Group, owner),
        system: None,
        lifecycle: None,
        form: None,
        repositories: BTreeSet::new(),
        paths: Vec::new(),
        environments: BTreeSet::new(),
        aliases: BTreeSet::new(),
        architecture: None,
        runtime: None,
        tier: None,
        traits: BTreeMap::new(),
    }
}

pub(super) fn group(name: &str, parent: Option<&str>, children: &[&str]) -> Group {
    Group {
        entity: reference(Kind::Group, name),
        name: name.to_owned(),
        title: None,
        description: None,
        form: None,
        parent: parent.map(|parent| reference(Kind::Group, parent)),
        children: children.iter().map(|child| reference(Kind::Group, child)).collect(),
        members: BTreeSet::new(),
    }
}

pub(super) fn user(name: &str, groups: &[&str]) -> User {
    User {
        entity: reference(Kind::User, name),
        member_of: groups.iter().map(|group| reference(Kind::Group, group)).collect(),
    }
}
