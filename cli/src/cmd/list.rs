//! `micro list`.

use clap::Args;
use micro::{broker::direct::TOPICS, selector::WEIGHTS};
use serde_json::json;

use crate::{
    failure::{Failure, Result},
    lookup,
    session::Session,
    table::Table,
};

/// List the services
#[derive(Args)]
pub(crate) struct List {
    /// Show topics with subscriptions, and weights, too
    #[arg(long)]
    all: bool,
}

impl List {
    pub(crate) fn run(self, session: &Session) -> Result {
        session.block_on(async {
            let registry = session.registry()?;
            let mut table = Table::new(["NAME", "VERSIONS", "NODES"], session.coloured());
            let mut services = Vec::new();
            for name in registry.list().await.map_err(Failure::Registry)? {
                if !self.all && !is_service(&name) {
                    continue;
                }
                let nodes = registry.get(&name).await.map_err(Failure::Registry)?;
                // The last node may have left meanwhile.
                if nodes.is_empty() {
                    continue;
                }
                let count = nodes.len();
                let versions: Vec<_> = lookup::versions(nodes).into_keys().collect();
                let listed = versions.join(", ");
                table.row([name.as_str().into(), listed.into(), count.into()]);
                services.push(json!({"name": name, "versions": versions, "nodes": count}));
            }
            if session.json() {
                return session.print(json!(services));
            }
            if services.is_empty() {
                session.say("no services are registered");
                return Ok(());
            }
            session.print_styled(table)
        })
    }
}

/// Whether a name is a service's: not a topic's, nor that of the weights.
fn is_service(name: &str) -> bool {
    name != WEIGHTS && !name.starts_with(TOPICS)
}
