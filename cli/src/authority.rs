//! A certificate authority for development, in files.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::failure::{Failure, Result};

const DAY: Duration = Duration::from_secs(86_400);
const AUTHORITY: u32 = 3650;

/// The authority in a directory: `ca.pem` and `ca-key.pem`.
pub(crate) struct Authority {
    directory: PathBuf,
    /// Whether this run created the authority.
    pub(crate) is_new: bool,
    key: KeyPair,
}

impl Authority {
    /// The authority in `directory`, which is created if there is none.
    pub(crate) fn in_directory(directory: &Path) -> Result<Self> {
        let (certificate, key) = (directory.join("ca.pem"), directory.join("ca-key.pem"));
        let authority = |key, is_new| Authority {
            directory: directory.to_owned(),
            is_new,
            key,
        };
        match (certificate.exists(), key.exists()) {
            (true, true) => {
                let text = fs::read_to_string(&key).map_err(|error| failed(&key, &error))?;
                let key = KeyPair::from_pem(&text)
                    .map_err(Failure::because("`ca-key.pem` is not a key"))?;
                let authority = authority(key, false);
                authority.has_made(&certificate)?;
                Ok(authority)
            }
            (false, false) => {
                fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
                let made =
                    KeyPair::generate().map_err(Failure::because("no key could be created"))?;
                let authority = authority(made, true);
                let own = authority.params()?.self_signed(&authority.key);
                let own = own.map_err(Failure::because("no authority could be created"))?;
                write(&key, &authority.key.serialize_pem(), Secrecy::Secret)?;
                write(&certificate, &own.pem(), Secrecy::Open)?;
                Ok(authority)
            }
            (_, has_key) => {
                let missing = if has_key { "ca.pem" } else { "ca-key.pem" };
                Err(Failure::Failed(format!(
                    "`{}` has an authority without its `{missing}`; add it, or choose another directory \
                     with `--out`",
                    directory.display()
                )))
            }
        }
    }

    /// The path of its certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// Signs a certificate for names and addresses, writes it and its key, and returns the paths. The certificate is a
    /// server's, which may call others as well (`cert.pem`, `key.pem`), or a client's (`NAME.pem`, `NAME-key.pem`).
    pub(crate) fn certify(
        &self,
        names: &[String],
        days: u32,
        client: Option<&str>,
    ) -> Result<(PathBuf, PathBuf)> {
        let wrong = || Failure::because("no certificate could be created");
        let mut params = CertificateParams::new(names).map_err(wrong())?;
        let first = names.first().map_or("", String::as_str);
        params.distinguished_name.push(DnType::CommonName, first);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if client.is_none() {
            params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth);
        }
        last(&mut params, days);
        let key = KeyPair::generate().map_err(wrong())?;
        let own = self.params()?;
        let issuer = Issuer::from_params(&own, &self.key);
        let signed = params.signed_by(&key, &issuer).map_err(wrong())?;
        let paths = match client {
            None => ["cert.pem".to_owned(), "key.pem".to_owned()],
            Some(name) => [format!("{name}.pem"), format!("{name}-key.pem")],
        };
        let [certificate, key_file] = paths.map(|name| self.directory.join(name));
        write(&key_file, &key.serialize_pem(), Secrecy::Secret)?;
        write(&certificate, &signed.pem(), Secrecy::Open)?;
        Ok((certificate, key_file))
    }

    /// The authority's name in certificates, which is different for each key.
    fn name(&self) -> String {
        let number = CertificateParams::default().key_identifier(&self.key);
        let number: String = number
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("Micro development authority {number}")
    }

    /// The parameters of its certificate, which depend on the key only.
    fn params(&self) -> Result<CertificateParams> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, self.name());
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        last(&mut params, AUTHORITY);
        Ok(params)
    }

    /// Fails unless the file is the certificate that was created from the key.
    fn has_made(&self, certificate: &Path) -> Result {
        let text = fs::read(certificate).map_err(|error| failed(certificate, &error))?;
        let read = CertificateDer::from_pem_slice(&text).ok();
        let contains = |part: &[u8]| {
            let whole = read.as_deref().unwrap_or_default();
            whole.windows(part.len()).any(|bytes| bytes == part)
        };
        if contains(self.name().as_bytes()) && contains(&self.key.subject_public_key_info()) {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "`{}` is not the certificate that `micro cert` created from the key beside it; choose another \
             directory with `--out`",
            certificate.display()
        )))
    }
}

/// Valid since yesterday, because clocks differ.
fn last(params: &mut CertificateParams, days: u32) {
    let now = SystemTime::now();
    params.not_before = (now - DAY).into();
    params.not_after = (now + DAY * days).into();
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrecy {
    Open,
    Secret,
}

/// Replaces a file atomically, so that nobody reads half of it.
fn write(path: &Path, text: &str, secrecy: Secrecy) -> Result {
    let beside = path.with_extension("pem.new");
    let written = || {
        // A file of an interrupted run may have other permissions.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if secrecy == Secrecy::Secret {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        let mut file = options.open(&beside)?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        fs::rename(&beside, path)
    };
    written().map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("`{}`: {error}", path.display()))
}
