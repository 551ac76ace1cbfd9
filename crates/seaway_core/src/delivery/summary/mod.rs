//! What happened to a service on one local day, in a form that adds up.
//!
//! Summaries are counts and histograms, so those of several services add up to the summary of all
//! of them, and a report of any span of whole days is made from the summaries of its days alone,
//! however many events they stand for. They form a group: a roll-up is kept up to date by
//! taking away a service's old summary and adding the new one.
//!
//! The life table of a span from the start of day `s` to the start of day `u` follows from
//! counts. Seen is what was delivered in between and what waits at `u`: the stock at `s`, which
//! enters at the age that it has there, and what appears (is merged) later. Of the latter, what
//! was started within the span enters at birth, and what was started before it enters at its age
//! at `s`. That age is not in the counts of a day, as they do not know which `s` will be asked
//! for; they have the day on which the change was started ([`Entering`]). What is delivered is in
//! the counts of its day, and the stock at `u` is what leaves undelivered.
//!
//! The stage that ends with the deployment, and the lives of single commits, are seen from the
//! moment on at which they begin: nothing of them enters but with the stock.

mod days;
mod differences;
mod entering;
#[cfg(test)]
pub(in crate::delivery) mod fixture;
mod open;
mod rows;
mod slices;

pub use days::{Day, Days};
pub use differences::day_differences;
pub use entering::Entering;
pub use open::{Open, OpenChange, OpenKind};
pub use rows::{day_summaries, is_settled, stock, summaries};
pub use slices::{Band, Share, Slice};

use super::view::Milestone;
use crate::stats::bytes::{Bytes, write, write_signed};
use crate::stats::histogram::Histogram;

/// What encoded summaries begin with; another layout gets another number.
const FORMAT: u8 = 5;

/// The milestones that end a stage, in order.
pub const STAGES: [Milestone; 6] = [
    Milestone::Opened,
    Milestone::Reviewed,
    Milestone::Approved,
    Milestone::Merged,
    Milestone::Built,
    Milestone::Deployed,
];

/// Something that is counted by day. Deployments are those in production, on the day that they
/// finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Count {
    /// Deployments that began the record of a service.
    FirstDeployments,
    /// Deployments that went forward.
    NormalDeployments,
    /// Deployments that went back.
    Rollbacks,
    /// Deployments of what was there already.
    Redeployments,
    /// Successful deployments of a revision that is not known.
    UnlinkedDeployments,
    /// Deployments that did not become live.
    UnsuccessfulDeployments,
    /// Linked deployments that failed: taken back, or followed by an incident of theirs.
    FailedDeployments,
    /// Linked deployments that were made to mend an incident.
    UnplannedDeployments,
    /// Linked deployments that delivered at least one change.
    DeliveringDeployments,
    /// Changes that these delivered, rework included.
    CarriedChanges,
    /// Changes that reached the mainline and are measured or rework.
    MergedChanges,
    /// Measured changes delivered that are by bots alone.
    DeliveredByBots,
    /// Measured changes delivered that are AI-assisted.
    DeliveredAssisted,
    /// Changes delivered that revert others.
    DeliveredReverts,
    /// Changes delivered that were reverted and do not revert.
    DeliveredReverted,
    /// Incidents that were opened.
    IncidentsOpened,
    /// Incidents that were resolved.
    IncidentsResolved,
    /// At the start of the day: reverts that wait.
    WaitingReverts,
    /// At the start of the day: changes that were reverted before they were delivered.
    WaitingReverted,
}

/// How many histograms a summary has.
const PARTS: usize = 2 * STAGES.len() + 7;

/// How many kinds of [`Count`] there are.
const COUNTS: usize = Count::WaitingReverted as usize + 1;

/// What waits at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stock {
    /// The ages of the measured changes that wait.
    pub ages: Histogram,
    /// How long these are in their last stage.
    pub last_stage: Histogram,
    /// The ages of the commits that wait.
    pub commits: Histogram,
    /// Waiting changes that revert others.
    pub reverts: i64,
    /// Waiting changes that were reverted and do not revert.
    pub reverted: i64,
}

