//! Ramps: a flag's variant for more and more units, as long as it does no harm.
//!
//! A [`Plan`] is a sequence of steps. Laid over a flag's definition it is a [`Ramp`], which compiles
//! to a plain definition of flagd for each [`Reach`], and tells in which [`Band`] a unit is compared.
//! Where a ramp stands is its [`State`]; [`decide()`] says what follows from a state and what was
//! seen. Nothing here reads a clock or a store: two servers that have seen the same decide the same,
//! and the revision that a decision names lets only one of them write it.
//!
//! # Who is where
//!
//! A unit has one of 100,000 places, by the same hash as in flagd's `fractional`. The treatment, those
//! who get the ramped variant, are the first places; the control, with whom they are compared, are
//! as many of the *last* places. Both grow towards the middle:
//!
//! ```text
//! 10 %   TT................CC
//! 25 %   TTTTT..........CCCCC
//! 50 %   TTTTTTTTTTCCCCCCCCCC
//! 75 %   TTTTT++++++++++CCCCC      + treated, but not compared
//! ```
//!
//! So raising the share only adds units to the treatment, lowering it takes away those that were
//! added last, and no unit is ever compared on both sides. That makes the comparison exact over the
//! whole ramp: a place and its mirror image enter and leave the comparison together, so that in which
//! half a unit is, is a fair coin that nothing else depends on, whatever the ramp did before, however
//! units differ, and however many of them have erred already. A control band right beside the
//! treatment would become treatment a step later, and who is compared then would depend on what was
//! seen before. Above 50 % the control is what is left, and of the treatment only its mirror
//! image is compared: never more than one to one.
//!
//! A unit's side follows from its key alone. Units that the flag's own rules decide for, or that are
//! of the team, are on both sides alike: they make a harm look smaller, never a harmless variant
//! harmful.

mod band;
mod cause;
mod decide;
mod definition;
mod moment;
mod plan;
mod reading;
mod share;
mod state;
#[cfg(test)]
mod tests;
mod under;

pub use band::{Band, Spread};
pub use cause::{Cause, Worse};
pub use decide::{Action, Decision, Observation, Outcomes, decide};
pub use definition::Ramp;
pub use plan::{Audience, Guardrail, GuardrailKind, Members, Plan, Step};
pub use share::Share;
pub use state::{Phase, Reach, State};
