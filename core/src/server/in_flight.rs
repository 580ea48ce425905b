//! How many requests are at work, and each one's share of the limit.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

use crate::{error::Result, message::Response, time::Nanos};

/// A poll longer than this is reported: it holds up every other call of its thread.
const LONG_POLL: Nanos = 10_000_000;

/// How much is at work.
pub(super) struct InFlight {
    /// Requests that did not end at their first poll.
    pub(super) running: AtomicUsize,
    pub(super) limit: usize,
    /// Endpoints that were reported for long polls.
    reported: Mutex<HashSet<String>>,
}

impl InFlight {
    /// Nothing at work yet, of at most `limit` requests.
    pub(super) fn new(limit: usize) -> Self {
        InFlight {
            running: AtomicUsize::new(0),
            limit,
            reported: Mutex::default(),
        }
    }

    /// Thousandths of the limit in use.
    #[inline]
    fn load(&self) -> u16 {
        let running = self.running.load(Relaxed).min(self.limit);
        (running * 1000 / self.limit.max(1)) as u16
    }

    /// Puts the load into a response.
    #[inline]
    pub(super) fn stamp(&self, mut answer: Result<Response>) -> Result<Response> {
        if let Ok(response) = &mut answer {
            response.load = self.load();
        }
        answer
    }

    /// Reports an endpoint, once, whose poll took long.
    pub(super) fn check_poll(&self, endpoint: &str, took: Nanos) {
        if took > LONG_POLL && self.reported.lock().insert(endpoint.to_owned()) {
            tracing::warn!(
                endpoint,
                milliseconds = took / 1_000_000,
                "a handler computed long without awaiting, which holds up its whole thread; \
                 declare it with `.blocking()`"
            );
        }
    }
}

/// A request's share of the limit of requests at work, until the last clone is dropped.
#[derive(Clone)]
pub(super) struct Permit {
    _share: Arc<Share>,
}

struct Share(Arc<InFlight>);

impl Permit {
    pub(super) fn take(in_flight: &Arc<InFlight>) -> Self {
        in_flight.running.fetch_add(1, Relaxed);
        Permit {
            _share: Arc::new(Share(in_flight.clone())),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Relaxed);
    }
}
