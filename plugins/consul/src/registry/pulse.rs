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
    error::Error,
    http::client::{Http, Request},
};

/// After so long without a word the question is asked. …
const BEAT: Duration = Duration::from_secs(5);
/// … How long its answer is waited for: both together are when a hung server is left.
const PATIENCE: Duration = Duration::from_secs(6);

/// When each host was last heard.
pub(super) struct Pulse {
    hosts: Vec<Host>,
}

#[derive(Default)]
struct Host {
    heard: Mutex<Option<Instant>>,
    /// Whether the question was ever answered.
    answered: AtomicBool,
    /// Whether somebody is asking.
    asked: AtomicBool,
    /// Tells the others that there was no answer.
    lost: Notify,
}

/// The turn of the one who asks.
struct Turn<'a>(&'a AtomicBool);

impl Pulse {
    pub(super) fn new(hosts: usize) -> Self {
        let hosts = (0..hosts).map(|_| Host::default()).collect();
        Pulse { hosts }
    }

    pub(super) fn hear(&self, host: usize) {
        *self.hosts[host].heard.lock() = Some(Instant::now());
    }

    /// Returns when a host that was just heard is silent.
    pub(super) async fn silence(&self, http: &Http, host: usize) -> Error {
        let state = &self.hosts[host];
        let silent = || state.heard.lock().map_or(Duration::MAX, |at| at.elapsed());
        let lost = || Error::unavailable("it has gone silent");
        loop {
            let rest = match state.answered.load(Ordering::Relaxed) {
                true => BEAT.saturating_sub(silent()),
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
                    () = sleep(BEAT) => {}
                    () = state.lost.notified() => return lost(),
                }
                continue;
            }
            let turn = Turn(&state.asked);
            // Needs no permission, and is answered without a leader as well.
            let question = Request::get("/v1/status/leader").within(PATIENCE);
            match http.ask_host(host, &question).await {
                Ok(_) => {
                    state.answered.store(true, Ordering::Relaxed);
                    self.hear(host);
                }
                Err(error) => {
                    drop(turn);
                    state.lost.notify_waiters();
                    return error.context("it has gone silent");
                }
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
