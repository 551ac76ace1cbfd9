//! What is counted for the ramp of a flag, within one attempt: how many units have seen the variant,
//! which of those that are compared were seen at all, and which of them erred thereafter.
//!
//! Nothing of it may depend on which side a unit is on, but the side itself:
//!
//! - A unit is compared from its first exposure on that finds it in a band, whatever variant it saw:
//!   of the units that a step adds, those that get another variant then and those that keep theirs
//!   are both compared from the exposure on that comes next, and what they did before is forgotten.
//! - On which side an exposure finds its unit is told by the server that takes it in, from the unit's
//!   name, and stands on the log. A server that has not heard of a step yet finds the units that the
//!   step adds on no side, both halves of them.
//! - Exposures that repeat what is known are left away before they are on the log; never is one
//!   whose unit is in a band now and was not seen in one before.
//!
//! All is counted in the order of the log and kept with the state, so that every server has the same
//! numbers, the largest evidence among them, which cannot be computed from the others.

use super::flag::{Exposed, Flag};
use super::metric::Metric;
use crate::flags::exposures::audience::Audience;
use crate::flags::exposures::batch::{Side, Tag};
use crate::flags::exposures::codec::Damaged;
use crate::flags::ramps::Course;
use seaway_core::flags::ramp::{Audience as Reached, Band, Reach, Spread};
use seaway_core::stats::sequential::Evidence;
use seaway_core::time::Time;
use serde::{Deserialize, Serialize};

/// How long clients may take to learn of a step, in seconds, before a second variant of a unit counts:
/// twice what those that poll usually wait.
pub(crate) const GRACE_SECONDS: i64 = 60;

/// What was counted for a ramp.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ramped {
    /// The newest revision of the flag that is known.
    pub(crate) revision: u64,
    /// The revision with which the attempt began.
    pub(crate) first_revision: u64,
    /// The place on the log up to which everything is counted.
    pub(crate) position: i64,
    pub(crate) counts: Counts,
    /// By guardrail, in the order of the plan: the newest outcome, Unix milliseconds.
    pub(crate) heard: Vec<Option<i64>>,
}

/// What is counted one by one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Units that have seen the ramped variant.
    pub(crate) treated: u64,
    /// Units that were first found in the treatment.
    pub(crate) treatment: u64,
    /// Units that were first found in the control.
    pub(crate) control: u64,
    /// Units that have seen both variants since what is served changed last and clients had time to
    /// learn of it.
    pub(crate) mixed: u64,
    /// The newest exposure, Unix milliseconds.
    pub(crate) newest: Option<i64>,
    /// By guardrail, in the order of the plan.
    pub(crate) evidence: Vec<Evidence>,
}

/// An attempt, and what was counted in it.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Its number among those of the flag, from 1.
    pub(super) number: u16,
    revision: u64,
    pub(super) course: Course,
    spread: Spread,
    pub(super) is_under_way: bool,
    counts: Counts,
    /// By guardrail: the number of its metric, once it has been heard of.
    metrics: Vec<Option<usize>>,
    /// The ramped variant and the base, once they have been heard of.
    variants: [Option<u16>; 2],
}

/// As it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    number: u16,
    revision: u64,
    course: Course,
    counts: Counts,
}

impl Attempt {
    pub(super) fn new(number: u16, key: &str, revision: u64, course: Course) -> Self {
        let evidence = vec![Evidence::default(); course.plan.guardrails().len()];
        Self {
            number,
            revision,
            spread: course.spread(key),
            is_under_way: course.state.is_under_way(),
            counts: Counts { evidence, ..Counts::default() },
            metrics: vec![None; course.plan.guardrails().len()],
            variants: [None; 2],
            course,
        }
    }

    /// As it is kept.
    pub(super) fn write(&self) -> String {
        let Self { number, revision, course, counts, .. } = self;
        let (course, counts) = (course.clone(), counts.clone());
        let kept = Kept { number: *number, revision: *revision, course, counts };
        serde_json::to_string(&kept).unwrap_or_default()
    }

