//! A running service: what it opens, how it registers, and the order in which it ends.

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

/// The time that calls have to end, if serving on has used up the limit. Shorter only if the limit itself is.
const LEAST_DRAIN: Duration = Duration::from_millis(500);
/// How long connections may take to end after they are aborted.
const CLOSING: Duration = Duration::from_millis(200);

/// A running service.
pub struct Running {
    node: Node,
    client: Client,
    registry: Arc<dyn Registry>,
    listener: Box<dyn Listener>,
    /// The listener of operational endpoints, if they have an address of their own.
    ops_listener: Option<Box<dyn Listener>>,
    subscribers: Option<Subscribers>,
    /// `Some` when the service is registered.
    renewal: Option<JoinHandle<()>>,
    lifecycle: Lifecycle,
    status: Arc<Status>,
    rng: Rng,
    /// What is held until the service registers.
    hooks: Option<Hooks>,
    /// What is held from the registration on.
    started: Option<Started>,
}

impl Running {
    pub(super) async fn start(service: Service, workers: Vec<Handle>) -> Result<Self> {
        let mut running = Self::open(service, workers).await?;
        running.register().await?;
        Ok(running)
    }

    /// Listens and subscribes, without registering yet.
    pub(super) async fn open(mut service: Service, workers: Vec<Handle>) -> Result<Self> {
        service.lifecycle.settle(service.is_timing_set)?;
        let plugins = service.all_plugins().caller(&service.name);
        plugins.check()?;
        let parts = plugins.clone();
        service.client.set_parts(move || parts.parts());
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
        // Before the first connection is accepted, which may be meant for the process that had this address before.
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
        // Several nodes of this service may be behind a given address.
        let checked = match service.advertise {
            None => IdentityCheck::Node,
            Some(_) => IdentityCheck::Service,
        };
        let others = !registry.is_of_this_machine();
        let advertise = service.advertise.as_deref();
        let address = advertised(advertise, &listener.address(), others)?;
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

    /// Runs the start hooks, starts background tasks, and registers the service; a remote registry that is unreachable is
    /// retried in the background.
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

    /// Logs, and reports in the service's health, that callers on other machines find this address but cannot reach it.
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

    /// The service's record, with the bound address.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The bound address of the operational endpoints, if they have one of their own.
    pub fn ops_address(&self) -> Option<String> {
        let listener = self.ops_listener.as_ref();
        listener.map(|listener| listener.address())
    }

    /// The client of this service, which [`Service::client`] returns, too.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Serves until SIGTERM or SIGINT, then stops like [`stop`](Self::stop). A second signal ends the process at once.
    ///
    /// This is for programs with a `main` of their own; [`Service::run`] does the same with a runtime for each core.
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

    /// Ends the service without losing a call: not ready, deregister, serve on for a moment, send go-away, drain, close.
    ///
    /// Takes at most a second longer than [`Lifecycle::drain`], or than [`Lifecycle::deregister_delay`] if that is longer.
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
            // Includes events that handlers published until the end.
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
            // The whole delay, unless deregistering took so long that the exit would exceed its limit.
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
