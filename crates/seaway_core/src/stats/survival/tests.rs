use super::super::samples::{control, from_birth, mercaptopurine, observation};
use super::*;
use proptest::prelude::*;

#[track_caller]
fn close(actual: f64, expected: f64, within: f64) {
    assert!((actual - expected).abs() <= within, "{actual} is not {expected}");
}

/// Age, at risk, events, survival, lower and upper bound.
type Row = (i64, usize, usize, f64, f64, f64);

/// Compares the steps with events, to the digits that the source prints.
#[track_caller]
fn assert_events(curve: &Curve, rows: &[Row], within: f64) {
    let found: Vec<_> = curve.steps().iter().filter(|step| step.events > 0).collect();
    assert_eq!(found.len(), rows.len());
    for (step, &(time, at_risk, events, survival, low, high)) in found.iter().zip(rows) {
        assert_eq!((step.time, step.at_risk, step.events), (time, at_risk, events));
        close(step.survival, survival, within);
        close(step.low.unwrap(), low, within);
        close(step.high.unwrap(), high, within);
    }
}

fn quantile(estimate: Option<f64>, low: Option<f64>, high: Option<f64>) -> Quantile {
    Quantile { estimate, low, high }
}

/// R's `summary(survfit(..., conf.type = "log-log"))` as the reference output of R's package MASS
/// prints it for its data `gehan` (`tests/Examples/MASS-Ex.Rout.save`).
#[test]
fn freireich_6_mp_with_the_intervals_of_r() {
    let curve = Curve::of(mercaptopurine());
    let rows = [
        (6, 21, 3, 0.857, 0.620, 0.952),
        (7, 17, 1, 0.807, 0.563, 0.923),
        (10, 15, 1, 0.753, 0.503, 0.889),
        (13, 12, 1, 0.690, 0.432, 0.849),
        (16, 11, 1, 0.627, 0.368, 0.805),
        (22, 7, 1, 0.538, 0.268, 0.747),
        (23, 6, 1, 0.448, 0.188, 0.680),
    ];
    assert_events(&curve, &rows, 5.1e-4);
    // The bounds follow from the table: the lower one is 0.503 at 10 weeks and 0.432 at 13.
    assert_eq!(curve.quantile(0.5), quantile(Some(23.0), Some(13.0), None));
    let marks: Vec<_> = curve.steps().iter().map(|step| (step.time, step.censored)).collect();
    assert_eq!(marks.iter().map(|mark| mark.1).sum::<usize>(), 12);
    assert_eq!(marks[0], (6, 1));
    assert_eq!(marks.last(), Some(&(35, 1)));
}

/// The other group of the same output; the bounds at 23 weeks are `NA` there.
#[test]
fn freireich_placebo_with_the_intervals_of_r() {
    let curve = Curve::of(control());
    let (end, before) = curve.steps().split_last().unwrap();
    assert_eq!((end.time, end.at_risk, end.survival, end.low, end.high), (23, 1, 0.0, None, None));
    let rows = [
        (1, 21, 2, 0.9048, 0.67005, 0.975),
        (2, 19, 2, 0.8095, 0.56891, 0.924),
        (3, 17, 1, 0.7619, 0.51939, 0.893),
        (4, 16, 2, 0.6667, 0.42535, 0.825),
        (5, 14, 2, 0.5714, 0.33798, 0.749),
        (8, 12, 4, 0.3810, 0.18307, 0.578),
        (11, 8, 2, 0.2857, 0.11656, 0.482),
        (12, 6, 2, 0.1905, 0.05948, 0.377),
        (15, 4, 1, 0.1429, 0.03566, 0.321),
        (17, 3, 1, 0.0952, 0.01626, 0.261),
        (22, 2, 1, 0.0476, 0.00332, 0.197),
    ];
    assert_events(&Curve { steps: before.to_vec(), ignored: 0 }, &rows, 5.1e-4);
    assert_eq!(curve.quantile(0.5), quantile(Some(8.0), Some(4.0), Some(11.0)));
    // The lower bound is 0.036 at 15 weeks and 0.016 at 17; the upper one never gets to 0.03.
    assert_eq!(curve.quantile(0.97), quantile(Some(23.0), Some(17.0), None));
}

