//! `micro get SERVICE`, and `micro get --address ADDRESS`.

use clap::Args;
use micro::registry::{Endpoint, Node, Value};
use serde_json::json;

use crate::{
    failure::Result,
    grpc_services, lookup,
    session::Session,
    table::{Cell, Colour, Table},
};

/// Show a service: its versions, nodes and endpoints
#[derive(Args)]
pub(crate) struct Get {
    /// The service's name
    #[arg(required_unless_present = "address")]
    service: Option<String>,
    /// Show the services of the gRPC server at this address, by its reflection
    #[arg(long, value_name = "ADDRESS", conflicts_with = "service")]
    address: Option<String>,
}

impl Get {
    pub(crate) fn run(self, session: &Session) -> Result {
        if let Some(address) = &self.address {
            return session.block_on(grpc_services::print(session, address));
        }
        let service = self.service.unwrap_or_default();
        let nodes = session.block_on(async {
            let registry = session.registry()?;
            lookup::nodes(&*registry, &service).await
        })?;
        let versions = lookup::versions(nodes);
        if session.json() {
            let versions = versions.iter().map(|(version, nodes)| {
                let endpoints: Vec<_> = endpoints(nodes).into_iter().map(endpoint_json).collect();
                let nodes: Vec<_> = nodes.iter().map(node_json).collect();
                json!({"version": version, "nodes": nodes, "endpoints": endpoints})
            });
            return session.print(json!(versions.collect::<Vec<_>>()));
        }
        for (version, nodes) in &versions {
            session.print(format_args!("version {version}"))?;
            let mut table = Table::new(["  NODE", "ADDRESS", "METADATA"], session.coloured());
            for node in nodes {
                let metadata = node.metadata.iter();
                let metadata: Vec<_> = metadata
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                let id = format!("  {}", node.id);
                table.row([
                    id.into(),
                    node.address.as_str().into(),
                    metadata.join(" ").into(),
                ]);
            }
            session.print_styled(table)?;
            let endpoints = endpoints(nodes);
            if endpoints.is_empty() {
                continue;
            }
            let mut table = Table::new(
                ["  ENDPOINT", "TAKES", "GIVES", "PROPERTIES"],
                session.coloured(),
            );
            for endpoint in endpoints {
                table.row(endpoint_row(endpoint));
            }
            session.print_styled(table)?;
        }
        Ok(())
    }
}

/// The endpoints of nodes of one version, by name.
fn endpoints(nodes: &[Node]) -> Vec<&Endpoint> {
    let mut endpoints: Vec<_> = nodes
        .iter()
        .flat_map(|node| node.endpoints.iter())
        .collect();
    endpoints.sort_by(|a, b| a.name.cmp(&b.name));
    endpoints.dedup_by(|a, b| a.name == b.name);
    endpoints
}

fn node_json(node: &Node) -> serde_json::Value {
    json!({"id": node.id, "address": node.address, "metadata": node.metadata})
}

fn endpoint_json(endpoint: &Endpoint) -> serde_json::Value {
    json!({
        "name": endpoint.name,
        "request": endpoint.request,
        "response": endpoint.response,
        "properties": endpoint.metadata,
    })
}

fn endpoint_row(endpoint: &Endpoint) -> [Cell; 4] {
    let shape = |value: &Option<Value>| value.as_ref().map_or_else(|| "?".to_owned(), shape);
    let properties = endpoint.metadata.iter();
    let properties: Vec<_> = properties
        .map(|(name, value)| match value.as_str() {
            "true" => name.clone(),
            value => format!("{name}={value}"),
        })
        .collect();
    [
        Cell::from(format!("  {}", endpoint.name)).coloured(Colour::Bold),
        shape(&endpoint.request).into(),
        shape(&endpoint.response).into(),
        properties.join(" ").into(),
    ]
}

/// A field tree in a line, such as `{name: string, tags: []string?}`.
fn shape(value: &Value) -> String {
    let kind = value.kind.as_str();
    let optional = if kind.ends_with('?') { "?" } else { "" };
    let fields = || {
        let fields = value.values.iter();
        let fields: Vec<_> = fields
            .map(|field| format!("{}: {}", field.name, shape(field)))
            .collect();
        fields.join(", ")
    };
    match kind.trim_end_matches('?') {
        "object" => format!("{{{}}}{optional}", fields()),
        "enum" => format!("enum {{{}}}{optional}", fields()),
        "map" => match value.values.as_slice() {
            [inner] => format!("map of {}{optional}", shape(inner)),
            _ => kind.to_owned(),
        },
        "[]object" => match value.values.as_slice() {
            [inner] => format!("[]{}{optional}", shape(inner)),
            _ => kind.to_owned(),
        },
        _ => kind.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_tree_is_printed_on_one_line() {
        let of = |name: &str, kind: &str, values| Value::new(name, kind).with_values(values);
        let id = || of("id", "u64", vec![]);
        let tree = of(
            "Order",
            "object",
            vec![
                of("name", "string", vec![]),
                of("items", "[]object?", vec![of("Item", "object", vec![id()])]),
                of("ages", "map", vec![of("u32", "u32", vec![])]),
                of("deep", "object?", vec![]),
            ],
        );
        assert_eq!(
            shape(&tree),
            "{name: string, items: []{id: u64}?, ages: map of u32, deep: {}?}"
        );
    }
}
