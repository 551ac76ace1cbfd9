use super::*;
use proptest::prelude::*;

/// The e-value by adding up many narrow slices for each of the mixed distributions, their
/// masses above ½ found in the same way.
fn naive_ln_harm(treatment: u64, control: u64) -> f64 {
    const SLICES: u32 = 20_000;
    let (k, c) = (treatment as f64, control as f64);
    let integral = |a: f64, b: f64| {
        let logs: Vec<f64> = (0..SLICES)
            .map(|at| 0.5 + (f64::from(at) + 0.5) / f64::from(2 * SLICES))
            .map(|p| (a - 1.0) * p.ln() + (b - 1.0) * (1.0 - p).ln())
            .collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logs.iter().map(|log| (log - largest).exp()).sum();
        largest + sum.ln() - f64::from(2 * SLICES).ln()
    };
    let e: f64 = HARMS
        .iter()
        .map(|(weight, a, b)| {
            let ratio = integral(a + k, b + c) - integral(*a, *b) + (k + c) * LN_2;
            weight * ratio.exp()
        })
        .sum();
    e.ln()
}

fn close(a: f64, b: f64, within: f64) -> bool {
    (a - b).abs() <= within * (1.0 + a.abs())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_mixture_is_what_numeric_integration_finds(k in 0_u64..300, c in 0_u64..300) {
        let (exact, naive) = (ln_harm(k, c), naive_ln_harm(k, c));
        prop_assert!(close(exact, naive, 1e-5), "{k} {c}: {exact} {naive}");
    }

    /// The definition of an e-process, at each place of the lattice: what the next error is expected
    /// to make of the e-value is the same at ½, and no more below it.
    #[test]
    fn no_error_is_expected_to_raise_it_without_harm(
        k in 0_u64..100_000, c in 0_u64..100_000, theta in 0.0_f64..=0.5,
    ) {
        let now = ln_harm(k, c);
        let (up, down) = ((ln_harm(k + 1, c) - now).exp(), (ln_harm(k, c + 1) - now).exp());
        prop_assert!(close(0.5 * (up + down), 1.0, 1e-7), "{k} {c}: {up} {down}");
        prop_assert!(theta * up + (1.0 - theta) * down <= 1.0 + 1e-7);
    }

    #[test]
    fn errors_of_the_treatment_raise_it_and_those_of_the_control_lower_it(
        k in 0_u64..5_000_000, c in 0_u64..5_000_000,
    ) {
        let now = ln_harm(k, c);
        prop_assert!(now.is_finite());
        prop_assert!(ln_harm(k + 1, c) > now && ln_harm(k, c + 1) < now, "{k} {c} {now}");
    }

    #[test]
    fn one_look_at_the_end_sees_what_many_looks_saw_last(errors in prop::collection::vec(
        any::<bool>(), 0..200)
    ) {
        let mut evidence = Evidence::default();
        let mut largest = 0.0_f64;
        for treatment in &errors {
            if *treatment { evidence.add_treatment() } else { evidence.add_control() }
            largest = largest.max(evidence.ln_e());
        }
        let once = Evidence::of(evidence.treatment(), evidence.control());
        prop_assert!(close(once.ln_e(), evidence.ln_e(), 1e-12));
        prop_assert_eq!(evidence.ln_e_max(), largest);
        let text = serde_json::to_string(&evidence).unwrap();
        prop_assert_eq!(serde_json::from_str::<Evidence>(&text).unwrap(), evidence);
    }

    /// Unit after unit: each is as likely as the share that the prior and the units before it say.
    #[test]
    fn the_mismatch_is_a_product_of_predictions(
        units in prop::collection::vec(0_usize..3, 0..300),
        shares in (0.05_f64..0.45, 0.05_f64..0.45),
    ) {
        let shares = [shares.0, shares.1, 1.0 - shares.0 - shares.1];
        let mut counts = [0_u64; 3];
        let mut naive = 0.0;
        for unit in units {
            let all: u64 = counts.iter().sum();
            let seen = 100.0 * shares[unit] + counts[unit] as f64;
            naive += (seen / (100.0 + all as f64) / shares[unit]).ln();
            counts[unit] += 1;
        }
        prop_assert!(close(ln_mismatch(&counts, &shares), naive, 1e-9));
    }
}

#[test]
fn nothing_counted_is_no_evidence() {
    let nothing = Evidence::default();
    assert_eq!(nothing, Evidence { ln_e: 0.0, ..Evidence::of(0, 0) });
    assert!(Evidence::of(0, 0).ln_e().abs() < 1e-12);
    assert!(!nothing.exceeds(0.99));
    assert!(ln_mismatch(&[0, 0], &[0.5, 0.5]).abs() < 1e-12);
    assert_eq!(ln_mismatch(&[], &[]), 0.0);
}

#[test]
fn large_counts_stay_exact() {
    // Far out, the mixture is the likelihood ratio at the share seen, less what it costs to have
    // learned that share: half the logarithm of the errors, and a constant.
    for (k, c) in [(2_000_000_u64, 1_000_000_u64), (600_000_000, 400_000_000)] {
        let n = (k + c) as f64;
        let share = k as f64 / n;
        let ratio = (k as f64) * (2.0 * share).ln() + (c as f64) * (2.0 * (1.0 - share)).ln();
        let cost = ratio - ln_harm(k, c);
        assert!((cost - 0.5 * n.ln()).abs() < 4.0, "{k} {c}: {cost}");
    }
    let none = ln_harm(499_000_000, 501_000_000);
    assert!(none.is_finite() && none < -5.0, "{none}");
}

/// A half of the units missing from one group shows soon; equal groups never say anything.
#[test]
fn a_mismatch_shows_and_a_match_does_not() {
    let even = [0.5, 0.5];
    assert!(ln_mismatch(&[1_000, 1_000], &even) < 0.0);
    assert!(ln_mismatch(&[5_100, 4_900], &even) < 1.0);
    assert!(ln_mismatch(&[1_000, 800], &even) > 1_000_f64.ln());
}