/// R's `aml` data, both groups together, from R's `survfit` with `conf.type = "log-log"` as kept
/// in the tests of JuliaStats/Survival.jl (`test/data/refs/leukemia_km.csv`).
#[test]
fn aml_with_the_intervals_of_r_to_many_digits() {
    let curve = Curve::of(from_birth(
        &[9, 13, 18, 23, 31, 34, 48, 5, 5, 8, 8, 12, 23, 27, 30, 33, 43, 45],
        &[13, 28, 45, 161, 16],
    ));
    let rows = [
        (5, 23, 2, 0.913_043_478_260_87, 0.694_947_537_532_059, 0.977_515_669_900_713),
        (8, 21, 2, 0.826_086_956_521_739, 0.600_610_411_237_199, 0.930_903_558_387_115),
        (9, 19, 1, 0.782_608_695_652_174, 0.554_211_506_668_729, 0.903_207_489_881_887),
        (12, 18, 1, 0.739_130_434_782_609, 0.509_209_438_754_219, 0.873_375_781_697_676),
        (13, 17, 1, 0.695_652_173_913_043, 0.465_641_749_762_004, 0.841_721_291_391_763),
        (18, 14, 1, 0.645_962_732_919_255, 0.413_952_950_717_117, 0.805_307_764_482_079),
        (23, 13, 2, 0.546_583_850_931_677, 0.319_250_413_971_187, 0.726_449_173_820_633),
        (27, 11, 1, 0.496_894_409_937_888, 0.275_565_628_012_137, 0.684_213_788_447_816),
        (30, 9, 1, 0.441_683_919_944_79, 0.227_381_168_462_543, 0.637_092_687_459_888),
        (31, 8, 1, 0.386_473_429_951_691, 0.182_836_618_648_628, 0.587_476_914_417_94),
        (33, 7, 1, 0.331_262_939_958_592, 0.141_825_693_481_738, 0.535_273_789_989_068),
        (34, 6, 1, 0.276_052_449_965_493, 0.104_441_343_233_593, 0.480_284_660_416_562),
        (43, 5, 1, 0.220_841_959_972_395, 0.070_996_648_982_861_6, 0.422_167_443_380_925),
        (45, 4, 1, 0.165_631_469_979_296, 0.042_114_281_261_576_9, 0.360_361_360_273_183),
        (48, 2, 1, 0.082_815_734_989_648, 0.006_955_966_798_536_46, 0.286_760_367_980_918),
    ];
    assert_events(&curve, &rows, 1e-9);
    let last = curve.steps().last().unwrap();
    assert_eq!((last.time, last.at_risk, last.events, last.censored), (161, 1, 0, 1));
    close(last.high.unwrap(), 0.286_760_367_980_918, 1e-9);
}

/// Disease-free days of the group ALL in SAS's example "Enhanced Survival Plot" (Klein and
/// Moeschberger 1997). The interval of the first quartile on the log-log scale, 86 to 230 days, is
/// from "Computational Formulas" of PROC LIFETEST by way of the tests of statsmodels.
#[test]
fn the_quartile_interval_of_sas() {
    let curve = Curve::of(from_birth(
        &[
            418, 383, 276, 104, 609, 172, 487, 662, 194, 230, 526, 122, 129, 74, 122, 86, 466, 192,
            109, 55, 1, 107, 110, 332,
        ],
        &[2081, 1602, 1496, 1462, 1433, 1377, 1330, 996, 226, 1199, 1111, 530, 1182, 1167],
    ));
    let quartile = curve.quantile(0.25);
    assert_eq!((quartile.low, quartile.high), (Some(86.0), Some(230.0)));
}

