//! The catalog at every moment, whatever the order in which its changes arrive.

use super::class::Class;
use super::definition::{Definition, Service};
use super::index::Catalog;
use super::reference::{EntityRef, Kind};
use crate::delivery::facts::Merge;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One entity that was defined anew, or taken out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which entity.
    pub entity: EntityRef,
    /// When, Unix seconds.
    pub at: i64,
    /// What it is from then on; `None` where it was taken out.
    pub definition: Option<Definition>,
}

/// What every entity was at every moment.
///
/// **Invariant:** [`History::add`] is commutative and idempotent, so the same changes leave the
/// same history in whatever order and however often they arrive, down to the serialized bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History {
    entities: BTreeMap<EntityRef, BTreeMap<i64, Option<Definition>>>,
}

/// A span of time in which a service had one owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnerPeriod {
    /// Its first second; `None` where nothing is known of the time before.
    pub from: Option<i64>,
    /// The second after its last one; `None` where it lasts.
    pub to: Option<i64>,
    /// The group; `None` where no group owned the service, or the catalog had no such service.
    pub group: Option<EntityRef>,
}

/// A span of time in which a service was of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassPeriod {
    /// Its first second; `None` where nothing is known of the time before. It lasts until the next
    /// period begins.
    pub from: Option<i64>,
    /// What the catalog says of the service.
    pub class: Class,
}

impl History {
    /// Takes in a change. Of two changes of one entity at the same second the one with the greater
    /// definition counts; [`History::changes_to`] makes no such changes.
    pub fn add(&mut self, change: Change) {
        let moments = self.entities.entry(change.entity).or_default();
        moments.entry(change.at).or_default().merge(change.definition);
    }

    /// What has to change for the catalog to become `definitions`, by entity: each definition with
    /// the moment at which it was written, where that is known. Moments are Unix seconds.
    ///
    /// A change counts from when it was written, or else from `now`: also where the moment of
    /// writing is in the future, or not after the last change of the entity. A change never comes
    /// at or before the last one of its entity, though clocks go back.
    #[must_use]
    pub fn changes_to<'a>(
        &self,
        definitions: impl IntoIterator<Item = (&'a Definition, Option<i64>)>,
        now: i64,
    ) -> Vec<Change> {
        let mut wanted: BTreeMap<&EntityRef, Option<(&Definition, Option<i64>)>> =
            self.entities.keys().map(|entity| (entity, None)).collect();
        for (definition, written) in definitions {
            wanted.insert(definition.reference(), Some((definition, written)));
        }
        let mut changes = Vec::new();
        for (entity, told) in wanted {
            let last = self.entities.get(entity).and_then(BTreeMap::last_key_value);
            let definition = told.map(|(definition, _)| definition);
            if last.and_then(|(_, known)| known.as_ref()) == definition {
                continue;
            }
            let first = last.map_or(i64::MIN, |(&at, _)| at.saturating_add(1));
            let written = told.and_then(|(_, written)| written);
            let written = written.filter(|written| (first..=now).contains(written));
            let at = written.unwrap_or(now.max(first));
            changes.push(Change { entity: entity.clone(), at, definition: definition.cloned() });
        }
        changes
    }

    /// The catalog at a moment (Unix seconds). What an entity was before its first definition is
    /// not known: the first one counts.
    #[must_use]
    pub fn at(&self, moment: i64) -> Catalog {
        let definitions = self.entities.keys().filter_map(|entity| self.definition(entity, moment));
        Catalog::of(definitions.cloned())
    }

    /// The catalog as it is by the last change of every entity.
    #[must_use]
    pub fn latest(&self) -> Catalog {
        self.at(i64::MAX)
    }

    /// What an entity was at a moment (Unix seconds); `None` where the catalog did not have it.
    #[must_use]
    pub fn definition(&self, entity: &EntityRef, moment: i64) -> Option<&Definition> {
        let moments = self.entities.get(entity)?;
        // That something was taken out before it was ever defined says nothing.
        let (&first, definition) = moments.iter().find(|(_, definition)| definition.is_some())?;
        if moment <= first {
            return definition.as_ref();
        }
        moments.range(..=moment).next_back().and_then(|(_, definition)| definition.as_ref())
    }

    /// Whether the catalog ever had an entity.
    #[must_use]
    pub fn knows(&self, entity: &EntityRef) -> bool {
        self.entities.contains_key(entity)
    }

    /// The groups at a moment (Unix seconds), and nothing else of the catalog.
    #[must_use]
    pub fn groups_at(&self, moment: i64) -> Catalog {
        let groups = self.entities.keys().filter(|entity| entity.kind() == Kind::Group);
        Catalog::of(groups.filter_map(|entity| self.definition(entity, moment)).cloned())
    }

    /// The moments (Unix seconds) at which a group changed, in order.
    #[must_use]
    pub fn group_moments(&self) -> BTreeSet<i64> {
        let groups = self.entities.iter().filter(|(entity, _)| entity.kind() == Kind::Group);
        groups.flat_map(|(_, moments)| moments.keys()).copied().collect()
    }

