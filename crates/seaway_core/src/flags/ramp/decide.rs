//! What follows from where a ramp stands and what was seen.

use super::cause::{Cause, Worse};
use super::plan::{Guardrail, GuardrailKind, Plan, Step};
use super::state::{Phase, State};
use crate::stats::sequential::{Evidence, ln_mismatch};
use crate::time::Time;
use std::collections::BTreeMap;

/// With what probability bands of the same size are ever taken for different ones: a thousandth, as
/// is usual for sample ratios, since a person has to look into it.
const MISMATCH_ALPHA: f64 = 0.001;

/// What was seen of a flag since the attempt of its ramp began. Units count once each.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Observation {
    /// Units that have seen the ramped variant.
    pub treated: u64,
    /// Units whose first exposure within a band was in the treatment.
    pub treatment: u64,
    /// Units whose first exposure within a band was in the control.
    pub control: u64,
    /// Units that were seen in both variants since the step began and clients had time to learn of
    /// it.
    pub mixed: u64,
    /// When the newest exposure happened.
    pub newest: Option<Time>,
    /// What is known of each guardrail's metric, by its name.
    pub outcomes: BTreeMap<String, Outcomes>,
}

/// What is known of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Outcomes {
    /// The first errors of units that are compared, added one by one in the order of the log.
    pub errors: Evidence,
    /// When the newest outcome of the metric happened: of any unit, of any value.
    pub newest: Option<Time>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Nothing.
    Stay,
    /// Going to a step. The steps between, which should have come while nobody was there to take
    /// them, are taken with it.
    Advance {
        /// The step.
        to: usize,
        /// The steps that are passed over, in order.
        folded: Vec<usize>,
    },
    /// Waiting until the causes are gone.
    Hold,
    /// No longer waiting.
    Resume,
    /// Going back to nobody.
    RollBack,
}

/// A decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The revision of the flag that it was made on. It may only be written as the next one: so
    /// a step that two servers decide on is taken once.
    pub revision: u64,
    /// What is to be done.
    pub action: Action,
    /// Why, also where nothing is to be done.
    pub causes: Vec<Cause>,
    /// The state that follows; `None` where it is the same.
    pub state: Option<State>,
}

/// What follows for a ramp in this state, kept in this revision of the flag.
///
/// Whoever asks has read the log to its end: errors that came before a step must not be missed by
/// the decision to take it.
///
/// - **Harm comes first**: evidence of a guardrail that ever reached its limit rolls back, also a
///   ramp that is held or paused, whatever else is wrong with the data.
/// - **A clock alone moves nothing far.** A step that asks for exposures lasts until the newest of
///   them, not until `now`: a clock that jumps ahead gains what exposures came, and one that
///   jumps back makes the ramp wait. Steps that were missed are passed over as far as the exposures
///   of this step suffice for all of them together, their times have passed, and they ask for
///   exposures at all; never into another audience, of which nothing is known yet, and never
///   to everyone, as only before that there is a control to compare with.
/// - **Doubt holds**: bands of different size, units in two variants, silence, a signal. It ends by
///   itself, and its time does not count as time of the step.
#[must_use]
pub fn decide(
    plan: &Plan,
    state: &State,
    seen: &Observation,
    now: Time,
    revision: u64,
) -> Decision {
    let look = Look { plan, state, seen, now };
    let (action, causes, state) = look.follows();
    Decision { revision, action, causes, state }
}

struct Look<'a> {
    plan: &'a Plan,
    state: &'a State,
    seen: &'a Observation,
    now: Time,
}

type Follows = (Action, Vec<Cause>, Option<State>);

