//! The connection to NATS: how it is opened, and how its loss is heard.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event};
use tokio::sync::watch;

use super::{
    identity::Identity,
    refusal::{self, ServerState},
    wire::Subjects,
};
use micro_core::{
    Error, Result,
    net::tls::Connector,
    url::{Options, env_var},
};

/// A server that answers two of them not is lost.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// How long one server is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);
/// Messages that a subscription may be behind by.
const SUBSCRIPTION_CAPACITY: usize = 16 * 1024;

/// How to connect, and as whom.
pub(super) struct NatsConnector {
    servers: Vec<String>,
    identity: Identity,
    tls: Option<Connector>,
}

/// A connection, and what its server says of it.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) server_state: watch::Receiver<ServerState>,
    /// Whether what a registration needs was seen to be permitted.
    pub(super) is_checked: Arc<AtomicBool>,
}

impl NatsConnector {
    pub(super) fn of(options: &Options) -> Result<Self> {
        let identity = Identity::of(options, env_var)?;
        options.warn_of_plaintext(identity.is_sent());
        Ok(NatsConnector {
            servers: options.hosts.clone(),
            identity,
            tls: options.tls.clone().map(Connector::new),
        })
    }

    /// A connection to the first server that takes us. Ends with an error when all refuse, and not while one is
    /// silent: who asks knows best how long to wait.
    pub(super) async fn open(&self, subjects: &Subjects) -> Result<Connection> {
        loop {
            match self.open_once(subjects).await? {
                Ok(connection) => return Ok(connection),
                Err(error) if error.kind() == ConnectErrorKind::TimedOut => {}
                Err(error) => return Err(explain(error)),
            }
        }
    }

    /// Tries each server once. The outer error is one of the configuration, the inner one is from the servers.
    async fn open_once(&self, subjects: &Subjects) -> Result<Result<Connection, ConnectError>> {
        let (telling, server_state) = watch::channel(ServerState::default());
        let subjects = subjects.clone();
        let options = self.options()?.event_callback(move |event| {
            match event {
                Event::Disconnected | Event::Closed => {
                    refusal::lose(&telling, Error::unavailable("the connection was lost"));
                }
                Event::ServerError(error) => {
                    refusal::note(&telling, &subjects, &error.to_string());
                }
                _ => {}
            }
            std::future::ready(())
        });
        let servers: Result<Vec<async_nats::ServerAddr>, _> =
            self.servers.iter().map(|server| server.parse()).collect();
        let servers = servers.map_err(|error| {
            Error::invalid_argument("not the address of a NATS server").with_source(error)
        })?;
        let connected = options.connect(servers).await;
        Ok(connected.map(|client| Connection {
            client,
            server_state,
            is_checked: Arc::default(),
        }))
    }

    fn options(&self) -> Result<ConnectOptions> {
        let mut options = ConnectOptions::new()
            .name("micro")
            .ping_interval(PING_INTERVAL)
            .connection_timeout(CONNECT_TIMEOUT)
            .subscription_capacity(SUBSCRIPTION_CAPACITY)
            // A lost connection is given up, and another begun by whoever had it.
            .max_reconnects(1);
        options = self.identity.put_into(options)?;
        if let Some(tls) = &self.tls {
            let config = (*tls.config()?).clone();
            options = options.tls_client_config(config).require_tls(true);
        }
        Ok(options)
    }
}

fn explain(error: ConnectError) -> Error {
    let explained = match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            Error::unauthenticated("the user, token or key is refused, or one is needed")
        }
        ConnectErrorKind::Tls => Error::unavailable(
            "the TLS handshake failed; is it the right port, and `tls-ca` the authority of its certificate?",
        ),
        _ => Error::unavailable("cannot be reached"),
    };
    explained.with_source(error)
}
