//! What was said, put into the parts of a service or a client.

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use super::{
    Settings, Url,
    flags::{Level, Said},
    list::METADATA,
    value,
};
#[cfg(feature = "mucp")]
use micro_core::broker::http::Style;
use micro_core::{
    client::Client,
    error::{Error, Result},
    plugins::{BrokerSource, Plugins},
    selector::Snapshots,
    url::Reads,
};

impl Settings {
    /// These parts with what was said over them.
    pub fn apply(&self, mut plugins: Plugins) -> Result<Plugins> {
        if let Some(registry) = self.registry(plugins.registry.is_some())? {
            plugins.registry = Some(registry);
        }
        if let Some(url) = self.plugin("transport")? {
            plugins.transport = self.transports.open(&url)?;
            if plugins.transport.is_none() {
                plugins = plugins.change_socket(|socket| socket.speaking(url.name()))?;
            }
        }
        if let Some(url) = self.plugin("broker")? {
            plugins = match self.brokers.open(&url)? {
                Some(broker) => plugins.by_broker(BrokerSource::Given(broker)),
                #[cfg(feature = "mucp")]
                None if url.name() == "http" => by_http(plugins, &url)?,
                None => by_direct(plugins, &url)?,
            };
        }
        if let Some(url) = self.plugin("selector")? {
            plugins.strategy = self.strategies.open(&url)?;
        }
        if let Some(names) = self.text("metadata") {
            plugins = plugins.relay(names);
        }
        for codec in &self.codecs {
            plugins = plugins.codec(codec.clone());
        }
        if let Some(timeout) = self.duration("client-request-timeout")? {
            plugins = plugins.balance(|balance| balance.timeout = timeout);
        }
        if let Some(retries) = self.number::<u8>("client-retries")? {
            plugins = plugins.balance(|balance| balance.attempts = retries.saturating_add(1));
        }
        if let Some(said) = self.text("client-snapshots") {
            let snapshots = match said {
                "no" => Snapshots::Off,
                directory => Snapshots::In(directory.into()),
            };
            plugins = plugins.discovery(|discovery| discovery.snapshots = snapshots);
        }
        if let Some(idle) = self.duration("client-pool-ttl")? {
            plugins = plugins
                .change_socket(|socket| Ok(socket.limit(|limits| limits.idle_timeout = idle)))?;
        }
        let origins = "server-cors-origins";
        if let Some(said) = self.said.get(origins) {
            let named = |error: Error| error.context(format!("`{}`", said.level.spell(origins)));
            plugins = let_in(plugins, &said.text).map_err(named)?;
        }
        self.secure(plugins)
    }

    /// A setting's text, if it was made.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.said.get(name).map(|said| said.text.as_str())
    }

    /// A setting's duration, if it was made.
    pub(crate) fn duration(&self, name: &str) -> Result<Option<Duration>> {
        let means = "is not a duration above zero such as `60s`, `1m30s` or `500ms`";
        self.read_as(name, means, value::duration)
    }

    /// A setting as `read` reads it, whose errors name the setting.
    pub(crate) fn checked<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T>,
    ) -> Result<Option<T>> {
        let Some(said) = self.said.get(name) else {
            return Ok(None);
        };
        let named = |error: Error| error.context(format!("`{}`", said.level.spell(name)));
        read(&said.text).map(Some).map_err(named)
    }

    /// The metadata of the service's node that was said.
    pub(crate) fn metadata(&self) -> Result<BTreeMap<String, String>> {
        let means = "is not a list of pairs such as `zone=west,rack=7`";
        let pairs = self.read_as(METADATA, means, value::pairs)?;
        Ok(pairs.unwrap_or_default().into_iter().collect())
    }

    fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>> {
        self.read_as(name, "is not a number in range", |text| text.parse().ok())
    }

    pub(super) fn read_as<T>(
        &self,
        name: &str,
        means: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(said) = self.said.get(name) else {
            return Ok(None);
        };
        read(&said.text).map(Some).ok_or_else(|| {
            let (spelled, text) = (said.level.spell(name), &said.text);
            Error::invalid_argument(format!("`{spelled}`: `{text}` {means}"))
        })
    }

    /// The plugin of a kind with its address, from one setting or from two.
    pub(super) fn plugin(&self, kind: &str) -> Result<Option<Url>> {
        let address = self.said.get(&*format!("{kind}-address"));
        let Some(said) = self.said.get(kind) else {
            return match address {
                None => Ok(None),
                Some(Said { level, .. }) => Err(Error::invalid_argument(format!(
                    "`{}` is given without a name; add `{}`",
                    level.spell(&format!("{kind}-address")),
                    Level::Flag.spell(&format!("{kind}=NAME"))
                ))),
            };
        };
        let url = Url::parse(&said.text);
        let Some(address) = address else {
            return Ok(Some(url));
        };
        if let Some(instead) = &said.instead
            && address.level < said.level
            && Url::parse(instead).name() != url.name()
        {
            // It is the address of the one that was not chosen.
            return Ok(Some(url));
        }
        if url.address().is_empty() {
            return Ok(Some(url.at(&address.text)));
        }
        // Whichever is closer to this run; two at the same distance contradict each other.
        match address.level.cmp(&said.level) {
            std::cmp::Ordering::Less => Ok(Some(url)),
            std::cmp::Ordering::Greater => Ok(Some(url.at(&address.text))),
            std::cmp::Ordering::Equal => Err(Error::invalid_argument(format!(
                "`{url}` has an address, and `{}` gives another; leave one out",
                address.level.spell(&format!("{kind}-address"))
            ))),
        }
    }
}

