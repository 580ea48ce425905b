//! [`Plugins`], the parts of a service or client: registry, transport, strategy and others.

mod builder;

use std::sync::Arc;

use tokio::runtime::Handle;

#[cfg(feature = "tls")]
use crate::net::Tls;
use crate::{
    balance::{self, Balance},
    broker::{self, Broker, BrokerParts},
    client::{Client, Parts},
    codec::{Codec, Codecs},
    context::Relay,
    error::Result,
    middleware::{Layer, Layers},
    protocols::Socket,
    random::Rng,
    registry::{Local, Registry},
    selector::{self, Cache, Strategy, strategy::P2c},
    transport::Transport,
};

pub use builder::ClientBuilder;

/// The parts of a service or client. Each has a default; one line exchanges a part.
#[derive(Clone, Default)]
pub struct Plugins {
    #[doc(hidden)]
    pub registry: Option<Arc<dyn Registry>>,
    #[doc(hidden)]
    pub transport: Option<Arc<dyn Transport>>,
    broker: BrokerSource,
    direct: broker::direct::Settings,
    /// Settings of go-micro's broker, if that is chosen.
    #[cfg(feature = "mucp")]
    http_broker: broker::http::Settings,
    /// As given by the user; see `own_socket`.
    socket: Socket,
    /// What was set beside the socket, in any order.
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
    #[doc(hidden)]
    pub strategy: Option<Arc<dyn Strategy>>,
    balance: balance::Settings,
    discovery: selector::Options,
    codecs: Codecs,
    layers: Layers,
    relay: Relay,
}

/// How the broker is created.
#[doc(hidden)]
#[derive(Clone, Default)]
pub enum BrokerSource {
    /// The default broker.
    #[default]
    Direct,
    /// go-micro's broker.
    #[cfg(feature = "mucp")]
    Http,
    /// A broker of the user's.
    Given(Arc<dyn Broker>),
    /// A named broker, created of the other parts.
    OfParts(Arc<str>, MakeBroker),
}

type MakeBroker = Arc<dyn Fn(BrokerParts) -> Arc<dyn Broker> + Send + Sync>;

impl Plugins {
    /// Creates the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the registry, which registers and finds services.
    pub fn registry(mut self, registry: impl Registry) -> Self {
        self.registry = Some(Arc::new(registry));
        self
    }

    /// Carries calls by sockets with this configuration.
    pub fn socket(mut self, socket: Socket) -> Self {
        self.socket = socket;
        self
    }

    /// Uses this TLS on both sides, in place of that of [`Plugins::socket`]. It is an error, reported at the start, if
    /// [`Plugins::transport`] has another transport.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Passes metadata of these names on from each handled request to the services called for it: names separated by commas,
    /// or `all` for everything but hop-by-hop names, as in go-micro. Without this, only trace context, baggage and metadata
    /// that the handler marks are passed on; see [`Context::relay`](crate::Context::relay).
    pub fn relay(mut self, names: &str) -> Self {
        self.relay = Relay::named(names);
        self
    }

