//! A client's TLS configuration, from files that are read again when they change: for nodes, and for registry
//! servers.

use std::{path::PathBuf, sync::Arc};

use rustls::{ClientConfig, client::WebPkiServerVerifier};

use super::{
    Identity, Tls,
    faults::{self, CertificateRole},
    files::FileCache,
    provider,
};
use crate::{
    error::{Error, Result},
    net::certificates::{self, AcceptAnyCertificate},
    url::TlsFiles,
};

/// Whom a client trusts, and which certificate it shows.
#[derive(Clone)]
pub(super) struct ClientFiles {
    identity: Option<Identity>,
    /// Authorities; those of the system if there is no file.
    trust: Option<PathBuf>,
    /// Whether servers are not verified.
    insecure: bool,
    /// How a user names the file of authorities.
    hint: &'static str,
}

impl ClientFiles {
    /// Returns the configuration, made on first use; `alpn` is offered.
    pub(super) fn made(self, alpn: &[&str]) -> FileCache<Arc<ClientConfig>> {
        let identity = self.identity.iter();
        let own = identity.flat_map(|identity| [&identity.certificate, &identity.key]);
        let watched = own.chain(&self.trust).cloned().collect();
        let alpn: Vec<_> = alpn.iter().map(|name| (*name).to_owned()).collect();
        FileCache::of(watched, move || {
            let mut config = self.config()?;
            config.alpn_protocols = alpn.iter().map(|name| name.clone().into_bytes()).collect();
            if let Some(own) = &self.identity {
                faults::warn(&own.certificate, CertificateRole::Client);
            }
            Ok(Arc::new(config))
        })
    }

    /// Makes the configuration from the present files.
    pub(super) fn config(&self) -> Result<ClientConfig> {
        let wrong = |error| Error::internal("TLS could not be set up").with_source(error);
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(wrong)?;
        let builder = if self.insecure {
            let verifier = Arc::new(AcceptAnyCertificate(provider()));
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
        } else {
            let roots = match &self.trust {
                Some(file) => certificates::authorities(file)?,
                None => certificates::of_the_system(self.hint)?,
            };
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
            let verifier = verifier.build().map_err(|error| {
                Error::failed_precondition("servers cannot be verified").with_source(error)
            })?;
            builder.with_webpki_verifier(verifier)
        };
        let Some(Identity { certificate, key }) = &self.identity else {
            return Ok(builder.with_no_client_auth());
        };
        let (chain, own_key) = certificates::identity(certificate, key)?;
        let config = builder.with_client_auth_cert(chain, own_key);
        config.map_err(|error| certificates::unfit(certificate, key, error))
    }
}

impl From<&Tls> for ClientFiles {
    fn from(tls: &Tls) -> Self {
        ClientFiles {
            identity: tls.identity.clone(),
            trust: tls.trust.clone(),
            insecure: tls.insecure,
            hint: "`--tls-ca` (`Tls::trust`)",
        }
    }
}

impl From<TlsFiles> for ClientFiles {
    fn from(files: TlsFiles) -> Self {
        let both = files.certificate.zip(files.key);
        ClientFiles {
            identity: both.map(|(certificate, key)| Identity { certificate, key }),
            trust: files.ca,
            insecure: files.insecure,
            hint: "`tls-ca`",
        }
    }
}
