//! What `call` and `stream` have in common: whom to call, and what the registry says about it.

use clap::Args;
use micro::{Plugins, client::RequestBuilder, registry::Value as Schema};
use serde_json::Value;

use crate::{
    arguments, check,
    failure::{Failure, Result},
    lookup,
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
    /// Call this address, without discovery; the request is then not checked
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// Send what the registry's record of the endpoint speaks against
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
