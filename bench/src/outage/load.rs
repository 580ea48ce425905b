//! Calls at a constant rate, and their results.

use super::fleet::{ENDPOINT, Echo, SERVICE};
use anyhow::Result;
use micro::{Client, Context};
use micro_load::{ConstantRate, NOTIFY_INTERVAL, Pacer, Precision, Recorder, Target, open};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::task::{JoinError, JoinHandle};

/// Calls per second.
pub(super) const RATE: u32 = 2_000;

/// Results of the calls.
pub(super) struct Counts {
    pub(super) calls: u64,
    pub(super) failed: u64,
    pub(super) slowest: Duration,
    /// The errors of failed calls, with counts.
    pub(super) errors: BTreeMap<String, u64>,
}

/// A running load.
pub(super) struct Load {
    /// Errors are grouped by text.
    recorder: Arc<Recorder<String, String>>,
    driver: JoinHandle<Result<(), JoinError>>,
    stop: Arc<AtomicBool>,
}

/// One call.
pub(crate) async fn call(client: &Client, number: u64) -> micro::Result<Echo> {
    client
        .method(SERVICE, ENDPOINT)
        .call(&Context::new(), number)
        .await
}

impl Load {
    /// Starts an open loop.
    pub(super) fn start(client: Client) -> Result<Self> {
        let recorder = Arc::new(Recorder::new(1, Precision::Low, String::clone));
        let stop = Arc::new(AtomicBool::new(false));
        let pacer = Pacer::start(ConstantRate::new(RATE.into()), NOTIFY_INTERVAL)?;
        let (counts, stopped) = (recorder.clone(), stop.clone());
        let calls = NumberedCalls {
            client,
            last: Arc::default(),
        };
        let driver = tokio::spawn(async move {
            let goes_on = |_| !stopped.load(Ordering::Relaxed);
            open(calls, pacer, counts, 0, goes_on).await
        });
        Ok(Load {
            recorder,
            driver,
            stop,
        })
    }

    /// The number of failed calls so far.
    pub(super) fn failed(&self) -> u64 {
        self.recorder.failed()
    }

    /// Stops the load and waits for its calls.
    pub(super) async fn stop(self) -> Result<Counts> {
        self.stop.store(true, Ordering::Relaxed);
        self.driver.await??;
        let counts = self.recorder.take();
        let errors = self.recorder.take_errors().into_iter();
        Ok(Counts {
            calls: counts.calls(),
            failed: counts.failed(),
            slowest: counts.longest(),
            errors: errors.map(|(text, (_, count))| (text, count)).collect(),
        })
    }
}

/// Calls with numbers. A call fails if the answer has another number.
#[derive(Clone)]
struct NumberedCalls {
    client: Client,
    last: Arc<AtomicU64>,
}

impl Target for NumberedCalls {
    type Answer = ();
    type Error = String;

    async fn call(&self) -> Result<(), String> {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        match call(&self.client, number).await {
            Ok(echo) if echo.number == number => Ok(()),
            Ok(other) => Err(format!("{} came back for {number}", other.number)),
            Err(error) => Err(error.to_string()),
        }
    }
}
