//! Evidence that may be looked at after every event.
//!
//! What is computed here are e-processes: they start at 1 and are expected not to grow as long as
//! the hypothesis holds, so that the probability that one *ever* reaches 1/α is at most α, however
//! often somebody looks and whenever they stop (the inequality of Ville 1939, Étude critique de la
//! notion de collectif; Ramdas, Grünwald, Vovk, Shafer 2023, Game-theoretic statistics and safe
//! anytime-valid inference, Statistical Science 38). All are kept as natural logarithms.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use statrs::function::gamma::ln_gamma;
use std::f64::consts::LN_2;
use std::sync::LazyLock;

/// What harm is bet on: beta distributions of the probability that an error falls into the
/// treatment, cut off below ½, with their weights.
///
/// The first has its weight around ⅔, where the treatment errs twice as often as the control; the
/// second takes every harm for as likely as any other, and is quick where the harm is great. A
/// half of the weight each costs either at most ln 2, a dozen errors where the rate has doubled.
const HARMS: [(f64, f64, f64); 2] = [(0.5, 20.0, 10.0), (0.5, 1.0, 1.0)];

/// For each of [`HARMS`] the logarithm of its weight, less that of its mass above ½.
static HARMS_LN: LazyLock<[f64; 2]> =
    LazyLock::new(|| HARMS.map(|(weight, a, b)| weight.ln() - ln_above_half(a, b)));

/// Evidence that a treatment errs more often than a control of the same size.
///
/// The hypothesis is that the treatment is not worse: whatever fell before, the next error falls
/// into the treatment with a probability of at most ½. That holds without any model of the errors
/// where a fair coin decides for each unit in which of both groups it is, the treatment does no
/// harm, and each unit counts once: the hours in which all units err more often favour nobody.
///
/// The e-value after `k` errors in the treatment and `c` in the control is the beta-binomial mixture
/// of likelihood ratios, with `π` a mixture of beta distributions that are cut off below ½:
///
/// ```text
/// E = ∫ from ½ to 1 of  θ^k (1 − θ)^c / (½)^(k + c)  π(θ) dθ
/// ```
///
/// Each ratio within is expected not to grow under any probability of at most ½, as ratios with
/// θ > ½ are larger after an error of the treatment, and at ½ the expectation is 1. So is their
/// mixture (Robbins 1970, Statistical methods related to the law of the iterated logarithm, Annals
/// of Mathematical Statistics 41, for mixtures; Howard, Ramdas, McAuliffe, Sekhon 2021,
/// Time-uniform, nonparametric, nonasymptotic confidence sequences, Annals of Statistics 49,
/// section 3.2, for the one-sided beta-binomial one). It is exact for any number of errors.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Evidence {
    treatment: u64,
    control: u64,
    ln_e: f64,
    ln_e_max: f64,
}

impl Evidence {
    /// The evidence of so many errors that were looked at once, at their end.
    #[must_use]
    pub fn of(treatment: u64, control: u64) -> Self {
        let ln_e = ln_harm(treatment, control);
        Self { treatment, control, ln_e, ln_e_max: ln_e.max(0.0) }
    }

    /// Counts an error of one more unit of the treatment.
    pub fn add_treatment(&mut self) {
        self.treatment += 1;
        self.look();
    }

    /// Counts an error of one more unit of the control.
    pub fn add_control(&mut self) {
        self.control += 1;
        self.look();
    }

    fn look(&mut self) {
        self.ln_e = ln_harm(self.treatment, self.control);
        self.ln_e_max = self.ln_e_max.max(self.ln_e);
    }

    /// Units of the treatment that erred.
    #[must_use]
    pub fn treatment(&self) -> u64 {
        self.treatment
    }

    /// Units of the control that erred.
    #[must_use]
    pub fn control(&self) -> u64 {
        self.control
    }

    /// The logarithm of the e-value as it is now: 0 before anything was counted.
    #[must_use]
    pub fn ln_e(&self) -> f64 {
        self.ln_e
    }

    /// The largest logarithm of the e-value so far, at least 0.
    #[must_use]
    pub fn ln_e_max(&self) -> f64 {
        self.ln_e_max
    }

