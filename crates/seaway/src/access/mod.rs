//! Who may: tokens, their roles, people who sign in with them, and the guard before every route.
//!
//! `role`, `token`, `limits`, `origin` and `form` are logic alone; `store` is the SQL; `manage` makes
//! and ends tokens; `known` remembers who is good for less than a second, and who fails; `guard`
//! asks it before a request comes to its handler; `routes` are what `router.rs` is made of.

mod api;
mod audit;
mod command;
mod evaluators;
mod form;
mod guard;
mod known;
mod limits;
mod manage;
mod origin;
mod page;
mod role;
mod routes;
mod store;
#[cfg(test)]
mod tests;
mod token;

pub(crate) use api::{audit, create, revoke, tokens};
pub(crate) use command::TokenVerb;
pub(crate) use guard::Peer;
pub(crate) use known::Access;
pub(crate) use page::{
    create_form, revoke_form, sign_in, sign_in_form, sign_out, tokens as tokens_page,
};
pub(crate) use role::Role;
pub(crate) use routes::{
    Face, Proof, Routes, admin, badge, editor, evaluator, open, proven, viewer,
};
