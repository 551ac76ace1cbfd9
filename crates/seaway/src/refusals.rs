//! How often what came in was refused: monitoring is told.

use crate::app::App;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Requests that were refused since the server started, by the status that they were answered.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<BTreeMap<u16, u64>>);

impl Refusals {
    fn add(&self, status: u16) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(status).or_default() += 1;
    }

    /// The counts by status. One that was never answered is not there.
    pub(crate) fn all(&self) -> BTreeMap<u16, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Counts what routes refuse, whoever of those before their handlers does it.
pub(crate) fn counted<S: Clone + Send + Sync + 'static>(
    app: &Arc<App>,
    routes: Router<S>,
) -> Router<S> {
    let app = Arc::clone(app);
    routes.layer(from_fn(move |request: Request, next: Next| {
        let app = Arc::clone(&app);
        async move {
            let response = next.run(request).await;
            if !response.status().is_success() {
                app.refusals.add(response.status().as_u16());
            }
            response
        }
    }))
}