/// One service, or several, on one local day. Durations are in seconds.
///
/// "Measured" is what is in the distribution of time to value: rework is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DaySummary {
    /// Time to value of the measured changes delivered on the day.
    pub delivered: Histogram,
    /// Of these changes the stages, each by the milestone of [`STAGES`] that ended it.
    pub stages: [Histogram; STAGES.len()],
    /// The ages, at the first moment of the day, of the measured changes that waited then.
    pub waiting: Histogram,
    /// Of the measured changes that appeared on the day after its first moment and up to the first
    /// moment of the next, those that were started on an earlier day.
    pub entering: Entering,
    /// How long, at the first moment of the day, the changes of `waiting` were in their last stage.
    pub last_stage: Histogram,
    /// From commit to deployment, of the commits deployed on the day.
    pub lead_times: Histogram,
    /// The ages, at the first moment of the day, of the commits that waited then.
    pub waiting_commits: Histogram,
    /// From a failed deployment to the recovery from it, by the day of the recovery.
    pub recoveries: Histogram,
    /// Time to value of the measured changes that appeared on the day and are delivered, whenever
    /// that was.
    pub lives: Histogram,
    /// What is added to `lives` to have the same without each of [`STAGES`]: for changes that spent
    /// time in it, one less of their time to value, and one more of it without that stage. So its sum
    /// is the time spent in the stage, below 0.
    pub without: [Histogram; STAGES.len()],
    /// Changes that appeared on the day and are open: they are in no stock yet.
    pub open: Open,
    /// Of `delivered`, `waiting`, `entering` and `open` the parts that are told apart.
    slices: slices::Slices,
    counts: [i64; COUNTS],
}

impl DaySummary {
    /// A count.
    #[must_use]
    pub fn get(&self, count: Count) -> i64 {
        self.counts[count as usize]
    }

    /// Adds to a count.
    pub fn add(&mut self, count: Count, amount: i64) {
        let slot = &mut self.counts[count as usize];
        *slot = slot.wrapping_add(amount);
    }

    /// Successful deployments of known revisions.
    #[must_use]
    pub fn deployments(&self) -> i64 {
        use Count::{FirstDeployments, NormalDeployments, Redeployments, Rollbacks};
        let kinds = [FirstDeployments, NormalDeployments, Rollbacks, Redeployments];
        kinds.into_iter().fold(0, |all, kind| all.wrapping_add(self.get(kind)))
    }

    /// What waited at the first moment of the day.
    #[must_use]
    pub fn stock(&self) -> Stock {
        Stock {
            ages: self.waiting.clone(),
            last_stage: self.last_stage.clone(),
            commits: self.waiting_commits.clone(),
            reverts: self.get(Count::WaitingReverts),
            reverted: self.get(Count::WaitingReverted),
        }
    }

    /// Adds another one: the summary of both. The order in which many are merged does not matter.
    pub fn merge(&mut self, other: &Self) {
        self.open.merge(&other.open);
        self.entering.merge(&other.entering);
        self.slices.merge(&other.slices);
        self.combine(other, Histogram::merge, i64::wrapping_add);
    }

    /// Takes another one away: exactly what merging it added.
    pub fn subtract(&mut self, other: &Self) {
        self.open.subtract(&other.open);
        self.entering.subtract(&other.entering);
        self.slices.subtract(&other.slices);
        self.combine(other, Histogram::subtract, i64::wrapping_sub);
    }

    fn combine(
        &mut self,
        other: &Self,
        histograms: fn(&mut Histogram, &Histogram),
        counts: fn(i64, i64) -> i64,
    ) {
        for (mine, theirs) in self.parts_mut().into_iter().zip(other.parts()) {
            histograms(mine, theirs);
        }
        self.combine_counts(other, counts);
    }

    /// Adds the counts of another one and leaves its histograms out.
    pub(in crate::delivery) fn add_counts(&mut self, other: &Self) {
        self.combine_counts(other, i64::wrapping_add);
    }

    fn combine_counts(&mut self, other: &Self, with: fn(i64, i64) -> i64) {
        for (mine, &theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = with(*mine, theirs);
        }
    }

