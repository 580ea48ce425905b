//! HTTP, whichever its version: a connection of either makes requests of the same form, a [`Site`]
//! answers them, and each dialect of it (gRPC, Connect, plain JSON, …) is a [`Dialect`].

pub(crate) mod access;
pub(crate) mod addressing;
mod body;
pub(crate) mod client;
pub(crate) mod coding;
pub(crate) mod compression;
pub(crate) mod cors;
pub(crate) mod envelope;
pub(crate) mod h1;
#[cfg(feature = "grpc")]
pub(crate) mod h2;
pub(crate) mod intake;
pub(crate) mod ops;
pub(crate) mod paths;
pub(crate) mod plain;
mod site;
pub(crate) mod travel;

use std::{future::Future, pin::Pin, sync::Arc};

use http::{Request, Response, request::Parts};

use crate::{
    time::Nanos,
    transport::{Limits, protocol::Protocol},
};

pub(crate) use body::{HttpBody, Piece, Pieces, Prefixed, too_large};
pub(crate) use site::{HttpBegun, Place, Site};

/// A boxed future of the answer to an HTTP request.
pub(crate) type HttpAnswer = Pin<Box<dyn Future<Output = Response<HttpBody>> + Send>>;

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
#[cfg(not(feature = "grpc"))]
pub(crate) const NAMES: [&str; 3] = ["mucp", "connect", "http"];

/// What a port speaks by HTTP. Of the dialects the first that speaks a request answers it; pages of other
/// origins may call if `origins` has theirs.
pub(crate) fn protocols(
    limits: &Arc<Limits>,
    origins: Option<&cors::Origins>,
) -> Vec<Arc<dyn Protocol>> {
    let mut others: Vec<Arc<dyn Dialect>> = vec![Arc::new(ops::Ops::new())];
    #[cfg(feature = "grpc")]
    let grpc = Arc::new(super::grpc::Server::default());
    #[cfg(feature = "grpc")]
    others.push(Arc::new(super::grpc::web::Server(grpc.clone())));
    others.push(Arc::new(super::connect::Server));
    others.push(Arc::new(plain::Plain));
    if let Some(origins) = origins {
        let cors = cors::Cors {
            origins: origins.clone(),
            dialects: others.clone(),
        };
        others.insert(0, Arc::new(cors));
    }
    let origins = origins.cloned().map(Arc::new);
    // Of the two versions a client that speaks both is given the first.
    vec![
        #[cfg(feature = "grpc")]
        Arc::new(h2::Http2 {
            limits: limits.clone(),
            origins: origins.clone(),
            dialects: std::iter::once(grpc as Arc<dyn Dialect>)
                .chain(others.iter().cloned())
                .collect(),
        }),
        Arc::new(h1::H1 {
            limits: limits.clone(),
            origins,
            dialects: others.into(),
            hijackers: vec![Arc::new(super::mucp::Server)],
        }),
    ]
}

/// A body of these pieces.
#[cfg(test)]
pub(crate) fn body_of(pieces: Vec<bytes::Bytes>) -> HttpBody {
    let pieces = pieces.into_iter().map(Piece::Data).collect();
    HttpBody::stream(body::tests::Parts(pieces))
}
