//! TLS on the port and to nodes: certificates, authorities, and what is refused.
//!
//! The port distinguishes TLS from plaintext by a connection's first bytes, and detects the
//! protocol inside by ALPN, or by the first bytes if nothing was negotiated. One port therefore
//! accepts both, until [`Tls::require`] or [`Tls::clients`] refuses plaintext. The node's record then has
//! `tls=true`, and clients that discover the node use TLS without a setting. Whoever can write to the registry can remove that
//! entry; [`Tls::always`] makes a client use TLS regardless.
//!
//! The versions are TLS 1.3 and 1.2, by [rustls](https://docs.rs/rustls) with `ring`. The port offers
//! the ALPN names of its protocols (`micro/1` is the native one); a client need not offer any.

mod client;
mod clients;
mod config;
mod connector;
mod faults;
mod files;
mod server;

use std::{path::PathBuf, sync::Arc};

use rustls::crypto::CryptoProvider;

use crate::{error::Result, node::Node};
pub(crate) use client::{Client, TlsNetwork};
pub(crate) use clients::TlsClients;
pub use connector::Connector;
pub(crate) use server::Server;

/// TLS of a service and of its client, from files. They are checked for changes at most once a
/// second, and new connections use the new files.
///
/// ```no_run
/// use micro::{Service, transport::Tls};
///
/// // Shows `cert.pem`, trusts what `ca.pem` signed, and refuses plaintext.
/// let tls = Tls::new().certificate("cert.pem", "key.pem").trust("ca.pem").require();
/// let greeter = Service::new("greeter").tls(tls);
/// ```
///
/// `micro cert` makes such files for development.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    #[doc(hidden)]
    pub identity: Option<Identity>,
    #[doc(hidden)]
    pub trust: Option<PathBuf>,
    #[doc(hidden)]
    pub clients: Option<PathBuf>,
    #[doc(hidden)]
    pub clients_optional: bool,
    #[doc(hidden)]
    pub require: bool,
    #[doc(hidden)]
    pub always: bool,
    #[doc(hidden)]
    pub insecure: bool,
    #[doc(hidden)]
    pub server_name: Option<String>,
}

/// A certificate's files.
#[derive(Clone, Debug)]
pub struct Identity {
    #[doc(hidden)]
    pub certificate: PathBuf,
    #[doc(hidden)]
    pub key: PathBuf,
}

impl Tls {
    /// Creates a configuration without a certificate. It uses TLS to nodes that ask for it, and verifies them with the
    /// authorities of the system.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows this certificate to every client, and to servers that ask for one.
    ///
    /// Both files are PEM: the certificate followed by its chain, and the
    /// private key. If a new pair cannot be read or does not fit together, the old one stays in use,
    /// with one warning.
    pub fn certificate(mut self, file: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some(Identity {
            certificate: file.into(),
            key: key.into(),
        });
        self
    }

    /// Trusts only servers whose certificate is issued by an authority in this PEM file.
    ///
    /// By default, the authorities of the system are trusted (`SSL_CERT_FILE` and `SSL_CERT_DIR`
    /// apply), which are read once.
    pub fn trust(mut self, authorities: impl Into<PathBuf>) -> Self {
        self.trust = Some(authorities.into());
        self
    }

    /// Accepts only clients with a certificate issued by an authority in this PEM file. Plaintext
    /// connections have none, so they are refused as with [`Tls::require`].
    pub fn clients(mut self, authorities: impl Into<PathBuf>) -> Self {
        self.clients = Some(authorities.into());
        self
    }

    /// Accepts clients without a certificate as well; a certificate that is shown must still be issued by an authority
    /// of [`Tls::clients`]. Plaintext is then accepted, too, unless [`Tls::require`] refuses it.
    pub fn clients_optional(mut self) -> Self {
        self.clients_optional = true;
        self
    }

    /// Refuses plaintext connections. The node's record says so.
    pub fn require(mut self) -> Self {
        self.require = true;
        self
    }

    /// Uses TLS to every node, whatever its record says, and to addresses that a call names.
    pub fn always(mut self) -> Self {
        self.always = true;
        self
    }

    /// Accepts any certificate of any server. For peers with self-made certificates, as go-micro's
    /// have: whoever is in between can read and change what is sent.
    pub fn insecure(mut self) -> Self {
        self.insecure = true;
        self
    }

    /// Sets the name that servers' certificates must have. The default is the host of a node's address.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Whether a server refuses plaintext: by [`Tls::require`], or since every client must show a
    /// certificate.
    pub fn refuses_plaintext(&self) -> bool {
        self.require || self.clients.is_some() && !self.clients_optional
    }

    /// Whether TLS is used to a node.
    pub(crate) fn is_for(&self, node: &Node) -> bool {
        self.always || node.asks_for_tls()
    }

    /// Reads every named file.
    pub fn check(&self) -> Result<()> {
        if self.identity.is_some() {
            server::config(self, &[])?;
        }
        if self.trust.is_some() || self.identity.is_some() && self.insecure {
            config::ClientFiles::from(self).config()?;
        }
        Ok(())
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn names(alpn: &[&str]) -> Vec<Vec<u8>> {
    alpn.iter().map(|name| name.as_bytes().to_vec()).collect()
}
