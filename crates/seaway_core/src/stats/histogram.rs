//! Counts of durations that can be added up and taken away again without any loss.
//!
//! A duration is counted in a bucket, of which the middle is within 1 % of every value. Below 100
//! seconds, and at an hour, a day, a week and a month, a bucket holds a single value, so that
//! "within a day" and "under a day" can be told exactly. The borders are computed in whole numbers:
//! they are the same on every machine, and stored histograms rest on them.

use super::bytes::{Bytes, write, write_signed};
use crate::time::{DAY, HOUR, MONTH, WEEK};

/// A bucket is at most this part of its lowest value wide, or one second.
const WIDTH: i64 = 50;

/// Values that have a bucket of their own.
const LANDMARKS: [i64; 4] = [HOUR, DAY, WEEK, MONTH];

/// The lowest value of the bucket after the one that begins with `low`; `None` after the last.
const fn next(low: i64) -> Option<i64> {
    let width = if low < 2 * WIDTH { 1 } else { low / WIDTH };
    let Some(mut next) = low.checked_add(width) else { return None };
    let mut i = 0;
    while i < LANDMARKS.len() {
        if low < LANDMARKS[i] && LANDMARKS[i] < next {
            next = LANDMARKS[i];
        } else if low == LANDMARKS[i] {
            next = low + 1;
        }
        i += 1;
    }
    Some(next)
}

/// How many buckets there are: they cover every duration from 0 on.
pub const BUCKETS: usize = {
    let (mut low, mut count) = (0, 1);
    while let Some(after) = next(low) {
        low = after;
        count += 1;
    }
    count
};

/// The lowest value of each bucket.
static LOWS: [i64; BUCKETS] = {
    let mut lows = [0; BUCKETS];
    let mut bucket = 1;
    while bucket < BUCKETS {
        if let Some(low) = next(lows[bucket - 1]) {
            lows[bucket] = low;
        }
        bucket += 1;
    }
    lows
};

/// The bucket of a duration in seconds; a negative one counts as 0.
#[must_use]
pub fn bucket_of(seconds: i64) -> usize {
    if seconds < 2 * WIDTH {
        return seconds.max(0) as usize;
    }
    LOWS.partition_point(|&low| low <= seconds) - 1
}

/// The width of a bucket in seconds, 0 past the last one.
#[must_use]
pub fn width_of(bucket: usize) -> i64 {
    let Some(&low) = LOWS.get(bucket) else { return 0 };
    // The last bucket includes the largest number, which is all the same to whoever asks.
    LOWS.get(bucket + 1).copied().unwrap_or(i64::MAX) - low
}

/// The value in seconds that stands for a bucket: within 1 % of every value in it.
#[must_use]
pub fn middle_of(bucket: usize) -> i64 {
    let low = LOWS.get(bucket).copied().unwrap_or(i64::MAX);
    low + (width_of(bucket) - 1).max(0) / 2
}

/// A bucket with its count, which is not 0.
pub type Bin = (u16, i64);

/// Counts of durations by bucket, and the exact sum of their seconds.
///
/// Histograms form a commutative group: merging adds counts and sums, and subtracting undoes it. A
/// difference of two may hold counts below 0. All arithmetic wraps around at 64 bits, which keeps
/// it reversible and without a panic whatever was stored; real counts are far from that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// By ascending bucket, without empty ones.
    bins: Vec<Bin>,
    sum: i64,
}

impl Histogram {
    /// Counts a duration in seconds; a negative one counts as 0.
    pub fn add(&mut self, seconds: i64) {
        self.add_many(seconds, 1);
    }

    /// The histogram of durations in seconds with how often each was seen, in any order.
    #[must_use]
    pub fn of(durations: impl IntoIterator<Item = (i64, i64)>) -> Self {
        let mut counts: Vec<i64> = Vec::new();
        let mut sum = 0_i64;
        for (seconds, count) in durations {
            let seconds = seconds.max(0);
            let bucket = bucket_of(seconds);
            if counts.len() <= bucket {
                counts.resize(bucket + 1, 0);
            }
            counts[bucket] = counts[bucket].wrapping_add(count);
            sum = sum.wrapping_add(seconds.wrapping_mul(count));
        }
        let bins = counts.into_iter().enumerate().filter(|&(_, count)| count != 0);
        Self { bins: bins.map(|(bucket, count)| (bucket as u16, count)).collect(), sum }
    }

