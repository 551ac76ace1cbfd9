//! Tells open pages when the views have moved, so that they fetch anew what they show.

use crate::app::App;
use crate::delivery::projector::Progress;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// Pages hear of moves at most this often.
const PAUSE: Duration = Duration::from_secs(1);
/// Silence after which a page is told that the server is there still.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Where pages hear that the views have moved.
pub(crate) struct Live {
    /// The place on the log up to which the views had come; closed when the server stops.
    moved: watch::Receiver<i64>,
    stop: watch::Sender<bool>,
    slots: Arc<Semaphore>,
}

impl Live {
    /// Starts the one watcher for all pages, of which `open_max` may be open at one time: each takes
    /// a connection and little memory.
    pub(crate) fn start(progress: watch::Receiver<Progress>, open_max: usize) -> Self {
        let (tell, moved) = watch::channel(progress.borrow().settled);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(follow(progress, tell, stopped));
        Self { moved, stop, slots: Arc::new(Semaphore::new(open_max)) }
    }

    /// Ends all streams, which would never end by themselves.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

async fn follow(
    mut progress: watch::Receiver<Progress>,
    tell: watch::Sender<i64>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            moved = progress.changed() => if moved.is_err() { return },
            _ = stopped.changed() => return,
        }
        let settled = progress.borrow_and_update().settled;
        tell.send_if_modified(|told| std::mem::replace(told, settled) != settled);
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = stopped.changed() => return,
        }
    }
}

/// `GET /live`: an event `moved` whenever the views have moved, with how far.
pub(crate) async fn live(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let slot = Arc::clone(&app.live.slots).try_acquire_owned().map_err(|_| {
        Problem::busy("too many pages are open; this one does not bring itself up to date", 30)
    })?;
    let moved = app.live.moved.clone();
    // The first event tells where the page begins: what moved between its making and now is fetched.
    let stream = unfold((moved, true, slot), |(mut moved, is_first, slot)| async move {
        if !is_first && moved.changed().await.is_err() {
            return None;
        }
        let settled = *moved.borrow_and_update();
        let event = Event::default().event("moved").data(settled.to_string());
        Some((Ok::<_, Infallible>(event), (moved, false, slot)))
    });
    let head: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];
    let events = Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok((head, events).into_response())
}
