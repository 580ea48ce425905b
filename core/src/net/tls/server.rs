//! The port's side: detects TLS, and performs the handshake.

use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, server::WebPkiClientVerifier};
use tokio::io::AsyncReadExt;
use tokio_rustls::TlsAcceptor;

use super::{
    Identity, Tls,
    faults::{self, CertificateRole},
    files::FileCache,
    names, provider,
};
use crate::{
    error::{Error, Result},
    net::{
        certificates,
        io::{Io, TlsIo},
        protocol::Accepted,
    },
};

/// The first bytes of TLS: a handshake record, and the high byte of any version.
const HELLO: [u8; 2] = [0x16, 0x03];

/// TLS in front of a port's protocols.
pub(crate) struct Server {
    config: FileCache<Arc<ServerConfig>>,
    refuses_plaintext: bool,
}

/// The ALPN name that a TLS handshake agreed on, if any.
pub(crate) type Negotiated = Option<Vec<u8>>;

impl Server {
    /// `None` without a certificate to show. `alpn` names the port's protocols in order of preference.
    /// The files are read here for the first time, so that a wrong one fails the start.
    pub(crate) fn new(tls: &Tls, alpn: &[&str]) -> Result<Option<Self>> {
        let Some(Identity { certificate, key }) = tls.identity.clone() else {
            return match tls.require || tls.clients.is_some() {
                false => Ok(None),
                true => Err(Error::failed_precondition(
                    "TLS is required of peers and there is no certificate to show; name its files with \
                     `--tls-cert` and `--tls-key` (`Tls::certificate`)",
                )),
            };
        };
        let mut watched = vec![certificate.clone(), key];
        watched.extend(tls.clients.clone());
        let refuses_plaintext = tls.refuses_plaintext();
        let (tls, alpn) = (tls.clone(), alpn.join(","));
        let make = move || {
            let alpn: Vec<_> = alpn.split(',').filter(|name| !name.is_empty()).collect();
            let config = config(&tls, &alpn)?;
            faults::warn(&certificate, CertificateRole::Server);
            Ok(Arc::new(config))
        };
        let config = FileCache::of(watched, make);
        config.get()?;
        Ok(Some(Server {
            config,
            refuses_plaintext,
        }))
    }

    /// Returns the connection, or the connection inside it if it begins with TLS, with what was negotiated.
    pub(crate) async fn pass(&self, mut accepted: Accepted) -> Result<(Accepted, Negotiated)> {
        let first = &mut accepted.first;
        while first.len() < HELLO.len() && HELLO.starts_with(first) {
            if accepted.io.read_buf(first).await? == 0 {
                return Err(Error::unavailable("the other side closed it"));
            }
        }
        if !first.starts_with(&HELLO) {
            return match self.refuses_plaintext {
                false => Ok((accepted, None)),
                true => Err(Error::failed_precondition(
                    "it is plaintext, and TLS is required",
                )),
            };
        }
        let acceptor = TlsAcceptor::from(Arc::clone(&*self.config.get()?));
        let first = std::mem::take(first);
        let mut begun = Ok(());
        let handshake = acceptor.accept_with(accepted.io, |session| {
            begun = feed(session, &first);
        });
        begun?;
        let stream = handshake
            .await
            .map_err(|error| Error::unavailable("the TLS handshake failed").with_source(error))?;
        let negotiated = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        accepted.io = Io::Tls(Box::new(TlsIo::server(stream)));
        Ok((accepted, negotiated))
    }
}

/// Passes bytes to a session that were read before it began.
fn feed(session: &mut ServerConnection, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        session.read_tls(&mut bytes)?;
        session.process_new_packets().map_err(|error| {
            Error::data_loss("it begins like TLS and is not").with_source(error)
        })?;
    }
    Ok(())
}

/// The TLS configuration of a server, from the present files.
pub(super) fn config(tls: &Tls, alpn: &[&str]) -> Result<ServerConfig> {
    let identity = tls
        .identity
        .as_ref()
        .ok_or_else(|| Error::failed_precondition("there is no certificate to show"))?;
    let wrong = |error| certificates::unfit(&identity.certificate, &identity.key, error);
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal("TLS could not be set up").with_source(error))?;
    let builder = match &tls.clients {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let authorities = Arc::new(certificates::authorities(file)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider());
            let verifier = match tls.clients_optional {
                true => verifier.allow_unauthenticated(),
                false => verifier,
            };
            let verifier = verifier.build().map_err(|error| {
                certificates::unusable(file, "clients cannot be verified by it").with_source(error)
            })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let (chain, key) = certificates::identity(&identity.certificate, &identity.key)?;
    let mut config = builder.with_single_cert(chain, key).map_err(wrong)?;
    config.alpn_protocols = names(alpn);
    Ok(config)
}
