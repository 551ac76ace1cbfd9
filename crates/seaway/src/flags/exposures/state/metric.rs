//! What is known of one metric in one environment: which units it was above zero for, and when last.
//!
//! Whether a unit had such an outcome after it saw a variant needs no more: it had one if its last
//! one was not before that. So it does not matter in which order the two are told.

use super::flag::Span;
use super::table::{Record, Table};
use crate::flags::exposures::batch::OutcomeGroup;
use crate::flags::exposures::codec::{u32_at, u64_at};

/// A unit that a metric was above zero for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) unit: u64,
    /// When last, seconds since 1970.
    pub(super) last: u32,
}

impl Record for Failed {
    const BYTES: usize = 12;

    fn unit(&self) -> u64 {
        self.unit
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.unit.to_le_bytes());
        bytes.extend_from_slice(&self.last.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        Self { unit: u64_at(bytes, 0), last: u32_at(bytes, 8) }
    }
}

/// One metric in one environment.
#[derive(Debug, Default)]
pub(super) struct Metric {
    pub(super) environment: Box<str>,
    pub(super) name: Box<str>,
    /// All outcomes, also those of zero. Seconds since 1970, as milliseconds.
    pub(super) span: Option<Span>,
    pub(super) failed: Table<Failed>,
    /// Units that there was no room for.
    pub(super) left_out: u64,
    pub(super) is_dirty: bool,
}

impl Metric {
    /// Whether it was above zero for a unit at some moment or later.
    pub(super) fn is_failed_since(&self, unit: u64, second: u32) -> bool {
        self.failed.of(unit).next().is_some_and(|failed| failed.last >= second)
    }

    /// Adds what was read from the log, and tells when it was above zero for which units. `room` is how
    /// many units may still be added anywhere.
    pub(super) fn add(
        &mut self,
        group: &OutcomeGroup<'_>,
        room: &mut usize,
        mut failed: impl FnMut(&Self, u64, u32),
    ) {
        self.is_dirty = true;
        for (unit, second, value) in group.rows() {
            let at = i64::from(second) * 1_000;
            Span::merge(&mut self.span, Span { first: at, last: at, received: 1 });
            if value > 0.0 {
                self.fail(unit, second, room);
                failed(self, unit, second);
            }
        }
    }

    fn fail(&mut self, unit: u64, second: u32, room: &mut usize) {
        let place = self.failed.places(unit).next();
        match place {
            Some(place) if second > self.failed.get(place).last => {
                self.failed.set(place, Failed { unit, last: second });
            }
            Some(_) => {}
            None if *room == 0 => self.left_out += 1,
            None => {
                *room -= 1;
                self.failed.push(Failed { unit, last: second });
            }
        }
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.failed.memory() + size_of::<Self>()
    }
}
