//! What the port of this build speaks by HTTP.

use std::sync::Arc;

#[cfg(feature = "grpc")]
use super::grpc;
use super::{connect, cors, dialect::Dialect, json, mucp, ops, server};
use crate::net::{Limits, protocol::Protocol};

/// What a port speaks by HTTP, as records list it.
#[cfg(feature = "grpc")]
pub(crate) const NAMES: [&str; 5] = ["grpc", "mucp", "grpc-web", "connect", "http"];
/// What a port speaks by HTTP, as records list it.
#[cfg(all(feature = "http", not(feature = "grpc")))]
pub(crate) const NAMES: [&str; 3] = ["mucp", "connect", "http"];

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
