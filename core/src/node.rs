//! [`Node`], the record of a running instance: its address, its version, its endpoints.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{address::is_of_this_machine, call::Shape, random::random};

/// A running instance of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// Unique: the service's name, a hyphen and the server's id.
    pub id: String,
    /// The service's name.
    pub service: String,
    /// The service's version, such as `latest` or `1.2.0`.
    pub version: String,
    /// `host:port`, `unix:PATH` or `memory:NAME`.
    pub address: String,
    /// Text by name, which includes go-micro's own keys (`protocol`, `transport`, …). Shared between nodes with the same
    /// metadata; [`Node::metadata_mut`] changes that of one node.
    pub metadata: Arc<BTreeMap<String, String>>,
    /// The endpoints, shared between the nodes of a version.
    pub endpoints: Arc<[Endpoint]>,
}

impl Node {
    /// The entry of metadata of a node that refuses plaintext.
    pub(crate) const TLS_ONLY: (&str, &str) = ("tls", "true");

    /// Creates a node of version `latest` without metadata or endpoints.
    pub fn new(
        service: impl Into<String>,
        id: impl Into<String>,
        address: impl Into<String>,
    ) -> Self {
        Node {
            id: id.into(),
            service: service.into(),
            version: "latest".into(),
            address: address.into(),
            metadata: Arc::default(),
            endpoints: Arc::from([]),
        }
    }

    /// Whether the record says that the node refuses plaintext.
    pub(crate) fn asks_for_tls(&self) -> bool {
        let (name, value) = Self::TLS_ONLY;
        self.metadata.get(name).is_some_and(|said| said == value)
    }

    /// Returns a random id in the form of a version 4 UUID.
    pub fn random_id() -> String {
        let (a, b) = (random(), random());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            a >> 16 & 0xffff,
            a & 0xfff,
            b >> 48 & 0x3fff | 0x8000,
            b & 0xffff_ffff_ffff
        )
    }

    /// Sets the version.
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Adds an entry of metadata.
    pub fn with_metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata_mut().insert(name.into(), value.into());
        self
    }

    /// Returns the metadata for changes.
    pub fn metadata_mut(&mut self) -> &mut BTreeMap<String, String> {
        Arc::make_mut(&mut self.metadata)
    }

    /// Sets the endpoints.
    pub fn with_endpoints(mut self, endpoints: impl Into<Arc<[Endpoint]>>) -> Self {
        self.endpoints = endpoints.into();
        self
    }

    /// Returns the share of traffic relative to other nodes: metadata `weight`, 100 if missing or invalid.
    pub fn weight(&self) -> u32 {
        self.metadata
            .get("weight")
            .and_then(|weight| weight.parse().ok())
            .unwrap_or(100)
    }

    /// Whether the node is reachable from its own machine only: its address is loopback or a Unix socket.
    pub fn is_loopback(&self) -> bool {
        is_of_this_machine(&self.address)
    }

    /// Returns the record of an endpoint.
    pub fn endpoint(&self, name: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }
}

/// An endpoint: its name, and the schemas of its request and response.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Endpoint {
    /// Such as `Greeter.Hello`.
    pub name: String,
    /// The schema of the request.
    #[serde(default)]
    pub request: Option<Value>,
    /// The schema of the response.
    #[serde(default)]
    pub response: Option<Value>,
    /// Properties: `idempotent=true`, `read_only=true`, `stream=true` with `stream_shape=server|client|bidi`, `topic`, gRPC's `path`
    /// such as `/greeter.Greeter/Hello`, and the user's own.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl Endpoint {
    /// Creates an endpoint without schemas or properties.
    pub fn new(name: impl Into<String>) -> Self {
        Endpoint {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Whether the work may be done twice without harm.
    pub fn is_idempotent(&self) -> bool {
        self.metadata.get("idempotent").is_some_and(|v| v == "true")
    }

    /// Whether the request or the response is a stream.
    pub fn is_stream(&self) -> bool {
        self.metadata.get("stream").is_some_and(|v| v == "true")
    }

    /// Which sides are streams. A stream of unknown shape is bidirectional, as go-micro's are.
    pub(crate) fn shape(&self) -> Shape {
        let said = self.metadata.get("stream_shape").map(String::as_str);
        Shape {
            request_stream: self.is_stream() && said != Some("server"),
            response_stream: self.is_stream() && said != Some("client"),
            idempotent: self.is_idempotent(),
            read_only: self.metadata.get("read_only").is_some_and(|v| v == "true"),
        }
    }
}

/// A schema as a tree: the name and type of a value, and the content of an object or list.
///
/// Types are those of JSON, refined: `string`, `bool`, `bytes`, `i64`, `u32`, `f64`, …; `object` with a
/// value for each field; `[]T` with one value for T; `map` with one value for its values; `enum` with a value
/// for each variant, of type `string` if the variant is its bare name, or else of the type of its content; `any`.
/// The tree is three levels deep, so an object on the last level has no values though it has fields.
/// The type of an optional field ends in `?`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Value {
    /// The name of the field, or at the root that of the type.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The content of the type.
    #[serde(default, deserialize_with = "exact")]
    pub values: Vec<Value>,
}

impl Value {
    /// Creates a value of a type.
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        Value {
            name: name.into(),
            kind: kind.into(),
            values: Vec::new(),
        }
    }

    /// Sets the content.
    pub fn with_values(mut self, values: Vec<Value>) -> Self {
        self.values = values;
        self
    }
}

/// Reads a list, which may be `null`, without spare capacity, since it is kept for long.
fn exact<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
    let mut values: Vec<Value> = null_is_empty(deserializer)?;
    values.shrink_to_fit();
    Ok(values)
}

/// Go writes missing lists and maps as `null`.
pub fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