    pub(super) fn read(key: &str, text: &str) -> Result<Self, Damaged> {
        let kept: Result<Kept, _> = serde_json::from_str(text);
        let Kept { number, revision, course, counts } =
            kept.map_err(|_| Damaged("a ramp cannot be read"))?;
        let mut attempt = Self::new(number, key, revision, course);
        if counts.evidence.len() != attempt.counts.evidence.len() {
            return Err(Damaged("a ramp has other guardrails"));
        }
        attempt.counts = counts;
        Ok(attempt)
    }

    /// Goes on with a newer revision of the same attempt.
    pub(super) fn revise(&mut self, revision: u64, course: Course) {
        if course.newest_turn() != self.course.newest_turn() {
            self.counts.mixed = 0;
        }
        self.is_under_way = course.state.is_under_way();
        (self.revision, self.course) = (revision, course);
    }

    /// Hears of a metric.
    pub(super) fn hear_of(&mut self, name: &str, number: usize) {
        for (guardrail, metric) in self.course.plan.guardrails().iter().zip(&mut self.metrics) {
            if guardrail.metric == name {
                *metric = Some(number);
            }
        }
    }

    /// Hears of a variant.
    pub(super) fn hear_of_variant(&mut self, name: &str, number: u16) {
        let names = [self.course.plan.variant(), self.course.plan.base()];
        for (known, variant) in names.into_iter().zip(&mut self.variants) {
            if known == name {
                *variant = Some(number);
            }
        }
    }

    /// What an exposure of a moment (Unix microseconds) is told by on the log.
    pub(super) fn tag(&self, unit: Option<&str>, micros: i64) -> Tag {
        let moment = Time(micros.div_euclid(1_000_000));
        let served = self.course.served_at(moment).filter(|_| self.is_under_way);
        let Some((turn, reach, since)) = served else { return Tag::default() };
        let side = unit.and_then(|unit| self.spread.band(reach, unit));
        let is_settled = moment.0 >= since.0.saturating_add(GRACE_SECONDS);
        Tag {
            attempt: self.course.first_revision,
            // At most some thousand.
            turn: if is_settled { turn as u16 } else { 0 },
            side: side.map(|band| match band {
                Band::Treatment => Side::Treatment,
                Band::Control => Side::Control,
            }),
        }
    }

    /// To whom a variant was shown at a moment, if that was to none but them.
    pub(super) fn audience(&self, variant: &str, micros: i64) -> Option<Audience> {
        let is_ramped = self.is_under_way && self.course.plan.variant() == variant;
        let served = self.course.served_at(Time(micros.div_euclid(1_000_000)));
        match served.filter(|_| is_ramped)?.1 {
            Reach::Nobody => None,
            Reach::Share(Reached::Team, _) => Some(Audience::Team),
            Reach::Share(Reached::Internal, _) => Some(Audience::Internal),
            Reach::Share(Reached::Everyone, _) => Some(Audience::Everyone),
        }
    }

    /// Whether an exposure belongs to it.
    pub(super) fn has(&self, tag: Tag) -> bool {
        self.is_under_way && tag.attempt == self.course.first_revision && tag.attempt != 0
    }

    /// Whether an exposure of a unit, which has seen its variant before as `known` tells, says
    /// nothing new of it.
    pub(super) fn is_known(&self, flag: &Flag, known: &Exposed, second: u32, tag: Tag) -> bool {
        known.attempt == self.number
            && known.turn() >= tag.turn
            && (tag.side.is_none()
                || self.entered(flag, known.unit).is_some_and(|(entered, _)| entered <= second))
    }

