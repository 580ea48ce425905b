//! What went wrong with TLS, and what to do about it.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

use crate::net::certificates;

/// The failure of a handshake with a server that should be `name`.
pub(in crate::net) fn handshake(error: io::Error, name: &str) -> io::Error {
    let said = |text: String| io::Error::new(error.kind(), text);
    let Some(cause) = cause(&error) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => said(format!(
                "it ended the TLS handshake ({error}); perhaps it does not speak TLS"
            )),
            _ => said(format!("the TLS handshake failed: {error}")),
        };
    };
    match cause {
        // A bad signature is that of another authority of the same name.
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => said(
            "its certificate leads to no authority that is trusted here; name a file of the right one \
             with `--tls-ca` (`Tls::trust`), or take any certificate with `--tls-insecure`"
                .to_owned(),
        ),
        Error::InvalidCertificate(wrong) => {
            let hint = match wrong {
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => {
                    ", or say the name that it is for with `--tls-server-name` (`Tls::server_name`)"
                }
                _ => "",
            };
            said(match certificates::of_handshake(&error, name) {
                Some(fault) => format!("its certificate {fault}{hint}"),
                None => format!(
                    "its certificate is refused: {wrong}; give it a good one, or take any with `--tls-insecure`"
                ),
            })
        }
        Error::InvalidMessage(_) => said("it does not speak TLS".to_owned()),
        cause => said(refused(cause).unwrap_or_else(|| format!("the TLS handshake failed: {cause}"))),
    }
}

/// A failure after the handshake: in TLS 1.3 a server verifies its client only then.
pub(super) fn read(error: io::Error) -> io::Error {
    match cause(&error).and_then(refused) {
        Some(text) => io::Error::new(error.kind(), text),
        None => error,
    }
}

fn cause(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref::<Error>()
}

/// What a server that will not have this client says by an alert.
fn refused(error: &Error) -> Option<String> {
    let Error::AlertReceived(alert) = error else {
        return None;
    };
    match alert {
        AlertDescription::CertificateRequired => Some(
            "it takes only clients with a certificate; show one with `--tls-cert` and `--tls-key` \
             (`Tls::certificate`)"
                .to_owned(),
        ),
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::DecryptError
        | AlertDescription::AccessDenied => Some(format!(
            "it refused the client's certificate ({alert:?}); show one of an authority that it trusts \
             with `--tls-cert` and `--tls-key` (`Tls::certificate`)"
        )),
        AlertDescription::NoApplicationProtocol => {
            Some("it does not speak this protocol inside TLS".to_owned())
        }
        _ => None,
    }
}