    /// Counts a duration in seconds so many times, which may be less than none.
    pub fn add_many(&mut self, seconds: i64, count: i64) {
        if count == 0 {
            return;
        }
        let seconds = seconds.max(0);
        let bucket = bucket_of(seconds) as u16;
        self.sum = self.sum.wrapping_add(seconds.wrapping_mul(count));
        match self.bins.binary_search_by_key(&bucket, |&(bucket, _)| bucket) {
            Err(place) => self.bins.insert(place, (bucket, count)),
            Ok(place) => {
                self.bins[place].1 = self.bins[place].1.wrapping_add(count);
                if self.bins[place].1 == 0 {
                    self.bins.remove(place);
                }
            }
        }
    }

    /// Adds all counts of another one.
    pub fn merge(&mut self, other: &Self) {
        self.combine(other, i64::wrapping_add);
    }

    /// Takes away all counts of another one: exactly what merging it added.
    pub fn subtract(&mut self, other: &Self) {
        self.combine(other, i64::wrapping_sub);
    }

    fn combine(&mut self, other: &Self, with: fn(i64, i64) -> i64) {
        self.sum = with(self.sum, other.sum);
        if other.bins.is_empty() {
            return;
        }
        let mut bins = Vec::with_capacity(self.bins.len() + other.bins.len());
        let mut mine = self.bins.iter().copied().peekable();
        for &(bucket, count) in &other.bins {
            while let Some(bin) = mine.next_if(|&(before, _)| before < bucket) {
                bins.push(bin);
            }
            let old = mine.next_if(|&(same, _)| same == bucket).map_or(0, |(_, old)| old);
            let new = with(old, count);
            if new != 0 {
                bins.push((bucket, new));
            }
        }
        bins.extend(mine);
        self.bins = bins;
    }

    /// How many durations were counted.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.bins.iter().fold(0, |total, &(_, count)| total.wrapping_add(count))
    }

    /// The exact sum of the durations in seconds.
    #[must_use]
    pub fn sum(&self) -> i64 {
        self.sum
    }

    /// The buckets that were counted in, ascending; no count is 0.
    #[must_use]
    pub fn bins(&self) -> &[Bin] {
        &self.bins
    }

    /// Whether it is the same as one that nothing was ever added to.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bins.is_empty() && self.sum == 0
    }

    /// Appends the histogram as bytes; equal histograms are equal bytes. They say themselves where
    /// they end.
    ///
    /// Number of bins; sum of seconds, signed; for each bin the buckets skipped since the one
    /// before it, doubled, plus 1 if a signed count follows because it is not 1.
    pub(crate) fn encode(&self, to: &mut Vec<u8>) {
        write(self.bins.len() as u64, to);
        write_signed(self.sum, to);
        let mut next = 0;
        for &(bucket, count) in &self.bins {
            write(u64::from(bucket - next) << 1 | u64::from(count != 1), to);
            if count != 1 {
                write_signed(count, to);
            }
            next = bucket + 1;
        }
    }

    /// Reads what [`Histogram::encode`] wrote; `None` for anything else.
    pub(crate) fn decode(from: &mut Bytes<'_>) -> Option<Self> {
        let length = from.read()?;
        // A bin takes a byte at least: what is promised beyond that is not reserved.
        if length > BUCKETS as u64 || length > from.0.len() as u64 {
            return None;
        }
        let sum = from.read_signed()?;
        let mut bins = Vec::with_capacity(length as usize);
        let mut next = 0;
        for _ in 0..length {
            let step = from.read()?;
            let bucket = (step >> 1).checked_add(next).filter(|&it| it < BUCKETS as u64)?;
            let count = if step & 1 == 0 { 1 } else { from.read_signed()? };
            if count == 0 || (count == 1 && step & 1 == 1) {
                return None;
            }
            bins.push((bucket as u16, count));
            next = bucket + 1;
        }
        Some(Self { bins, sum })
    }
}

impl FromIterator<i64> for Histogram {
    /// Counts durations in seconds.
    fn from_iter<I: IntoIterator<Item = i64>>(durations: I) -> Self {
        let mut histogram = Self::default();
        durations.into_iter().for_each(|seconds| histogram.add(seconds));
        histogram
    }
}

#[cfg(test)]
mod tests;
