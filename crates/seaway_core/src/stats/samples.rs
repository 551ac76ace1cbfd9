//! Published data that several tests use.

use super::survival::Observation;

/// An observation, in short.
pub(super) fn observation(entry: i64, time: i64, event: bool) -> Observation {
    Observation { entry, time, event }
}

/// Lives under observation from birth: the ages of events, and those of censorings.
pub(super) fn from_birth(events: &[i64], censored: &[i64]) -> Vec<Observation> {
    let with = |ages: &[i64], event| -> Vec<_> {
        ages.iter().map(|&time| observation(0, time, event)).collect()
    };
    [with(events, true), with(censored, false)].concat()
}

/// Weeks of remission with 6-mercaptopurine (Freireich et al. 1963).
pub(super) fn mercaptopurine() -> Vec<Observation> {
    from_birth(&[6, 6, 6, 7, 10, 13, 16, 22, 23], &[6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35])
}

/// Weeks of remission with placebo (Freireich et al. 1963).
pub(super) fn control() -> Vec<Observation> {
    from_birth(&[1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23], &[])
}

/// Asserts that two figures are equal but for rounding.
#[track_caller]
pub(super) fn close(actual: f64, expected: f64, within: f64) {
    assert!((actual - expected).abs() <= within, "{actual} is not {expected}");
}
