//! Certificates in files: read again when they change, and named when they are wrong.

use std::time::Duration;

use micro::{Plugins, Result, Service, Settings, Socket, registry::Memory, sim, transport::Tls};

use super::{
    certificates::{Authority, Pki},
    greeter_at, hello,
};
use crate::warnings::Warnings;

/// A call on a connection of its own.
async fn fresh(network: &sim::Network, registry: &Memory, tls: Tls) -> Result<()> {
    let socket = Socket::new().network(network.host("b")).tls(tls);
    let plugins = Plugins::new().registry(registry.clone()).socket(socket);
    hello(&plugins.client()?).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn new_certificates_load_without_a_restart_unless_invalid() {
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let network = sim::Network::new(1);
    let (pki, registry) = (Pki::of("a"), Memory::new());
    let _running = greeter_at(&registry, network.host("a"), pki.server().require()).await;
    fresh(&network, &registry, pki.client()).await.unwrap();

    let next = Authority::new("next");
    next.certify(&pki.files, "server", "a");
    let trusts_next = Tls::new().trust(next.write(&pki.files, "next.pem"));
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    fresh(&network, &registry, trusts_next.clone())
        .await
        .unwrap();
    fresh(&network, &registry, pki.client()).await.unwrap_err();
    assert_eq!(warnings.0.lock().unwrap().len(), 0);

    pki.files.write("server.pem", "broken");
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        fresh(&network, &registry, trusts_next.clone())
            .await
            .unwrap();
    }
    let warned = std::mem::take(&mut *warnings.0.lock().unwrap());
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("server.pem"), "{warned:?}");

    pki.authority.certify(&pki.files, "server", "a");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    fresh(&network, &registry, pki.client()).await.unwrap();
}

/// Why a service does not start with these flags.
async fn refusal(arguments: &[String]) -> String {
    let started = with(arguments).await;
    started.err().expect("it must not start").to_string()
}

async fn with(arguments: &[String]) -> Result<micro::Running> {
    let settings = Settings::new().args(arguments.iter().cloned())?;
    let plugins = Plugins::new().registry(Memory::new());
    Service::new("any")
        .plugins(plugins)
        .settings(settings)
        .serve()
        .await
}

#[tokio::test]
async fn settings_give_files_and_switches() {
    let pki = Pki::new();
    let (certificate, key) = pki.certificate();
    let shown = |path: &std::path::Path| path.display().to_string();
    let environment = [
        ("MICRO_TLS_CERT_FILE", shown(certificate)),
        ("MICRO_TLS_KEY_FILE", shown(key)),
        ("MICRO_TLS_CA", shown(&pki.ca)),
        ("MICRO_ENABLE_TLS", "true".to_owned()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value));
    let settings = Settings::new().env(environment).unwrap();
    let registry = Memory::new();
    let service = Service::new("greeter")
        .plugins(Plugins::new().registry(registry))
        .settings(settings)
        .lifecycle(|life| life.deregister_delay = Duration::ZERO)
        .handle(
            "Greeter.Hello",
            async |_: micro::Context, name: bytes::Bytes| Ok::<_, micro::Error>(name),
        );
    let running = service.serve().await.unwrap();
    assert_eq!(running.node().metadata["tls"], "true");
    assert_eq!(hello(&running.client()).await.unwrap(), "John");
}

#[tokio::test]
async fn switch_accepts_no_separate_value() {
    let settings = Settings::new()
        .args(["--tls-insecure", "rest", "--tls_always=no"])
        .unwrap();
    assert_eq!(settings.rest(), ["rest"]);
    let why = refusal(&["--tls-always=perhaps".to_owned()]).await;
    assert!(
        why.contains("`--tls-always`: `perhaps` is neither"),
        "{why}"
    );
}

#[tokio::test]
async fn invalid_file_fails_the_start_and_is_named() {
    let pki = Pki::new();
    let (certificate, key) = pki.certificate();
    let flag = |name: &str, path: &std::path::Path| format!("--tls-{name}={}", path.display());
    let (nothing, empty) = (
        pki.files.path("nothing.pem"),
        pki.files.write("empty.pem", ""),
    );
    let alone = refusal(&[flag("cert", certificate)]).await;
    assert!(
        alone.contains("`--tls-cert` is given without `--tls-key`"),
        "{alone}"
    );
    let missing = refusal(&[flag("ca", &nothing)]).await;
    assert!(
        missing.contains("nothing.pem`: it cannot be read"),
        "{missing}"
    );
    let no_key = refusal(&[flag("cert", certificate), flag("key", &empty)]).await;
    assert!(
        no_key.contains("empty.pem`: there is no private key"),
        "{no_key}"
    );
    let no_certificate = refusal(&[flag("cert", &empty), flag("key", key)]).await;
    assert!(
        no_certificate.contains("empty.pem`: there is no certificate"),
        "{no_certificate}"
    );
    let (_, other) = pki.authority.certify(&pki.files, "other", "other");
    let unfit = refusal(&[flag("cert", certificate), flag("key", &other)]).await;
    assert!(unfit.contains("server.pem"), "{unfit}");
    assert!(
        unfit.contains("other-key.pem` is not the key of"),
        "{unfit}"
    );
    let required = refusal(&["--tls-require".to_owned()]).await;
    assert!(required.contains("no certificate to show"), "{required}");
}
