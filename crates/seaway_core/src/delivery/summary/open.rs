//! What is open: merged or committed, and not delivered. How old it is on a day depends on the day,
//! so open things are kept as they are, under the day on which they appeared, and counted when a report
//! asks for the stock of a day.

use crate::stats::bytes::{Bytes, write, write_signed};
use std::collections::BTreeMap;

/// What something open counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OpenKind {
    /// It is in the distribution of time to value.
    Measured,
    /// It reverts another.
    Revert,
    /// It was reverted before it was delivered.
    Reverted,
    /// The last stage of one that is measured.
    LastStage,
    /// A commit.
    Commit,
    /// What a measured one would be without its last stage: it would have taken from `start` to
    /// `appears`.
    Worked,
    /// What is added to the measured ones to have the same without a stage that they spent time in:
    /// one less of each, and one more with a clock that starts later by that time.
    WithoutOpened,
    /// The same of the stage that ends with the first review.
    WithoutReviewed,
    /// The same of the stage that ends with the approval.
    WithoutApproved,
    /// The same of the stage that ends on the mainline.
    WithoutMerged,
    /// The same of the stage that ends with the build.
    WithoutBuilt,
}

impl OpenKind {
    /// How many there are.
    pub(in crate::delivery) const COUNT: usize = Self::ALL.len();

    const ALL: [Self; 11] = [
        Self::Measured,
        Self::Revert,
        Self::Reverted,
        Self::LastStage,
        Self::Commit,
        Self::Worked,
        Self::WithoutOpened,
        Self::WithoutReviewed,
        Self::WithoutApproved,
        Self::WithoutMerged,
        Self::WithoutBuilt,
    ];

    /// The kind of changes without a stage, by its place in [`super::STAGES`]; nothing open has gone
    /// through the last one.
    #[must_use]
    pub fn without(place: usize) -> Self {
        match place {
            0 => Self::WithoutOpened,
            1 => Self::WithoutReviewed,
            2 => Self::WithoutApproved,
            3 => Self::WithoutMerged,
            _ => Self::WithoutBuilt,
        }
    }
}

/// Something open: a change, its last stage, or a commit. Times are Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpenChange {
    /// From when on it can be seen waiting: a change when it was merged, all else when it starts.
    pub appears: i64,
    /// When its clock starts.
    pub start: i64,
    /// What it counts as.
    pub kind: OpenKind,
}

/// Open changes, counted: a commutative group, as all of a summary is. A difference of two may
/// hold less than none of a change.
#[derive(Debug, Clone, Default)]
pub struct Open {
    /// As they were read, in order: reports take many of them as they are, once. Empty as soon as
    /// something is added.
    listed: Vec<(OpenChange, i64)>,
    /// As they are added up.
    summed: BTreeMap<OpenChange, i64>,
}

impl PartialEq for Open {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Open {}

impl Open {
    /// Adds one.
    pub fn add(&mut self, change: OpenChange) {
        self.count(change, 1);
    }

    pub(super) fn count(&mut self, change: OpenChange, amount: i64) {
        let all = self.summed();
        let count = all.entry(change).or_default();
        *count = count.wrapping_add(amount);
        if *count == 0 {
            all.remove(&change);
        }
    }

    fn summed(&mut self) -> &mut BTreeMap<OpenChange, i64> {
        if !self.listed.is_empty() {
            // In order already, which a map is built from faster than one by one.
            self.summed = std::mem::take(&mut self.listed).into_iter().collect();
        }
        &mut self.summed
    }

    pub(super) fn merge(&mut self, other: &Self) {
        match self.is_empty() {
            true => self.clone_from(other),
            false => other.iter().for_each(|(change, count)| self.count(change, count)),
        }
    }

    pub(super) fn subtract(&mut self, other: &Self) {
        other.iter().for_each(|(change, count)| self.count(change, count.wrapping_neg()));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> i64 {
        self.iter().fold(0, |all, (_, count)| all.wrapping_add(count))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.summed.is_empty()
    }

    /// The changes with how many there are of each, in order.
    pub fn iter(&self) -> impl Iterator<Item = (OpenChange, i64)> {
        let summed = self.summed.iter().map(|(&change, &count)| (change, count));
        self.listed.iter().copied().chain(summed)
    }

    /// Those that are in the distribution of time to value.
    pub(super) fn measured(&self) -> Self {
        let is_measured = |(change, _): &(OpenChange, i64)| change.kind == OpenKind::Measured;
        Self { listed: self.iter().filter(is_measured).collect(), ..Self::default() }
    }

    pub(super) fn encode(&self, to: &mut Vec<u8>) {
        write((self.listed.len() + self.summed.len()) as u64, to);
        let mut before = 0_i64;
        for (change, count) in self.iter() {
            write_signed(change.appears.wrapping_sub(before), to);
            write_signed(change.appears.wrapping_sub(change.start), to);
            write(change.kind as u64, to);
            write_signed(count, to);
            before = change.appears;
        }
    }

    /// Takes no more memory than some times the bytes that are left.
    pub(super) fn decode(from: &mut Bytes<'_>) -> Option<Self> {
        let mut open: Vec<(OpenChange, i64)> = Vec::new();
        let mut before = 0_i64;
        for _ in 0..from.read()? {
            let appears = before.wrapping_add(from.read_signed()?);
            let start = appears.wrapping_sub(from.read_signed()?);
            let kind = *OpenKind::ALL.get(usize::try_from(from.read()?).ok()?)?;
            let count = from.read_signed().filter(|&count| count != 0)?;
            let change = OpenChange { appears, start, kind };
            if open.last().is_some_and(|(last, _)| *last >= change) {
                return None;
            }
            open.push((change, count));
            before = appears;
        }
        Some(Self { listed: open, ..Self::default() })
    }
}
