//! The session of a command: the plugins of the global flags, and the output.

use std::{
    fmt,
    future::Future,
    io::{self, IsTerminal, Write},
    sync::Arc,
};

use clap::Args;
use micro::{Plugins, Settings, registry::Registry, settings::Url};

use crate::{
    failure::{Failure, Result},
    printable::printable,
};

/// The flags that every command takes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Flags {
    /// Registry, by name or URL such as `local:PATH`; several are separated by commas
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) registry: Option<String>,
    /// Address of the registry
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) registry_address: Option<String>,
    /// Transport for calls
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) transport: Option<String>,
    /// Broker for events
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) broker: Option<String>,
    /// Strategy that selects a node for each call
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) selector: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    pub(crate) tls: Tls,
}

/// Flags for registries that are servers.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Registry")]
struct Access {
    /// Namespace, which separates this fleet from others in the same registry
    #[arg(long, global = true, value_name = "NAME", visible_alias = "namespace")]
    registry_namespace: Option<String>,
    /// User name at the registry
    #[arg(long, global = true, value_name = "NAME")]
    registry_user: Option<String>,
    /// Password of the user; other users can see flags of a process, but not `MICRO_REGISTRY_PASSWORD`
    #[arg(long, global = true, value_name = "PASSWORD")]
    registry_password: Option<Secret>,
    /// Token for the registry; other users can see flags of a process, but not `MICRO_REGISTRY_TOKEN`
    #[arg(long, global = true, value_name = "TOKEN")]
    registry_token: Option<Secret>,
    /// Connect to the registry with TLS
    #[arg(long, global = true)]
    registry_tls: bool,
    /// File with the certificate authorities for the registry
    #[arg(long, global = true, value_name = "FILE")]
    registry_tls_ca: Option<String>,
    /// File with the client certificate for the registry
    #[arg(long, global = true, value_name = "FILE")]
    registry_tls_cert: Option<String>,
    /// File with the key of the client certificate
    #[arg(long, global = true, value_name = "FILE")]
    registry_tls_key: Option<String>,
    /// Do not verify the certificate of the registry
    #[arg(long, global = true)]
    registry_tls_insecure: bool,
}

/// A secret, which `Debug` does not print.
#[derive(Clone)]
struct Secret(String);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Secret(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Flags of TLS for calls.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "TLS")]
pub(crate) struct Tls {
    /// File with the certificate authorities for servers, instead of the system's
    #[arg(long, global = true, value_name = "FILE")]
    tls_ca: Option<String>,
    /// File with the client certificate
    #[arg(long, global = true, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<String>,
    /// File with the key of the client certificate
    #[arg(long, global = true, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<String>,
    /// Name to verify in certificates of servers, instead of the host
    #[arg(long, global = true, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// Use TLS for every node, not only for those that require it
    #[arg(long, global = true)]
    tls_always: bool,
    /// Do not verify certificates of servers
    #[arg(long, global = true)]
    tls_insecure: bool,
}

/// The plugins and the output of a command.
pub(crate) struct Session {
    flags: Flags,
}

impl Session {
    pub(crate) fn new(flags: Flags) -> Self {
        Session { flags }
    }

    /// The plugins of the flags, or else of the environment.
    pub(crate) fn plugins(&self) -> Result<Plugins> {
        Self::plugins_of(&self.flags)
    }

    /// The plugins, over `transport` if given, with TLS to every node if `tls` is set.
    pub(crate) fn plugins_over(&self, transport: Option<&str>, tls: bool) -> Result<Plugins> {
        let mut flags = self.flags.clone();
        if let Some(transport) = transport {
            flags.transport = Some(transport.to_owned());
        }
        flags.tls.tls_always |= tls;
        Self::plugins_of(&flags)
    }

    /// Whether a flag sets certificates or names, which means that calls use TLS. Variables do not count: they may be
    /// for other nodes.
    pub(crate) fn has_tls_flags(&self) -> bool {
        let tls = &self.flags.tls;
        let names = [&tls.tls_ca, &tls.tls_cert, &tls.tls_server_name];
        tls.tls_insecure || names.into_iter().any(Option::is_some)
    }

    /// Whether all calls use gRPC.
    pub(crate) fn is_grpc(&self) -> bool {
        let said = || std::env::var("MICRO_TRANSPORT").ok();
        let transport = self.flags.transport.clone().or_else(said);
        transport.is_some_and(|transport| transport == "grpc")
    }

    fn plugins_of(flags: &Flags) -> Result<Plugins> {
        Self::settings(flags)?
            .apply(Plugins::new())
            .map_err(|error| Failure::Usage(error.message().to_owned()))
    }

    /// The registries of the flags and the environment, each with its URL.
    pub(crate) fn registries(&self) -> Result<Vec<(Url, Arc<dyn Registry>)>> {
        Self::settings(&self.flags)?
            .registries()
            .map_err(|error| Failure::Usage(error.message().to_owned()))
    }

