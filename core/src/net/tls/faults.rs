//! Warns of certificates that the other side will refuse.

use std::path::Path;

use rustls::{
    CertificateError, Error, RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor,
    pki_types::{CertificateDer, UnixTime},
    server::ParsedCertificate,
};

use super::provider;
use crate::net::certificates;

/// Who shows a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CertificateRole {
    Server,
    Client,
}

/// Warns if a file's certificate will be refused by everyone, whomever they trust.
pub(super) fn warn(file: &Path, shown: CertificateRole) {
    // It was read a moment ago; if it is gone since, the next read reports that.
    let Ok(chain) = certificates::certificates(file) else {
        return;
    };
    if let Some(fault) = of_chain(&chain, shown) {
        let file = file.display();
        tracing::warn!("certificate `{file}` will be refused by those who verify it: it {fault}");
    }
}

fn of_chain(chain: &[CertificateDer<'_>], shown: CertificateRole) -> Option<String> {
    let (own, others) = chain.split_first()?;
    let algorithms = provider().signature_verification_algorithms.all;
    // Nobody is trusted, so that only the search for an authority fails if everything else is valid.
    let nobody = RootCertStore::empty();
    let verified = ParsedCertificate::try_from(own).and_then(|own| {
        let now = UnixTime::now();
        verify_server_cert_signed_by_trust_anchor(&own, &nobody, others, now, algorithms)
    });
    let Err(Error::InvalidCertificate(error)) = verified else {
        return None;
    };
    let of_servers = matches!(
        error,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. }
    );
    if of_servers && shown == CertificateRole::Client {
        return None;
    }
    certificates::fault(&error)
}
