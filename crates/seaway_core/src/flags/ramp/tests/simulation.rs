//! Whole ramps, from their first exposure to their end, by chance that follows from a seed.
//!
//! Units come one after the other; each that is compared is in the treatment or the control by a
//! fair coin, errs or does not, and the ramp is looked at after every exposure and every error. The
//! figures that come out are those of the documentation.

use super::{DOCUMENTATION, NOW, around, flag, plan};
use crate::flags::ramp::{
    Action, Audience, Band, Cause, Observation, Outcomes, Phase, Plan, Ramp, Reach, Share, State,
    decide,
};
use crate::stats::sequential::Evidence;
use crate::time::Time;
use std::collections::HashMap;

/// Six steps, each of at least 1,000 units that see the variant: 12,000 exposures of both bands.
const PLAN: &str = r#"{"variant":"on","base":"off","steps":[
    {"percent":1,"hold_seconds":3600,"least_exposures":1000},
    {"percent":5,"hold_seconds":3600,"least_exposures":1000},
    {"percent":10,"hold_seconds":3600,"least_exposures":1000},
    {"percent":20,"hold_seconds":3600,"least_exposures":1000},
    {"percent":35,"hold_seconds":3600,"least_exposures":1000},
    {"percent":50,"hold_seconds":3600,"least_exposures":1000},
    {"percent":100}],
    "guardrails":[{"metric":"error"}]}"#;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }

    /// Whether something of this probability happens.
    fn happens(&mut self, probability: f64) -> bool {
        ((self.next() >> 11) as f64 / (1_u64 << 53) as f64) < probability
    }
}

/// How a ramp ended.
struct End {
    rolled_back: bool,
    complete: bool,
    /// Exposures of both bands.
    exposures: u64,
    /// Errors of both bands.
    errors: u64,
    held: u64,
}

/// One ramp, with these probabilities that a unit of the control and of the treatment errs.
fn simulate(plan: &Plan, seed: u64, control: f64, treatment: f64) -> End {
    let mut chance = Chance(seed);
    let mut state = State::start(plan, NOW);
    let mut seen = Observation::default();
    let mut heard = Outcomes { newest: Some(NOW), ..Outcomes::default() };
    seen.outcomes.insert("error".to_owned(), heard);
    let mut end = End { rolled_back: false, complete: false, exposures: 0, errors: 0, held: 0 };
    let mut revision = 1;
    while state.is_under_way() {
        // Twenty units a minute, which makes a step as long as its hold, and longer.
        let now = Time(NOW.0 + 3 * i64::try_from(end.exposures).unwrap());
        let treated = chance.happens(0.5);
        end.exposures += 1;
        seen.newest = Some(now);
        seen.treated += u64::from(treated);
        seen.treatment += u64::from(treated);
        seen.control += u64::from(!treated);
        let errs = chance.happens(if treated { treatment } else { control });
        for look in 0..=u64::from(errs) {
            if look == 1 {
                end.errors += 1;
                if treated {
                    heard.errors.add_treatment()
                } else {
                    heard.errors.add_control()
                }
                heard.newest = Some(now);
                seen.outcomes.insert("error".to_owned(), heard);
            }
            let decision = decide(plan, &state, &seen, now, revision);
            assert_eq!(decision.revision, revision);
            end.held += u64::from(
                decision.action == Action::Hold
                    && !decision.causes.iter().all(Cause::lets_time_pass),
            );
            if let Some(next) = decision.state {
                state = next;
                revision += 1;
            }
        }
    }
    end.rolled_back = state.is_locked();
    end.complete = matches!(state.phase, Phase::Complete { .. });
    end
}

/// Asserts that the documentation says so.
#[track_caller]
fn quoted(figures: &str) {
    assert!(DOCUMENTATION.contains(figures), "the documentation does not say: {figures}");
}

fn median(mut of: Vec<u64>) -> u64 {
    of.sort_unstable();
    of[of.len() / 2]
}

/// The expected number of errors that any test of this α needs that ends with certainty when each
/// error falls into the treatment with probability θ and not ½: ln(1/α) over the Kullback–Leibler
/// divergence of both (Wald 1945, Sequential tests of statistical hypotheses, section 4.8: the
/// expected sum of log-likelihood ratios when the test ends is at least ln(1/α)).
fn information_bound(alpha: f64, theta: f64) -> f64 {
    let divergence = theta * (2.0 * theta).ln() + (1.0 - theta) * (2.0 * (1.0 - theta)).ln();
    -alpha.ln() / divergence
}

#[test]
fn without_harm_fewer_than_alpha_of_2000_ramps_roll_back() {
    let plan = plan(PLAN);
    let ends: Vec<End> = (0..2_000).map(|seed| simulate(&plan, seed, 0.01, 0.01)).collect();
    let rolled_back = ends.iter().filter(|end| end.rolled_back).count();
    let held = ends.iter().filter(|end| end.held > 0).count();
    let errors = median(ends.iter().map(|end| end.errors).collect());
    let part = rolled_back as f64 / 20.0;
    quoted(&format!("| 1 % and 1 % | 2,000 | {rolled_back} ({part:.1} %) | | | | |"));
    // 12,000 exposures at 1 %: the chance to look bad was there.
    assert_eq!(errors, 120);
    assert!(ends.iter().all(|end| end.rolled_back != end.complete));
    assert!((rolled_back as f64) < 0.05 * 2_000.0, "{rolled_back}");
    // Not because it sees nothing: some chance is left to a harmless variant to look bad.
    assert!(rolled_back >= 20, "{rolled_back}");
    assert!(held <= 2_000 / 100, "{held}");
}

