//! Bodies of requests, read whole and never more than the server can hold.

use crate::problem::Problem;
use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use bytes::BytesMut;
use http_body_util::BodyExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The largest body that is taken, in bytes, after decompression. GitHub sends up to 25 MiB.
pub(crate) const BYTES_MAX: usize = 32 << 20;
/// How long a body may take to arrive.
const TIME_MAX: Duration = Duration::from_secs(30);
/// What one permit stands for, in bytes.
const PERMIT_BYTES: usize = 1 << 10;

/// The memory that all bodies together may take.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    permits: Arc<Semaphore>,
}

/// A body, and its share of the budget until it is dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(crate) fn of_bytes(bytes: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(bytes / PERMIT_BYTES)) }
    }

    /// Reads a body whole.
    ///
    /// Memory is taken from the budget as it is needed, so that a body that claims to be large
    /// and sends nothing holds nothing.
    ///
    /// # Errors
    /// When it is larger than [`BYTES_MAX`], slower than 30 seconds, broken off, or when there is
    /// no memory for it now.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Taken, Problem> {
        let told = headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse().ok());
        if told.is_some_and(|told: usize| told > BYTES_MAX) {
            return Err(too_large());
        }
        tokio::time::timeout(TIME_MAX, self.collect(body))
            .await
            .map_err(|_| Problem::too_slow("the body did not arrive within 30 seconds"))?
    }

    async fn collect(&self, mut body: Body) -> Result<Taken, Problem> {
        let mut bytes = BytesMut::new();
        let mut share: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                Problem::bad_request(format!("the body broke off or cannot be decoded: {error}"))
            })?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > BYTES_MAX {
                return Err(too_large());
            }
            self.take(data.len(), &mut share)?;
            bytes.extend_from_slice(&data);
        }
        Ok(Taken { bytes: bytes.freeze(), _share: share })
    }

    fn take(&self, bytes: usize, share: &mut Option<OwnedSemaphorePermit>) -> Result<(), Problem> {
        let permits = u32::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX);
        let more = Arc::clone(&self.permits).try_acquire_many_owned(permits).map_err(|_| {
            Problem::busy("the server holds as many bodies as it has memory for", 1)
        })?;
        match share {
            Some(share) => share.merge(more),
            None => *share = Some(more),
        }
        Ok(())
    }
}

fn too_large() -> Problem {
    Problem::too_large(format!("a body may have {} MiB at most", BYTES_MAX >> 20))
        .hint("send fewer events at once")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_is_given_back_when_a_body_is_done_with() {
        let budget = Budget::of_bytes(4 * PERMIT_BYTES);
        let body = || Body::from(vec![b'x'; 3 * PERMIT_BYTES]);
        let none = HeaderMap::new();
        let first = budget.read(&none, body()).await.unwrap();
        assert_eq!(first.bytes.len(), 3 * PERMIT_BYTES);
        let second = budget.read(&none, body()).await.unwrap_err();
        assert_eq!(second.status(), axum::http::StatusCode::TOO_MANY_REQUESTS);
        drop(first);
        assert!(budget.read(&none, body()).await.is_ok());
    }

    #[tokio::test]
    async fn what_claims_to_be_too_large_is_not_read() {
        let budget = Budget::of_bytes(1 << 20);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, (BYTES_MAX + 1).into());
        let problem = budget.read(&headers, Body::empty()).await.unwrap_err();
        assert_eq!(problem.status(), axum::http::StatusCode::PAYLOAD_TOO_LARGE);
    }
}
