//! A service: its name, what it serves, and its life from listening to the last answer.

mod hooks;
mod registration;
mod running;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::runtime::Handle;

use crate::{runtime::Signals, settings::Settings};
use hooks::Hooks;
use micro_core::{
    client::Client,
    codec::Codec,
    context::Leaving,
    error::{Error, Result},
    middleware::{Layer, Layers},
    net::io::read_hosts,
    plugins::Plugins,
    server::{Handler, HealthChecks, Ops, Router, Routes, Topic, metrics::Metrics},
};
pub use running::Running;

/// A service under construction; [`Service::run`] starts it.
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
    /// The layers that cover operational endpoints, too.
    ops_layers: Layers,
    ops: Ops,
    hosts: Vec<String>,
    plugins: Plugins,
    /// Added to the plugins when these are used, so that the order of builder calls does not matter.
    codecs: Vec<Arc<dyn Codec>>,
    #[cfg(feature = "tls")]
    tls: Option<micro_core::net::Tls>,
    settings: Option<Settings>,
    client: Client,
    lifecycle: Lifecycle,
    hooks: Hooks,
    health_checks: HealthChecks,
    metrics: Option<Metrics>,
    /// Whether settings have the time to live and the interval of the registration.
    is_timing_set: (bool, bool),
}

/// Limits of a service's life, each with its default.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Lifecycle {
    /// How long a registration lasts without renewal. 60 s, as in go-micro.
    pub register_ttl: Duration,
    /// How often the registration is renewed; at random up to a fifth sooner, and each second after a failure. 30 s, as in
    /// go-micro; a third of `register_ttl` if only that was changed. More than half of `register_ttl` is an error.
    pub register_interval: Duration,
    /// How long the service goes on serving after it has deregistered, while callers notice. 1 s, as in go-zero.
    pub deregister_delay: Duration,
    /// How long calls in flight may take to end, counted from deregistering. 10 s. The exit takes at most a second longer,
    /// whatever still runs.
    pub drain: Duration,
    /// Requests handled at a time; more are refused. 10,000.
    pub concurrency: usize,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Lifecycle {
            register_ttl: Duration::from_secs(60),
            register_interval: Duration::from_secs(30),
            deregister_delay: Duration::from_secs(1),
            drain: Duration::from_secs(10),
            concurrency: 10_000,
        }
    }
}

