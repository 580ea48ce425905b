//! The parts a service or client is made of: registry, transport, strategy; each by one line.

use std::sync::{Arc, OnceLock};

use tokio::runtime::Handle;

use crate::{
    balance::{self, Balance},
    client::Client,
    codec::Codecs,
    error::Result,
    registry::{Local, Registry},
    selector::{Cache, CacheOptions, P2c, Rng, Strategy},
    transport::{Native, Transport},
};

/// The parts a service or a client is made of. Cheap to clone; clones share everything.
#[derive(Clone, Default)]
pub struct Plugins(Arc<Inner>);

#[derive(Default)]
struct Inner {
    registry: OnceLock<Arc<dyn Registry>>,
    transport: OnceLock<Native>,
    strategy: OnceLock<Arc<dyn Strategy>>,
    settings: balance::Settings,
    codecs: Codecs,
    client: OnceLock<Client>,
}
