//! A way to a node that speaks Connect.

mod read;
mod send;

use std::sync::Arc;

use crate::{
    call::Answer,
    error::{Error, Outcome},
    http::compression::Compression,
    message::Request,
    net::{Limits, io::SharedNetwork, pool::Pool, sent::Sent},
    node::Node,
    protocols::{
        addressing::Addressing,
        client::{Line, Version, Ways},
        paths::Paths,
    },
    transport::{adapter::SendOne, addressee::Addressee},
};

/// What every connection to a node knows of it.
struct About {
    paths: Paths,
    addressing: Arc<Addressing>,
    limits: Arc<Limits>,
    /// How requests are compressed.
    compression: Option<Compression>,
    /// Endpoints that the node's record says change nothing, which are asked for by GET.
    read_only: Vec<String>,
}

/// Sends requests by one line.
pub(crate) struct Sender {
    line: Line,
    about: Arc<About>,
}

/// A way to one node, over either version of HTTP.
pub(crate) fn way(
    node: &Node,
    addressee: Addressee,
    version: Version,
    compression: Option<Compression>,
    network: SharedNetwork,
    limits: Arc<Limits>,
    pool: Arc<Pool>,
) -> Ways<Sender> {
    let read_only = node.endpoints.iter();
    let read_only = read_only.filter(|endpoint| endpoint.shape().read_only);
    let addressing = Addressing::new(addressee, &node.address, network.is_secure());
    let addressing = Arc::new(addressing);
    let about = Arc::new(About {
        paths: Paths::new(node, network.is_secure(), limits.names),
        addressing: addressing.clone(),
        limits: limits.clone(),
        compression,
        read_only: read_only.map(|endpoint| endpoint.name.clone()).collect(),
    });
    let make = move |line| Sender {
        line,
        about: about.clone(),
    };
    let address = &node.address;
    Ways::new(version, address, addressing, network, limits, pool, make)
}

impl SendOne for Sender {
    fn send(&self, request: Request, attempts: u8, sent: Sent) -> Answer {
        let (line, about) = (self.line.clone(), self.about.clone());
        Box::pin(async move {
            let expected = request.expected();
            let unsent = |error: Error| error.with_outcome(Outcome::NotSent);
            let (http, asked, failed) = about.write(request, attempts).map_err(unsent)?;
            let (response, held) = match line.exchange(http, sent).await {
                Ok(answered) => answered,
                Err(error) => return Err(failed.cause(error)),
            };
            let most = about.limits.message;
            read::answer(response, held, failed, asked, expected, most).await
        })
    }
}
