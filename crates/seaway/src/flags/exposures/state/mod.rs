//! What is known of exposures and outcomes: counted by hour and variant, each unit once, and kept so
//! that what belongs together is found in whatever order it arrives.
//!
//! It is a function of the events on the log, read in order. As long as there is room for all units,
//! the order does not matter: what is kept are counts, the first and the last of moments, and
//! windows of which the newest is kept. Where there is none, the order of the log decides who is
//! left out, which is the same for all servers.
//!
//! Memory: a unit that has seen a variant takes 24 bytes, and 6 to 12 of a hash table; an outcome
//! above zero of a unit takes 16 and as many. An hour of a variant takes 16 bytes, and two weeks of
//! them are kept.

mod attempt;
mod flag;
mod kept;
mod metric;
#[cfg(test)]
mod ramp_tests;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use attempt::{Counts, GRACE_SECONDS, Ramped};
pub(super) use flag::{Count, Span, VARIANTS_MAX};
pub(super) use kept::{FORMAT, Kept};

use super::audience::Audience;
use super::batch::{ExposureGroup, OutcomeGroup, Tag};
use crate::flags::ramps::Course;
use attempt::Attempt;
use flag::Flag;
use metric::Metric;
use std::collections::HashMap;

/// How much is kept at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Pairs of a unit and a variant that it has seen.
    pub(super) exposed: usize,
    /// Pairs of a unit and a metric that was above zero for it.
    pub(super) failed: usize,
    /// Flags, in all environments.
    pub(super) flags: usize,
    /// Metrics, in all environments.
    pub(super) metrics: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { exposed: 8_000_000, failed: 4_000_000, flags: 20_000, metrics: 2_000 }
    }
}

/// How long no unit may have seen a flag before its units are forgotten for want of room, in hours.
const UNSEEN_HOURS: u32 = 7 * 24;

/// Flags and metrics of an environment by their names: their numbers.
#[derive(Debug, Default)]
struct Environment {
    flags: HashMap<Box<str>, usize>,
    metrics: HashMap<Box<str>, usize>,
}

/// What is known.
#[derive(Debug)]
pub(super) struct State {
    limits: Limits,
    /// The place on the log up to which everything is known.
    position: i64,
    environments: HashMap<Box<str>, Environment>,
    flags: Vec<Flag>,
    metrics: Vec<Metric>,
    /// The numbers of the flags whose ramps are under way.
    ramping: Vec<usize>,
    exposed: usize,
    failed: usize,
    /// The newest hour of any exposure.
    newest: u32,
}

/// What is known of an exposure before it is put on the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    flag: Option<(&'a Flag, Option<u16>)>,
}

impl Place<'_> {
    fn attempt(&self) -> Option<&Attempt> {
        self.flag.and_then(|(flag, _)| flag.attempt.as_deref())
    }

    /// What an exposure of a moment (Unix microseconds) is told by on the log.
    pub(super) fn tag(&self, unit: Option<&str>, micros: i64) -> Tag {
        self.attempt().map(|attempt| attempt.tag(unit, micros)).unwrap_or_default()
    }

    /// To whom the variant was shown at a moment, if a ramp tells.
    pub(super) fn audience(&self, variant: &str, micros: i64) -> Option<Audience> {
        self.attempt().and_then(|attempt| attempt.audience(variant, micros))
    }

    /// Whether an exposure (seconds since 1970) tells nothing new but its number.
    pub(super) fn is_known(&self, unit: u64, second: u32, tag: Tag) -> bool {
        let Some((flag, Some(variant))) = self.flag else { return false };
        flag.is_known(unit, variant, second, tag)
    }
}

/// What is told of a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VariantTold {
    pub(super) name: String,
    pub(super) audiences: [Option<Span>; 4],
    /// By hour since 1970.
    pub(super) hours: Vec<(u32, Count)>,
    /// What was before the hours that are told.
    pub(super) before: Count,
}

/// What is told of a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FlagTold {
    pub(super) variants: Vec<VariantTold>,
    pub(super) in_two: u64,
    pub(super) forgotten: u64,
    pub(super) left_out: u64,
}

impl VariantTold {
    /// The first exposure outside the team, Unix milliseconds.
    pub(super) fn released(&self) -> Option<i64> {
        let spans = Audience::ALL.iter().zip(&self.audiences);
        let outside = spans.filter(|(audience, _)| audience.is_outside_the_team());
        outside.filter_map(|(_, span)| Some((*span)?.first)).min()
    }
}