    /// The registry at a URL; flags and environment do not matter.
    pub(crate) fn registry_at(url: &str) -> Result<Arc<dyn Registry>> {
        Settings::new()
            .args([format!("--registry={url}")])
            .and_then(|settings| settings.apply(Plugins::new()))
            .and_then(|plugins| plugins.open_registry())
            .map_err(|error| Failure::Usage(error.message().to_owned()))
    }

    fn settings(flags: &Flags) -> Result<Settings> {
        let (access, secret) = (&flags.access, |text: &Secret| text.0.clone());
        let tls = &flags.tls;
        let yes = "true".to_owned();
        let switch = |on: bool| if on { Some(&yes) } else { None };
        let password = access.registry_password.as_ref().map(secret);
        let token = access.registry_token.as_ref().map(secret);
        let given = [
            ("tls-ca", tls.tls_ca.as_ref()),
            ("tls-cert", tls.tls_cert.as_ref()),
            ("tls-key", tls.tls_key.as_ref()),
            ("tls-server-name", tls.tls_server_name.as_ref()),
            ("tls-always", switch(tls.tls_always)),
            ("tls-insecure", switch(tls.tls_insecure)),
            ("registry", flags.registry.as_ref()),
            ("registry-address", flags.registry_address.as_ref()),
            ("registry-namespace", access.registry_namespace.as_ref()),
            ("registry-user", access.registry_user.as_ref()),
            ("registry-password", password.as_ref()),
            ("registry-token", token.as_ref()),
            ("registry-tls", switch(access.registry_tls)),
            ("registry-tls-ca", access.registry_tls_ca.as_ref()),
            ("registry-tls-cert", access.registry_tls_cert.as_ref()),
            ("registry-tls-key", access.registry_tls_key.as_ref()),
            (
                "registry-tls-insecure",
                switch(access.registry_tls_insecure),
            ),
            ("transport", flags.transport.as_ref()),
            ("broker", flags.broker.as_ref()),
            ("selector", flags.selector.as_ref()),
        ];
        let given = given
            .into_iter()
            .filter_map(|(name, value)| Some(format!("--{name}={}", value?)));
        Settings::from_env()
            .and_then(|settings| settings.args(given))
            .map_err(|error| Failure::Usage(error.message().to_owned()))
    }

    /// The registry of these plugins.
    pub(crate) fn registry_of(&self, plugins: &Plugins) -> Result<Arc<dyn Registry>> {
        plugins.open_registry().map_err(Failure::Registry)
    }

    /// The registry of the flags and the environment.
    pub(crate) fn registry(&self) -> Result<Arc<dyn Registry>> {
        self.registry_of(&self.plugins()?)
    }

    /// The registry of the flags and the environment, if it can be written.
    pub(crate) fn registry_to_write(&self) -> Result<Arc<dyn Registry>> {
        let registry = self.registry()?;
        Self::writable(&*registry)?;
        Ok(registry)
    }

    /// Fails for a read-only registry.
    pub(crate) fn writable(registry: &dyn Registry) -> Result {
        match registry.is_read_only() {
            false => Ok(()),
            true => Err(Failure::Usage(format!(
                "registry `{}` is read-only; use another to register nodes",
                registry.name()
            ))),
        }
    }

    /// Whether to print JSON.
    pub(crate) fn json(&self) -> bool {
        self.flags.json
    }

    /// Runs a command's asynchronous work on this thread.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::Failed(format!("no runtime could be started: {error}")))?;
        let result = runtime.block_on(work);
        // A pending read of stdin would block the shutdown until the next line.
        runtime.shutdown_background();
        result
    }

    /// Prints one line of data, or several, with control characters escaped.
    pub(crate) fn print(&self, line: impl fmt::Display) -> Result {
        self.print_styled(printable(&line.to_string(), true))
    }

    /// Prints a line that may have colours. The caller has escaped text from elsewhere.
    pub(crate) fn print_styled(&self, line: impl fmt::Display) -> Result {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{line}")?;
        Ok(stdout.flush()?)
    }

    /// Prints a message to stderr.
    pub(crate) fn say(&self, text: &str) {
        // An error means that stderr is closed.
        let _ = writeln!(io::stderr(), "{}", printable(text, true));
    }

    /// Prints an error to stderr.
    pub(crate) fn say_error(&self, text: &str) {
        let coloured = io::stderr().is_terminal() && !no_colour();
        let label = if coloured {
            "\x1b[1;31merror:\x1b[0m"
        } else {
            "error:"
        };
        let _ = writeln!(io::stderr(), "{label} {}", printable(text, true));
    }

    /// Whether stdout is a terminal and colours are allowed.
    pub(crate) fn coloured(&self) -> bool {
        io::stdout().is_terminal() && !no_colour()
    }
}

/// Whether `NO_COLOR` is set, as in no-color.org.
fn no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
