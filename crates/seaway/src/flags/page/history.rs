//! What a flag was before: its revisions, what each changed, and the way back.

use super::definition::line;
use super::diff::{Line, counts, diff, shortened};
use super::json::pretty;
use super::{SHOWN_BYTES_MAX, by, done, flag_url};
use crate::app::App;
use crate::flags::revision::Revision;
use crate::form;
use crate::pages::parts::nothing;
use crate::pages::words::{counted, lines, moment, outside};
use maud::{Markup, html};
use std::time::Duration;

/// Revisions on a page.
pub(super) const ROWS: usize = 20;
/// Revisions that are read for the life of a flag, and how many at once.
const READ_MAX: usize = 200;
const AT_ONCE: i64 = 25;
/// Bytes of definitions after which no more revisions are read.
const BYTES_MAX: usize = 4 << 20;
/// How long the log may take to answer before the page goes without it.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Lines of a comparison that are shown, and characters of each.
const LINES: usize = 200;
const LINE_CHARS: usize = 300;
/// The longest reason, in characters.
const REASON: usize = 1_000;

/// Revisions of a flag, the newest first, each with its place on the log.
pub(super) struct History {
    pub(super) revisions: Vec<(i64, Revision)>,
    /// Whether they begin with the newest, and there are no older ones.
    pub(super) is_whole: bool,
}

impl History {
    /// The newest revisions, as many as a page can bear. `None` where they cannot be read now.
    pub(super) async fn newest(app: &App, environment: &str, key: &str) -> Option<Self> {
        Self::read(app, (environment, key), i64::MAX, READ_MAX).await
    }

    /// Those before a place on the log.
    pub(super) async fn before(
        app: &App,
        environment: &str,
        key: &str,
        before: i64,
    ) -> Option<Self> {
        Self::read(app, (environment, key), before, ROWS + 1).await
    }

    async fn read(
        app: &App,
        (environment, key): (&str, &str),
        mut before: i64,
        most: usize,
    ) -> Option<Self> {
        if app.flags.failing_since().is_some() {
            return None;
        }
        let (mut revisions, mut bytes) = (Vec::new(), 0);
        let mut is_whole = false;
        while revisions.len() < most && bytes < BYTES_MAX {
            let read = app.flags.history(environment, key, before, AT_ONCE);
            let some = match tokio::time::timeout(WAIT_MAX, read).await {
                Ok(Ok(some)) => some,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the history of a flag cannot be read");
                    return None;
                }
                Err(_) => return None,
            };
            let Some((last, _)) = some.last() else {
                is_whole = true;
                break;
            };
            before = *last;
            bytes += some
                .iter()
                .map(|(_, it)| it.definition.as_ref().map_or(0, |it| it.get().len()))
                .sum::<usize>();
            revisions.extend(some);
        }
        Some(Self { revisions, is_whole })
    }

    /// The revision with which it was turned off last, if it is off.
    pub(super) fn turned_off(&self) -> Option<&Revision> {
        let off = self.revisions.iter().map(|(_, it)| it).take_while(|it| it.off);
        off.last()
    }
}

/// What its page shows of a history.
pub(super) struct Shown<'a> {
    pub(super) history: &'a History,
    /// The revision that is the newest.
    pub(super) newest: u64,
    /// Whether these are older ones, and the newest are on the page before.
    pub(super) is_older: bool,
    /// What proves that forms are of this page, for those who may change something.
    pub(super) proof: Option<&'a str>,
}

impl Shown<'_> {
    /// The revisions of a page.
    pub(super) fn markup(&self, environment: &str, key: &str) -> Markup {
        let all = &self.history.revisions;
        if all.is_empty() {
            return nothing("There are no older revisions.");
        }
        let url = flag_url(environment, key);
        let next = all.get(ROWS - 1).filter(|_| all.len() > ROWS).map(|(position, _)| position);
        html! {
            ol.revisions reversed {
                @for (at, (_, revision)) in all.iter().take(ROWS).enumerate() {
                    (self.one(&url, revision, all.get(at + 1).map(|(_, before)| before)))
                }
            }
            @if self.is_older || next.is_some() {
                nav.pager aria-label="Pages of revisions" {
                    @if self.is_older { a href={ (url) "#history" } { "From the newest" } }
                    @if let Some(next) = next { a rel="next" href={ (url) "?before=" (next) "#history" } { "Older" } }
                }
            }
        }
    }

    fn one(&self, url: &str, revision: &Revision, before: Option<&Revision>) -> Markup {
        let is_newest = revision.revision == self.newest;
        html! {
            li id={ "r" (revision.revision) } {
                div.what {
                    p {
                        b { (revision.revision) } " " strong { (done(revision.action)) } " by " (by(&revision.by))
                        span.bounds { (moment(Some(revision.at))) " UTC" @if is_newest { ", as it is now" } }
                    }
                    @if let Some(proof) = self.proof.filter(|_| !is_newest && revision.is_live()) {
                        form action={ (url) "/restore" } method="post" {
                            input type="hidden" name=(form::FIELD) value=(proof);
                            input type="hidden" name="base" value=(self.newest);
                            input type="hidden" name="revision" value=(revision.revision);
                            input type="hidden" name="reason" value={ "as it was in revision " (revision.revision) };
                            button.quiet type="submit" aria-label={ "Restore revision " (revision.revision) } { "Restore" }
                        }
                    }
                }
                @if !revision.reason.is_empty() { p.why { "“" (outside(&revision.reason, REASON)) "”" } }
                (changed(revision, before))
            }
        }
    }
}

/// What a revision changed of the definition.
fn changed(revision: &Revision, before: Option<&Revision>) -> Markup {
    let text = |it: &Revision| it.definition.as_deref().map_or("", |it| it.get()).to_owned();
    let (old, new) = (before.map(text), text(revision));
    match old {
        Some(old) if old == new => html! { p.note { "The definition stayed as it was." } },
        // Where the revision before is not at hand, nothing can be said; the first has none before it.
        None if revision.revision > 1 => html! {},
        old => compared(&old.unwrap_or_default(), &new, "What changed"),
    }
}

/// Two definitions beside each other, folded away.
pub(super) fn compared(old: &str, new: &str, what: &str) -> Markup {
    if old.len().max(new.len()) > SHOWN_BYTES_MAX {
        return html! { p.note { "The definition is too long to be compared here." } };
    }
    let (old, new) = (pretty(old), pretty(new));
    let all = diff(&old, &new);
    let (added, removed) = counts(&all);
    if added + removed == 0 {
        return html! { p.note { "It says the same, laid out in another way." } };
    }
    let count = |n: usize| lines(n as u64);
    html! {
        details {
            summary { (what) ": " (count(added)) " added, " (count(removed)) " removed" }
            (difference(&all))
        }
    }
}

/// The lines that differ, with a few around them.
pub(super) fn difference(all: &[Line<'_>]) -> Markup {
    let shown = shortened(all);
    html! {
        pre.diff tabindex="0" aria-label="What changed" {
            @for it in shown.iter().take(LINES) {
                @match it {
                    Line::Same(text) => span.same { "  " (line(text, LINE_CHARS)) "\n" },
                    Line::Removed(text) => del { "− " (line(text, LINE_CHARS)) "\n" },
                    Line::Added(text) => ins { "+ " (line(text, LINE_CHARS)) "\n" },
                    Line::Skipped(n) => span.skipped { "  … " (counted(*n, "line", "lines")) " alike\n" },
                }
            }
            @if shown.len() > LINES { span.skipped { "  … and " (counted(shown.len() - LINES, "line", "lines")) " more\n" } }
        }
    }
}
