//! What `call` and `stream` have in common: whom to call, and what the registry says about it.

use clap::Args;
use micro::{
    Context, Error, Payload, Plugins,
    client::{Client, Method, RequestBuilder},
    registry::Value as Schema,
};
use prost_reflect::MethodDescriptor;
use serde_json::{Value, json};

use crate::{
    arguments, by_hand, check,
    failure::{Failure, Result},
    lookup,
    reflection::{MessageCodec, Reflection},
    session::Session,
};

/// Whom to call, and what to give along.
#[derive(Args)]
pub(crate) struct Target {
    /// The service's name
    pub(crate) service: String,
    /// The endpoint's name, such as `Greeter.Hello`
    pub(crate) endpoint: String,
    /// Metadata to send along; may be given more than once
    #[arg(long, value_name = "NAME=VALUE", value_parser = arguments::pair)]
    metadata: Vec<(String, String)>,
    /// Call only nodes of this version
    #[arg(long, value_name = "VERSION", conflicts_with = "address")]
    version: Option<String>,
    /// Call this address, without discovery; by gRPC, its reflection says what messages are like
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// Send what the registry's record of the endpoint speaks against; by gRPC, send JSON to a server that does not
    /// say what its messages are like
    #[arg(long)]
    unchecked: bool,
}

/// Which sides of an endpoint stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Unary,
    /// Only the reply.
    Server,
    /// The request, or both.
    Requests,
}

/// What the registry says about an endpoint; nothing where it was not asked or does not know.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) shape: Option<Shape>,
    request: Option<Schema>,
    /// Whether requests are in Protobuf's JSON form.
    protobuf: bool,
}

impl Target {
    /// The plugins to call by.
    pub(crate) async fn plugins(&self, session: &Session) -> Result<Plugins> {
        match &self.address {
            None => session.plugins(),
            Some(address) => by_hand::plugins(session, None, Some(&self.service), address).await,
        }
    }

    /// Looks the endpoint up, unless an address makes that needless.
    pub(crate) async fn find(&self, session: &Session, plugins: &Plugins) -> Result<Found> {
        if self.address.is_some() {
            return Ok(Found::default());
        }
        let registry = session.registry_of(plugins)?;
        let mut nodes = lookup::nodes(&*registry, &self.service).await?;
        if let Some(version) = &self.version {
            nodes = lookup::of_version(nodes, version)?;
        }
        let Some(endpoint) = lookup::endpoint(&nodes, &self.service, &self.endpoint)? else {
            return Ok(Found::default());
        };
        let shape = match endpoint.metadata.get("stream_shape").map(String::as_str) {
            _ if !endpoint.is_stream() => Some(Shape::Unary),
            Some("server") => Some(Shape::Server),
            Some(_) => Some(Shape::Requests),
            // Go's records say that it streams, not in which direction.
            None => None,
        };
        let request = endpoint.request.clone().filter(|_| !self.unchecked);
        Ok(Found {
            shape,
            request,
            protobuf: endpoint.metadata.contains_key("path"),
        })
    }

    /// What the server at the address given says of the endpoint, if calls go by gRPC; nothing where it takes JSON.
    ///
    /// Most gRPC servers read any bytes as Protobuf: one that does not say what its messages are like is sent JSON
    /// only if it is known to take it, or if that was asked for.
    pub(crate) async fn reflected(
        &self,
        session: &Session,
        client: &Client,
    ) -> Result<Option<MethodDescriptor>> {
        let Some(address) = self.address.as_ref().filter(|_| session.is_grpc()) else {
            return Ok(None);
        };
        let Some((service, method)) = self.full_name() else {
            return Err(Failure::Usage(format!(
                "`{}` names no method; write it as `Service.Method` or `/package.Service/Method`",
                self.endpoint
            )));
        };
        let failed = |error: Error| Failure::Failed(error.to_string());
        let mut reflection = Reflection::open(client, address).await.map_err(failed)?;
        let described = match &mut reflection {
            Some(reflection) => reflection.service(&service).await.map_err(failed)?,
            None => None,
        };
        let Some(described) = described else {
            if self.unchecked || takes_json(client, &self.service, address).await {
                return Ok(None);
            }
            let why = match &reflection {
                Some(known) => {
                    let names = known.services.iter().map(String::as_str);
                    let hint = lookup::hint(&service, names);
                    format!("its reflection does not describe `{service}`{hint}")
                }
                None => "it has no reflection".to_owned(),
            };
            return Err(Failure::Failed(format!(
                "nothing is known of the messages of `{service}/{method}` at `{address}`: {why}; \
                 `--unchecked` sends JSON, for servers that take `application/grpc+json`"
            )));
        };
        let found = described.methods().find(|known| known.name() == method);
        if found.is_none() {
            let known: Vec<_> = described
                .methods()
                .map(|one| one.name().to_owned())
                .collect();
            let hint = lookup::hint(&method, known.iter().map(String::as_str));
            return Err(Failure::NotFound(format!(
                "service `{service}` has no method `{method}`{hint}"
            )));
        }
        Ok(found)
    }

    /// The service and the method as gRPC names them: by the path, if the endpoint is one.
    fn full_name(&self) -> Option<(String, String)> {
        if let Some(path) = self.endpoint.strip_prefix('/') {
            let (service, method) = path.split_once('/')?;
            return Some((service.to_owned(), method.to_owned()));
        }
        let (kind, method) = self.endpoint.rsplit_once('.')?;
        Some((format!("{}.{kind}", self.service), method.to_owned()))
    }

    /// A handle to the endpoint, for messages of a codec.
    pub(crate) fn method<F: MessageCodec, In: Payload, Out: Payload>(
        &self,
        client: &Client,
        codec: &F,
    ) -> Method<In, Out> {
        let method = client.method(&self.service, &self.endpoint);
        match codec.content_type() {
            Some(content_type) => method.content_type(content_type),
            None => method,
        }
    }

    /// The call with the options given.
    pub(crate) fn options<'a, In, Out>(
        &self,
        mut call: RequestBuilder<'a, In, Out>,
    ) -> RequestBuilder<'a, In, Out> {
        for (name, value) in &self.metadata {
            call = call.metadata(name, value);
        }
        if let Some(version) = &self.version {
            call = call.version(version);
        }
        match &self.address {
            Some(address) => call.address(address),
            None => call,
        }
    }
}

/// Whether the server at an address takes JSON by gRPC: it has the endpoint that every service of ours has.
async fn takes_json(client: &Client, service: &str, address: &str) -> bool {
    let health = client.method::<Value, Value>(service, "Debug.Health");
    let asked = health.call(&Context::new(), json!({})).address(address);
    asked.await.is_ok()
}

/// Which sides of a method stream.
pub(crate) fn shape_of(method: &MethodDescriptor) -> Shape {
    match (method.is_client_streaming(), method.is_server_streaming()) {
        (true, _) => Shape::Requests,
        (false, true) => Shape::Server,
        (false, false) => Shape::Unary,
    }
}

impl Found {
    /// Holds a request against the record: fails on what would be refused, warns of what would be ignored.
    pub(crate) fn check(&self, session: &Session, request: &Value) -> Result {
        let Some(schema) = &self.request else {
            return Ok(());
        };
        let findings = check::check(schema, request, self.protobuf);
        if !findings.errors.is_empty() {
            return Err(Failure::Failed(findings.errors.join("\n       ")));
        }
        for warning in findings.warnings {
            session.say(&format!("warning: {warning}"));
        }
        Ok(())
    }
}
