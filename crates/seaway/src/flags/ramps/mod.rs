//! Ramps of flags: how they are kept, what people do with them, and who lets them go on. What a ramp
//! *is*, and what follows from what was seen, stands in `seaway_core::flags::ramp`.
//!
//! A ramp is part of the revisions of its flag (`kept`). People change it (`operate`, `api`), and so
//! does every server by itself (`runner`): it looks at what was seen, decides by rules that all
//! servers share, and writes the decision as the next revision, or not at all. What was seen is a
//! function of the log alone (`crate::flags::exposures`), so that all servers decide alike.

pub(crate) mod api;
mod command;
mod kept;
mod operate;
mod runner;

pub(crate) use command::RampVerb;
pub(crate) use kept::{Course, Kept};
pub(crate) use operate::Wish;
pub(super) use operate::{turned_off, turned_on, written};
pub(crate) use runner::Runner;
