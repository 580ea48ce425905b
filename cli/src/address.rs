//! Calls to an address given on the command line: whether they use TLS.

use std::time::Duration;

use micro::{Plugins, registry::Registry};

use crate::{failure::Result, nodes::requires_tls, session::Session};

/// Limit of the search for the address in the registry, which the call itself does not need.
const LOOKUP_TIMEOUT: Duration = Duration::from_millis(500);

/// The plugins for calls to an address, over `transport` if given.
pub(crate) async fn plugins(
    session: &Session,
    transport: Option<&str>,
    service: Option<&str>,
    address: &str,
) -> Result<Plugins> {
    let tls = session.has_tls_flags() || requires_tls_at(session, service, address).await;
    session.plugins_over(transport, tls)
}

/// Whether the registry has a node at the address, of this service or any, whose record requires TLS.
async fn requires_tls_at(session: &Session, service: Option<&str>, address: &str) -> bool {
    // A call to an address works without a registry.
    let Ok(registry) = session.registry() else {
        return false;
    };
    let looked =
        tokio::time::timeout(LOOKUP_TIMEOUT, is_secure(&*registry, service, address)).await;
    matches!(looked, Ok(Ok(true)))
}

async fn is_secure(
    registry: &dyn Registry,
    service: Option<&str>,
    address: &str,
) -> micro::Result<bool> {
    let services = match service {
        Some(service) => vec![service.to_owned()],
        None => registry.list().await?,
    };
    for service in services {
        let mut nodes = registry.get(&service).await?.into_iter();
        if let Some(node) = nodes.find(|node| node.address == address) {
            return Ok(requires_tls(&node));
        }
    }
    Ok(false)
}
