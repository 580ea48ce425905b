//! The parts a service or client is made of: registry, transport, strategy; each by one line.

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

/// The parts a service or a client is made of; each has a default.
#[derive(Clone, Default)]
pub struct Plugins {
    #[doc(hidden)]
    pub registry: Option<Arc<dyn Registry>>,
    #[doc(hidden)]
    pub transport: Option<Arc<dyn Transport>>,
    broker: BrokerSource,
    direct: broker::direct::Settings,
    /// Of go-micro's broker, where that is chosen.
    #[cfg(feature = "mucp")]
    http_broker: broker::http::Settings,
    /// As it was given; see `own_socket`.
    socket: Socket,
    /// What was said beside it, whichever came first.
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

/// Where the broker comes from.
#[doc(hidden)]
#[derive(Clone, Default)]
pub enum BrokerSource {
    /// The default one.
    #[default]
    Direct,
    /// go-micro's.
    #[cfg(feature = "mucp")]
    Http,
    /// Made already.
    Given(Arc<dyn Broker>),
    /// To be made of the other parts; its name first.
    OfParts(Arc<str>, MakeBroker),
}

type MakeBroker = Arc<dyn Fn(BrokerParts) -> Arc<dyn Broker> + Send + Sync>;

impl Plugins {
    /// Every default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds and registers services here.
    pub fn registry(mut self, registry: impl Registry) -> Self {
        self.registry = Some(Arc::new(registry));
        self
    }

    /// Carries calls by the native protocol so configured.
    pub fn socket(mut self, socket: Socket) -> Self {
        self.socket = socket;
        self
    }

    /// Carries calls by the native protocol with this TLS, on both sides, in place of that of [`Plugins::socket`]. Where
    /// [`Plugins::transport`] names another transport it is an error, which is told at the start.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Lets metadata of these names travel on from each request that is handled to the services called for it: names with
    /// commas between them, or `all` for everything but the names of one hop, as in go-micro. Without it only trace
    /// context, baggage and what the handler marks travel; see [`Context::relay`](crate::Context::relay).
    pub fn relay(mut self, names: &str) -> Self {
        self.relay = Relay::named(names);
        self
    }

    /// The native protocol with all that was said of it.
    #[doc(hidden)]
    pub fn own_socket(&self) -> Socket {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return self.socket.clone().tls(tls.clone());
        }
        self.socket.clone()
    }

    /// Changes the native protocol, with all that was said of it.
    #[doc(hidden)]
    pub fn change_socket(mut self, change: impl FnOnce(Socket) -> Result<Socket>) -> Result<Self> {
        self.socket = change(self.own_socket())?;
        #[cfg(feature = "tls")]
        {
            self.tls = None;
        }
        Ok(self)
    }

    /// An error if something was said that no part follows.
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

    /// Calls on behalf of a service, which is named to those it calls.
    #[doc(hidden)]
    pub fn called_by(mut self, service: &str) -> Self {
        self.socket = self.socket.called_by(service);
        self
    }

    /// Carries calls so.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Publishes and subscribes here.
    pub fn broker(mut self, broker: impl Broker) -> Self {
        self.broker = BrokerSource::Given(Arc::new(broker));
        self
    }

    /// Publishes and subscribes by a broker of this name, which `make` makes of the other parts: registry, transport, and
    /// the loop that calls nodes. It is called once for each client.
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

    /// Publishes and subscribes as go-micro's HTTP broker does, in place of the default one; changes its
    /// settings.
    #[cfg(feature = "mucp")]
    pub fn http_broker(mut self, change: impl FnOnce(&mut broker::http::Settings)) -> Self {
        change(&mut self.http_broker);
        self.broker = BrokerSource::Http;
        self
    }

    /// Picks nodes so.
    pub fn strategy(mut self, strategy: impl Strategy) -> Self {
        self.strategy = Some(Arc::new(strategy));
        self
    }

    /// Adds a codec of one's own.
    pub fn codec(mut self, codec: impl Codec) -> Self {
        self.codecs = self.codecs.with(codec);
        self
    }

    /// Puts a layer around the calls of clients, inside those added before; see
    /// [`middleware`](crate::middleware). It sees a call once, not each attempt.
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

    /// The registry, as chosen or the default.
    pub fn open_registry(&self) -> Result<Arc<dyn Registry>> {
        Ok(self.chosen_registry())
    }

    fn chosen_registry(&self) -> Arc<dyn Registry> {
        match &self.registry {
            Some(registry) => registry.clone(),
            None => Arc::new(Local::new()),
        }
    }

    /// The transport, whose listener hands connections round these runtimes.
    #[doc(hidden)]
    pub fn open_transport(&self, runtimes: Vec<Handle>) -> Arc<dyn Transport> {
        match &self.transport {
            Some(transport) => transport.clone(),
            None => Arc::new(self.own_socket().runtimes(runtimes)),
        }
    }

    /// Takes the broker from there.
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

    /// A client made of these parts, with connections and discovery of its own.
    pub fn client(&self) -> Result<Client> {
        self.check()?;
        Ok(Client::of(self.parts()))
    }

    /// Random numbers, from the seed where runs must be repeatable.
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
