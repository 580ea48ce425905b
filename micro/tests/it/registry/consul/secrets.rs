//! Tokens and certificates.

use std::{fs, path::PathBuf, time::Duration};

use micro::{Code, registry::Registry};
use serde_json::json;

use super::{
    super::{ids, process, until},
    TTL, http, leads, node, own, registry,
};

const TOKEN: &str = "00000000-0000-4000-8000-000000000001";

#[tokio::test]
async fn missing_or_wrong_token_is_refused() {
    let acl = json!({ "acl": { "enabled": true, "default_policy": "deny",
        "tokens": { "initial_management": TOKEN, "agent": TOKEN } } });
    let Some(mut server) = own(&acl) else {
        return;
    };
    server.start(leads).await;
    let address = server.address();
    // The token counts only once the leader has written it.
    let asked = || {
        http(
            &address,
            "GET",
            &format!("/v1/acl/token/self?token={TOKEN}"),
            "",
        )
    };
    while !asked().starts_with("HTTP/1.1 200") {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let right = registry(&format!("consul://{address}?token={TOKEN}"));
    right.register(&node("greeter-1"), TTL).await.unwrap();
    right.register(&node("greeter-1"), TTL).await.unwrap();
    let mut updates = right.watch(Some("greeter")).await.unwrap();
    until(&mut updates, &["greeter-1"]).await;
    assert_eq!(right.list().await.unwrap(), ["greeter"]);
    for wrong in [
        format!("consul://{address}"),
        format!("consul://{address}?token=00000000-0000-4000-8000-000000000002"),
    ] {
        let wrong = registry(&wrong);
        for error in [
            wrong.register(&node("greeter-2"), TTL).await.unwrap_err(),
            wrong.deregister(&node("greeter-1")).await.unwrap_err(),
            wrong.get("greeter").await.map(drop).unwrap_err(),
            wrong.list().await.map(drop).unwrap_err(),
        ] {
            assert_eq!(error.code(), Code::PermissionDenied, "{error}");
            let said = error.to_string();
            assert!(
                said.contains("`token=`") && !said.contains("0002"),
                "{said}"
            );
        }
    }
    assert_eq!(ids(&right.get("greeter").await.unwrap()), ["greeter-1"]);
    right.deregister(&node("greeter-1")).await.unwrap();
}

/// Writes an authority and a certificate of it for 127.0.0.1, with its key.
fn certificates(folder: &std::path::Path) -> [PathBuf; 3] {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(params, key).unwrap();
    let own_key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
    let certificate = params.signed_by(&own_key, &authority).unwrap();
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    [
        write("ca.pem", authority.pem()),
        write("cert.pem", certificate.pem()),
        write("key.pem", own_key.serialize_pem()),
    ]
}

#[tokio::test]
async fn tls_verifies_the_server() {
    let folder = std::env::temp_dir().join(format!("micro-consul-tls-{}", std::process::id()));
    let other = folder.join("other");
    fs::create_dir_all(&other).unwrap();
    let [ca, certificate, key] = certificates(&folder);
    let [foreign, ..] = certificates(&other);
    let https = super::process::port();
    let settings = json!({
        "ports": { "https": https },
        "tls": { "https": { "ca_file": ca, "cert_file": certificate, "key_file": key, "verify_incoming": true } },
    });
    let Some(mut server) = own(&settings) else {
        return;
    };
    server
        .start(|address| leads(address) && process::listens(&format!("127.0.0.1:{https}")))
        .await;
    let (ca, foreign) = (ca.display(), foreign.display());
    let identity = format!(
        "tls-cert={}&tls-key={}",
        certificate.display(),
        key.display()
    );
    let place = format!("consul://127.0.0.1:{https}?{identity}");
    for right in [format!("tls-ca={ca}"), "tls-insecure=true".to_owned()] {
        let registry = registry(&format!("{place}&{right}"));
        registry.register(&node("greeter-1"), TTL).await.unwrap();
        assert_eq!(ids(&registry.get("greeter").await.unwrap()), ["greeter-1"]);
        registry.deregister(&node("greeter-1")).await.unwrap();
    }
    for (wrong, code, reason) in [
        (
            format!("{place}&tls-ca={foreign}"),
            Code::Unavailable,
            "TLS handshake failed",
        ),
        (
            format!("{place}&tls-ca=/nowhere"),
            Code::FailedPrecondition,
            "`/nowhere`: it cannot be read",
        ),
        (
            format!("consul://127.0.0.1:{https}?tls-ca={ca}"),
            Code::Unavailable,
            "",
        ),
        (
            format!("consul://127.0.0.1:{https}"),
            Code::InvalidArgument,
            "HTTP request to an HTTPS",
        ),
        (
            format!(
                "{}&tls-ca={ca}",
                place.replace(&https.to_string(), &server.port().to_string())
            ),
            Code::Unavailable,
            "TLS handshake failed",
        ),
    ] {
        let error = registry(&wrong).list().await.unwrap_err();
        assert_eq!(error.code(), code, "{wrong}: {error}");
        assert!(error.to_string().contains(reason), "{wrong}: {error}");
    }
    fs::remove_dir_all(folder).unwrap();
}
