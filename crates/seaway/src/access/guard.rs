//! What stands before every route: who may come in, and whether they sent it themselves.

use super::audit::Actor;
use super::form::{self, Form};
use super::known::{Holder, Kind, Unknown};
use super::origin;
use super::routes::{Face, Needs, Proof};
use super::store::Session;
use super::token::Secret;
use super::{Access, Role};
use crate::app::App;
use crate::author::Sender;
use crate::pages::site::{self, Visitor};
use crate::problem::Problem;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// The cookie of somebody who signed in.
pub(crate) const SESSION_COOKIE: &str = "seaway_session";
/// The cookie that forms are bound to where nobody signed in.
pub(crate) const FORM_COOKIE: &str = "seaway_form";
/// The header that proves what [`form::FIELD`] proves, for scripts of pages.
const PROOF_HEADER: &str = "x-csrf-token";
/// How long a form may take to arrive.
const FORM_TIME_MAX: Duration = Duration::from_secs(10);

/// The address at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Who sent a request; handlers find it among its extensions.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    pub(crate) by: Actor,
    /// Their session, if they signed in on a page.
    pub(crate) session: Option<Session>,
}

/// Where a request came from; handlers find it among its extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct From(pub(crate) IpAddr);

/// What a route's guard knows.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) app: Arc<App>,
    pub(super) needs: Needs,
    pub(super) face: Face,
}

/// Why a request is not let in.
enum Refused {
    Problem(Problem),
    /// Nobody is known to have sent it.
    Unknown(Problem),
    /// A person is asked to sign in first.
    SignIn(String),
}

impl std::convert::From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Lets a request in, or says why not.
pub(super) async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let is_for_one = gate.app.access.asks() && matches!(gate.needs, Needs::Role(_));
    let (parts, body) = request.into_parts();
    let webhook = matches!(gate.needs, Needs::Proof(_))
        .then(|| gate.access().address(&parts.headers, &parts.extensions));
    let mut response = match gate.admit(parts, body).await {
        Ok((request, Some(visitor))) => site::visited(visitor, next.run(request)).await,
        Ok((request, None)) => next.run(request).await,
        Err(refused) => refused.into_response(),
    };
    if let Some(from) = webhook {
        match response.status() {
            StatusCode::UNAUTHORIZED => gate.app.access.note_webhook(from, false),
            status if status.is_success() => gate.app.access.note_webhook(from, true),
            _ => {}
        }
    }
    if is_for_one {
        keep_private(&mut response, gate.face);
    }
    response
}

/// Says that an answer is for one person and for no store that others use.
fn keep_private(response: &mut Response, face: Face) {
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Cookie, Authorization"));
    let told = headers.get(header::CACHE_CONTROL).is_some_and(|it| it == "no-store");
    if !told {
        let rule = match face {
            // What was signed out of is not to be seen with the button back.
            Face::Page => "no-store",
            Face::Program => "private, no-cache",
        };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(rule));
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::Unknown(problem) => {
                let mut response = problem.into_response();
                let scheme = HeaderValue::from_static("Bearer");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
                response
            }
            Self::SignIn(next) => {
                let url = format!("/sign-in?next={}", site::escape(&next));
                (StatusCode::SEE_OTHER, [(header::LOCATION, url)]).into_response()
            }
        }
    }
}

impl Gate {
    fn access(&self) -> &Access {
        &self.app.access
    }

    /// The request with what handlers find among its extensions, and who is told on the page.
    async fn admit(
        &self,
        mut parts: Parts,
        body: Body,
    ) -> Result<(Request, Option<Visitor>), Refused> {
        let from = self.access().address(&parts.headers, &parts.extensions);
        parts.extensions.insert(From(from));
        match self.needs {
            Needs::Nothing => {
                let is_form = self.face == Face::Page && changes(&parts);
                Ok((self.passed(parts, body, is_form).await?, None))
            }
            Needs::Proof(proof) => {
                self.check_proof(proof, &parts, from)?;
                Ok((Request::from_parts(parts, body), None))
            }
            // Their handlers have no guard.
            Needs::Pass => Ok((Request::from_parts(parts, body), None)),
            Needs::Role(role) if self.access().asks() => {
                self.admit_holder(parts, body, role, from).await
            }
            Needs::Role(_) => self.admit_local(parts, body).await,
        }
    }

