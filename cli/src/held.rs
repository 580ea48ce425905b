//! Registries that keep nothing themselves: a record is there as long as its process answers for it.

use std::future::Future;

use micro::registry::{Node, Registry};

use crate::{
    failure::{Failure, Result},
    session::Session,
};

const NAMES: [&str; 2] = ["mdns", "nats"];

/// The name of a registry, or of one of several, whose records go with the process that registered them.
pub(crate) fn by(registry: &dyn Registry) -> Option<&str> {
    let mut names = registry.name().split(',');
    names.find(|name| NAMES.contains(name))
}

/// Where records go with this process, waits for the end and takes these out; otherwise does nothing.
pub(crate) async fn until(
    end: impl Future<Output = ()>,
    session: &Session,
    registry: &dyn Registry,
    nodes: &[Node],
) -> Result {
    let Some(name) = by(registry) else {
        return Ok(());
    };
    session.say(&format!(
        "registry `{name}` keeps nothing itself: it is there until Ctrl-C"
    ));
    end.await;
    for node in nodes {
        let deregistered = registry.deregister(node).await;
        deregistered.map_err(Failure::Registry)?;
    }
    Ok(())
}
