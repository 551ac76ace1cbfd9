//! Parts of the measured changes that are told apart, whatever service they are of: by who wrote
//! them, and by their size.

use super::{DaySummary, Entering, Open, mask};
use crate::delivery::view::ChangeRow;
use crate::stats::bytes::{Bytes, write};
use crate::stats::histogram::Histogram;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A part of the measured changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slice {
    /// Written by bots alone.
    Bots,
    /// Written with the help of AI.
    Assisted,
    /// Of so many lines. A change of which nobody tells the lines is in no band.
    Lines(Band),
}

/// Numbers of lines from a power of two up to the next, by the exponent. The first band begins with
/// 0, and the last one has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Band(u8);

impl Band {
    /// The first one.
    pub const FIRST: Self = Self(0);
    /// The last one.
    pub const LAST: Self = Self(12);
    /// How many there are.
    pub const COUNT: usize = Self::LAST.0 as usize + 1;

    /// The band that a number of lines is in.
    #[must_use]
    pub fn of(lines: u64) -> Self {
        Self(lines.max(1).ilog2().min(Self::LAST.0.into()) as u8)
    }

    /// All, the fewest lines first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=Self::LAST.0).map(Self)
    }

    /// The one before it.
    #[must_use]
    pub fn before(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }

    /// The fewest lines in it.
    #[must_use]
    pub fn low(self) -> u64 {
        if self == Self::FIRST { 0 } else { 1 << self.0 }
    }

    /// The most lines in it; `None` where there is no most.
    #[must_use]
    pub fn high(self) -> Option<u64> {
        (self != Self::LAST).then(|| (2 << self.0) - 1)
    }
}

/// How many slices there are, and numbers of them.
const SLICES: u64 = 2 + Band::COUNT as u64;

impl Slice {
    /// Those that a change is in.
    pub(super) fn of(change: &ChangeRow) -> impl Iterator<Item = Self> {
        let bots = change.bot.then_some(Self::Bots);
        let assisted = change.assisted.then_some(Self::Assisted);
        let lines = change.lines.map(|lines| Self::Lines(Band::of(lines)));
        [bots, assisted, lines].into_iter().flatten()
    }

    fn number(self) -> u64 {
        match self {
            Self::Bots => 0,
            Self::Assisted => 1,
            Self::Lines(Band(band)) => 2 + u64::from(band),
        }
    }

    fn numbered(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Bots),
            1 => Some(Self::Assisted),
            SLICES.. => None,
            band => Some(Self::Lines(Band((band - 2) as u8))),
        }
    }
}

/// Which of the measured changes of a summary are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Share {
    /// All.
    Whole,
    /// Those of a slice.
    Of(Slice),
    /// All but those of a slice.
    Without(Slice),
    /// Those of the lines of some bands.
    Lines(RangeInclusive<Band>),
    /// Those of which nobody tells the lines.
    UnknownLines,
}

/// What the life table of a slice needs of a day: see the fields of the same names of
/// [`DaySummary`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lives {
    pub(super) delivered: Histogram,
    pub(super) waiting: Histogram,
    pub(super) entering: Entering,
    pub(super) open: Open,
}

impl Lives {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn merge(&mut self, other: &Self) {
        self.delivered.merge(&other.delivered);
        self.waiting.merge(&other.waiting);
        self.entering.merge(&other.entering);
        self.open.merge(&other.open);
    }

    fn subtract(&mut self, other: &Self) {
        self.delivered.subtract(&other.delivered);
        self.waiting.subtract(&other.waiting);
        self.entering.subtract(&other.entering);
        self.open.subtract(&other.open);
    }
}

/// The slices of a summary that are not empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Slices(BTreeMap<Slice, Lives>);

impl Slices {
    /// Changes what is kept of a slice.
    pub(super) fn change(&mut self, slice: Slice, change: impl FnOnce(&mut Lives)) {
        let lives = self.0.entry(slice).or_default();
        change(lives);
        if lives.is_empty() {
            self.0.remove(&slice);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(&slice, lives)| self.change(slice, |mine| mine.merge(lives)));
    }

    pub(super) fn subtract(&mut self, other: &Self) {
        other.0.iter().for_each(|(&slice, lives)| self.change(slice, |mine| mine.subtract(lives)));
    }

    /// Nothing where there is none; otherwise each by its number with what is kept of it, to the end
    /// of the bytes.
    pub(super) fn encode(&self, to: &mut Vec<u8>) {
        for (slice, Lives { delivered, waiting, entering, open }) in &self.0 {
            let kept = [delivered, waiting].map(|part| !part.is_empty());
            let kept = [kept[0], kept[1], !entering.is_empty(), !open.is_empty()];
            write(slice.number() << kept.len() | mask(kept.into_iter()), to);
            let parts = [delivered, waiting].into_iter().filter(|part| !part.is_empty());
            parts.for_each(|part| part.encode(to));
            if !entering.is_empty() {
                entering.encode(to);
            }
            if !open.is_empty() {
                open.encode(to);
            }
        }
    }

