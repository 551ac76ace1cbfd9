//! A ramp as it is kept in the revisions of its flag.

use crate::flags::revision::{Revision, time};
use seaway_core::flags::ramp::{Plan, Ramp, Reach, Spread, State};
use seaway_core::flags::{Bucketing, FlagSet, Problem};
use seaway_core::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Turns that are kept: exposures that come later than so many turns are on no side.
const TURNS_KEPT: usize = 50;
/// Turns of an attempt that are told apart.
const TURNS_MAX: u32 = 1_000;

/// From when on something else was served than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Turn {
    #[serde(deserialize_with = "time")]
    pub(crate) at: Time,
    /// The step of the plan that was served; `None` where the variant was for nobody.
    pub(crate) step: Option<usize>,
}

/// All of a ramp but the definition under it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Course {
    pub(crate) plan: Plan,
    pub(crate) state: State,
    /// The revision with which this attempt began: it is the name of the attempt.
    pub(crate) first_revision: u64,
    /// Which version of the hash spreads the units: 2 or 3.
    bucketing: u8,
    /// The turns of this attempt, the newest last.
    pub(crate) turns: Vec<Turn>,
    /// How many there were before these.
    turns_before: u32,
}

/// A ramp, and the definition that it is laid over.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) course: Course,
    /// The definition without the ramp, as it was written.
    pub(crate) definition: Box<RawValue>,
}

fn number(bucketing: Bucketing) -> u8 {
    match bucketing {
        Bucketing::V2 => 2,
        Bucketing::V3 => 3,
    }
}

impl Course {
    /// How the units of the flag of this key are spread.
    pub(crate) fn spread(&self, key: &str) -> Spread {
        let bucketing = if self.bucketing == 3 { Bucketing::V3 } else { Bucketing::V2 };
        Spread::new(key, self.plan.salt(), bucketing)
    }

    /// What was served at a moment of this attempt: the number of the turn, from 1, who got the
    /// variant, and since when. `None` where that is not known.
    pub(crate) fn served_at(&self, moment: Time) -> Option<(u32, Reach, Time)> {
        let at = self.turns.iter().rposition(|turn| turn.at <= moment)?;
        let turn = self.turns.get(at)?;
        let before = self.turns_before.saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
        Some((before.saturating_add(1).min(TURNS_MAX), self.reach(turn), turn.at))
    }

    /// The number of the newest turn, from 1.
    pub(crate) fn newest_turn(&self) -> u32 {
        let count = u32::try_from(self.turns.len()).unwrap_or(u32::MAX);
        self.turns_before.saturating_add(count).min(TURNS_MAX)
    }

    fn reach(&self, turn: &Turn) -> Reach {
        let step = turn.step.and_then(|step| self.plan.steps().get(step));
        step.map_or(Reach::Nobody, |step| Reach::Share(step.audience, step.share))
    }

    /// A ramp that begins with a revision of its flag.
    pub(crate) fn start(plan: Plan, bucketing: Bucketing, revision: u64, now: Time) -> Self {
        let state = State::start(&plan, now);
        let mut course = Self {
            plan,
            state: state.clone(),
            first_revision: revision,
            bucketing: number(bucketing),
            turns: Vec::new(),
            turns_before: 0,
        };
        course.begin(state, revision, false, now);
        course
    }

    /// Notes what is served from now on.
    pub(crate) fn turn(&mut self, off: bool, now: Time) {
        let is_served = !off && !self.state.is_locked();
        self.turns.push(Turn { at: now, step: is_served.then_some(self.state.step) });
        if self.turns.len() > TURNS_KEPT {
            self.turns.remove(0);
            self.turns_before = self.turns_before.saturating_add(1);
        }
    }

    /// Begins an attempt with a revision.
    pub(crate) fn begin(&mut self, state: State, revision: u64, off: bool, now: Time) {
        (self.state, self.first_revision) = (state, revision);
        (self.turns, self.turns_before) = (Vec::new(), 0);
        self.turn(off, now);
    }

    /// Whether the flag spreads its units as it did when the ramp began.
    pub(super) fn is_spread_by(&self, bucketing: Bucketing) -> bool {
        self.bucketing == number(bucketing)
    }
}

impl Kept {
    /// A ramp that begins with a revision.
    ///
    /// # Errors
    /// Why the plan does not fit the flag, with places under `/plan` and `/definition`.
    pub(super) fn start(
        around: &FlagSet,
        key: &str,
        definition: Box<RawValue>,
        plan: Plan,
        (revision, now): (u64, Time),
    ) -> Result<Self, Vec<Problem>> {
        let ramp = Ramp::new(around, key, definition.get(), plan.clone())?;
        let course = Course::start(plan, ramp.spread().bucketing(), revision, now);
        Ok(Self { course, definition })
    }

    /// The ramp of a revision; `None` if it has none.
    ///
    /// # Errors
    /// It is no ramp that this program knows.
    pub(crate) fn of(revision: &Revision) -> Result<Option<Self>, serde_json::Error> {
        #[derive(Deserialize)]
        struct Under {
            definition: Box<RawValue>,
        }
        let Some(raw) = &revision.ramp else { return Ok(None) };
        let course = serde_json::from_str(raw.get())?;
        let Under { definition } = serde_json::from_str(raw.get())?;
        Ok(Some(Self { course, definition }))
    }

    /// As it is kept.
    pub(super) fn written(&self) -> Result<Box<RawValue>, serde_json::Error> {
        #[derive(Serialize)]
        struct All<'k> {
            plan: &'k Plan,
            definition: &'k RawValue,
            state: &'k State,
            first_revision: u64,
            bucketing: u8,
            turns: &'k [Turn],
            turns_before: u32,
        }
        let Self { course, definition } = self;
        serde_json::value::to_raw_value(&All {
            plan: &course.plan,
            definition,
            state: &course.state,
            first_revision: course.first_revision,
            bucketing: course.bucketing,
            turns: &course.turns,
            turns_before: course.turns_before,
        })
    }

    /// The plan, laid over the definition.
    ///
    /// # Errors
    /// Why it does not fit any longer, with places under `/plan` and `/definition`.
    pub(super) fn laid(&self, around: &FlagSet, key: &str) -> Result<Ramp, Vec<Problem>> {
        Ramp::new(around, key, self.definition.get(), self.course.plan.clone())
    }
}
