//! Who is under observation at which age: the sweep that the survival statistics share.

/// The part of one life that was seen, in whole seconds of age.
///
/// A life is under observation, and so at risk of its event, at the ages after `entry` and up to
/// and including `time`. An `entry` of 0 means *from birth*: then it is at risk at age 0 too, and
/// an event at age 0 counts like any other.
///
/// An observation that covers no age at all says nothing and is left out: one with a negative
/// `entry` or `time`, or with an `entry` after birth that is not before `time`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// The age after which the life was under observation; 0: from birth.
    pub entry: i64,
    /// The age at which observation ended.
    pub time: i64,
    /// Whether it ended with the event (`true`) or before it (`false`, right-censored).
    pub event: bool,
}

impl Observation {
    /// Whether the observation covers any age; if not, it is left out everywhere.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.entry >= 0 && self.time >= 0 && (self.entry == 0 || self.entry < self.time)
    }
}

/// An age at which some observation ended, with counts by group.
pub(super) struct Moment<'a> {
    /// The age in seconds.
    pub(super) time: i64,
    /// Lives under observation at this age, those that end at it included.
    pub(super) at_risk: &'a [usize],
    /// Events at this age.
    pub(super) events: &'a [usize],
    /// Lives that left observation at this age without their event.
    pub(super) censored: &'a [usize],
}

struct Exit {
    time: i64,
    group: usize,
    event: bool,
}

/// Visits, in ascending order, every age at which the observation of some life ended.
///
/// Counts hold one place for each group. Those censored at an age are at risk of its events, which
/// is what "events come before censorings" means. The cost is that of sorting.
pub(super) fn sweep(groups: &[&[Observation]], mut visit: impl FnMut(&Moment<'_>)) {
    let mut at_risk = vec![0; groups.len()];
    let mut entries = Vec::new();
    let mut exits = Vec::with_capacity(groups.iter().map(|group| group.len()).sum());
    for (group, observations) in groups.iter().enumerate() {
        for seen in observations.iter().filter(|seen| seen.is_usable()) {
            match seen.entry {
                0 => at_risk[group] += 1,
                entry => entries.push((entry, group)),
            }
            exits.push(Exit { time: seen.time, group, event: seen.event });
        }
    }
    entries.sort_unstable();
    exits.sort_unstable_by_key(|exit| exit.time);

    let mut entries = entries.into_iter().peekable();
    let (mut events, mut censored) = (vec![0; groups.len()], vec![0; groups.len()]);
    for ends in exits.chunk_by(|a, b| a.time == b.time) {
        let time = ends[0].time;
        while let Some((_, group)) = entries.next_if(|&(entry, _)| entry < time) {
            at_risk[group] += 1;
        }
        events.fill(0);
        censored.fill(0);
        for end in ends {
            let counts = if end.event { &mut events } else { &mut censored };
            counts[end.group] += 1;
        }
        visit(&Moment { time, at_risk: &at_risk, events: &events, censored: &censored });
        for (group, at_risk) in at_risk.iter_mut().enumerate() {
            *at_risk -= events[group] + censored[group];
        }
    }
}
