//! One flag: who sees it now, what it is, and what it was.

use super::history::{History, Shown};
use super::life::{life, stretches};
use super::who::Who;
use super::{
    ANSWER, answer, by, definition, done, flag_url, may_edit, now, page, staleness, stalled, trail,
};
use crate::app::App;
use crate::author::Sender;
use crate::flags::registry::compiled;
use crate::flags::revision::{Action, Revision, SHARED};
use crate::flags::seen::Moves;
use crate::flags::snapshot::Entry;
use crate::form::{self, Bound};
use crate::pages::parts::{nothing, section};
use crate::pages::site::escape;
use crate::pages::words::{LINE, NAME, clean, moment, outside, unbroken};
use crate::problem::Problem;
use crate::url::{Names, Parameters};
use axum::extract::{Extension, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use seaway_core::flags::Flag;
use seaway_core::time::{Time, humanize};
use std::sync::Arc;
use std::time::Duration;

/// The longest reason in the answer, in characters.
const REASON: usize = 300;
/// The longest reason that a form takes, in characters.
pub(super) const REASON_MAX: usize = 1_000;
/// How long the views may take to tell whether the owner is a service.
const OWNER_WAIT_MAX: Duration = Duration::from_millis(500);

/// Why a form did not change the flag.
pub(super) struct Notice {
    pub(super) status: StatusCode,
    pub(super) what: String,
    /// What the form wanted, where it can be done by whoever takes the lock away.
    pub(super) locked: Option<Wish>,
}

/// What a form wants: where it goes, and its fields.
pub(super) struct Wish {
    pub(super) verb: &'static str,
    pub(super) fields: Vec<(&'static str, String)>,
}

/// `GET /flags/{environment}/{key}`.
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    Names((environment, key)): Names<(String, String)>,
    RawQuery(query): RawQuery,
    Extension(sender): Extension<Sender>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(query.as_deref(), &["before"])?;
    let before = parameters.number("before", i64::MAX)?;
    let asked = (environment.as_str(), key.as_str());
    shown(&app, asked, before, &sender, &headers, None).await
}

/// The newest revision of a flag; it may be one that deleted it.
pub(super) fn found(app: &App, environment: &str, key: &str) -> Result<Arc<Entry>, Problem> {
    let entry = app.flags.newest(environment, key).filter(|_| key != SHARED);
    entry.ok_or_else(|| {
        Problem::not_found(format!("there is no flag {key} in {environment}"))
            .hint("/api/v1/flags names all")
    })
}

/// The page of a flag, with what a form could not do.
pub(super) async fn shown(
    app: &Arc<App>,
    (environment, key): (&str, &str),
    before: Option<i64>,
    sender: &Sender,
    headers: &HeaderMap,
    notice: Option<Notice>,
) -> Result<Response, Problem> {
    let entry = found(app, environment, key)?;
    let bound = may_edit(sender).then(|| app.access.bound(headers)).transpose()?;
    let history = History::newest(app, environment, key).await;
    let older = match before {
        Some(before) => Some(History::before(app, environment, key, before).await),
        None => None,
    };
    let view = View {
        seen: seen(app, environment, &entry).await,
        is_owner: is_service(app, entry.metadata("owner")).await,
        elsewhere: elsewhere(app, environment, key),
        now: now(app),
        proof: bound.as_ref().map(|it| it.proof.as_str()),
        entry: &entry,
        history: history.as_ref(),
        older,
    };
    let status = notice.as_ref().map_or(StatusCode::OK, |it| it.status);
    let json = format!("/api/v1{}", flag_url(environment, key));
    let body = view.body(app, &json, notice.as_ref());
    let shown = page(key, trail(environment), entry.revision.is_live().then_some(json), body);
    let answer = (status, shown);
    Ok(match bound {
        Some(bound) => Bound::answer(bound, answer),
        None => answer.into_response(),
    })
}

/// What units that were seen lately get of a flag; looked at where others are not kept waiting.
async fn seen(app: &Arc<App>, environment: &str, entry: &Arc<Entry>) -> Option<Moves> {
    let (environment, flag) = (app.flags.environment(environment)?, entry.flag.clone()?);
    let now = now(app);
    let work = move || environment.seen.moves(None, Some(&flag), now);
    tokio::task::spawn_blocking(work).await.ok()
}

/// Whether the owner of a flag has a page.
async fn is_service(app: &App, owner: Option<&str>) -> bool {
    let Some(owner) = owner.filter(|_| app.flags.failing_since().is_none()) else { return false };
    let found = tokio::time::timeout(OWNER_WAIT_MAX, app.store.service(owner)).await;
    matches!(found, Ok(Ok(Some(_))))
}

/// The other environments in which there is a flag of this key.
fn elsewhere(app: &App, environment: &str, key: &str) -> Vec<Arc<str>> {
    let has = |name: &Arc<str>| {
        &**name != environment
            && app.flags.newest(name, key).is_some_and(|it| it.revision.is_live())
    };
    app.flags.environments().into_iter().filter(has).collect()
}

/// What is shown of a flag.
struct View<'a> {
    entry: &'a Entry,
    /// Its newest revisions; `None` where they cannot be read now.
    history: Option<&'a History>,
    /// Those that the URL asks for, where it asks for older ones.
    older: Option<Option<History>>,
    seen: Option<Moves>,
    is_owner: bool,
    elsewhere: Vec<Arc<str>>,
    now: Time,
    /// `None`: whoever looks may change nothing.
    proof: Option<&'a str>,
}