    /// The request, after it was looked at as a form where it has to be one.
    async fn passed(&self, parts: Parts, body: Body, is_form: bool) -> Result<Request, Problem> {
        match is_form {
            true => self.own_form(parts, body).await,
            false => Ok(Request::from_parts(parts, body)),
        }
    }

    /// Webhooks prove by secrets of their own that they come from whom they say.
    fn check_proof(&self, proof: Proof, parts: &Parts, from: IpAddr) -> Result<(), Problem> {
        let secrets = match proof {
            Proof::GitHub => &self.app.secrets.github,
            Proof::GitLab => &self.app.secrets.gitlab,
        };
        match (secrets.is_empty(), self.access().asks()) {
            (false, _) => match self.access().webhook_must_wait(from) {
                Some(wait) => {
                    let what = "too many webhooks with a wrong secret came from this address";
                    Err(Problem::too_often(what, wait))
                }
                None => Ok(()),
            },
            (true, false) => check_local(parts),
            (true, true) => {
                let what = "this webhook is not taken, as nothing would prove who sent it";
                let hint = format!("set its secret in {} where the server runs", proof.variable());
                Err(Problem::forbidden(what).hint(hint))
            }
        }
    }

    /// Where only this machine reaches the server, everybody may do everything.
    async fn admit_local(
        &self,
        mut parts: Parts,
        body: Body,
    ) -> Result<(Request, Option<Visitor>), Refused> {
        check_local(&parts)?;
        let from = self.access().address(&parts.headers, &parts.extensions);
        parts.extensions.insert(Sender { by: (&Actor::local()).into(), from });
        parts.extensions.insert(Who { by: Actor::local(), session: None });
        let is_form = self.face == Face::Page && changes(&parts);
        let request = self.passed(parts, body, is_form).await?;
        let visitor = Visitor { name: None, role: Role::Admin.name(), manages: true, proof: None };
        Ok((request, (self.face == Face::Page).then_some(visitor)))
    }

    async fn admit_holder(
        &self,
        mut parts: Parts,
        body: Body,
        needed: Role,
        from: IpAddr,
    ) -> Result<(Request, Option<Visitor>), Refused> {
        let (holder, cookie) = self.identify(&parts, from).await?;
        let token = Arc::clone(&holder.token);
        if !token.role.may(needed) {
            let (is, needed) = (token.role.name(), needed.name());
            let problem = Problem::forbidden(format!("this needs the role {needed}, not {is}"));
            return Err(problem.hint(format!("use the token of an {needed}")).into());
        }
        if self.access().is_too_much(&token.id) {
            return Err(
                Problem::too_often("this token asks more than it may in a second", 1).into()
            );
        }
        let visitor = (self.face == Face::Page).then(|| Visitor {
            name: Some(token.name.clone()),
            role: token.role.name(),
            manages: token.role.may(Role::Admin),
            proof: cookie.as_ref().map(|cookie| form::proof(cookie.reveal())),
        });
        let by = Actor::of(&token);
        parts.extensions.insert(Sender { by: (&by).into(), from });
        parts.extensions.insert(Who { by, session: holder.session });
        let is_form = cookie.is_some() && changes(&parts);
        let request = self.passed(parts, body, is_form).await?;
        Ok((request, visitor))
    }

    /// Who holds what a request presents; the secret too, if it is a cookie.
    async fn identify(
        &self,
        parts: &Parts,
        from: IpAddr,
    ) -> Result<(Holder, Option<Secret>), Refused> {
        let headers = &parts.headers;
        let (found, cookie) = if headers.contains_key(header::AUTHORIZATION) {
            match bearer(headers) {
                Some(secret) => (self.access().holder(&secret, Kind::Token, from).await, None),
                None => (Err(self.unreadable(from)), None),
            }
        } else {
            match cookie(headers, SESSION_COOKIE) {
                Some(secret) => {
                    let found = self.access().holder(&secret, Kind::Session, from).await;
                    (found, Some(secret))
                }
                None => (Err(Unknown::Wrong("no token was sent")), None),
            }
        };
        match found {
            Ok(holder) => Ok((holder, cookie)),
            Err(Unknown::Failed(problem)) => Err(problem.into()),
            Err(_) if self.may_sign_in(parts) => Err(Refused::SignIn(target(parts))),
            Err(Unknown::Wrong(why)) => {
                let hint = match self.face {
                    Face::Page => "sign in, and send the form again",
                    Face::Program => "send Authorization: Bearer TOKEN, with a token that is valid",
                };
                Err(Refused::Unknown(Problem::unauthorized(why).hint(hint)))
            }
            Err(Unknown::TooOften(wait)) => Err(too_often(wait).into()),
        }
    }