    /// The moments (Unix seconds) at which the catalog changed, in order.
    #[must_use]
    pub fn moments(&self) -> BTreeSet<i64> {
        self.entities.values().flat_map(BTreeMap::keys).copied().collect()
    }

    /// Who owned a service when: all of time in order, without a gap, each period with another
    /// group than the one before. Empty for a service that was never defined.
    #[must_use]
    pub fn owner_periods(&self, service: &EntityRef) -> Vec<OwnerPeriod> {
        let mut periods: Vec<OwnerPeriod> = Vec::new();
        let Some(moments) = self.entities.get(service) else { return periods };
        if moments.values().all(Option::is_none) {
            return periods;
        }
        let users = owning_users(moments.values().flatten());
        let listing = self.groups_listing(&users);
        let mut breaks: BTreeSet<i64> = moments.keys().copied().collect();
        for entity in users.iter().chain(&listing) {
            breaks.extend(self.entities.get(*entity).into_iter().flat_map(BTreeMap::keys));
        }
        let starts = std::iter::once(None).chain(breaks.into_iter().map(Some));
        for from in starts {
            let group = self.group_of_service(service, from.unwrap_or(i64::MIN), &listing);
            match periods.last_mut() {
                Some(last) if last.group == group => {}
                last => {
                    if let Some(last) = last {
                        last.to = from;
                    }
                    periods.push(OwnerPeriod { from, to: None, group });
                }
            }
        }
        periods
    }

    /// Which class a service was of when: all of time in order, each period with another class than
    /// the one before. Empty for a service that was never defined.
    ///
    /// What was never said before is not known: the first word on it counts for all of that time.
    /// So a service whose tier is written down today was of that tier all along.
    #[must_use]
    pub fn class_periods(&self, service: &EntityRef) -> Vec<ClassPeriod> {
        let mut periods: Vec<ClassPeriod> = Vec::new();
        let Some(moments) = self.entities.get(service) else { return periods };
        let defined: Vec<Option<&Service>> = moments.values().map(service_of).collect();
        if defined.iter().all(Option::is_none) {
            return periods;
        }
        let architectures = with_first_word(&defined, |it| it.architecture);
        let runtimes = with_first_word(&defined, |it| it.runtime);
        let tiers = with_first_word(&defined, |it| it.tier);
        let said = architectures.zip(runtimes).zip(tiers);
        for (number, (&at, ((architecture, runtime), tier))) in moments.keys().zip(said).enumerate()
        {
            let class = Class { architecture, runtime, tier };
            if periods.last().is_none_or(|last| last.class != class) {
                periods.push(ClassPeriod { from: (number > 0).then_some(at), class });
            }
        }
        periods
    }

    /// The groups that ever listed one of these users as a member, by name.
    fn groups_listing(&self, users: &BTreeSet<&EntityRef>) -> Vec<&EntityRef> {
        if users.is_empty() {
            return Vec::new();
        }
        let lists = |definition: &Definition| match definition {
            Definition::Group(group) => group.members.iter().any(|it| users.contains(it)),
            _ => false,
        };
        let ever =
            |moments: &BTreeMap<_, Option<Definition>>| moments.values().flatten().any(lists);
        self.entities.iter().filter(|(_, moments)| ever(moments)).map(|(group, _)| group).collect()
    }

    /// The group that owned a service at a moment, as [`Catalog::group_of`] tells it; `listing`
    /// are the groups that may list its owner.
    fn group_of_service(
        &self,
        service: &EntityRef,
        moment: i64,
        listing: &[&EntityRef],
    ) -> Option<EntityRef> {
        let Definition::Component(service) = self.definition(service, moment)? else { return None };
        let owner = &service.owner;
        if owner.kind() != Kind::User {
            return Some(owner.clone());
        }
        let named = match self.definition(owner, moment) {
            Some(Definition::User(user)) => user.member_of.first(),
            _ => None,
        };
        let listed = || {
            listing.iter().copied().find(|group| {
                matches!(self.definition(group, moment),
                    Some(Definition::Group(it)) if it.members.contains(owner))
            })
        };
        named.or_else(listed).cloned()
    }
}

fn service_of(definition: &Option<Definition>) -> Option<&Service> {
    match definition {
        Some(Definition::Component(service)) => Some(service),
        _ => None,
    }
}

/// What each definition says, and before the first that says anything, what that one says.
fn with_first_word<T: Copy>(
    definitions: &[Option<&Service>],
    of: impl Fn(&Service) -> Option<T>,
) -> impl Iterator<Item = Option<T>> {
    let said: Vec<Option<T>> = definitions.iter().map(|it| it.and_then(&of)).collect();
    let first = said.iter().position(Option::is_some).unwrap_or(0);
    let word = said.get(first).copied().flatten();
    said.into_iter().enumerate().map(move |(at, said)| if at < first { word } else { said })
}

/// The users who own what is defined.
fn owning_users<'a>(definitions: impl Iterator<Item = &'a Definition>) -> BTreeSet<&'a EntityRef> {
    definitions
        .filter_map(|definition| match definition {
            Definition::Component(service) => Some(&service.owner),
            _ => None,
        })
        .filter(|owner| owner.kind() == Kind::User)
        .collect()
}