impl View<'_> {
    fn body(&self, app: &App, json: &str, notice: Option<&Notice>) -> Markup {
        let Revision { environment, key, .. } = &self.entry.revision;
        html! {
            header.hero { div.frame {
                p.eyebrow { "A flag in " a href={ "/flags?environment=" (escape(environment)) } { (outside(environment, NAME)) }
                    @for (at, name) in self.elsewhere.iter().enumerate() {
                        @if at == 0 { "; also in " } @else { ", " }
                        a href=(flag_url(name, key)) { (outside(name, NAME)) }
                    }
                }
                h1 { (outside(key, LINE)) }
                @if let Some(notice) = notice { (self.told(notice)) }
                (stalled(app))
                (self.answer())
                (self.switch())
            } }
            main.frame {
                @if self.entry.revision.is_live() {
                    (section("who", "Who sees what", "From its definition. The first rule that holds decides.",
                        &definition::who(self.entry, self.when_on(app).as_deref(), self.seen.as_ref())))
                }
                (section("life", "Its life", "For whom it was on, by its revisions.", &self.life(app)))
                @if self.entry.revision.is_live() {
                    (section("definition", "Definition", "flagd's JSON, as it was written; only its lines are \
                        laid out anew.", &html! {
                        (definition::definition(self.entry, self.is_owner, json))
                        @if self.proof.is_some() {
                            p { a href={ (flag_url(environment, key)) "/edit" } { "Edit the definition" } }
                        }
                    }))
                }
                (section("history", "History", "Every change, the newest first. Any of them can be made the newest \
                    again.", &self.revisions()))
            }
        }
    }

    /// Who sees it, in large, and since when and why.
    fn answer(&self) -> Markup {
        let answer = clean(&answer(self.entry), ANSWER);
        let revision = &self.entry.revision;
        let begun = self.begun();
        let stale = staleness(self.entry, self.now);
        html! {
            div.median {
                p.lead { "Who sees it now" }
                p.big.long[answer.chars().count() > 20] { (outside(&answer, ANSWER)) }
                p.evidence { @if let Some(begun) = begun {
                    @let ago = humanize(self.now.0.saturating_sub(begun.at.0).max(0) as f64);
                    @if begun.action == Action::Off { "Turned off" } @else { "Last " (done(begun.action)) }
                    " by " (by(&begun.by)) " " (unbroken(&ago)) " ago, at " span.nowrap { (moment(Some(begun.at))) " UTC" }
                    @if !begun.reason.is_empty() { ", because “" (outside(&begun.reason, REASON)) "”" }
                    "."
                } }
            }
            @if let Some(lock) = &revision.lock {
                @let why = lock["why"].as_str().unwrap_or("it was rolled back");
                p.notice { strong { "Locked: " } (outside(why, REASON)) ". Whoever turns it up says why it may go on." }
            }
            @if !stale.is_empty() { p.notice { strong { "Stale: " } (stale.join("; ")) "." } }
        }
    }

    /// The revision that made it what it is. What is off was perhaps changed since then.
    fn begun(&self) -> Option<&Revision> {
        let revision = &self.entry.revision;
        if !revision.off || revision.action == Action::Off {
            return Some(revision);
        }
        let begun = self.history.and_then(History::turned_off);
        begun.filter(|it| !matches!(it.action, Action::Set))
    }

    /// What it is when it is turned on, if it is off.
    fn when_on(&self, app: &App) -> Option<Arc<Flag>> {
        let Revision { environment, key, off, .. } = &self.entry.revision;
        let around = off.then(|| app.flags.around(environment))?;
        compiled(&around, key, self.entry.source()).ok()
    }

    /// What turns it off at once, or on again.
    fn switch(&self) -> Markup {
        let Revision { environment, key, .. } = &self.entry.revision;
        let Some(proof) = self.proof.filter(|_| self.entry.revision.is_live()) else {
            return html! {};
        };
        let is_disabled = self.entry.flag.as_ref().is_some_and(|it| it.is_disabled());
        let is_off = self.entry.revision.off || is_disabled;
        let (verb, name) =
            if is_off { ("on", "Turn on again") } else { ("off", "Turn off for everyone") };
        html! {
            form.switch action={ (flag_url(environment, key)) "/" (verb) } method="post" {
                input type="hidden" name=(form::FIELD) value=(proof);
                input type="hidden" name="base" value=(self.entry.revision.revision);
                button.danger[!is_off] type="submit" { (name) }
                input name="reason" maxlength=(REASON_MAX) aria-label="Why" placeholder="Why, if you like" autocomplete="off";
            }
        }
    }

    /// What a form could not do, and how it can be done all the same.
    fn told(&self, notice: &Notice) -> Markup {
        let Revision { environment, key, .. } = &self.entry.revision;
        html! {
            div.notice role="alert" {
                p { strong { "Nothing was changed." } " " (outside(&crate::pages::site::capital(&notice.what), REASON)) "." }
                @if let (Some(wish), Some(proof)) = (&notice.locked, self.proof) {
                    form.switch action={ (flag_url(environment, key)) "/" (wish.verb) } method="post" {
                        input type="hidden" name=(form::FIELD) value=(proof);
                        input type="hidden" name="base" value=(self.entry.revision.revision);
                        input type="hidden" name="unlock" value="yes";
                        @for (name, value) in &wish.fields { input type="hidden" name=(name) value=(value); }
                        button type="submit" { "Unlock and go on" }
                        input name="reason" required maxlength=(REASON_MAX) aria-label="Why it may go on" placeholder="Why it may go on" autocomplete="off";
                    }
                }
            }
        }
    }

    fn life(&self, app: &App) -> Markup {
        let Some(history) = self.history else { return unread() };
        let around = app.flags.around(&self.entry.revision.environment);
        let revisions = history.revisions.iter().map(|(_, it)| it);
        life(&stretches(&around, revisions, self.now), history.is_whole)
    }

    fn revisions(&self) -> Markup {
        let history = match &self.older {
            Some(older) => older.as_ref(),
            None => self.history,
        };
        let Some(history) = history else { return unread() };
        let newest = self.entry.revision.revision;
        let shown = Shown { history, newest, is_older: self.older.is_some(), proof: self.proof };
        shown.markup(&self.entry.revision.environment, self.entry.key())
    }
}

fn unread() -> Markup {
    nothing("It cannot be read now, as the database does not answer.")
}

/// Who sees a flag before and after a change, in a few words.
pub(super) fn before_and_after(before: &Entry, after: &Flag) -> [String; 2] {
    [answer(before), Who::of(after).answer(after)]
}
