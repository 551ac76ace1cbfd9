//! Events of kinds that nobody here knows, read back from the log, newest first.
//!
//! The log has no index by kind: it would cost every event that arrives. So a reader looks through
//! so many places of the log at a time, and is told how far it came.

use crate::app::App;
use crate::ledger::Recorded;
use crate::problem::Problem;
use std::collections::BTreeSet;

/// Places of the log that one request looks through, and that are read at once.
const PLACES_MAX: i64 = 20_000;
const PLACES: u32 = 2_000;
/// About how many bytes of events are read at once.
const BYTES: usize = 8 << 20;

/// Some events of unknown kinds.
#[derive(Debug, Default)]
pub(in crate::delivery) struct Unknown {
    /// The newest first.
    pub(in crate::delivery) events: Vec<Recorded>,
    /// All places from this one on were looked through, up to where the reader began.
    pub(in crate::delivery) from: i64,
    /// Where to go on; `None` if the log has no more of them.
    pub(in crate::delivery) next: Option<i64>,
}

impl Unknown {
    /// Events of some kinds before a place of the log, at most so many, out of the places that one
    /// request looks through.
    pub(in crate::delivery) async fn before(
        app: &App,
        kinds: &BTreeSet<String>,
        before: i64,
        limit: usize,
    ) -> Result<Self, Problem> {
        let mut found = Self { from: before, ..Self::default() };
        let least = before.saturating_sub(PLACES_MAX).max(1);
        if kinds.is_empty() {
            return Ok(Self { from: 1, ..found });
        }
        while found.from > least && found.events.len() <= limit {
            let from = found.from.saturating_sub(i64::from(PLACES)).max(least);
            let mut some = between(app, from, found.from).await?;
            some.retain(|it| kinds.contains(&it.event.kind));
            found.events.extend(some.into_iter().rev());
            found.from = from;
        }
        let is_full = found.events.len() > limit;
        found.events.truncate(limit);
        found.next = match (is_full, found.events.last()) {
            (true, Some(last)) => Some(last.position),
            _ => (found.from > 1).then_some(found.from),
        };
        if let (true, Some(next)) = (is_full, found.next) {
            found.from = next;
        }
        Ok(found)
    }
}

/// The events from one place of the log up to before another.
async fn between(app: &App, from: i64, end: i64) -> Result<Vec<Recorded>, Problem> {
    let (mut events, mut at) = (Vec::new(), from - 1);
    while at < end - 1 {
        let stretch = app.ledger.read_after(at, PLACES, BYTES).await.map_err(|error| {
            tracing::error!(%error, "the log cannot be read");
            Problem::failed("the log cannot be read now").hint("seaway check tells more")
        })?;
        events.extend(stretch.events.into_iter().filter(|it| it.position < end));
        if stretch.up_to <= at {
            break;
        }
        at = stretch.up_to;
    }
    Ok(events)
}
