//! Shares of traffic: of nodes among each other, and of versions in a canary.

use std::collections::BTreeMap;

use crate::node::Node;

/// Shares of traffic by version, such as `v1` → 90, `v2` → 10.
///
/// They are shares **between versions**, whatever the number of nodes each has: with nine nodes of
/// `v1` and one of `v2` the one takes 10 % of all calls. Inside a version its nodes share by their own
/// weights. A version of weight 0 takes none. A version that is not named takes none as long as a
/// named one of weight above 0 has a node; otherwise the unnamed ones share by their nodes' weights.
pub type VersionWeights = BTreeMap<String, u32>;

/// Weights as they count, for nodes sorted by version: 0 where a node takes none.
///
/// Under version weights they are scaled, so that they add up to each version's share.
pub(super) fn effective(nodes: &[&Node], versions: &VersionWeights) -> Vec<u32> {
    const SCALE: u64 = 100_000;
    let own: Vec<u32> = nodes.iter().map(|node| node.weight()).collect();
    let share = |node: &Node| versions.get(&node.version).copied();
    if versions.is_empty() || nodes.iter().all(|node| share(node).is_none()) {
        return own;
    }
    let named = nodes
        .iter()
        .zip(&own)
        .any(|(node, own)| *own > 0 && share(node).is_some_and(|share| share > 0));
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    for (node, own) in nodes.iter().zip(&own) {
        *totals.entry(&node.version).or_default() += u64::from(*own);
    }
    let weigh = |node: &Node, own: u32| -> u32 {
        match share(node) {
            Some(0) => 0,
            None => own * u32::from(!named),
            Some(_) if own == 0 => 0,
            Some(share) => {
                let share = u128::from(share) * u128::from(SCALE) * u128::from(own);
                let weight = share / u128::from(totals[node.version.as_str()]);
                u32::try_from(weight).unwrap_or(u32::MAX).max(1)
            }
        }
    };
    nodes
        .iter()
        .zip(&own)
        .map(|(node, own)| weigh(node, *own))
        .collect()
}
