//! The other side of a connection, as far as the sending of answers is concerned.

use std::{sync::Arc, time::Duration};

use super::guard::Traffic;
use crate::net::buffered::Buffered;

/// What takes the answers of a connection.
pub(super) struct Peer {
    pub(super) traffic: Arc<Traffic>,
    pub(super) buffered: Arc<Buffered>,
    /// How long it may take nothing.
    pub(super) stall_timeout: Duration,
}
