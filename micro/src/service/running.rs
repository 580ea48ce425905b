//! A service that is live: what it opens, how it registers, and the order in which it ends.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{
    Lifecycle, Service,
    hooks::{Hooks, Started},
    registration::Registration,
};
use crate::runtime::Signals;
use micro_core::{
    address::advertised,
    call::Identity,
    client::Client,
    error::{Error, Result},
    net::{Listener, io::host_of},
    node::Node,
    random::Rng,
    registry::Registry,
    server::{Assembly, Blueprint, Status, Subscribers},
    transport::addressee::IdentityCheck,
};

/// How long calls may take to end at the least, where serving on took all the time there was, unless the limit itself is
/// shorter.
const LEAST_DRAIN: Duration = Duration::from_millis(500);
/// How long connections may take to end once they are broken off.
const CLOSING: Duration = Duration::from_millis(200);

/// A service that is live.
pub struct Running {
    node: Node,
    client: Client,
    registry: Arc<dyn Registry>,
    listener: Box<dyn Listener>,
    /// At the address of operational endpoints, if they have one.
    ops_listener: Option<Box<dyn Listener>>,
    subscribers: Option<Subscribers>,
    /// Once it is registered.
    renewal: Option<JoinHandle<()>>,
    lifecycle: Lifecycle,
    status: Arc<Status>,
    rng: Rng,
    /// Until the service registers.
    hooks: Option<Hooks>,
    /// From then on.
    started: Option<Started>,
}

impl Running {
    pub(super) async fn start(service: Service, workers: Vec<Handle>) -> Result<Self> {
        let mut running = Self::open(service, workers).await?;
        running.register().await?;
        Ok(running)
    }

    /// Listens and subscribes; the registry does not know of it yet.
    pub(super) async fn open(mut service: Service, workers: Vec<Handle>) -> Result<Self> {
        service.lifecycle.settle(service.timing_said)?;
        let plugins = service.all_plugins().called_by(&service.name);
        plugins.check()?;
        let parts = plugins.clone();
        service.client.settle(move || parts.parts());
        let registry = plugins.open_registry()?;
        let transport = plugins.open_transport(workers.clone());
        let status = Arc::new(Status::new());
        let client = service.client.clone();
        status.discovers(move || client.discovery_ages());
        let mut checks = service.health_checks;
        checks.set_timeout(service.ops.health_check_timeout);
        status.check(checks);
        if let Some(metrics) = service.metrics {
            status.measure(metrics);
        }
        let id = service.id.unwrap_or_else(Node::random_id);
        let identity = Identity::new(&service.name, &format!("{}-{id}", service.name));
        let address = service.address.as_deref();
        let address = address.unwrap_or(transport.default_address());
        let mut hosts = service.hosts;
        let own = [
            Some(address),
            service.advertise.as_deref(),
            service.ops.address.as_deref(),
        ];
        hosts.extend(own.into_iter().flatten().filter_map(host_of));
        let (layers, ops_layers) = (service.layers, service.ops_layers);
        let ops_address = service.ops.address.clone();
        // Before the first connection comes, which may be meant for whoever had the address before.
        let Assembly {
            admission,
            operations,
            endpoints,
        } = Blueprint {
            identity: &identity,
            router: service.router,
            codecs: plugins.codecs(),
            status: &status,
            layered: &|table| (!layers.is_empty()).then(|| layers.stack(table)),
            cover: Box::new(move |call| ops_layers.stack(call)),
            ops: service.ops,
            hosts,
            concurrency: service.lifecycle.concurrency,
        }
        .assemble()?;
        let listener = transport.listen(address, admission.clone()).await?;
        status.counts(listener.counters());
        let ops_listener = match (ops_address, operations) {
            (Some(address), Some(call)) => Some(transport.listen(&address, call).await?),
            _ => None,
        };
        // Behind an address that was given there may be several nodes of this service.
        let checked = match service.advertise {
            None => IdentityCheck::Node,
            Some(_) => IdentityCheck::Service,
        };
        let others = !registry.is_of_this_machine();
        let said = service.advertise.as_deref();
        let address = advertised(said, &listener.address(), others)?;
        let mut node = Node::new(&*identity.service, &*identity.node, address)
            .with_version(service.version)
            .with_endpoints(endpoints);
        status.identify(&node.service, &node.id);
        *node.metadata_mut() = service.metadata;
        let protocols = transport.protocols().join(",");
        let own = [
            ("protocols", &*protocols),
            ("transport", transport.name()),
            ("registry", registry.name()),
            ("broker", plugins.broker_name()),
            ("server", "micro"),
        ];
        for (name, value) in transport.metadata().into_iter().chain(own) {
            node.metadata_mut()
                .entry(name.into())
                .or_insert(value.into());
        }
        checked.write(&mut node);
        let subscribers = match service.topics.is_empty() {
            true => None,
            false => {
                let broker = service.client.broker();
                if let Some(events) = broker.attach(&node.address) {
                    admission.take_events(events);
                }
                let (topics, name) = (service.topics, &service.name);
                Some(Subscribers::start(broker, topics, name, admission, &workers).await?)
            }
        };
        Ok(Running {
            node,
            client: service.client,
            registry,
            listener,
            ops_listener,
            subscribers,
            renewal: None,
            lifecycle: service.lifecycle,
            status,
            rng: plugins.rng(),
            hooks: Some(service.hooks),
            started: None,
        })
    }

