//! What one port speaks, and how a node is spoken to: each dialect of HTTP is a [`Dialect`], a [`Site`] answers the
//! requests of a connection by them, and [`Socket`] is the transport of all.

#[cfg(feature = "http")]
pub(crate) mod access;
#[cfg(feature = "http")]
pub(crate) mod addressing;
mod choose;
#[cfg(feature = "http")]
pub(crate) mod client;
#[cfg(feature = "http")]
pub(crate) mod connect;
#[cfg(feature = "test-util")]
pub mod contract;
#[cfg(feature = "http")]
pub(crate) mod cors;
#[cfg(feature = "http")]
pub(crate) mod envelope;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzz;
#[cfg(feature = "grpc")]
pub(crate) mod grpc;
#[cfg(feature = "grpc")]
mod grpc_transport;
#[cfg(feature = "http")]
mod identity_headers;
#[cfg(feature = "http")]
pub(crate) mod json;
#[cfg(feature = "http")]
pub(crate) mod mucp;
#[cfg(feature = "http")]
pub(crate) mod ops;
#[cfg(feature = "http")]
mod origins;
#[cfg(feature = "http")]
pub(crate) mod paths;
#[cfg(feature = "http")]
pub(crate) mod propagation;
#[cfg(feature = "http")]
mod server;
#[cfg(feature = "http")]
mod site;
mod socket;
#[cfg(feature = "http")]
mod takeover;

#[cfg(feature = "http")]
use std::sync::Arc;

#[cfg(feature = "http")]
use ::http::{Request, request::Parts};

#[cfg(feature = "http")]
use crate::{
    http::{HttpAnswer, HttpBegun, HttpBody},
    net::{Limits, protocol::Protocol},
    time::Nanos,
};

#[cfg(feature = "grpc")]
pub use grpc_transport::Grpc;
#[cfg(feature = "http")]
pub(crate) use site::{Place, Site};
pub use socket::Socket;

#[cfg(feature = "http")]
/// A way of calling endpoints by HTTP requests.
pub(crate) trait Dialect: Send + Sync + 'static {
    /// Whether a request with this head is of it. The first dialect to say so answers.
    fn speaks(&self, head: &Parts) -> bool;

    /// Answers a request; errors are answers too. Dropping the future cancels the work.
    fn answer(&self, request: Request<HttpBody>, site: &Site) -> HttpAnswer;

    /// Answers a request in place if that takes no waiting, else hands back what is left to do. `now` is
    /// when it was read.
    fn begin(&self, request: Request<HttpBody>, site: &Site, _now: Nanos) -> HttpBegun {
        HttpBegun::poll(self.answer(request, site))
    }
}

/// What a port speaks by HTTP, as records list it.
#[cfg(feature = "grpc")]
pub(crate) const NAMES: [&str; 5] = ["grpc", "mucp", "grpc-web", "connect", "http"];
/// What a port speaks by HTTP, as records list it.
#[cfg(all(feature = "http", not(feature = "grpc")))]
pub(crate) const NAMES: [&str; 3] = ["mucp", "connect", "http"];

#[cfg(feature = "http")]
/// What a port speaks by HTTP. Of the dialects the first that speaks a request answers it; pages of other
/// origins may call if `origins` has theirs.
pub(crate) fn protocols(
    limits: &Arc<Limits>,
    origins: Option<&cors::Origins>,
) -> Vec<Arc<dyn Protocol>> {
    let mut others: Vec<Arc<dyn Dialect>> = vec![Arc::new(ops::Ops::new())];
    #[cfg(feature = "grpc")]
    let grpc = Arc::new(grpc::Server::default());
    #[cfg(feature = "grpc")]
    others.push(Arc::new(grpc::web::Server(grpc.clone())));
    others.push(Arc::new(connect::Server));
    others.push(Arc::new(json::Plain));
    if let Some(origins) = origins {
        let cors = cors::Cors {
            origins: origins.clone(),
            dialects: others.clone(),
        };
        others.insert(0, Arc::new(cors));
    }
    let answering = |dialects| server::Answering {
        limits: limits.clone(),
        origins: origins.cloned().map(Arc::new),
        dialects,
    };
    // Of the two versions a client that speaks both is given the first.
    vec![
        #[cfg(feature = "grpc")]
        Arc::new(server::Http2(answering(
            std::iter::once(grpc as Arc<dyn Dialect>)
                .chain(others.iter().cloned())
                .collect(),
        ))),
        Arc::new(server::Http1 {
            answering: answering(others.into()),
            takeovers: vec![Arc::new(mucp::Server)],
        }),
    ]
}
