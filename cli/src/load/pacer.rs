//! A bell that rings in time, to some tens of microseconds.
//!
//! The runtime's own timer counts in whole milliseconds, and what it rounds would be shown as the
//! latency of the service. So a thread waits, and the runtime is told. Rings that nobody took in the
//! meantime are one ring: there is no queue.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::failure::{Failure, Result};

/// Rings until it is dropped.
pub(super) struct Pacer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    bell: Notify,
    stopped: AtomicBool,
}

impl Pacer {
    /// Rings every `grain` from now on.
    pub(super) fn start(grain: Duration) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let rings = shared.clone();
        let thread = thread::Builder::new()
            .name("pacer".into())
            .spawn(move || rings.run(grain))
            .map_err(Failure::because("no thread could be started"))?;
        Ok(Pacer {
            shared,
            thread: Some(thread),
        })
    }

    /// Waits for the next ring; at once if there was one since the last.
    pub(super) async fn tick(&self) {
        self.shared.bell.notified().await;
    }
}

impl Shared {
    fn run(&self, grain: Duration) {
        let mut next = Instant::now();
        loop {
            // After a pause of the machine it goes on from now.
            next = (next + grain).max(Instant::now());
            loop {
                if self.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let left = next.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                thread::park_timeout(left);
            }
            self.bell.notify_one();
        }
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It cannot panic, and ends at once.
            let _ = thread.join();
        }
    }
}
