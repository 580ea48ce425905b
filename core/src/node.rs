//! A node's record: where it listens, which version it is, what it serves.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{address::is_of_this_machine, call::Shape, random::random};

/// One running instance of a service.
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
    /// Free text by name; go-micro's own keys (`protocol`, `transport`, …) among it. Shared among nodes where
    /// it is the same; [`Node::metadata_mut`] changes one node's.
    pub metadata: Arc<BTreeMap<String, String>>,
    /// What it serves; shared among the nodes of one version.
    pub endpoints: Arc<[Endpoint]>,
}

impl Node {
    /// What the metadata of a node has that refuses plaintext.
    pub(crate) const TLS_ONLY: (&str, &str) = ("tls", "true");

    /// A node without metadata or endpoints, of version `latest`.
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

    /// Whether its record says that it refuses plaintext.
    pub(crate) fn asks_for_tls(&self) -> bool {
        let (name, value) = Self::TLS_ONLY;
        self.metadata.get(name).is_some_and(|said| said == value)
    }

    /// A random id in the form of a version 4 UUID.
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

    /// The same with another version.
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// The same with one more entry of metadata.
    pub fn with_metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata_mut().insert(name.into(), value.into());
        self
    }

    /// Its metadata, to be changed.
    pub fn metadata_mut(&mut self) -> &mut BTreeMap<String, String> {
        Arc::make_mut(&mut self.metadata)
    }

    /// The same serving these endpoints.
    pub fn with_endpoints(mut self, endpoints: impl Into<Arc<[Endpoint]>>) -> Self {
        self.endpoints = endpoints.into();
        self
    }

    /// Its share of traffic against the other nodes': metadata `weight`, 100 if unsaid or unreadable.
    pub fn weight(&self) -> u32 {
        self.metadata
            .get("weight")
            .and_then(|weight| weight.parse().ok())
            .unwrap_or(100)
    }

    /// Whether only its own machine reaches it: its address is loopback or a Unix socket.
    pub fn is_loopback(&self) -> bool {
        is_of_this_machine(&self.address)
    }

    /// The record of one of its endpoints.
    pub fn endpoint(&self, name: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }
}

/// What an endpoint is called, takes and gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Endpoint {
    /// Such as `Greeter.Hello`.
    pub name: String,
    /// The request's fields.
    #[serde(default)]
    pub request: Option<Value>,
    /// The response's fields.
    #[serde(default)]
    pub response: Option<Value>,
    /// Properties: `idempotent=true`, `read_only=true`, `stream=true` with `stream_shape=server|client|bidi`, `topic`, gRPC's `path`
    /// such as `/greeter.Greeter/Hello`, and a user's own.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl Endpoint {
    /// An endpoint without schema or properties.
    pub fn new(name: impl Into<String>) -> Self {
        Endpoint {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Whether it declares that doing its work twice does no harm.
    pub fn is_idempotent(&self) -> bool {
        self.metadata.get("idempotent").is_some_and(|v| v == "true")
    }

    /// Whether it takes or gives a stream.
    pub fn is_stream(&self) -> bool {
        self.metadata.get("stream").is_some_and(|v| v == "true")
    }

    /// Which of its sides are streams. A stream of unsaid shape is one both ways, as go-micro's are.
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

/// A field tree: a value's name, type and, for an object or a list, what is in it.
///
/// Types are JSON's view of them: `string`, `bool`, `bytes`, `i64`, `u32`, `f64`, …; `object` with a
/// value a field; `[]T` with one value for T; `map` with one value for what it maps to; `enum` with a value
/// a variant, of type `string` if its bare name stands for it and else of what is under that name; `any`.
/// The tree is three levels deep, so an object at its end has no values though it has fields.
/// A field that may be left out has a type that ends in `?`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Value {
    /// The field's name, or the type's at the root.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is in it.
    #[serde(default, deserialize_with = "exact")]
    pub values: Vec<Value>,
}

impl Value {
    /// A value of a type.
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        Value {
            name: name.into(),
            kind: kind.into(),
            values: Vec::new(),
        }
    }

    /// The same with what is in it.
    pub fn with_values(mut self, values: Vec<Value>) -> Self {
        self.values = values;
        self
    }
}

/// A list that takes no more memory than what is in it, as it is kept for long; it may be `null`.
fn exact<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
    let mut values: Vec<Value> = null_is_empty(deserializer)?;
    values.shrink_to_fit();
    Ok(values)
}

/// Go writes absent lists and maps as `null`.
pub fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
