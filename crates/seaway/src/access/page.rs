//! Signing in and out, and the tokens, as pages that need no script.

use super::api::revoked;
use super::form::{self, Form};
use super::guard::{FORM_COOKIE, From, SESSION_COOKIE, Who, cookie, is_secure, too_often};
use super::known::{Kind, Unknown};
use super::manage::{Made, Wanted};
use super::origin::local_path;
use super::token::{NAME_CHARS_MAX, Secret, State as TokenState, Token};
use super::{Access, Role};
use crate::app::App;
use crate::form::Bound;
use crate::pages::parts::{Column, Table, section};
use crate::pages::site::{Page, Place, capital};
use crate::pages::words::{NAME, clean, counted, moment, outside};
use crate::problem::Problem;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use seaway_core::time::Time;
use std::sync::Arc;

impl Bound {
    fn of(app: &App, headers: &HeaderMap, name: &str) -> Result<Self, Problem> {
        app.access.bound_to(headers, name)
    }
}

impl Access {
    /// What the forms of a page for whoever sent a request are bound to.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub(crate) fn bound(&self, headers: &HeaderMap) -> Result<Bound, Problem> {
        let is_signed_in = self.asks() && cookie(headers, SESSION_COOKIE).is_some();
        self.bound_to(headers, if is_signed_in { SESSION_COOKIE } else { FORM_COOKIE })
    }

    fn bound_to(&self, headers: &HeaderMap, name: &str) -> Result<Bound, Problem> {
        if let Some(known) = cookie(headers, name) {
            return Ok(Bound { proof: form::proof(known.reveal()), set: None });
        }
        let new = Secret::cookie().map_err(|error| {
            tracing::error!(%error, "the operating system has no randomness to give");
            Problem::failed("no form can be made now")
        })?;
        let set = set_cookie(self, headers, FORM_COOKIE, new.reveal(), None);
        Ok(Bound { proof: form::proof(new.reveal()), set })
    }
}

/// A cookie that no script reads and no other site sends with a form. Without a number of seconds
/// it ends with the browser.
fn set_cookie(
    access: &Access,
    headers: &HeaderMap,
    name: &str,
    value: &str,
    seconds: Option<i64>,
) -> Option<HeaderValue> {
    let mut text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax");
    if let Some(seconds) = seconds {
        text.push_str(&format!("; Max-Age={seconds}"));
    }
    if is_secure(headers, access.settings().behind_proxy) {
        text.push_str("; Secure");
    }
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn gone_to(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response()
}

fn page(title: &str, body: Markup) -> Page {
    Page {
        title: title.to_owned(),
        place: Place::Elsewhere,
        trail: Vec::new(),
        freshness: None,
        searched: String::new(),
        json: None,
        body,
    }
}

/// What the URL of the page to sign in says.
#[derive(serde::Deserialize)]
pub(crate) struct Next {
    #[serde(default)]
    next: String,
}

/// `GET /sign-in?next=…`.
pub(crate) async fn sign_in(
    State(app): State<Arc<App>>,
    next: Result<Query<Next>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let next = next.map(|Query(it)| it.next).unwrap_or_default();
    let next = local_path(&next).unwrap_or("/");
    if !app.access.asks() {
        return Ok(gone_to(next));
    }
    let bound = Bound::of(&app, &headers, FORM_COOKIE)?;
    let shown = page("Sign in", sign_in_body(&bound.proof, next, None));
    Ok(bound.answer(shown))
}

fn sign_in_body(proof: &str, next: &str, wrong: Option<&str>) -> Markup {
    html! {
        main.frame {
            div.problem {
                h1 { "Sign in" }
                p { "Paste a token. Whoever runs this server makes one with "
                    code { "seaway token create" } "." }
                @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) "." } }
                form.fields action="/sign-in" method="post" {
                    input type="hidden" name=(form::FIELD) value=(proof);
                    input type="hidden" name="next" value=(next);
                    label { "Token"
                        input type="password" name="token" required autofocus maxlength="200"
                            autocomplete="current-password" spellcheck="false";
                    }
                    button type="submit" { "Sign in" }
                }
            }
        }
    }
}

