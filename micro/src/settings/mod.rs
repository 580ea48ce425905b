//! Settings from the environment and the command line: `MICRO_*` and `--flags`, and the plugins they name.
//!
//! Each setting has one name: the flag `--registry-address` (underscores work too) is the variable
//! `MICRO_REGISTRY_ADDRESS`.
//!
//! | flag | sets |
//! |---|---|
//! | `--registry`, `--registry-address` | where services are registered and found: `local`, `memory` or another; several, separated by commas |
//! | `--registry-namespace` | the namespace that separates fleets in one registry |
//! | `--registry-user`, `--registry-password`, `--registry-token` | credentials for the registry |
//! | `--registry-tls`, `--registry-tls-insecure` | TLS to the registry; without verifying its certificate |
//! | `--registry-tls-ca`, `--registry-tls-cert`, `--registry-tls-key` | certificate files for the registry |
//! | `--transport`, `--transport-address` | how calls are carried: `native`, `memory` or another |
//! | `--broker`, `--broker-address` | how events are published: `direct`, `http` (go-micro's; the address is the one to listen on), `memory` or another |
//! | `--selector` | the strategy that picks nodes: `p2c`, `random`, `round-robin`, `least-loaded`, `weighted` or another |
//! | `--server-name`, `--server-version`, `--server-id` | name and version of the service, id of the node |
//! | `--server-address`, `--server-advertise` | the address to listen on, and the one to register |
//! | `--server-cors-origins` | origins of web pages that may call, such as `https://shop.example`; `*` for all |
//! | `--server-allowed-hosts` | hosts allowed in HTTP requests over loopback; `*` for all |
//! | `--server-metadata k=v` | metadata of the node; repeated, or separated by commas |
//! | `--metadata` | metadata of requests that is passed on to further calls: names, or `all` as in go-micro |
//! | `--ops`, `--ops-address` | which operational endpoints are served, and on which address of their own |
//! | `--register-ttl`, `--register-interval` | the registration's time to live, and how often it is renewed |
//! | `--client-request-timeout` | the timeout of a call without a deadline |
//! | `--client-retries` | attempts after the first, for the whole call tree |
//! | `--client-snapshots` | the directory that keeps discovered nodes for a start without the registry, or `no` |
//! | `--client-pool-ttl` | how long an idle connection is kept |
//! | `--tls-cert`, `--tls-key` | certificate files, shown to clients and to servers that ask for one |
//! | `--tls-ca` | a file of authorities trusted for servers, in place of the system's |
//! | `--tls-client-ca` | a file of authorities that must have issued a client's certificate; plaintext is refused |
//! | `--tls-client-optional` | clients without a certificate are allowed; plaintext, too, unless it is refused |
//! | `--tls-require` | plaintext connections are refused |
//! | `--tls-always` | TLS to every node, not only to those that ask for it |
//! | `--tls-server-name` | the name that servers' certificates must have, in place of the host |
//! | `--tls-insecure` | servers' certificates are not verified |
//!
//! A **plugin** is a name, with its address in a separate flag or behind a colon:
//! `--registry=local:/run/fleet`, `MICRO_REGISTRY=etcd://10.0.0.1:2379`; see [`Url`]. A **duration** is
//! `60s`, `1m30s` or `500ms`; a bare number is seconds. A **switch** such as `--tls-require` means yes without a
//! value, and `--tls-require=no` means no.
//!
//! go-micro's names work, too: `MICRO_ENABLE_TLS` (`--tls-require`), `MICRO_TLS_CERT_FILE`,
//! `MICRO_TLS_KEY_FILE`, `MICRO_TLS_CA_FILE` and `MICRO_TLS_CLIENT_CA_FILE`, and their flags.
//!
//! **Precedence**: a flag wins over the environment, the environment over code, and code over the defaults. Code has what
//! the author thinks right everywhere; the operator knows this environment, and a flag is for this one run. (In go-micro,
//! too, flags win over the environment; but options given after `Init` win over both, which an operator cannot see.)
//!
//! **Flags of the program's own** are left in [`Settings::rest`]: any that is not a setting, except one that
//! is a single typo away from a setting, such as `--regitry`, or has the prefix of one (`--registry-…`,
//! `--register-…`, `--server-…`, `--client-…`, `--tls-…`, `--transport-…`, `--broker-…`, `--selector-…`). These are
//! errors. Arguments after `--` are never read. A variable with such a name is ignored with a warning.

mod apply;
mod arguments;
mod flags;
mod kind;
mod known;
mod list;
mod registry;
mod table;
mod tls;
mod value;

use std::{collections::BTreeMap, fmt, io::Write as _, sync::Arc};

pub use kind::PluginKind;
pub use micro_core::{plugin::Plugin, url::Url};
pub use value::duration;

use arguments::Argument;
use flags::Setting;
use micro_core::{
    broker::Broker, codec::Codec, error::Result, registry::Registry, selector::Strategy,
    transport::Transport,
};
use table::Table;

