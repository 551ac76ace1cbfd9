//! What is known of one flag in one environment: who has seen which variant, and when first.

use super::metric::Metric;
use super::table::{Record, Table};
use super::watch::Watching;
use crate::flags::exposures::batch::{ExposureGroup, HOUR_SECONDS, Placed, Series};
use crate::flags::exposures::codec::{u32_at, u64_at};
use std::collections::VecDeque;

/// Variants of a flag that are told apart. No definition has that many, whoever sends them.
pub(crate) const VARIANTS_MAX: usize = 100;
/// Hours that are counted by themselves, back from the newest one: two weeks.
pub(super) const HOURS_KEPT: u32 = 14 * 24;

/// That a unit has seen a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exposed {
    pub(super) unit: u64,
    /// Where the unit falls: `seaway_core::flags::position`.
    pub(super) position: u32,
    /// When first, seconds since 1970.
    pub(super) first: u32,
    /// When first within the window.
    pub(super) first_in_window: u32,
    /// The newest window in which it has seen the variant: its number among those of the flag,
    /// from 1; 0 for none.
    pub(super) window: u16,
    pub(super) variant: u16,
}

impl Record for Exposed {
    const BYTES: usize = 24;

    fn unit(&self) -> u64 {
        self.unit
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.unit.to_le_bytes());
        for number in [self.position, self.first, self.first_in_window] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.window.to_le_bytes());
        bytes.extend_from_slice(&self.variant.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        let last = u32_at(bytes, 20);
        Self {
            unit: u64_at(bytes, 0),
            position: u32_at(bytes, 8),
            first: u32_at(bytes, 12),
            first_in_window: u32_at(bytes, 16),
            window: last as u16,
            variant: (last >> 16) as u16,
        }
    }
}

/// Exposures of an hour, or of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Count {
    /// Units that saw the variant for the first time.
    pub(crate) units: u64,
    /// All exposures that came in.
    pub(crate) received: u64,
}

/// An hour of a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hour {
    pub(super) hour: u32,
    /// Fits, as no more are kept.
    pub(super) units: u32,
    pub(super) received: u64,
}

/// When exposures were, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Unix milliseconds.
    pub(crate) first: i64,
    /// Unix milliseconds.
    pub(crate) last: i64,
    pub(crate) received: u64,
}

impl Span {
    pub(super) fn merge(into: &mut Option<Self>, other: Self) {
        *into = Some(match *into {
            None => other,
            Some(it) => Self {
                first: it.first.min(other.first),
                last: it.last.max(other.last),
                received: it.received.saturating_add(other.received),
            },
        });
    }
}

/// A variant as it was seen.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Variant {
    pub(super) name: Box<str>,
    /// By [`super::Audience::index`].
    pub(super) audiences: [Option<Span>; 4],
    /// In order, and none before [`HOURS_KEPT`].
    pub(super) hours: VecDeque<Hour>,
    /// What was before these.
    pub(super) before: Count,
}

impl Variant {
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    fn add(&mut self, hour: u32, kept_from: u32, units: i64, received: u64) {
        if hour < kept_from {
            self.before.units = self.before.units.saturating_add_signed(units);
            self.before.received = self.before.received.saturating_add(received);
            return;
        }
        let at = match self.hours.binary_search_by_key(&hour, |it| it.hour) {
            Ok(at) => at,
            Err(at) => {
                self.hours.insert(at, Hour { hour, units: 0, received: 0 });
                at
            }
        };
        let hour = &mut self.hours[at];
        let more = i64::from(hour.units).saturating_add(units);
        hour.units = u32::try_from(more.max(0)).unwrap_or(u32::MAX);
        hour.received = hour.received.saturating_add(received);
    }

    /// Puts hours together that are too old to be told apart.
    fn fold(&mut self, kept_from: u32) {
        while let Some(hour) = self.hours.front().copied()
            && hour.hour < kept_from
        {
            self.hours.pop_front();
            self.before.units += u64::from(hour.units);
            self.before.received = self.before.received.saturating_add(hour.received);
        }
    }
}

/// One flag in one environment.
#[derive(Debug, Default)]
pub(super) struct Flag {
    pub(super) environment: Box<str>,
    pub(super) key: Box<str>,
    pub(super) variants: Vec<Variant>,
    /// Moments since when exposures were counted anew, Unix microseconds, as they were heard of.
    pub(super) windows: Vec<i64>,
    pub(super) exposed: Table<Exposed>,
    /// Units that have seen more than one variant.
    pub(super) in_two: u64,
    /// Units that were forgotten for want of room.
    pub(super) forgotten: u64,
    /// Exposures of units that there was no room for.
    pub(super) left_out: u64,
    /// The newest hour.
    pub(super) newest: u32,
    pub(super) watching: Option<Box<Watching>>,
    pub(super) is_dirty: bool,
}

impl Flag {
    /// The first hour that is counted by itself.
    fn kept_from(&self) -> u32 {
        self.newest.saturating_add(1).saturating_sub(HOURS_KEPT)
    }

    /// The newest exposure, Unix milliseconds.
    pub(super) fn last(&self) -> Option<i64> {
        let spans = self.variants.iter().flat_map(|it| it.audiences.iter().flatten());
        spans.map(|span| span.last).max()
    }

