//! Explains what is wrong with certificates, for their owner.

use std::{io, time::Duration};

use rustls::{CertificateError, Error, pki_types::UnixTime};

/// Explains what is wrong with the certificate that failed a handshake with a server named `name`; `None` if
/// something else failed, or if its issuer is not trusted.
pub(crate) fn of_handshake(error: &io::Error, name: &str) -> Option<String> {
    match error.get_ref()?.downcast_ref()? {
        Error::InvalidCertificate(CertificateError::NotValidForName) => Some(misnamed(name, &[])),
        Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            presented, ..
        }) => Some(misnamed(name, presented)),
        Error::InvalidCertificate(error) => fault(error),
        _ => None,
    }
}

fn misnamed(name: &str, presented: &[String]) -> String {
    let others = match presented {
        [] => "it is for no name at all, as the common name does not count".to_owned(),
        names => format!("it is for {}", names.join(", ")),
    };
    format!("is not for `{name}` ({others}); give it one with this name as a `subjectAltName`")
}

/// Explains what is wrong with a certificate, and what to do; `None` if that depends on the verifier.
pub(crate) fn fault(error: &CertificateError) -> Option<String> {
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

/// The name of an error that rustls passes on from a library whose types it does not expose.
fn other_name(other: &rustls::OtherError) -> String {
    format!("{:?}", other.0)
}

/// The time between two others, in the largest useful unit.
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
    fn durations_are_printed_in_readable_units() {
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
