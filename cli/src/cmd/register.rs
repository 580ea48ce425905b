//! `micro register JSON`.

use clap::Args;

use crate::{
    ephemeral,
    failure::{Failure, Result},
    record,
    session::Session,
    signals,
};

/// Register a node until it is deregistered
///
/// The registries `mdns` and `nats` do not store records: there the node is registered while this command runs.
#[derive(Args)]
pub(crate) struct Register {
    /// `{"service":…,"id":…,"address":…}`, with optional `version`, `metadata` and `endpoints`; or a
    /// service with its `nodes`, as registries store it
    #[arg(value_name = "JSON")]
    record: String,
}

impl Register {
    pub(crate) fn run(self, session: &Session) -> Result {
        let nodes = record::nodes(&self.record)?;
        if let Some(node) = nodes.iter().find(|node| node.address.is_empty()) {
            return Err(Failure::Usage(format!(
                "node `{}` has no `address`",
                node.id
            )));
        }
        session.block_on(async {
            let end = signals::end()?;
            let registry = session.registry_to_write()?;
            for node in &nodes {
                let registered = registry.register(node, None).await;
                registered.map_err(Failure::Registry)?;
                session.say(&format!("registered `{}`", node.id));
            }
            ephemeral::hold(end, session, &*registry, &nodes).await
        })
    }
}
