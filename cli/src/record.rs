//! Parses the record of a node on the command line.

use std::collections::BTreeMap;

use micro::registry::{Endpoint, Node, encoding};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    arguments,
    failure::{Failure, Result},
};

/// The flat form of one node.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Flat {
    #[serde(alias = "name")]
    service: String,
    id: String,
    #[serde(default = "latest")]
    version: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

fn latest() -> String {
    "latest".to_owned()
}

/// The nodes of a record: one node in the flat form, or a service with its `nodes` in the form of registries.
pub(crate) fn nodes(text: &str) -> Result<Vec<Node>> {
    let record: Value = arguments::json("the record", text)?;
    if record.get("nodes").is_some() {
        let nodes = encoding::decode(text.as_bytes());
        let nodes = nodes.map_err(|error| Failure::Usage(error.to_string()))?;
        if nodes.is_empty() {
            return Err(Failure::Usage("the record has no nodes".to_owned()));
        }
        return Ok(nodes);
    }
    let flat: Flat = serde_json::from_str(text).map_err(|error| {
        Failure::Usage(format!(
            "the record is not a node's: {error}; write {{\"service\":…,\"id\":…,\"address\":…}}"
        ))
    })?;
    let mut node = Node::new(flat.service, flat.id, flat.address)
        .with_version(flat.version)
        .with_endpoints(flat.endpoints);
    *node.metadata_mut() = flat.metadata;
    Ok(vec![node])
}