impl Lifecycle {
    /// Adapts the interval to the time to live, if only that was changed.
    ///
    /// Fails with [`Code::InvalidArgument`](micro_core::Code::InvalidArgument) for an interval that leaves no time for a second try.
    fn settle(&mut self, (is_ttl_set, is_interval_set): (bool, bool)) -> Result<()> {
        let usual = Lifecycle::default();
        let (ttl, interval) = (self.register_ttl, self.register_interval);
        if ttl.is_zero() || interval.is_zero() {
            let text = "`--register-ttl` and `--register-interval` must be longer than 0";
            return Err(Error::invalid_argument(text));
        }
        if !is_interval_set && interval == usual.register_interval {
            if is_ttl_set || ttl != usual.register_ttl {
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
    /// Creates a service without endpoints, with defaults.
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
            client: Client::lazy(|| Plugins::new().parts()),
            lifecycle: Lifecycle::default(),
            hooks: Hooks::default(),
            health_checks: HealthChecks::default(),
            metrics: None,
            is_timing_set: (false, false),
        }
    }

    /// Sets the version to register. The default is `latest`.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Sets the node's id, which follows the service's name and a hyphen. The default is random.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the address to listen on: `host:port`, port 0 for any free one, `:port` for every address of this machine, or
    /// `unix:PATH`.
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// Sets the address to register, if it differs from the one to listen on: `HOST:PORT`, `unix:PATH`, or a host
    /// alone, which gets the port of the listener.
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

    /// Subscribes each instance of the service to every event of a topic. The handler is like any other; its
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

    /// Subscribes to a share of the events of a topic: each event goes to one of the subscribers of this queue, and to
    /// another one if that fails. An event may therefore be handled twice; none is lost unnoticed.
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
    /// [`middleware`](micro_core::middleware). Operational endpoints, such as `/health` and `Debug.Health`, do not pass
    /// through the layer, which therefore cannot make probes fail.
    pub fn layer(mut self, layer: impl Layer) -> Self {
        self.layers.push(Arc::new(layer));
        self
    }

    /// Puts a layer around the handlers and the operational endpoints, inside those added before. A probe
    /// fails if the layer refuses or delays it.
    pub fn layer_all(mut self, layer: impl Layer) -> Self {
        let layer: Arc<dyn Layer> = Arc::new(layer);
        self.layers.push(layer.clone());
        self.ops_layers.push(layer);
        self
    }

    /// Sets which operational endpoints are served, on which address, and how many requests they take.
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

    /// Adds a health check of something that the service needs. While the check fails, the service is not ready:
    /// `/ready` answers 503 with `checks` in its JSON, and gRPC's health service `NOT_SERVING`. `/health` stays 200, so
    /// that an orchestrator does not restart the service.
    ///
    /// Checks run when readiness is asked for, at most once a second, each for at most
    /// [`Ops::health_check_timeout`]. The text of an error is only logged.
    ///
    /// ```
    /// # async fn ping() -> Result<(), std::io::Error> { Ok(()) }
    /// let service = micro::Service::new("shop").health_check("database", async || ping().await);
    /// ```
    pub fn health_check<F, Fut, E>(mut self, name: impl Into<String>, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Error>,
    {
        let check = move || {
            let result = check();
            async { result.await.map_err(Into::into) }
        };
        self.health_checks.push(name.into(), check);
        self
    }

    /// Adds metrics to `/metrics`; see [`metrics`](crate::metrics). A second call replaces the
    /// first.
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.metrics = Some(metrics.clone());
        self
    }

    /// Allows HTTP requests over loopback to name this host, or any host by `*`, besides loopback's own names and the
    /// advertised host. Others are refused, since pages of other sites can send them by DNS
    /// rebinding.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// Adds a codec.
    pub fn codec(mut self, codec: impl Codec) -> Self {
        self.codecs.push(Arc::new(codec));
        self
    }

    /// Listens and calls with this TLS, in place of that of [`Service::plugins`]; see [`Plugins::tls`].
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: micro_core::net::Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Uses these plugins, unless the settings name others. Codecs and TLS of the service are added to them.
    pub fn plugins(mut self, plugins: Plugins) -> Self {
        self.plugins = plugins;
        self
    }

    /// Applies these settings, which win over everything set in code; see
    /// [`settings`](crate::settings).
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// Sets the limits of the service's life.
    pub fn lifecycle(mut self, change: impl FnOnce(&mut Lifecycle)) -> Self {
        change(&mut self.lifecycle);
        self
    }

    /// Runs `hook` before the service registers, for example to connect to a database. Hooks run in the order they were added,
    /// when the service already listens. An error ends the start.
    ///
    /// ```
    /// use micro::{Error, Result, Service};
    ///
    /// let service = Service::new("shop")
    ///     .on_start(async || {
    ///         // Migrate the database.
    ///         Ok::<_, Error>(())
    ///     })
    ///     .on_stop(async || {
    ///         // Write what is left.
    ///         Ok::<_, Error>(())
    ///     });
    /// ```
    pub fn on_start<F, Fut, E>(mut self, hook: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Error>,
    {
        self.hooks.on_start(hook);
        self
    }

    /// Runs `hook` after the service has stopped: calls, events and background tasks have ended. Hooks run in the order they
    /// were added, within the time that [`Lifecycle::drain`] leaves, and at least half a second. An error is logged.
    pub fn on_stop<F, Fut, E>(mut self, hook: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Error>,
    {
        self.hooks.on_stop(hook);
        self
    }

    /// Runs a background task while the service lives. It starts after the start hooks.
    ///
    /// When the service begins to stop, the task receives the [`Leaving`] signal. The service waits for it as for calls, within
    /// [`Lifecycle::drain`], and then aborts it. A task that fails or panics is logged as an error, and the service's health
    /// has a warning that names it; the service goes on.
    ///
    /// ```
    /// use micro::{Error, Service};
    /// use std::time::Duration;
    ///
    /// let service = Service::new("shop").task("sweep", async |leaving| {
    ///     let mut minute = tokio::time::interval(Duration::from_secs(60));
    ///     loop {
    ///         tokio::select! {
    ///             _ = minute.tick() => { /* Remove what is old. */ }
    ///             () = leaving.wait() => return Ok::<_, Error>(()),
    ///         }
    ///     }
    /// });
    /// ```
    pub fn task<F, Fut, E>(mut self, name: impl Into<String>, task: F) -> Self
    where
        F: FnOnce(Leaving) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Error>,
    {
        self.hooks.task(name.into(), task);
        self
    }

    /// Returns the client of this service, for its handlers. Every call returns the same client, whichever builder methods
    /// follow.
    ///
    /// It is built when it is first used, from the plugins and settings that the service has then: in a handler, from those
    /// that the service runs with.
    pub fn client(&self) -> Client {
        let plugins = self.all_plugins().caller(&self.name);
        self.client.set_parts(move || plugins.parts());
        self.client.clone()
    }

    /// Serves in the caller's runtime until [`Running::stop`].
    ///
    /// If the registry is a remote server that is unreachable, full or busy, the service serves anyway: its
    /// health reports the reason, and it registers as soon as it can. If the registry refuses the registration, this fails.
    ///
    /// Reads neither environment nor command line, which belong to the program. Settings given by
    /// [`Service::settings`] apply.
    pub async fn serve(self) -> Result<Running> {
        self.serve_on(Vec::new()).await
    }

    /// Serves in the caller's runtime and distributes connections over `runtimes`, such as those of
    /// [`runtime::run_on`](crate::runtime::run_on); otherwise like [`Service::serve`].
    pub async fn serve_on(mut self, runtimes: Vec<Handle>) -> Result<Running> {
        if let Some(settings) = self.settings.take() {
            self.configure(&settings)?;
        }
        Running::start(self, runtimes).await
    }

    /// Serves with a runtime for each core until SIGTERM or SIGINT, then drains and returns. A signal during the start ends it
    /// in the same order.
    ///
    /// A second signal ends the process at once. The environment and the command line apply
    /// (see [`settings`](crate::settings)), unless [`Service::settings`] has settings that were read
    /// from elsewhere.
    ///
    /// The service logs through `tracing` and installs no subscriber: without one
    /// nothing is printed. `tracing_subscriber::fmt::init()` at the beginning of `main` prints the log.
    ///
    /// With `--help` or `--version` on the command line, prints the settings or the version and returns.
    pub fn run(mut self) -> Result<()> {
        let settings = self.settings.take().unwrap_or_default();
        if settings.answers(&self.name, &self.version) {
            return Ok(());
        }
        let settings = settings.complete()?;
        self.configure(&settings)?;
        crate::runtime::run(|workers| async move {
            // Before anything starts that a signal could cut off.
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
                // The registry may have received the registration already: `stop` deregisters it.
                () = signals.next() => {}
            }
            signals.during(running.stop()).await;
            Ok(())
        })
    }
}

impl Service {
    /// The plugins, with the codecs and the TLS of the service.
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

    /// Applies the settings.
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
        self.is_timing_set = (ttl.is_some(), interval.is_some());
        Ok(())
    }
}
