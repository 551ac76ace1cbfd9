//! Every URL on one page.

use crate::app::App;
use crate::problem::Problem;
use crate::{delivery, intake};
use axum::Router;
use axum::http::Uri;
use axum::routing::{get, post};
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::decompression::RequestDecompressionLayer;

/// All that the server answers.
pub(crate) fn router(app: Arc<App>) -> Router {
    let taking_in = Router::new()
        .route("/events", post(intake::api::events))
        .route("/webhooks/github", post(intake::api::github))
        .route("/webhooks/gitlab", post(intake::api::gitlab))
        .layer(RequestDecompressionLayer::new());
    let reports = Router::new()
        .route("/organization", get(delivery::api::organization))
        .route("/groups", get(delivery::api::groups))
        .route("/groups/{group}", get(delivery::api::group))
        .route("/services", get(delivery::api::services))
        .route("/services/{service}", get(delivery::api::service))
        .route("/services/{service}/changes", get(delivery::api::changes))
        .route("/services/{service}/changes/{change}", get(delivery::api::change))
        .route("/services/{service}/deployments", get(delivery::api::deployments))
        .route(
            "/services/{service}/deployments/{environment}/{name}",
            get(delivery::api::deployment),
        )
        .route("/services/{service}/incidents", get(delivery::api::incidents))
        .route("/waiting", get(delivery::api::waiting))
        .route("/quality", get(delivery::api::quality))
        .route("/quality/findings", get(delivery::api::findings))
        .route("/event", get(intake::api::event))
        .route("/progress", get(delivery::api::progress))
        .route("/openapi.json", get(delivery::api::openapi));
    Router::new()
        .merge(taking_in)
        .nest("/api/v1", reports)
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(|uri: Uri| async move {
            Problem::not_found(format!("nothing is at {}", uri.path()))
                .hint("/api/v1/openapi.json names every URL")
        })
        .method_not_allowed_fallback(|uri: Uri| async move {
            Problem::method_not_allowed(format!("{} does not take this method", uri.path()))
        })
        .layer(CatchPanicLayer::custom(|_| {
            axum::response::IntoResponse::into_response(Problem::fault())
        }))
        .with_state(app)
}
