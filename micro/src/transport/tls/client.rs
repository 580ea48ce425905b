//! The client's side: speaks TLS over a connection to a node, and verifies who is there.

use std::{io, sync::Arc};

use async_trait::async_trait;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio_rustls::TlsConnector;

use super::{
    Secured, Tls, explain,
    files::{self, Made},
    names, provider,
};
use crate::{
    error::{Error, Result},
    transport::io::{Acceptor, Io, Network, SharedNetwork},
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
            config: Made::of(watched, move || config(&tls, &[alpn]).map(Arc::new)),
            server_name,
        }
    }

    /// TLS over a connection to `address` (`host:port` or `unix:PATH`), once the server is verified.
    /// The error says what is wrong with whose certificate, and what to do.
    pub(crate) async fn connect(&self, io: Io, address: &str) -> io::Result<Io> {
        let name = self.server_name.as_deref().unwrap_or(host(address));
        let named = ServerName::try_from(name.to_owned()).map_err(|_| {
            io::Error::other(format!(
                "`{name}` is no name that a certificate could be for; give one with `--tls-server-name`"
            ))
        })?;
        let config = self.config.get().map_err(io::Error::other)?;
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
            Some(file) => files::authorities(file)?,
            None => of_the_system()?,
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
            let (chain, key) = files::identity(identity)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                files::unusable(
                    &identity.certificate,
                    "its certificate and key cannot be shown",
                )
                .with_source(error)
            })?
        }
    };
    config.alpn_protocols = names(alpn);
    Ok(config)
}

/// The authorities that the system trusts.
fn of_the_system() -> Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Systems have some that are too odd to be read; the others do.
    let (used, _) = roots.add_parsable_certificates(found.certs);
    if used == 0 {
        return Err(Error::failed_precondition(
            "the system trusts no authority, so no server can be verified; name a file of them with \
             `--tls-ca` (`Tls::trust`)",
        ));
    }
    Ok(roots)
}

/// Takes any certificate; that the other side has its key is still verified.
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
