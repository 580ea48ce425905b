//! Where a service listens, and what it registers.

use std::time::Duration;

use micro::{Code, Context, Plugins, Result, Service, registry};

use super::said;

/// A registry that says it is a server at this place.
struct At(registry::Memory, &'static str);

#[async_trait::async_trait]
impl registry::Registry for At {
    fn name(&self) -> &str {
        "elsewhere"
    }
    fn place(&self) -> Option<String> {
        Some(self.1.to_owned())
    }
    async fn register(&self, node: &registry::Node, ttl: Option<Duration>) -> Result<()> {
        self.0.register(node, ttl).await
    }
    async fn deregister(&self, node: &registry::Node) -> Result<()> {
        self.0.deregister(node).await
    }
    async fn get(&self, service: &str) -> Result<Vec<registry::Node>> {
        self.0.get(service).await
    }
    async fn list(&self) -> Result<Vec<String>> {
        self.0.list().await
    }
    async fn watch(&self, service: Option<&str>) -> Result<registry::Updates> {
        self.0.watch(service).await
    }
}

/// A service at an address, registered in a registry at a place: its address, and what its health warns of.
async fn registered(
    place: &'static str,
    change: impl FnOnce(Service) -> Service,
) -> (String, serde_json::Value) {
    let plugins = Plugins::new().registry(At(registry::Memory::new(), place));
    let plugins = plugins.discovery(|discovery| {
        discovery.snapshots = micro::selector::Snapshots::Off;
    });
    let service = Service::new("placed").plugins(plugins);
    let service = service.lifecycle(|lifecycle| lifecycle.deregister_delay = Duration::ZERO);
    let running = change(service).serve().await.unwrap();
    let address = running.node().address.clone();
    let port = address.rsplit(':').next().unwrap();
    let client = running.client();
    let health = client.method::<(), serde_json::Value>("placed", "Debug.Health");
    let call = health.call(&Context::new(), ());
    let health = call.address(&format!("127.0.0.1:{port}")).await.unwrap();
    running.stop().await;
    (address, health["warnings"].clone())
}

#[tokio::test]
async fn loopback_address_in_a_remote_registry_is_warned_of() {
    let (address, warnings) = registered("10.0.0.1:2379", |service| service).await;
    let warning = warnings[0].as_str().unwrap();
    assert!(
        warning.contains(&address) && warning.contains("`--server-advertise`"),
        "{warning}"
    );
    for here in ["127.0.0.1:2379", "localhost:2379,[::1]:2379"] {
        let (_, warnings) = registered(here, |service| service).await;
        assert_eq!(warnings, serde_json::json!([]), "{here}");
    }
    let advertised = |service: Service| service.advertise("10.0.0.5");
    let (address, warnings) = registered("10.0.0.1:2379", advertised).await;
    assert!(address.starts_with("10.0.0.5:"), "{address}");
    assert_ne!(address, "10.0.0.5:0");
    assert_eq!(warnings, serde_json::json!([]));
}

#[tokio::test]
async fn port_alone_means_every_interface() {
    let every = |service: Service| service.address(":0");
    let (address, _) = registered("10.0.0.1:2379", every).await;
    let address: std::net::SocketAddr = address.parse().unwrap();
    assert_ne!(address.port(), 0);
    assert!(!address.ip().is_loopback(), "{address}");
    let (address, _) = registered("127.0.0.1:2379", every).await;
    let address: std::net::SocketAddr = address.parse().unwrap();
    assert!(address.ip().is_loopback(), "all who find it are here");
}

#[test]
fn address_that_cannot_be_meant_is_an_error() {
    for (arguments, expected) in [
        (
            &["--server-advertise=http://10.0.0.5:80"][..],
            "has a scheme",
        ),
        (&["--server-advertise=10.0.0.5:http"], "is not a port"),
        (&["--server-advertise=[::1:80"], "without a `]`"),
        (&["--server-address=127.0.0.1"], "has no port"),
        (&["--server-address=http://127.0.0.1:0"], "has a scheme"),
        (&["--server-address=unix:"], "names no path"),
    ] {
        let plugins = Plugins::new().registry(registry::Memory::new());
        let service = Service::new("wrong").plugins(plugins);
        let service = service.settings(said(&[], arguments).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let served = runtime.unwrap().block_on(service.serve());
        let error = served.err().unwrap();
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
        assert!(error.message().contains(expected), "{arguments:?}: {error}");
    }
}
