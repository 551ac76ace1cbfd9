//! Units that were seen lately, so that it can be told whom an edit would move.

use super::registry::lock;
use seaway_core::flags::{Context, Flag};
use seaway_core::time::{DAY, Time};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Units that are remembered of an environment.
const UNITS_MAX: usize = 1_000;
/// Once so many are remembered, one in so many contexts is looked at.
const ONE_IN: u64 = 16;
/// Bytes of a context that is remembered.
pub(super) const CONTEXT_BYTES_MAX: usize = 8 << 10;
/// For how many seconds a unit counts as seen lately.
const LATELY: i64 = 7 * DAY;

/// Units that were seen lately in one environment.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    contexts: AtomicU64,
    units: Mutex<Units>,
}

#[derive(Debug, Default)]
struct Units {
    ring: Vec<(u64, Time, Context)>,
    /// Where a unit stands, by the hash of its key.
    places: HashMap<u64, usize>,
    next: usize,
}

/// What a change of a flag would change for units that were seen lately.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Moves {
    /// Units that were seen lately, as far as they are remembered.
    pub(crate) seen: usize,
    /// How many of them would get another variant.
    pub(crate) moved: usize,
    /// Their share; `None` where none was seen.
    pub(crate) share: Option<f64>,
    /// From which variant to which, the largest first.
    pub(crate) moves: Vec<Move>,
}

/// Units that would go from one variant to another.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Move {
    /// The variant that they have; `None`: the code's own default.
    pub(crate) from: Option<String>,
    /// The variant that they would have; `None`: the code's own default.
    pub(crate) to: Option<String>,
    /// How many.
    pub(crate) units: usize,
}

impl Moves {
    /// Where nobody was seen.
    pub(super) fn nobody() -> Self {
        Self { seen: 0, moved: 0, share: None, moves: Vec::new() }
    }
}

impl Seen {
    /// Remembers a context; costs next to nothing where enough is remembered.
    pub(crate) fn note(&self, context: Context, now: Time) {
        let before = self.contexts.fetch_add(1, Ordering::Relaxed);
        if before >= UNITS_MAX as u64 && !before.is_multiple_of(ONE_IN) {
            return;
        }
        let Some(key) = context.targeting_key() else { return };
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        // Whoever finds it in use passes by: there will be others.
        if let Ok(mut units) = self.units.try_lock() {
            units.add(hasher.finish(), now, context);
        }
    }

    /// What a change would change; either may be no flag.
    pub(crate) fn moves(&self, before: Option<&Flag>, after: Option<&Flag>, now: Time) -> Moves {
        let contexts: Vec<Context> = {
            let units = lock(&self.units);
            let lately = units.ring.iter().filter(|(_, at, _)| now.0 - at.0 < LATELY);
            lately.map(|(_, _, context)| context.clone()).collect()
        };
        let variant = |flag: Option<&Flag>, context: &Context| {
            flag.and_then(|flag| flag.evaluate(context, now).variant.map(str::to_owned))
        };
        let mut moves: BTreeMap<(Option<String>, Option<String>), usize> = BTreeMap::new();
        for context in &contexts {
            let pair = (variant(before, context), variant(after, context));
            if pair.0 != pair.1 {
                *moves.entry(pair).or_default() += 1;
            }
        }
        let (seen, moved) = (contexts.len(), moves.values().sum());
        let mut moves: Vec<Move> =
            moves.into_iter().map(|((from, to), units)| Move { from, to, units }).collect();
        moves.sort_by_key(|it| std::cmp::Reverse(it.units));
        let share = (seen > 0).then(|| moved as f64 / seen as f64);
        Moves { seen, moved, share, moves }
    }
}

impl Units {
    fn add(&mut self, key: u64, now: Time, context: Context) {
        if let Some(&place) = self.places.get(&key) {
            self.ring[place] = (key, now, context);
        } else if self.ring.len() < UNITS_MAX {
            self.places.insert(key, self.ring.len());
            self.ring.push((key, now, context));
        } else {
            let place = self.next;
            self.next = (place + 1) % UNITS_MAX;
            self.places.remove(&self.ring[place].0);
            self.places.insert(key, place);
            self.ring[place] = (key, now, context);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seaway_core::flags::FlagSet;

    fn context(at: usize) -> Context {
        Context::parse(&format!(r#"{{"targetingKey":"u{at}"}}"#)).unwrap()
    }

    #[test]
    fn each_unit_counts_once_and_the_oldest_are_forgotten() {
        let seen = Seen::default();
        let flag = |text: &str| FlagSet::new(1_000).compile("k", text.as_bytes()).unwrap();
        let before = flag(r#"{"state":"ENABLED","variants":{"a":1,"b":2},"defaultVariant":"a"}"#);
        let after = flag(
            r#"{"state":"ENABLED","variants":{"a":1,"b":2},"defaultVariant":"a",
               "targeting":{"if":[{"ends_with":[{"var":"targetingKey"},"7"]},"b",null]}}"#,
        );
        let moves = |now| seen.moves(Some(&before), Some(&after), Time(now));
        assert_eq!(moves(0), Moves { seen: 0, moved: 0, share: None, moves: Vec::new() });
        for _ in 0..2 {
            (0..100).for_each(|at| seen.note(context(at), Time(0)));
        }
        let some = moves(1);
        assert_eq!((some.seen, some.moved, some.share), (100, 10, Some(0.1)));
        let (from, to) = (Some("a".to_owned()), Some("b".to_owned()));
        assert_eq!(some.moves, [Move { from, to, units: 10 }]);
        assert_eq!(moves(LATELY).seen, 0);
        (0..50_000).for_each(|at| seen.note(context(at), Time(0)));
        assert_eq!(moves(1).seen, UNITS_MAX);
    }
}
