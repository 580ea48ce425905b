//! Registries whose records end with the process that registered them.

use std::future::Future;

use micro::registry::{Node, Registry};

use crate::{
    failure::{Failure, Result},
    session::Session,
};

const NAMES: [&str; 2] = ["mdns", "nats"];

/// The name of the registry, or of one of several registries, whose records end with the process.
pub(crate) fn name(registry: &dyn Registry) -> Option<&str> {
    let mut names = registry.name().split(',');
    names.find(|name| NAMES.contains(name))
}

/// Keeps records registered until `end`, then deregisters them; returns at once if the registry keeps them itself.
pub(crate) async fn hold(
    end: impl Future<Output = ()>,
    session: &Session,
    registry: &dyn Registry,
    nodes: &[Node],
) -> Result {
    let Some(name) = name(registry) else {
        return Ok(());
    };
    session.say(&format!(
        "registry `{name}` does not store records: the node is registered until Ctrl-C"
    ));
    end.await;
    for node in nodes {
        let deregistered = registry.deregister(node).await;
        deregistered.map_err(Failure::Registry)?;
    }
    Ok(())
}