    /// Runs the start hooks, starts background tasks, and registers the service, again and again; a registry elsewhere
    /// that is away is waited for meanwhile.
    pub(super) async fn register(&mut self) -> Result<()> {
        if let Some(hooks) = self.hooks.take() {
            self.started = Some(hooks.start(&self.status).await?);
        }
        let node = &self.node;
        let mut registration = Registration::new(
            self.registry.clone(),
            node.clone(),
            &self.lifecycle,
            self.status.clone(),
            Rng::seeded(self.rng.number()),
        );
        self.warn_of_loopback();
        let failure = registration.begin().await?;
        tracing::info!(
            service = node.service,
            version = node.version,
            id = node.id,
            address = node.address,
            listening = self.listener.address(),
            registry = self.registry.name(),
            registered = failure.is_none(),
            "serving"
        );
        self.renewal = Some(tokio::spawn(registration.run(failure)));
        Ok(())
    }

    /// Tells its log and its health that callers on other machines cannot reach it, though they find it.
    fn warn_of_loopback(&self) {
        let Node { address, id, .. } = &self.node;
        let reads = self.registry.is_read_only();
        if reads || self.registry.is_of_this_machine() || !self.node.is_loopback() {
            return;
        }
        let registry = self.registry.name();
        let warning = format!(
            "`{address}` is registered in `{registry}`, and only this machine reaches it; set `--server-address` or \
             `--server-advertise`"
        );
        tracing::warn!(id, address, registry, "{warning}");
        self.status.warn(warning);
    }

    /// Its record, with the address that was bound.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The address that was bound for operational endpoints, if they have one of their own.
    pub fn ops_address(&self) -> Option<String> {
        let listener = self.ops_listener.as_ref();
        listener.map(|listener| listener.address())
    }

    /// The client of this service; the one that [`Service::client`] returns.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Serves until SIGTERM or SIGINT, then stops as [`stop`](Self::stop) does. A second signal ends the process at once.
    ///
    /// For a `main` of one's own; [`Service::run`] does the same with a runtime a core.
    ///
    /// ```no_run
    /// # use micro::{Result, Service};
    /// #[tokio::main]
    /// async fn main() -> Result<()> {
    ///     let running = Service::new("greeter").serve().await?;
    ///     running.until_signal().await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Code::Internal`](micro_core::Code::Internal) if signals cannot be received.
    pub async fn until_signal(self) -> Result<()> {
        let mut signals = Signals::listen()?;
        signals.next().await;
        signals.during(self.stop()).await;
        Ok(())
    }

    /// Ends it without losing a call: not ready, deregister, serve on for a moment, go away, drain, close.
    ///
    /// Takes at most a second longer than [`Lifecycle::drain`], or than [`Lifecycle::deregister_delay`] where that is longer.
    pub async fn stop(mut self) {
        self.status.leaving();
        if let Some(renewal) = &mut self.renewal {
            renewal.abort();
            let _ = renewal.await;
        }
        let Lifecycle {
            deregister_delay,
            drain,
            ..
        } = self.lifecycle;
        let began = Instant::now();
        let subscribers = self.subscribers.take();
        let events = async {
            let limit = drain.max(deregister_delay);
            if let Some(subscribers) = subscribers {
                subscribers.stop(limit).await;
            }
            // What handlers published to the last, too.
            let flushed = timeout_at(began + limit, self.client.broker().flush()).await;
            if flushed.is_err() {
                tracing::warn!(
                    ?limit,
                    "events that were published were not delivered in time"
                );
            }
        };
        let calls = async {
            let limit = (drain / 2).max(LEAST_DRAIN);
            let deregistered = timeout(limit, self.registry.deregister(&self.node)).await;
            let late = |_| Err(Error::deadline_exceeded("the registry did not answer"));
            if let Err(error) = deregistered.unwrap_or_else(late) {
                tracing::warn!(%error, "could not deregister; callers will find out by themselves");
            }
            // In full, unless the registry took so long that the whole exit would last longer than it may.
            let heard = Instant::now() + deregister_delay;
            sleep_until(heard.min(began + drain.max(deregister_delay))).await;
            self.listener.go_away().await;
            let until = (began + drain).max(Instant::now() + drain.min(LEAST_DRAIN));
            if timeout_at(until, self.listener.drained()).await.is_err() {
                tracing::warn!(limit = ?drain, "calls in flight did not end in time");
            }
        };
        let mut started = self.started.take();
        let tasks = async {
            if let Some(started) = &mut started {
                started.end_tasks(began + drain.max(deregister_delay)).await;
            }
        };
        tokio::join!(events, calls, tasks);
        if timeout(CLOSING, self.listener.close()).await.is_err() {
            tracing::warn!(limit = ?CLOSING, "connections did not end; a handler holds their thread");
        }
        if let Some(listener) = &self.ops_listener {
            // Probes are answered until the last call has ended.
            let _ = timeout(CLOSING, listener.close()).await;
        }
        if let Some(started) = &mut started {
            let limit = (began + drain).max(Instant::now() + drain.min(LEAST_DRAIN));
            started.run_stop_hooks(limit).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(renewal) = &self.renewal {
            renewal.abort();
        }
    }
}
