//! Survival curves (Kaplan and Meier 1958) of lives that may enter observation late (left
//! truncation) and leave it before their event (right censoring).
//!
//! Ages are whole seconds. Intervals are pointwise, at 95 %, from Greenwood's variance on the scale
//! of `ln(-ln S)` (Kalbfleisch and Prentice 1980), which keeps them within 0 and 1.

pub use super::log_rank::{LogRank, log_rank, log_rank_of_tables};
pub use super::risk::Observation;

use super::Z95;
use super::life_table::LifeTable;
use super::risk::sweep;

/// How far above `1 - p` a survival may lie and still count as having reached it.
///
/// A product of some million factors, and `1 - p` itself, are off by rounding; a true step of so
/// small a height would need a thousand million lives.
const TOLERANCE: f64 = 1e-9;

/// An age at which the observation of some life ended, and the curve from this age on.
///
/// Ages with censorings only are steps too, of no height, so that the steps account for every life.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The age in seconds.
    pub time: i64,
    /// Lives under observation at this age, those that end at it included.
    pub at_risk: usize,
    /// Events at this age.
    pub events: usize,
    /// Lives that left observation at this age without their event.
    pub censored: usize,
    /// The estimated share of lives without event up to and including this age, 0 to 1.
    pub survival: f64,
    /// The lower bound of `survival`. `None` where survival is 0 or 1, for which this scale has no
    /// interval: the data then cannot tell how far the truth may be.
    pub low: Option<f64>,
    /// The upper bound of `survival`; `None` like `low`.
    pub high: Option<f64>,
}

/// The curve at one age.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    /// The estimated share of lives without event up to and including the age, 0 to 1.
    pub survival: f64,
    /// The lower bound; `None`: not known.
    pub low: Option<f64>,
    /// The upper bound; `None`: not known.
    pub high: Option<f64>,
}

/// The age in seconds by which a share of lives had its event. `None`: not reached (yet).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quantile {
    /// The point estimate.
    pub estimate: Option<f64>,
    /// The lower bound, never above the estimate; may be known where the estimate is not reached.
    pub low: Option<f64>,
    /// The upper bound, never below the estimate.
    pub high: Option<f64>,
}

/// A Kaplan–Meier curve.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curve {
    steps: Vec<Step>,
    ignored: usize,
}

impl Curve {
    /// Estimates the curve; the order of the observations does not matter.
    ///
    /// Observations that cover no age (see [`Observation`]) are left out and counted by
    /// [`Curve::ignored`].
    pub fn of(observations: impl IntoIterator<Item = Observation>) -> Self {
        let observations: Vec<_> = observations.into_iter().collect();
        let mut estimate = Estimate::default();
        sweep(&[&observations], |moment| {
            let (at_risk, events) = (moment.at_risk[0], moment.events[0]);
            estimate.fall(at_risk as f64, events);
            estimate.step(moment.time, at_risk, events, moment.censored[0]);
        });
        let ignored = observations.iter().filter(|seen| !seen.is_usable()).count();
        Self { steps: estimate.steps, ignored }
    }

    /// Estimates the curve from a life table: each interval of ages with an event or a censoring
    /// is a step at its middle.
    ///
    /// Events of one interval count as if each had an age of its own. Where it ends everybody,
    /// that gives a second step with the last but one of them, from which the lower bound of a
    /// quantile can be known, as it would be if the ages were.
    #[must_use]
    pub fn of_table(table: &LifeTable) -> Self {
        let mut estimate = Estimate::default();
        for row in table.rows().iter().filter(|row| row.events + row.censored > 0) {
            let at_risk = row.at_risk.round() as usize;
            let mut events = row.events as usize;
            let mut exposed = row.at_risk;
            if row.events as f64 >= row.at_risk && events > 1 && !row.exact {
                estimate.fall(exposed, events - 1);
                estimate.step(row.time, at_risk, events - 1, 0);
                exposed -= (events - 1) as f64;
                events = 1;
            }
            estimate.fall(exposed, events);
            estimate.step(row.time, exposed.round() as usize, events, row.censored as usize);
        }
        Self { steps: estimate.steps, ignored: 0 }
    }

    /// The steps, by ascending age. Empty when nothing was observed.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How many observations were left out because they cover no age.
    #[must_use]
    pub fn ignored(&self) -> usize {
        self.ignored
    }

    /// Whether the curve fell to 0 while lives that entered later were yet to be observed.
    ///
    /// With delayed entry few may be under observation at early ages; if all of them have their
    /// event, the curve is 0 from there on whatever the others show, and neither the curve nor its
    /// quantiles describe them.
    #[must_use]
    pub fn exhausted_early(&self) -> bool {
        self.steps.iter().rev().nth(1).is_some_and(|step| step.survival <= 0.0)
    }

    /// The curve as far as it describes those observed: where it fell to 0 early, up to the step
    /// before that (see [`Curve::exhausted_early`]).
    ///
    /// It is the last few of those under observation that bring it down, often at a high age at
    /// which little was left of it anyway; what it said before stands.
    #[must_use]
    pub fn until_exhausted(mut self) -> Self {
        if self.exhausted_early() {
            self.steps.retain(|step| step.survival > 0.0);
        }
        self
    }

