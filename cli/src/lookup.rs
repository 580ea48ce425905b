//! Finds services and endpoints by name, and suggests similar names.

use std::collections::BTreeMap;

use micro::{
    registry::{Endpoint, Node, Registry},
    suggest,
};

use crate::failure::{Failure, Result};

/// The nodes of a service, at least one.
pub(crate) async fn nodes(registry: &dyn Registry, service: &str) -> Result<Vec<Node>> {
    let nodes = registry.get(service).await.map_err(Failure::Registry)?;
    if !nodes.is_empty() {
        return Ok(nodes);
    }
    // For the hint only: some registries, such as `dns`, cannot list services.
    let known = registry.list().await.unwrap_or_default();
    let hint = hint(service, known.iter().map(String::as_str));
    Err(Failure::NotFound(format!("no service `{service}`{hint}")))
}

/// The nodes of one version of a service.
pub(crate) fn of_version(nodes: Vec<Node>, version: &str) -> Result<Vec<Node>> {
    let by_version = versions(nodes);
    match by_version.get(version) {
        Some(nodes) => Ok(nodes.clone()),
        None => {
            let known: Vec<_> = by_version
                .keys()
                .map(|known| format!("`{known}`"))
                .collect();
            Err(Failure::NotFound(format!(
                "no node of version `{version}`; there is {}",
                known.join(", ")
            )))
        }
    }
}

/// Nodes by version.
pub(crate) fn versions(nodes: Vec<Node>) -> BTreeMap<String, Vec<Node>> {
    let mut versions: BTreeMap<String, Vec<Node>> = BTreeMap::new();
    for node in nodes {
        versions.entry(node.version.clone()).or_default().push(node);
    }
    versions
}

/// The record of an endpoint of the nodes.
///
/// `None` for the `Debug` endpoints, which have no record, and for
/// nodes that were registered without endpoints.
pub(crate) fn endpoint<'a>(
    nodes: &'a [Node],
    service: &str,
    name: &str,
) -> Result<Option<&'a Endpoint>> {
    let found = nodes.iter().find_map(|node| node.endpoint(name));
    let silent = nodes.iter().any(|node| node.endpoints.is_empty());
    if found.is_some() || silent || name.starts_with("Debug.") {
        return Ok(found);
    }
    let known = nodes.iter().flat_map(|node| node.endpoints.iter());
    let known: Vec<_> = known.map(|endpoint| endpoint.name.as_str()).collect();
    let hint = match hint(name, known.iter().copied()) {
        hint if hint.is_empty() => format!("; `micro get {service}` shows what it has"),
        hint => hint,
    };
    Err(Failure::NotFound(format!(
        "service `{service}` has no endpoint `{name}`{hint}"
    )))
}

/// ``; did you mean `greeter`?`` for the most similar names, or empty if none is similar.
pub(crate) fn hint<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = suggest(wrong, known)
        .into_iter()
        .map(|name| format!("`{name}`"))
        .collect();
    if names.is_empty() {
        return String::new();
    }
    format!("; did you mean {}?", names.join(" or "))
}