    /// The socket with all its settings.
    #[doc(hidden)]
    pub fn own_socket(&self) -> Socket {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return self.socket.clone().tls(tls.clone());
        }
        self.socket.clone()
    }

    /// Changes the socket, keeping its settings.
    #[doc(hidden)]
    pub fn change_socket(mut self, change: impl FnOnce(Socket) -> Result<Socket>) -> Result<Self> {
        self.socket = change(self.own_socket())?;
        #[cfg(feature = "tls")]
        {
            self.tls = None;
        }
        Ok(self)
    }

    /// Fails if a part is set that another part makes useless.
    #[doc(hidden)]
    pub fn check(&self) -> Result<()> {
        #[cfg(feature = "tls")]
        if let (Some(transport), Some(_)) = (&self.transport, &self.tls) {
            return Err(crate::error::Error::invalid_argument(format!(
                "TLS is given beside the transport `{}`, which would not follow it; give it to the transport itself",
                transport.name()
            )));
        }
        Ok(())
    }

    /// Names the calling service, which the services called see.
    #[doc(hidden)]
    pub fn caller(mut self, service: &str) -> Self {
        self.socket = self.socket.caller(service);
        self
    }

    /// Sets the transport, which carries calls.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Sets the broker, which publishes and subscribes.
    pub fn broker(mut self, broker: impl Broker) -> Self {
        self.broker = BrokerSource::Given(Arc::new(broker));
        self
    }

    /// Sets a named broker that `make` creates of the other parts: registry, transport, and the balance loop. `make` is
    /// called once for each client.
    ///
    /// ```
    /// use micro::{Plugins, broker::{Direct, direct}};
    ///
    /// // The default broker, with settings of one's own.
    /// let plugins = Plugins::new().broker_from("direct", |parts| {
    ///     Direct::of(parts, direct::Settings::default())
    /// });
    /// ```
    pub fn broker_from<B: Broker>(
        mut self,
        name: &str,
        make: impl Fn(BrokerParts) -> B + Send + Sync + 'static,
    ) -> Self {
        let make: MakeBroker = Arc::new(move |parts| Arc::new(make(parts)));
        self.broker = BrokerSource::OfParts(name.into(), make);
        self
    }

    /// Changes the settings of the default broker, which calls subscribers directly.
    pub fn direct(mut self, change: impl FnOnce(&mut broker::direct::Settings)) -> Self {
        change(&mut self.direct);
        self
    }

    /// Uses go-micro's HTTP broker in place of the default one, and changes its
    /// settings.
    #[cfg(feature = "mucp")]
    pub fn http_broker(mut self, change: impl FnOnce(&mut broker::http::Settings)) -> Self {
        change(&mut self.http_broker);
        self.broker = BrokerSource::Http;
        self
    }

    /// Sets the strategy, which picks nodes.
    pub fn strategy(mut self, strategy: impl Strategy) -> Self {
        self.strategy = Some(Arc::new(strategy));
        self
    }

    /// Adds a codec.
    pub fn codec(mut self, codec: impl Codec) -> Self {
        self.codecs = self.codecs.with(codec);
        self
    }

    /// Puts a layer around the calls of clients, inside those added before; see
    /// [`middleware`](crate::middleware). It sees a call once, around all its attempts.
    pub fn layer(mut self, layer: impl Layer) -> Self {
        self.layers = self.layers.with(layer);
        self
    }

    /// Changes the settings of the balance loop: timeout, attempts, retry budget.
    pub fn balance(mut self, change: impl FnOnce(&mut balance::Settings)) -> Self {
        change(&mut self.balance);
        self
    }

    /// Changes the settings of the discovery cache.
    pub fn discovery(mut self, change: impl FnOnce(&mut selector::Options)) -> Self {
        change(&mut self.discovery);
        self
    }

    #[doc(hidden)]
    pub fn codecs(&self) -> &Codecs {
        &self.codecs
    }

    /// The registry that is set, or the default.
    pub fn open_registry(&self) -> Result<Arc<dyn Registry>> {
        Ok(self.chosen_registry())
    }

    fn chosen_registry(&self) -> Arc<dyn Registry> {
        match &self.registry {
            Some(registry) => registry.clone(),
            None => Arc::new(Local::new()),
        }
    }

    /// The transport, whose listener distributes connections over these runtimes.
    #[doc(hidden)]
    pub fn open_transport(&self, runtimes: Vec<Handle>) -> Arc<dyn Transport> {
        match &self.transport {
            Some(transport) => transport.clone(),
            None => Arc::new(self.own_socket().runtimes(runtimes)),
        }
    }

    /// Sets how the broker is created.
    #[doc(hidden)]
    pub fn by_broker(mut self, broker: BrokerSource) -> Self {
        self.broker = broker;
        self
    }

    /// The name of the broker.
    #[doc(hidden)]
    pub fn broker_name(&self) -> &str {
        match &self.broker {
            BrokerSource::Direct => "direct",
            #[cfg(feature = "mucp")]
            BrokerSource::Http => "http",
            BrokerSource::Given(broker) => broker.name(),
            BrokerSource::OfParts(name, _) => name,
        }
    }

    fn open_broker(&self, parts: BrokerParts) -> Arc<dyn Broker> {
        match &self.broker {
            BrokerSource::Direct => Arc::new(broker::Direct::of(parts, self.direct.clone())),
            #[cfg(feature = "mucp")]
            BrokerSource::Http => Arc::new(broker::Http::of(parts, self.http_broker.clone())),
            BrokerSource::Given(broker) => broker.clone(),
            BrokerSource::OfParts(_, make) => make(parts),
        }
    }

    /// Creates a client of these parts, with its own connections and discovery.
    pub fn client(&self) -> Result<Client> {
        self.check()?;
        Ok(Client::from_parts(self.parts()))
    }

    /// Random numbers, from the seed if runs must be repeatable.
    #[doc(hidden)]
    pub fn rng(&self) -> Rng {
        self.discovery.seed.map_or_else(Rng::new, Rng::seeded)
    }

    #[doc(hidden)]
    pub fn parts(&self) -> Parts {
        let rng = self.rng();
        let strategy = match &self.strategy {
            Some(strategy) => strategy.clone(),
            None => Arc::new(P2c::new(Rng::seeded(rng.number()))),
        };
        let transport = self.open_transport(Vec::new());
        let opener = transport.clone();
        let registry = self.chosen_registry();
        let cache = Cache::new(
            registry.clone(),
            strategy.clone(),
            self.discovery.clone(),
            Box::new(move |node| opener.open(node)),
            Box::new(|peer| peer.close()),
        );
        let balance = Balance::new(
            cache,
            strategy,
            self.balance.clone(),
            rng,
            transport.clone(),
        );
        let parts = BrokerParts::new(registry, transport, balance.clone());
        let broker = self.open_broker(parts.with_socket(self.own_socket()));
        Parts {
            stack: self.layers.stack(Arc::new(balance.clone())),
            balance: Some(balance),
            broker,
            codecs: self.codecs.clone(),
            relay: self.relay.clone(),
        }
    }
}
