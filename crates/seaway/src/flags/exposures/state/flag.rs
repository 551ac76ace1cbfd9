//! What is known of one flag in one environment: who has seen which variant, and when first.

use super::attempt::Attempt;
use super::metric::Metric;
use super::table::{Record, Table};
use crate::flags::exposures::batch::{ExposureGroup, HOUR_SECONDS, Series, Side, Tag};
use crate::flags::exposures::codec::{u32_at, u64_at};
use crate::flags::ramps::Course;
use std::collections::VecDeque;

/// Variants of a flag that are told apart. No definition has that many, whoever sends them.
pub(crate) const VARIANTS_MAX: usize = 100;
/// Hours that are counted by themselves, back from the newest one: two weeks.
pub(super) const HOURS_KEPT: u32 = 14 * 24;

/// That a unit has seen a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exposed {
    pub(super) unit: u64,
    /// When first, seconds since 1970.
    pub(super) first: u32,
    /// When it was found in a band, in this variant and attempt: seconds since 1970.
    pub(super) entered: u32,
    /// The newest attempt of a ramp in which it has seen the variant: see [`Attempt::number`]; 0 for
    /// none. All that follows is of that attempt.
    pub(super) attempt: u16,
    pub(super) variant: u16,
    /// For each guardrail whether the unit has erred; then the side; then the newest turn in which
    /// it has seen the variant.
    bits: u32,
}

const SIDE_AT: u32 = 20;
const TURN_AT: u32 = 22;

impl Exposed {
    /// Begins an attempt, in which nothing is known yet.
    pub(super) fn begin(&mut self, attempt: u16) {
        (self.attempt, self.entered, self.bits) = (attempt, 0, 0);
    }

    pub(super) fn turn(&self) -> u16 {
        (self.bits >> TURN_AT) as u16
    }

    pub(super) fn set_turn(&mut self, turn: u16) {
        self.bits = self.bits & ((1 << TURN_AT) - 1) | u32::from(turn) << TURN_AT;
    }

    pub(super) fn side(&self) -> Option<Side> {
        match self.bits >> SIDE_AT & 0b11 {
            1 => Some(Side::Treatment),
            2 => Some(Side::Control),
            _ => None,
        }
    }

    pub(super) fn enter(&mut self, side: Side, second: u32) {
        let side = match side {
            Side::Treatment => 1,
            Side::Control => 2,
        };
        self.bits = self.bits & !(0b11 << SIDE_AT) | side << SIDE_AT;
        self.entered = second;
    }

    pub(super) fn has_erred(&self, guardrail: usize) -> bool {
        self.bits >> guardrail & 1 == 1
    }

    /// Guardrails are fewer than [`SIDE_AT`].
    pub(super) fn err(&mut self, guardrail: usize) {
        self.bits |= 1 << guardrail;
    }
}

impl Record for Exposed {
    const BYTES: usize = 24;