    /// What is no token at all is a failure like any other.
    fn unreadable(&self, from: IpAddr) -> Unknown {
        match self.access().must_wait(Kind::Token, from) {
            Some(wait) => Unknown::TooOften(wait),
            None => {
                let why = "the Authorization header holds no token of this server";
                self.access().count_failure(Kind::Token, from, why);
                Unknown::Wrong(why)
            }
        }
    }

    fn may_sign_in(&self, parts: &Parts) -> bool {
        let is_program = parts.headers.contains_key(header::AUTHORIZATION);
        self.face == Face::Page && !changes(parts) && !is_program
    }

    /// Lets a request that changes something pass only if a page of this server made it: it is not
    /// sent by another site, and carries the proof for its cookie.
    async fn own_form(&self, mut parts: Parts, body: Body) -> Result<Request, Problem> {
        check_site(&parts)?;
        let headers = &parts.headers;
        let session =
            cookie(headers, SESSION_COOKIE).filter(|_| matches!(self.needs, Needs::Role(_)));
        let session = session.filter(|_| self.access().asks());
        let anchor = session.or_else(|| cookie(headers, FORM_COOKIE));
        let is_proven = |given: Option<&str>| {
            let (Some(given), Some(anchor)) = (given, &anchor) else { return false };
            form::is_proof(given, anchor.reveal())
        };
        let given = headers.get(PROOF_HEADER).and_then(|given| given.to_str().ok());
        if is_proven(given) {
            return Ok(Request::from_parts(parts, body));
        }
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_form =
            kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        if !is_form {
            return Err(unproven());
        }
        let most = match self.needs {
            Needs::Role(Role::Editor) => form::LONG_BYTES_MAX,
            _ => form::BYTES_MAX,
        };
        let form = Form::of(&read(body, most).await?)?;
        if !is_proven(form.get(form::FIELD)) {
            return Err(unproven());
        }
        parts.extensions.insert(form);
        Ok(Request::from_parts(parts, Body::empty()))
    }
}

fn unproven() -> Problem {
    Problem::forbidden("the form is not of a page that was made for you, or that page is too old")
        .hint("load the page again, and send the form from there; cookies have to be allowed")
}

pub(super) fn too_often(wait: u64) -> Problem {
    Problem::too_often("too many wrong tokens came from this address", wait)
}

/// The body of a form of at most so many bytes.
async fn read(body: Body, most: usize) -> Result<bytes::Bytes, Problem> {
    let read = tokio::time::timeout(FORM_TIME_MAX, Limited::new(body, most).collect());
    let read = read.await.map_err(|_| Problem::too_slow("the form did not arrive in time"))?;
    let read = read.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
        Some(_) => Problem::too_large(format!("a form has at most {} KiB", most >> 10)),
        None => Problem::bad_request("the form broke off"),
    })?;
    Ok(read.to_bytes())
}

/// Whether a request may change something.
fn changes(parts: &Parts) -> bool {
    !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn check_site(parts: &Parts) -> Result<(), Problem> {
    match origin::is_of_another_site(&parts.headers) {
        true => Err(Problem::forbidden("pages of other sites may not change anything here")),
        false => Ok(()),
    }
}

/// Where nobody needs a token, names and pages of other sites must not reach the server through
/// somebody's browser.
fn check_local(parts: &Parts) -> Result<(), Problem> {
    if !origin::is_for_this_machine(&parts.uri, &parts.headers) {
        let what = "this server is for its own machine, and was asked for by another name";
        return Err(Problem::forbidden(what).hint(
            "ask for localhost or 127.0.0.1; behind a proxy, set access.tokens = \"always\" (see \
             docs/access.md)",
        ));
    }
    match changes(parts) {
        true => check_site(parts),
        false => Ok(()),
    }
}

/// The path that was asked for, with its query.
fn target(parts: &Parts) -> String {
    let path = parts.uri.path_and_query().map_or("/", |it| it.as_str());
    origin::local_path(path).unwrap_or("/").to_owned()
}

/// The token that a request bears, if it bears one alone that looks like one.
fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let value = all.next().filter(|_| all.next().is_none())?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())?;
    Secret::of_token(token)
}

