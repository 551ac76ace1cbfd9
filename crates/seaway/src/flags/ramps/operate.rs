//! What people do with ramps, and what becomes of a ramp when its flag is changed otherwise.

use super::kept::Kept;
use crate::flags::definition::{decide_alike, enabled, with_targeting_of};
use crate::flags::edit::{Edit, Next, Refused, live};
use crate::flags::registry::Flags;
use crate::flags::revision::{Action, Revision};
use crate::flags::snapshot::Entry;
use seaway_core::flags::ramp::{Audience, Phase, Plan, Ramp, Reach, Share};
use seaway_core::flags::{FlagSet, Problem};
use seaway_core::time::Time;
use serde_json::value::RawValue;
use std::sync::Arc;

/// What somebody wants of a ramp.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    /// That it begins.
    Start(Box<Plan>),
    /// That it stays where it is.
    Pause,
    /// That it goes on after a pause.
    GoOn,
    /// That it goes to a step, from 0.
    Move {
        step: usize,
        /// Units that have seen the variant in this attempt.
        treated: u64,
    },
    /// That it begins anew after a rollback.
    Unlock,
    /// That there is none any longer: everyone has the variant, or nobody has.
    End {
        /// Whether everyone has.
        complete: bool,
    },
}

/// A flag whose ramp is changed.
pub(super) struct Under<'a> {
    pub(super) around: &'a FlagSet,
    pub(super) before: &'a Entry,
    pub(super) now: Time,
}

impl Flags {
    /// Changes the ramp of a flag.
    ///
    /// # Errors
    /// It was not changed: why.
    pub(crate) async fn ramp(
        &self,
        environment: &str,
        key: &str,
        wish: &Wish,
        edit: Edit,
    ) -> Result<Arc<Entry>, Refused> {
        let edit = Edit { unlock: edit.unlock || matches!(wish, Wish::Unlock), ..edit };
        self.change(environment, key, edit, |before| {
            let around = self.around(environment);
            let before = live(before, key)?;
            Under { around: &around, before, now: self.now() }.wished(wish)
        })
        .await
    }
}

impl Under<'_> {
    fn key(&self) -> &str {
        self.before.key()
    }

    fn revision(&self) -> &Revision {
        &self.before.revision
    }

    fn wished(&self, wish: &Wish) -> Result<Option<Next>, Refused> {
        let kept = kept(self.revision())?;
        if let Wish::Start(plan) = wish {
            return self.start(kept, plan).map(Some);
        }
        let none = || Refused::NotFound(format!("the flag {} has no ramp", self.key()));
        let mut kept = kept.ok_or_else(none)?;
        let (course, off) = (&mut kept.course, self.revision().off);
        let state = &course.state;
        match wish {
            Wish::Start(_) => {}
            Wish::Pause if matches!(state.phase, Phase::Paused { .. }) => return Ok(None),
            Wish::Pause => {
                // What is served stays, whatever the plan would be by now.
                course.state = state.pause(self.now).ok_or_else(over)?;
                let ramp = Some(kept.written()?);
                return Ok(Some(Next { ramp, ..Next::of(self.revision(), Action::Ramp) }));
            }
            Wish::GoOn => {
                let on = state.go_on(self.now);
                course.state =
                    on.ok_or_else(|| Refused::NotNow("the ramp is not paused".to_owned()))?;
                course.turn(off, self.now);
            }
            Wish::Move { step, treated } => {
                if !state.is_under_way() {
                    return Err(over());
                }
                let moved = state.move_to(&course.plan, *step, *treated, self.now);
                let steps = course.plan.steps().len();
                course.state = moved.ok_or_else(|| {
                    Refused::Wrong(format!("the plan has the steps 1 to {steps}"))
                })?;
                course.turn(off, self.now);
            }
            Wish::Unlock => {
                let begun = state.unlock(&course.plan, self.now);
                let begun =
                    begun.ok_or_else(|| Refused::NotNow("the ramp is not locked".to_owned()))?;
                course.begin(begun, self.revision().revision + 1, off, self.now);
            }
            Wish::End { complete } => return self.end(&kept, *complete).map(Some),
        }
        self.check_on()?;
        self.next(&kept, Action::Ramp).map(Some)
    }

    fn start(&self, kept: Option<Kept>, plan: &Plan) -> Result<Next, Refused> {
        if kept.is_some_and(|kept| kept.course.state.is_under_way()) {
            let what = "a ramp is under way: end it before another one starts";
            return Err(Refused::NotNow(what.to_owned()));
        }
        self.check_on()?;
        let definition = self.revision().definition.clone();
        let definition = definition.ok_or_else(|| Refused::NotFound("no flag".to_owned()))?;
        let number = self.revision().revision + 1;
        let started =
            Kept::start(self.around, self.key(), definition, plan.clone(), (number, self.now));
        self.next(&started.map_err(Refused::Objections)?, Action::Ramp)
    }

    fn end(&self, kept: &Kept, complete: bool) -> Result<Next, Refused> {
        let is_complete = matches!(kept.course.state.phase, Phase::Complete { .. });
        let definition = match (complete, is_complete) {
            (true, true) => self.revision().definition.clone(),
            (true, false) => {
                let everyone = Reach::Share(Audience::Everyone, Share::ALL);
                Some(RawValue::from_string(self.laid(kept)?.definition(everyone))?)
            }
            (false, _) => Some(kept.definition.clone()),
        };
        let next = Next::of(self.revision(), Action::Ramp);
        Ok(Next { definition, ramp: None, ..next })
    }

    /// What the flag is by its ramp.
    pub(super) fn next(&self, kept: &Kept, action: Action) -> Result<Next, Refused> {
        let definition = match kept.course.state.reach(&kept.course.plan) {
            Reach::Nobody => kept.definition.clone(),
            reach => RawValue::from_string(self.laid(kept)?.definition(reach))?,
        };
        let (definition, ramp) = (Some(definition), Some(kept.written()?));
        Ok(Next { definition, ramp, ..Next::of(self.revision(), action) })
    }

    fn laid(&self, kept: &Kept) -> Result<Ramp, Refused> {
        let ramp = kept.laid(self.around, self.key()).map_err(Refused::Objections)?;
        match kept.course.is_spread_by(ramp.spread().bucketing()) {
            true => Ok(ramp),
            false => Err(Refused::Wrong(SPREAD_OTHERWISE.to_owned())),
        }
    }

    fn check_on(&self) -> Result<(), Refused> {
        let is_disabled = self.before.flag.as_ref().is_none_or(|flag| flag.is_disabled());
        match self.revision().off || is_disabled {
            true => Err(Refused::NotNow("the flag is off: turn it on first".to_owned())),
            false => Ok(()),
        }
    }
}

