//! Simulation: services, clients, a network and a registry in one thread, on simulated time, with faults that follow from
//! a seed. Needs the feature `sim`.
//!
//! A test starts services on named hosts, injects faults, and checks what its calls return. Hours pass in seconds, since
//! time advances when there is nothing to do. The same seed gives the same run: every latency, every portion of bytes
//! and every pick of a node follows from the seed. When a simulation panics, it prints its seed.
//!
//! ```
//! use std::time::Duration;
//!
//! use micro::{Context, Handler, Result, sim::Simulation};
//!
//! async fn hello(_: Context, name: String) -> Result<String> {
//!     Ok(format!("Hello {name}"))
//! }
//!
//! // Calls succeed although one of two nodes is killed.
//! for seed in 0..10 {
//!     Simulation::new(seed).run(async |world| {
//!         for host in ["one", "two"] {
//!             let greeter = world.service(host, "greeter");
//!             let greeter = greeter.handle("Greeter.Hello", hello.idempotent());
//!             world.serve(host, greeter).await.unwrap();
//!         }
//!         let client = world.client("caller");
//!         let hello = client.method::<String, String>("greeter", "Greeter.Hello");
//!         hello.call(&Context::new(), "John".into()).await.unwrap();
//!
//!         world.kill("one");
//!         for _ in 0..10 {
//!             let cx = Context::new().with_timeout(Duration::from_secs(1));
//!             assert_eq!(hello.call(&cx, "John".into()).await.unwrap(), "Hello John");
//!         }
//!     });
//! }
//! ```
//!
//! What runs in a simulation must take its time from tokio and its randomness from [`World::random`], and must not
//! use threads, files or sockets of the system; otherwise a seed does not repeat its run.

mod clock;
mod connection;
mod host;
mod network;
mod processes;
mod random;
mod registry;
mod world;

pub use host::Host;
pub use network::Network;
pub use random::Random;
pub use registry::Registry;
pub use world::World;

use std::{cell::Cell, rc::Rc, time::Duration};

use tokio::{task::LocalSet, time::sleep_until};

use clock::Clock;
use processes::{Processes, runtime};

/// Settings of a simulation.
#[derive(Clone, Debug)]
#[must_use]
pub struct Simulation {
    seed: u64,
    latency: Duration,
    registry_delay: Duration,
    keeps_trace: bool,
}

/// The result of a simulation, with what happened in it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recording<T> {
    /// The value that the simulation returned.
    pub value: T,
    /// A hash of all that happened on the network, which is the same for equal runs.
    pub hash: u64,
    /// The trace, a line for each event; empty unless [`Simulation::keep_trace`] was called.
    pub trace: Vec<String>,
    /// Tasks of the caller's runtime that were left when everything had been dropped.
    pub tasks_left: usize,
}

impl Simulation {
    /// Creates the simulation of a seed, with a latency of up to 2 ms.
    pub fn new(seed: u64) -> Self {
        Simulation {
            seed,
            latency: network::LATENCY,
            registry_delay: Duration::from_millis(30),
            keeps_trace: false,
        }
    }

    /// Sets the longest time that bytes are on their way; the shortest is a tenth of it.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Sets the longest time that a request to the registry takes, and a notification of a change. Default: 30 ms.
    pub fn registry_delay(mut self, delay: Duration) -> Self {
        self.registry_delay = delay;
        self
    }

    /// Keeps the trace, for [`record`](Self::record).
    pub fn keep_trace(mut self) -> Self {
        self.keeps_trace = true;
        self
    }

    /// Runs a simulation, and returns the value of `play`.
    ///
    /// # Panics
    /// If `play` panics; the seed is printed first.
    pub fn run<T>(self, play: impl AsyncFnOnce(World) -> T) -> T {
        self.record(play).value
    }

    /// Runs a simulation, and returns the value of `play` with what happened.
    ///
    /// # Panics
    /// If `play` panics; the seed is printed first.
    pub fn record<T>(self, play: impl AsyncFnOnce(World) -> T) -> Recording<T> {
        let _seed = PrintedSeed(self.seed);
        let runtime = runtime();
        let local = LocalSet::new();
        let (clock, processes) = {
            let _inside = runtime.enter();
            let clock = Clock::new();
            (clock.clone(), Processes::new(&clock))
        };
        let anchor = clock.anchor();
        let turn = Rc::new(Cell::new(TURN));
        let mut random = Random::new(self.seed);
        let network = Network::simulated(random.fork(), &clock, self.latency, self.keeps_trace);
        let registry = Registry::simulated(random.fork(), &clock, self.registry_delay);
        let world = World::new(
            network.clone(),
            registry,
            processes.clone(),
            random,
            clock.clone(),
            turn.clone(),
        );
        let mut playing = Box::pin(play(world));
        let mut time = Duration::ZERO;
        let value = loop {
            time += turn.get();
            clock.enter(anchor);
            let turn = async {
                tokio::select! {
                    biased;
                    value = &mut playing => Some(value),
                    () = sleep_until(anchor.own(time)) => None,
                }
            };
            if let Some(value) = local.block_on(&runtime, turn) {
                break value;
            }
            processes.run_until(time);
        };
        drop((playing, local, processes));
        let (hash, trace) = network.trace();
        Recording {
            value,
            hash,
            trace,
            tasks_left: runtime.metrics().num_alive_tasks(),
        }
    }
}

/// The turn of a process, after which the next one runs.
const TURN: Duration = Duration::from_millis(1);

/// Prints the seed when a simulation panics.
struct PrintedSeed(u64);

impl Drop for PrintedSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the simulation that panicked has the seed {}", self.0);
        }
    }
}
