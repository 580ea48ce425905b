//! The JSON form in which go-micro's registries store a service.
//!
//! One [`Service`] is one version of a service with its nodes; most registries store one object a
//! node. When reading, `null` is empty, and a node of go-micro before 1.8 may have its port in a field of its own.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    node::{Endpoint, Node, null_is_empty},
};

/// One version of a service, as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Service {
    /// The name.
    pub name: String,
    /// The version of all its nodes.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub version: String,
    /// The default for every node; we write metadata of nodes and leave this empty.
    #[serde(
        default,
        deserialize_with = "null_is_empty",
        serialize_with = "empty_is_null"
    )]
    pub metadata: BTreeMap<String, String>,
    /// The endpoints.
    #[serde(
        default,
        deserialize_with = "null_is_empty",
        serialize_with = "empty_is_null"
    )]
    pub endpoints: Arc<[Endpoint]>,
    /// The nodes.
    #[serde(
        default,
        deserialize_with = "null_is_empty",
        serialize_with = "empty_is_null"
    )]
    pub nodes: Vec<Instance>,
}

/// One node, as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Instance {
    /// The id, which is unique.
    pub id: String,
    /// `host:port`, or the transport's form; the host alone if `port` is set.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub address: String,
    /// Read from old records, never written.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing)]
    pub port: u16,
    /// Text by name.
    #[serde(
        default,
        deserialize_with = "null_is_empty",
        serialize_with = "empty_is_null"
    )]
    pub metadata: BTreeMap<String, String>,
}

impl Service {
    /// Groups nodes into services: one for each name, version and set of endpoints, in the order of their first nodes.
    pub fn group<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> Vec<Service> {
        let mut services: Vec<Service> = Vec::new();
        for node in nodes {
            let service = services.iter_mut().find(|service| {
                service.name == node.service
                    && service.version == node.version
                    && service.endpoints == node.endpoints
            });
            match service {
                Some(service) => service.nodes.push(Instance::new(node)),
                None => services.push(Service::new(node)),
            }
        }
        services
    }

    /// A service of one node.
    pub fn new(node: &Node) -> Self {
        Service {
            name: node.service.clone(),
            version: node.version.clone(),
            metadata: BTreeMap::new(),
            endpoints: node.endpoints.clone(),
            nodes: vec![Instance::new(node)],
        }
    }

    /// Returns the nodes, which share their endpoints.
    pub fn into_nodes(self) -> Vec<Node> {
        let Service {
            name,
            version,
            metadata: common,
            endpoints,
            nodes,
        } = self;
        nodes
            .into_iter()
            .map(|instance| {
                let address = instance.joined_address();
                let mut metadata = common.clone();
                metadata.extend(instance.metadata);
                let metadata = Arc::new(metadata);
                Node {
                    id: instance.id,
                    service: name.clone(),
                    version: version.clone(),
                    address,
                    metadata,
                    endpoints: endpoints.clone(),
                }
            })
            .collect()
    }
}

impl Instance {
    fn new(node: &Node) -> Self {
        Instance {
            id: node.id.clone(),
            address: node.address.clone(),
            port: 0,
            metadata: (*node.metadata).clone(),
        }
    }

    fn joined_address(&self) -> String {
        match (self.port, self.address.as_str()) {
            (0, address) => address.to_owned(),
            (port, host) if host.contains(':') && !host.starts_with('[') => {
                format!("[{host}]:{port}")
            }
            (port, host) => format!("{host}:{port}"),
        }
    }
}

/// The JSON of one node: a service with only this node.
pub fn encode(node: &Node) -> Vec<u8> {
    serde_json::to_vec(&Service::new(node)).expect("text, lists and maps of text are always JSON")
}

/// Parses the JSON of one service, and returns its nodes.
///
/// Fails with [`Code::InvalidArgument`](crate::Code::InvalidArgument), which has line and column.
pub fn decode(json: &[u8]) -> Result<Vec<Node>> {
    let service: Service = serde_json::from_slice(json)
        .map_err(|error| Error::invalid_argument("not the JSON of a service").with_source(error))?;
    Ok(service.into_nodes())
}

