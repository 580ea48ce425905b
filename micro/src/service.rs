//! A service: its name, what it serves, and its life from listening to the last answer.

mod renewal;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout, timeout_at},
};

use crate::{
    address::advertised,
    call::Identity,
    client::Client,
    codec::Codec,
    error::{Error, Result},
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

/// How long calls may take to end at the least, where serving on took all the time there was, unless the limit itself is
/// shorter.
const LEAST_DRAIN: Duration = Duration::from_millis(500);
/// How long connections may take to end once they are broken off.
const CLOSING: Duration = Duration::from_millis(200);

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
    /// Added to the plugins when they are used, so that it does not matter which was said first.
    codecs: Vec<Arc<dyn Codec>>,
    #[cfg(feature = "tls")]
    tls: Option<crate::transport::Tls>,
    settings: Option<Settings>,
    client: Client,
    lifecycle: Lifecycle,
    /// Whether settings gave the time to live and the interval of the registration.
    timing_said: (bool, bool),
}

/// Numbers of a service's life, each with its default.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Lifecycle {
    /// For how long a registration lasts unrenewed. 60 s, as go-micro's.
    pub register_ttl: Duration,
    /// How often it is renewed, or up to a fifth sooner; each second after a failure. 30 s, as go-micro's; a third of
    /// `register_ttl` where that was changed and this was not. More than half of it is an error.
    pub register_interval: Duration,
    /// How long it goes on serving once deregistered, until everyone has heard. 1 s, as go-zero's.
    pub propagation: Duration,
    /// How long calls in flight may take to end, from the moment it deregisters. 10 s. The exit takes at most a second
    /// longer, whatever still runs.
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

impl Lifecycle {
    /// Makes the interval fit the time to live, where only that was changed.
    ///
    /// Fails with [`Code::InvalidArgument`](crate::Code::InvalidArgument) for an interval that leaves no second try.
    fn settle(&mut self, (is_ttl_said, is_interval_said): (bool, bool)) -> Result<()> {
        let usual = Lifecycle::default();
        let (ttl, interval) = (self.register_ttl, self.register_interval);
        if ttl.is_zero() || interval.is_zero() {
            let text = "`--register-ttl` and `--register-interval` must be longer than 0";
            return Err(Error::invalid_argument(text));
        }
        if !is_interval_said && interval == usual.register_interval {
            if is_ttl_said || ttl != usual.register_ttl {
                let third = (ttl / 3).max(Duration::from_millis(1));
                self.register_interval = interval.min(third);
            }
            return Ok(());
        }
        if interval > ttl / 2 {
            return Err(Error::invalid_argument(format!(
                "`--register-interval` is {interval:?}, and `--register-ttl` {ttl:?}: a registration would lapse between two \
                 renewals; an interval is at most half of the time to live"
            )));
        }
        Ok(())
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
            codecs: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
            settings: None,
            client: Client::late(|| Plugins::new().parts()),
            lifecycle: Lifecycle::default(),
            timing_said: (false, false),
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

    /// Where it listens: `host:port`, port 0 for any free one, `:port` at every address of this machine, or
    /// `unix:PATH`.
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// The address it registers, where that differs from the one it listens at: `HOST:PORT`, `unix:PATH`, or a host
    /// alone with the port it listens at.
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
        self.codecs.push(Arc::new(codec));
        self
    }

