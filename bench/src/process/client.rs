//! The client's process: its main thread keeps the window, the others carry the load.

use super::{CLIENT_CPU, pin, runtime, usage};
use crate::{
    cell::{Cell, Load},
    load::{self, Recorder, Share},
    system::{Kind, System, Visitor},
};
use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use std::{
    io::{Write, stdin, stdout},
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// What one visit measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Calls, or messages echoed on a stream.
    pub(crate) calls: u64,
    pub(crate) seconds: f64,
    /// CPU time of the window, in microseconds.
    pub(crate) client_us: f64,
    pub(crate) server_us: f64,
    /// Latencies, in microseconds; of no meaning for streams.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// Puts the load on, lets it warm up, measures a window and writes its sample.
pub(crate) fn run(
    kind: Kind,
    cell: &'static Cell,
    address: SocketAddr,
    warm_up: Duration,
    window: Duration,
) -> Result<()> {
    if cell.pinned() {
        pin(CLIENT_CPU)?;
    }
    let (recorder, _callers) = start(kind, cell, address, None);
    thread::sleep(warm_up);
    let server = server_us()?;
    let client = usage::cpu_us()?;
    let begun = Instant::now();
    recorder.take();
    thread::sleep(window);
    // In the order they were begun, so that all windows are equally long.
    let server_us = server_us()? - server;
    let client_us = usage::cpu_us()? - client;
    let seconds = begun.elapsed().as_secs_f64();
    let counts = recorder.take();
    recorder.stop();
    if let Some(error) = recorder.failure() {
        return Err(error);
    }
    ensure!(
        counts.calls > 0,
        "no call of `{}` was answered",
        kind.name()
    );
    let sample = Sample {
        calls: counts.calls,
        seconds,
        client_us: client_us as f64,
        server_us: server_us as f64,
        p50_us: counts.percentile(50.0),
        p99_us: counts.percentile(99.0),
    };
    writeln!(stdout(), "{}", serde_json::to_string(&sample)?)?;
    Ok(())
}

/// Makes `calls` calls and nothing else: what a profiler is put on.
pub(crate) fn run_for(
    kind: Kind,
    cell: &'static Cell,
    address: SocketAddr,
    calls: u64,
) -> Result<()> {
    let (recorder, callers) = start(kind, cell, address, Some(calls));
    for caller in callers {
        let _ended = caller.join();
    }
    recorder.failure().map_or(Ok(()), Err)
}

/// Asks the server, through the parent, for its CPU time so far.
fn server_us() -> Result<i64> {
    writeln!(stdout(), "usage")?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    answer.trim().parse().context("the server gave no CPU time")
}

fn start(
    kind: Kind,
    cell: &'static Cell,
    address: SocketAddr,
    calls: Option<u64>,
) -> (Arc<Recorder>, Vec<JoinHandle<()>>) {
    let recorder = Arc::new(Recorder::new(cell.threads));
    let callers = kind.visit(Start {
        cell,
        address,
        calls,
        recorder: recorder.clone(),
    });
    (recorder, callers)
}

struct Start {
    cell: &'static Cell,
    address: SocketAddr,
    calls: Option<u64>,
    recorder: Arc<Recorder>,
}

impl Visitor for Start {
    type Output = Vec<JoinHandle<()>>;

    /// A runtime, a connection and an equal share of the load for each of the system's runtimes.
    fn visit<S: System>(self, system: S) -> Vec<JoinHandle<()>> {
        let runtimes = system.client_runtimes(self.cell.threads);
        let threads = self.cell.threads / runtimes;
        let in_flight = match self.cell.load {
            Load::Closed { in_flight } => in_flight / runtimes,
            Load::Open { .. } | Load::Stream { .. } => 0,
        };
        (0..runtimes)
            .map(|shard| {
                let (system, cell, address) = (system.clone(), self.cell, self.address);
                let share = Share {
                    recorder: self.recorder.clone(),
                    shard,
                    in_flight,
                    calls: self.calls.map(|calls| calls / runtimes as u64),
                };
                thread::spawn(move || {
                    let recorder = share.recorder.clone();
                    let load = async {
                        let client = system.connect(address).await?;
                        load::run(client, cell, share).await
                    };
                    let ended = runtime(threads).and_then(|runtime| runtime.block_on(load));
                    if let Err(error) = ended {
                        recorder.fail(error);
                    }
                })
            })
            .collect()
    }
}
