//! Version weights that an operator has put into the registry, for all services.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Shared,
    follow::{Follow, NodeReport},
};
use crate::{
    node::Node,
    random::Rng,
    selector::{VersionWeights, WEIGHTS},
};

/// Version weights by service.
pub(super) type AllWeights = BTreeMap<String, VersionWeights>;

/// Keeps the weights up to date until it is aborted; they stay during an outage.
pub(super) async fn run<P: Send + Sync + 'static>(shared: Arc<Shared<P>>) {
    let mut follow = Follow::new(
        shared.registry.clone(),
        WEIGHTS,
        shared.options.grace,
        Rng::seeded(shared.rng.number()),
        || {
            shared
                .weights
                .borrow()
                .as_ref()
                .is_some_and(|all| !all.is_empty())
        },
    );
    loop {
        // Entries warn of an outage; this watch would only repeat that.
        let NodeReport::Nodes(nodes) = follow.next().await else {
            shared.weights.send_if_modified(|current| {
                let first = current.is_none();
                current.get_or_insert_default();
                first
            });
            continue;
        };
        let all: AllWeights = nodes.iter().filter_map(|node| weights(node)).collect();
        shared.weights.send_if_modified(|current| {
            let changed = current.as_deref() != Some(&all);
            *current = Some(Arc::new(all));
            changed
        });
    }
}

/// The service and the weights of a record. Metadata that is not a number is ignored.
fn weights(record: &Node) -> Option<(String, VersionWeights)> {
    let service = record.id.strip_prefix(WEIGHTS)?.strip_prefix('-')?;
    let weights = record.metadata.iter();
    let weights =
        weights.filter_map(|(version, weight)| Some((version.clone(), weight.parse().ok()?)));
    Some((service.to_owned(), weights.collect()))
}
