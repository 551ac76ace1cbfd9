//! The distribution of time to value: quantiles, shares and the curve.

use super::model::{CurvePoint, Estimate, Share, TimeToValue};
use crate::stats::proportion::wilson;
use crate::stats::survival::{Band, Curve, LogRank, Observation, Quantile};
use crate::time::{DAY, HOUR, MONTH, WEEK, humanize};

/// The spans of [`TimeToValue::within`].
const WITHIN: [(i64, &str); 4] =
    [(HOUR, "an hour"), (DAY, "a day"), (WEEK, "a week"), (MONTH, "a month")];

/// How many steps of the curve are kept: more than a screen can draw apart.
const CURVE_STEPS: usize = 400;

/// The quantiles of some changes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::delivery) struct Spread {
    /// Delivered changes.
    pub(in crate::delivery) n: usize,
    /// Waiting changes.
    pub(in crate::delivery) waiting: usize,
    pub(in crate::delivery) p50: Estimate,
    pub(in crate::delivery) p85: Estimate,
    pub(in crate::delivery) p95: Estimate,
}

impl Spread {
    pub(in crate::delivery) fn of(observations: &[Observation]) -> Self {
        let (n, waiting) = counts_of(observations);
        Self::of_curve(n, waiting, &curve_of(observations))
    }

    /// The quantiles of a curve of `n` delivered and some waiting changes.
    pub(in crate::delivery) fn of_curve(n: usize, waiting: usize, curve: &Curve) -> Self {
        let quantile = |p| estimate(curve.quantile(p));
        Self { n, waiting, p50: quantile(0.5), p85: quantile(0.85), p95: quantile(0.95) }
    }
}

/// Those delivered and those that wait.
fn counts_of(observations: &[Observation]) -> (usize, usize) {
    let n = observations.iter().filter(|seen| seen.event).count();
    (n, observations.len() - n)
}

/// A quantile of a curve, as the model tells it.
pub(super) fn estimate(quantile: Quantile) -> Estimate {
    Estimate { seconds: quantile.estimate, low: quantile.low, high: quantile.high }
}

/// The curve of some observations, as far as it describes them.
fn curve_of(observations: &[Observation]) -> Curve {
    Curve::of(observations.iter().copied()).until_exhausted()
}

/// The distribution of time to value.
pub(super) fn time_to_value(observations: &[Observation]) -> TimeToValue {
    let (n, waiting) = counts_of(observations);
    time_to_value_of_curve(n, waiting, &curve_of(observations), CURVE_STEPS)
}

/// The distribution of time to value of `n` delivered and some waiting changes by their curve, of
/// which at most `steps` are told.
pub(in crate::delivery) fn time_to_value_of_curve(
    n: usize,
    waiting: usize,
    curve: &Curve,
    steps: usize,
) -> TimeToValue {
    let Spread { p50, p85, p95, .. } = Spread::of_curve(n, waiting, curve);
    TimeToValue {
        n,
        waiting,
        p50,
        p85,
        p95,
        within: WITHIN.map(|(seconds, label)| share_within(curve, seconds, label)).into(),
        curve: curve_points(curve, steps),
    }
}

fn share_within(curve: &Curve, within_seconds: i64, label: &'static str) -> Share {
    let Band { survival, low, high } = curve.at(within_seconds);
    // Where nobody of this age was observed and nobody was delivered before, nothing is known.
    let observed = curve.steps().last().is_some_and(|last| within_seconds <= last.time);
    let share = (observed || survival < 1.0).then_some(1.0 - survival);
    let (low, high) = match (survival, share) {
        (_, None) => (None, None),
        (0.0 | 1.0, Some(_)) => bounds_at_the_end(curve, within_seconds, survival),
        _ => (high.map(|high| 1.0 - high), low.map(|low| 1.0 - low)),
    };
    Share { within_seconds, label, share, low, high }
}

/// The interval of a share of none or all, where the band of the curve has no width: Wilson's, on
/// those still under observation at that age where none was delivered, and on those delivered
/// where all were. Both leave out the censored, which only widens it.
fn bounds_at_the_end(curve: &Curve, age: i64, survival: f64) -> (Option<f64>, Option<f64>) {
    let steps = curve.steps();
    let interval = if survival > 0.0 {
        let left = steps.iter().find(|step| step.time >= age).map_or(0, |step| step.at_risk);
        wilson(0, left)
    } else {
        let delivered = steps.iter().map(|step| step.events).sum();
        wilson(delivered, delivered)
    };
    (interval.map(|it| it.low), interval.map(|it| it.high))
}

fn curve_points(curve: &Curve, steps: usize) -> Vec<CurvePoint> {
    let point = |step: crate::stats::survival::Step| CurvePoint {
        seconds: step.time,
        waiting_share: step.survival,
        low: step.low,
        high: step.high,
        at_risk: step.at_risk,
        censored: step.censored,
    };
    curve.downsample(steps).into_iter().map(point).collect()
}

/// An estimate in people's words: `2 d 4 h`, or `not reached`.
pub(super) fn in_words(estimate: &Estimate) -> String {
    estimate.seconds.map_or_else(|| "not reached".to_owned(), humanize)
}

