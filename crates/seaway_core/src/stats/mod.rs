//! Statistics of durations, some of which have not ended yet, and of evidence that grows.

pub(crate) mod bytes;
pub mod histogram;
pub mod life_table;
mod log_rank;
pub mod proportion;
pub mod rank;
mod risk;
#[cfg(test)]
mod samples;
pub mod sequential;
pub mod survival;

/// The 97.5 % point of the standard normal distribution: every interval here is two-sided at 95 %.
const Z95: f64 = 1.959_963_984_540_054;

#[cfg(test)]
mod tests {
    use super::Z95;
    use statrs::distribution::{ContinuousCDF, Normal};

    #[test]
    fn the_normal_point_is_the_one_of_95_percent() {
        let between = Normal::standard().cdf(Z95) - Normal::standard().cdf(-Z95);
        assert!((between - 0.95).abs() < 1e-9, "{between}");
    }
}