    /// The smallest age at which at most `1 - p` of the lives are without event, for a `p` between
    /// 0 and 1 (both exclusive; any other `p` gives nothing but `None`).
    ///
    /// The interval is that of Brookmeyer and Crowley (1982) on the scale of the band: from the
    /// first age at which the lower bound is at most `1 - p` to the first at which the upper is.
    /// A survival up to 1e-9 above `1 - p` counts as having reached it, against rounding.
    #[must_use]
    pub fn quantile(&self, p: f64) -> Quantile {
        if !(p > 0.0 && p < 1.0) {
            return Quantile::default();
        }
        // A survival of exactly 1 has lost nobody, so it reaches no level however small p is.
        let reached = |survival: f64| survival < 1.0 && survival <= 1.0 - p + TOLERANCE;
        let first = |value: fn(&Step) -> Option<f64>| {
            let step = self.steps.iter().find(|step| value(step).is_some_and(reached));
            step.map(|step| step.time as f64)
        };
        Quantile {
            estimate: first(|step| Some(step.survival)),
            low: first(|step| step.low),
            high: first(|step| step.high),
        }
    }

    /// The curve at an age in seconds: survival 1 before the first step.
    ///
    /// Past the last step nobody is under observation. Unless it is 0, survival is carried on from
    /// there and is then only the most that it can be; the lower bound is not known.
    #[must_use]
    pub fn at(&self, age: i64) -> Band {
        let passed = self.steps.partition_point(|step| step.time <= age);
        let Some(step) = passed.checked_sub(1).and_then(|last| self.steps.get(last)) else {
            return Band { survival: 1.0, low: None, high: None };
        };
        let unseen = passed == self.steps.len() && age > step.time;
        let low = step.low.filter(|_| !unseen);
        Band { survival: step.survival, low, high: step.high }
    }

    /// At most `max` steps (at least 2) that draw the curve: the first, the last, and of the others
    /// those that share out its fall and its steps evenly.
    ///
    /// Events and censorings of a step left out are counted in the next one kept. The drawn curve
    /// is nowhere above the true one by more than `2 / (max - 1)` of the whole fall, and nowhere
    /// below it.
    #[must_use]
    pub fn downsample(&self, max: usize) -> Vec<Step> {
        let buckets = max.max(2) - 1;
        let (Some(first), Some(last)) = (self.steps.first(), self.steps.last()) else {
            return Vec::new();
        };
        if self.steps.len() <= buckets + 1 {
            return self.steps.clone();
        }
        let end = self.steps.len() - 1;
        let fall = (first.survival - last.survival).max(f64::MIN_POSITIVE);
        let bucket_of = |index: usize, step: &Step| {
            let fallen = (first.survival - step.survival) / fall;
            let progress = f64::midpoint(fallen, index as f64 / end as f64);
            (progress * buckets as f64) as usize
        };
        let mut kept = Vec::with_capacity(buckets + 1);
        let mut bucket = None;
        let (mut events, mut censored) = (0, 0);
        for (index, step) in self.steps.iter().enumerate() {
            events += step.events;
            censored += step.censored;
            let next = Some(bucket_of(index, step));
            if next != bucket || index == end {
                kept.push(Step { events, censored, ..*step });
                (events, censored) = (0, 0);
                bucket = next;
            }
        }
        kept
    }
}

/// A curve in the making.
struct Estimate {
    steps: Vec<Step>,
    survival: f64,
    /// Of the logarithm of survival, by Greenwood.
    variance: f64,
}

impl Default for Estimate {
    fn default() -> Self {
        Self { steps: Vec::new(), survival: 1.0, variance: 0.0 }
    }
}

impl Estimate {
    /// Lets the curve fall by the events among those at risk, of whom there are as many at least.
    fn fall(&mut self, at_risk: f64, events: usize) {
        if events == 0 {
            return;
        }
        let left = at_risk - events as f64;
        self.survival *= left / at_risk;
        if left > 0.0 {
            self.variance += events as f64 / (at_risk * left);
        }
    }

    fn step(&mut self, time: i64, at_risk: usize, events: usize, censored: usize) {
        let survival = self.survival;
        let (low, high) = log_log_band(survival, self.variance).unzip();
        self.steps.push(Step { time, at_risk, events, censored, survival, low, high });
    }
}

/// The bounds of a survival, given the variance of its logarithm. `None` for 0 and 1, where
/// `ln(-ln S)` is not finite.
fn log_log_band(survival: f64, variance: f64) -> Option<(f64, f64)> {
    if survival <= 0.0 || survival >= 1.0 {
        return None;
    }
    let half_width = Z95 * variance.sqrt() / -survival.ln();
    Some((survival.powf(half_width.exp()), survival.powf((-half_width).exp())))
}

#[cfg(test)]
mod tests;