/// The first cookie of a name whose value can be one of this server's.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<Secret> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|it| it.to_str().ok());
    let pairs = all.flat_map(|it| it.split(';')).filter_map(|it| it.trim().split_once('='));
    pairs.filter(|(found, _)| *found == name).find_map(|(_, value)| Secret::of_cookie(value))
}

/// Where a request comes from: the other end of the connection, or what the proxy there says. Each
/// proxy adds the address that it sees at the end.
pub(super) fn address(
    headers: &HeaderMap,
    extensions: &Extensions,
    is_behind_proxy: bool,
) -> IpAddr {
    let peer = extensions.get::<Peer>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
    let told = || {
        let last = headers.get_all("x-forwarded-for").iter().next_back()?;
        last.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
    };
    is_behind_proxy.then(told).flatten().unwrap_or(peer)
}

/// Whether a person's browser speaks to the proxy by https; without a proxy, it never does.
pub(super) fn is_secure(headers: &HeaderMap, is_behind_proxy: bool) -> bool {
    let told = headers.get_all("x-forwarded-proto").iter().next_back();
    let told = told.and_then(|it| it.to_str().ok()?.rsplit(',').next());
    is_behind_proxy && told.is_some_and(|it| it.trim().eq_ignore_ascii_case("https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&'static str, &[u8])]) -> Parts {
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(Peer(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))));
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        request.into_parts().0
    }

    #[test]
    fn a_token_is_borne_alone() {
        let token = Secret::token(Role::Viewer).unwrap();
        let good = format!("Bearer {}", token.reveal());
        let lower = format!("bearer  {}", token.reveal());
        let of = |all: &[(&'static str, &[u8])]| bearer(&request(all).headers);
        assert_eq!(of(&[("authorization", good.as_bytes())]), Some(token.clone()));
        assert_eq!(of(&[("authorization", lower.as_bytes())]), Some(token.clone()));
        let pair = ("authorization", good.as_bytes());
        assert_eq!(of(&[pair, pair]), None);
        let basic = format!("Basic {}", token.reveal());
        for wrong in [&b""[..], b"Bearer", b"Bearer \xff", basic.as_bytes(), &good.as_bytes()[7..]]
        {
            assert_eq!(of(&[("authorization", wrong)]), None, "{wrong:?}");
        }
    }

    #[test]
    fn cookies_of_others_are_passed_over() {
        let secret = Secret::cookie().unwrap();
        let text = format!("a=b; seaway_session=short; x; seaway_session={} ;c=d", secret.reveal());
        let found = |all: &[(&'static str, &[u8])]| cookie(&request(all).headers, SESSION_COOKIE);
        assert_eq!(found(&[("cookie", b"\xff"), ("cookie", text.as_bytes())]), Some(secret));
        assert_eq!(found(&[("cookie", b"seaway_session=")]), None);
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn only_a_proxy_that_is_configured_is_believed() {
        let asked = request(&[
            ("x-forwarded-for", b"203.0.113.9"),
            ("x-forwarded-for", b"198.51.100.7, 203.0.113.5"),
            ("x-forwarded-proto", b"https"),
        ]);
        assert_eq!(address(&asked.headers, &asked.extensions, false).to_string(), "192.0.2.1");
        assert_eq!(address(&asked.headers, &asked.extensions, true).to_string(), "203.0.113.5");
        assert!(!is_secure(&asked.headers, false) && is_secure(&asked.headers, true));
        let strange = request(&[("x-forwarded-for", b"\xff"), ("x-forwarded-proto", b"http")]);
        assert_eq!(address(&strange.headers, &strange.extensions, true).to_string(), "192.0.2.1");
        assert!(!is_secure(&strange.headers, true));
    }
}