/// Delayed entry: survival and its standard error from R's `survfit`, as the tests of statsmodels
/// keep them (`test_survfunc_entry_1`).
#[test]
fn delayed_entry_as_r_has_it() {
    let times = [1, 3, 3, 5, 5, 7, 7, 8, 8, 9, 10, 10];
    let events = [1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 0, 1];
    let entries = [0, 1, 1, 2, 2, 2, 3, 4, 4, 4, 4, 0];
    let lives = (0..12).map(|i| observation(entries[i], times[i], events[i] == 1));
    let curve = Curve::of(lives);
    let expected = [
        (1, 2, 0.5, 0.3536),
        (3, 6, 0.4167, 0.3043),
        (5, 9, 0.3241, 0.2436),
        (7, 7, 0.2778, 0.2132),
        (8, 5, 0.2222, 0.1776),
        (9, 3, 0.1481, 0.1330),
        (10, 2, 0.0741, 0.0846),
    ];
    assert_eq!(curve.steps().len(), expected.len());
    for (step, (time, at_risk, survival, error)) in curve.steps().iter().zip(expected) {
        assert_eq!((step.time, step.at_risk), (time, at_risk));
        close(step.survival, survival, 1e-4);
        // The width of the band on its scale gives the standard error back.
        let scale = |bound: Option<f64>| (-bound.unwrap().ln()).ln();
        let half_width = (scale(step.low) - scale(step.high)) / 2.0;
        close(half_width / Z95 * step.survival * -step.survival.ln(), error, 1e-4);
    }
    assert!(!curve.exhausted_early());
}

#[test]
fn one_two_or_three_lives() {
    let one = Curve::of(from_birth(&[5], &[]));
    assert_eq!(one.quantile(0.5), quantile(Some(5.0), None, None));
    assert_eq!(one.at(5), Band { survival: 0.0, low: None, high: None });

    let two = Curve::of(from_birth(&[5, 9], &[]));
    assert_eq!(two.quantile(0.5), quantile(Some(5.0), Some(5.0), None));
    assert_eq!(two.quantile(0.95), quantile(Some(9.0), Some(5.0), None));
    // Computed: S is 1/2 and the variance of ln S is 1/(2·1).
    let half_width = 1.959_964 * 0.5_f64.sqrt() / 2.0_f64.ln();
    close(two.at(5).low.unwrap(), 0.5_f64.powf(half_width.exp()), 1e-7);
    close(two.at(5).high.unwrap(), 0.5_f64.powf((-half_width).exp()), 1e-7);

    let three = Curve::of(from_birth(&[5, 9, 9], &[]));
    assert_eq!(three.quantile(0.5), quantile(Some(9.0), Some(5.0), None));
    let censored = Curve::of(from_birth(&[], &[5, 9]));
    assert_eq!(censored.quantile(0.5), Quantile::default());
    assert_eq!(censored.at(9), Band { survival: 1.0, low: None, high: None });
}

#[test]
fn nothing_observed_is_an_empty_curve() {
    let curve = Curve::of([]);
    assert_eq!(curve, Curve::default());
    assert_eq!(curve.quantile(0.5), Quantile::default());
    assert_eq!(curve.at(0), Band { survival: 1.0, low: None, high: None });
    assert!(!curve.exhausted_early());
    assert_eq!(curve.downsample(10), []);
}

#[test]
fn events_at_birth_count() {
    let curve = Curve::of(from_birth(&[0, 0, 4], &[0]));
    let first = curve.steps()[0];
    assert_eq!((first.time, first.at_risk, first.events, first.censored), (0, 4, 2, 1));
    assert_eq!(first.survival, 0.5);
    assert_eq!(curve.quantile(0.5).estimate, Some(0.0));
    assert_eq!(curve.at(-1).survival, 1.0);
}

#[test]
fn observations_that_cover_no_age_are_left_out_and_counted() {
    let senseless = [(5, 5), (7, 3), (-1, 4), (0, -1), (i64::MIN, i64::MAX), (i64::MAX, 0)]
        .map(|(entry, time)| observation(entry, time, true));
    let curve = Curve::of(senseless.into_iter().chain(mercaptopurine()));
    assert_eq!(curve.ignored(), 6);
    assert_eq!(curve.steps(), Curve::of(mercaptopurine()).steps());
    let longest = Curve::of([observation(0, i64::MAX, true), observation(1, i64::MAX, false)]);
    assert_eq!(longest.quantile(0.5).estimate, Some(i64::MAX as f64));
}

#[test]
fn a_curve_says_when_it_ran_out_early() {
    let early = [observation(0, 2, true), observation(3, 9, true), observation(4, 8, false)];
    let curve = Curve::of(early);
    assert!(curve.exhausted_early());
    let kept = curve.clone().until_exhausted();
    assert!(kept.steps().iter().all(|step| step.survival > 0.0));
    assert!(!kept.exhausted_early());
    assert_eq!(curve.at(8).survival, 0.0);
    assert!(curve.steps().iter().all(|step| step.low.is_none() && step.high.is_none()));
    // A gap without anybody under observation does not end the curve.
    let gap = [observation(0, 2, true), observation(0, 3, false), observation(4, 9, true)];
    assert!(!Curve::of(gap).exhausted_early());
    assert!(!Curve::of(control()).exhausted_early());
}

