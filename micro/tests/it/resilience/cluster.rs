//! A few hosts, their network and their registry.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use micro::{Client, Context, Plugins, Result, Running, Service, Socket, client::Method, sim};

/// What every test is played in.
pub(super) struct Cluster {
    pub(super) network: sim::Network,
    pub(super) registry: sim::Registry,
}

impl Cluster {
    pub(super) fn new() -> Self {
        Cluster {
            network: sim::Network::new(1),
            registry: sim::Registry::new(2, Duration::ZERO),
        }
    }

    pub(super) fn plugins(&self, host: &str) -> Plugins {
        Plugins::new()
            .registry(self.registry.clone())
            .socket(Socket::new().network(self.network.host(host)))
            .discovery(|options| options.seed = Some(3))
    }

    /// A service on a host of its own, to be given endpoints.
    pub(super) fn service(&self, host: &str, name: &str) -> Service {
        Service::new(name)
            .id(host)
            .address(format!("{host}:80"))
            .plugins(self.plugins(host))
    }

    /// Someone who calls from the host `edge`.
    pub(super) fn client(&self) -> Client {
        self.plugins("edge").client().unwrap()
    }

    /// A service `text` on a host, whose `Text.Echo` is counted and gives back what it gets.
    pub(super) async fn echo(&self, host: &str) -> (Running, Count) {
        let count = Count::default();
        let counted = count.clone();
        let echo = move |_: Context, text: String| {
            counted.add();
            async move { Ok::<_, micro::Error>(text) }
        };
        let service = self.service(host, "text").handle("Text.Echo", echo);
        (service.serve().await.unwrap(), count)
    }
}

/// `Text.Echo` of the service `text`.
pub(super) fn echo(client: &Client) -> Method<String, String> {
    client.method("text", "Text.Echo")
}

/// One call of an endpoint by its method.
pub(super) async fn call(method: &Method<String, String>) -> Result<String> {
    method.call(&Context::new(), "x".into()).await
}

/// Counts what was done.
#[derive(Clone, Default)]
pub(super) struct Count(Arc<AtomicU32>);

impl Count {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(super) fn take(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    pub(super) fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

/// Counts itself while it lives.
pub(super) struct Guard(Count);

impl Guard {
    pub(super) fn of(count: &Count) -> Self {
        count.add();
        Guard(count.clone())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.take();
    }
}

pub(super) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
