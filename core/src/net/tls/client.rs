//! The client's side: speaks TLS over a connection to a node, and verifies who is there.

use std::{io, sync::Arc};

use async_trait::async_trait;
use rustls::{ClientConfig, client::WebPkiServerVerifier, pki_types::ServerName};
use tokio_rustls::TlsConnector;

use super::{
    Tls,
    faults::{self, Shown},
    files::Made,
    names, provider,
};
use crate::{
    error::{Error, Result},
    net::{
        certificates::{self, Anyone},
        io::{Acceptor, Io, Network, Secured, SharedNetwork, explain},
    },
};

/// TLS to nodes, for one protocol inside it.
pub(crate) struct Client {
    config: Made<Arc<ClientConfig>>,
    server_name: Option<String>,
}

impl Client {
    /// Nothing is read before the first connection. `alpn` names the protocol that will be spoken.
    pub(crate) fn new(tls: &Tls, alpn: &'static str) -> Self {
        let identity = tls.identity.iter();
        let own = identity.flat_map(|identity| [&identity.certificate, &identity.key]);
        let watched = own.chain(&tls.trust).cloned().collect();
        let server_name = tls.server_name.clone();
        let tls = tls.clone();
        Client {
            config: Made::of(watched, move || {
                let config = config(&tls, &[alpn])?;
                if let Some(own) = &tls.identity {
                    faults::warn(&own.certificate, Shown::ByClient);
                }
                Ok(Arc::new(config))
            }),
            server_name,
        }
    }

    /// TLS over a connection to `address` (`host:port` or `unix:PATH`), once the server is verified.
    /// The error says what is wrong with whose certificate, and what to do.
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
        Ok(Io::Tls(Box::new(Secured::client(stream))))
    }
}

/// The host of an address; that of a Unix socket is this one.
fn host(address: &str) -> &str {
    if address.starts_with("unix:") {
        return "localhost";
    }
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

/// A network whose connections speak TLS.
pub(crate) struct Over {
    pub(crate) network: SharedNetwork,
    pub(crate) client: Arc<Client>,
}

#[async_trait]
impl Network for Over {
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

/// What a client does with TLS, by its files as they are now.
pub(super) fn config(tls: &Tls, alpn: &[&str]) -> Result<ClientConfig> {
    let wrong = |error| Error::internal("TLS could not be set up").with_source(error);
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(wrong)?;
    let builder = if tls.insecure {
        let verifier = Arc::new(Anyone(provider()));
        builder
            .dangerous()
            .with_custom_certificate_verifier(verifier)
    } else {
        let roots = match &tls.trust {
            Some(file) => certificates::authorities(file)?,
            None => certificates::of_the_system("`--tls-ca` (`Tls::trust`)")?,
        };
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
        let verifier = verifier.build().map_err(|error| {
            Error::failed_precondition("servers cannot be verified").with_source(error)
        })?;
        builder.with_webpki_verifier(verifier)
    };
    let mut config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = certificates::identity(&identity.certificate, &identity.key)?;
            let shown = builder.with_client_auth_cert(chain, key);
            shown
                .map_err(|error| certificates::unfit(&identity.certificate, &identity.key, error))?
        }
    };
    config.alpn_protocols = names(alpn);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_to_verify_is_the_host_of_the_address() {
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
