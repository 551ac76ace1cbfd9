//! Where a ramp stands, and what people do with it.

use super::cause::Cause;
use super::plan::{Audience, Plan};
use super::share::Share;
use crate::time::Time;
use serde::{Deserialize, Serialize};

/// Where a ramp stands. It is kept with the flag, and changes by decisions and people only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Whether it runs.
    pub phase: Phase,
    /// The step that it is on, counted from 0.
    pub step: usize,
    /// How often it was begun. What is counted is counted within one attempt.
    pub attempt: u32,
    /// When this attempt began.
    #[serde(with = "super::moment")]
    pub began: Time,
    /// When the step began, later by all times that do not count.
    #[serde(with = "super::moment")]
    pub since: Time,
    /// How many units had seen the variant in this attempt when the step began.
    pub treated_before: u64,
}

/// Whether a ramp runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// It advances when its step is over.
    Running,
    /// It does not advance until the causes are gone.
    Held {
        /// Since when.
        #[serde(with = "super::moment")]
        since: Time,
        /// Why.
        causes: Vec<Cause>,
    },
    /// A person stopped it where it is. It still rolls back.
    Paused {
        /// Since when.
        #[serde(with = "super::moment")]
        since: Time,
    },
    /// It is back at nobody, and the flag is locked until a person says why it may go on.
    RolledBack {
        /// Since when.
        #[serde(with = "super::moment")]
        at: Time,
        /// Why.
        causes: Vec<Cause>,
    },
    /// Everyone has the variant.
    Complete {
        /// Since when.
        #[serde(with = "super::moment")]
        at: Time,
    },
}

/// Who gets the variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Nobody: the flag is as it was.
    Nobody,
    /// A share of an audience, and all of the smaller audiences that the plan names.
    Share(Audience, Share),
}

impl State {
    /// A ramp that begins now, at its first step.
    #[must_use]
    pub fn start(plan: &Plan, now: Time) -> Self {
        Self::begin(plan, 1, now)
    }

    fn begin(plan: &Plan, attempt: u32, now: Time) -> Self {
        let whole = plan.steps().first().is_some_and(super::Step::is_whole);
        let phase = if whole { Phase::Complete { at: now } } else { Phase::Running };
        Self { phase, step: 0, attempt, began: now, since: now, treated_before: 0 }
    }

    /// Who gets the variant in this state.
    #[must_use]
    pub fn reach(&self, plan: &Plan) -> Reach {
        match (&self.phase, plan.steps().get(self.step)) {
            (Phase::RolledBack { .. }, _) | (_, None) => Reach::Nobody,
            (Phase::Complete { .. }, _) => Reach::Share(Audience::Everyone, Share::ALL),
            (_, Some(step)) => Reach::Share(step.audience, step.share),
        }
    }

    /// Whether the flag may not be changed until [`State::unlock`].
    #[must_use]
    pub fn is_locked(&self) -> bool {
        matches!(self.phase, Phase::RolledBack { .. })
    }

    /// Whether anything can still follow by itself.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        !matches!(self.phase, Phase::RolledBack { .. } | Phase::Complete { .. })
    }

    /// Begins anew after a rollback. `None` where there was none.
    ///
    /// It begins at the first step and with no evidence: what was counted says that the code as it
    /// was did harm, nobody can say how much of that holds for the code as it is now, and evidence
    /// that has crossed its limit would roll back at once. Each attempt has all of α. Why it may go
    /// on is for the caller to ask and to keep.
    #[must_use]
    pub fn unlock(&self, plan: &Plan, now: Time) -> Option<Self> {
        self.is_locked().then(|| Self::begin(plan, self.attempt.saturating_add(1), now))
    }

    /// Stops where it is. `None` where there is nothing to stop.
    #[must_use]
    pub fn pause(&self, now: Time) -> Option<Self> {
        match self.phase {
            Phase::Running | Phase::Held { .. } => Some(Self {
                phase: Phase::Paused { since: now },
                since: self.counted(now),
                ..*self
            }),
            _ => None,
        }
    }

    /// Goes on after a pause, whose time does not count. `None` where it was not paused.
    #[must_use]
    pub fn go_on(&self, now: Time) -> Option<Self> {
        let paused = matches!(self.phase, Phase::Paused { .. });
        paused.then(|| self.running(now))
    }

    /// Goes to a step because a person wants it, forward or back; `treated` is how many units have
    /// seen the variant in this attempt. The evidence so far stays. `None` where there is no such
    /// step, or the ramp is over.
    #[must_use]
    pub fn move_to(&self, plan: &Plan, step: usize, treated: u64, now: Time) -> Option<Self> {
        let target = plan.steps().get(step).filter(|_| self.is_under_way())?;
        Some(self.at_step(step, target.is_whole(), treated, now))
    }

    /// The state at the beginning of a step.
    pub(super) fn at_step(&self, step: usize, whole: bool, treated: u64, now: Time) -> Self {
        let phase = if whole { Phase::Complete { at: now } } else { Phase::Running };
        Self { phase, step, since: now, treated_before: treated, ..*self }
    }

    /// The state without what kept it.
    pub(super) fn running(&self, now: Time) -> Self {
        Self { phase: Phase::Running, since: self.counted(now), ..*self }
    }

    /// The state with something that keeps it.
    pub(super) fn held(&self, causes: Vec<Cause>, now: Time) -> Self {
        Self { phase: Phase::Held { since: now, causes }, since: self.counted(now), ..*self }
    }

    /// The state at nobody.
    pub(super) fn rolled_back(&self, causes: Vec<Cause>, now: Time) -> Self {
        Self { phase: Phase::RolledBack { at: now, causes }, ..*self }
    }

    /// When the step began, with the time taken out that did not count until now.
    fn counted(&self, now: Time) -> Time {
        let lost = match &self.phase {
            Phase::Paused { since } => Some(since),
            Phase::Held { since, causes } if !causes.iter().all(Cause::lets_time_pass) => {
                Some(since)
            }
            _ => None,
        };
        let lost = lost.map_or(0, |since| now.0.saturating_sub(since.0).max(0));
        Time(self.since.0.saturating_add(lost))
    }
}
