//! TLS to servers of records, by the files that a registry's URL names.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    error::{Error, Result},
    net::certificates::{self, Anyone},
    url::TlsFiles,
};

/// How long files are not looked at again: a certificate that is renewed counts after that.
const FRESH: Duration = Duration::from_secs(60);

/// TLS as a URL says; files are read at the first connection.
pub struct Connector {
    files: TlsFiles,
    /// What is offered by ALPN.
    protocol: Option<&'static [u8]>,
    config: Mutex<Option<(Instant, Arc<ClientConfig>)>>,
}

impl Connector {
    /// TLS by these files, which are read at the first connection.
    pub fn new(files: TlsFiles) -> Self {
        let config = Mutex::new(None);
        let protocol = None;
        Connector {
            files,
            protocol,
            config,
        }
    }

    /// The same, offering a protocol by ALPN.
    pub fn speaking(mut self, protocol: &'static [u8]) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// TLS over a connection to `host:port`, once the server is verified.
    ///
    /// Fails with [`Code::FailedPrecondition`](crate::Code::FailedPrecondition) for files that cannot be used, and
    /// with [`Code::Unavailable`](crate::Code::Unavailable) when the two do not come to terms.
    pub async fn connect(&self, stream: TcpStream, host: &str) -> Result<TlsStream<TcpStream>> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let name = name.trim_start_matches('[').trim_end_matches(']');
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

    /// The same for a client that connects by itself.
    pub fn config(&self) -> Result<Arc<ClientConfig>> {
        let mut kept = self.config.lock();
        let now = Instant::now();
        let before = match &*kept {
            Some((made, config)) if now < *made + FRESH => return Ok(config.clone()),
            Some((_, config)) => Some(config.clone()),
            None => None,
        };
        let config = match (config(&self.files), before) {
            (Ok(mut config), _) => {
                config.alpn_protocols = self.protocol.iter().map(|name| name.to_vec()).collect();
                Arc::new(config)
            }
            // They may just be in the making.
            (Err(_), Some(before)) => before,
            (Err(error), None) => return Err(error),
        };
        *kept = Some((now, config.clone()));
        Ok(config)
    }
}

fn config(files: &TlsFiles) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let wrong = |error| Error::internal("TLS could not be set up").with_source(error);
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(wrong)?;
    let builder = if files.insecure {
        let anyone = Arc::new(Anyone(provider));
        builder.dangerous().with_custom_certificate_verifier(anyone)
    } else {
        builder.with_root_certificates(match &files.ca {
            Some(file) => certificates::authorities(file)?,
            None => certificates::of_the_system("`tls-ca`")?,
        })
    };
    let (Some(certificate), Some(key)) = (&files.certificate, &files.key) else {
        return Ok(builder.with_no_client_auth());
    };
    let (chain, own_key) = certificates::identity(certificate, key)?;
    let config = builder.with_client_auth_cert(chain, own_key);
    config.map_err(|error| certificates::unfit(certificate, key, error))
}
