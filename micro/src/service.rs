//! A service: its name, what it serves, and its life from listening to the last answer.

mod renewal;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{runtime::Handle, task::JoinHandle};

use crate::{
    call::Identity,
    client::Client,
    codec::Codec,
    error::Result,
    middleware::{Layer, Layers},
    plugins::Plugins,
    registry::{Node, Registry},
    runtime::Signals,
    selector::Rng,
    server::{Assembly, Blueprint, Handler, Ops, Router, Routes, Status, Subscribers, Topic},
    settings::Settings,
    transport::{
        Checked, Listener,
        io::{host_of, read_hosts},
    },
};
use renewal::Renewal;

/// A service being put together; [`Service::run`] makes it live.
///
/// ```no_run
/// use micro::{Context, Result, Service};
///
/// async fn upper(_: Context, text: String) -> Result<String> {
///     Ok(text.to_uppercase())
/// }
///
/// fn main() -> Result<()> {
///     Service::new("text").handle("Text.Upper", upper).run()
/// }
/// ```
#[must_use = "a service does nothing until it is run"]
pub struct Service {
    name: String,
    version: String,
    id: Option<String>,
    address: Option<String>,
    advertise: Option<String>,
    metadata: BTreeMap<String, String>,
    router: Router,
    topics: Vec<Topic>,
    layers: Layers,
    /// Those of them that cover operational endpoints too.
    ops_layers: Layers,
    ops: Ops,
    hosts: Vec<String>,
    plugins: Plugins,
    settings: Option<Settings>,
    client: Client,
    lifecycle: Lifecycle,
}

/// Numbers of a service's life, each with its default.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Lifecycle {
    /// For how long a registration lasts unrenewed. 60 s, as go-micro's.
    pub register_ttl: Duration,
    /// How often it is renewed, or up to a fifth sooner. 30 s, as go-micro's; each second after a failure.
    pub register_interval: Duration,
    /// How long it goes on serving once deregistered, until everyone has heard. 1 s, as go-zero's.
    pub propagation: Duration,
    /// How long calls in flight may take to end. 10 s.
    pub drain: Duration,
    /// Requests at work before more are refused. 10,000.
    pub concurrency: usize,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Lifecycle {
            register_ttl: Duration::from_secs(60),
            register_interval: Duration::from_secs(30),
            propagation: Duration::from_secs(1),
            drain: Duration::from_secs(10),
            concurrency: 10_000,
        }
    }
}

impl Service {
    /// A service of a name, without endpoints, with every default.
    pub fn new(name: impl Into<String>) -> Self {
        Service {
            name: name.into(),
            version: "latest".into(),
            id: None,
            address: None,
            advertise: None,
            metadata: BTreeMap::new(),
            router: Router::new(),
            topics: Vec::new(),
            layers: Layers::new(),
            ops_layers: Layers::new(),
            ops: Ops::default(),
            hosts: Vec::new(),
            plugins: Plugins::default(),
            settings: None,
            client: Client::late(|| Plugins::new().parts()),
            lifecycle: Lifecycle::default(),
        }
    }

    /// The version it registers as; `latest` if unsaid.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// The node's id after the service's name and a hyphen; random if unsaid.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Where it listens: `host:port`, port 0 for any free one, or `unix:PATH`.
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// The address it registers, where that differs from the one it listens at.
    pub fn advertise(mut self, address: impl Into<String>) -> Self {
        self.advertise = Some(address.into());
        self
    }

