//! The connection to NATS: how it is opened, and how its loss is heard.

use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event};
use tokio::sync::watch;

use super::identity::Identity;
use crate::{
    error::{Error, Result},
    registry::remote::{Options, tls::Tls, variable},
};

/// A server that answers two of them not is lost.
const PING: Duration = Duration::from_secs(5);
/// How long one server is tried.
const CONNECT: Duration = Duration::from_millis(1500);
/// Messages that a subscription may be behind by.
const BEHIND: usize = 16 * 1024;

/// How to connect, and as whom.
pub(super) struct Link {
    servers: Vec<String>,
    identity: Identity,
    tls: Option<Tls>,
}

/// A connection, and why it was lost once it is.
pub(super) struct Linked {
    pub(super) client: Client,
    pub(super) lost: watch::Receiver<Option<Error>>,
}

impl Link {
    pub(super) fn of(options: &Options) -> Result<Self> {
        let identity = Identity::of(options, variable)?;
        options.warn_of_plaintext(identity.is_sent());
        Ok(Link {
            servers: options.hosts.clone(),
            identity,
            tls: options.tls.clone().map(Tls::new),
        })
    }

    /// A connection to the first server that takes us. Ends with an error when all refuse, and not while one is
    /// silent: who asks knows best how long to wait.
    pub(super) async fn open(&self) -> Result<Linked> {
        loop {
            match self.open_once().await? {
                Ok(linked) => return Ok(linked),
                Err(error) if error.kind() == ConnectErrorKind::TimedOut => {}
                Err(error) => return Err(explain(error)),
            }
        }
    }

    /// The inner error is the servers', the outer one that of what we were told.
    async fn open_once(&self) -> Result<Result<Linked, ConnectError>> {
        let (losing, lost) = watch::channel(None);
        let options = self.options()?.event_callback(move |event| {
            let error = match event {
                Event::Disconnected | Event::Closed => {
                    Some(Error::unavailable("the connection was lost"))
                }
                Event::ServerError(error) => {
                    let said = error.to_string();
                    let denied = said.to_lowercase().contains("permissions violation");
                    denied.then(|| {
                        Error::permission_denied(format!("the server says: {said}; permit it"))
                    })
                }
                _ => None,
            };
            if let Some(error) = error {
                losing.send_if_modified(|lost| {
                    let is_first = lost.is_none();
                    lost.get_or_insert(error);
                    is_first
                });
            }
            std::future::ready(())
        });
        let servers: Result<Vec<async_nats::ServerAddr>, _> =
            self.servers.iter().map(|server| server.parse()).collect();
        let servers = servers.map_err(|error| {
            Error::invalid_argument("not the address of a NATS server").with_source(error)
        })?;
        let connected = options.connect(servers).await;
        Ok(connected.map(|client| Linked { client, lost }))
    }

    fn options(&self) -> Result<ConnectOptions> {
        let mut options = ConnectOptions::new()
            .name("micro")
            .ping_interval(PING)
            .connection_timeout(CONNECT)
            .subscription_capacity(BEHIND)
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
