//! Tells what a connection speaks by its first bytes, which come in any portions.

use std::sync::Arc;

use tokio::io::AsyncReadExt;

use super::protocol::{Accepted, Detect, Protocol};
use crate::error::{Error, Result};

/// The most bytes any protocol needs to be told.
pub(crate) const MAX_DETECTION_BYTES: usize = 64;

/// What the bytes read so far tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detection {
    /// The protocol at this place in the list.
    Protocol(usize),
    /// More bytes are needed.
    Incomplete,
    /// None that is in the list.
    Unknown,
}

/// What a connection that begins with `first` speaks. However the bytes come, it is the same.
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

/// Reads what it takes to tell which of `protocols` a connection speaks.
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

/// Which of `protocols` TLS negotiated by this ALPN name: nothing else is spoken then, whatever comes.
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

/// Waits until something has come: a silent connection is the port's to end.
#[cfg(feature = "tls")]
pub(crate) async fn begun(accepted: &mut Accepted) -> Result<()> {
    if accepted.first.is_empty() && accepted.io.read_buf(&mut accepted.first).await? == 0 {
        return Err(Error::unavailable("the other side closed it"));
    }
    Ok(())
}