impl State {
    /// Nothing is known yet.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            position: 0,
            environments: HashMap::new(),
            flags: Vec::new(),
            metrics: Vec::new(),
            ramping: Vec::new(),
            exposed: 0,
            failed: 0,
            newest: 0,
        }
    }

    /// The place on the log up to which everything is known.
    pub(super) fn position(&self) -> i64 {
        self.position
    }

    /// All up to a place on the log has been added.
    pub(super) fn is_at(&mut self, position: i64) {
        self.position = self.position.max(position);
    }

    fn flag(&self, environment: &str, key: &str) -> Option<usize> {
        self.environments.get(environment)?.flags.get(key).copied()
    }

    fn metric(&self, environment: &str, name: &str) -> Option<usize> {
        self.environments.get(environment)?.metrics.get(name).copied()
    }

    /// Hears of a revision of a flag that stands at a place on the log, and of the ramp that it has.
    pub(super) fn revise(
        &mut self,
        position: i64,
        (environment, key): (&str, &str),
        revision: u64,
        course: Option<Course>,
    ) {
        self.is_at(position);
        let known = self.flag(environment, key);
        if course.is_none() && known.is_none_or(|number| self.flags[number].attempt.is_none()) {
            return;
        }
        let Some(number) = self.hear_of_flag(environment, key) else { return };
        self.flags[number].revise(revision, course);
        let of_environment = self.environments.get(environment);
        for (name, metric) in of_environment.iter().flat_map(|it| &it.metrics) {
            if let Some(attempt) = &mut self.flags[number].attempt {
                attempt.hear_of(name, *metric);
            }
        }
        self.ramping.retain(|it| *it != number);
        if self.flags[number].is_ramping() {
            self.ramping.push(number);
        }
    }

    /// Adds exposures that stand at a place on the log.
    pub(super) fn expose(&mut self, position: i64, groups: &[ExposureGroup<'_>]) {
        self.is_at(position);
        let rows = groups.iter().map(|group| group.rows().len()).sum();
        let newest = groups.iter().map(|group| group.hour).max();
        self.newest = self.newest.max(newest.unwrap_or(0));
        self.make_room(rows);
        let mut room = self.limits.exposed.saturating_sub(self.exposed);
        let begin = room;
        for group in groups {
            let Some(number) = self.hear_of_flag(group.series.environment, group.series.flag)
            else {
                continue;
            };
            self.flags[number].add(group, &self.metrics, &mut room);
        }
        self.exposed += begin - room;
    }

    /// Forgets the units of flags that nobody has seen for long, as far as there is no room for
    /// some that may be new.
    fn make_room(&mut self, rows: usize) {
        while self.exposed + rows > self.limits.exposed {
            let has_units = |it: &(usize, &Flag)| it.1.exposed.len() > 0 && !it.1.is_ramping();
            let oldest = self.flags.iter().enumerate().filter(has_units);
            let Some((number, newest)) =
                oldest.map(|(number, flag)| (number, flag.newest)).min_by_key(|it| (it.1, it.0))
            else {
                return;
            };
            if newest.saturating_add(UNSEEN_HOURS) > self.newest {
                return;
            }
            self.exposed -= self.flags[number].forget_units();
        }
    }

    /// Adds outcomes that stand at a place on the log.
    pub(super) fn conclude(&mut self, position: i64, groups: &[OutcomeGroup<'_>]) {
        self.is_at(position);
        let rows: usize = groups.iter().map(|group| group.rows().len()).sum();
        if self.failed + rows > self.limits.failed {
            self.forget_old_failures();
        }
        let mut room = self.limits.failed.saturating_sub(self.failed);
        let begin = room;
        for group in groups {
            let Some(number) = self.hear_of_metric(group.environment, group.metric) else {
                continue;
            };
            let Self { metrics, flags, ramping, .. } = self;
            metrics[number].add(group, &mut room, |metric, unit, second| {
                for at in ramping.iter().copied() {
                    let flag = &mut flags[at];
                    if flag.environment != metric.environment {
                        continue;
                    }
                    let Some(mut attempt) = flag.attempt.take_if(|it| it.is_about(number)) else {
                        continue;
                    };
                    attempt.conclude(flag, number, unit, second);
                    flag.attempt = Some(attempt);
                }
            });
        }
        self.failed += begin - room;
    }

    /// Forgets the older half of all outcomes above zero. Exposures have mostly been before newer
    /// ones.
    fn forget_old_failures(&mut self) {
        let all = self.metrics.iter().flat_map(|metric| metric.failed.all());
        let mut moments: Vec<u32> = all.map(|failed| failed.last).collect();
        if moments.is_empty() {
            return;
        }
        let middle = moments.len() / 2;
        let middle = *moments.select_nth_unstable(middle).1;
        for metric in &mut self.metrics {
            metric.failed.retain(|failed| failed.last > middle);
            metric.failed.soil();
            metric.is_dirty = true;
        }
        self.failed = self.metrics.iter().map(|metric| metric.failed.len()).sum();
    }

    fn hear_of_flag(&mut self, environment: &str, key: &str) -> Option<usize> {
        if let Some(number) = self.flag(environment, key) {
            return Some(number);
        }
        let number = self.flags.len();
        if number >= self.limits.flags {
            return None;
        }
        let flag = Flag { environment: environment.into(), key: key.into(), ..Flag::default() };
        self.flags.push(flag);
        self.environments.entry(environment.into()).or_default().flags.insert(key.into(), number);
        Some(number)
    }

    fn hear_of_metric(&mut self, environment: &str, name: &str) -> Option<usize> {
        if let Some(number) = self.metric(environment, name) {
            return Some(number);
        }
        let number = self.metrics.len();
        if number >= self.limits.metrics {
            return None;
        }
        self.metrics.push(Metric {
            environment: environment.into(),
            name: name.into(),
            ..Metric::default()
        });
        let of = self.environments.entry(environment.into()).or_default();
        of.metrics.insert(name.into(), number);
        self.tell_ramps(environment, name, number);
        Some(number)
    }

    /// Tells the ramps of an environment of a metric.
    fn tell_ramps(&mut self, environment: &str, name: &str, number: usize) {
        for at in 0..self.flags.len() {
            let flag = &mut self.flags[at];
            if *flag.environment == *environment
                && let Some(attempt) = &mut flag.attempt
            {
                attempt.hear_of(name, number);
            }
        }
    }

    /// What was counted for the ramp of a flag. `None` if it has none.
    pub(super) fn ramped(&self, environment: &str, key: &str) -> Option<Ramped> {
        let flag = &self.flags[self.flag(environment, key)?];
        Some(flag.attempt.as_ref()?.told(&self.metrics, self.position))
    }

    /// Where an exposure would come to.
    pub(super) fn place(&self, environment: &str, key: &str, variant: &str) -> Place<'_> {
        let flag = self.flag(environment, key).map(|number| &self.flags[number]);
        Place { flag: flag.map(|flag| (flag, flag.variant(variant))) }
    }

    /// Why there is no room for a series of exposures, if there is none.
    pub(super) fn refuses(&self, place: &Place<'_>) -> Option<&'static str> {
        match place.flag {
            None if self.flags.len() >= self.limits.flags => Some("there are too many flags"),
            Some((flag, None)) if flag.variants.len() >= VARIANTS_MAX => {
                Some("the flag has too many variants")
            }
            _ => None,
        }
    }

    /// Whether there is room for a metric.
    pub(super) fn takes_metric(&self, environment: &str, name: &str) -> bool {
        self.metrics.len() < self.limits.metrics || self.metric(environment, name).is_some()
    }

    /// What is known of a flag in an environment.
    pub(super) fn told(&self, environment: &str, key: &str) -> Option<FlagTold> {
        let flag = &self.flags[self.flag(environment, key)?];
        let told = |variant: &flag::Variant| VariantTold {
            name: variant.name.to_string(),
            audiences: variant.audiences,
            hours: variant
                .hours
                .iter()
                .map(|it| (it.hour, Count { units: it.units.into(), received: it.received }))
                .collect(),
            before: variant.before,
        };
        Some(FlagTold {
            variants: flag.variants.iter().map(told).collect(),
            in_two: flag.in_two,
            forgotten: flag.forgotten,
            left_out: flag.left_out,
        })
    }

    /// The newest exposure of a flag, Unix milliseconds.
    pub(super) fn last_exposure(&self, environment: &str, key: &str) -> Option<i64> {
        self.flags[self.flag(environment, key)?].last()
    }

    /// How many pairs of units and variants are known, and how many bytes everything takes.
    pub(super) fn size(&self) -> (usize, usize) {
        let flags: usize = self.flags.iter().map(Flag::memory).sum();
        let metrics: usize = self.metrics.iter().map(Metric::memory).sum();
        (self.exposed, flags + metrics)
    }
}
