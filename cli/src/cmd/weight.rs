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

/// The address of a record that is no node: where everything is discarded.
const NOWHERE: &str = "127.0.0.1:9";

/// Show or set how the versions of a service share its calls
///
/// Shares are between versions, whatever the number of nodes of each: `v1=90 v2=10` sends a tenth of
/// the calls to `v2`. A version that is not named takes none. Running callers follow at once. Registries that
/// keep nothing themselves, `mdns` and `nats`, have it as long as this command runs: until Ctrl-C.
#[derive(Args)]
pub(crate) struct Weight {
    /// The service's name
    service: String,
    /// The weight of each version; what was set before is forgotten
    #[arg(value_name = "VERSION=WEIGHT", value_parser = arguments::weight)]
    weights: Vec<(String, u32)>,
    /// Forget all weights: every node takes its share again
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
            Node::new(WEIGHTS, id, NOWHERE),
            |record, (version, weight)| record.with_metadata(version, weight.to_string()),
        )
    }

    /// Says which versions named have no node: they may be about to come.
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
        // What is no number is not about weights.
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
