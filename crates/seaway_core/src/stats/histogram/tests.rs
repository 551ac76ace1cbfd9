use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Durations of all magnitudes, and those around borders.
fn durations() -> impl Strategy<Value = i64> {
    prop_oneof![
        0..200_i64,
        (0..BUCKETS, -1..=1_i64).prop_map(|(bucket, off)| LOWS[bucket].saturating_add(off).max(0)),
        (0..63_u32, any::<i64>()).prop_map(|(shift, any)| (any & i64::MAX) >> shift),
    ]
}

fn histograms() -> impl Strategy<Value = Histogram> {
    prop::collection::vec(durations(), 0..30).prop_map(|all| all.into_iter().collect())
}

fn bytes(histogram: &Histogram) -> Vec<u8> {
    let mut bytes = Vec::new();
    histogram.encode(&mut bytes);
    bytes
}

fn decode(bytes: &[u8]) -> Option<Histogram> {
    let mut reader = Bytes(bytes);
    Histogram::decode(&mut reader).filter(|_| reader.0.is_empty())
}

/// The whole table: every value has a bucket of which the middle is within 1 %.
#[test]
fn buckets_cover_every_duration_within_one_percent() {
    assert_eq!(BUCKETS, 2_092);
    for (bucket, &low) in LOWS.iter().enumerate() {
        let middle = middle_of(bucket);
        let high = LOWS.get(bucket + 1).map_or(i64::MAX, |next| next - 1);
        assert!(low <= middle && middle <= high, "{bucket}");
        assert!(i128::from(middle - low) * 100 <= i128::from(low), "{bucket}: {low}");
        assert!(i128::from(high - middle) * 100 <= i128::from(high), "{bucket}: {high}");
        assert_eq!((bucket_of(low), bucket_of(high)), (bucket, bucket));
    }
    for alone in (0..100).chain(LANDMARKS) {
        assert_eq!((middle_of(bucket_of(alone)), width_of(bucket_of(alone))), (alone, 1));
    }
    assert_eq!((bucket_of(-5), bucket_of(i64::MIN), width_of(BUCKETS)), (0, 0, 0));
}

/// Stored histograms rest on these: a change of the table needs a new version of what is stored.
#[test]
fn borders_never_move() {
    let known = [(101, 100), (HOUR, 294), (DAY, 456), (WEEK, 556), (MONTH, 631)];
    for (seconds, bucket) in known {
        assert_eq!(bucket_of(seconds), bucket, "{seconds}");
    }
    let sum = LOWS.iter().fold(0_i64, |all, &low| all.wrapping_mul(31).wrapping_add(low));
    assert_eq!(sum, -913_752_563_291_297_133);
}

#[test]
fn few_values_take_few_bytes() {
    let five: Histogram = [HOUR, 5 * HOUR, DAY, 2 * DAY + 7, 2 * DAY + 9].into_iter().collect();
    assert_eq!((five.total(), five.sum()), (5, 6 * HOUR + 5 * DAY + 16));
    assert_eq!(five.bins().len(), 4);
    assert!(bytes(&five).len() <= 13, "{:?}", bytes(&five));
    assert_eq!(bytes(&Histogram::default()), [0, 0]);
}

#[test]
fn what_is_not_canonical_is_refused() {
    for wrong in [
        &[][..],
        &[1, 0],                               // a bin is missing
        &[1, 0, 1, 0],                         // a count of 0
        &[1, 0, 1, 2],                         // a count of 1, written out
        &[0x81, 0x00, 0, 0],                   // a longer form of 1
        &[1, 0, 0xff, 0xff, 0x7f],             // no such bucket
        &[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0], // more bins than there are
        &[0, 0, 0],                            // something left over
    ] {
        assert_eq!(decode(wrong), None, "{wrong:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn counts_are_those_of_a_map(all in prop::collection::vec(durations(), 0..40)) {
        let histogram: Histogram = all.iter().copied().collect();
        let mut naive: BTreeMap<u16, i64> = BTreeMap::new();
        for &seconds in &all {
            let bucket = LOWS.iter().rposition(|&low| low <= seconds).unwrap();
            *naive.entry(bucket as u16).or_default() += 1;
        }
        prop_assert_eq!(histogram.bins(), &naive.into_iter().collect::<Vec<_>>()[..]);
        prop_assert_eq!(histogram.total(), all.len() as i64);
        prop_assert_eq!(histogram.sum(), all.iter().fold(0_i64, |sum, &s| sum.wrapping_add(s)));
    }

    #[test]
    fn merging_is_a_commutative_group(a in histograms(), b in histograms(), c in histograms()) {
        let sum = |parts: &[&Histogram]| {
            let mut sum = Histogram::default();
            parts.iter().for_each(|part| sum.merge(part));
            sum
        };
        let whole = sum(&[&a, &b, &c]);
        prop_assert_eq!(&whole, &sum(&[&c, &a, &b]));
        prop_assert_eq!(&whole, &sum(&[&a, &sum(&[&b, &c])]));
        let mut rest = whole.clone();
        rest.subtract(&b);
        prop_assert_eq!(&rest, &sum(&[&a, &c]));
        // A difference is a value of its own: old + (new - old) is new.
        let mut delta = b.clone();
        delta.subtract(&a);
        prop_assert_eq!(decode(&bytes(&delta)), Some(delta.clone()));
        prop_assert_eq!(&sum(&[&a, &delta]), &b);
        delta.subtract(&delta.clone());
        prop_assert!(delta.is_empty());
    }

    #[test]
    fn equal_histograms_are_equal_bytes(a in histograms(), b in histograms()) {
        prop_assert_eq!(decode(&bytes(&a)), Some(a.clone()));
        prop_assert_eq!(bytes(&a) == bytes(&b), a == b);
    }

    /// Whatever is read was written like that, and nothing else is ever read.
    #[test]
    fn hostile_bytes_are_refused_or_canonical(
        wild in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            prop::collection::vec(0..6_u8, 0..30),
        ]
    ) {
        if let Some(found) = decode(&wild) {
            prop_assert_eq!(bytes(&found), wild);
        }
    }
}
