//! Correlation of ranks: whether one thing grows with another, whatever the shape.

use super::Z95;

/// A rank correlation with its interval at 95 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlation {
    /// How many pairs it rests on, at least 4.
    pub n: usize,
    /// Spearman's rho, -1 to 1.
    pub rho: f64,
    /// The lower bound. `None` when rho is -1 or 1, for which Fisher's z is infinite: the data
    /// then cannot tell how far the truth may be.
    pub low: Option<f64>,
    /// The upper bound; `None` like `low`.
    pub high: Option<f64>,
}

/// Spearman's rho of two equally long columns: Pearson's correlation of their ranks, where equal
/// values share the mean of their ranks.
///
/// The interval is `tanh(atanh(rho) ± z·√((1 + rho²/2) / (n - 3)))` (Bonett and Wright 2000).
/// `None` with fewer than four pairs, when all values of a column are equal, when a value is not a
/// number, or when the columns differ in length.
#[must_use]
pub fn spearman(xs: &[f64], ys: &[f64]) -> Option<Correlation> {
    let n = xs.len();
    if n < 4 || ys.len() != n || xs.iter().chain(ys).any(|value| value.is_nan()) {
        return None;
    }
    let (xs, ys) = (centered_ranks(xs), centered_ranks(ys));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let scale = (product(&xs, &xs) * product(&ys, &ys)).sqrt();
    if scale <= 0.0 {
        return None;
    }
    let rho = (product(&xs, &ys) / scale).clamp(-1.0, 1.0);
    let (low, high) = interval(rho, n).unzip();
    Some(Correlation { n, rho, low, high })
}

fn interval(rho: f64, n: usize) -> Option<(f64, f64)> {
    let z = rho.atanh();
    let half_width = Z95 * ((1.0 + rho * rho / 2.0) / (n as f64 - 3.0)).sqrt();
    z.is_finite().then(|| ((z - half_width).tanh(), (z + half_width).tanh()))
}

/// The ranks of the values, less the mean of all ranks; equal values get the mean of theirs.
fn centered_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<_> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let middle = (values.len() - 1) as f64 / 2.0;
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = before as f64 + (equal.len() - 1) as f64 / 2.0;
        for &place in equal {
            ranks[place] = rank - middle;
        }
        before += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::super::samples::close;
    use super::*;
    use proptest::prelude::*;

    /// The example of `ci.spear` in Bonett's R package statpsych, which has ties:
    /// <https://dgbonett.github.io/statpsych/reference/ci.spear.html>.
    #[test]
    fn published_example_with_ties_and_interval() {
        let y = [21, 4, 9, 12, 35, 18, 10, 22, 24, 1, 6, 8, 13, 16, 19].map(f64::from);
        let x = [67, 28, 30, 28, 52, 40, 25, 37, 44, 10, 14, 20, 28, 40, 51].map(f64::from);
        let found = spearman(&y, &x).unwrap();
        close(found.rho, 0.869_963_9, 5e-8);
        close(found.low.unwrap(), 0.584_095_1, 5e-8);
        close(found.high.unwrap(), 0.963_829_7, 5e-8);
        assert_eq!(found.n, 15);
    }

    /// The example of IQ and hours of television in Wikipedia's article on Spearman's coefficient.
    #[test]
    fn published_example_without_ties() {
        let iq = [106, 86, 100, 101, 99, 103, 97, 113, 112, 110].map(f64::from);
        let hours = [7, 0, 27, 50, 28, 29, 20, 12, 6, 17].map(f64::from);
        close(spearman(&iq, &hours).unwrap().rho, -29.0 / 165.0, 1e-12);
    }

    #[test]
    fn perfect_order_has_no_interval() {
        let up: Vec<_> = (0..50).map(|i| f64::from(i * i)).collect();
        let down: Vec<_> = up.iter().map(|value| -value).collect();
        let found = spearman(&up, &up).unwrap();
        assert_eq!((found.rho, found.low, found.high), (1.0, None, None));
        let found = spearman(&up, &down).unwrap();
        assert_eq!((found.rho, found.low, found.high), (-1.0, None, None));
    }

    #[test]
    fn too_little_to_correlate_gives_nothing() {
        assert_eq!(spearman(&[], &[]), None);
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), None);
        assert_eq!(spearman(&[1.0; 9], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]), None);
        assert_eq!(spearman(&[1.0, 2.0, 3.0, f64::NAN], &[1.0, 2.0, 3.0, 4.0]), None);
        assert_eq!(spearman(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 3.0, 4.0, 5.0]), None);
        assert_eq!(spearman(&[0.0, -0.0, 0.0, -0.0], &[1.0, 2.0, 3.0, 4.0]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn agrees_with_ranks_by_counting(
            pairs in prop::collection::vec((0..9_i32, 0..9_i32), 4..40)
        ) {
            let (xs, ys): (Vec<f64>, Vec<f64>) =
                pairs.iter().map(|&(x, y)| (f64::from(x), f64::from(y))).unzip();
            let rank = |all: &[f64], v: f64| {
                let below = all.iter().filter(|&&w| w < v).count() as f64;
                let equal = all.iter().filter(|&&w| w == v).count() as f64;
                below + (equal + 1.0) / 2.0
            };
            let rx: Vec<f64> = xs.iter().map(|&v| rank(&xs, v)).collect();
            let ry: Vec<f64> = ys.iter().map(|&v| rank(&ys, v)).collect();
            let n = xs.len() as f64;
            let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
            let cov = |a: &[f64], b: &[f64]| {
                a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / n - mean(a) * mean(b)
            };
            let (vx, vy) = (cov(&rx, &rx), cov(&ry, &ry));
            let found = spearman(&xs, &ys);
            prop_assert_eq!(found.is_some(), vx > 1e-9 && vy > 1e-9);
            if let Some(found) = found {
                let naive = cov(&rx, &ry) / (vx * vy).sqrt();
                prop_assert!((found.rho - naive).abs() < 1e-9);
                let (low, high) = (found.low.unwrap_or(-1.0), found.high.unwrap_or(1.0));
                prop_assert!(-1.0 <= low && low <= found.rho && found.rho <= high && high <= 1.0);
                prop_assert_eq!(found.low.is_none(), found.rho.abs() >= 1.0);
            }
        }
    }
}