/// What a log-rank test says, in people's words.
pub(in crate::delivery) fn noise(p: f64) -> String {
    let side = if LogRank::is_beyond_noise(p) { "beyond" } else { "within" };
    let p = match p {
        p if p < 0.001 => "p < 0.001".to_owned(),
        p if p < 0.1 => format!("p = {p:.3}"),
        p => format!("p = {p:.2}"),
    };
    format!("{side} noise (log-rank {p})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_none_and_all_have_intervals_too() {
        let lives = [2 * HOUR; 10].map(|time| Observation { entry: 0, time, event: true });
        let value = time_to_value(&lives);
        let [hour, day] = [&value.within[0], &value.within[1]];
        // Wilson for 0 of 10 and 10 of 10: Newcombe (1998), 0 to .2775 and its mirror.
        assert_eq!((hour.share, hour.low), (Some(0.0), Some(0.0)));
        assert!((hour.high.unwrap() - 0.2775).abs() < 1e-4);
        assert_eq!((day.share, day.high), (Some(1.0), Some(1.0)));
        assert!((day.low.unwrap() - 0.7225).abs() < 1e-4);
    }

    fn lives(events: &[i64], censored: &[i64]) -> Vec<Observation> {
        let of = |ages: &[i64], event| -> Vec<_> {
            ages.iter().map(|&time| Observation { entry: 0, time, event }).collect()
        };
        [of(events, true), of(censored, false)].concat()
    }

    /// 1/4 and 1/4 of the rest fall at an hour and two; the one that waits for 90 minutes is not
    /// in the second: 1, 3/4, 3/4 · 1/2, and 0 at ten days.
    #[test]
    fn waiting_changes_move_the_median() {
        let found = time_to_value(&lives(&[HOUR, 2 * HOUR, 10 * DAY], &[HOUR + HOUR / 2]));
        assert_eq!((found.n, found.waiting), (3, 1));
        assert_eq!(found.p50.seconds, Some((2 * HOUR) as f64));
        assert_eq!(found.p85.seconds, Some((10 * DAY) as f64));
        let shares: Vec<_> = found.within.iter().map(|share| (share.label, share.share)).collect();
        let (hour, day) = (Some(0.25), Some(0.625));
        assert_eq!(
            shares,
            [("an hour", hour), ("a day", day), ("a week", day), ("a month", Some(1.0))]
        );
        let bounds = found.within[1];
        assert!(bounds.low.unwrap() < 0.625 && 0.625 < bounds.high.unwrap());
        let steps: Vec<_> = found
            .curve
            .iter()
            .map(|p| (p.seconds, p.at_risk, p.censored, p.waiting_share))
            .collect();
        assert_eq!(
            steps,
            [
                (HOUR, 4, 0, 0.75),
                (HOUR + HOUR / 2, 3, 1, 0.75),
                (2 * HOUR, 2, 0, 0.375),
                (10 * DAY, 1, 0, 0.0)
            ]
        );
    }

    #[test]
    fn a_share_that_nobody_was_observed_for_is_not_known() {
        let young = time_to_value(&lives(&[], &[2 * HOUR]));
        let shares: Vec<_> = young.within.iter().map(|share| share.share).collect();
        assert_eq!(shares, [Some(0.0), None, None, None]);
        let none = time_to_value(&[]);
        assert_eq!((none.n, none.waiting, none.p50), (0, 0, Estimate::default()));
        assert!(none.within.iter().all(|share| share.share.is_none()));
        // Past the last age the share is at least what was delivered by then.
        let some = time_to_value(&lives(&[HOUR], &[2 * HOUR]));
        assert_eq!((some.within[1].share, some.within[1].high), (Some(0.5), None));
    }

    #[test]
    fn a_curve_that_ran_out_early_is_not_told() {
        let early = [
            Observation { entry: 0, time: 60, event: true },
            Observation { entry: 100, time: 900, event: true },
        ];
        let found = time_to_value(&early);
        assert_eq!((found.n, found.p50, found.curve.len()), (2, Estimate::default(), 0));
        assert!(found.within.iter().all(|share| share.share.is_none()));
        assert_eq!(Spread::of(&early).p95, Estimate::default());
    }

    #[test]
    fn a_long_curve_is_cut_down() {
        let ages: Vec<i64> = (1..=5_000).collect();
        let curve = time_to_value(&lives(&ages, &[])).curve;
        assert!((200..=400).contains(&curve.len()), "{}", curve.len());
        assert_eq!(curve.last().unwrap().seconds, 5_000);
    }

    #[test]
    fn noise_is_told_with_its_probability() {
        assert_eq!(noise(0.000_2), "beyond noise (log-rank p < 0.001)");
        assert_eq!(noise(0.003), "beyond noise (log-rank p = 0.003)");
        assert_eq!(noise(0.05), "within noise (log-rank p = 0.050)");
        assert_eq!(noise(0.412), "within noise (log-rank p = 0.41)");
        assert_eq!(in_words(&Estimate::default()), "not reached");
    }
}
