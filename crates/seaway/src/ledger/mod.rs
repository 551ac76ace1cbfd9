//! The log of all events: append-only, deduplicated by (source, id), durable before it answers.

mod event;

pub(crate) use event::{Event, Recorded};
