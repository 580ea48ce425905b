//! Whether a server that says nothing is still there: one small question for all watches of a handle.
//!
//! A watch is a question that is answered when something changes, so silence is its usual state. Asking again every
//! few seconds would tell a hung server, at the cost of as many requests as there are watches; instead each watch may
//! wait for minutes, and all of them share this question, asked when nothing else was heard for a while. The first
//! is asked at once, so that the connection that it takes is there, or known to be missing, from the start.

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

/// After so long without a word the question is asked. …
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// … How long its answer is waited for: both together are when a hung server is left.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(6);

/// When each host was last heard.
pub(super) struct Heartbeat {
    hosts: Vec<HostState>,
}

#[derive(Default)]
struct HostState {
    heard: Mutex<Option<Instant>>,
    /// Whether the question was ever answered.
    answered: AtomicBool,
    /// Whether somebody is asking.
    asked: AtomicBool,
    /// Tells the others that there was no answer.
    lost: Notify,
}

/// The turn of the one who asks.
struct ProbeGuard<'a>(&'a AtomicBool);

impl Heartbeat {
    pub(super) fn new(hosts: usize) -> Self {
        let hosts = (0..hosts).map(|_| HostState::default()).collect();
        Heartbeat { hosts }
    }

    pub(super) fn record_activity(&self, host: usize) {
        *self.hosts[host].heard.lock() = Some(Instant::now());
    }

    /// Returns when a host that was just heard is silent.
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
                // Whoever asks may be dropped; it is looked after again.
                tokio::select! {
                    () = sleep(HEARTBEAT_INTERVAL) => {}
                    () = state.lost.notified() => return lost(),
                }
                continue;
            }
            let guard = ProbeGuard(&state.asked);
            // Needs no permission, and is answered without a leader as well.
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
