//! How many connections may be open, and who has to go when another comes: whoever has been silent longest.

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::Notify;

/// The connections that are open.
pub(crate) struct Gate {
    most: usize,
    begun: Instant,
    open: Mutex<BTreeMap<u64, Arc<Line>>>,
    pub(crate) accepted: AtomicU64,
    /// Silent ones closed to make room.
    pub(crate) shed: AtomicU64,
    /// Turned away, since all others were at work.
    pub(crate) refused: AtomicU64,
}

/// A connection.
pub(crate) struct Line {
    begun: Instant,
    /// Milliseconds from `begun` until it last fell silent.
    silent_from: AtomicU64,
    /// Requests that are being answered: one, or none.
    answering: AtomicUsize,
    /// Whether it is the client's turn all the same: a body is waited for.
    pub(crate) is_reading: AtomicBool,
    /// Whether something is to be written that has not been flushed since.
    pub(crate) is_writing: AtomicBool,
    go: Notify,
}

impl Gate {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            begun: Instant::now(),
            open: Mutex::default(),
            accepted: AtomicU64::new(0),
            shed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Lets a connection in, for as long as what is returned lives; `None` where there is no room for it, nor anybody silent
    /// who could make some.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Entered> {
        let id = self.accepted.fetch_add(1, Relaxed);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= self.most {
            let silent = open.iter().filter(|(_, line)| line.is_silent());
            let Some(oldest) = silent.min_by_key(|(_, line)| line.silent_from.load(Relaxed)).map(|(id, _)| *id) else {
                self.refused.fetch_add(1, Relaxed);
                return None;
            };
            self.shed.fetch_add(1, Relaxed);
            open.remove(&oldest).inspect(|line| line.go.notify_one());
        }
        let line = Arc::new(Line {
            begun: self.begun,
            silent_from: AtomicU64::new(self.begun.elapsed().as_millis() as u64),
            answering: AtomicUsize::new(0),
            is_reading: AtomicBool::new(false),
            is_writing: AtomicBool::new(false),
            go: Notify::new(),
        });
        open.insert(id, Arc::clone(&line));
        Some(Entered { gate: Arc::clone(self), id, line })
    }

    /// Connections that are open, and how many of them are at work.
    pub(crate) fn count(&self) -> (usize, usize) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        (open.len(), open.values().filter(|line| !line.is_silent()).count())
    }
}

/// A connection's place.
pub(crate) struct Entered {
    gate: Arc<Gate>,
    id: u64,
    pub(crate) line: Arc<Line>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.gate.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Line {
    fn is_silent(&self) -> bool {
        // In this order: who has stopped answering is writing by then.
        (self.answering.load(Acquire) == 0 || self.is_reading.load(Relaxed)) && !self.is_writing.load(Acquire)
    }

    /// Resolves when the connection has to make room.
    pub(crate) async fn has_to_go(&self) {
        self.go.notified().await;
    }

    /// Marks a request as being answered until what is returned is dropped.
    pub(crate) fn answering(self: &Arc<Self>) -> Answering {
        self.answering.fetch_add(1, Relaxed);
        Answering(Arc::clone(self))
    }
}

/// A request being answered.
pub(crate) struct Answering(Arc<Line>);

impl Answering {
    pub(crate) fn until_taken(self, body: Body) -> Outgoing {
        Outgoing { body, _answering: self }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.silent_from.store(self.0.begun.elapsed().as_millis() as u64, Relaxed);
        // A body is let go before its end is written; a flush follows.
        self.0.is_writing.store(true, Relaxed);
        self.0.answering.fetch_sub(1, Release);
    }
}

/// The body of a response: until it has been taken whole, the request is being answered.
pub(crate) struct Outgoing {
    body: Body,
    _answering: Answering,
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn whoever_has_been_silent_longest_makes_room() {
        let gate = Arc::new(Gate::new(3));
        let entered: Vec<Entered> = (0..3).map(|_| gate.enter().unwrap()).collect();
        let working = entered[0].line.answering();
        std::thread::sleep(Duration::from_millis(5));
        // Answered just now, so the last one has been silent longer.
        drop(entered[1].line.answering());
        assert_eq!(gate.count(), (3, 2), "the end of an answer has still to be written");
        entered[1].line.is_writing.store(false, Relaxed);
        let fourth = gate.enter().expect("somebody was silent");
        tokio::time::timeout(Duration::from_secs(5), entered[2].line.has_to_go()).await.expect("the third goes");
        assert_eq!(gate.count(), (3, 1));
        let all = [entered[1].line.answering(), fourth.line.answering()];
        assert!(gate.enter().is_none(), "everybody is at work");
        entered[0].line.is_reading.store(true, Relaxed);
        assert!(gate.enter().is_some(), "whose body is waited for is silent");
        drop((working, all, entered, fourth));
        assert_eq!(gate.count(), (0, 0));
        assert_eq!((gate.accepted.load(Relaxed), gate.shed.load(Relaxed), gate.refused.load(Relaxed)), (6, 2, 1));
    }
}
