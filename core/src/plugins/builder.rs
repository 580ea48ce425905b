//! [`ClientBuilder`].

use std::time::Duration;

#[cfg(feature = "tls")]
use crate::net::Tls;
use crate::{
    broker::Broker,
    client::Client,
    codec::Codec,
    error::{Error, Result},
    middleware::Layer,
    plugins::Plugins,
    protocols::Socket,
    registry::Registry,
    selector::Strategy,
    transport::Transport,
};

/// Builds a [`Client`] for a program that is not a service. The order of calls does not matter.
///
/// ```
/// use micro::{Client, registry::Memory};
/// use std::time::Duration;
///
/// # fn main() -> micro::Result<()> {
/// let client = Client::builder()
///     .registry(Memory::new())
///     .timeout(Duration::from_secs(2))
///     .attempts(3)
///     .build()?;
/// # drop(client);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct ClientBuilder {
    plugins: Plugins,
    name: Option<String>,
    timeout: Option<Duration>,
    attempts: Option<u8>,
}

impl Client {
    /// Starts with the defaults of [`Plugins`].
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }
}

impl ClientBuilder {
    /// Names the calling program, which the services called see in their metrics and limits.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the timeout of calls whose context has no deadline. Default: 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets how many attempts a call tree may make, the first included. Default: 4. At least 1.
    pub fn attempts(mut self, attempts: u8) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Sets the registry. Default: the registry of this machine, [`Local`](crate::registry::Local).
    pub fn registry(self, registry: impl Registry) -> Self {
        self.plugins(|plugins| plugins.registry(registry))
    }

    /// Sets the transport. Default: [`Socket`], which uses the best protocol of each node.
    pub fn transport(self, transport: impl Transport) -> Self {
        self.plugins(|plugins| plugins.transport(transport))
    }

    /// Carries calls by sockets with this configuration.
    pub fn socket(self, socket: Socket) -> Self {
        self.plugins(|plugins| plugins.socket(socket))
    }

    /// Uses this TLS.
    #[cfg(feature = "tls")]
    pub fn tls(self, tls: Tls) -> Self {
        self.plugins(|plugins| plugins.tls(tls))
    }

    /// Sets the broker. Default: [`Direct`](crate::broker::Direct).
    pub fn broker(self, broker: impl Broker) -> Self {
        self.plugins(|plugins| plugins.broker(broker))
    }

    /// Sets the strategy, which picks nodes. Default: power of two choices, [`P2c`](crate::selector::strategy::P2c).
    pub fn strategy(self, strategy: impl Strategy) -> Self {
        self.plugins(|plugins| plugins.strategy(strategy))
    }

    /// Adds a codec.
    pub fn codec(self, codec: impl Codec) -> Self {
        self.plugins(|plugins| plugins.codec(codec))
    }

    /// Puts a layer around calls, inside those added before. It sees a call once, around all its attempts.
    pub fn layer(self, layer: impl Layer) -> Self {
        self.plugins(|plugins| plugins.layer(layer))
    }

    /// Changes any other part of the client.
    ///
    /// ```
    /// # use micro::Client;
    /// let builder = Client::builder()
    ///     .plugins(|plugins| plugins.balance(|balance| balance.retry_share = 0.1));
    /// # drop(builder);
    /// ```
    pub fn plugins(mut self, change: impl FnOnce(Plugins) -> Plugins) -> Self {
        self.plugins = change(self.plugins);
        self
    }

    /// Builds the client. It opens no connection before its first call.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](crate::Code::InvalidArgument) for values that exclude each other, such as TLS beside a
    /// transport that does not use it, and for a timeout or a number of attempts of zero.
    pub fn build(self) -> Result<Client> {
        let mut plugins = self.plugins;
        if let Some(timeout) = self.timeout {
            if timeout.is_zero() {
                return Err(Error::invalid_argument("`timeout` must be longer than 0"));
            }
            plugins = plugins.balance(|balance| balance.timeout = timeout);
        }
        if let Some(attempts) = self.attempts {
            if attempts == 0 {
                return Err(Error::invalid_argument("`attempts` must be at least 1"));
            }
            plugins = plugins.balance(|balance| balance.attempts = attempts);
        }
        if let Some(name) = &self.name {
            plugins = plugins.caller(name);
        }
        plugins.client()
    }
}
