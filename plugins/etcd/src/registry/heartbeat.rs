//! Detects dead connections: pings while streams are open, and when a response is late.

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

/// Interval of pings while streams are open. etcd closes connections that ping more often than every 5 s or without a
/// stream.
const PING_INTERVAL: Duration = Duration::from_secs(6);
/// Timeout of a ping.
const PONG_TIMEOUT: Duration = Duration::from_secs(6);
/// Timeout of a ping while a response is late.
const LATE_PONG_TIMEOUT: Duration = Duration::from_millis(1500);
/// Age of an unanswered suspicion at which the task of the connection counts as stuck.
const MAX_SUSPICION: Duration = Duration::from_secs(3);

/// State shared with the task of a connection.
#[derive(Default)]
pub(super) struct Heartbeat {
    /// The number of open streams that may be idle.
    streams: AtomicUsize,
    /// When a response was first reported late.
    doubted: Mutex<Option<Instant>>,
    told: Notify,
}

/// An open stream: its connection is pinged until dropped.
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
    /// Reports a late response: the task pings at once.
    pub(super) fn doubt(&self) {
        self.doubted.lock().get_or_insert_with(Instant::now);
        self.told.notify_one();
    }

    /// Whether the task still handles suspicions.
    pub(super) fn is_watched(&self) -> bool {
        self.doubted
            .lock()
            .is_none_or(|since| since.elapsed() < MAX_SUSPICION)
    }

    /// Returns when the other side does not respond any more.
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
