//! Certificates and keys as people get them wrong: what is said names the file and what to do.

use std::{fs, io::Write, path::Path, process::Command};

use micro::{Plugins, Service, Socket, registry::Memory, transport::Tls};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};

use crate::warnings::Warnings;

use super::{
    certificates::{Files, Pki},
    client, hello, not_sent, serve,
};

/// Writes a self-signed certificate and its key.
fn certificate(files: &Files, change: impl FnOnce(&mut CertificateParams)) -> Tls {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, "127.0.0.1");
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Tls::new().certificate(
        files.write("own.pem", &certificate.pem()),
        files.write("own-key.pem", &key.serialize_pem()),
    )
}

/// What a server with this certificate is warned of, and why a caller that trusts it is refused.
async fn told(change: impl FnOnce(&mut CertificateParams)) -> (Vec<String>, String) {
    let files = Files::new();
    let tls = certificate(&files, change).require();
    let warnings = Warnings::default();
    let guard = tracing::subscriber::set_default(warnings.clone());
    let registry = Memory::new();
    let _running = serve(&registry, Socket::new().tls(tls), "127.0.0.1:0").await;
    drop(guard);
    let caller = client(&registry, Tls::new().trust(files.path("own.pem")));
    let why = not_sent(&caller, None).await;
    let warned = warnings.0.lock().unwrap().clone();
    (warned, why)
}

#[tokio::test]
async fn authority_as_a_certificate_is_refused_with_advice() {
    let (warned, why) = told(|params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    })
    .await;
    assert_eq!(warned.len(), 1, "{warned:?}");
    for text in [&warned[0], &why] {
        for part in ["CA:TRUE", "CA:FALSE", "`micro cert`"] {
            assert!(text.contains(part), "{text}");
        }
    }
    assert!(warned[0].contains("own.pem"), "{warned:?}");
}

