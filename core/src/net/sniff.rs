//! Detects the protocol of a connection by its first bytes, which arrive in any portions.

use std::sync::Arc;

use tokio::io::AsyncReadExt;

use super::protocol::{Accepted, Detect, Protocol};
use crate::error::{Error, Result};

/// The most bytes that detection needs.
pub(crate) const MAX_DETECTION_BYTES: usize = 64;

/// The result for the bytes read so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detection {
    /// The protocol at this place in the list.
    Protocol(usize),
    /// More bytes are needed.
    Incomplete,
    /// None of the list.
    Unknown,
}

/// The protocol of a connection that begins with `first`. The result does not depend on the portions.
pub(crate) fn detect(first: &[u8], protocols: &[Arc<dyn Protocol>]) -> Detection {
    let first = &first[..first.len().min(MAX_DETECTION_BYTES)];
    let mut more = first.is_empty();
    if !more {
        for (place, protocol) in protocols.iter().enumerate() {
            match protocol.detect(first) {
                Detect::Yes => return Detection::Protocol(place),
                Detect::No => {}
                Detect::More => more = true,
            }
        }
    }
    if more && first.len() < MAX_DETECTION_BYTES {
        Detection::Incomplete
    } else {
        Detection::Unknown
    }
}

/// Reads until the protocol of a connection is known.
pub(crate) async fn tell(
    accepted: &mut Accepted,
    protocols: &[Arc<dyn Protocol>],
) -> Result<Arc<dyn Protocol>> {
    loop {
        match detect(&accepted.first, protocols) {
            Detection::Protocol(place) => return Ok(protocols[place].clone()),
            Detection::Unknown => {
                let why = "it speaks no protocol that is known here";
                return Err(Error::unimplemented(why));
            }
            Detection::Incomplete => {}
        }
        if accepted.io.read_buf(&mut accepted.first).await? == 0 {
            return Err(Error::unavailable("the other side closed it"));
        }
    }
}

/// The protocol that TLS negotiated by this ALPN name: the first bytes do not matter then.
#[cfg(feature = "tls")]
pub(crate) fn negotiated(
    name: &[u8],
    protocols: &[Arc<dyn Protocol>],
) -> Option<Arc<dyn Protocol>> {
    let of_that_name = |protocol: &&Arc<dyn Protocol>| {
        let names = protocol.alpn().iter();
        names.copied().any(|known| known.as_bytes() == name)
    };
    protocols.iter().find(of_that_name).cloned()
}

/// Waits until bytes have arrived: the port ends a silent connection.
#[cfg(feature = "tls")]
pub(crate) async fn begun(accepted: &mut Accepted) -> Result<()> {
    if accepted.first.is_empty() && accepted.io.read_buf(&mut accepted.first).await? == 0 {
        return Err(Error::unavailable("the other side closed it"));
    }
    Ok(())
}
