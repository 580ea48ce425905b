//! `micro weight SERVICE [VERSION=W …]`.

use std::collections::BTreeMap;

use clap::Args;
use micro::{
    registry::{Node, Registry},
    selector::WEIGHTS,
};
use serde_json::json;

use crate::{
    arguments, ephemeral,
    failure::{Failure, Result},
    lookup,
    session::Session,
    signals,
    table::Table,
};

/// The address of the record, which is no node: the discard port.
const DISCARD_ADDRESS: &str = "127.0.0.1:9";

/// Show or set how the versions of a service share its calls
///
/// Weights are of versions, whatever their number of nodes: `v1=90 v2=10` sends a tenth of
/// the calls to `v2`. A version without a weight gets none. Running callers follow at once. The registries
/// `mdns` and `nats` do not store weights: there they apply while this command runs.
#[derive(Args)]
pub(crate) struct Weight {
    /// The service's name
    service: String,
    /// The weight of each version; replaces all earlier weights
    #[arg(value_name = "VERSION=WEIGHT", value_parser = arguments::weight)]
    weights: Vec<(String, u32)>,
    /// Remove all weights, so that nodes of all versions get calls
    #[arg(long, conflicts_with = "weights")]
    clear: bool,
}

impl Weight {
    pub(crate) fn run(self, session: &Session) -> Result {
        session.block_on(async {
            let registry = session.registry()?;
            if self.clear {
                Session::writable(&*registry)?;
                let cleared = registry.deregister(&self.record()).await;
                return cleared.map_err(Failure::Registry);
            }
            if self.weights.is_empty() {
                return self.show(session, &*registry).await;
            }
            Session::writable(&*registry)?;
            self.warn(session, &*registry).await?;
            let (end, record) = (signals::end()?, self.record());
            let set = registry.register(&record, None).await;
            set.map_err(Failure::Registry)?;
            ephemeral::hold(end, session, &*registry, &[record]).await
        })
    }

    /// The record that the callers' selectors watch.
    fn record(&self) -> Node {
        let id = format!("{WEIGHTS}-{}", self.service);
        let weights = self.weights.iter();
        weights.fold(
            Node::new(WEIGHTS, id, DISCARD_ADDRESS),
            |record, (version, weight)| record.with_metadata(version, weight.to_string()),
        )
    }

    /// Warns of versions without nodes, which may start later.
    async fn warn(&self, session: &Session, registry: &dyn Registry) -> Result {
        let nodes = lookup::nodes(registry, &self.service).await?;
        let versions = lookup::versions(nodes);
        for (version, _) in &self.weights {
            if !versions.contains_key(version) {
                let known = lookup::hint(version, versions.keys().map(String::as_str));
                session.say(&format!(
                    "warning: no node of `{}` is of version `{version}`{known}",
                    self.service
                ));
            }
        }
        Ok(())
    }

    async fn show(&self, session: &Session, registry: &dyn Registry) -> Result {
        let records = registry.get(WEIGHTS).await.map_err(Failure::Registry)?;
        let id = self.record().id;
        let record = records.into_iter().find(|record| record.id == id);
        let metadata = record.map(|record| record.metadata).unwrap_or_default();
        // Other entries are not weights.
        let weights: BTreeMap<String, u32> = metadata
            .iter()
            .filter_map(|(version, weight)| Some((version.clone(), weight.parse().ok()?)))
            .collect();
        if weights.is_empty() {
            lookup::nodes(registry, &self.service).await?;
        }
        if session.json() {
            return session.print(json!({"service": self.service, "weights": weights}));
        }
        if weights.is_empty() {
            session.say(&format!("no weights are set for `{}`", self.service));
            return Ok(());
        }
        let mut table = Table::new(["VERSION", "WEIGHT"], session.coloured());
        for (version, weight) in weights {
            table.row([version.into(), weight.into()]);
        }
        session.print_styled(table)
    }
}
