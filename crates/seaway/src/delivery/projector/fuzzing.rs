//! What must hold of stored knowledge and of the views made of it, whatever it says.

#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped is what fuzzing looks for")]

use super::knowledge::{self, Known};
use super::settle::merge_chunks;
use seaway_core::delivery::derive::{INCIDENT_WINDOW_SECONDS, ServiceSpec, derive};
use seaway_core::delivery::facts::{Entity, Merge};
use seaway_core::delivery::summary::{DaySummary, Days, day_summaries};
use seaway_core::delivery::view::ServiceView;
use std::sync::LazyLock;

/// Its table takes some milliseconds to make.
static DAYS: LazyLock<Days> = LazyLock::new(|| Days::new(jiff::tz::TimeZone::UTC));

/// Chunks of knowledge, one a line.
pub fn knowledge(data: &[u8]) {
    let chunks = data.split(|&byte| byte == b'\n').filter_map(|it| knowledge::decode(it).ok());
    let pieces: Vec<Entity> = chunks.flatten().filter_map(as_told).collect();
    let mut known = Known::new();
    knowledge::take_in(&mut known, pieces.iter().cloned());
    let mut backwards = Known::new();
    knowledge::take_in(&mut backwards, pieces.iter().rev().cloned());
    assert_eq!(known, backwards, "in another order");
    knowledge::take_in(&mut backwards, pieces.iter().cloned());
    assert_eq!(known, backwards, "taken in twice");
    let chunk = knowledge::encode(&known).unwrap();
    assert_eq!(merge_chunks(&[chunk.clone(), chunk]).unwrap(), known, "stored");

    let whole = view(known.values());
    assert_eq!(whole, view(pieces.iter().rev()), "in pieces");
    let json = serde_json::to_string(&whole).unwrap();
    // The lives of commits are no rows.
    let rows = ServiceView { commits: Vec::new(), ..whole.clone() };
    assert_eq!(serde_json::from_str::<ServiceView>(&json).unwrap(), rows, "as rows");
    for summary in day_summaries(&whole, &DAYS).values() {
        assert_eq!(DaySummary::decode(&summary.encode()).as_ref(), Some(summary));
    }
}

/// An entity within the bounds that whoever makes facts keeps to: lists that are cut, and names
/// without line ends.
fn as_told(entity: Entity) -> Option<Entity> {
    let line_ends = usize::from(matches!(entity, Entity::Deployment(_)));
    if entity.key().matches('\n').count() > line_ends {
        return None;
    }
    let mut cut = entity.clone();
    cut.merge(entity);
    Some(cut)
}

fn view<'a>(entities: impl Iterator<Item = &'a Entity>) -> ServiceView {
    let spec = ServiceSpec {
        name: "shop",
        incident_window_seconds: INCIDENT_WINDOW_SECONDS,
        ..ServiceSpec::default()
    };
    derive(&spec, &entities.collect::<Vec<_>>())
}
