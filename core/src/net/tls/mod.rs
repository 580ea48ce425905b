//! TLS on the one port and to nodes: what is shown, who is trusted, and what is refused.
//!
//! The port tells TLS from plaintext by a connection's first bytes, ends it there, and tells the
//! protocol inside by what was negotiated (ALPN), or by the first bytes where nothing was. So one port
//! takes both, until [`Tls::require`] or [`Tls::clients`] refuses plaintext; the node's record then says
//! `tls=true`, and clients that find the node by it speak TLS to it without being told. Whoever can write to the registry can take that
//! word away again: where that matters, [`Tls::always`] has a client speak nothing but TLS.
//!
//! The protocols are TLS 1.3 and 1.2, by [rustls](https://docs.rs/rustls) with `ring`. The port offers
//! the ALPN names of the protocols on it (`micro/1` is the native one); a client need not offer any.

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

/// TLS of a service and of its client, by files: they are read again when they change, at most once a
/// second, and connections made from then on use what is new.
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
    /// No certificate to show; speaks TLS to nodes that ask for it, and verifies them by the
    /// authorities that the system trusts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows this certificate: to every client, and to servers that ask for one.
    ///
    /// Both files are PEM: the certificate with those that lead to its authority behind it, and the
    /// private key. A new pair that cannot be read or does not fit together leaves the old one in use,
    /// with one warning.
    pub fn certificate(mut self, file: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some(Identity {
            certificate: file.into(),
            key: key.into(),
        });
        self
    }

    /// Trusts servers whose certificate leads to an authority in this PEM file, and no others.
    ///
    /// Unsaid, it is those that the system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` have their say
    /// there), which are read once.
    pub fn trust(mut self, authorities: impl Into<PathBuf>) -> Self {
        self.trust = Some(authorities.into());
        self
    }

    /// Takes only clients that show a certificate which leads to an authority in this PEM file. Plaintext
    /// connections show none, so they are refused as with [`Tls::require`].
    pub fn clients(mut self, authorities: impl Into<PathBuf>) -> Self {
        self.clients = Some(authorities.into());
        self
    }

    /// Takes clients without a certificate as well; one that is shown must still lead to an authority
    /// of [`Tls::clients`]. Plaintext is then taken too, unless [`Tls::require`] refuses it.
    pub fn clients_optional(mut self) -> Self {
        self.clients_optional = true;
        self
    }

    /// Refuses plaintext connections, and says so in the node's record.
    pub fn require(mut self) -> Self {
        self.require = true;
        self
    }

    /// Speaks TLS to every node, whatever its record says; also to an address that a call names.
    pub fn always(mut self) -> Self {
        self.always = true;
        self
    }

    /// Takes any certificate of any server. For peers that make one up for themselves, as go-micro's
    /// do: what is sent can be read and changed by whoever stands between.
    pub fn insecure(mut self) -> Self {
        self.insecure = true;
        self
    }

    /// The name that servers' certificates must be for; unsaid, it is the host of a node's address.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Whether a server refuses plaintext: where it is told to, and where every client must show a
    /// certificate.
    pub fn refuses_plaintext(&self) -> bool {
        self.require || self.clients.is_some() && !self.clients_optional
    }

    /// Whether a node is spoken to by TLS.
    pub(crate) fn is_for(&self, node: &Node) -> bool {
        self.always || node.asks_for_tls()
    }

    /// Reads every file that is named.
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
