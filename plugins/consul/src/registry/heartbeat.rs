//! Detects silent servers with one small request, shared by all watches of a handle.
//!
//! A watch is a blocking query, so silence is its normal state. Short queries would detect a hung server at the cost of
//! as many requests as there are watches. Instead each query may block for a minute, and all watches share this
//! request, sent when nothing else arrived for a while. The first is sent at once, so that a missing connection is
//! noticed from the start.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use micro_core::{
    Error,
    http::client::{Http, Request},
};

/// Silence after which the request is sent.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// Timeout of the request. A hung server is left after both times together.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(6);

/// The last activity of each host.
pub(super) struct Heartbeat {
    hosts: Vec<HostState>,
}

#[derive(Default)]
struct HostState {
    heard: Mutex<Option<Instant>>,
    /// Whether the request was ever answered.
    answered: AtomicBool,
    /// Whether a request is in flight.
    asked: AtomicBool,
    /// Notifies the other watches that no response came.
    lost: Notify,
}

/// Marks the request as finished when dropped.
struct ProbeGuard<'a>(&'a AtomicBool);

impl Heartbeat {
    pub(super) fn new(hosts: usize) -> Self {
        let hosts = (0..hosts).map(|_| HostState::default()).collect();
        Heartbeat { hosts }
    }

    pub(super) fn record_activity(&self, host: usize) {
        *self.hosts[host].heard.lock() = Some(Instant::now());
    }

    /// Returns when the host is silent.
    pub(super) async fn silence(&self, http: &Http, host: usize) -> Error {
        let state = &self.hosts[host];
        let silent = || state.heard.lock().map_or(Duration::MAX, |at| at.elapsed());
        let lost = || Error::unavailable("it has gone silent");
        loop {
            let rest = match state.answered.load(Ordering::Relaxed) {
                true => HEARTBEAT_INTERVAL.saturating_sub(silent()),
                false => Duration::ZERO,
            };
            if !rest.is_zero() {
                tokio::select! {
                    () = sleep(rest) => {}
                    () = state.lost.notified() => return lost(),
                }
                continue;
            }
            if state.asked.swap(true, Ordering::Relaxed) {
                // The other watch may be dropped: check again later.
                tokio::select! {
                    () = sleep(HEARTBEAT_INTERVAL) => {}
                    () = state.lost.notified() => return lost(),
                }
                continue;
            }
            let guard = ProbeGuard(&state.asked);
            // This endpoint needs no permission and answers without a leader.
            let question = Request::get("/v1/status/leader").within(HEARTBEAT_TIMEOUT);
            match http.ask_host(host, &question).await {
                Ok(_) => {
                    state.answered.store(true, Ordering::Relaxed);
                    self.record_activity(host);
                }
                Err(error) => {
                    drop(guard);
                    state.lost.notify_waiters();
                    return error.context("it has gone silent");
                }
            }
        }
    }
}

impl Drop for ProbeGuard<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
