//! The endpoint that `call`, `stream` and `bench` call, and its record in the registry.

use clap::Args;
use micro::{
    Context, Error, Payload, Plugins,
    client::{Client, Method, RequestBuilder},
    registry::Value as Schema,
};
use prost_reflect::MethodDescriptor;
use serde_json::{Value, json};

use crate::{
    address, arguments, check,
    failure::{Failure, Result},
    lookup,
    reflection::{Form, Reflection},
    session::Session,
};

/// The endpoint to call, and options of the call.
#[derive(Args)]
pub(crate) struct Target {
    /// The service's name
    pub(crate) service: String,
    /// The endpoint's name, such as `Greeter.Hello`
    pub(crate) endpoint: String,
    /// Metadata of the call; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = arguments::pair)]
    metadata: Vec<(String, String)>,
    /// Call only nodes of this version
    #[arg(long, value_name = "VERSION", conflicts_with = "address")]
    version: Option<String>,
    /// Call this address, without discovery; over gRPC, with the message types of the server's reflection
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// Do not validate the request against the endpoint's record; over gRPC, send JSON to a server without reflection
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

/// The registry's record of an endpoint; empty if the registry was not asked or has none.
#[derive(Debug, Default)]
pub(crate) struct EndpointInfo {
    pub(crate) shape: Option<Shape>,
    request: Option<Schema>,
    /// Whether requests are in Protobuf's JSON form.
    protobuf: bool,
}

impl Target {
    /// The plugins for the call.
    pub(crate) async fn plugins(&self, session: &Session) -> Result<Plugins> {
        match &self.address {
            None => session.plugins(),
            Some(address) => address::plugins(session, None, Some(&self.service), address).await,
        }
    }

    /// Looks up the endpoint, unless an address is given.
    pub(crate) async fn find(&self, session: &Session, plugins: &Plugins) -> Result<EndpointInfo> {
        if self.address.is_some() {
            return Ok(EndpointInfo::default());
        }
        let registry = session.registry_of(plugins)?;
        let mut nodes = lookup::nodes(&*registry, &self.service).await?;
        if let Some(version) = &self.version {
            nodes = lookup::of_version(nodes, version)?;
        }
        let Some(endpoint) = lookup::endpoint(&nodes, &self.service, &self.endpoint)? else {
            return Ok(EndpointInfo::default());
        };
        let shape = match endpoint.metadata.get("stream_shape").map(String::as_str) {
            _ if !endpoint.is_stream() => Some(Shape::Unary),
            Some("server") => Some(Shape::Server),
            Some(_) => Some(Shape::Requests),
            // Records of Go services do not have the direction.
            None => None,
        };
        let request = endpoint.request.clone().filter(|_| !self.unchecked);
        Ok(EndpointInfo {
            shape,
            request,
            protobuf: endpoint.metadata.contains_key("path"),
        })
    }

    /// The method in the reflection of the server at the given address, if calls use gRPC; `None` if the server takes
    /// JSON.
    ///
    /// Most gRPC servers read any bytes as Protobuf: a server without reflection gets JSON
    /// only if it is one of ours, or with `--unchecked`.
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
                "the messages of `{service}/{method}` at `{address}` are unknown: {why}; \
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

    /// The names of service and method in gRPC; from the path, if the endpoint is a path.
    fn full_name(&self) -> Option<(String, String)> {
        if let Some(path) = self.endpoint.strip_prefix('/') {
            let (service, method) = path.split_once('/')?;
            return Some((service.to_owned(), method.to_owned()));
        }
        let (kind, method) = self.endpoint.rsplit_once('.')?;
        Some((format!("{}.{kind}", self.service), method.to_owned()))
    }

    /// A handle to the endpoint, for messages of a form.
    pub(crate) fn method<F: Form, In: Payload, Out: Payload>(
        &self,
        client: &Client,
        form: &F,
    ) -> Method<In, Out> {
        let method = client.method(&self.service, &self.endpoint);
        match form.content_type() {
            Some(content_type) => method.content_type(content_type),
            None => method,
        }
    }

    /// The call with the given options.
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

/// Whether the server at an address takes JSON over gRPC: whether it has `Debug.Health`, as our services do.
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

impl EndpointInfo {
    /// Validates a request against the record; warns of fields that the server would ignore.
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