impl Look<'_> {
    fn follows(&self) -> Follows {
        let step = self.plan.steps().get(self.state.step);
        let Some(step) = step.filter(|_| self.state.is_under_way()) else {
            return stay(vec![Cause::Over]);
        };
        let harm = self.worse(GuardrailKind::Guardrail);
        if !harm.is_empty() {
            let state = self.state.rolled_back(harm.clone(), self.now);
            return (Action::RollBack, harm, Some(state));
        }
        let held = match &self.state.phase {
            Phase::Paused { .. } => return stay(vec![Cause::Paused]),
            Phase::Held { causes, .. } => Some(causes),
            _ => None,
        };
        let doubts = self.doubts();
        if !doubts.is_empty() {
            return self.hold(doubts);
        }
        if held.is_some_and(|causes| !causes.iter().all(Cause::lets_time_pass)) {
            return self.go_on(Vec::new());
        }
        if let Some(wait) = self.wait(step) {
            return self.go_on(vec![wait]);
        }
        if self.state.step + 1 >= self.plan.steps().len() {
            return self.go_on(vec![Cause::LastStep]);
        }
        let lacking = self.lacking(step);
        if !lacking.is_empty() {
            return self.hold(lacking);
        }
        self.advance(step)
    }

    /// Waits for causes, or goes on waiting for the same ones.
    fn hold(&self, causes: Vec<Cause>) -> Follows {
        if let Phase::Held { causes: before, .. } = &self.state.phase
            && before.len() == causes.len()
            && causes.iter().all(|cause| before.iter().any(|it| it.is_like(cause)))
        {
            return stay(causes);
        }
        let state = self.state.held(causes.clone(), self.now);
        (Action::Hold, causes, Some(state))
    }

    /// Stays on the step, and stops waiting.
    fn go_on(&self, causes: Vec<Cause>) -> Follows {
        match self.state.phase {
            Phase::Held { .. } => (Action::Resume, causes, Some(self.state.running(self.now))),
            _ => stay(causes),
        }
    }

    fn advance(&self, step: &Step) -> Follows {
        let to = self.target(step);
        let whole = self.plan.steps().get(to).is_some_and(Step::is_whole);
        let state = self.state.at_step(to, whole, self.seen.treated, self.now);
        let folded = (self.state.step + 1..to).collect();
        (Action::Advance { to, folded }, Vec::new(), Some(state))
    }

    /// The step to go to: the next, or a later one where time and exposures suffice for all between.
    fn target(&self, step: &Step) -> usize {
        let steps = self.plan.steps();
        let lived = self.until_newest();
        let (mut hold, mut least) = (step.hold_seconds, step.least_exposures);
        let mut to = self.state.step + 1;
        while let (Some(passed), Some(next)) = (steps.get(to), steps.get(to + 1)) {
            hold = hold.saturating_add(passed.hold_seconds);
            least = least.saturating_add(passed.least_exposures);
            let known = passed.audience == step.audience && passed.least_exposures > 0;
            if !known || next.is_whole() || lived < hold || self.treated() < least {
                break;
            }
            to += 1;
        }
        to
    }

    /// Units that have seen the variant for the first time in this step.
    fn treated(&self) -> u64 {
        self.seen.treated.saturating_sub(self.state.treated_before)
    }

    /// Seconds from the start of the step to a moment.
    fn since_start(&self, until: Time) -> i64 {
        until.0.saturating_sub(self.state.since.0)
    }

    /// Seconds from the start of the step to the newest exposure.
    fn until_newest(&self) -> u64 {
        let newest = self.seen.newest.map_or(self.state.since, |newest| newest.min(self.now));
        u64::try_from(self.since_start(newest)).unwrap_or(0)
    }

    /// Why the step's time is not over.
    fn wait(&self, step: &Step) -> Option<Cause> {
        let Ok(passed) = u64::try_from(self.since_start(self.now)) else {
            let seconds = self.since_start(self.now).unsigned_abs();
            return Some(Cause::ClockBehind { seconds });
        };
        let lived = if step.least_exposures > 0 { self.until_newest() } else { passed };
        // Without a new exposure time alone is over, and then exposures are what lacks.
        let left = step.hold_seconds.saturating_sub(lived.min(passed));
        let lacks = passed >= step.hold_seconds && !self.lacking(step).is_empty();
        (left > 0 && !lacks).then_some(Cause::TooEarly { seconds_left: left })
    }

    /// What else must come before the ramp may advance.
    fn lacking(&self, step: &Step) -> Vec<Cause> {
        let mut causes = Vec::new();
        if self.treated() < step.least_exposures {
            let wanted = step.least_exposures;
            causes.push(Cause::TooFewExposures { seen: self.treated(), wanted });
        }
        for guardrail in self.plan.guardrails() {
            if self.outcomes(guardrail).newest.is_none() {
                causes.push(Cause::NotHeardYet { metric: guardrail.metric.clone() });
            }
        }
        causes
    }

    /// Why the data cannot be trusted, or bode ill.
    fn doubts(&self) -> Vec<Cause> {
        let Observation { treatment, control, mixed, .. } = *self.seen;
        let mut causes = Vec::new();
        if ln_mismatch(&[treatment, control], &[0.5, 0.5]) >= -MISMATCH_ALPHA.ln() {
            causes.push(Cause::RatioMismatch { treatment, control });
        }
        if mixed > self.plan.mixed_units_max() {
            causes.push(Cause::MixedUnits { units: mixed });
        }
        if let Some(last) = self.silent(self.seen.newest, self.plan.silence_seconds()) {
            causes.push(Cause::NoExposures { last });
        }
        for guardrail in self.plan.guardrails() {
            let Some(limit) = guardrail.silence_seconds else { continue };
            if let Some(last) = self.silent(self.outcomes(guardrail).newest, limit) {
                causes.push(Cause::NoOutcomes { metric: guardrail.metric.clone(), last });
            }
        }
        causes.extend(self.worse(GuardrailKind::Signal));
        causes
    }

    /// The newest of what came, where that is longer ago than it may be.
    fn silent(&self, newest: Option<Time>, limit: u64) -> Option<Time> {
        newest.filter(|last| {
            u64::try_from(self.now.0.saturating_sub(last.0)).is_ok_and(|passed| passed > limit)
        })
    }

    /// The metrics of this kind whose errors say that the treatment is worse.
    fn worse(&self, kind: GuardrailKind) -> Vec<Cause> {
        let mut causes = Vec::new();
        for guardrail in self.plan.guardrails().iter().filter(|it| it.kind == kind) {
            let errors = self.outcomes(guardrail).errors;
            let ln_e_limit = -self.plan.alpha_of(kind).ln();
            let ln_e = match kind {
                GuardrailKind::Guardrail => errors.ln_e_max(),
                GuardrailKind::Signal => errors.ln_e(),
            };
            let worse = || Worse {
                metric: guardrail.metric.clone(),
                treatment: errors.treatment(),
                control: errors.control(),
                ln_e,
                ln_e_limit,
            };
            match kind {
                GuardrailKind::Guardrail if ln_e >= ln_e_limit => causes.push(Cause::Harm(worse())),
                // Once it holds, until half of the way back: it would come and go otherwise.
                GuardrailKind::Signal
                    if ln_e >= ln_e_limit
                        || (ln_e > ln_e_limit / 2.0 && self.held_by_signal(guardrail)) =>
                {
                    causes.push(Cause::Signal(worse()));
                }
                _ => {}
            }
        }
        causes
    }

    fn held_by_signal(&self, guardrail: &Guardrail) -> bool {
        let Phase::Held { causes, .. } = &self.state.phase else { return false };
        causes
            .iter()
            .any(|cause| matches!(cause, Cause::Signal(it) if it.metric == guardrail.metric))
    }

    fn outcomes(&self, guardrail: &Guardrail) -> Outcomes {
        self.seen.outcomes.get(&guardrail.metric).copied().unwrap_or_default()
    }
}

fn stay(causes: Vec<Cause>) -> Follows {
    (Action::Stay, causes, None)
}