    /// The records of a unit in this attempt.
    fn records<'f>(&self, flag: &'f Flag, unit: u64) -> impl Iterator<Item = u32> + use<'f> {
        let number = self.number;
        flag.exposed.places(unit).filter(move |at| flag.exposed.get(*at).attempt == number)
    }

    /// When a unit was first found in a band, and in which.
    fn entered(&self, flag: &Flag, unit: u64) -> Option<(u32, Side)> {
        let records = self.records(flag, unit).map(|at| flag.exposed.get(at));
        let entered = records.filter_map(|it| Some((it.entered, it.side()?)));
        entered.min_by_key(|(entered, _)| *entered)
    }

    /// Notes the newest of some exposures.
    pub(super) fn note(&mut self, millis: i64) {
        self.counts.newest = self.counts.newest.max(Some(millis));
    }

    /// Counts an exposure whose record stands at a place.
    pub(super) fn expose(
        &mut self,
        flag: &mut Flag,
        place: u32,
        (second, tag): (u32, Tag),
        metrics: &[Metric],
    ) {
        let before = *flag.exposed.get(place);
        let mut after = before;
        if before.attempt != self.number {
            after.begin(self.number);
            self.counts.treated += u64::from(self.variants[0] == Some(before.variant));
        }
        let is_settled = tag.turn > after.turn();
        if is_settled {
            after.set_turn(tag.turn);
        }
        let entered = self.entered(flag, before.unit);
        let enters = tag.side.filter(|_| entered.is_none_or(|(known, _)| second < known));
        if let Some(side) = enters {
            after.enter(side, second);
            if entered.is_none() {
                match side {
                    Side::Treatment => self.counts.treatment += 1,
                    Side::Control => self.counts.control += 1,
                }
            }
        }
        if after == before {
            return;
        }
        flag.exposed.set(place, after);
        if is_settled {
            self.count_mixed(flag, &after);
        }
        if enters.is_some() {
            for guardrail in 0..self.metrics.len() {
                let metric = self.metrics[guardrail].and_then(|number| metrics.get(number));
                if metric.is_some_and(|it| it.is_failed_since(after.unit, second)) {
                    self.err(flag, after.unit, guardrail);
                }
            }
        }
    }

    /// Counts a unit that has just been seen in a variant since the newest turn.
    fn count_mixed(&mut self, flag: &Flag, seen: &Exposed) {
        let newest = self.course.newest_turn();
        let other = match self.variants {
            [Some(ramped), base] if ramped == seen.variant => base,
            [ramped, Some(base)] if base == seen.variant => ramped,
            _ => None,
        };
        if u32::from(seen.turn()) != newest || other.is_none() {
            return;
        }
        let mut records = self.records(flag, seen.unit).map(|at| flag.exposed.get(at));
        let is_mixed =
            records.any(|it| Some(it.variant) == other && u32::from(it.turn()) == newest);
        self.counts.mixed += u64::from(is_mixed);
    }

    /// Counts that a metric was above zero for a unit at a moment (seconds since 1970).
    pub(super) fn conclude(&mut self, flag: &mut Flag, metric: usize, unit: u64, second: u32) {
        let Some(guardrail) = self.metrics.iter().position(|it| *it == Some(metric)) else {
            return;
        };
        if self.entered(flag, unit).is_some_and(|(entered, _)| entered <= second) {
            self.err(flag, unit, guardrail);
        }
    }

    /// Counts the error of a unit that is compared, if it is its first one.
    fn err(&mut self, flag: &mut Flag, unit: u64, guardrail: usize) {
        let Some((_, side)) = self.entered(flag, unit) else { return };
        let erred = |at: u32| flag.exposed.get(at).has_erred(guardrail);
        if self.records(flag, unit).any(erred) {
            return;
        }
        let Some(place) = self.records(flag, unit).next() else { return };
        let mut record = *flag.exposed.get(place);
        record.err(guardrail);
        flag.exposed.set(place, record);
        flag.is_dirty = true;
        match (side, self.counts.evidence.get_mut(guardrail)) {
            (Side::Treatment, Some(evidence)) => evidence.add_treatment(),
            (Side::Control, Some(evidence)) => evidence.add_control(),
            (_, None) => {}
        }
    }

    /// Whether outcomes of a metric are errors for it.
    pub(super) fn is_about(&self, metric: usize) -> bool {
        self.is_under_way && self.metrics.contains(&Some(metric))
    }

    /// What was counted.
    pub(super) fn told(&self, metrics: &[Metric], position: i64) -> Ramped {
        let heard = |number: &Option<usize>| metrics.get((*number)?)?.span.map(|span| span.last);
        Ramped {
            revision: self.revision,
            first_revision: self.course.first_revision,
            position,
            counts: self.counts.clone(),
            heard: self.metrics.iter().map(heard).collect(),
        }
    }
}