    /// Whether the e-value ever reached 1/α, which has a probability of at most α where the
    /// treatment is not worse.
    #[must_use]
    pub fn exceeds(&self, alpha: f64) -> bool {
        self.ln_e_max >= -alpha.ln()
    }
}

/// The logarithm of the e-value that [`Evidence`] is about.
fn ln_harm(treatment: u64, control: u64) -> f64 {
    let (k, c) = (treatment as f64, control as f64);
    let terms = [0, 1].map(|at| {
        let (_, a, b) = HARMS[at];
        HARMS_LN[at] + ln_above_half(a + k, b + c)
    });
    let largest = terms[0].max(terms[1]);
    largest + terms.map(|term| (term - largest).exp()).iter().sum::<f64>().ln()
}

/// The logarithm of 2^(a + b) ∫ from ½ to 1 of θ^(a − 1) (1 − θ)^(b − 1) dθ.
///
/// The power of two is the likelihood of the hypothesis, up to a constant: taken out here, large
/// numbers do not have to cancel later.
fn ln_above_half(a: f64, b: f64) -> f64 {
    if b > a {
        // The part above ½ is the smaller one: found by itself, it does not vanish in rounding.
        return ln_below_half(b, a);
    }
    let whole = (a + b) * LN_2 + ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b);
    whole + (-(ln_below_half(a, b) - whole).exp()).ln_1p()
}

/// The logarithm of 2^(a + b) ∫ from 0 to ½ of θ^(a − 1) (1 − θ)^(b − 1) dθ, for a ≥ b.
///
/// By the continued fraction of the incomplete beta function (NIST Digital Library of Mathematical
/// Functions, 8.17.22), which converges for x < (a + 1)/(a + b + 2), evaluated as Lentz and
/// Thompson do; it takes some √a rounds.
fn ln_below_half(a: f64, b: f64) -> f64 {
    /// Enough for 10¹⁰ errors.
    const ROUNDS_MAX: u32 = 100_000;
    /// Stands for a denominator of 0.
    const TINY: f64 = 1e-300;
    let x = 0.5;
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for round in 1..=ROUNDS_MAX {
        let m = f64::from(round);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut step = 1.0;
        for part in [even, odd] {
            d = 1.0 / away(1.0 + part * d);
            c = away(1.0 + part / c);
            step = c * d;
            fraction *= step;
        }
        if (step - 1.0).abs() < 1e-15 {
            break;
        }
    }
    f64::ln(fraction) - a.ln()
}

/// How many units the prior of [`ln_mismatch`] is worth: 100, as in the code of its authors.
const MISMATCH_UNITS: f64 = 100.0;

/// The logarithm of the e-value against "each unit falls into these groups with these
/// probabilities", for a mismatch of the sample ratio: `counts` of units by group, and the `shares`
/// of the groups, which are above 0 and add up to 1.
///
/// The Bayes factor of the Dirichlet-multinomial distribution, whose prior is that of 100 units in
/// just these shares, against the multinomial one (Lindon and Malek 2022, Anytime-valid inference
/// for multinomial count data, NeurIPS 35: their sequential test of a multinomial hypothesis, with
/// the sample ratio as its first example). With prior `u = 100·θ`, counts `S` and `n` their sum:
///
/// ```text
/// E = Γ(100) / Γ(100 + n)  Π Γ(u_i + S_i) / Γ(u_i)  /  Π θ_i^S_i
/// ```
///
/// It depends on the counts alone, and may be looked at after every unit. 0 where there is nothing
/// to compare.
#[must_use]
pub fn ln_mismatch(counts: &[u64], shares: &[f64]) -> f64 {
    let mut total = 0.0;
    let mut ln_e = 0.0;
    for (count, share) in counts.iter().zip(shares) {
        let (count, prior) = (*count as f64, MISMATCH_UNITS * share);
        total += count;
        ln_e += ln_gamma(prior + count) - ln_gamma(prior) - count * share.ln();
    }
    ln_e + ln_gamma(MISMATCH_UNITS) - ln_gamma(MISMATCH_UNITS + total)
}
