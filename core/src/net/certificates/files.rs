//! PEM files, and advice about those that cannot be used.

use std::{fs, path::Path};

use rustls::{
    Error as TlsError,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::unusable;
use crate::error::Result;

/// The expected content of a file.
#[derive(Clone, Copy)]
enum Kind {
    Certificate,
    Key,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Certificate => "certificate",
            Kind::Key => "private key",
        }
    }

    /// The command of `openssl` that reads and writes it.
    fn command(self) -> &'static str {
        match self {
            Kind::Certificate => "x509",
            Kind::Key => "pkey",
        }
    }

    /// Whether it has this PEM label.
    fn is_under(self, label: &str) -> bool {
        match self {
            Kind::Certificate => label == "CERTIFICATE",
            Kind::Key => ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"].contains(&label),
        }
    }
}

/// The certificates in a file, at least one.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let bytes = read(file)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(unusable(file, &why(&bytes, file, Kind::Certificate))),
    }
}

/// The first private key in a file.
pub(super) fn key(file: &Path) -> Result<PrivateKeyDer<'static>> {
    let bytes = read(file)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes);
    key.map_err(|_| unusable(file, &why(&bytes, file, Kind::Key)))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).map_err(|error| unusable(file, "it cannot be read").with_source(error))
}

/// Why no certificate or key can be read from these bytes, and what to do.
fn why(bytes: &[u8], file: &Path, kind: Kind) -> String {
    let (file, name, command) = (file.display(), kind.name(), kind.command());
    if bytes.trim_ascii().is_empty() {
        return format!("there is no {name} in it: it is empty");
    }
    let text = String::from_utf8_lossy(bytes);
    let labels: Vec<_> = text.lines().filter_map(label).collect();
    if labels.is_empty() {
        return match bytes {
            // A sequence of the version 3.
            [0x30, length, rest @ ..] if after_length(*length, rest).starts_with(&[2, 1, 3]) => {
                format!(
                    "it is PKCS#12, not PEM; convert it: `openssl pkcs12 -in {file} -nodes -out both.pem`"
                )
            }
            [0x30, ..] => format!(
                "it is DER, not PEM; convert it: `openssl {command} -inform DER -in {file} -out new.pem`"
            ),
            _ => "it is not PEM".to_owned(),
        };
    }
    let is_encrypted = labels.contains(&"ENCRYPTED PRIVATE KEY")
        || text
            .lines()
            .any(|line| line.starts_with("Proc-Type: 4,ENCRYPTED"));
    if matches!(kind, Kind::Key) && is_encrypted {
        return format!(
            "its private key is encrypted; decrypt it: `openssl pkey -in {file} -out new.pem`"
        );
    }
    if labels.iter().any(|label| kind.is_under(label)) {
        return format!("its {name} is damaged");
    }
    let labels = labels.join("`, `");
    format!("there is no {name} in it, only `{labels}`")
}

/// The label in a line of PEM that begins a section.
fn label(line: &str) -> Option<&str> {
    let line = line.trim_start_matches('\u{feff}').trim_end();
    line.strip_prefix("-----BEGIN ")?.strip_suffix("-----")
}

/// The bytes after the length of a DER element, whose first byte is given.
fn after_length(first: u8, rest: &[u8]) -> &[u8] {
    match first {
        0x80.. => rest.get(usize::from(first & 0x7f)..).unwrap_or_default(),
        _ => rest,
    }
}

/// Why a certificate and a key cannot be used together.
pub(crate) fn unfit(certificate: &Path, key: &Path, error: TlsError) -> crate::Error {
    let (shown, own_key) = (certificate.display(), key.display());
    let why = match &error {
        TlsError::InconsistentKeys(_) => format!(
            "the private key in `{own_key}` is not the key of its first certificate; compare \
             `openssl x509 -in {shown} -noout -pubkey` and `openssl pkey -in {own_key} -pubout`"
        ),
        TlsError::InvalidCertificate(_) => {
            "its first certificate cannot be read; it must be X.509 of version 3".to_owned()
        }
        _ => format!(
            "the private key in `{own_key}` is of a kind that is not supported; use P-256, P-384, Ed25519, \
             or RSA of 2,048 bits or more"
        ),
    };
    unusable(certificate, &why).with_source(error)
}
