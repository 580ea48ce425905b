//! TLS to servers of records, by the files that a registry's URL names.

use std::{fs, path::Path, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::TlsFiles;
use crate::error::{Error, Result};

/// How long files are not looked at again: a certificate that is renewed counts after that.
const FRESH: Duration = Duration::from_secs(60);

/// TLS as a URL says; files are read at the first connection.
pub(crate) struct Tls {
    files: TlsFiles,
    /// What is offered by ALPN.
    protocol: Option<&'static [u8]>,
    config: Mutex<Option<(Instant, Arc<ClientConfig>)>>,
}

impl Tls {
    pub(crate) fn new(files: TlsFiles) -> Self {
        let config = Mutex::new(None);
        let protocol = None;
        Tls {
            files,
            protocol,
            config,
        }
    }

    /// The same, offering a protocol by ALPN.
    #[cfg(feature = "etcd")]
    pub(crate) fn speaking(mut self, protocol: &'static [u8]) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// TLS over a connection to `host:port`, once the server is verified.
    ///
    /// Fails with [`Code::FailedPrecondition`](crate::Code::FailedPrecondition) for files that cannot be used, and
    /// with [`Code::Unavailable`](crate::Code::Unavailable) when the two do not come to terms.
    #[cfg_attr(
        not(any(
            feature = "consul",
            feature = "etcd",
            feature = "kubernetes",
            feature = "zookeeper"
        )),
        allow(dead_code, reason = "the client of NATS connects by itself")
    )]
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        host: &str,
    ) -> Result<TlsStream<TcpStream>> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let name = name.trim_start_matches('[').trim_end_matches(']');
        let server = ServerName::try_from(name.to_owned()).map_err(|_| {
            Error::invalid_argument(format!(
                "`{name}` is no name that a certificate could be for"
            ))
        })?;
        let connector = TlsConnector::from(self.config()?);
        connector.connect(server, stream).await.map_err(|error| {
            Error::unavailable(
                "the TLS handshake failed; is it the right port, and `tls-ca` the authority of its certificate?",
            )
            .with_source(error)
        })
    }

    /// The same for a client that connects by itself.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>> {
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
        builder.with_root_certificates(authorities(files.ca.as_deref())?)
    };
    let (Some(certificate), Some(key)) = (&files.certificate, &files.key) else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(certificate)?;
    let own_key = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|_| unusable(key, "there is no private key in it"))?;
    let config = builder.with_client_auth_cert(chain, own_key);
    config.map_err(|error| {
        unusable(certificate, "its certificate does not fit the key").with_source(error)
    })
}

fn authorities(file: Option<&Path>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        // Systems have some that are too odd to be read; the others do.
        let found = rustls_native_certs::load_native_certs();
        let (used, _) = roots.add_parsable_certificates(found.certs);
        if used == 0 {
            return Err(Error::failed_precondition(
                "the system trusts no authority, so no server can be verified; name a file of them with `tls-ca`",
            ));
        }
        return Ok(roots);
    };
    for certificate in certificates(file)? {
        let added = roots.add(certificate);
        added.map_err(|error| unusable(file, "a certificate is damaged").with_source(error))?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let text = read(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(unusable(file, "there is no certificate in it")),
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).map_err(|error| unusable(file, "it cannot be read").with_source(error))
}

fn unusable(file: &Path, why: &str) -> Error {
    let name = file.display();
    Error::failed_precondition(format!("TLS cannot use `{name}`: {why}"))
}

/// Takes any certificate (`tls-insecure`); that the other side has its key is still verified.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
