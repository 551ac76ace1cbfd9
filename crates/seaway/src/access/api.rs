//! The JSON of tokens, and of what people changed, described by `docs/openapi.json`.

use super::audit::Entry;
use super::guard::{From, Who};
use super::manage::Wanted;
use super::token::Token;
use crate::app::App;
use crate::problem::Problem;
use crate::url::Parameters;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;

/// Entries of a page, unless the URL says otherwise, and at most.
const LIMIT: i64 = 100;
const LIMIT_MAX: i64 = 1_000;
/// Bytes that the wish for a token takes at most.
const WANTED_BYTES_MAX: usize = 16 << 10;

/// A token as lists show it.
#[derive(Serialize)]
pub(super) struct Row {
    #[serde(flatten)]
    pub(super) token: Token,
    /// `valid`, `expired` or `revoked`.
    pub(super) state: &'static str,
}

impl Row {
    pub(super) fn of(token: Token, now: i64) -> Self {
        let state = token.state(now).name();
        Self { token, state }
    }
}

#[derive(Serialize)]
struct Rows {
    rows: Vec<Row>,
}

/// A new token, with its secret.
#[derive(Serialize)]
struct New {
    #[serde(flatten)]
    row: Row,
    /// What is sent as `Authorization: Bearer`; told this one time.
    secret: String,
}

#[derive(Serialize)]
struct Entries {
    rows: Vec<Entry>,
    /// What the next page begins after.
    next: Option<String>,
}

fn never_kept(answer: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], answer).into_response()
}

/// `GET /api/v1/tokens`: all tokens, the newest first; never their secrets.
pub(crate) async fn tokens(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Parameters::of(query.as_deref(), &[])?;
    let manager = app.access.manager();
    let now = manager.now();
    let rows = manager.all().await?.into_iter().map(|token| Row::of(token, now)).collect();
    Ok(never_kept(Json(Rows { rows })))
}

/// `POST /api/v1/tokens`: a new token, whose secret is told this one time.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Extension(From(from)): Extension<From>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("application/json")) {
        return Err(Problem::unsupported("a token is asked for with application/json"));
    }
    let body = app.budget.read(&headers, body).await?;
    if body.bytes.len() > WANTED_BYTES_MAX {
        return Err(Problem::too_large("a token is asked for with at most 16 KiB"));
    }
    let wanted: Wanted = serde_json::from_slice(&body.bytes).map_err(|error| {
        Problem::bad_request(format!("this asks for no token: {error}"))
            .hint("send {\"name\": \"ci\", \"role\": \"editor\", \"expires\": \"90d\"}")
    })?;
    let manager = app.access.manager();
    let made = manager.create(&wanted, who.by, Some(from)).await?;
    let secret = made.secret.reveal().to_owned();
    let new = New { row: Row::of(made.token, manager.now()), secret };
    Ok(never_kept((StatusCode::CREATED, Json(new))))
}

/// `DELETE /api/v1/tokens/{token}`: the token ends, and with it the sessions of who signed in with
/// it.
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    Extension(who): Extension<Who>,
    Extension(From(from)): Extension<From>,
) -> Result<Response, Problem> {
    let token = revoked(&app, id, who, from).await?;
    Ok(never_kept(Json(Row::of(token, app.access.manager().now()))))
}

/// Revokes a token that there has to be.
pub(super) async fn revoked(
    app: &App,
    id: Result<Path<String>, PathRejection>,
    who: Who,
    from: std::net::IpAddr,
) -> Result<Token, Problem> {
    let Path(id) = id.map_err(|_| Problem::bad_request("the id of the token cannot be read"))?;
    let is_id = !id.is_empty() && id.len() <= 32 && id.bytes().all(|it| it.is_ascii_hexdigit());
    let token = match is_id {
        true => app.access.revoke(&id, who.by, from).await?,
        false => None,
    };
    token.ok_or_else(|| {
        Problem::not_found(format!("there is no token {id}")).hint("seaway token list shows all")
    })
}

/// `GET /api/v1/audit`: what people changed, the newest first.
pub(crate) async fn audit(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(query.as_deref(), &["limit", "after"])?;
    let limit = parameters.number("limit", LIMIT_MAX)?.unwrap_or(LIMIT);
    let before = parameters.number("after", i64::MAX)?.unwrap_or(i64::MAX);
    let found = app.ledger.audit_before(before, limit + 1).await.map_err(|error| {
        tracing::error!(%error, "what people changed could not be read");
        Problem::failed("the log could not be read").hint("try again; the server's log tells more")
    })?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = found.len() > shown;
    let last = found.iter().take(shown).next_back().map(|it| it.position.to_string());
    let rows = found.iter().take(shown).filter_map(Entry::of).collect();
    Ok(never_kept(Json(Entries { rows, next: last.filter(|_| has_more) })))
}
