//! The client's process: its main thread times the window, the others make the calls.

use super::{CLIENT_CPU, pin, usage};
use crate::{
    cell::{Cell, Load},
    generator,
    load::{self, Recorder, Share, Stop},
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

/// The figures of a measurement.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Calls, or messages echoed on a stream.
    pub(crate) calls: u64,
    pub(crate) seconds: f64,
    /// CPU time of the window, in microseconds.
    pub(crate) client_us: f64,
    pub(crate) server_us: f64,
    /// Latencies in microseconds; meaningless for streams.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// Runs the load, warms up, measures a window and prints the sample.
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
    let RunningLoad { recorder, stop, .. } = start(kind, cell, address, None);
    thread::sleep(warm_up);
    let server = server_us()?;
    let client = usage::cpu_us()?;
    let begun = Instant::now();
    recorder.take();
    thread::sleep(window);
    // In the order of their start, so that all windows are equally long.
    let server_us = server_us()? - server;
    let client_us = usage::cpu_us()? - client;
    let seconds = begun.elapsed().as_secs_f64();
    let counts = recorder.take();
    stop.set();
    if let Some(error) = load::failure(&recorder) {
        return Err(error);
    }
    ensure!(
        counts.calls() > 0,
        "no call of `{}` was answered",
        kind.name()
    );
    let micros = |percentile| counts.percentile(percentile).as_nanos() as f64 / 1e3;
    let sample = Sample {
        calls: counts.calls(),
        seconds,
        client_us: client_us as f64,
        server_us: server_us as f64,
        p50_us: micros(50.0),
        p99_us: micros(99.0),
    };
    writeln!(stdout(), "{}", serde_json::to_string(&sample)?)?;
    Ok(())
}

/// Makes `calls` calls and nothing else, for a profiler.
pub(crate) fn run_for(
    kind: Kind,
    cell: &'static Cell,
    address: SocketAddr,
    calls: u64,
) -> Result<()> {
    let load = start(kind, cell, address, Some(calls));
    let _ended = load.thread.join();
    load::failure(&load.recorder).map_or(Ok(()), Err)
}

/// The server's CPU time so far, asked through the parent.
fn server_us() -> Result<i64> {
    writeln!(stdout(), "usage")?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    answer.trim().parse().context("the server gave no CPU time")
}

fn start(kind: Kind, cell: &'static Cell, address: SocketAddr, calls: Option<u64>) -> RunningLoad {
    let recorder = load::recorder(cell.threads);
    let stop = Stop::default();
    let thread = kind.visit(Start {
        cell,
        address,
        calls,
        recorder: recorder.clone(),
        stop: stop.clone(),
    });
    RunningLoad {
        recorder,
        stop,
        thread,
    }
}

/// A load and its thread.
struct RunningLoad {
    recorder: Arc<Recorder>,
    stop: Stop,
    thread: JoinHandle<()>,
}

struct Start {
    cell: &'static Cell,
    address: SocketAddr,
    calls: Option<u64>,
    recorder: Arc<Recorder>,
    stop: Stop,
}

impl Visitor for Start {
    type Output = JoinHandle<()>;

    /// An equal share of the load for each of the system's runtimes.
    fn visit<S: System>(self, system: S) -> JoinHandle<()> {
        let Start {
            cell,
            address,
            calls,
            recorder,
            stop,
        } = self;
        let runtimes = system.client_runtimes(cell.threads);
        let in_flight = match cell.load {
            Load::Closed { in_flight } => in_flight / runtimes,
            Load::Open { .. } | Load::Stream { .. } => 0,
        };
        let share = Share {
            recorder: recorder.clone(),
            stop,
            shard: 0,
            in_flight,
            calls: calls.map(|calls| calls / runtimes as u64),
        };
        let load = move |client, shard| {
            let share = Share {
                shard,
                ..share.clone()
            };
            async move {
                let recorder = share.recorder.clone();
                if let Err(error) = generator::run(client, cell, share).await {
                    recorder.fail(error);
                }
            }
        };
        thread::spawn(move || {
            if let Err(error) = system.run_client(address, cell.threads, load) {
                recorder.fail(error);
            }
        })
    }
}
