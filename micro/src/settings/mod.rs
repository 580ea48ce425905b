//! What the environment and the command line say: `MICRO_*` and `--flags`, and the plugins they name.
//!
//! Each setting has one name: the flag `--registry-address` (underscores do as well) is the variable
//! `MICRO_REGISTRY_ADDRESS`.
//!
//! | flag | says |
//! |---|---|
//! | `--registry`, `--registry-address` | where services are registered and found: `local`, `memory` or one's own; several with commas |
//! | `--registry-namespace` | what keeps a fleet apart from others in one registry |
//! | `--registry-user`, `--registry-password`, `--registry-token` | who we are to the registry |
//! | `--registry-tls`, `--registry-tls-insecure` | TLS to the registry; its certificate is not verified |
//! | `--registry-tls-ca`, `--registry-tls-cert`, `--registry-tls-key` | files of TLS to the registry |
//! | `--transport`, `--transport-address` | how calls are carried: `native`, `memory` or one's own |
//! | `--broker`, `--broker-address` | how events are published: `direct`, `http` (go-micro's; the address is where to listen), `memory` or one's own |
//! | `--selector` | how nodes are picked: `p2c`, `random`, `round-robin`, `least-loaded`, `weighted` or one's own |
//! | `--server-name`, `--server-version`, `--server-id` | who the service is |
//! | `--server-address`, `--server-advertise` | where it listens, and which address it registers |
//! | `--server-cors-origins` | whose pages may call by Connect and gRPC-Web, such as `https://shop.example`; `*` for all |
//! | `--server-allowed-hosts` | hosts that HTTP requests over loopback may be addressed to; `*` for all |
//! | `--server-metadata k=v` | its metadata; repeated, or a list with commas |
//! | `--metadata` | which metadata of requests goes on to the services called for them: names, or `all` as in go-micro |
//! | `--ops`, `--ops-address` | which operational endpoints are served, and where if not with the others |
//! | `--register-ttl`, `--register-interval` | how long a registration lasts, how often it is renewed |
//! | `--client-request-timeout` | the time for a call that comes without a deadline |
//! | `--client-retries` | attempts after the first, in the whole tree of a call |
//! | `--client-snapshots` | the directory where known nodes are kept for a start without the registry, or `no` |
//! | `--client-pool-ttl` | how long a connection without calls is kept |
//! | `--tls-cert`, `--tls-key` | files of the certificate that is shown, to clients and to servers that ask |
//! | `--tls-ca` | a file of the authorities that servers are trusted by, in place of the system's |
//! | `--tls-client-ca` | a file of the authorities that clients must have a certificate of; plaintext is refused |
//! | `--tls-client-optional` | clients without a certificate are taken all the same, plaintext too unless it is refused |
//! | `--tls-require` | plaintext connections are refused |
//! | `--tls-always` | TLS is spoken to every node, not only to those that ask for it |
//! | `--tls-server-name` | the name that servers' certificates must be for, in place of their host |
//! | `--tls-insecure` | servers' certificates are not verified |
//!
//! A **plugin** is a name, with its address in a flag of its own or behind a colon:
//! `--registry=local:/run/fleet`, `MICRO_REGISTRY=etcd://10.0.0.1:2379`; see [`Url`]. A **duration** is
//! `60s`, `1m30s` or `500ms`; a bare number is seconds. A **switch** such as `--tls-require` says yes by
//! itself, and `--tls-require=no` says no.
//!
//! go-micro's names do as well: `MICRO_ENABLE_TLS` (`--tls-require`), `MICRO_TLS_CERT_FILE`,
//! `MICRO_TLS_KEY_FILE`, `MICRO_TLS_CA_FILE` and `MICRO_TLS_CLIENT_CA_FILE`, and their flags.
//!
//! **Precedence**: a flag over the environment, the environment over what is said in code, and that over
//! the defaults. What is in code is what the author thought right everywhere; who runs the program knows
//! where it runs, and a flag is closer to this one run than the environment. (In go-micro too flags
//! win over the environment; but options given after `Init` win over both, which an operator cannot see.)
//!
//! **Flags of one's own** pass: those not known here are left in [`Settings::rest`], except one that
//! differs from a known one by a single slip, such as `--regitry`, or that begins as ours do (`--registry-…`,
//! `--register-…`, `--server-…`, `--client-…`, `--tls-…`, `--transport-…`, `--broker-…`, `--selector-…`), which is an
//! error. What comes after `--` is never looked at. A variable so named is ignored with a warning.

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
use flags::Said;
use micro_core::{
    broker::Broker, codec::Codec, error::Result, registry::Registry, selector::Strategy,
    transport::Transport,
};
use table::Table;

