//! What is counted for ramps, against a second implementation that keeps all that was ever sent; and
//! that nothing of it depends on the side.

use super::{Counts, Limits, State};
use crate::flags::exposures::audience::Audience;
use crate::flags::exposures::batch::{
    Exposures, Outcomes, Placed, Series, Side, read_exposures, read_outcomes,
};
use crate::flags::ramps::Course;
use proptest::prelude::*;
use seaway_core::flags::Bucketing;
use seaway_core::flags::ramp::{Audience as Reached, Band, Plan, Reach, Share, State as Ramp};
use seaway_core::stats::sequential::Evidence;
use seaway_core::time::Time;
use std::collections::{BTreeMap, BTreeSet};

const BEGIN: i64 = 1_790_000_000;
const KEY: &str = "new-cart";
const PLAN: &str = r#"{"variant":"on","base":"off","steps":[
    {"percent":20,"hold_seconds":1,"least_exposures":1},
    {"percent":50,"hold_seconds":1,"least_exposures":1},
    {"percent":80,"hold_seconds":1,"least_exposures":1}],
    "guardrails":[{"metric":"error"},{"metric":"slow","kind":"signal"}]}"#;
const METRICS: [&str; 3] = ["error", "slow", "other"];

/// What happens, some seconds after what happened before.
#[derive(Debug, Clone)]
enum Happens {
    /// The flag is changed in one of several ways.
    Changed(u8),
    /// A server takes exposures and outcomes in, that knows all of the log but its last events.
    Sent { behind: usize, sent: Vec<Sent> },
    /// The server that counts is started anew.
    Restarted,
}

#[derive(Debug, Clone, Copy)]
enum Sent {
    /// An exposure, so many seconds ago.
    Seen { unit: u8, variant: u8, ago: i64 },
    /// An outcome.
    Came { unit: u8, metric: u8, ago: i64, value: f64 },
}

/// An event on the log; exposures as they are there, and with all that was left away.
enum Logged {
    Revision(u64, Option<Box<Course>>),
    Exposures { there: Vec<u8>, whole: Vec<u8> },
    Outcomes(Vec<u8>),
}

fn name(unit: u8) -> String {
    format!("u{unit}")
}