/// `POST /sign-in`.
pub(crate) async fn sign_in_form(
    State(app): State<Arc<App>>,
    Extension(From(from)): Extension<From>,
    headers: HeaderMap,
    form: Option<Extension<Form>>,
) -> Result<Response, Problem> {
    let Extension(form) = form.unwrap_or_default();
    let next = form.get("next").and_then(local_path).unwrap_or("/");
    if !app.access.asks() {
        return Ok(gone_to(next));
    }
    let wrong = match Secret::of_token(form.get("token").unwrap_or_default().trim()) {
        Some(secret) => match app.access.sign_in(&secret, from).await {
            Ok((session, seconds)) => {
                let mut response = gone_to(next);
                let set = set_cookie(
                    &app.access,
                    &headers,
                    SESSION_COOKIE,
                    session.reveal(),
                    Some(seconds),
                );
                response.headers_mut().extend(set.map(|set| (header::SET_COOKIE, set)));
                return Ok(response);
            }
            Err(wrong) => wrong,
        },
        None => match app.access.must_wait(Kind::Token, from) {
            Some(wait) => Unknown::TooOften(wait),
            None => {
                let why = "this is not a token of Seaway, which begins with seaway_";
                app.access.count_failure(Kind::Token, from, why);
                Unknown::Wrong(why)
            }
        },
    };
    match wrong {
        Unknown::Failed(problem) => Err(problem),
        Unknown::TooOften(wait) => Err(too_often(wait)),
        Unknown::Wrong(why) => {
            app.access.tell_failure(from).await;
            let bound = Bound::of(&app, &headers, FORM_COOKIE)?;
            let shown = page("Sign in", sign_in_body(&bound.proof, next, Some(why)));
            Ok(bound.answer((StatusCode::UNAUTHORIZED, shown)))
        }
    }
}

/// `POST /sign-out`.
pub(crate) async fn sign_out(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Extension(From(from)): Extension<From>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(session) = &who.session {
        app.access.sign_out(session, who.by, from).await?;
    }
    let mut response = gone_to("/sign-in");
    let forgotten = set_cookie(&app.access, &headers, SESSION_COOKIE, "", Some(0));
    response.headers_mut().extend(forgotten.map(|set| (header::SET_COOKIE, set)));
    Ok(response)
}

/// The cookie that forms of whoever sent a request are bound to.
fn form_cookie(who: &Who) -> &'static str {
    match who.session {
        Some(_) => SESSION_COOKIE,
        None => FORM_COOKIE,
    }
}

/// `GET /tokens`.
pub(crate) async fn tokens(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let bound = Bound::of(&app, &headers, form_cookie(&who))?;
    let shown = tokens_body(&app, &bound.proof, None).await?;
    Ok(bound.answer(page("Tokens", shown)))
}

/// `POST /tokens`: makes one, and shows it this one time.
pub(crate) async fn create_form(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Extension(From(from)): Extension<From>,
    headers: HeaderMap,
    form: Option<Extension<Form>>,
) -> Result<Response, Problem> {
    let Extension(form) = form.unwrap_or_default();
    let field = |name: &str| form.get(name).unwrap_or_default().to_owned();
    let role = Role::of_name(&field("role"))
        .ok_or_else(|| Problem::bad_request("there is no such role"))?;
    let environment = role.evaluates().then(|| field("environment").trim().to_owned());
    let wanted = Wanted { name: field("name"), role, environment, expires: field("expires") };
    let bound = Bound::of(&app, &headers, form_cookie(&who))?;
    let made = app.access.manager().create(&wanted, who.by, Some(from)).await?;
    let shown = tokens_body(&app, &bound.proof, Some(&made)).await?;
    Ok(bound.answer(page("Tokens", shown)))
}

/// `POST /tokens/{token}/revoke`.
pub(crate) async fn revoke_form(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    Extension(who): Extension<Who>,
    Extension(From(from)): Extension<From>,
) -> Result<Response, Problem> {
    revoked(&app, id, who, from).await?;
    Ok(gone_to("/tokens"))
}

