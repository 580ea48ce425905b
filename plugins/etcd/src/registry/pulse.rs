//! Whether the other side of a connection still lives: pings while streams are open, and when an answer is late.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use h2::{Ping, PingPong};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use micro_core::time::{self, Nanos};

/// Between two pings while streams are open. etcd closes on clients that ping more often than each 5 s, or with
/// no stream open.
const PING: Duration = Duration::from_secs(6);
/// How long the answer to one is waited for …
const PONG: Duration = Duration::from_secs(6);
/// … and when an answer to something else is already late.
const LATE_PONG: Duration = Duration::from_millis(1500);
/// How long a doubt may stand before the task that should clear it is taken to be stuck.
const DOUBT: Nanos = 3_000_000_000;

/// What the task of a connection is told.
#[derive(Default)]
pub(super) struct Pulse {
    /// How many streams are open that may be silent for long.
    streams: AtomicUsize,
    /// Since when an answer is late; 0 for none.
    doubted: AtomicU64,
    told: Notify,
}

/// A stream that is open; its connection is pinged.
pub(super) struct Open(Arc<Pulse>);

impl Open {
    pub(super) fn new(pulse: &Arc<Pulse>) -> Self {
        if pulse.streams.fetch_add(1, Ordering::Relaxed) == 0 {
            pulse.told.notify_one();
        }
        Open(pulse.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pulse {
    /// Notes that an answer is late, and has the other side asked for a sign of life.
    pub(super) fn doubt(&self) {
        let since = time::now().max(1);
        let (doubted, order) = (&self.doubted, Ordering::Relaxed);
        let _ = doubted.compare_exchange(0, since, order, order);
        self.told.notify_one();
    }

    /// Whether no doubt stands for so long that whoever should clear it must be stuck.
    pub(super) fn is_watched(&self) -> bool {
        let doubted = self.doubted.load(Ordering::Relaxed);
        doubted == 0 || time::now().saturating_sub(doubted) < DOUBT
    }

    /// Returns when the other side does not answer any more.
    pub(super) async fn watch(&self, mut pings: PingPong) {
        loop {
            let idle = self.streams.load(Ordering::Relaxed) == 0;
            tokio::select! {
                () = self.told.notified() => {}
                () = sleep(PING), if !idle => {}
            }
            let doubted = self.doubted.load(Ordering::Relaxed) != 0;
            let wait = match doubted {
                true => LATE_PONG,
                false if idle => continue,
                false => PONG,
            };
            match timeout(wait, pings.ping(Ping::opaque())).await {
                Ok(Ok(_)) => self.doubted.store(0, Ordering::Relaxed),
                _ => return,
            }
        }
    }
}
