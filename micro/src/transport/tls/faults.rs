//! What is wrong with certificates, as their owner can mend it.

use std::{path::Path, time::Duration};

use rustls::{
    CertificateError, Error, RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor,
    pki_types::{CertificateDer, UnixTime},
    server::ParsedCertificate,
};

use super::provider;
use crate::trust;

/// What is wrong with a certificate, and what to do; `None` where it depends on who looks at it.
pub(super) fn fault(error: &CertificateError) -> Option<String> {
    Some(match error {
        CertificateError::ExpiredContext { time, not_after } => {
            format!("expired {} ago; renew it", between(*not_after, *time))
        }
        CertificateError::Expired => "has expired; renew it".to_owned(),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "is not valid for another {}; check the clocks of both sides",
            between(*time, *not_before)
        ),
        CertificateError::NotValidYet => {
            "is not valid yet; check the clocks of both sides".to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not for servers; make one whose extended key usage has `serverAuth`, or that has none"
                .to_owned()
        }
        CertificateError::BadEncoding => "is damaged".to_owned(),
        CertificateError::Other(other) => match other_name(other).as_str() {
            "CaUsedAsEndEntity" => {
                "is an authority's (CA:TRUE), which no server may show; make one with CA:FALSE, by \
                 `micro cert`, or by `openssl req -x509 -addext basicConstraints=critical,CA:FALSE`"
                    .to_owned()
            }
            "UnsupportedCertVersion" => {
                "is X.509 of an old version; make one of version 3, by `micro cert` or with a \
                 `subjectAltName`"
                    .to_owned()
            }
            _ => return None,
        },
        _ => return None,
    })
}

/// The name of an error that rustls hands on from a library whose types it does not show.
fn other_name(other: &rustls::OtherError) -> String {
    format!("{:?}", other.0)
}

/// Who shows a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    ByServer,
    ByClient,
}

/// Warns of what everyone will refuse in a file's certificate, whomever they trust.
pub(super) fn warn(file: &Path, shown: Shown) {
    // It was read just now; if it has gone since, that is told when it is read again.
    let Ok(chain) = trust::certificates(file) else {
        return;
    };
    if let Some(fault) = of_chain(&chain, shown) {
        let file = file.display();
        tracing::warn!("certificate `{file}` will be refused by those who verify it: it {fault}");
    }
}

fn of_chain(chain: &[CertificateDer<'_>], shown: Shown) -> Option<String> {
    let (own, others) = chain.split_first()?;
    let algorithms = provider().signature_verification_algorithms.all;
    // Nobody is trusted, so that the search for an authority fails when all else is well.
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
    if of_servers && shown == Shown::ByClient {
        return None;
    }
    fault(&error)
}

/// A time between two others, in the largest unit that says something.
fn between(from: UnixTime, to: UnixTime) -> String {
    let seconds = to.as_secs().saturating_sub(from.as_secs());
    let time = Duration::from_secs(seconds);
    match seconds / 3_600 {
        0 => format!("{time:?}"),
        hours @ 1..48 => format!("{hours} hours"),
        hours => format!("{} days", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_units_that_say_something() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        for (seconds, expected) in [
            (0, "0ns"),
            (59, "59s"),
            (7_200, "2 hours"),
            (864_000, "10 days"),
        ] {
            assert_eq!(between(at(5), at(5 + seconds)), expected);
        }
    }
}