    /// Adds an entry to the node's metadata.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(name.into(), value.into());
        self
    }

    /// Adds an endpoint.
    pub fn handle<Args: 'static>(mut self, name: &str, handler: impl Handler<Args>) -> Self {
        self.router = self.router.handle(name, handler);
        self
    }

    /// Adds endpoints, such as those of a `#[micro::service]` trait.
    pub fn routes(mut self, routes: impl Routes) -> Self {
        self.router = self.router.merge(routes);
        self
    }

    /// Handles every event of a topic, in each instance of the service: a handler like any other, whose
    /// success acknowledges the event.
    ///
    /// ```
    /// use micro::{Context, Result, Service};
    ///
    /// async fn welcome(_: Context, name: String) -> Result<()> {
    ///     println!("welcome, {name}");
    ///     Ok(())
    /// }
    ///
    /// let service = Service::new("welcome").subscribe_queue("user.created", "welcome", welcome);
    /// ```
    pub fn subscribe<Args: 'static>(self, topic: &str, handler: impl Handler<Args>) -> Self {
        self.subscribe_as(topic, None, handler)
    }

    /// Handles a share of the events of a topic: each goes to one of all who subscribe with this queue,
    /// and to another of them when that one fails. It may so be handled twice, never by no one unnoticed.
    pub fn subscribe_queue<Args: 'static>(
        self,
        topic: &str,
        queue: &str,
        handler: impl Handler<Args>,
    ) -> Self {
        self.subscribe_as(topic, Some(queue), handler)
    }

    fn subscribe_as<Args: 'static>(
        mut self,
        topic: &str,
        queue: Option<&str>,
        handler: impl Handler<Args>,
    ) -> Self {
        let topic = Topic {
            name: topic.to_owned(),
            queue: queue.map(str::to_owned),
        };
        self.router = self.router.subscribe(&topic, handler);
        self.topics.push(topic);
        self
    }

    /// Puts a layer around the handlers, inside those added before; see
    /// [`middleware`](crate::middleware). Operational endpoints, such as `/health` and `Debug.Health`, do not go
    /// through it: probes are answered whatever it does.
    pub fn layer(mut self, layer: impl Layer) -> Self {
        self.layers.push(Arc::new(layer));
        self
    }

    /// Puts a layer around the handlers and around operational endpoints, inside those added before. A probe
    /// that it refuses or holds up fails.
    pub fn layer_all(mut self, layer: impl Layer) -> Self {
        let layer: Arc<dyn Layer> = Arc::new(layer);
        self.layers.push(layer.clone());
        self.ops_layers.push(layer);
        self
    }

    /// Changes which operational endpoints there are, where, and how many requests they take.
    ///
    /// ```
    /// let service = micro::Service::new("greeter").ops(|ops| {
    ///     ops.address = Some("127.0.0.1:9100".into());
    ///     ops.reflection = false;
    /// });
    /// ```
    pub fn ops(mut self, change: impl FnOnce(&mut Ops)) -> Self {
        change(&mut self.ops);
        self
    }

    /// Lets HTTP requests that come over loopback be addressed to this host, or to any by `*`, beside loopback's
    /// own names and the host that is advertised. Others are refused, as pages of other sites send them by DNS
    /// rebinding.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// Adds a codec of one's own.
    pub fn codec(mut self, codec: impl Codec) -> Self {
        self.plugins = self.plugins.codec(codec);
        self
    }

    /// Listens and calls with this TLS; it is [`Plugins::tls`], so say it after [`Service::plugins`].
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: crate::transport::Tls) -> Self {
        self.plugins = self.plugins.tls(tls);
        self
    }

    /// Uses these plugins, unless the settings name others.
    pub fn plugins(mut self, plugins: Plugins) -> Self {
        self.plugins = plugins;
        self
    }

    /// Lets these settings have their say, over all that is said in code; see
    /// [`settings`](crate::settings).
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// Changes the numbers of its life.
    pub fn lifecycle(mut self, change: impl FnOnce(&mut Lifecycle)) -> Self {
        change(&mut self.lifecycle);
        self
    }

    /// A client for its handlers; every call gives the same one.
    ///
    /// It is made when it is first used, of the plugins that the service has by then: those it runs
    /// with, settings and all, when the first call is made by a handler.
    pub fn client(&self) -> Result<Client> {
        let plugins = self.plugins.clone().called_by(&self.name);
        self.client.settle(move || plugins.parts());
        Ok(self.client.clone())
    }

    /// Serves in the caller's runtime until [`Running::stop`].
    ///
    /// A registry that is a server elsewhere and cannot be reached does not keep it from serving: its health says that it
    /// is not registered and why, and it registers when it can. One that refuses fails this.
    ///
    /// Reads neither environment nor command line: whoever embeds a service has their own. What
    /// [`Service::settings`] was given counts.
    pub async fn serve(mut self) -> Result<Running> {
        if let Some(settings) = self.settings.take() {
            self.configure(&settings)?;
        }
        Running::start(self, Vec::new()).await
    }

    /// Serves in the caller's runtime and hands connections round `runtimes`, such as those that
    /// [`runtime::run_on`](crate::runtime::run_on) gives.
    pub async fn serve_on(self, runtimes: Vec<Handle>) -> Result<Running> {
        Running::start(self, runtimes).await
    }

    /// Serves with a runtime a core until SIGTERM or SIGINT, then drains and returns; one that comes while
    /// it starts ends it in the same order.
    ///
    /// A second signal ends the process at once. The environment and the command line have their say
    /// (see [`settings`](crate::settings)), unless what [`Service::settings`] was given has been read
    /// from elsewhere.
    ///
    /// What it tells of itself it tells through `tracing`, and it installs no subscriber: without one
    /// nothing is printed. `tracing_subscriber::fmt::init()`, first thing in `main`, prints it.
    pub fn run(mut self) -> Result<()> {
        let settings = self.settings.take().unwrap_or_default().complete()?;
        self.configure(&settings)?;
        crate::runtime::run(|workers| async move {
            // Before there is anything that a signal could cut off.
            let mut signals = Signals::listen()?;
            let mut running = tokio::select! {
                opened = Running::open(self, workers) => opened?,
                () = signals.next() => return Ok(()),
            };
            tokio::select! {
                registered = running.register() => {
                    registered?;
                    signals.next().await;
                }
                // The registry may have heard of it already: `stop` deregisters it.
                () = signals.next() => {}
            }
            tokio::select! {
                () = running.stop() => Ok(()),
                () = signals.next() => {
                    tracing::warn!("a second signal: ending at once");
                    std::process::exit(130);
                }
            }
        })
    }
}

