//! Authorities and certificates in files.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use micro::transport::Tls;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};

/// A directory of files, gone when dropped.
pub(crate) struct Files(PathBuf);

impl Files {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (process, number) = (std::process::id(), NEXT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(format!("micro-tls-{process}-{number}"));
        fs::create_dir_all(&path).unwrap();
        Files(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Who signs certificates.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap());
        Authority {
            issuer: issuer.unwrap(),
        }
    }

    /// Writes its own certificate.
    pub(crate) fn write(&self, files: &Files, name: &str) -> PathBuf {
        files.write(name, &self.issuer.pem())
    }

    /// Writes a certificate for a name and its key: `NAME.pem` and `NAME-key.pem`.
    pub(crate) fn certify(&self, files: &Files, file: &str, subject: &str) -> (PathBuf, PathBuf) {
        let params = CertificateParams::new([subject.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let certificate = files.write(&format!("{file}.pem"), &certificate.pem());
        let key = files.write(&format!("{file}-key.pem"), &key.serialize_pem());
        (certificate, key)
    }
}

/// One authority, and a certificate of it for `name` and this host.
pub(crate) struct Pki {
    pub(crate) files: Files,
    pub(crate) authority: Authority,
    pub(crate) ca: PathBuf,
    certificate: (PathBuf, PathBuf),
}

impl Pki {
    pub(crate) fn of(name: &str) -> Self {
        let files = Files::new();
        let authority = Authority::new("pki");
        let ca = authority.write(&files, "ca.pem");
        let certificate = authority.certify(&files, "server", name);
        Pki {
            files,
            authority,
            ca,
            certificate,
        }
    }

    pub(crate) fn new() -> Self {
        Self::of("127.0.0.1")
    }

    /// What its server shows.
    pub(crate) fn server(&self) -> Tls {
        Tls::new().certificate(&self.certificate.0, &self.certificate.1)
    }

    /// What its clients trust.
    pub(crate) fn client(&self) -> Tls {
        Tls::new().trust(&self.ca)
    }

    /// The same, showing a certificate of this authority.
    pub(crate) fn client_of(&self, authority: &Authority) -> Tls {
        let (certificate, key) = authority.certify(&self.files, "client", "caller");
        self.client().certificate(certificate, key)
    }

    pub(crate) fn certificate(&self) -> (&Path, &Path) {
        (&self.certificate.0, &self.certificate.1)
    }
}
