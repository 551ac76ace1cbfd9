//! What this process wrote last, kept in memory for the one who follows the log: reading it back
//! from the database takes several times as long as to hand it on.

use super::event::Recorded;
use super::read::Stretch;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of events that are kept. Older ones are read from the database.
const BYTES_MAX: usize = 64 << 20;

/// The newest events, in an unbroken row. Nothing is kept before somebody has asked for some.
#[derive(Debug, Default)]
pub(super) struct Fresh(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    groups: VecDeque<Group>,
    bytes: usize,
    is_wanted: bool,
}

/// What was written in one transaction.
#[derive(Debug)]
struct Group {
    /// The first and the last position that the transaction took; the log has no other events there.
    first: i64,
    last: i64,
    events: Vec<Recorded>,
    bytes: usize,
}

impl Fresh {
    /// Whether there is somebody to keep events for.
    pub(super) fn is_wanted(&self) -> bool {
        self.kept().is_wanted
    }

    /// Keeps what a transaction has written: all events from its first position to its last, which
    /// take about so many bytes.
    pub(super) fn keep(&self, [first, last]: [i64; 2], mut events: Vec<Recorded>, bytes: usize) {
        put_together(&mut events);
        let mut kept = self.kept();
        if kept.groups.back().is_some_and(|group| group.last + 1 != first) {
            // Another server has written in between, or what was written is not known.
            *kept = Kept { is_wanted: kept.is_wanted, ..Kept::default() };
        }
        kept.bytes += bytes;
        kept.groups.push_back(Group { first, last, events, bytes });
        while kept.bytes > BYTES_MAX {
            kept.drop_first();
        }
    }

    /// Takes what comes after a position, as [`super::Ledger::read_after`] reads it. `None` if it is
    /// not here.
    pub(super) fn take_after(
        &self,
        position: i64,
        events_max: u32,
        bytes_max: usize,
    ) -> Option<Stretch> {
        let mut kept = self.kept();
        kept.is_wanted = true;
        while kept.groups.front().is_some_and(|group| group.last <= position) {
            kept.drop_first();
        }
        let mut stretch = Stretch { up_to: position, ..Stretch::default() };
        let mut bytes = 0;
        while let Some(group) = kept.groups.front()
            && group.first <= stretch.up_to + 1
            && (stretch.events.is_empty()
                || stretch.events.len() + group.events.len() <= events_max as usize
                    && bytes + group.bytes <= bytes_max)
        {
            bytes += group.bytes;
            stretch.up_to = group.last;
            stretch.events.extend(kept.drop_first());
        }
        stretch.events.retain(|recorded| recorded.position > position);
        (stretch.up_to > position).then_some(stretch)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics while it is held, and what is kept is right after every line.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn drop_first(&mut self) -> Vec<Recorded> {
        let Some(group) = self.groups.pop_front() else { return Vec::new() };
        self.bytes -= group.bytes;
        group.events
    }
}

/// Copies the data of events into memory of their own: they may be small parts of great requests.
fn put_together(events: &mut [Recorded]) {
    let mut all = Vec::with_capacity(events.iter().map(|it| it.event.data.len()).sum());
    events.iter().for_each(|it| all.extend_from_slice(&it.event.data));
    let mut all = Bytes::from(all);
    for Recorded { event, .. } in events {
        event.data = all.split_to(event.data.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::event;

    fn group(positions: std::ops::RangeInclusive<i64>) -> Vec<Recorded> {
        let recorded =
            |position: i64| Recorded { position, received_at: 0, event: event(position) };
        positions.map(recorded).collect()
    }

    fn taken(fresh: &Fresh, after: i64, max: u32) -> Option<(Vec<i64>, i64)> {
        let stretch = fresh.take_after(after, max, usize::MAX)?;
        Some((stretch.events.iter().map(|it| it.position).collect(), stretch.up_to))
    }

    #[test]
    fn what_is_at_hand_is_taken_once_and_in_order() {
        let fresh = Fresh::default();
        assert!(!fresh.is_wanted());
        assert_eq!(taken(&fresh, 0, 10), None);
        assert!(fresh.is_wanted());
        fresh.keep([1, 3], group(1..=3), 1 << 20);
        fresh.keep([4, 5], group(4..=5), 1 << 20);
        assert_eq!(taken(&fresh, 0, 4), Some((vec![1, 2, 3], 3)));
        assert_eq!(
            taken(&fresh, 0, 4),
            None,
            "it is gone, and there is a hole before what is left"
        );
        assert_eq!(taken(&fresh, 4, 4), Some((vec![5], 5)));
        assert_eq!(taken(&fresh, 5, 4), None);
    }

    #[test]
    fn a_group_is_taken_though_it_is_too_great() {
        let fresh = Fresh::default();
        assert_eq!(taken(&fresh, 0, 1), None);
        fresh.keep([1, 9], group(1..=9), 1 << 20);
        assert_eq!(taken(&fresh, 0, 2).map(|(events, _)| events.len()), Some(9));
    }

    #[test]
    fn positions_without_events_at_the_end_are_passed() {
        let fresh = Fresh::default();
        assert_eq!(taken(&fresh, 0, 1), None);
        fresh.keep([1, 9], group(2..=3), 1 << 20);
        assert_eq!(taken(&fresh, 0, 100), Some((vec![2, 3], 9)));
    }

    #[test]
    fn nothing_is_kept_from_before_a_hole() {
        let fresh = Fresh::default();
        assert_eq!(taken(&fresh, 0, 10), None);
        fresh.keep([1, 3], group(1..=3), 1 << 20);
        fresh.keep([5, 6], group(5..=6), 1 << 20);
        assert_eq!(taken(&fresh, 0, 10), None, "position 4 is another's");
        assert_eq!(taken(&fresh, 4, 10), Some((vec![5, 6], 6)));
    }

    #[test]
    fn memory_is_bounded() {
        let fresh = Fresh::default();
        assert_eq!(taken(&fresh, 0, 10), None);
        for position in 1..=200 {
            let mut some = group(position..=position);
            some[0].event.data = vec![b'x'; 1 << 20].into();
            fresh.keep([position, position], some, 1 << 20);
        }
        assert!(fresh.kept().bytes <= BYTES_MAX);
        assert_eq!(taken(&fresh, 0, 10), None);
        let (events, _) = taken(&fresh, 199, 10).unwrap();
        assert_eq!(events, [200]);
    }
}
