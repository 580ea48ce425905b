//! The peer of a connection, for the sending of responses.

use std::{sync::Arc, time::Duration};

use super::guard::Traffic;
use crate::net::buffered::Buffered;

/// Takes the responses of a connection.
pub(super) struct Peer {
    pub(super) traffic: Arc<Traffic>,
    pub(super) buffered: Arc<Buffered>,
    /// How long it may take nothing.
    pub(super) stall_timeout: Duration,
}
