//! What every command has: the plugins that the global flags name, and where to write.

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
    /// Registry to find services in, by name or as a URL such as `local:PATH`; several with commas between them
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) registry: Option<String>,
    /// Where the registry is
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) registry_address: Option<String>,
    /// Transport to carry calls by
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) transport: Option<String>,
    /// Broker to publish by and subscribe at
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) broker: Option<String>,
    /// Strategy that picks among nodes
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) selector: Option<String>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    pub(crate) tls: Tls,
}

/// What a registry that is a server is told.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Registry")]
struct Access {
    /// What keeps this fleet apart from others in the same registry
    #[arg(long, global = true, value_name = "NAME", visible_alias = "namespace")]
    registry_namespace: Option<String>,
    /// Who we are to the registry
    #[arg(long, global = true, value_name = "NAME")]
    registry_user: Option<String>,
    /// The password of that user; `MICRO_REGISTRY_PASSWORD` keeps it out of the list of processes
    #[arg(long, global = true, value_name = "PASSWORD")]
    registry_password: Option<Secret>,
    /// A token for the registry; `MICRO_REGISTRY_TOKEN` keeps it out of the list of processes
    #[arg(long, global = true, value_name = "TOKEN")]
    registry_token: Option<Secret>,
    /// Speak TLS to the registry
    #[arg(long, global = true)]
    registry_tls: bool,
    /// File of the authorities that the registry is trusted by
    #[arg(long, global = true, value_name = "FILE")]
    registry_tls_ca: Option<String>,
    /// File of the certificate to show to the registry
    #[arg(long, global = true, value_name = "FILE")]
    registry_tls_cert: Option<String>,
    /// File of its key
    #[arg(long, global = true, value_name = "FILE")]
    registry_tls_key: Option<String>,
    /// Take any certificate of the registry
    #[arg(long, global = true)]
    registry_tls_insecure: bool,
}

/// A text that is not printed.
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

/// TLS, for the commands that call.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "TLS")]
pub(crate) struct Tls {
    /// File of the authorities that servers are trusted by, instead of the system's
    #[arg(long, global = true, value_name = "FILE")]
    tls_ca: Option<String>,
    /// File of the certificate to show
    #[arg(long, global = true, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<String>,
    /// File of its key
    #[arg(long, global = true, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<String>,
    /// Name that servers' certificates must be for, instead of their host
    #[arg(long, global = true, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// Speak TLS to every node, not only to those that ask for it
    #[arg(long, global = true)]
    tls_always: bool,
    /// Take any certificate of a server
    #[arg(long, global = true)]
    tls_insecure: bool,
}

/// What a command works with besides its arguments.
pub(crate) struct Session {
    flags: Flags,
}

impl Session {
    pub(crate) fn new(flags: Flags) -> Self {
        Session { flags }
    }

    /// The plugins that the flags, and under them the environment, name.
    pub(crate) fn plugins(&self) -> Result<Plugins> {
        Self::plugins_of(&self.flags)
    }

    /// The plugins with another transport, if one is named, which speaks TLS to every node if `tls` says so.
    pub(crate) fn plugins_over(&self, transport: Option<&str>, tls: bool) -> Result<Plugins> {
        let mut flags = self.flags.clone();
        if let Some(transport) = transport {
            flags.transport = Some(transport.to_owned());
        }
        flags.tls.tls_always |= tls;
        Self::plugins_of(&flags)
    }

    /// Whether a flag is about whom to trust, or whom to show to be: it says nothing unless TLS is spoken.
    /// Those of the environment may be there for other nodes.
    pub(crate) fn has_tls_flags(&self) -> bool {
        let tls = &self.flags.tls;
        let names = [&tls.tls_ca, &tls.tls_cert, &tls.tls_server_name];
        tls.tls_insecure || names.into_iter().any(Option::is_some)
    }

    /// Whether calls go by gRPC whatever a node's record says.
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

    /// Each registry by itself that the flags and the environment name, with its URL.
    pub(crate) fn registries(&self) -> Result<Vec<(Url, Arc<dyn Registry>)>> {
        Self::settings(&self.flags)?
            .registries()
            .map_err(|error| Failure::Usage(error.message().to_owned()))
    }

    /// The registry that a URL names, whatever the flags and the environment say.
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

    /// The registry that the flags and the environment name.
    pub(crate) fn registry(&self) -> Result<Arc<dyn Registry>> {
        self.registry_of(&self.plugins()?)
    }

    /// The registry that the flags and the environment name, to write to.
    pub(crate) fn registry_to_write(&self) -> Result<Arc<dyn Registry>> {
        let registry = self.registry()?;
        Self::writable(&*registry)?;
        Ok(registry)
    }

    /// Fails for a registry in which nothing can be written.
    pub(crate) fn writable(registry: &dyn Registry) -> Result {
        match registry.is_read_only() {
            false => Ok(()),
            true => Err(Failure::Usage(format!(
                "registry `{}` is only read, nothing can be registered in it; name another",
                registry.name()
            ))),
        }
    }

    /// Whether output is for programs.
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
        // A read of stdin that nobody waits for any more would keep it up until the next line.
        runtime.shutdown_background();
        result
    }

    /// Writes one line of data, or several; nothing in it that a terminal would obey.
    pub(crate) fn print(&self, line: impl fmt::Display) -> Result {
        self.print_styled(printable(&line.to_string(), true))
    }

    /// Writes a line that may have colours: whatever others wrote must have been made printable.
    pub(crate) fn print_styled(&self, line: impl fmt::Display) -> Result {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{line}")?;
        Ok(stdout.flush()?)
    }

    /// Says something to the person, beside the data.
    pub(crate) fn say(&self, text: &str) {
        // Nobody is there to hear it when stderr is closed.
        let _ = writeln!(io::stderr(), "{}", printable(text, true));
    }

    /// Says what went wrong.
    pub(crate) fn say_error(&self, text: &str) {
        let coloured = io::stderr().is_terminal() && !no_colour();
        let label = if coloured {
            "\x1b[1;31merror:\x1b[0m"
        } else {
            "error:"
        };
        let _ = writeln!(io::stderr(), "{label} {}", printable(text, true));
    }

    /// Whether data goes to a terminal that may be coloured.
    pub(crate) fn coloured(&self) -> bool {
        io::stdout().is_terminal() && !no_colour()
    }
}

/// Whether the user asked for no colours, as no-color.org says.
fn no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