impl Service {
    /// Takes over what the settings say.
    fn configure(&mut self, settings: &Settings) -> Result<()> {
        self.plugins = settings.apply(std::mem::take(&mut self.plugins))?;
        let text = |name| settings.text(name).map(str::to_owned);
        if let Some(name) = text("server-name") {
            self.name = name;
        }
        if let Some(version) = text("server-version") {
            self.version = version;
        }
        self.id = text("server-id").or(self.id.take());
        self.address = text("server-address").or(self.address.take());
        self.advertise = text("server-advertise").or(self.advertise.take());
        self.metadata.extend(settings.metadata()?);
        settings.checked("ops", |names| self.ops.only(names))?;
        self.ops.address = text("ops-address").or(self.ops.address.take());
        if let Some(hosts) = settings.checked("server-allowed-hosts", read_hosts)? {
            self.hosts = hosts;
        }
        let Lifecycle {
            register_ttl,
            register_interval,
            ..
        } = &mut self.lifecycle;
        for (name, value) in [
            ("register-ttl", register_ttl),
            ("register-interval", register_interval),
        ] {
            if let Some(said) = settings.duration(name)? {
                *value = said;
            }
        }
        Ok(())
    }
}

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
}

impl Running {
    async fn start(service: Service, workers: Vec<Handle>) -> Result<Self> {
        let mut running = Self::open(service, workers).await?;
        running.register().await?;
        Ok(running)
    }

    /// Listens and subscribes; the registry does not know of it yet.
    async fn open(service: Service, workers: Vec<Handle>) -> Result<Self> {
        let plugins = service.plugins.called_by(&service.name);
        let parts = plugins.clone();
        service.client.settle(move || parts.parts());
        let registry = plugins.open_registry()?;
        let transport = plugins.open_transport(workers.clone());
        let status = Arc::new(Status::new());
        let client = service.client.clone();
        status.discovers(move || client.discovery_ages());
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
            entrance,
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
        let listener = transport.listen(address, entrance.clone()).await?;
        let ops_listener = match (ops_address, operations) {
            (Some(address), Some(call)) => Some(transport.listen(&address, call).await?),
            _ => None,
        };
        // Behind an address that was given there may be several nodes of this service.
        let checked = match service.advertise {
            None => Checked::Node,
            Some(_) => Checked::Service,
        };
        let address = service.advertise.unwrap_or_else(|| listener.address());
        let mut node = Node::new(&*identity.service, &*identity.node, address)
            .with_version(service.version)
            .with_endpoints(endpoints);
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
                    entrance.take_events(events);
                }
                let (topics, name) = (service.topics, &service.name);
                Some(Subscribers::start(broker, topics, name, entrance, &workers).await?)
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
        })
    }

    /// Registers it, and goes on doing so; a registry elsewhere that is away is waited for meanwhile.
    async fn register(&mut self) -> Result<()> {
        let node = &self.node;
        let mut renewal = Renewal::new(
            self.registry.clone(),
            node.clone(),
            self.lifecycle.clone(),
            self.status.clone(),
            Rng::seeded(self.rng.number()),
        );
        let registered = renewal.begin().await?;
        tracing::info!(
            service = node.service,
            address = node.address,
            id = node.id,
            "serving"
        );
        self.renewal = Some(tokio::spawn(renewal.run(registered)));
        Ok(())
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

    /// A client made of the same plugins; the same one that [`Service::client`] gave.
    pub fn client(&self) -> Result<Client> {
        Ok(self.client.clone())
    }

    /// Ends it without losing a call: not ready, deregister, serve on for a moment, go away, drain, close.
    pub async fn stop(mut self) {
        self.status.leaving();
        if let Some(renewal) = &mut self.renewal {
            renewal.abort();
            let _ = renewal.await;
        }
        let subscribers = self.subscribers.take();
        let patience = self.lifecycle.propagation + self.lifecycle.drain;
        tokio::join!(
            async {
                if let Some(subscribers) = subscribers {
                    subscribers.stop(patience).await;
                }
            },
            async {
                if let Err(error) = self.registry.deregister(&self.node).await {
                    tracing::warn!(%error, "could not deregister; callers will find out by themselves");
                }
                tokio::time::sleep(self.lifecycle.propagation).await;
            }
        );
        self.listener.go_away().await;
        let ended = async {
            tokio::join!(self.listener.drained(), self.client.broker().flush());
        };
        if tokio::time::timeout(self.lifecycle.drain, ended)
            .await
            .is_err()
        {
            tracing::warn!(limit = ?self.lifecycle.drain, "calls in flight did not end in time");
        }
        self.listener.close().await;
        // Probes are answered until the last call has ended.
        if let Some(listener) = &self.ops_listener {
            listener.close().await;
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