fn hashed(unit: u8) -> u64 {
    u64::from(unit + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A log, the server that counts, and what it has to come to.
struct World {
    now: i64,
    revision: u64,
    course: Option<Course>,
    off: bool,
    log: Vec<Logged>,
    state: State,
    naive: Naive,
}

fn apply(state: &mut State, event: &Logged) {
    let position = state.position() + 1;
    match event {
        Logged::Revision(revision, course) => {
            let course = course.as_deref().cloned();
            state.revise(position, ("production", KEY), *revision, course);
        }
        Logged::Exposures { there, .. } => state.expose(position, &read_exposures(there).unwrap()),
        Logged::Outcomes(data) => state.conclude(position, &read_outcomes(data).unwrap()),
    }
}

impl World {
    fn new() -> Self {
        Self {
            now: BEGIN,
            revision: 0,
            course: None,
            off: false,
            log: Vec::new(),
            state: State::new(Limits::default()),
            naive: Naive::default(),
        }
    }

    fn happens(&mut self, what: &Happens, later: i64) {
        self.now += later;
        match what {
            Happens::Changed(how) => self.change(*how),
            Happens::Sent { behind, sent } => self.send(*behind, sent),
            Happens::Restarted => {
                self.state.soil();
                self.state = super::tests::kept_and_read(&mut self.state);
            }
        }
    }

    fn append(&mut self, event: Logged) {
        apply(&mut self.state, &event);
        self.naive.read(&event);
        self.log.push(event);
    }

    fn change(&mut self, how: u8) {
        self.revision += 1;
        let (revision, now) = (self.revision, Time(self.now));
        match (&mut self.course, how) {
            (None, _) => {
                let plan = Plan::parse(PLAN).unwrap();
                self.off = false;
                self.course = Some(Course::start(plan, Bucketing::V2, revision, now));
            }
            (Some(course), 0..=3) => {
                let step = (course.state.step + usize::from(how < 3)) % 3;
                course.state.step = step;
                course.turn(self.off, now);
            }
            (Some(course), 4) => {
                self.off = !self.off;
                course.turn(self.off, now);
            }
            (Some(course), 5) => {
                let state = Ramp::start(&course.plan, now);
                course.begin(Ramp { attempt: 2, ..state }, revision, self.off, now);
            }
            // What changes nothing of who gets what.
            (Some(course), 6) => course.state.treated_before += 1,
            (Some(_), _) => self.course = None,
        }
        self.append(Logged::Revision(revision, self.course.clone().map(Box::new)));
    }

    fn send(&mut self, behind: usize, sent: &[Sent]) {
        let mut intake = State::new(Limits::default());
        let known = self.log.len() - behind.min(self.log.len());
        self.log[..known].iter().for_each(|event| apply(&mut intake, event));
        let [mut there, mut whole] = [Exposures::default(), Exposures::default()];
        let mut outcomes = Outcomes::default();
        for sent in sent {
            match *sent {
                Sent::Seen { unit, variant, ago } => {
                    let (at, variant) =
                        (self.now - ago, ["on", "off", "blue"][usize::from(variant)]);
                    let micros = at * 1_000_000;
                    let place = intake.place("production", KEY, variant);
                    let tag = place.tag(Some(&name(unit)), micros);
                    let (environment, audience) = ("production", Audience::Unknown);
                    let series = Series { environment, flag: KEY, variant, audience, tag };
                    let placed = Placed { unit: hashed(unit), position: 0 };
                    let is_new = !place.is_known(placed.unit, at as u32, tag);
                    there.add(&series, micros, is_new.then_some(placed));
                    whole.add(&series, micros, Some(placed));
                }
                Sent::Came { unit, metric, ago, value } => {
                    let micros = (self.now - ago) * 1_000_000;
                    let metric = METRICS[usize::from(metric)];
                    outcomes.add("production", metric, hashed(unit), micros, value);
                }
            }
        }
        if there.len() > 0 {
            self.append(Logged::Exposures { there: there.encode(), whole: whole.encode() });
        }
        if outcomes.len() > 0 {
            self.append(Logged::Outcomes(outcomes.encode()));
        }
    }

    fn counts(&self) -> Option<Counts> {
        self.state.ramped("production", KEY).map(|ramped| ramped.counts)
    }

    /// The variant that a unit has now.
    fn variant(&self, unit: &str) -> u8 {
        let Some(course) = self.course.as_ref().filter(|_| !self.off) else { return 1 };
        // Of three fifths, one band and what is not compared have it.
        let Reach::Share(_, share) = course.state.reach(&course.plan) else { return 1 };
        let is_on = match course.spread(KEY).band(everyone(50.0), unit) {
            Some(Band::Treatment) if share >= Share::of_percent(50.0).unwrap() => true,
            Some(Band::Treatment) => course.spread(KEY).band(everyone(20.0), unit).is_some(),
            _ => {
                share > Share::of_percent(50.0).unwrap()
                    && course.spread(KEY).band(everyone(20.0), unit).is_none()
            }
        };
        u8::from(!is_on)
    }
}

fn everyone(percent: f64) -> Reach {
    Reach::Share(Reached::Everyone, Share::of_percent(percent).unwrap())
}

/// The second implementation.
#[derive(Default)]
struct Naive {
    course: Option<Course>,
    counts: Counts,
    treated: BTreeSet<u64>,
    entered: BTreeMap<u64, (Side, u32)>,
    erred: BTreeSet<(usize, u64)>,
    /// Since the newest turn.
    seen: BTreeSet<(u64, String)>,
    failures: Vec<(String, u64, u32)>,
}

impl Naive {
    fn read(&mut self, event: &Logged) {
        match event {
            Logged::Revision(_, course) => self.revise(course.as_deref().cloned()),
            Logged::Exposures { whole, .. } => {
                for group in read_exposures(whole).unwrap() {
                    let tag = group.series.tag;
                    let Some(course) = self.course.as_ref() else { continue };
                    if tag.attempt != course.first_revision {
                        continue;
                    }
                    let is_newest = u32::from(tag.turn) == course.newest_turn();
                    self.counts.newest = self.counts.newest.max(Some(group.span[1]));
                    for (placed, second) in group.rows() {
                        if group.series.variant == "on" {
                            self.treated.insert(placed.unit);
                        }
                        if is_newest {
                            self.seen.insert((placed.unit, group.series.variant.to_owned()));
                        }
                        if let Some(side) = tag.side {
                            let entered = self.entered.entry(placed.unit).or_insert((side, second));
                            assert_eq!(entered.0, side, "no unit changes sides");
                            entered.1 = entered.1.min(second);
                        }
                        self.look(placed.unit);
                    }
                }
            }
            Logged::Outcomes(data) => {
                for group in read_outcomes(data).unwrap() {
                    for (unit, second, value) in group.rows() {
                        if value > 0.0 {
                            self.failures.push((group.metric.to_owned(), unit, second));
                            self.look(unit);
                        }
                    }
                }
            }
        }
    }

    fn revise(&mut self, course: Option<Course>) {
        let first = |course: &Option<Course>| course.as_ref().map(|it| it.first_revision);
        let turn = |course: &Option<Course>| course.as_ref().map(|it| it.newest_turn());
        if first(&self.course) != first(&course) {
            let failures = std::mem::take(&mut self.failures);
            *self = Self { failures, ..Self::default() };
            self.counts.evidence = vec![Evidence::default(); 2];
        } else if turn(&self.course) != turn(&course) {
            self.seen.clear();
        }
        self.course = course;
    }

    /// Counts the first errors of a unit that are not counted yet.
    fn look(&mut self, unit: u64) {
        let Some((side, entered)) = self.entered.get(&unit) else { return };
        for (guardrail, metric) in METRICS[..2].iter().enumerate() {
            let has_erred = self
                .failures
                .iter()
                .any(|(name, of, second)| name == metric && *of == unit && second >= entered);
            if has_erred && self.erred.insert((guardrail, unit)) {
                match side {
                    Side::Treatment => self.counts.evidence[guardrail].add_treatment(),
                    Side::Control => self.counts.evidence[guardrail].add_control(),
                }
            }
        }
    }

    fn counts(&self) -> Option<Counts> {
        self.course.as_ref()?;
        let on = |side| self.entered.values().filter(|it| it.0 == side).count() as u64;
        let has = |unit: u64, variant: &str| self.seen.contains(&(unit, variant.to_owned()));
        let mixed = self.seen.iter().filter(|it| it.1 == "on" && has(it.0, "off"));
        Some(Counts {
            treated: self.treated.len() as u64,
            treatment: on(Side::Treatment),
            control: on(Side::Control),
            mixed: mixed.count() as u64,
            ..self.counts.clone()
        })
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    let ago = || prop_oneof![3 => 0..3_i64, 1 => 0..300_i64];
    prop_oneof![
        2 => (0..40_u8, 0..3_u8, ago())
            .prop_map(|(unit, variant, ago)| Sent::Seen { unit, variant, ago }),
        1 => (0..40_u8, 0..3_u8, ago(), prop_oneof![4 => Just(1.0), 1 => Just(0.0)])
            .prop_map(|(unit, metric, ago, value)| Sent::Came { unit, metric, ago, value }),
    ]
}

fn happens(sent: impl Strategy<Value = Vec<Sent>>) -> impl Strategy<Value = (Happens, i64)> {
    let behind = prop_oneof![3 => Just(0_usize), 1 => 0..6_usize];
    let what = prop_oneof![
        3 => prop_oneof![5 => 0..7_u8, 1 => 0..8_u8].prop_map(Happens::Changed),
        8 => (behind, sent).prop_map(|(behind, sent)| Happens::Sent { behind, sent }),
        1 => Just(Happens::Restarted),
    ];
    (what, prop_oneof![2 => 0..3_i64, 1 => 30..100_i64])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_counted_is_what_the_log_says(
        all in prop::collection::vec(happens(prop::collection::vec(sent(), 1..30)), 1..40),
    ) {
        let mut world = World::new();
        for (what, later) in &all {
            world.happens(what, *later);
            prop_assert_eq!(world.counts(), world.naive.counts());
        }
        // Another server, which reads all of it at once.
        let mut other = State::new(Limits::default());
        world.log.iter().for_each(|event| apply(&mut other, event));
        prop_assert_eq!(other.ramped("production", KEY).map(|it| it.counts), world.counts());
    }

    /// Pairs of units that do the same at the same moments, one on each side: as long as the variant
    /// does no harm, no step, no delay and no restart tells them apart.
    #[test]
    fn both_sides_are_treated_alike(
        all in prop::collection::vec(happens(prop::collection::vec(sent(), 1..30)), 1..60),
    ) {
        let pairs = pairs();
        let mut world = World::new();
        for (what, later) in &all {
            let what = match what {
                Happens::Sent { behind, sent } => {
                    let both = sent.iter().flat_map(|sent| match *sent {
                        Sent::Seen { unit, ago, .. } => {
                            let pair = pairs[usize::from(unit) % pairs.len()];
                            pair.map(|unit| {
                                Sent::Seen { unit, variant: world.variant(&name(unit)), ago }
                            })
                        }
                        Sent::Came { unit, metric, ago, value } => {
                            let pair = pairs[usize::from(unit) % pairs.len()];
                            pair.map(|unit| Sent::Came { unit, metric, ago, value })
                        }
                    });
                    Happens::Sent { behind: *behind, sent: both.collect() }
                }
                other => other.clone(),
            };
            world.happens(&what, *later);
            let Some(counts) = world.counts() else { continue };
            prop_assert_eq!(counts.treatment, counts.control);
            for evidence in &counts.evidence {
                prop_assert_eq!(evidence.treatment(), evidence.control());
            }
        }
    }
}

/// Pairs of units that each step adds at once, on different sides.
fn pairs() -> Vec<[u8; 2]> {
    let course = Course::start(Plan::parse(PLAN).unwrap(), Bucketing::V2, 1, Time(BEGIN));
    let spread = course.spread(KEY);
    let mut waiting: BTreeMap<(bool, bool), Vec<u8>> = BTreeMap::new();
    let mut pairs = Vec::new();
    for unit in 0..120 {
        let is_early = spread.band(everyone(20.0), &name(unit)).is_some();
        let is_treated = spread.band(everyone(50.0), &name(unit)) == Some(Band::Treatment);
        match waiting.entry((is_early, !is_treated)).or_default().pop() {
            Some(other) => pairs.push([other, unit]),
            None => waiting.entry((is_early, is_treated)).or_default().push(unit),
        }
    }
    assert!(pairs.len() >= 30, "{}", pairs.len());
    pairs
}

#[test]
fn who_was_seen_before_a_step_is_compared_from_the_next_exposure_on() {
    let pairs = pairs();
    let mut world = World::new();
    world.change(0);
    let course = world.course.clone().unwrap();
    let early = |unit: u8| course.spread(KEY).band(everyone(20.0), &name(unit)).is_some();
    let late = pairs.iter().find(|pair| !early(pair[0])).copied().unwrap();
    let both = |world: &World, came: bool| {
        let sent = late.map(|unit| match came {
            true => Sent::Came { unit, metric: 0, ago: 0, value: 1.0 },
            false => Sent::Seen { unit, variant: world.variant(&name(unit)), ago: 0 },
        });
        Happens::Sent { behind: 0, sent: sent.to_vec() }
    };
    let told = |world: &World| {
        let counts = world.counts().unwrap();
        let errors = counts.evidence[0];
        [counts.treatment, counts.control, errors.treatment(), errors.control()]
    };
    // In the middle they err, and nobody counts it.
    for came in [false, true] {
        world.happens(&both(&world, came), 10);
    }
    assert_eq!(told(&world), [0; 4]);
    // A step adds both. Until they are seen again, nothing counts.
    world.happens(&Happens::Changed(0), 10);
    world.happens(&both(&world, true), 10);
    assert_eq!(told(&world), [0; 4]);
    world.happens(&both(&world, false), 10);
    assert_eq!(told(&world), [1, 1, 0, 0], "the control has told nothing new but its number");
    world.happens(&both(&world, true), 10);
    world.happens(&both(&world, true), 10);
    assert_eq!(told(&world), [1; 4], "each errs once");
}
