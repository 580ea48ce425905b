//! Addresses that are given by hand, and whether TLS is spoken to them.

use std::time::Duration;

use micro::{Plugins, registry::Registry};

use crate::{failure::Result, nodes::asks_for_tls, session::Session};

/// How long an address is looked for in the registry, which a call to it does not need.
const LOOK: Duration = Duration::from_millis(500);

/// The plugins to call an address by, over `transport` if one is named.
pub(crate) async fn plugins(
    session: &Session,
    transport: Option<&str>,
    service: Option<&str>,
    address: &str,
) -> Result<Plugins> {
    let tls = session.has_tls_flags() || is_known_for_tls(session, service, address).await;
    session.plugins_over(transport, tls)
}

/// Whether the registry has a record of the node there, of this service or any, by which it refuses plaintext.
async fn is_known_for_tls(session: &Session, service: Option<&str>, address: &str) -> bool {
    // A registry that is not there keeps nobody from calling an address.
    let Ok(registry) = session.registry() else {
        return false;
    };
    let looked = tokio::time::timeout(LOOK, is_secure(&*registry, service, address)).await;
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
            return Ok(asks_for_tls(&node));
        }
    }
    Ok(false)
}
