//! Seaway measures time to value. This file only starts it; `cli.rs` shows every verb.

mod delivery;
mod git;
mod pages;

fn main() {}
