//! TLS to registry servers, from the files that a registry's URL names.

use std::sync::Arc;

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{client::host, config::ClientFiles, files::FileCache};
use crate::{
    error::{Error, Result},
    net::certificates,
    url::TlsFiles,
};

/// TLS by the keys of a URL. Files are read at the first connection, and again when they have changed.
pub struct Connector {
    files: TlsFiles,
    config: FileCache<Arc<ClientConfig>>,
}

impl Connector {
    /// TLS by these files, which are read at the first connection.
    pub fn new(files: TlsFiles) -> Self {
        let config = ClientFiles::from(files.clone()).made(&[]);
        Connector { files, config }
    }

    /// Offers a protocol by ALPN.
    pub fn alpn(mut self, protocol: &'static str) -> Self {
        self.config = ClientFiles::from(self.files.clone()).made(&[protocol]);
        self
    }

    /// Performs a handshake over a connection to `host:port`, and verifies the server.
    ///
    /// Fails with [`Code::FailedPrecondition`](crate::Code::FailedPrecondition) for files that cannot be used, and
    /// with [`Code::Unavailable`](crate::Code::Unavailable) if the handshake fails.
    pub async fn connect(&self, stream: TcpStream, address: &str) -> Result<TlsStream<TcpStream>> {
        let name = host(address);
        let server = ServerName::try_from(name.to_owned()).map_err(|_| {
            Error::invalid_argument(format!(
                "`{name}` is no name that a certificate could be for"
            ))
        })?;
        let connector = TlsConnector::from(self.config()?);
        connector.connect(server, stream).await.map_err(|error| {
            let why = match certificates::of_handshake(&error, name) {
                Some(fault) => format!("the TLS handshake failed: its certificate {fault}"),
                None => "the TLS handshake failed; is it the right port, and `tls-ca` the authority of its \
                         certificate?"
                    .to_owned(),
            };
            Error::unavailable(why).with_source(error)
        })
    }

    /// The configuration for a client that connects by itself.
    pub fn config(&self) -> Result<Arc<ClientConfig>> {
        Ok(Arc::clone(&*self.config.get()?))
    }
}
