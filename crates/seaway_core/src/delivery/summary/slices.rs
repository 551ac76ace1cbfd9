//! Parts of the measured changes that are told apart, whatever service they are of: by who wrote
//! them, and by their size.

use super::{DaySummary, Entering, OpenChange, OpenKind};
use crate::delivery::view::ChangeRow;
use crate::stats::bytes::{Bytes, write};
use crate::stats::histogram::Histogram;

/// A part of the measured changes. Those that are in none are what remains of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// Written by bots alone.
    Bots,
    /// Written with the help of AI.
    Assisted,
    /// Of two or three commits.
    FewCommits,
    /// Of four to nine commits.
    SomeCommits,
    /// Of ten commits or more.
    ManyCommits,
}

/// How many slices there are.
const SLICES: usize = Slice::ALL.len();

impl Slice {
    /// All, in the order in which summaries keep them.
    pub const ALL: [Self; 5] =
        [Self::Bots, Self::Assisted, Self::FewCommits, Self::SomeCommits, Self::ManyCommits];

    /// Those by the number of commits; a change in none of them has one.
    pub const BY_COMMITS: [Self; 3] = [Self::FewCommits, Self::SomeCommits, Self::ManyCommits];

    /// Whether a change is in it.
    #[must_use]
    pub fn has(self, change: &ChangeRow) -> bool {
        match self {
            Self::Bots => change.bot,
            Self::Assisted => change.assisted,
            Self::FewCommits => (2..4).contains(&change.commits),
            Self::SomeCommits => (4..10).contains(&change.commits),
            Self::ManyCommits => change.commits >= 10,
        }
    }

    /// What an open change of it counts as.
    pub(super) fn open_kind(self) -> OpenKind {
        match self {
            Self::Bots => OpenKind::Bots,
            Self::Assisted => OpenKind::Assisted,
            Self::FewCommits => OpenKind::FewCommits,
            Self::SomeCommits => OpenKind::SomeCommits,
            Self::ManyCommits => OpenKind::ManyCommits,
        }
    }
}

/// Which of the measured changes of a summary are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// All.
    Whole,
    /// Those of a slice.
    Of(Slice),
    /// Those of none of some slices that have no change in common.
    Without(&'static [Slice]),
}

/// What the life table of a slice needs of a day: see the fields of the same names of
/// [`DaySummary`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lives {
    pub(super) delivered: Histogram,
    pub(super) waiting: Histogram,
    pub(super) entering: Entering,
}

impl Lives {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn merge(&mut self, other: &Self) {
        self.delivered.merge(&other.delivered);
        self.waiting.merge(&other.waiting);
        self.entering.merge(&other.entering);
    }

    fn subtract(&mut self, other: &Self) {
        self.delivered.subtract(&other.delivered);
        self.waiting.subtract(&other.waiting);
        self.entering.subtract(&other.entering);
    }
}

/// The slices of a summary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Slices([Lives; SLICES]);

impl Slices {
    /// What is kept of a slice.
    pub(super) fn of(&mut self, slice: Slice) -> &mut Lives {
        &mut self.0[slice as usize]
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| mine.merge(theirs));
    }

    pub(super) fn subtract(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| mine.subtract(theirs));
    }

    pub(super) fn encode(&self, to: &mut Vec<u8>) {
        write(super::mask(self.0.iter().map(|lives| !lives.is_empty())), to);
        for lives in self.0.iter().filter(|lives| !lives.is_empty()) {
            lives.delivered.encode(to);
            lives.waiting.encode(to);
            lives.entering.encode(to);
        }
    }

    /// Takes no more memory than some times the bytes that are left.
    pub(super) fn decode(from: &mut Bytes<'_>) -> Option<Self> {
        let present = from.read().filter(|present| present >> SLICES == 0)?;
        let mut slices = Self::default();
        for (place, slice) in slices.0.iter_mut().enumerate() {
            if present >> place & 1 == 1 {
                let lives = Lives {
                    delivered: Histogram::decode(from)?,
                    waiting: Histogram::decode(from)?,
                    entering: Entering::decode(from)?,
                };
                *slice = Some(lives).filter(|lives| !lives.is_empty())?;
            }
        }
        Some(slices)
    }
}

impl DaySummary {
    /// The same day with a share of its measured changes: what a life table needs of them, and
    /// nothing else.
    #[must_use]
    pub fn share(&self, share: Share) -> Self {
        let mut lives = Lives::default();
        let mut kept = Self::default();
        let mut add = |kind: OpenKind, sign: i64| {
            for (change, count) in self.open.iter().filter(|(change, _)| change.kind == kind) {
                let as_measured = OpenChange { kind: OpenKind::Measured, ..change };
                kept.open.count(as_measured, count.wrapping_mul(sign));
            }
        };
        match share {
            Share::Of(slice) => {
                lives.merge(&self.slices.0[slice as usize]);
                add(slice.open_kind(), 1);
            }
            Share::Whole | Share::Without(_) => {
                lives.delivered.merge(&self.delivered);
                lives.waiting.merge(&self.waiting);
                lives.entering.merge(&self.entering);
                add(OpenKind::Measured, 1);
            }
        }
        if let Share::Without(slices) = share {
            for &slice in slices {
                lives.subtract(&self.slices.0[slice as usize]);
                add(slice.open_kind(), -1);
            }
        }
        let Lives { delivered, waiting, entering } = lives;
        Self { delivered, waiting, entering, ..kept }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{ZONES, horizons, services};
    use super::super::{day_summaries, summaries};
    use super::*;
    use crate::delivery::view::ServiceView;
    use proptest::prelude::*;

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
                        let found = summary.share(share);
                        let rows = exact.get(day).map(|it| it.share(Share::Whole));
                        assert_eq!(found, rows.unwrap_or_default(), "{share:?} on {day}");
                    }
                };
                check(Share::Whole, &|_| true);
                for slice in Slice::ALL {
                    check(Share::Of(slice), &|change| slice.has(change));
                    check(
                        match slice {
                            Slice::Bots => Share::Without(&[Slice::Bots]),
                            Slice::Assisted => Share::Without(&[Slice::Assisted]),
                            _ => Share::Without(&Slice::BY_COMMITS),
                        },
                        &|change| match slice {
                            Slice::Bots => !change.bot,
                            Slice::Assisted => !change.assisted,
                            _ => change.commits < 2,
                        },
                    );
                }
            }
        }
    }
}