#[test]
fn harm_is_back_at_zero_soon() {
    let plan = plan(PLAN);
    for (control, treatment, exposures_max) in [(0.01, 0.02, 4_000), (0.01, 0.05, 600)] {
        let ends: Vec<End> =
            (0..500).map(|seed| simulate(&plan, 10_000 + seed, control, treatment)).collect();
        let of = |value: fn(&End) -> u64| median(ends.iter().map(value).collect());
        let (exposures, errors) = (of(|end| end.exposures), of(|end| end.errors));
        let mean = ends.iter().map(|end| end.errors as f64).sum::<f64>() / 500.0;
        let back = ends.iter().filter(|end| end.rolled_back).count();
        let bound = information_bound(plan.alpha(), treatment / (control + treatment));
        let [control, treatment] = [control, treatment].map(|rate| (rate * 100.0).round());
        let exposures_said = format!("{},{:03}", exposures / 1000, exposures % 1000);
        quoted(&format!(
            "| {control} % and {treatment} % | 500 | {back} | {} | {errors} | {mean:.1} | {bound:.1} |",
            exposures_said.trim_start_matches("0,")
        ));
        assert!(exposures <= exposures_max, "{exposures}");
        // The others were complete before their harm was sure.
        assert!(back >= 475, "{back}");
        // No test can do better on average, and this one is not far from it.
        assert!(mean >= bound * 0.95 && mean <= bound * 1.6, "{mean} {bound}");
    }
}

/// The evidence alone, over far more errors than a ramp will ever see, of guardrails that share α.
#[test]
fn without_harm_no_number_of_looks_makes_alpha_larger() {
    let mut known: HashMap<(u64, u64), f64> = HashMap::new();
    let mut counts = Vec::new();
    for guardrails in [1_u32, 4] {
        let alpha = 0.05 / f64::from(guardrails);
        let mut chance = Chance(u64::from(guardrails));
        let mut rolled_back = 0_u32;
        for _ in 0..2_000 {
            let crossed = (0..guardrails).any(|_| {
                let (mut treatment, mut control) = (0_u64, 0_u64);
                (0..1_000).any(|_| {
                    if chance.happens(0.5) {
                        treatment += 1
                    } else {
                        control += 1
                    }
                    let ln_e = known
                        .entry((treatment, control))
                        .or_insert_with(|| Evidence::of(treatment, control).ln_e());
                    *ln_e >= -alpha.ln()
                })
            });
            rolled_back += u32::from(crossed);
        }
        assert!(rolled_back < 100, "{rolled_back}");
        counts.push(rolled_back);
    }
    quoted(&format!("{} and {} of 2,000", counts[0], counts[1]));
}

/// Units by name, their places by the hash, their variants by the evaluator: some err far more
/// often than others and come back in every step, and still the comparison is fair; and where the
/// variant does harm, it is seen.
#[test]
fn named_units_are_compared_fairly() {
    let text = PLAN.replace("1000", "300").replacen(
        "\"percent\":100",
        "\"percent\":80,\
        \"hold_seconds\":3600,\"least_exposures\":300},{\"percent\":100",
        1,
    );
    let plan = plan(&text);
    let (mut treatment, mut control, mut rolled_back) = (0_u64, 0_u64, [0_u32; 2]);
    for seed in 0..60_u64 {
        for (harm, rolled_back) in rolled_back.iter_mut().enumerate() {
            let errors = walk(&plan, seed, harm == 1);
            *rolled_back += u32::from(errors.exceeds(plan.alpha()));
            if harm == 0 {
                treatment += errors.treatment();
                control += errors.control();
            }
        }
    }
    let (all, apart) = ((treatment + control) as f64, treatment.abs_diff(control) as f64);
    // Four standard deviations of a fair coin.
    assert!(all > 2_000.0 && apart < 4.0 * all.sqrt(), "{treatment} {control}");
    assert!(rolled_back[0] <= 8 && rolled_back[1] >= 55, "{rolled_back:?}");
}

/// One ramp over named units that come back in every step: the first errors of those compared.
fn walk(plan: &Plan, seed: u64, harm: bool) -> Evidence {
    let definition = flag(r#""defaultVariant":"off""#);
    let ramp = Ramp::new(&around(), "new-cart", &definition, plan.clone()).unwrap();
    let mut chance = Chance(seed);
    let (mut errors, mut erred) = (Evidence::default(), std::collections::HashSet::new());
    for step in plan.steps().iter().filter(|step| step.share < Share::ALL) {
        let reach = Reach::Share(Audience::Everyone, step.share);
        for at in 0..3_000_u64 {
            let name = format!("{seed}-{at}");
            let Some(band) = ramp.band(reach, &name) else { continue };
            // One in ten errs every third time, the others hardly ever.
            let prone = Chance(seed ^ (at << 20)).happens(0.1);
            let rate = if prone { 0.3 } else { 0.004 };
            let worse = harm && band == Band::Treatment;
            if chance.happens(if worse { 1.0_f64.min(rate * 3.0) } else { rate })
                && erred.insert(at)
            {
                match band {
                    Band::Treatment => errors.add_treatment(),
                    Band::Control => errors.add_control(),
                }
            }
        }
    }
    errors
}