    pub(super) fn variant(&self, name: &str) -> Option<u16> {
        self.variants.iter().position(|it| *it.name == *name).map(|at| at as u16)
    }

    /// The number of a window, from 1; 0 for none.
    fn window(&mut self, since: i64) -> u16 {
        if since == 0 {
            return 0;
        }
        // The newest are asked for most.
        if let Some(at) = self.windows.iter().rposition(|it| *it == since) {
            return u16::try_from(at + 1).unwrap_or(0);
        }
        match u16::try_from(self.windows.len() + 1) {
            Ok(number) => {
                self.windows.push(since);
                number
            }
            Err(_) => 0,
        }
    }

    /// When a window begins; the one without a number is before all others.
    pub(super) fn window_begin(&self, number: u16) -> i64 {
        match number.checked_sub(1) {
            Some(at) => self.windows.get(usize::from(at)).copied().unwrap_or(i64::MIN),
            None => i64::MIN,
        }
    }

    /// Whether an exposure tells nothing new but its number.
    pub(super) fn is_known(&self, unit: u64, variant: u16, second: u32, window: i64) -> bool {
        self.exposed.of(unit).any(|known| {
            let begin = self.window_begin(known.window);
            known.variant == variant
                && second >= known.first
                && (window == 0
                    || begin > window
                    || begin == window && second >= known.first_in_window)
        })
    }

    /// Adds what was read from the log. `room` is how many units may still be added anywhere.
    pub(super) fn add(&mut self, group: &ExposureGroup<'_>, metrics: &[Metric], room: &mut usize) {
        let Series { variant, audience, window, .. } = group.series;
        let number = match self.variant(variant) {
            Some(number) => number,
            None if self.variants.len() < VARIANTS_MAX => {
                self.variants.push(Variant::named(variant));
                (self.variants.len() - 1) as u16
            }
            None => {
                self.left_out += group.received;
                return;
            }
        };
        self.is_dirty = true;
        let [first, last] = group.span;
        let span = Span { first, last, received: group.received };
        Span::merge(&mut self.variants[usize::from(number)].audiences[audience.index()], span);
        if group.hour > self.newest {
            self.newest = group.hour;
            let kept_from = self.kept_from();
            self.variants.iter_mut().for_each(|variant| variant.fold(kept_from));
        }
        let kept_from = self.kept_from();
        self.variants[usize::from(number)].add(group.hour, kept_from, 0, group.received);
        let window = self.window(window);
        for (placed, second) in group.rows() {
            self.expose(placed, number, second, window, metrics, room);
        }
    }

    fn expose(
        &mut self,
        Placed { unit, position }: Placed,
        variant: u16,
        second: u32,
        window: u16,
        metrics: &[Metric],
        room: &mut usize,
    ) {
        let place = self.exposed.places(unit).find(|it| self.exposed.get(*it).variant == variant);
        let first_in_window = if window == 0 { 0 } else { second };
        let new = Exposed { unit, position, first: second, first_in_window, window, variant };
        let Some(place) = place else {
            if *room == 0 {
                self.left_out += 1;
                return;
            }
            *room -= 1;
            self.in_two += u64::from(self.exposed.places(unit).count() == 1);
            self.exposed.push(new);
            self.count_unit(second, variant, 1);
            return self.change(None, new, metrics);
        };
        let before = *self.exposed.get(place);
        let mut after = before;
        if second < before.first {
            after.first = second;
            self.count_unit(before.first, variant, -1);
            self.count_unit(second, variant, 1);
        }
        let [begin, known] = [window, before.window].map(|it| self.window_begin(it));
        if begin > known {
            (after.window, after.first_in_window) = (window, second);
        } else if begin == known && window != 0 {
            after.first_in_window = before.first_in_window.min(second);
        }
        if after != before {
            self.exposed.set(place, after);
            self.change(Some(before), after, metrics);
        }
    }

    fn count_unit(&mut self, second: u32, variant: u16, units: i64) {
        let kept_from = self.kept_from();
        if let Some(variant) = self.variants.get_mut(usize::from(variant)) {
            variant.add(second / HOUR_SECONDS, kept_from, units, 0);
        }
    }

    /// Tells whoever watches how something has become something else; `exposed` has it already.
    fn change(&mut self, before: Option<Exposed>, after: Exposed, metrics: &[Metric]) {
        let Some(mut watching) = self.watching.take() else { return };
        watching.change(self, before, after, metrics);
        self.watching = Some(watching);
    }

    /// Forgets all units.
    pub(super) fn forget_units(&mut self) -> usize {
        let count = self.exposed.len();
        self.forgotten += count as u64;
        self.exposed = Table::default();
        self.in_two = 0;
        self.is_dirty = true;
        if let Some(mut watching) = self.watching.take() {
            watching.count(self, &[]);
            self.watching = Some(watching);
        }
        count
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        let hours: usize = self.variants.iter().map(|it| it.hours.capacity()).sum();
        let variants = self.variants.capacity() * size_of::<Variant>();
        self.exposed.memory() + hours * size_of::<Hour>() + variants + size_of::<Self>()
    }
}