/// What the environment and the command line say, and the plugins that may be named there.
///
/// [`Service::run`](crate::service::Service::run) reads both by itself; make one to add plugins of one's own:
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
    said: BTreeMap<&'static str, Said>,
    /// Whether the environment was read, or what a test gave instead.
    read: bool,
    rest: Vec<String>,
    registries: Table<dyn Registry>,
    transports: Table<dyn Transport>,
    brokers: Table<dyn Broker>,
    strategies: Table<dyn Strategy>,
    codecs: Vec<Arc<dyn Codec>>,
}

impl Settings {
    /// Nothing is said, and what is built in may be named.
    pub fn new() -> Self {
        Settings {
            said: BTreeMap::new(),
            read: false,
            rest: Vec::new(),
            registries: table::registries(),
            transports: table::transports(),
            brokers: table::brokers(),
            strategies: table::strategies(),
            codecs: Vec::new(),
        }
    }

    /// What the environment says.
    pub fn from_env() -> Result<Self> {
        Self::new().env(environment()?)
    }

    /// What the environment and the command line say.
    pub fn from_env_and_args() -> Result<Self> {
        Self::new()
            .env(environment()?)?
            .take(arguments::arguments())
    }

    /// The same, read from the environment and the command line unless anything was read before.
    pub(crate) fn complete(self) -> Result<Self> {
        match self.read {
            true => Ok(self),
            false => self.env(environment()?)?.take(arguments::arguments()),
        }
    }

    /// The same with what these variables say.
    pub fn env(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        flags::read_environment(variables, &mut self.said);
        self.read = true;
        Ok(self)
    }

    /// The same with what these arguments say, without the program's name.
    pub fn args<S: Into<String>>(self, arguments: impl IntoIterator<Item = S>) -> Result<Self> {
        self.take(arguments.into_iter().map(|text| Argument::of(text.into())))
    }

    fn take(mut self, arguments: impl IntoIterator<Item = Argument>) -> Result<Self> {
        self.rest = flags::read_arguments(arguments, &mut self.said)?;
        self.read = true;
        Ok(self)
    }

    /// Prints what `--help` or `--version` asks for; whether one of them was given.
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
        // Nobody reads it where it cannot be written.
        let _ = std::io::stdout().write_all(answer.as_bytes());
        true
    }

    /// The arguments that were not for us, in their order.
    pub fn rest(&self) -> &[String] {
        &self.rest
    }

    /// Adds a plugin that may be named, as its crate exports it; in place of one that has its name.
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

    /// The same with a registry that may be named: `--registry=NAME`.
    pub fn with_registry<R: Registry>(
        mut self,
        name: &str,
        open: impl Fn(&Url) -> Result<R> + Send + Sync + 'static,
    ) -> Self {
        self.registries
            .add(name, move |url| Ok(Arc::new(open(url)?)));
        self
    }

    /// The same with a transport that may be named: `--transport=NAME`.
    pub fn with_transport<T: Transport>(
        mut self,
        name: &str,
        open: impl Fn(&Url) -> Result<T> + Send + Sync + 'static,
    ) -> Self {
        self.transports
            .add(name, move |url| Ok(Arc::new(open(url)?)));
        self
    }

    /// The same with a broker that may be named: `--broker=NAME`.
    pub fn with_broker<B: Broker>(
        mut self,
        name: &str,
        open: impl Fn(&Url) -> Result<B> + Send + Sync + 'static,
    ) -> Self {
        self.brokers.add(name, move |url| Ok(Arc::new(open(url)?)));
        self
    }

    /// The same with a strategy that may be named: `--selector=NAME`.
    pub fn with_strategy<S: Strategy>(
        mut self,
        name: &str,
        open: impl Fn(&Url) -> Result<S> + Send + Sync + 'static,
    ) -> Self {
        self.strategies
            .add(name, move |url| Ok(Arc::new(open(url)?)));
        self
    }

    /// The same with a codec, which messages choose by its content type.
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

/// Names only: values may hold secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("said", &self.said.keys())
            .finish_non_exhaustive()
    }
}

fn environment() -> Result<Vec<(String, String)>> {
    arguments::variables(std::env::vars_os())
}
