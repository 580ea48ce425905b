//! Applies settings to the parts of a service or a client.

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use super::{
    Settings, Url,
    flags::{Level, Setting},
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
    /// Returns `parts` with the settings applied.
    pub fn apply(&self, mut plugins: Plugins) -> Result<Plugins> {
        if let Some(registry) = self.registry(plugins.registry.is_some())? {
            plugins.registry = Some(registry);
        }
        if let Some(url) = self.plugin("transport")? {
            plugins.transport = self.transports.open(&url)?;
            if plugins.transport.is_none() {
                plugins = plugins.change_socket(|socket| socket.client_protocol(url.name()))?;
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
        if let Some(setting) = self.text("client-snapshots") {
            let snapshots = match setting {
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
        if let Some(setting) = self.values.get(origins) {
            let named = |error: Error| error.context(format!("`{}`", setting.level.spell(origins)));
            plugins = allow_origins(plugins, &setting.text).map_err(named)?;
        }
        self.secure(plugins)
    }

    /// The text of a setting, if it is set.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|setting| setting.text.as_str())
    }

    /// The duration of a setting, if it is set.
    pub(crate) fn duration(&self, name: &str) -> Result<Option<Duration>> {
        let means = "is not a duration above zero such as `60s`, `1m30s` or `500ms`";
        self.read_as(name, means, value::duration)
    }

    /// A setting parsed by `read`, whose errors name the setting.
    pub(crate) fn checked<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T>,
    ) -> Result<Option<T>> {
        let Some(setting) = self.values.get(name) else {
            return Ok(None);
        };
        let named = |error: Error| error.context(format!("`{}`", setting.level.spell(name)));
        read(&setting.text).map(Some).map_err(named)
    }

    /// The metadata that settings give to the service's node.
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
        let Some(setting) = self.values.get(name) else {
            return Ok(None);
        };
        read(&setting.text).map(Some).ok_or_else(|| {
            let (spelled, text) = (setting.level.spell(name), &setting.text);
            Error::invalid_argument(format!("`{spelled}`: `{text}` {means}"))
        })
    }

    /// The plugin of a kind with its address, from one setting or from two.
    pub(super) fn plugin(&self, kind: &str) -> Result<Option<Url>> {
        let address = self.values.get(&*format!("{kind}-address"));
        let Some(setting) = self.values.get(kind) else {
            return match address {
                None => Ok(None),
                Some(Setting { level, .. }) => Err(Error::invalid_argument(format!(
                    "`{}` is given without a name; add `{}`",
                    level.spell(&format!("{kind}-address")),
                    Level::Flag.spell(&format!("{kind}=NAME"))
                ))),
            };
        };
        let url = Url::parse(&setting.text);
        let Some(address) = address else {
            return Ok(Some(url));
        };
        if let Some(replaced) = &setting.replaced
            && address.level < setting.level
            && Url::parse(replaced).name() != url.name()
        {
            // The address belongs to the plugin that was not chosen.
            return Ok(Some(url));
        }
        if url.address().is_empty() {
            return Ok(Some(url.at(&address.text)));
        }
        // The one with the higher precedence wins; two of the same precedence contradict each other.
        match address.level.cmp(&setting.level) {
            std::cmp::Ordering::Less => Ok(Some(url)),
            std::cmp::Ordering::Greater => Ok(Some(url.at(&address.text))),
            std::cmp::Ordering::Equal => Err(Error::invalid_argument(format!(
                "`{url}` has an address, and `{}` gives another; leave one out",
                address.level.spell(&format!("{kind}-address"))
            ))),
        }
    }
}

/// Allows pages of these origins.
#[cfg(any(
    feature = "json",
    feature = "connect",
    feature = "mucp",
    feature = "grpc"
))]
fn allow_origins(plugins: Plugins, origins: &str) -> Result<Plugins> {
    plugins.change_socket(|socket| socket.cors_origins(origins))
}

/// Allows pages, for the protocols that are built in.
#[cfg(not(any(
    feature = "json",
    feature = "connect",
    feature = "mucp",
    feature = "grpc"
)))]
fn allow_origins(_: Plugins, _: &str) -> Result<Plugins> {
    Err(Error::invalid_argument(
        "nothing that pages speak is built in; enable the feature `connect`, `grpc` or `json`",
    ))
}

/// The address to listen on that a broker's URL names, if any.
fn listens_at<'a>(url: &'a Url, scheme: &str, keys: &[&str]) -> Result<Option<&'a str>> {
    let named = |error: Error| error.context(format!("broker `{url}`"));
    let schemes = [scheme];
    let reads = Reads::new().keys(keys).schemes(&schemes);
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

/// Sets the default broker, which receives events at the address of `url`.
fn by_direct(plugins: Plugins, url: &Url) -> Result<Plugins> {
    let address = listens_at(url, "direct", &[])?.map(str::to_owned);
    let plugins = plugins.by_broker(BrokerSource::Direct);
    Ok(plugins.direct(|settings| settings.address = address.or(settings.address.take())))
}

/// Sets go-micro's HTTP broker, which listens at the address of `url`, and registers and finds subscriptions in the
/// styles that `url` names.
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
    /// Makes a client of these settings and of defaults: `Settings::from_env()?.client()` is a client configured by the
    /// environment.
    ///
    /// A program with plugins of its own takes two steps: `settings.apply(Plugins::new())?.client()`.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](crate::Code::InvalidArgument) for a value that cannot be parsed or a plugin that is not built in.
    pub fn client(&self) -> Result<Client> {
        self.apply(Plugins::new())?.client()
    }
}