/// With pages of these origins let in.
#[cfg(any(
    feature = "json",
    feature = "connect",
    feature = "mucp",
    feature = "grpc"
))]
fn let_in(plugins: Plugins, origins: &str) -> Result<Plugins> {
    plugins.change_socket(|socket| socket.cors_origins(origins))
}

/// With pages let in, by protocols that are not built in.
#[cfg(not(any(
    feature = "json",
    feature = "connect",
    feature = "mucp",
    feature = "grpc"
)))]
fn let_in(_: Plugins, _: &str) -> Result<Plugins> {
    Err(Error::invalid_argument(
        "nothing that pages speak is built in; enable the feature `connect`, `grpc` or `json`",
    ))
}

/// Where the URL of a broker says to listen, if it does.
fn listens_at<'a>(url: &'a Url, scheme: &str, keys: &[&str]) -> Result<Option<&'a str>> {
    let named = |error: Error| error.context(format!("broker `{url}`"));
    let reads = Reads {
        keys: Some(keys),
        schemes: &[scheme],
        ..Reads::default()
    };
    url.check(&reads).map_err(named)?;
    let mut hosts = url.all_hosts();
    let address = hosts.next();
    match hosts.next() {
        None => Ok(address),
        Some(_) => Err(named(Error::invalid_argument(
            "it listens at one address; name one",
        ))),
    }
}

/// With the default broker, which takes events at the address of `url`.
fn by_direct(plugins: Plugins, url: &Url) -> Result<Plugins> {
    let address = listens_at(url, "direct", &[])?.map(str::to_owned);
    let plugins = plugins.by_broker(BrokerSource::Direct);
    Ok(plugins.direct(|settings| settings.address = address.or(settings.address.take())))
}

/// With go-micro's HTTP broker, which listens at the address of `url`, and registers and finds subscriptions in the
/// styles that it names.
#[cfg(feature = "mucp")]
fn by_http(plugins: Plugins, url: &Url) -> Result<Plugins> {
    let address = listens_at(url, "http", &["style", "register", "discover"])?;
    let styles = |key: &str| match url.query(key) {
        None => Ok(None),
        Some(names) => Style::list(&names)
            .map(Some)
            .map_err(|error| error.context(format_args!("broker `{url}`: `{key}`"))),
    };
    let (both, register, discover) = (styles("style")?, styles("register")?, styles("discover")?);
    Ok(plugins.http_broker(|settings| {
        if let Some(address) = address {
            address.clone_into(&mut settings.address);
        }
        if let Some(styles) = register.or(both.clone()) {
            settings.register = styles;
        }
        if let Some(styles) = discover.or(both) {
            settings.discover = styles;
        }
    }))
}

impl Settings {
    /// A client made of what was said, and of defaults: `Settings::from_env()?.client()` is one that the environment
    /// describes.
    ///
    /// A program with plugins of its own makes it in two steps: `settings.apply(Plugins::new())?.client()`.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](crate::Code::InvalidArgument) for what cannot be read or is not built in.
    pub fn client(&self) -> Result<Client> {
        self.apply(Plugins::new())?.client()
    }
}