async fn tokens_body(app: &App, proof: &str, made: Option<&Made>) -> Result<Markup, Problem> {
    let manager = app.access.manager();
    let (all, now) = (manager.all().await?, manager.now());
    let valid = all.iter().filter(|token| token.state(now) == TokenState::Valid).count();
    Ok(html! {
        header.hero { div.frame {
            p.eyebrow { "Access" }
            h1 { (capital(&counted(valid, "token is", "tokens are"))) " valid" }
        } }
        main.frame {
            @if let Some(made) = made { (section("new", "The new token",
                "It is shown this one time; only a hash of it is kept.", &new(made))) }
            (section("make", "Make a token", "Viewers read reports and pages; editors send events \
                and change flags, too; admins manage tokens, too. Tokens that evaluate flags, and \
                those that sync their definitions, are for one environment and open nothing else: \
                the first may stand in a page.", &make(proof)))
            (section("tokens", "Tokens", "Those that ended are listed for 90 days.",
                &rows(&all, proof, now)))
            (section("audit", "Who did what", "", &html! {
                p { "Tokens made and revoked, and who signed in and out: "
                    a href="/api/v1/audit" { "the audit as JSON" } "." }
            }))
        }
    })
}

fn new(made: &Made) -> Markup {
    html! {
        p { (outside(&made.token.name, NAME)) ", " (made.token.role.name()) ", until "
            (at(Some(made.token.expires_at))) " UTC" }
        p.secret { code { (made.secret.reveal()) } }
    }
}

fn make(proof: &str) -> Markup {
    html! {
        form.fields action="/tokens" method="post" {
            input type="hidden" name=(form::FIELD) value=(proof);
            label { "Name" input name="name" required maxlength=(NAME_CHARS_MAX) autocomplete="off"; }
            label { "Role" select name="role" {
                @for role in Role::ALL {
                    option value=(role.name()) selected[role == Role::Viewer] { (role.name()) }
                }
            } }
            label { "Environment, for evaluate and sync"
                input name="environment" maxlength="63" autocomplete="off" placeholder="production"; }
            label { "Good for, or until" input name="expires" required value="90d" maxlength="40"
                autocomplete="off" aria-describedby="ends"; }
            p.note id="ends" { "A span (12h, 90d, 1y) or a day (2027-01-31)." }
            button type="submit" { "Make the token" }
        }
    }
}

fn at(micros: Option<i64>) -> String {
    moment(micros.map(|micros| Time(micros.div_euclid(1_000_000))))
}

fn rows(all: &[Token], proof: &str, now: i64) -> Markup {
    let row = |token: &Token| {
        let state = token.state(now);
        vec![
            outside(&token.name, NAME),
            html! { (token.role.name())
            @if let Some(environment) = &token.environment { " in " (environment) } },
            html! { (state.name()) },
            html! { (at(Some(token.created_at))) },
            html! { (at(Some(token.expires_at))) },
            html! { @match token.used_at { Some(used) => { (at(Some(used))) } None => { "never" } } },
            html! { code { (token.id) } },
            html! {
                @if state == TokenState::Valid {
                    form action={ "/tokens/" (token.id) "/revoke" } method="post" {
                        input type="hidden" name=(form::FIELD) value=(proof);
                        button.quiet type="submit" aria-label={ "Revoke " (clean(&token.name, NAME)) } {
                            "Revoke"
                        }
                    }
                }
            },
        ]
    };
    let table = Table {
        caption: "Tokens".to_owned(),
        columns: &[
            Column::Text("Name"),
            Column::Text("Role"),
            Column::Text("State"),
            Column::Text("Made (UTC)"),
            Column::Text("Ends (UTC)"),
            Column::Text("Used about (UTC)"),
            Column::Text("Id"),
            Column::Text("Revoke"),
        ],
        rows: all.iter().map(row).collect(),
    };
    html! { @if all.is_empty() { p { "There are none." } } @else { (table.markup()) } }
}