    fn parts(&self) -> [&Histogram; PARTS] {
        let Self {
            delivered,
            stages: [a, b, c, d, e, f],
            waiting,
            last_stage,
            lead_times,
            waiting_commits,
            recoveries,
            lives,
            without: [g, h, i, j, k, l],
            ..
        } = self;
        [
            delivered,
            a,
            b,
            c,
            d,
            e,
            f,
            waiting,
            last_stage,
            lead_times,
            waiting_commits,
            recoveries,
            lives,
            g,
            h,
            i,
            j,
            k,
            l,
        ]
    }

    fn parts_mut(&mut self) -> [&mut Histogram; PARTS] {
        let Self {
            delivered,
            stages: [a, b, c, d, e, f],
            waiting,
            last_stage,
            lead_times,
            waiting_commits,
            recoveries,
            lives,
            without: [g, h, i, j, k, l],
            ..
        } = self;
        [
            delivered,
            a,
            b,
            c,
            d,
            e,
            f,
            waiting,
            last_stage,
            lead_times,
            waiting_commits,
            recoveries,
            lives,
            g,
            h,
            i,
            j,
            k,
            l,
        ]
    }

    /// Whether nothing happened and nothing waited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The summary as bytes; equal summaries are equal bytes.
    ///
    /// The format, which histograms follow, these, which counts follow, these, the entering changes,
    /// the open changes, and up to the end the slices.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let parts = self.parts();
        let mut bytes = vec![FORMAT];
        write(mask(parts.iter().map(|part| !part.is_empty())), &mut bytes);
        for part in parts.iter().filter(|part| !part.is_empty()) {
            part.encode(&mut bytes);
        }
        write(mask(self.counts.iter().map(|&count| count != 0)), &mut bytes);
        for &count in self.counts.iter().filter(|&&count| count != 0) {
            write_signed(count, &mut bytes);
        }
        self.entering.encode(&mut bytes);
        self.open.encode(&mut bytes);
        self.slices.encode(&mut bytes);
        bytes
    }

    /// Reads what [`DaySummary::encode`] wrote; `None` for anything else. Takes no more memory
    /// than some times the size of `bytes`.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (mut summary, mut from) = Self::decode_before_slices(bytes)?;
        summary.slices = slices::Slices::decode(&mut from)?;
        Some(summary)
    }

    /// The same without the parts that [`DaySummary::share`] tells apart, and without a look at
    /// them: they are a large part of the bytes, and only a comparison of them asks for them. What
    /// this returns is for reading, and never to be kept instead of the whole.
    #[must_use]
    pub fn decode_without_slices(bytes: &[u8]) -> Option<Self> {
        Self::decode_before_slices(bytes).map(|(summary, _)| summary)
    }

    /// All but the slices, and the bytes of these.
    fn decode_before_slices(bytes: &[u8]) -> Option<(Self, Bytes<'_>)> {
        let (&FORMAT, rest) = bytes.split_first()? else { return None };
        let mut from = Bytes(rest);
        let mut summary = Self::default();
        let present = from.read()?;
        let parts = summary.parts_mut();
        if present >> parts.len() != 0 {
            return None;
        }
        for (place, part) in parts.into_iter().enumerate() {
            if present >> place & 1 == 1 {
                *part = Histogram::decode(&mut from).filter(|part| !part.is_empty())?;
            }
        }
        let present = from.read()?;
        if present >> COUNTS != 0 {
            return None;
        }
        for (place, count) in summary.counts.iter_mut().enumerate() {
            if present >> place & 1 == 1 {
                *count = from.read_signed().filter(|&count| count != 0)?;
            }
        }
        summary.entering = Entering::decode(&mut from)?;
        summary.open = Open::decode(&mut from)?;
        Some((summary, from))
    }
}

/// A bit for each flag, the first one lowest.
fn mask(flags: impl Iterator<Item = bool>) -> u64 {
    flags.enumerate().fold(0, |mask, (place, flag)| mask | u64::from(flag) << place)
}

#[cfg(test)]
mod tests;