    /// Listens and calls with this TLS, in place of that of [`Service::plugins`]; see [`Plugins::tls`].
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: crate::transport::Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Uses these plugins, unless the settings name others. Codecs and TLS of the service itself are added to them.
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
        let plugins = self.all_plugins().called_by(&self.name);
        plugins.check()?;
        self.client.settle(move || plugins.parts());
        Ok(self.client.clone())
    }

    /// Serves in the caller's runtime until [`Running::stop`].
    ///
    /// A registry that is a server elsewhere and cannot be reached, or is full or busy, does not keep it from serving: its
    /// health says that it is not registered and why, and it registers when it can. One that refuses fails this.
    ///
    /// Reads neither environment nor command line: whoever embeds a service has their own. What
    /// [`Service::settings`] was given counts.
    pub async fn serve(self) -> Result<Running> {
        self.serve_on(Vec::new()).await
    }

    /// Serves in the caller's runtime and hands connections round `runtimes`, such as those that
    /// [`runtime::run_on`](crate::runtime::run_on) gives; otherwise as [`Service::serve`].
    pub async fn serve_on(mut self, runtimes: Vec<Handle>) -> Result<Running> {
        if let Some(settings) = self.settings.take() {
            self.configure(&settings)?;
        }
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
    ///
    /// With `--help` or `--version` on the command line it prints what can be set, or its version, and returns.
    pub fn run(mut self) -> Result<()> {
        let settings = self.settings.take().unwrap_or_default();
        if settings.answers(&self.name, &self.version) {
            return Ok(());
        }
        let settings = settings.complete()?;
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
    /// The plugins with what was said of the service itself.
    fn all_plugins(&self) -> Plugins {
        let mut plugins = self.plugins.clone();
        for codec in &self.codecs {
            plugins = plugins.codec(codec.clone());
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            plugins = plugins.tls(tls.clone());
        }
        plugins
    }

    /// Takes over what the settings say.
    fn configure(&mut self, settings: &Settings) -> Result<()> {
        self.plugins = settings.apply(self.all_plugins())?;
        self.codecs.clear();
        #[cfg(feature = "tls")]
        {
            self.tls = None;
        }
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
        let (ttl, interval) = (
            settings.duration("register-ttl")?,
            settings.duration("register-interval")?,
        );
        *register_ttl = ttl.unwrap_or(*register_ttl);
        *register_interval = interval.unwrap_or(*register_interval);
        self.timing_said = (ttl.is_some(), interval.is_some());
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
    async fn open(mut service: Service, workers: Vec<Handle>) -> Result<Self> {
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
        status.counts(listener.counters());
        let ops_listener = match (ops_address, operations) {
            (Some(address), Some(call)) => Some(transport.listen(&address, call).await?),
            _ => None,
        };
        // Behind an address that was given there may be several nodes of this service.
        let checked = match service.advertise {
            None => Checked::Node,
            Some(_) => Checked::Service,
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
        self.warn_of_loopback();
        let registered = renewal.begin().await?;
        tracing::info!(
            service = node.service,
            version = node.version,
            id = node.id,
            address = node.address,
            listening = self.listener.address(),
            registry = self.registry.name(),
            registered,
            "serving"
        );
        self.renewal = Some(tokio::spawn(renewal.run(registered)));
        Ok(())
    }

    /// Tells its log and its health that callers on other machines cannot reach it, though they find it.
    fn warn_of_loopback(&self) {
        let Node { address, id, .. } = &self.node;
        let reads = self.registry.only_reads();
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

    /// A client made of the same plugins; the same one that [`Service::client`] gave.
    pub fn client(&self) -> Result<Client> {
        Ok(self.client.clone())
    }

    /// Ends it without losing a call: not ready, deregister, serve on for a moment, go away, drain, close.
    ///
    /// Takes at most a second longer than [`Lifecycle::drain`], or than [`Lifecycle::propagation`] where that is longer.
    pub async fn stop(mut self) {
        self.status.leaving();
        if let Some(renewal) = &mut self.renewal {
            renewal.abort();
            let _ = renewal.await;
        }
        let Lifecycle {
            propagation, drain, ..
        } = self.lifecycle;
        let began = Instant::now();
        let subscribers = self.subscribers.take();
        let events = async {
            let limit = drain.max(propagation);
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
            let heard = Instant::now() + propagation;
            sleep_until(heard.min(began + drain.max(propagation))).await;
            self.listener.go_away().await;
            let until = (began + drain).max(Instant::now() + drain.min(LEAST_DRAIN));
            if timeout_at(until, self.listener.drained()).await.is_err() {
                tracing::warn!(limit = ?drain, "calls in flight did not end in time");
            }
        };
        tokio::join!(events, calls);
        if timeout(CLOSING, self.listener.close()).await.is_err() {
            tracing::warn!(limit = ?CLOSING, "connections did not end; a handler holds their thread");
        }
        if let Some(listener) = &self.ops_listener {
            // Probes are answered until the last call has ended.
            let _ = timeout(CLOSING, listener.close()).await;
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
