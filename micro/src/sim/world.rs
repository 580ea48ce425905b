//! What a simulation controls: hosts with their processes, the network, the registry and time.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

use micro_core::{Client, Plugins, Result, Socket};
use tokio::sync::oneshot;

use super::{
    clock::Clock, network::Network, processes::Processes, random::Random, registry::Registry,
};
use crate::service::Service;

/// The turns of processes during [`World::advance`], in which little happens.
const LONG_TURN: Duration = Duration::from_millis(20);

/// The control of a simulation. Clones control the same one.
#[derive(Clone)]
pub struct World(Rc<Inner>);

struct Inner {
    network: Network,
    registry: Registry,
    processes: Processes,
    random: RefCell<Random>,
    clock: Clock,
    turn: Rc<Cell<Duration>>,
    /// By host: the number of processes so far.
    starts: RefCell<BTreeMap<String, u32>>,
    /// By host: how to stop the service that runs there.
    services: RefCell<BTreeMap<String, Stop>>,
}

/// Asks a service to stop, and receives when it has.
type Stop = (oneshot::Sender<()>, oneshot::Receiver<()>);

impl World {
    pub(super) fn new(
        network: Network,
        registry: Registry,
        processes: Processes,
        random: Random,
        clock: Clock,
        turn: Rc<Cell<Duration>>,
    ) -> Self {
        World(Rc::new(Inner {
            network,
            registry,
            processes,
            random: random.into(),
            clock,
            turn,
            starts: RefCell::default(),
            services: RefCell::default(),
        }))
    }

    /// Returns the network, to inject faults.
    pub fn network(&self) -> &Network {
        &self.0.network
    }

    /// Returns the registry, to inject faults.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Returns a source of random numbers that follow from the seed.
    pub fn random(&self) -> Random {
        self.0.random.borrow_mut().fork()
    }

    /// Returns the time since the start of the simulation.
    pub fn elapsed(&self) -> Duration {
        self.0.clock.now()
    }

    /// Adds a line to the trace.
    pub fn note(&self, event: &str) {
        self.0.network.note(event);
    }

    /// Returns the parts of a process on a host, for clients and services with layers or settings of their own: the
    /// registry of the simulation, a socket on its network, and seeds.
    pub fn plugins(&self, host: &str) -> Plugins {
        let id = {
            let mut starts = self.0.starts.borrow_mut();
            let count = starts.entry(host.to_owned()).or_default();
            *count += 1;
            format!("{host}-{count}")
        };
        let seed = self.random().number();
        Plugins::new()
            .registry(self.0.registry.clone())
            .socket(Socket::new().network(self.0.network.host(host)))
            .discovery(|options| options.seed = Some(seed))
            .direct(|direct| {
                direct.address = Some(format!("{host}:81"));
                direct.id = Some(id);
            })
    }

    /// Returns a client on a host, which runs beside the code of the simulation.
    ///
    /// # Panics
    /// Never: the parts of [`plugins`](Self::plugins) fit together.
    pub fn client(&self, host: &str) -> Client {
        let client = self.plugins(host).client();
        client.expect("the parts of a simulation fit together")
    }

    /// Returns a service that listens on a host, at port 80. Add handlers, and start it with [`serve`](Self::serve).
    pub fn service(&self, host: &str, name: &str) -> Service {
        let plugins = self.plugins(host);
        let count = self.0.starts.borrow().get(host).copied();
        Service::new(name)
            .id(format!("{host}-{}", count.unwrap_or_default()))
            .address(format!("{host}:80"))
            .plugins(plugins)
    }

    /// Starts a service as the process of a host. A process that the host has already is killed.
    ///
    /// # Errors
    /// Those of [`Service::serve`].
    pub async fn serve(&self, host: &str, service: Service) -> Result<()> {
        let (stop, stopping) = oneshot::channel();
        let (ending, ended) = oneshot::channel();
        let (starting, started) = oneshot::channel();
        self.kill(host);
        self.start(host, async move {
            match service.serve().await {
                Ok(running) => {
                    let _ = starting.send(Ok(()));
                    let _ = stopping.await;
                    running.stop().await;
                    let _ = ending.send(());
                }
                Err(error) => drop(starting.send(Err(error))),
            }
        });
        let result = started.await.unwrap_or_else(|_| {
            Err(micro_core::Error::aborted(format!(
                "the process of host `{host}` was killed while it started"
            )))
        });
        match result {
            Ok(()) => {
                let mut services = self.0.services.borrow_mut();
                services.insert(host.to_owned(), (stop, ended));
            }
            Err(_) => self.kill(host),
        }
        result
    }

    /// Stops the service of a host in order, as SIGTERM does, and waits until it has ended. Does nothing if the host
    /// has no service.
    pub async fn stop(&self, host: &str) {
        let service = self.0.services.borrow_mut().remove(host);
        if let Some((stop, ended)) = service {
            let _ = stop.send(());
            // An error means that it was killed meanwhile.
            let _ = ended.await;
        }
    }

    /// Kills the process of a host, as SIGKILL does: its connections break.
    pub fn kill(&self, host: &str) {
        self.0.services.borrow_mut().remove(host);
        self.0.processes.kill(host);
        self.0.network.close(host);
    }

    /// Whether a service runs on a host.
    pub fn is_serving(&self, host: &str) -> bool {
        self.0.services.borrow().contains_key(host)
    }

    /// Stops the process of a host as SIGSTOP does, until [`thaw`](Self::thaw). Its connections stay open.
    pub fn freeze(&self, host: &str) {
        self.0.processes.freeze(host, true);
    }

    /// Lets a frozen process continue.
    pub fn thaw(&self, host: &str) {
        self.0.processes.freeze(host, false);
    }

    /// Runs `main` as the process of a host, with a runtime of its own. A process that the host has already is killed.
    pub fn start(&self, host: &str, main: impl Future<Output = ()> + Send + 'static) {
        self.0.processes.start(host, main);
    }

    /// Returns how many tasks the process of a host has.
    pub fn tasks(&self, host: &str) -> usize {
        self.0.processes.tasks(host)
    }

    /// Lets time pass, in coarser steps than a sleep: for long waits in which little happens.
    pub async fn advance(&self, duration: Duration) {
        let turn = self.0.turn.replace(LONG_TURN);
        tokio::time::sleep(duration).await;
        self.0.turn.set(turn);
    }
}