/// Past the last age nobody is under observation, so there is no telling how low survival is.
#[test]
fn past_the_end_only_the_upper_bound_is_known() {
    let curve = Curve::of(mercaptopurine());
    let (end, past) = (curve.at(35), curve.at(36));
    assert!(end.low.is_some());
    assert_eq!(past, Band { low: None, ..end });
    assert_eq!(curve.at(24), curve.at(23));
    assert_eq!(Curve::of(control()).at(1_000).survival, 0.0);
}

#[test]
fn rounding_does_not_move_a_quantile() {
    for n in 1..=300_i64 {
        let curve = Curve::of(from_birth(&(1..=n).collect::<Vec<_>>(), &[]));
        for k in 1..n {
            let found = curve.quantile(k as f64 / n as f64);
            assert_eq!(found.estimate, Some(k as f64), "{k} of {n}");
        }
    }
}

#[test]
fn a_share_outside_0_to_1_has_no_quantile() {
    for p in [0.0, 1.0, -0.5, 1.5, f64::NAN] {
        assert_eq!(Curve::of(control()).quantile(p), Quantile::default(), "{p}");
    }
    // However small the share, it takes a first event to reach it.
    assert_eq!(Curve::of(from_birth(&[7], &[3])).quantile(1e-12).estimate, Some(7.0));
}

#[test]
fn downsampling_keeps_the_ends_and_the_great_jump() {
    let mut lives = from_birth(&(0..5_000).collect::<Vec<_>>(), &(0..3_000).collect::<Vec<_>>());
    lives.extend(from_birth(&[1_234; 4_000], &[]));
    let curve = Curve::of(lives);
    let drawn = curve.downsample(100);
    assert!((50..=100).contains(&drawn.len()), "{}", drawn.len());
    assert_eq!(drawn.first(), curve.steps().first());
    assert_eq!(drawn.last().unwrap().time, 4_999);
    assert!(drawn.iter().any(|step| step.time == 1_234));
    assert_eq!(curve.downsample(5_000), curve.steps());
    assert_eq!(curve.downsample(0).len(), 2);
}

/// Every age with its counts, the curve and its band, each by a plain scan of all observations
/// and the formulas as they stand in textbooks.
fn naive_steps(lives: &[Observation]) -> Vec<Step> {
    let usable =
        |o: &&Observation| o.entry >= 0 && o.time >= 0 && (o.entry == 0 || o.entry < o.time);
    let lives: Vec<_> = lives.iter().filter(usable).collect();
    let at_risk = |t| lives.iter().filter(|o| t <= o.time && (o.entry == 0 || o.entry < t)).count();
    let ends = |t, event| lives.iter().filter(|o| o.time == t && o.event == event).count();
    let mut steps = Vec::new();
    for t in (0..40).filter(|&t| ends(t, true) + ends(t, false) > 0) {
        let (mut survival, mut sum) = (1.0, 0.0);
        for u in 0..=t {
            let (n, d) = (at_risk(u) as f64, ends(u, true) as f64);
            if d > 0.0 {
                survival *= 1.0 - d / n;
                sum += d / (n * (n - d));
            }
        }
        let bound = |sign: f64| {
            let scale =
                (-f64::ln(survival)).ln() + sign * 1.959_963_985 * sum.sqrt() / survival.ln();
            (survival > 0.0 && survival < 1.0).then(|| (-scale.exp()).exp())
        };
        steps.push(Step {
            time: t,
            at_risk: at_risk(t),
            events: ends(t, true),
            censored: ends(t, false),
            survival,
            low: bound(-1.0),
            high: bound(1.0),
        });
    }
    steps
}

fn naive_first(steps: &[Step], value: fn(&Step) -> Option<f64>, p: f64) -> Option<f64> {
    let mut found = None;
    for step in steps.iter().rev() {
        if value(step).is_some_and(|value| value - 1e-9 <= 1.0 - p) {
            found = Some(step.time as f64);
        }
    }
    found
}

fn near(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-8,
        _ => a == b,
    }
}