const SPREAD_OTHERWISE: &str =
    "the flag's units would be spread otherwise than when the ramp began: end it first";

fn over() -> Refused {
    Refused::NotNow("the ramp is over".to_owned())
}

pub(super) fn kept(revision: &Revision) -> Result<Option<Kept>, Refused> {
    let wrong = |error| Refused::Wrong(format!("the ramp cannot be understood: {error}"));
    Kept::of(revision).map_err(wrong)
}

/// What becomes of a flag with a ramp that is turned off: the ramp is paused. Nothing keeps a flag from
/// being turned off.
pub(in crate::flags) fn turned_off(revision: &Revision, mut next: Next, now: Time) -> Next {
    if let Ok(Some(mut kept)) = kept(revision)
        && kept.course.state.is_under_way()
    {
        kept.course.state = kept.course.state.pause(now).unwrap_or(kept.course.state);
        kept.course.turn(true, now);
        next.ramp = kept.written().ok().or(next.ramp);
    }
    next
}

/// What becomes of a flag with a ramp that is turned on, or enabled: the ramp stays paused.
pub(in crate::flags) fn turned_on(
    around: &FlagSet,
    before: &Entry,
    mut next: Next,
    now: Time,
) -> Result<Next, Refused> {
    let Some(mut kept) = kept(&before.revision)?.filter(|it| it.course.state.is_under_way()) else {
        return Ok(next);
    };
    if let Some(enabled) = enabled(kept.definition.get())? {
        kept.definition = RawValue::from_string(enabled)?;
    }
    kept.course.turn(false, now);
    let under = Under { around, before, now };
    let Next { definition, ramp, .. } = under.next(&kept, next.action)?;
    (next.definition, next.ramp) = (definition, ramp);
    Ok(next)
}

/// What becomes of a flag with a ramp whose definition is written: that is the one without the ramp,
/// over which the ramp is laid anew; and the ramp is paused. Whoever has changed the definition as it
/// is served, with the ramp's rules in it, has not meant them.
pub(in crate::flags) fn written(
    around: &FlagSet,
    before: &Entry,
    next: Next,
    now: Time,
    unlocks: bool,
) -> Result<Next, Refused> {
    let Some(mut kept) = kept(&before.revision)? else { return Ok(next) };
    let Some(definition) = &next.definition else { return Ok(next) };
    let state = &kept.course.state;
    let decides_alike = decide_alike(before.source(), definition.get());
    if matches!(state.phase, Phase::Complete { .. })
        || state.is_locked() && (unlocks || !decides_alike)
    {
        // If it is locked and stays so, that is refused.
        return Ok(Next { ramp: None, ..next });
    }
    let text = with_targeting_of(kept.definition.get(), before.source(), definition.get())?;
    kept.definition = match text {
        Some(text) => RawValue::from_string(text)?,
        None => definition.clone(),
    };
    if state.is_under_way() {
        kept.course.state = state.pause(now).unwrap_or_else(|| state.clone());
        kept.course.turn(next.off, now);
    }
    // It has to fit also where nothing of it is served yet.
    let laid = Under { around, before, now }.laid(&kept).map_err(|refused| match refused {
        Refused::Objections(problems) => {
            Refused::Objections(problems.into_iter().map(below_the_ramp).collect())
        }
        other => other,
    })?;
    let definition = match kept.course.state.reach(&kept.course.plan) {
        Reach::Nobody => kept.definition.clone(),
        reach => RawValue::from_string(laid.definition(reach))?,
    };
    let (definition, ramp) = (Some(definition), Some(kept.written()?));
    Ok(Next { definition, ramp, ..next })
}

/// The plan is not what was sent.
fn below_the_ramp(mut problem: Problem) -> Problem {
    if let Some(place) = problem.place.strip_prefix("/definition") {
        problem.place = place.to_owned();
    } else {
        problem.reason =
            format!("{}: the plan of the ramp would not fit; end it first", problem.reason);
    }
    problem
}
