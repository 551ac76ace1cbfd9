//! The pages of flags: all of them, one of them, and its forms. They show what is in memory, so that
//! they go on where the database is gone.

mod act;
mod definition;
mod diff;
mod edit;
mod history;
mod json;
mod life;
mod list;
mod one;
mod rules;
mod who;
#[cfg(test)]
mod who_tests;

pub(crate) use act::{off, on, restore};
pub(crate) use edit::{edit, edited};
pub(crate) use list::list;
pub(crate) use one::one;

use super::revision::Action;
use super::snapshot::Entry;
use super::stale;
use crate::app::App;
use crate::author::{Author, Sender};
use crate::pages::site::{Page, Place, Step, escape};
use crate::pages::words::{NAME, moment, outside};
use maud::{Markup, html};
use seaway_core::time::Time;
use who::Who;

/// The longest definition that is shown or compared on a page, in bytes.
const SHOWN_BYTES_MAX: usize = 64 << 10;
/// The longest answer to who sees a flag, in characters.
const ANSWER: usize = 100;

/// Where a flag's page is.
fn flag_url(environment: &str, key: &str) -> String {
    format!("/flags/{}/{}", escape(environment), escape(key))
}

/// Whether somebody may change flags: others see no forms.
fn may_edit(sender: &Sender) -> bool {
    matches!(sender.by.role.as_deref(), Some("editor" | "admin"))
}

/// Who did something.
fn by(author: &Author) -> Markup {
    match (&author.name, author.id.as_deref()) {
        (Some(name), _) => outside(name, NAME),
        (None, Some("local")) => html! { "a local user" },
        (None, Some(id)) => outside(id, NAME),
        (None, None) => html! { "nobody who is known" },
    }
}

/// What was done, as a part of a sentence: `turned off by Ada`.
fn done(action: Action) -> &'static str {
    match action {
        Action::Set => "changed",
        Action::Import => "imported",
        Action::Off => "turned off",
        Action::On => "turned on",
        Action::Restore => "restored",
        Action::Delete => "deleted",
        Action::Ramp => "given another ramp",
        Action::Advance => "ramped up",
        Action::RollBack => "rolled back",
        Action::Hold => "held on its ramp",
        Action::Resume => "let on along its ramp",
    }
}

/// Who sees a flag, in a few words; from outside.
fn answer(entry: &Entry) -> String {
    match (&entry.flag, entry.revision.is_live()) {
        (Some(flag), _) => Who::of(flag).answer(flag),
        (None, true) => "The code's own default for everyone".to_owned(),
        (None, false) => "Deleted: the code's own default for everyone".to_owned(),
    }
}

/// Why a flag is stale, as far as that is known.
fn staleness(entry: &Entry, now: Time) -> Vec<String> {
    stale::reasons(entry, now).iter().map(ToString::to_string).collect()
}

/// The moment.
fn now(app: &App) -> Time {
    Time((app.clock)().div_euclid(1_000_000))
}

/// What a page says while the database is gone.
fn stalled(app: &App) -> Markup {
    let since = app.flags.failing_since();
    html! { @if let Some(since) = since {
        p.notice role="status" { strong { "The database does not answer." } " Flags are served, and shown here, \
            as they were at " (moment(Some(Time(since.div_euclid(1_000_000))))) " UTC. They cannot be \
            changed until it is back." }
    } }
}

/// A page of flags.
fn page(title: &str, trail: Vec<Step>, json: Option<String>, body: Markup) -> Page {
    Page {
        title: title.to_owned(),
        place: Place::Flags,
        trail,
        freshness: None,
        searched: String::new(),
        json,
        body,
    }
}

/// The way to all flags of an environment.
fn trail(environment: &str) -> Vec<Step> {
    let of = format!("/flags?environment={}", escape(environment));
    vec![
        Step { url: "/flags".to_owned(), name: "Flags".to_owned() },
        Step { url: of, name: environment.to_owned() },
    ]
}
