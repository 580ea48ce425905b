//! The requests in progress, and the limit of their number.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

use crate::{error::Result, message::Response, time::Nanos};

/// A longer poll is reported, since it blocks all other calls of its thread.
const LONG_POLL: Nanos = 10_000_000;

/// The requests in progress.
pub(super) struct InFlight {
    /// Requests that were pending after their first poll.
    pub(super) running: AtomicUsize,
    pub(super) limit: usize,
    /// Endpoints whose long polls were reported.
    reported: Mutex<HashSet<String>>,
}

impl InFlight {
    /// None yet, of at most `limit` requests.
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

    /// Adds the load to a response.
    #[inline]
    pub(super) fn stamp(&self, mut answer: Result<Response>) -> Result<Response> {
        if let Ok(response) = &mut answer {
            response.load = self.load();
        }
        answer
    }

    /// Reports an endpoint, once, for a long poll.
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

/// A request's place in the limit, until the last clone is dropped.
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