/// Settings read from the environment and the command line, and the plugins that they may name.
///
/// [`Service::run`](crate::service::Service::run) reads both by itself. Use this type to add plugins of your own:
///
/// ```no_run
/// use micro::{Result, Service, Settings, registry};
///
/// # fn main() -> Result<()> {
/// let settings = Settings::new().with_registry("mine", |_| Ok(registry::Memory::new()));
/// Service::new("greeter").settings(settings).run() // --registry=mine
/// # }
/// ```
#[derive(Clone)]
pub struct Settings {
    values: BTreeMap<&'static str, Setting>,
    /// Whether the environment was read, or variables were given.
    read: bool,
    rest: Vec<String>,
    registries: Table<dyn Registry>,
    transports: Table<dyn Transport>,
    brokers: Table<dyn Broker>,
    strategies: Table<dyn Strategy>,
    codecs: Vec<Arc<dyn Codec>>,
}

impl Settings {
    /// Nothing set, and the built-in plugins.
    pub fn new() -> Self {
        Settings {
            values: BTreeMap::new(),
            read: false,
            rest: Vec::new(),
            registries: table::registries(),
            transports: table::transports(),
            brokers: table::brokers(),
            strategies: table::strategies(),
            codecs: Vec::new(),
        }
    }

    /// The settings of the environment.
    pub fn from_env() -> Result<Self> {
        Self::new().env(environment()?)
    }

    /// The settings of the environment and the command line.
    pub fn from_env_and_args() -> Result<Self> {
        Self::new()
            .env(environment()?)?
            .take(arguments::arguments())
    }

    /// Reads the environment and the command line, unless variables or arguments were read before.
    pub(crate) fn complete(self) -> Result<Self> {
        match self.read {
            true => Ok(self),
            false => self.env(environment()?)?.take(arguments::arguments()),
        }
    }

    /// Reads these variables.
    pub fn env(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        flags::read_environment(variables, &mut self.values);
        self.read = true;
        Ok(self)
    }

    /// Reads these arguments, which do not include the program's name.
    pub fn args<S: Into<String>>(self, arguments: impl IntoIterator<Item = S>) -> Result<Self> {
        self.take(arguments.into_iter().map(|text| Argument::of(text.into())))
    }

    fn take(mut self, arguments: impl IntoIterator<Item = Argument>) -> Result<Self> {
        self.rest = flags::read_arguments(arguments, &mut self.values)?;
        self.read = true;
        Ok(self)
    }

    /// Prints the answer to `--help` or `--version`, and returns whether one of them was given.
    pub(crate) fn answers(&self, service: &str, version: &str) -> bool {
        let of_process: Vec<_> = match self.read {
            true => Vec::new(),
            false => arguments::arguments().collect(),
        };
        let rest = self.rest.iter().map(String::as_str);
        let all = rest.chain(of_process.iter().map(|argument| &*argument.text));
        let Some(answer) = arguments::answer(all, service, version) else {
            return false;
        };
        // A closed standard output is no error.
        let _ = std::io::stdout().write_all(answer.as_bytes());
        true
    }

    /// The arguments that are no settings, in their order.
    pub fn rest(&self) -> &[String] {
        &self.rest
    }

    /// Adds a plugin, as its crate exports it. A plugin of the same name is replaced.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use micro::{Settings, registry::{Memory, Registry}, settings::Plugin};
    ///
    /// const REGISTRY: Plugin<dyn Registry> = Plugin::new("mine", |_| Ok(Arc::new(Memory::new())));
    ///
    /// let settings = Settings::new().with_plugin(REGISTRY); // --registry=mine
    /// ```
    pub fn with_plugin<T: PluginKind + ?Sized>(mut self, plugin: Plugin<T>) -> Self {
        T::add(plugin, &mut self);
        self
    }

    /// Adds a registry, which `--registry=NAME` chooses.
    pub fn with_registry<R: Registry>(
        mut self,
        name: &str,
        open: impl Fn(&Url) -> Result<R> + Send + Sync + 'static,
    ) -> Self {
        self.registries
            .add(name, move |url| Ok(Arc::new(open(url)?)));
        self
    }

    /// Adds a transport, which `--transport=NAME` chooses.
    pub fn with_transport<T: Transport>(
        mut self,
        name: &str,
        open: impl Fn(&Url) -> Result<T> + Send + Sync + 'static,
    ) -> Self {
        self.transports
            .add(name, move |url| Ok(Arc::new(open(url)?)));
        self
    }

    /// Adds a broker, which `--broker=NAME` chooses.
    pub fn with_broker<B: Broker>(
        mut self,
        name: &str,
        open: impl Fn(&Url) -> Result<B> + Send + Sync + 'static,
    ) -> Self {
        self.brokers.add(name, move |url| Ok(Arc::new(open(url)?)));
        self
    }

    /// Adds a strategy, which `--selector=NAME` chooses.
    pub fn with_strategy<S: Strategy>(
        mut self,
        name: &str,
        open: impl Fn(&Url) -> Result<S> + Send + Sync + 'static,
    ) -> Self {
        self.strategies
            .add(name, move |url| Ok(Arc::new(open(url)?)));
        self
    }

    /// Adds a codec, which messages choose by its content type.
    pub fn with_codec(mut self, codec: impl Codec) -> Self {
        self.codecs.push(Arc::new(codec));
        self
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

/// Names only: values may be secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("values", &self.values.keys())
            .finish_non_exhaustive()
    }
}

fn environment() -> Result<Vec<(String, String)>> {
    arguments::variables(std::env::vars_os())
}
