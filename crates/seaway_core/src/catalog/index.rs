//! The catalog at one moment, and finding things in it.

use super::definition::{Definition, Group, Service, System, User};
use super::finding::{Finding, FindingKind};
use super::nesting;
use super::reference::{DEFAULT_NAMESPACE, EntityRef, Kind};
use crate::delivery::facts::repository_name;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// All entities at one moment.
///
/// Whatever does not fit together is mended in a way that is always the same, and told by
/// [`Catalog::findings`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalog {
    services: BTreeMap<EntityRef, Service>,
    groups: BTreeMap<EntityRef, Group>,
    systems: BTreeMap<EntityRef, System>,
    /// The group of each user that is in one.
    users: BTreeMap<EntityRef, Option<EntityRef>>,
    parents: BTreeMap<EntityRef, EntityRef>,
    children: BTreeMap<EntityRef, Vec<EntityRef>>,
    owned: BTreeMap<EntityRef, Vec<EntityRef>>,
    by_repository: HashMap<String, Vec<EntityRef>>,
    by_name: HashMap<String, Claims>,
    findings: Vec<Finding>,
}

/// What a name in a source means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named<'a> {
    /// This service.
    One(&'a Service),
    /// No service of the catalog.
    Unknown,
    /// Any of these; it cannot be told which.
    Ambiguous(Vec<&'a EntityRef>),
}

/// Who is called by a name. What a service claims by `seaway.dev/service` counts before the names
/// that services happen to have.
#[derive(Debug, Clone, Default, PartialEq)]
struct Claims {
    aliases: BTreeSet<EntityRef>,
    names: BTreeSet<EntityRef>,
}

impl Claims {
    fn meant(&self) -> &BTreeSet<EntityRef> {
        if self.aliases.is_empty() { &self.names } else { &self.aliases }
    }
}

impl Catalog {
    /// The catalog of these entities. Of several definitions of one entity the last one counts.
    #[must_use]
    pub fn of(definitions: impl IntoIterator<Item = Definition>) -> Self {
        let mut catalog = Self::default();
        let mut users: BTreeMap<EntityRef, User> = BTreeMap::new();
        for definition in definitions {
            let entity = definition.reference().clone();
            match definition {
                Definition::Component(it) => drop(catalog.services.insert(entity, it)),
                Definition::Group(it) => drop(catalog.groups.insert(entity, it)),
                Definition::System(it) => drop(catalog.systems.insert(entity, it)),
                Definition::User(it) => drop(users.insert(entity, it)),
            }
        }
        (catalog.parents, catalog.findings) = nesting::parents(&catalog.groups);
        for (child, parent) in &catalog.parents {
            catalog.children.entry(parent.clone()).or_default().push(child.clone());
        }
        catalog.place_users(users);
        catalog.index_services();
        catalog.check_services();
        catalog.findings.sort_unstable();
        catalog.findings.dedup();
        catalog
    }

    fn place_users(&mut self, users: BTreeMap<EntityRef, User>) {
        let mut listed: BTreeMap<&EntityRef, &EntityRef> = BTreeMap::new();
        for (group, definition) in &self.groups {
            for member in &definition.members {
                listed.entry(member).or_insert(group);
            }
        }
        let mut placed: BTreeMap<EntityRef, Option<EntityRef>> =
            listed.iter().map(|(&user, &group)| (user.clone(), Some(group.clone()))).collect();
        for (entity, user) in users {
            let group = user.member_of.first().or_else(|| listed.get(&entity).copied()).cloned();
            placed.insert(entity, group);
        }
        self.users = placed;
    }

    fn index_services(&mut self) {
        for (entity, service) in &self.services {
            for repository in &service.repositories {
                self.by_repository.entry(repository.clone()).or_default().push(entity.clone());
            }
            for alias in &service.aliases {
                let claims = self.by_name.entry(alias.to_lowercase()).or_default();
                claims.aliases.insert(entity.clone());
            }
            let names = self.by_name.entry(entity.name().to_owned()).or_default();
            names.names.insert(entity.clone());
        }
        for (entity, service) in &self.services {
            if let Some(group) = self.group_of_owner(&service.owner) {
                self.owned.entry(group.clone()).or_default().push(entity.clone());
            }
        }
    }

    fn check_services(&mut self) {
        let mut found = Vec::new();
        let mut find = |kind, subject: &EntityRef, about: String| {
            found.push(Finding { kind, subject: subject.clone(), about });
        };
        for (entity, service) in &self.services {
            let owner = &service.owner;
            let known = match owner.kind() {
                Kind::User => self.users.contains_key(owner),
                _ => self.groups.contains_key(owner),
            };
            if !known {
                find(FindingKind::UnknownOwner, entity, owner.to_string());
            } else if self.group_of_owner(owner).is_none() {
                find(FindingKind::OwnerWithoutGroup, entity, owner.to_string());
            }
            if let Some(system) =
                service.system.as_ref().filter(|it| !self.systems.contains_key(it))
            {
                find(FindingKind::UnknownSystem, entity, system.to_string());
            }
        }
        for (name, claims) in &self.by_name {
            if claims.meant().len() > 1 {
                claims.meant().iter().for_each(|entity| {
                    find(FindingKind::AmbiguousName, entity, name.clone());
                });
            }
            if !claims.aliases.is_empty() {
                claims.names.difference(&claims.aliases).for_each(|entity| {
                    find(FindingKind::HiddenName, entity, name.clone());
                });
            }
        }
        self.findings.append(&mut found);
    }

    /// All services, by name.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// All groups, by name.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    /// All systems, by name.
    pub fn systems(&self) -> impl Iterator<Item = &System> {
        self.systems.values()
    }

    /// A service.
    #[must_use]
    pub fn service(&self, service: &EntityRef) -> Option<&Service> {
        self.services.get(service)
    }

    /// A group.
    #[must_use]
    pub fn group(&self, group: &EntityRef) -> Option<&Group> {
        self.groups.get(group)
    }

    /// What does not fit together, sorted.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The group that owns a service: its owner, or the first group of the user who owns it. A
    /// group that no file defines is an owner too. `None` where no group does.
    #[must_use]
    pub fn group_of<'a>(&'a self, service: &'a Service) -> Option<&'a EntityRef> {
        self.group_of_owner(&service.owner)
    }

    fn group_of_owner<'a>(&'a self, owner: &'a EntityRef) -> Option<&'a EntityRef> {
        match owner.kind() {
            Kind::User => self.users.get(owner)?.as_ref(),
            _ => Some(owner),
        }
    }

    /// The groups that a group is in, from its parent to the organization.
    pub fn ancestors<'a>(&'a self, group: &EntityRef) -> impl Iterator<Item = &'a EntityRef> {
        std::iter::successors(self.parents.get(group), |group| self.parents.get(*group))
    }

    /// The groups directly in a group, by name.
    #[must_use]
    pub fn children(&self, group: &EntityRef) -> &[EntityRef] {
        self.children.get(group).map_or(&[], Vec::as_slice)
    }

    /// The groups that are in no other: the organization. More than one where groups are not all
    /// in one tree.
    pub fn roots(&self) -> impl Iterator<Item = &Group> {
        self.groups.values().filter(|group| !self.parents.contains_key(&group.entity))
    }

    /// The services that a group owns itself, by name.
    pub fn services_of_group<'a>(
        &'a self,
        group: &EntityRef,
    ) -> impl Iterator<Item = &'a Service> + use<'a> {
        let owned = self.owned.get(group).map_or(&[][..], Vec::as_slice);
        owned.iter().filter_map(|service| self.services.get(service))
    }

    /// The services that a group and all groups in it own, each once.
    #[must_use]
    pub fn services_under(&self, group: &EntityRef) -> Vec<&Service> {
        let mut found = Vec::new();
        let mut groups = vec![group];
        while let Some(group) = groups.pop() {
            found.extend(self.services_of_group(group));
            groups.extend(self.children(group).iter().rev());
        }
        found
    }

    /// The services that are built from a repository, by any of its URLs; by name.
    pub fn services_of_repository<'a>(
        &'a self,
        repository: &str,
    ) -> impl Iterator<Item = &'a Service> + use<'a> {
        let found = self.by_repository.get(&repository_name(repository));
        let entities = found.map_or(&[][..], Vec::as_slice);
        entities.iter().filter_map(|entity| self.services.get(entity))
    }

    /// The service that a source means by a name: `component:default/shop`, `default/shop`,
    /// `component:shop`, or what `seaway.dev/service` says, or else `shop` in any namespace. Case
    /// does not count.
    #[must_use]
    pub fn service_named(&self, name: &str) -> Named<'_> {
        let name = name.trim();
        if name.contains([':', '/'])
            && let Ok(entity) = EntityRef::parse(name, Kind::Component, DEFAULT_NAMESPACE)
            && let Some(service) = self.services.get(&entity)
        {
            return Named::One(service);
        }
        let Some(claims) = self.by_name.get(&name.to_lowercase()) else { return Named::Unknown };
        let meant = claims.meant();
        match meant.first().and_then(|entity| self.services.get(entity)) {
            Some(service) if meant.len() == 1 => Named::One(service),
            Some(_) => Named::Ambiguous(meant.iter().collect()),
            None => Named::Unknown,
        }
    }
}
