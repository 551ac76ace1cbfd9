//! Why a ramp stays, is held, or goes back.

use crate::time::{Time, humanize};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A reason of a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    /// The step's time is not over.
    TooEarly {
        /// How many seconds of it are left.
        seconds_left: u64,
    },
    /// The clock is behind the start of the step.
    ClockBehind {
        /// By how many seconds.
        seconds: u64,
    },
    /// It is the last step, and not everyone has the variant: a person goes on from here.
    LastStep,
    /// A person paused the ramp.
    Paused,
    /// The ramp is over.
    Over,
    /// Too few units have seen the variant in this step.
    TooFewExposures {
        /// How many have.
        seen: u64,
        /// How many are asked for.
        wanted: u64,
    },
    /// No outcome of a metric has come yet, so that nobody knows whether it is heard at all.
    NotHeardYet {
        /// The metric.
        metric: String,
    },
    /// The bands are not of the same size: units are lost, or counted on the wrong side.
    RatioMismatch {
        /// Units in the treatment.
        treatment: u64,
        /// Units in the control.
        control: u64,
    },
    /// Units were seen in two variants within one step.
    MixedUnits {
        /// How many.
        units: u64,
    },
    /// No exposures come any more.
    NoExposures {
        /// When the last one came.
        #[serde(with = "super::moment")]
        last: Time,
    },
    /// No outcomes of a metric come any more.
    NoOutcomes {
        /// The metric.
        metric: String,
        /// When the last one came.
        #[serde(with = "super::moment")]
        last: Time,
    },
    /// A metric that is a signal seems worse.
    Signal(Worse),
    /// A metric that is a guardrail is worse.
    Harm(Worse),
}

/// What the errors of a metric say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Worse {
    /// The metric.
    pub metric: String,
    /// Units of the treatment with an error.
    pub treatment: u64,
    /// Units of the control with an error.
    pub control: u64,
    /// The logarithm of the e-value that was looked at: the largest one for a guardrail, the
    /// present one for a signal.
    pub ln_e: f64,
    /// The logarithm that it had to reach.
    pub ln_e_limit: f64,
}

impl Cause {
    /// Whether it says the same as another one, but for its numbers.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
            && self.metric() == other.metric()
    }

    fn metric(&self) -> Option<&str> {
        match self {
            Self::NotHeardYet { metric } | Self::NoOutcomes { metric, .. } => Some(metric),
            Self::Signal(worse) | Self::Harm(worse) => Some(&worse.metric),
            _ => None,
        }
    }

    /// Whether the time in which it holds a ramp counts as time of the step: waiting for more of
    /// the same data does, as nothing is wrong with those that came.
    pub(super) fn lets_time_pass(&self) -> bool {
        matches!(self, Self::TooFewExposures { .. } | Self::NotHeardYet { .. })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = |seconds: &u64| humanize(*seconds as f64);
        let at = |time: &Time| time.rfc3339().unwrap_or_else(|| "at no known time".to_owned());
        match self {
            Self::TooEarly { seconds_left } => {
                write!(f, "the step lasts {} longer", span(seconds_left))
            }
            Self::ClockBehind { seconds } => {
                write!(f, "the clock is {} behind the start of the step", span(seconds))
            }
            Self::LastStep => f.write_str("this is the last step of the plan"),
            Self::Paused => f.write_str("a person paused the ramp"),
            Self::Over => f.write_str("the ramp is over"),
            Self::TooFewExposures { seen, wanted } => {
                write!(f, "{seen} units have seen the variant in this step, of {wanted} wanted")
            }
            Self::NotHeardYet { metric } => {
                write!(f, "no outcome of “{metric}” has come yet: is it sent at all?")
            }
            Self::RatioMismatch { treatment, control } => write!(
                f,
                "{treatment} units in the treatment and {control} in the control cannot be chance: \
                 both should be alike"
            ),
            Self::MixedUnits { units } => {
                write!(f, "units were seen in two variants within one step: {units}")
            }
            Self::NoExposures { last } => write!(f, "the last exposure came {}", at(last)),
            Self::NoOutcomes { metric, last } => {
                write!(f, "the last outcome of “{metric}” came {}", at(last))
            }
            Self::Signal(worse) => write!(f, "{worse}: perhaps worse"),
            Self::Harm(worse) => write!(f, "{worse}: worse"),
        }
    }
}

impl fmt::Display for Worse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, treatment, control, .. } = self;
        let (e, limit) = (self.ln_e.exp(), self.ln_e_limit.exp());
        write!(
            f,
            "units with “{metric}”: {treatment} in the treatment, {control} in as large a control \
             (evidence {e:.3}, limit {limit:.3})"
        )
    }
}