    /// Reads to the end. Takes no more memory than some times the bytes that are left.
    pub(super) fn decode(from: &mut Bytes<'_>) -> Option<Self> {
        let mut slices = Self::default();
        while !from.0.is_empty() {
            let head = from.read()?;
            let (slice, kept) = (Slice::numbered(head >> 4)?, head & 15);
            let is_next = slices.0.last_key_value().is_none_or(|(&last, _)| last < slice);
            if !is_next || kept == 0 {
                return None;
            }
            let mut lives = Lives::default();
            if kept & 1 != 0 {
                lives.delivered = Histogram::decode(from).filter(|it| !it.is_empty())?;
            }
            if kept & 2 != 0 {
                lives.waiting = Histogram::decode(from).filter(|it| !it.is_empty())?;
            }
            if kept & 4 != 0 {
                lives.entering = Entering::decode(from).filter(|it| !it.is_empty())?;
            }
            if kept & 8 != 0 {
                lives.open = Open::decode(from).filter(|it| !it.is_empty())?;
            }
            slices.0.insert(slice, lives);
        }
        Some(slices)
    }

    fn of_lines(&self, bands: RangeInclusive<Band>) -> impl Iterator<Item = &Lives> {
        let (first, last) = bands.into_inner();
        let asked = Slice::Lines(first)..=Slice::Lines(last);
        // A range that ends before it begins has nothing in it.
        let some = (first <= last).then(|| self.0.range(asked));
        some.into_iter().flatten().map(|(_, lives)| lives)
    }
}

impl DaySummary {
    /// The same day with a share of its measured changes: what a life table needs of them, and
    /// nothing else.
    #[must_use]
    pub fn share(&self, share: &Share) -> Self {
        let mut lives = Lives::default();
        if matches!(share, Share::Whole | Share::Without(_) | Share::UnknownLines) {
            lives.delivered.merge(&self.delivered);
            lives.waiting.merge(&self.waiting);
            lives.entering.merge(&self.entering);
            lives.open = self.open.measured();
        }
        let slices = &self.slices;
        match share {
            Share::Whole => {}
            Share::Of(slice) => slices.0.get(slice).iter().for_each(|it| lives.merge(it)),
            Share::Without(slice) => slices.0.get(slice).iter().for_each(|it| lives.subtract(it)),
            Share::Lines(bands) => slices.of_lines(bands.clone()).for_each(|it| lives.merge(it)),
            Share::UnknownLines => {
                let all = slices.of_lines(Band::FIRST..=Band::LAST);
                all.for_each(|it| lives.subtract(it));
            }
        }
        let Lives { delivered, waiting, entering, open } = lives;
        Self { delivered, waiting, entering, open, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{ZONES, horizons, services};
    use super::super::{day_summaries, summaries};
    use super::*;
    use crate::delivery::view::ServiceView;
    use proptest::prelude::*;

    #[test]
    fn bands_follow_each_other() {
        let mut next = 0;
        for band in Band::all() {
            assert_eq!(band.low(), next);
            let high = band.high().unwrap_or(u64::MAX);
            assert_eq!((Band::of(band.low()), Band::of(high)), (band, band));
            next = high.wrapping_add(1);
        }
        assert_eq!((next, Band::all().count()), (0, Band::COUNT));
        assert_eq!([1, 2, 4_095, 4_096].map(|lines| Band::of(lines).0), [0, 1, 11, 12]);
        let all = (0..SLICES).map(|number| Slice::numbered(number).unwrap().number());
        assert!(all.eq(0..SLICES) && Slice::numbered(SLICES).is_none());
    }

    /// The rows of a view without the measured changes that are not meant.
    fn only(view: &ServiceView, is_meant: impl Fn(&ChangeRow) -> bool) -> ServiceView {
        let changes = view.changes.iter().filter(|change| is_meant(change)).cloned().collect();
        ServiceView { changes, ..view.clone() }
    }

    proptest! {
        /// A share of a summary is the summary of a share of the rows.
        #[test]
        fn shares_are_those_of_the_rows(
            view in services(20),
            zone in 0..3_usize,
            horizon in horizons(),
            bands in (0..=Band::LAST.0, 0..=Band::LAST.0),
        ) {
            let days = &ZONES[zone];
            for (all, again) in [
                (summaries(&view, days, horizon), true),
                (day_summaries(&view, days), false),
            ] {
                let exact = |is_meant: &dyn Fn(&ChangeRow) -> bool| match again {
                    true => summaries(&only(&view, is_meant), days, horizon),
                    false => day_summaries(&only(&view, is_meant), days),
                };
                let check = |share: Share, is_meant: &dyn Fn(&ChangeRow) -> bool| {
                    let exact = exact(is_meant);
                    for (day, summary) in &all {
                        let found = summary.share(&share);
                        let rows = exact.get(day).map(|it| it.share(&Share::Whole));
                        assert_eq!(found, rows.unwrap_or_default(), "{share:?} on {day}");
                    }
                };
                let (low, high) = (Band(bands.0), Band(bands.1));
                let is_between = |lines: u64| {
                    low.low() <= lines && high.high().is_none_or(|high| lines <= high)
                };
                check(Share::Whole, &|_| true);
                check(Share::Of(Slice::Bots), &|change| change.bot);
                check(Share::Without(Slice::Bots), &|change| !change.bot);
                check(Share::Of(Slice::Assisted), &|change| change.assisted);
                check(Share::Without(Slice::Assisted), &|change| !change.assisted);
                check(Share::Of(Slice::Lines(low)), &|change| {
                    change.lines.is_some_and(|lines| Band::of(lines) == low)
                });
                check(Share::Lines(low..=high), &|change| change.lines.is_some_and(is_between));
                check(Share::UnknownLines, &|change| change.lines.is_none());
            }
        }
    }
}
