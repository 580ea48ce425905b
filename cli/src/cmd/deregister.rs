//! `micro deregister JSON`.

use clap::Args;

use crate::{
    failure::{Failure, Result},
    lookup, record,
    session::Session,
};

/// Remove a node from the registry
#[derive(Args)]
pub(crate) struct Deregister {
    /// `{"service":…,"id":…}`, or a service with its `nodes`, as registries store it
    #[arg(value_name = "JSON")]
    record: String,
}

impl Deregister {
    pub(crate) fn run(self, session: &Session) -> Result {
        let nodes = record::nodes(&self.record)?;
        session.block_on(async {
            let registry = session.registry_to_write()?;
            for node in &nodes {
                let known = lookup::nodes(&*registry, &node.service).await?;
                let Some(known) = known.into_iter().find(|known| known.id == node.id) else {
                    let (service, id) = (&node.service, &node.id);
                    let text = format!("service `{service}` has no node `{id}`");
                    return Err(Failure::NotFound(text));
                };
                let deregistered = registry.deregister(&known).await;
                deregistered.map_err(Failure::Registry)?;
                session.say(&format!("deregistered `{}`", node.id));
            }
            Ok(())
        })
    }
}
