//! Every URL on one page, with who may use it.

use crate::access::{Face, Proof, Routes, admin, badge, editor, evaluator, open, proven, viewer};
use crate::app::App;
use crate::pages::{assets, site};
use crate::problem::Problem;
use crate::{access, delivery, flags, intake, ledger, refusals};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use std::sync::Arc;
use std::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::decompression::RequestDecompressionLayer;

/// How much of a path the log tells.
const PATH_CHARS: usize = 200;

/// All that the server answers.
pub(crate) fn router(app: Arc<App>) -> Router {
    let taking_in = Routes::of(&app, Face::Program)
        .route("/events", editor(post(intake::api::events)))
        .route("/api/v1/exposures", editor(post(flags::send_exposures)))
        .route("/api/v1/outcomes", editor(post(flags::send_outcomes)))
        .route("/v1/logs", editor(post(flags::logs)))
        .route("/webhooks/github", proven(Proof::GitHub, post(intake::api::github)))
        .route("/webhooks/gitlab", proven(Proof::GitLab, post(intake::api::gitlab)));
    let taking_in = refusals::counted(&app, decompressing(taking_in.done()));
    let reports = Routes::of(&app, Face::Program)
        .route("/organization", viewer(get(delivery::api::organization)))
        .route("/groups", viewer(get(delivery::api::groups)))
        .route("/groups/{group}", viewer(get(delivery::api::group)))
        .route("/services", viewer(get(delivery::api::services)))
        .route("/services/{service}", viewer(get(delivery::api::service)))
        .route("/services/{service}/changes", viewer(get(delivery::api::changes)))
        .route("/services/{service}/changes/{change}", viewer(get(delivery::api::change)))
        .route("/services/{service}/deployments", viewer(get(delivery::api::deployments)))
        .route(
            "/services/{service}/deployments/{environment}/{name}",
            viewer(get(delivery::api::deployment)),
        )
        .route("/services/{service}/incidents", viewer(get(delivery::api::incidents)))
        .route("/waiting", viewer(get(delivery::api::waiting)))
        .route("/compare", viewer(get(delivery::api::compare)))
        .route("/search", viewer(get(delivery::api::search)))
        .route("/quality", viewer(get(delivery::api::quality)))
        .route("/quality/findings", viewer(get(delivery::api::findings)))
        .route("/quality/malformed", viewer(get(delivery::api::malformed)))
        .route("/quality/unknown", viewer(get(delivery::api::unknown)))
        .route("/event", viewer(get(intake::api::event)))
        .route("/progress", viewer(get(delivery::api::progress)))
        .route("/openapi.json", viewer(get(delivery::api::openapi)))
        .route("/audit", admin(get(access::audit)))
        .route("/tokens", admin(get(access::tokens)))
        .route("/tokens", admin(post(access::create)))
        .route("/tokens/{token}", admin(delete(access::revoke)));
    // What they tell is in memory or of one statement, and what they change is read anew until nobody
    // else changes it: one moment would hide from them what others have changed.
    let of_flags = Routes::of(&app, Face::Program)
        .route("/flags", viewer(get(flags::api::list)))
        .route("/flags/{environment}/{key}", viewer(get(flags::api::one)))
        .route("/flags/{environment}/{key}", editor(put(flags::api::set)))
        .route("/flags/{environment}/{key}", editor(delete(flags::api::delete)))
        .route("/flags/{environment}/{key}/history", viewer(get(flags::api::history)))
        .route("/flags/{environment}/{key}/preview", viewer(post(flags::api::preview)))
        .route("/flags/{environment}/{key}/off", editor(post(flags::api::off)))
        .route("/flags/{environment}/{key}/on", editor(post(flags::api::on)))
        .route("/flags/{environment}/{key}/restore", editor(post(flags::api::restore)))
        .route("/flags/{environment}/{key}/ramp", viewer(get(flags::ramps::api::ramp)))
        .route("/flags/{environment}/{key}/ramp", editor(post(flags::ramps::api::change_ramp)))
        .route("/environments/{environment}/import", editor(post(flags::api::import)))
        .route("/environments/{environment}/export", viewer(get(flags::api::export)))
        .route("/flags/{environment}/{key}/exposures", viewer(get(flags::exposures)));
    let pages = Routes::of(&app, Face::Page)
        .route("/", viewer(get(delivery::site::organization)))
        .route("/groups/{group}", viewer(get(delivery::site::group)))
        .route("/services/{service}", viewer(get(delivery::site::service)))
        .route("/in-flight", viewer(get(delivery::site::in_flight)))
        .route("/services/{service}/changes/{change}", viewer(get(delivery::site::change)))
        .route(
            "/services/{service}/deployments/{environment}/{name}",
            viewer(get(delivery::site::deployment)),
        )
        .route("/compare", viewer(get(delivery::site::compare)))
        .route("/quality", viewer(get(delivery::site::quality)))
        .route("/quality/unknown", viewer(get(delivery::site::unknown)))
        .route("/search", viewer(get(delivery::site::search)))
        .route("/sign-in", open(get(access::sign_in)))
        .route("/sign-in", open(post(access::sign_in_form)))
        .route("/sign-out", viewer(post(access::sign_out)))
        .route("/tokens", admin(get(access::tokens_page)))
        .route("/tokens", admin(post(access::create_form)))
        .route("/tokens/{token}/revoke", admin(post(access::revoke_form)));
    // As those of the API.
    let flag_pages = Routes::of(&app, Face::Page)
        .route("/flags", viewer(get(flags::page::list)))
        .route("/flags/{environment}/{key}", viewer(get(flags::page::one)))
        .route("/flags/{environment}/{key}/edit", editor(get(flags::page::edit)))
        .route("/flags/{environment}/{key}/edit", editor(post(flags::page::edited)))
        .route("/flags/{environment}/{key}/off", editor(post(flags::page::off)))
        .route("/flags/{environment}/{key}/on", editor(post(flags::page::on)))
        .route("/flags/{environment}/{key}/restore", editor(post(flags::page::restore)));
    // Parts of pages, which their scripts fetch: nobody signs in there.
    let parts = Routes::of(&app, Face::Program)
        .route("/live", viewer(get(delivery::site::live)))
        .route("/live/deployments", viewer(get(delivery::site::latest_deployments)));
    let badges = Routes::of(&app, Face::Program)
        .route("/badge/organization.svg", badge(get(delivery::site::badge::organization)))
        .route("/badge/groups/{file}", badge(get(delivery::site::badge::group)))
        .route("/badge/services/{file}", badge(get(delivery::site::badge::service)));
    // These have nothing before them that they can do without: they are asked more often than all others.
    let evaluation = Routes::of(&app, Face::Program)
        .route("/ofrep/v1/evaluate/flags", evaluator(post(flags::ofrep::bulk)))
        .route("/ofrep/v1/evaluate/flags/{*key}", evaluator(post(flags::ofrep::single)))
        .route("/ofrep/v1/events", evaluator(get(flags::ofrep::events)))
        .route("/flagd/{file}", evaluator(get(flags::definitions)));
    let machinery = Routes::of(&app, Face::Program)
        .route("/assets/{file}", open(get(assets::asset)))
        .route("/metrics", viewer(get(delivery::metrics::metrics)))
        .route("/healthz", open(get(|| async { "ok\n" })))
        .route("/readyz", open(get(delivery::api::ready)));
    let all = Router::new()
        .merge(taking_in)
        .nest("/api/v1", compressed(at_one_moment(reports.done()).merge(of_flags.done())))
        .merge(compressed(for_people(
            at_one_moment(pages.done()).merge(flag_pages.done()).merge(parts.done()),
        )))
        .merge(at_one_moment(badges.done()))
        .merge(machinery.done())
        .fallback(nothing_there)
        .method_not_allowed_fallback(|uri: Uri| async move {
            Problem::method_not_allowed(format!("{} does not take this method", uri.path()))
        });
    guarded(all).merge(lean(evaluation.done())).with_state(app)
}

