//! Calls at a steady rate, and what became of them.

use super::fleet::{ENDPOINT, Echo, SERVICE};
use anyhow::{Context as _, Result};
use micro::{Client, Context};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};

/// Calls a second.
pub(super) const RATE: u32 = 2_000;
/// Between two bursts; each of as many calls as the rate says.
const TICK: Duration = Duration::from_millis(5);

/// What became of the calls.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) calls: u64,
    pub(super) failed: u64,
    pub(super) slowest: Duration,
    /// What failed calls said, and how often.
    pub(super) errors: BTreeMap<String, u64>,
}

/// A load that is on.
pub(super) struct Load {
    counts: Arc<Mutex<Counts>>,
    driver: JoinHandle<()>,
    stop: tokio::sync::watch::Sender<bool>,
}

/// One call.
pub(crate) async fn call(client: &Client, number: u64) -> micro::Result<Echo> {
    client
        .method(SERVICE, ENDPOINT)
        .call(&Context::new(), number)
        .await
}

impl Load {
    /// Calls until it is stopped, each without waiting for the others.
    pub(super) fn start(client: Client) -> Self {
        let counts = Arc::new(Mutex::new(Counts::default()));
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let driver = tokio::spawn(drive(client, counts.clone(), stopped));
        Load {
            counts,
            driver,
            stop,
        }
    }

    /// How many have failed so far.
    pub(super) fn failed(&self) -> u64 {
        self.counts.lock().failed
    }

    /// Ends it, when every call has ended.
    pub(super) async fn stop(self) -> Result<Counts> {
        self.stop.send_replace(true);
        self.driver.await?;
        let counts = Arc::into_inner(self.counts).context("a call goes on")?;
        Ok(counts.into_inner())
    }
}

async fn drive(
    client: Client,
    counts: Arc<Mutex<Counts>>,
    stopped: tokio::sync::watch::Receiver<bool>,
) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let burst = u64::from(RATE) * TICK.as_millis() as u64 / 1000;
    let mut calls = tokio::task::JoinSet::new();
    let mut number = 0;
    while !*stopped.borrow() {
        let due = ticks.tick().await;
        for _ in 0..burst {
            number += 1;
            let (client, counts) = (client.clone(), counts.clone());
            calls.spawn(timed(client, number, due, counts));
        }
        while calls.try_join_next().is_some() {}
    }
    while calls.join_next().await.is_some() {}
}

async fn timed(client: Client, number: u64, due: Instant, counts: Arc<Mutex<Counts>>) {
    let answer = call(&client, number).await;
    let wrong = match answer {
        Ok(echo) if echo.number == number => None,
        Ok(other) => Some(format!("{} came back for {number}", other.number)),
        Err(error) => Some(error.to_string()),
    };
    let mut counts = counts.lock();
    counts.calls += 1;
    counts.slowest = counts.slowest.max(due.elapsed());
    if let Some(wrong) = wrong {
        counts.failed += 1;
        *counts.errors.entry(wrong).or_default() += 1;
    }
}