#[tokio::test]
async fn certificate_outside_its_validity_is_refused_with_advice() {
    let (warned, why) = told(|params| params.not_after = date_time_ymd(2020, 1, 1)).await;
    for text in [&warned[0], &why] {
        assert!(
            text.contains("expired ") && text.contains(" days ago; renew it"),
            "{text}"
        );
    }
    let (warned, why) = told(|params| params.not_before = date_time_ymd(2200, 1, 1)).await;
    for text in [&warned[0], &why] {
        assert!(
            text.contains("not valid for another ") && text.contains("clocks"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn certificate_for_clients_only_is_refused_with_advice() {
    let (warned, why) = told(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    })
    .await;
    for text in [&warned[0], &why] {
        assert!(text.contains("`serverAuth`"), "{text}");
    }
}

#[tokio::test]
async fn certificate_of_other_names_is_refused_with_the_names_it_has() {
    let (warned, why) = told(|params| params.subject_alt_names.clear()).await;
    assert!(warned.is_empty(), "{warned:?}");
    for part in ["no name at all", "`subjectAltName`", "`--tls-server-name`"] {
        assert!(why.contains(part), "{why}");
    }
    let (_, why) = told(|params| {
        let others = CertificateParams::new(["greeter.example".to_owned()]).unwrap();
        params.subject_alt_names = others.subject_alt_names;
    })
    .await;
    assert!(why.contains("greeter.example"), "{why}");
}

/// Why a registry that shows this certificate, and is trusted, cannot be read.
#[cfg(feature = "consul")]
async fn registry_told(change: impl FnOnce(&mut CertificateParams)) -> String {
    let files = Files::new();
    let tls = certificate(&files, change).require();
    // Any server of TLS will do, as it comes to nothing else.
    let server = serve(&Memory::new(), Socket::new().tls(tls), "127.0.0.1:0").await;
    let (address, own) = (&server.node().address, files.path("own.pem"));
    let flag = format!("--registry=consul://{address}?tls-ca={}", own.display());
    let settings = micro::Settings::new().args([flag]).unwrap();
    let plugins = settings.apply(Plugins::new()).unwrap();
    let listed = plugins.open_registry().unwrap().list().await;
    listed.unwrap_err().to_string()
}

#[cfg(feature = "consul")]
#[tokio::test]
async fn certificate_of_a_registry_is_refused_with_advice() {
    let why = registry_told(|params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    })
    .await;
    assert!(why.contains("CA:FALSE"), "{why}");
    let why = registry_told(|params| params.not_after = date_time_ymd(2020, 1, 1)).await;
    assert!(why.contains("expired "), "{why}");
    let why = registry_told(|params| params.subject_alt_names.clear()).await;
    assert!(why.contains("`subjectAltName`"), "{why}");
}

/// Why a server does not start with these files.
async fn refusal(certificate: &Path, key: &Path) -> String {
    let tls = Tls::new().certificate(certificate, key);
    let service = Service::new("any").plugins(Plugins::new().registry(Memory::new()).tls(tls));
    let started = service.serve().await;
    started.err().expect("it must not start").to_string()
}

/// A section of PEM with bytes that mean nothing.
fn section(label: &str) -> String {
    format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n")
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_refused_with_advice() {
    let pki = Pki::new();
    let proc_type = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
                     DEK-Info: AES-128-CBC,9B06\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    for (text, parts) in [
        (
            section("ENCRYPTED PRIVATE KEY"),
            ["is encrypted", "openssl pkey -in"],
        ),
        (proc_type.to_owned(), ["is encrypted", "openssl pkey -in"]),
        (" \n".to_owned(), ["no private key in it", "is empty"]),
        (
            section("CERTIFICATE"),
            ["no private key in it", "only `CERTIFICATE`"],
        ),
        (
            section("OPENSSH PRIVATE KEY"),
            ["no private key", "`OPENSSH PRIVATE KEY`"],
        ),
        (section("PRIVATE KEY"), ["odd.pem", "is not supported"]),
        ("secret".to_owned(), ["odd.pem", "it is not PEM"]),
        (
            "0\u{3}abc".to_owned(),
            ["it is DER", "openssl pkey -inform DER"],
        ),
    ] {
        let key = pki.files.write("odd.pem", &text);
        let why = refusal(pki.certificate().0, &key).await;
        for part in parts {
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_refused_with_advice() {
    let pki = Pki::new();
    let whole = fs::read_to_string(pki.certificate().0).unwrap();
    let damaged = whole.replacen("MII", "M*I", 1);
    for (text, parts) in [
        (String::new(), ["no certificate in it", "is empty"]),
        (
            section("PRIVATE KEY"),
            ["no certificate in it", "only `PRIVATE KEY`"],
        ),
        (section("CERTIFICATE"), ["odd.pem", "cannot be read"]),
        (damaged, ["odd.pem", "its certificate is damaged"]),
        (
            "0\u{3}abc".to_owned(),
            ["it is DER", "openssl x509 -inform DER"],
        ),
        (
            "0\u{7}\u{2}\u{1}\u{3}".to_owned(),
            ["it is PKCS#12", "openssl pkcs12"],
        ),
    ] {
        let file = pki.files.write("odd.pem", &text);
        let why = refusal(&file, pki.certificate().1).await;
        for part in parts {
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}

/// Runs `openssl` in a directory; `false` where there is none.
fn openssl(files: &Files, arguments: &str) -> bool {
    let mut command = Command::new("openssl");
    command
        .args(arguments.split(' '))
        .current_dir(files.path(""));
    let Ok(output) = command.output() else {
        writeln!(std::io::stderr(), "skip: openssl: it is not installed").expect("stderr is open");
        return false;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}: {said}");
    true
}

#[tokio::test]
async fn keys_in_the_old_forms_of_openssl_are_served_with() {
    let forms = [
        "ecparam -name prime256v1 -genkey -out key.pem",
        "ecparam -name prime256v1 -genkey -noout -out key.pem",
        "genrsa -traditional -out key.pem 2048",
        "genpkey -algorithm ed25519 -out key.pem",
    ];
    for form in forms {
        let files = Files::new();
        // The advice given for an authority's certificate.
        let own = "req -x509 -key key.pem -out own.pem -days 2 -subj /CN=a \
                   -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
        if !openssl(&files, form) || !openssl(&files, own) {
            return;
        }
        let tls = Tls::new().certificate(files.path("own.pem"), files.path("key.pem"));
        let registry = Memory::new();
        let socket = Socket::new().tls(tls.require());
        let _running = serve(&registry, socket, "127.0.0.1:0").await;
        let caller = client(&registry, Tls::new().trust(files.path("own.pem")));
        assert_eq!(hello(&caller).await.unwrap(), "John", "{form}");
    }
}

#[tokio::test]
async fn keys_of_kinds_that_are_not_supported_are_named() {
    let files = Files::new();
    let own = "req -x509 -key key.pem -out own.pem -days 2 -subj /CN=a";
    if !openssl(
        &files,
        "ecparam -name secp521r1 -genkey -noout -out key.pem",
    ) || !openssl(&files, own)
    {
        return;
    }
    let why = refusal(&files.path("own.pem"), &files.path("key.pem")).await;
    for part in ["key.pem", "not supported", "P-256"] {
        assert!(why.contains(part), "{why}");
    }
}
