//! Failed connection attempts, and whether another try may help.

use std::io::{self, ErrorKind};

use crate::error::{Error, Outcome, Recovery};

/// The error of a node that could not be connected to.
pub(crate) fn unconnected(text: String, error: io::Error) -> Error {
    let recovery = recovery(&error);
    Error::unavailable(text)
        .with_source(error)
        .with_recovery(recovery)
}

/// Whether the failure of a connection attempt can pass.
pub(crate) fn recovery(error: &io::Error) -> Recovery {
    match error.kind() {
        // TLS reports certificates, alerts and plaintext like this; the system invalid addresses.
        ErrorKind::InvalidData | ErrorKind::InvalidInput => Recovery::Never,
        // It accepted the connection, and ended it in the TLS handshake.
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            Recovery::Unlikely
        }
        _ => Recovery::Unreachable,
    }
}

/// The error of a node that has left: no connection to it is opened any more.
pub(crate) fn has_left(address: &str) -> Error {
    Error::unavailable(format!("node at `{address}` has left")).with_outcome(Outcome::NotSent)
}
