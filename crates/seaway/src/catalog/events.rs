//! Changes of the catalog on the ledger, so that a rebuild knows who owned what when.

use crate::ledger::Event;
use seaway_core::catalog::{Change, Definition, EntityRef};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Who tells such events.
const SOURCE: &str = "seaway/catalog";
/// What kind of events they are.
const KIND: &str = "dev.seaway.catalog.entity";

/// The data of an event.
#[derive(Serialize, Deserialize)]
struct Data {
    entity: EntityRef,
    /// Whether the entity was taken out; there is no definition then.
    #[serde(default)]
    removed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    definition: Option<Definition>,
}

/// The event that keeps a change. Equal changes make equal events, so that one that is told again
/// is on the ledger once.
///
/// # Errors
/// When the change cannot be written as JSON.
pub(crate) fn event_of(change: Change) -> Result<Event, serde_json::Error> {
    let Change { entity, at, definition } = change;
    let subject = entity.to_string();
    let data = Data { entity, removed: definition.is_none(), definition };
    let data = serde_json::to_vec(&data)?;
    let mut hash = Sha256::new();
    hash.update(subject.as_bytes());
    hash.update([0]);
    hash.update(at.to_be_bytes());
    hash.update(&data);
    let id = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Event {
        source: SOURCE.to_owned(),
        id,
        kind: KIND.to_owned(),
        subject: Some(subject),
        time: Some(at.saturating_mul(1_000_000)),
        content_type: "application/json".to_owned(),
        extensions: BTreeMap::new(),
        data: data.into(),
    })
}

/// The change that an event keeps; `None` for events that are none of the catalog's.
///
/// # Errors
/// Why it cannot be understood, for people.
pub(crate) fn change_of(event: &Event) -> Option<Result<Change, String>> {
    (event.source == SOURCE && event.kind == KIND).then(|| understand(event))
}

fn understand(event: &Event) -> Result<Change, String> {
    let data: Data = serde_json::from_slice(&event.data)
        .map_err(|error| format!("the data is no change of the catalog: {error}"))?;
    let Data { entity, removed, definition } = data;
    let Some(time) = event.time else { return Err("the event has no time".to_owned()) };
    if removed != definition.is_none() {
        return Err("an entity either has a definition or is removed".to_owned());
    }
    let fits = |it: &Definition| *it.reference() == entity && it.is_consistent();
    if !definition.as_ref().is_none_or(fits) {
        return Err(format!("the definition is not one of {entity}"));
    }
    Ok(Change { entity, at: time.div_euclid(1_000_000), definition })
}
