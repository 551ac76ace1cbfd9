//! The state, against a second implementation that keeps everything and computes when it is asked.

use super::{Count, Limits, Span, State};
use crate::flags::exposures::audience::Audience;
use crate::flags::exposures::batch::{
    Exposures, Outcomes, Placed, Series, Tag, read_exposures, read_outcomes,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const HOUR: i64 = 3_600;
const BEGIN: i64 = 1_790_000_000 / HOUR * HOUR;
const VARIANTS: [&str; 3] = ["off", "on", "blue"];
const METRICS: [&str; 2] = ["errors", "refunds"];

/// An exposure of a unit that has a number.
#[derive(Debug, Clone, Copy)]
struct Seen {
    flag: u8,
    unit: u8,
    variant: u8,
    audience: u8,
    /// Seconds since [`BEGIN`].
    at: i64,
}

#[derive(Debug, Clone, Copy)]
struct Came {
    unit: u8,
    metric: u8,
    at: i64,
    value: f64,
}

#[derive(Debug, Clone, Copy)]
enum Item {
    Seen(Seen),
    Came(Came),
}

const FLAGS: [&str; 2] = ["new-cart", "search"];

fn unit(number: u8) -> u64 {
    u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn position(unit: u8, flag: u8) -> u32 {
    u32::from(unit).wrapping_mul(0x9e37_79b9).rotate_left(u32::from(flag) * 7)
}

impl Seen {
    fn micros(&self) -> i64 {
        (BEGIN + self.at) * 1_000_000
    }

    fn series(&self) -> Series<'static> {
        Series {
            environment: "production",
            flag: FLAGS[usize::from(self.flag)],
            variant: VARIANTS[usize::from(self.variant)],
            audience: Audience::ALL[usize::from(self.audience)],
            tag: Tag::default(),
        }
    }

    fn placed(&self) -> Placed {
        Placed { unit: unit(self.unit), position: position(self.unit, self.flag) }
    }
}

/// Adds items to a state as batches of some size on a log. What is known already is dropped before,
/// as the intake does, if `drops` says so.
fn add(state: &mut State, items: &[Item], size: usize, drops: bool) {
    for items in items.chunks(size) {
        let (mut exposures, mut outcomes) = (Exposures::default(), Outcomes::default());
        for item in items {
            match item {
                Item::Seen(seen) => {
                    let series = seen.series();
                    let place = state.place(series.environment, series.flag, series.variant);
                    let second = (BEGIN + seen.at) as u32;
                    let is_known = drops && place.is_known(seen.placed().unit, second, series.tag);
                    let placed = (!is_known).then(|| seen.placed());
                    exposures.add(&series, seen.micros(), placed);
                }
                Item::Came(came) => {
                    let metric = METRICS[usize::from(came.metric)];
                    let micros = (BEGIN + came.at) * 1_000_000;
                    outcomes.add("production", metric, unit(came.unit), micros, came.value);
                }
            }
        }
        let position = state.position() + 1;
        if exposures.len() > 0 {
            state.expose(position, &read_exposures(&exposures.encode()).unwrap());
        }
        if outcomes.len() > 0 {
            state.conclude(position, &read_outcomes(&outcomes.encode()).unwrap());
        }
    }
}

/// What is told of a variant, in an order of its own.
#[derive(Debug, Default, PartialEq)]
struct Told {
    audiences: BTreeMap<usize, Span>,
    hours: BTreeMap<u32, Count>,
    before: Count,
}

type Flags = BTreeMap<String, (BTreeMap<String, Told>, u64)>;

fn told(state: &State) -> Flags {
    let mut flags = Flags::new();
    for key in FLAGS {
        let Some(told) = state.told("production", key) else { continue };
        let mut variants = BTreeMap::new();
        for variant in told.variants {
            let audiences = variant.audiences.iter().enumerate();
            let audiences = audiences.filter_map(|(at, span)| Some((at, (*span)?))).collect();
            let hours = variant.hours.into_iter().collect();
            variants.insert(variant.name, Told { audiences, hours, before: variant.before });
        }
        flags.insert(key.to_owned(), (variants, told.in_two));
    }
    flags
}

/// The second implementation.
mod naive {
    use super::*;

    fn of_flag(items: &[Item], flag: u8) -> Vec<Seen> {
        let seen = items.iter().filter_map(|item| match item {
            Item::Seen(seen) if seen.flag == flag => Some(*seen),
            _ => None,
        });
        seen.collect()
    }

    pub(super) fn told(items: &[Item]) -> Flags {
        let mut flags = Flags::new();
        for flag in 0..FLAGS.len() as u8 {
            let seen = of_flag(items, flag);
            let Some(newest) = seen.iter().map(|it| (BEGIN + it.at) / HOUR).max() else { continue };
            let kept_from = newest + 1 - i64::from(super::super::flag::HOURS_KEPT);
            let mut variants: BTreeMap<String, Told> = BTreeMap::new();
            let mut firsts: BTreeMap<(u8, u8), i64> = BTreeMap::new();
            for it in &seen {
                let told = variants.entry(it.series().variant.to_owned()).or_default();
                let at = (BEGIN + it.at) * 1_000;
                let span = told.audiences.entry(it.audience.into());
                let span = span.or_insert(Span { first: at, last: at, received: 0 });
                span.first = span.first.min(at);
                span.last = span.last.max(at);
                span.received += 1;
                let first = firsts.entry((it.unit, it.variant)).or_insert(it.at);
                *first = it.at.min(*first);
            }
            let mut count = |variant: u8, at: i64, units: u64, received: u64| {
                let told = variants.get_mut(VARIANTS[usize::from(variant)]).unwrap();
                let hour = (BEGIN + at) / HOUR;
                let count = match hour < kept_from {
                    true => &mut told.before,
                    false => told.hours.entry(hour as u32).or_default(),
                };
                count.units += units;
                count.received += received;
            };
            seen.iter().for_each(|it| count(it.variant, it.at, 0, 1));
            firsts.iter().for_each(|((_, variant), at)| count(*variant, *at, 1, 0));
            let mut of_unit: BTreeMap<u8, BTreeSet<u8>> = BTreeMap::new();
            for (unit, variant) in firsts.keys() {
                of_unit.entry(*unit).or_default().insert(*variant);
            }
            let in_two = of_unit.values().filter(|variants| variants.len() > 1).count() as u64;
            flags.insert(FLAGS[usize::from(flag)].to_owned(), (variants, in_two));
        }
        flags
    }
}

fn item() -> impl Strategy<Value = Item> {
    let moment = prop_oneof![4 => 0..3 * HOUR, 1 => -20 * 24 * HOUR..20 * 24 * HOUR];
    let seen = (0..2_u8, 0..40_u8, 0..3_u8, 0..4_u8, moment.clone());
    let seen = seen.prop_map(|(flag, unit, variant, audience, at)| {
        Item::Seen(Seen { flag, unit, variant, audience, at })
    });
    let came = (0..40_u8, 0..2_u8, moment, prop_oneof![Just(0.0), Just(1.0), Just(-3.0)]);
    let came =
        came.prop_map(|(unit, metric, at, value)| Item::Came(Came { unit, metric, at, value }));
    prop_oneof![2 => seen, 1 => came]
}

fn new() -> State {
    State::new(Limits::default())
}

/// A state as it is when it was kept and read again.
pub(super) fn kept_and_read(state: &mut State) -> State {
    let mut kept = state.take_changes();
    kept.parts.sort_by_key(|part| (part.kind.number(), part.number, part.part));
    let mut read = State::at(Limits::default(), kept.position);
    for part in &kept.parts {
        let [number, at] = [part.number, part.part].map(|it| i64::try_from(it).unwrap());
        read.read_part(part.kind.number(), number, at, &part.body).unwrap();
    }
    read
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn in_any_order_and_batches_it_is_as_the_naive_one(
        (items, other) in prop::collection::vec(item(), 1..300)
            .prop_flat_map(|items| (Just(items.clone()), Just(items).prop_shuffle())),
        sizes in [1..50_usize, 1..50_usize],
        drops: [bool; 2],
        restart in 0..300_usize,
    ) {
        let mut one = new();
        add(&mut one, &items, sizes[0], drops[0]);
        assert_eq!(told(&one), naive::told(&items));
        // Another order, other batches, and a restart in between.
        let mut two = new();
        let (first, then) = other.split_at(restart.min(other.len()));
        add(&mut two, first, sizes[1], drops[1]);
        let mut read = kept_and_read(&mut two);
        prop_assert_eq!(told(&read), told(&two));
        add(&mut read, then, sizes[1], drops[1]);
        assert_eq!(told(&read), naive::told(&items));
    }

    #[test]
    fn parts_that_are_damaged_are_refused_or_harmless(
        items in prop::collection::vec(item(), 1..60),
        at: prop::sample::Index,
        place: prop::sample::Index,
        byte: u8,
    ) {
        let mut state = new();
        add(&mut state, &items, 20, false);
        let mut kept = state.take_changes();
        kept.parts.sort_by_key(|part| (part.kind.number(), part.number, part.part));
        let at = at.index(kept.parts.len());
        let body = &mut kept.parts[at].body;
        let place = place.index(body.len());
        body[place] = byte;
        let mut read = State::at(Limits::default(), kept.position);
        for part in &kept.parts {
            let [number, at] = [part.number, part.part].map(|it| i64::try_from(it).unwrap());
            let _ = read.read_part(part.kind.number(), number, at, &part.body);
        }
        add(&mut read, &items, 20, true);
        let _ = told(&read);
    }
}

fn seen(unit: u8, variant: u8, at: i64) -> Seen {
    Seen { flag: 0, unit, variant, audience: 3, at }
}

#[test]
fn what_has_not_changed_is_not_written_again() {
    let mut state = State::new(Limits::default());
    let mut batch = Exposures::default();
    for number in 0..10_000_u32 {
        let placed = Placed { unit: unit(1).wrapping_mul(number.into()), position: number };
        batch.add(&seen(0, 0, 0).series(), BEGIN * 1_000_000, Some(placed));
    }
    state.expose(1, &read_exposures(&batch.encode()).unwrap());
    let kept = state.take_changes();
    assert_eq!((kept.position, kept.parts.len()), (1, 4), "itself and three pieces");
    assert_eq!(state.take_changes().parts, []);
    add(&mut state, &[Item::Seen(seen(200, 1, 5))], 1, false);
    let parts: Vec<usize> = state.take_changes().parts.iter().map(|part| part.part).collect();
    assert_eq!(parts, [0, 3]);
    state.soil();
    assert_eq!(state.take_changes().parts.len(), 4);
}

#[test]
fn memory_is_bounded_and_flags_that_nobody_sees_give_theirs_first() {
    let mut state = State::new(Limits { exposed: 100, failed: 20, flags: 2, metrics: 1 });
    let day = 24 * HOUR;
    let many = |flag: u8, units: std::ops::Range<u8>, at: i64| -> Vec<Item> {
        units.map(|unit| Item::Seen(Seen { flag, ..seen(unit, 0, at) })).collect()
    };
    add(&mut state, &many(0, 0..80, 0), 10, true);
    add(&mut state, &many(1, 0..30, day), 10, true);
    let left_out = |state: &State, flag: usize| {
        let told = state.told("production", FLAGS[flag]).unwrap();
        (told.left_out, told.forgotten)
    };
    assert_eq!((state.size().0, left_out(&state, 1)), (100, (10, 0)));
    // After a week without the first one, its units are forgotten for those of the other.
    add(&mut state, &many(1, 30..60, 9 * day), 10, true);
    assert_eq!((left_out(&state, 0), left_out(&state, 1)), ((0, 80), (10, 0)));
    assert_eq!(state.size().0, 50);
    assert_eq!(told(&state)[FLAGS[0]].0["off"].hours.values().map(|it| it.units).sum::<u64>(), 80);
    // Of failures, the older half goes.
    let came = |unit: u8, at: i64| Item::Came(Came { unit, metric: 0, at, value: 1.0 });
    let all: Vec<Item> = (0..30).map(|unit| came(unit, i64::from(unit))).collect();
    add(&mut state, &all, 5, true);
    let kept: Vec<u32> = state.metrics[0].failed.all().map(|it| it.last).collect();
    assert!(kept.len() <= 20 && kept.contains(&((BEGIN + 29) as u32)), "{kept:?}");
    // What is beyond is told.
    let other = Came { unit: 1, metric: 1, at: 0, value: 1.0 };
    add(&mut state, &[Item::Came(other)], 1, true);
    assert_eq!(state.metrics.len(), 1);
    assert!(
        !state.takes_metric("production", METRICS[1])
            && state.takes_metric("production", METRICS[0])
    );
    assert!(state.refuses(&state.place("staging", "more", "on")).is_some());
    assert!(state.refuses(&state.place("production", FLAGS[0], "on")).is_none());
}

#[test]
fn a_unit_takes_so_many_bytes() {
    let mut state = State::new(Limits::default());
    let count = 100_000_u32;
    for from in (0..count).step_by(5_000) {
        let mut batch = Exposures::default();
        for number in from..from + 5_000 {
            let placed = Placed { unit: unit(1).wrapping_mul(number.into()), position: number };
            batch.add(&seen(0, 0, 0).series(), BEGIN * 1_000_000, Some(placed));
        }
        state.expose(i64::from(from), &read_exposures(&batch.encode()).unwrap());
    }
    let (units, bytes) = state.size();
    assert_eq!(units, count as usize);
    assert!((28..=37).contains(&(bytes / units)), "{} bytes a unit", bytes / units);
}