/// Routes of evaluation: browsers ask first whether they may ask.
fn lean(routes: Router<Arc<App>>) -> Router<Arc<App>> {
    routes
        .method_not_allowed_fallback(flags::ofrep::other_method)
        .layer(CatchPanicLayer::custom(|_| Problem::fault().into_response()))
}

/// Answers what is at no URL: with a page if a person asks.
async fn nothing_there(uri: Uri, headers: HeaderMap) -> Response {
    let problem = Problem::not_found(format!("nothing is at {}", uri.path()));
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    match accept.is_some_and(|kinds| kinds.contains("text/html")) {
        true => site::problems_as_pages(problem.into_response()).await,
        false => problem.hint("/api/v1/openapi.json names every URL").into_response(),
    }
}

/// Answers each request out of one moment of the views.
fn at_one_moment<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes.layer(from_fn(|request, next: Next| ledger::at_one_moment(next.run(request))))
}

/// Pages: their problems are pages too, and so are their faults.
fn for_people<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes
        .layer(CatchPanicLayer::custom(|_| Problem::fault().into_response()))
        .layer(map_response(site::problems_as_pages))
}

/// Compresses answers for those who take that. Streams of events go out as they are.
fn compressed<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes.layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
}

/// Takes bodies that are compressed.
pub(crate) fn decompressing<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes.layer(RequestDecompressionLayer::new()).layer(map_response(unknown_encoding))
}

/// Answers for handlers that panic, and says of every answer what browsers must not make of it.
fn guarded<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes
        .layer(CatchPanicLayer::custom(|_| Problem::fault().into_response()))
        .layer(map_response(secured))
        .layer(from_fn(logged))
}

/// Tells the log of a request: faults always, all others to whoever wants to know. Queries stay
/// untold, as people type into them.
async fn logged(request: Request, next: Next) -> Response {
    let begin = Instant::now();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), begin.elapsed().as_micros() as u64);
    let path: String = uri.path().chars().take(PATH_CHARS).collect();
    match response.status().is_server_error() {
        true => tracing::warn!(%method, path, status, microseconds = took, "a request failed"),
        false => tracing::debug!(%method, path, status, microseconds = took, "answered"),
    }
    response
}

/// What stands in an answer is taken for what the answer says that it is, and for nothing else; no
/// script but this server's own runs in it, and other sites learn nothing of what is looked at.
async fn secured(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(site::POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// Decompression refuses what it does not know without a word.
async fn unknown_encoding(response: Response) -> Response {
    let is_wordless = !response.headers().contains_key(header::CONTENT_TYPE);
    match response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE && is_wordless {
        true => Problem::unsupported("the Content-Encoding of the body is not known here")
            .hint("send it with gzip, or as it is")
            .into_response(),
        false => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    #[tokio::test]
    async fn a_panic_is_answered() {
        async fn fault() {
            panic!("a fault of the program")
        }
        let routes: Router = guarded(Router::new().route("/", get(fault)));
        let request = axum::http::Request::get("/").body(Body::empty()).unwrap();
        let response = routes.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["type"], "urn:seaway:problem:fault");
        assert!(!String::from_utf8_lossy(&body).contains("a fault of the program\""), "{problem}");
    }
}