fn empty_is_null<T: Serialize + Default + PartialEq, S: serde::Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    (*value != T::default())
        .then_some(value)
        .serialize(serializer)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use crate::node::Value;

    fn hello() -> Endpoint {
        let mut endpoint = Endpoint::new("Greeter.Hello");
        endpoint.request = Some(
            Value::new("HelloRequest", "HelloRequest")
                .with_values(vec![Value::new("name", "string")]),
        );
        endpoint.metadata.insert("idempotent".into(), "true".into());
        endpoint
    }

    #[test]
    fn nodes_survive_the_round_trip() {
        let nodes = [
            Node::new("greeter", "greeter-1", "10.0.0.1:80"),
            Node::new("greeter", "greeter-2", "unix:/run/a b/\"x\".sock").with_version(""),
            Node::new("topic:orders/new", "ünïcode \u{1F600}\n", "memory:x")
                .with_version("1.2.0")
                .with_metadata("protocol", "mucp")
                .with_metadata("", "empty name")
                .with_endpoints([hello(), Endpoint::new("Greeter.Bye")]),
        ];
        for node in nodes {
            assert_eq!(decode(&encode(&node)).unwrap(), [node]);
        }
    }

    #[test]
    fn empty_fields_are_null_in_the_order_of_go_micro() {
        let json = encode(&Node::new("greeter", "greeter-1", "10.0.0.1:80"));
        assert_eq!(
            String::from_utf8(json).unwrap(),
            r#"{"name":"greeter","version":"latest","metadata":null,"endpoints":null,"nodes":[{"id":"greeter-1","address":"10.0.0.1:80","metadata":null}]}"#
        );
    }

    #[test]
    fn record_of_go_micro_6_is_read() {
        let json = br#"{"name":"greeter","version":"1.0.0","metadata":null,"endpoints":[
            {"request":{"name":"Context","type":"Context","values":null},
             "response":null,"metadata":null,"name":"Greeter.Chat"}],
            "nodes":[{"metadata":{"protocol":"mucp"},"id":"greeter-srv1","address":"127.0.0.1:33187"}]}"#;
        let nodes = decode(json).unwrap();
        assert_eq!(nodes[0].id, "greeter-srv1");
        assert_eq!(nodes[0].metadata["protocol"], "mucp");
        let endpoint = nodes[0].endpoint("Greeter.Chat").unwrap();
        assert_eq!(endpoint.request.as_ref().unwrap().kind, "Context");
        assert!(endpoint.metadata.is_empty() && endpoint.response.is_none());
    }

    #[test]
    fn separate_port_is_joined_to_its_host() {
        let json = br#"{"name":"a","version":"1","nodes":[
            {"id":"4","address":"10.0.0.1","port":80,"metadata":null},
            {"id":"6","address":"::1","port":80},{"id":"0","address":"10.0.0.1:81","port":0}]}"#;
        let nodes = decode(json).unwrap();
        let addresses: Vec<_> = nodes.iter().map(|node| node.address.as_str()).collect();
        assert_eq!(addresses, ["10.0.0.1:80", "[::1]:80", "10.0.0.1:81"]);
    }

    #[test]
    fn metadata_of_the_service_is_the_default_of_its_nodes() {
        let json = br#"{"name":"a","metadata":{"zone":"x","tier":"1"},"endpoints":null,
            "nodes":[{"id":"1","address":"h:1","metadata":{"tier":"2"}}]}"#;
        let metadata = &decode(json).unwrap()[0].metadata;
        assert_eq!((&*metadata["zone"], &*metadata["tier"]), ("x", "2"));
    }

    #[test]
    fn nodes_are_grouped_by_version_and_endpoints() {
        let nodes = [
            Node::new("a", "1", "h:1"),
            Node::new("a", "2", "h:2").with_version("2"),
            Node::new("a", "3", "h:3"),
            Node::new("a", "4", "h:4").with_endpoints([hello()]),
        ];
        let services = Service::group(&nodes);
        let sizes: Vec<_> = services.iter().map(|s| s.nodes.len()).collect();
        assert_eq!(sizes, [2, 1, 1]);
    }

    #[test]
    fn error_of_malformed_json_has_its_place() {
        let error = decode(b"{\"name\":\n 3}").unwrap_err().to_string();
        assert!(error.contains("line 2 column 2"), "{error}");
    }
}
