//! The client's side: TLS over a connection to a node, with verification of the server.

use std::{io, sync::Arc};

use async_trait::async_trait;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio_rustls::TlsConnector;

use super::{Tls, config::ClientFiles, files::FileCache};
use crate::net::io::{Acceptor, Io, Network, SharedNetwork, TlsIo, explain};

/// TLS to nodes, for one protocol inside it.
pub(crate) struct Client {
    config: FileCache<Arc<ClientConfig>>,
    server_name: Option<String>,
}

impl Client {
    /// Nothing is read before the first connection. `alpn` names the protocol.
    pub(crate) fn new(tls: &Tls, alpn: &'static str) -> Self {
        Client {
            config: ClientFiles::from(tls).made(&[alpn]),
            server_name: tls.server_name.clone(),
        }
    }

    /// Performs a handshake over a connection to `address` (`host:port` or `unix:PATH`), and verifies the server.
    /// The error says what is wrong with which certificate, and what to do.
    pub(crate) async fn connect(&self, io: Io, address: &str) -> io::Result<Io> {
        let name = self.server_name.as_deref().unwrap_or(host(address));
        let named = ServerName::try_from(name.to_owned()).map_err(|_| {
            let kind = io::ErrorKind::InvalidInput;
            io::Error::new(kind, format!(
                "`{name}` is no name that a certificate could be for; give one with `--tls-server-name`"
            ))
        })?;
        let config = self.config.get();
        let config = config.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let connector = TlsConnector::from(Arc::clone(&*config));
        let stream = connector.connect(named, io).await;
        let stream = stream.map_err(|error| explain::handshake(error, name))?;
        Ok(Io::Tls(Box::new(TlsIo::client(stream))))
    }
}

/// The host of an address; a Unix socket is on this host.
pub(super) fn host(address: &str) -> &str {
    if address.starts_with("unix:") {
        return "localhost";
    }
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

/// A network whose connections use TLS.
pub(crate) struct TlsNetwork {
    pub(crate) network: SharedNetwork,
    pub(crate) client: Arc<Client>,
}

#[async_trait]
impl Network for TlsNetwork {
    async fn connect(&self, address: &str) -> io::Result<Io> {
        let io = self.network.connect(address).await?;
        self.client.connect(io, address).await
    }

    async fn bind(&self, address: &str) -> io::Result<Box<dyn Acceptor>> {
        self.network.bind(address).await
    }

    fn is_secure(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verified_name_is_the_host_of_the_address() {
        for (address, expected) in [
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:80", "::1"),
            ("greeter.example:443", "greeter.example"),
            ("unix:/run/greeter", "localhost"),
        ] {
            assert_eq!(host(address), expected);
            assert!(ServerName::try_from(host(address)).is_ok(), "{address}");
        }
    }
}
