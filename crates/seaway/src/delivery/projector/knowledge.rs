//! What is known of each scope: its entities, each with all facts merged.
//!
//! Knowledge is stored as *chunks*: what some events added to a scope. As merging is commutative,
//! associative and idempotent, the chunks of a scope merged in any order are all that is known of
//! it, and adding to it never needs to read it.

use seaway_core::delivery::facts::{Entity, Merge};
use std::collections::{BTreeMap, HashMap};

/// The entities of one scope, by key.
pub(super) type Known = BTreeMap<String, Entity>;

/// Takes in entities.
pub(super) fn take_in(known: &mut Known, entities: impl IntoIterator<Item = Entity>) {
    for entity in entities {
        let key = entity.key();
        match known.get_mut(&key) {
            Some(there) => there.merge(entity),
            None => drop(known.insert(key, entity)),
        }
    }
}

/// A chunk as it is stored.
pub(super) fn encode(known: &Known) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&known.values().collect::<Vec<_>>())
}

/// A chunk as it was stored.
pub(super) fn decode(chunk: &[u8]) -> Result<Vec<Entity>, serde_json::Error> {
    serde_json::from_slice(chunk)
}

/// Knowledge of scopes that were used lately, so that it is not read again and again.
#[derive(Debug, Default)]
pub(super) struct Cache {
    scopes: HashMap<String, Kept>,
    /// Entities of all scopes together.
    entities: usize,
    /// Counts uses, to tell which scope was not used for long.
    uses: u64,
}

#[derive(Debug)]
struct Kept {
    known: Known,
    used: u64,
    /// The service whose sealed past is left out of it, if any is.
    left_out_for: Option<String>,
}

impl Cache {
    /// What is known of a scope, if it is kept.
    pub(super) fn get(&mut self, scope: &str) -> Option<&Known> {
        self.uses += 1;
        let kept = self.scopes.get_mut(scope)?;
        kept.used = self.uses;
        Some(&kept.known)
    }

    /// The same, without counting as a use.
    pub(super) fn peek(&self, scope: &str) -> Option<&Known> {
        self.scopes.get(scope).map(|kept| &kept.known)
    }

    /// Keeps what is known of a scope.
    pub(super) fn put(&mut self, scope: String, known: Known) {
        self.uses += 1;
        self.entities += known.len();
        let kept = Kept { known, used: self.uses, left_out_for: None };
        if let Some(before) = self.scopes.insert(scope, kept) {
            self.entities -= before.known.len();
        }
    }

    /// Adds to what is known of a scope, if it is kept.
    pub(super) fn add(&mut self, scope: &str, more: Known) {
        let Some(kept) = self.scopes.get_mut(scope) else { return };
        let before = kept.known.len();
        take_in(&mut kept.known, more.into_values());
        self.entities += kept.known.len() - before;
    }

    /// The service whose sealed past is left out of what is kept of a scope.
    pub(super) fn left_out_for(&self, scope: &str) -> Option<&str> {
        self.scopes.get(scope)?.left_out_for.as_deref()
    }

    /// Leaves out the sealed past of a service: of the entities, one after the other, those for
    /// which `is_sealed` says so.
    pub(super) fn leave_out(
        &mut self,
        scope: &str,
        service: &str,
        mut is_sealed: impl Iterator<Item = bool>,
    ) {
        let Some(kept) = self.scopes.get_mut(scope) else { return };
        let before = kept.known.len();
        kept.known.retain(|_, _| !is_sealed.next().unwrap_or(false));
        kept.left_out_for = Some(service.to_owned());
        self.entities -= before - kept.known.len();
    }

    /// Lets go of a scope.
    pub(super) fn remove(&mut self, scope: &str) {
        if let Some(kept) = self.scopes.remove(scope) {
            self.entities -= kept.known.len();
        }
    }

    /// Lets go of what was not used for longest, until what is left fits.
    pub(super) fn trim(&mut self, entities_max: usize) {
        if self.entities <= entities_max {
            return;
        }
        let mut scopes: Vec<(u64, usize)> =
            self.scopes.values().map(|kept| (kept.used, kept.known.len())).collect();
        scopes.sort_unstable();
        let mut oldest_kept = 0;
        for (used, entities) in scopes {
            if self.entities <= entities_max / 2 {
                break;
            }
            self.entities -= entities;
            oldest_kept = used + 1;
        }
        self.scopes.retain(|_, kept| kept.used >= oldest_kept);
    }

    /// Lets go of everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
