//! Seaway through its public face: the program, run on real repositories made by real git.

mod interrupt;
mod lang;
mod tidy;
mod urls;
