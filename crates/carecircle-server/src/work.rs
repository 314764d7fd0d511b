//! The one bounded way by which work leaves the async threads.

use crate::problem::ApiError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::sync::Semaphore;

/// So many jobs run at once, so many more may wait; who comes then is told to come back.
#[derive(Clone)]
pub(crate) struct Workers {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    most: (usize, usize),
    shed: Arc<AtomicU64>,
}

/// How much there is to do.
pub(crate) struct Load {
    pub(crate) running: usize,
    pub(crate) waiting: usize,
    /// Jobs refused so far.
    pub(crate) shed: u64,
}

impl Workers {
    pub(crate) fn new(running: usize, waiting: usize) -> Self {
        let running = running.max(1);
        let admitted = (running + waiting).min(Semaphore::MAX_PERMITS);
        Self {
            running: Arc::new(Semaphore::new(running)),
            admitted: Arc::new(Semaphore::new(admitted)),
            most: (running, admitted),
            shed: Arc::default(),
        }
    }

    pub(crate) fn load(&self) -> Load {
        let running = self.most.0 - self.running.available_permits();
        let admitted = self.most.1 - self.admitted.available_permits();
        Load { running, waiting: admitted.saturating_sub(running), shed: self.shed.load(Relaxed) }
    }

    /// Runs a job on a thread of its own and waits for it. It runs to its end even when nobody waits any more.
    pub(crate) async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let busy = || ApiError::unavailable("the server is busy: ask again in a moment");
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| {
            self.shed.fetch_add(1, Relaxed);
            busy()
        })?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| busy())?;
        let job = move || {
            let _held = (admitted, running);
            job()
        };
        tokio::task::spawn_blocking(job).await.map_err(|error| match error.try_into_panic() {
            Ok(panic) => ApiError::internal(panic_text(&*panic)),
            Err(error) => ApiError::internal(error.to_string()),
        })
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;

    #[tokio::test]
    async fn who_finds_the_queue_full_is_told_to_come_back() {
        let workers = Workers::new(1, 1);
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let first = tokio::spawn({
            let workers = workers.clone();
            async move { workers.run(move || wait.recv().is_ok()).await }
        });
        let second = tokio::spawn({
            let workers = workers.clone();
            async move { workers.run(|| 2).await }
        });
        while workers.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let third = workers.run(|| 3).await;
        assert_eq!(third.unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE);
        let load = workers.load();
        assert_eq!((load.running, load.waiting, load.shed), (1, 1, 1));
        go.send(()).unwrap();
        assert!(first.await.unwrap().unwrap());
        assert_eq!(second.await.unwrap().unwrap(), 2);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_its_place_is_free_again() {
        let workers = Workers::new(1, 0);
        for _ in 0..3 {
            let error = workers.run(|| panic!("ouch")).await.map(|()| 0).unwrap_err();
            assert_eq!((error.status, error.cause.as_deref()), (StatusCode::INTERNAL_SERVER_ERROR, Some("ouch")));
        }
    }
}
