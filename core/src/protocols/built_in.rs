//! The HTTP protocols that are built in.

use std::sync::Arc;

#[cfg(feature = "connect")]
use super::connect;
#[cfg(feature = "grpc")]
use super::grpc;
#[cfg(feature = "json")]
use super::json;
#[cfg(feature = "mucp")]
use super::mucp;
use super::{cors, dialect::Dialect, ops, origins::Origins, server};
use crate::net::{Limits, protocol::Protocol};

/// The names of the dialects, as records list them.
pub(crate) const NAMES: &[&str] = &[
    #[cfg(feature = "grpc")]
    "grpc",
    #[cfg(feature = "mucp")]
    "mucp",
    #[cfg(feature = "grpc")]
    "grpc-web",
    #[cfg(feature = "connect")]
    "connect",
    #[cfg(feature = "json")]
    "http",
];

/// The HTTP protocols of a port. The first dialect that accepts a request answers it. Web pages may call if `origins`
/// contains their origin.
pub(crate) fn protocols(limits: &Arc<Limits>, origins: Option<&Origins>) -> Vec<Arc<dyn Protocol>> {
    let mut others: Vec<Arc<dyn Dialect>> = vec![Arc::new(ops::Ops::new())];
    #[cfg(feature = "grpc")]
    let grpc = Arc::new(grpc::Server::default());
    #[cfg(feature = "grpc")]
    others.push(Arc::new(grpc::web::Server(grpc.clone())));
    #[cfg(feature = "connect")]
    others.push(Arc::new(connect::Server));
    #[cfg(feature = "json")]
    others.push(Arc::new(json::Server));
    if let Some(origins) = origins {
        let cors = cors::Cors {
            origins: origins.clone(),
            dialects: others.clone(),
        };
        others.insert(0, Arc::new(cors));
    }
    let dispatchers = |dialects| server::DispatcherFactory {
        limits: limits.clone(),
        origins: origins.cloned().map(Arc::new),
        dialects,
    };
    // A client that supports both versions gets the first.
    vec![
        #[cfg(feature = "grpc")]
        Arc::new(server::Http2(dispatchers(
            std::iter::once(grpc as Arc<dyn Dialect>)
                .chain(others.iter().cloned())
                .collect(),
        ))),
        Arc::new(server::Http1 {
            dispatchers: dispatchers(others.into()),
            takeovers: vec![
                #[cfg(feature = "mucp")]
                Arc::new(mucp::Server),
            ],
        }),
    ]
}
