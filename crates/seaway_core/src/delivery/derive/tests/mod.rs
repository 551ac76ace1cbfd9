//! Tests of views: short stories, any facts in any order, and histories that `measure` knows.

mod equal;
mod orders;
mod pulls;
mod stories;
mod story;
