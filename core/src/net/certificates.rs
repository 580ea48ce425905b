//! Certificate files, and the authorities that a client trusts: for calls, and for registry servers.

mod faults;
mod files;

use std::{path::Path, sync::Arc};

use rustls::{
    DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
};

use crate::error::{Error, Result};
pub(crate) use faults::{fault, of_handshake};
pub(crate) use files::{certificates, unfit};

/// The authorities that the system trusts. Fails if there are none; `hint` is how to name a file of them.
pub(crate) fn of_the_system(hint: &str) -> Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Systems have some that cannot be parsed; the others suffice.
    let (used, _) = roots.add_parsable_certificates(found.certs);
    if used == 0 {
        return Err(Error::failed_precondition(format!(
            "the system trusts no authority, so no server can be verified; name a file of them with {hint}"
        )));
    }
    Ok(roots)
}

/// The authorities in a file.
pub(crate) fn authorities(file: &Path) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(file)? {
        store.add(certificate).map_err(|error| {
            unusable(file, "one of its certificates is damaged").with_source(error)
        })?;
    }
    Ok(store)
}

/// A certificate to show, with the chain to its authority, and its key.
pub(crate) fn identity(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    Ok((certificates(certificate)?, files::key(key)?))
}

/// What is wrong with a file.
pub(crate) fn unusable(file: &Path, why: &str) -> Error {
    let name = file.display();
    Error::failed_precondition(format!("TLS cannot use `{name}`: {why}"))
}

/// Accepts any certificate; that the peer has its key is still verified.
#[derive(Debug)]
pub(crate) struct AcceptAnyCertificate(pub(crate) Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnyCertificate {
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
