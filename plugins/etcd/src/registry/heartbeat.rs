//! Whether the other side of a connection still lives: pings while streams are open, and when an answer is late.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use h2::{Ping, PingPong};
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

/// Between two pings while streams are open. etcd closes on clients that ping more often than each 5 s, or with
/// no stream open.
const PING_INTERVAL: Duration = Duration::from_secs(6);
/// How long the answer to one is waited for …
const PONG_TIMEOUT: Duration = Duration::from_secs(6);
/// … and when an answer to something else is already late.
const LATE_PONG_TIMEOUT: Duration = Duration::from_millis(1500);
/// How long a doubt may stand before the task that should clear it is taken to be stuck.
const MAX_SUSPICION: Duration = Duration::from_secs(3);

/// What the task of a connection is told.
#[derive(Default)]
pub(super) struct Heartbeat {
    /// How many streams are open that may be silent for long.
    streams: AtomicUsize,
    /// Since when an answer is late.
    doubted: Mutex<Option<Instant>>,
    told: Notify,
}

/// A stream that is open; its connection is pinged.
pub(super) struct StreamGuard(Arc<Heartbeat>);

impl StreamGuard {
    pub(super) fn new(heartbeat: &Arc<Heartbeat>) -> Self {
        if heartbeat.streams.fetch_add(1, Ordering::Relaxed) == 0 {
            heartbeat.told.notify_one();
        }
        StreamGuard(heartbeat.clone())
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Heartbeat {
    /// Notes that an answer is late, and has the other side asked for a sign of life.
    pub(super) fn doubt(&self) {
        self.doubted.lock().get_or_insert_with(Instant::now);
        self.told.notify_one();
    }

    /// Whether no doubt stands for so long that whoever should clear it must be stuck.
    pub(super) fn is_watched(&self) -> bool {
        self.doubted
            .lock()
            .is_none_or(|since| since.elapsed() < MAX_SUSPICION)
    }

    /// Returns when the other side does not answer any more.
    pub(super) async fn watch(&self, mut pings: PingPong) {
        loop {
            let idle = self.streams.load(Ordering::Relaxed) == 0;
            tokio::select! {
                () = self.told.notified() => {}
                () = sleep(PING_INTERVAL), if !idle => {}
            }
            let doubted = self.doubted.lock().is_some();
            let wait = match doubted {
                true => LATE_PONG_TIMEOUT,
                false if idle => continue,
                false => PONG_TIMEOUT,
            };
            match timeout(wait, pings.ping(Ping::opaque())).await {
                Ok(Ok(_)) => *self.doubted.lock() = None,
                _ => return,
            }
        }
    }
}
