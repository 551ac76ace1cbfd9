//! Definitions for programs that evaluate by themselves: flagd, and providers in process, read them
//! by HTTP.

use super::ofrep::{Failure, environment_of, is_known, readable};
use crate::app::App;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;

/// `GET /flagd/{environment}.json`: all flags of an environment as flagd takes them, with a tag.
pub(crate) async fn definitions(State(app): State<Arc<App>>, request: Request) -> Response {
    let readers = app.access.readers(request.headers());
    let answer = answer(&app, &request.into_parts().0).await.unwrap_or_else(Failure::into_response);
    readable(answer, readers)
}

async fn answer(app: &App, parts: &Parts) -> Result<Response, Failure> {
    let pass = app.access.evaluates(parts).await?;
    let name = parts.uri.path().strip_prefix("/flagd/").unwrap_or_default();
    let none = || Failure::new(StatusCode::NOT_FOUND, "ask for /flagd/ENVIRONMENT.json");
    let name = name.strip_suffix(".json").ok_or_else(none)?;
    if let Some(token) = pass.token() {
        if !token.syncs {
            let what = "this token evaluates, and reads no definitions; make one with \
                        seaway token create --sync";
            return Err(Failure::new(StatusCode::FORBIDDEN, what));
        }
        environment_of(&token.environment, name)?;
    }
    let snapshot = app.flags.snapshot(name).ok_or_else(|| {
        let what = format!("there is no environment {name}");
        Failure::new(StatusCode::NOT_FOUND, what)
    })?;
    let tag = HeaderValue::from_str(&format!("\"{:032x}\"", snapshot.version.tag));
    let tag = tag.map_err(|_| none())?;
    if is_known(parts.headers.get(header::IF_NONE_MATCH), &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let json = HeaderValue::from_static("application/json");
    let headers = [
        (header::CONTENT_TYPE, json),
        (header::ETAG, tag),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    ];
    Ok((headers, snapshot.definition()).into_response())
}
