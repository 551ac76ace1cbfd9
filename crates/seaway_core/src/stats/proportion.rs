//! Shares of a whole that were counted, with their intervals.

use super::Z95;

/// A share with its interval at 95 %, all 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proportion {
    /// The share that was counted.
    pub share: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

/// The share of `k` in `n` with the score interval of Wilson (1927), without a correction for
/// continuity. `None` when `n` is 0, or smaller than `k`.
#[must_use]
pub fn wilson(k: usize, n: usize) -> Option<Proportion> {
    if n == 0 || k > n {
        return None;
    }
    let count = n as f64;
    let share = k as f64 / count;
    let square = Z95 * Z95;
    let center = share + square / (2.0 * count);
    let spread = (share * (1.0 - share) / count + square / (4.0 * count * count)).sqrt() * Z95;
    let whole = 1.0 + square / count;
    // With nothing or everything counted the bound is exactly 0 or 1, but for rounding.
    let low = if k == 0 { 0.0 } else { (center - spread) / whole };
    let high = if k == n { 1.0 } else { (center + spread) / whole };
    Some(Proportion { share, low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Newcombe (1998), Statistics in Medicine 17, Table I, method 3.
    #[test]
    fn published_examples() {
        for (k, n, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let found = wilson(k, n).unwrap();
            assert!((found.low - low).abs() < 5e-5, "{k} of {n}: {found:?}");
            assert!((found.high - high).abs() < 5e-5, "{k} of {n}: {found:?}");
        }
    }

    #[test]
    fn bounds_solve_the_equation_of_the_score() {
        for n in 1..60 {
            for k in 0..=n {
                let Proportion { share, low, high } = wilson(k, n).unwrap();
                assert!(0.0 <= low && low <= share && share <= high && high <= 1.0, "{k} of {n}");
                for bound in [low, high] {
                    let score = (share - bound).powi(2) * n as f64;
                    let variance = bound * (1.0 - bound);
                    assert!((score - Z95 * Z95 * variance).abs() < 1e-12, "{k} of {n}: {bound}");
                }
            }
        }
    }

    #[test]
    fn nothing_counted_or_too_much_gives_nothing() {
        assert_eq!(wilson(0, 0), None);
        assert_eq!(wilson(3, 2), None);
    }

    #[test]
    fn the_ends_are_exact() {
        assert_eq!(wilson(0, 7).unwrap().low, 0.0);
        assert_eq!(wilson(7, 7).unwrap().high, 1.0);
        let huge = wilson(usize::MAX / 2, usize::MAX).unwrap();
        assert!(huge.low <= huge.share && huge.share <= huge.high);
    }
}