fn lives() -> impl Strategy<Value = Vec<Observation>> {
    // Few ages, so ties are common; some observations cover no age.
    let entry = prop_oneof![3 => Just(0_i64), 2 => -1..15_i64];
    let time = prop_oneof![1 => Just(0_i64), 6 => -1..20_i64];
    let life = (entry, time, prop::bool::weighted(0.6));
    prop::collection::vec(life.prop_map(|(e, t, event)| observation(e, t, event)), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn steps_agree_with_a_plain_scan(lives in lives()) {
        let curve = Curve::of(lives.iter().copied());
        let naive = naive_steps(&lives);
        prop_assert_eq!(curve.steps().len(), naive.len());
        for (step, naive) in curve.steps().iter().zip(&naive) {
            let counts = |s: &Step| (s.time, s.at_risk, s.events, s.censored);
            prop_assert_eq!(counts(step), counts(naive));
            prop_assert!((step.survival - naive.survival).abs() < 1e-12);
            let same_band = near(step.low, naive.low) && near(step.high, naive.high);
            prop_assert!(same_band, "{step:?} {naive:?}");
        }
        let lost: usize = naive.iter().map(|step| step.events + step.censored).sum();
        prop_assert_eq!(curve.ignored(), lives.len() - lost);
        let zero = naive.iter().find(|step| step.survival == 0.0);
        let later = zero.is_some_and(|zero| naive.iter().any(|step| step.time > zero.time));
        prop_assert_eq!(curve.exhausted_early(), later);
    }

    #[test]
    fn quantiles_agree_with_a_plain_scan(lives in lives(), p in prop_oneof![
        Just(0.25), Just(0.5), Just(0.85), Just(0.95), 0.01..0.99_f64
    ]) {
        let found = Curve::of(lives.iter().copied()).quantile(p);
        let naive = naive_steps(&lives);
        prop_assert_eq!(found.estimate, naive_first(&naive, |step| Some(step.survival), p));
        prop_assert_eq!(found.low, naive_first(&naive, |step| step.low, p));
        prop_assert_eq!(found.high, naive_first(&naive, |step| step.high, p));
        if let Some(estimate) = found.estimate {
            prop_assert!(found.low.is_none_or(|low| low <= estimate));
            prop_assert!(found.high.is_none_or(|high| high >= estimate));
        } else {
            prop_assert_eq!(found.high, None);
        }
    }

    #[test]
    fn curves_fall_within_their_bands(lives in lives(), age in -2..45_i64) {
        let curve = Curve::of(lives);
        let mut before = 1.0;
        for step in curve.steps() {
            prop_assert!((0.0..=before).contains(&step.survival));
            before = step.survival;
            prop_assert_eq!(step.low.is_some(), step.survival > 0.0 && step.survival < 1.0);
            prop_assert_eq!(step.low.is_some(), step.high.is_some());
            prop_assert!(step.low.is_none_or(|low| (0.0..=step.survival).contains(&low)));
            prop_assert!(step.high.is_none_or(|high| (step.survival..=1.0).contains(&high)));
        }
        let survival = curve.steps().iter().rfind(|s| s.time <= age).map_or(1.0, |s| s.survival);
        prop_assert_eq!(curve.at(age).survival, survival);
    }

    #[test]
    fn downsampled_curves_keep_the_shape_and_the_counts(lives in lives(), max in 0..30_usize) {
        let curve = Curve::of(lives);
        let (all, drawn) = (curve.steps(), curve.downsample(max));
        prop_assert!(drawn.len() <= max.max(2));
        prop_assert_eq!(all.first(), drawn.first());
        prop_assert_eq!(all.last().map(|s| s.time), drawn.last().map(|s| s.time));
        let counts = |steps: &[Step]| -> (usize, usize) {
            steps.iter().fold((0, 0), |sum, s| (sum.0 + s.events, sum.1 + s.censored))
        };
        prop_assert_eq!(counts(all), counts(&drawn));
        let fall = all.first().map_or(0.0, |s| s.survival) - all.last().map_or(0.0, |s| s.survival);
        for step in all {
            let shown = drawn.iter().rfind(|s| s.time <= step.time).map_or(1.0, |s| s.survival);
            let above = shown - step.survival;
            let most = 2.0 * fall / (max.max(2) - 1) as f64;
            prop_assert!((0.0..=most + 1e-9).contains(&above), "{above} of {most}");
        }
    }
}