    fn unit(&self) -> u64 {
        self.unit
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.unit.to_le_bytes());
        for number in [self.first, self.entered, self.bits] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.attempt.to_le_bytes());
        bytes.extend_from_slice(&self.variant.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        let last = u32_at(bytes, 20);
        Self {
            unit: u64_at(bytes, 0),
            first: u32_at(bytes, 8),
            entered: u32_at(bytes, 12),
            bits: u32_at(bytes, 16),
            attempt: last as u16,
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
    /// Attempts of ramps so far.
    pub(super) attempts: u16,
    pub(super) exposed: Table<Exposed>,
    /// Units that have seen more than one variant.
    pub(super) in_two: u64,
    /// Units that were forgotten for want of room.
    pub(super) forgotten: u64,
    /// Exposures of units that there was no room for.
    pub(super) left_out: u64,
    /// The newest hour.
    pub(super) newest: u32,
    /// The ramp, while there is one.
    pub(super) attempt: Option<Box<Attempt>>,
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

    /// Whether an exposure tells nothing new but its number.
    pub(super) fn is_known(&self, unit: u64, variant: u16, second: u32, tag: Tag) -> bool {
        let Some(known) = self.exposed.of(unit).find(|known| known.variant == variant) else {
            return false;
        };
        let attempt = self.attempt.as_ref().filter(|attempt| attempt.has(tag));
        second >= known.first
            && attempt.is_none_or(|attempt| attempt.is_known(self, known, second, tag))
    }

    /// Hears of a revision of the flag, which has a ramp or none.
    pub(super) fn revise(&mut self, revision: u64, course: Option<Course>) {
        self.is_dirty = true;
        let is_same = |attempt: &Attempt, course: &Course| {
            attempt.course.first_revision == course.first_revision
        };
        match (&mut self.attempt, course) {
            (Some(attempt), Some(course)) if is_same(attempt, &course) => {
                attempt.revise(revision, course);
            }
            (attempt, Some(course)) => {
                self.attempts = self.attempts.saturating_add(1);
                let mut new = Attempt::new(self.attempts, &self.key, revision, course);
                for (number, variant) in self.variants.iter().enumerate() {
                    new.hear_of_variant(&variant.name, number as u16);
                }
                *attempt = Some(Box::new(new));
            }
            (attempt, None) => *attempt = None,
        }
    }

    /// Whether a ramp is under way.
    pub(super) fn is_ramping(&self) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| attempt.is_under_way)
    }

    /// Adds what was read from the log. `room` is how many units may still be added anywhere.
    pub(super) fn add(&mut self, group: &ExposureGroup<'_>, metrics: &[Metric], room: &mut usize) {
        let Series { variant, audience, tag, .. } = group.series;
        let number = match self.variant(variant) {
            Some(number) => number,
            None if self.variants.len() < VARIANTS_MAX => {
                self.variants.push(Variant::named(variant));
                let number = (self.variants.len() - 1) as u16;
                if let Some(attempt) = &mut self.attempt {
                    attempt.hear_of_variant(variant, number);
                }
                number
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
        let mut attempt = self.attempt.take_if(|attempt| attempt.has(tag));
        if let Some(attempt) = &mut attempt {
            attempt.note(last);
        }
        for (placed, second) in group.rows() {
            let Some(place) = self.expose(placed.unit, number, second, room) else { continue };
            if let Some(attempt) = &mut attempt {
                attempt.expose(self, place, (second, tag), metrics);
            }
        }
        if attempt.is_some() {
            self.attempt = attempt;
        }
    }

    /// Adds that a unit has seen a variant; tells where that stands, if there is room for it.
    fn expose(&mut self, unit: u64, variant: u16, second: u32, room: &mut usize) -> Option<u32> {
        let place = self.exposed.places(unit).find(|it| self.exposed.get(*it).variant == variant);
        let Some(place) = place else {
            if *room == 0 {
                self.left_out += 1;
                return None;
            }
            *room -= 1;
            self.in_two += u64::from(self.exposed.places(unit).count() == 1);
            let new = Exposed { unit, first: second, entered: 0, attempt: 0, variant, bits: 0 };
            let place = self.exposed.push(new);
            self.count_unit(second, variant, 1);
            return Some(place);
        };
        let before = *self.exposed.get(place);
        if second < before.first {
            self.exposed.set(place, Exposed { first: second, ..before });
            self.count_unit(before.first, variant, -1);
            self.count_unit(second, variant, 1);
        }
        Some(place)
    }

    fn count_unit(&mut self, second: u32, variant: u16, units: i64) {
        let kept_from = self.kept_from();
        if let Some(variant) = self.variants.get_mut(usize::from(variant)) {
            variant.add(second / HOUR_SECONDS, kept_from, units, 0);
        }
    }

    /// Forgets all units.
    pub(super) fn forget_units(&mut self) -> usize {
        let count = self.exposed.len();
        self.forgotten += count as u64;
        self.exposed = Table::default();
        self.in_two = 0;
        self.is_dirty = true;
        count
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        let hours: usize = self.variants.iter().map(|it| it.hours.capacity()).sum();
        let variants = self.variants.capacity() * size_of::<Variant>();
        self.exposed.memory() + hours * size_of::<Hour>() + variants + size_of::<Self>()
    }
}
