//! `micro list`.

use clap::Args;
use micro::selector::WEIGHTS;
use serde_json::json;

use crate::{
    failure::{Failure, Result},
    lookup,
    session::Session,
    table::Table,
};

/// List the services
#[derive(Args)]
pub(crate) struct List;

impl List {
    pub(crate) fn run(self, session: &Session) -> Result {
        session.block_on(async {
            let registry = session.registry()?;
            let mut table = Table::new(["NAME", "VERSIONS", "NODES"], session.coloured());
            let mut services = Vec::new();
            for name in registry.list().await.map_err(Failure::Registry)? {
                let nodes = registry.get(&name).await.map_err(Failure::Registry)?;
                // What the command keeps there itself is no service; one may have left meanwhile.
                if nodes.is_empty() || name == WEIGHTS {
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
            session.print(table)
        })
    }
}
