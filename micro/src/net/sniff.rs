//! Tells what a connection speaks by its first bytes, which come in any portions.

use std::sync::Arc;

use tokio::io::AsyncReadExt;

use super::protocol::{Accepted, Detect, Protocol};
use crate::error::{Error, Result};

/// The most bytes any protocol needs to be told.
const TELLING: usize = 64;

/// What the bytes read so far tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// The protocol at this place in the list.
    Speaks(usize),
    /// More bytes are needed.
    More,
    /// None that is in the list.
    Nothing,
}

/// What a connection that begins with `first` speaks. However the bytes come, it is the same.
fn told(first: &[u8], protocols: &[Arc<dyn Protocol>]) -> Told {
    let first = &first[..first.len().min(TELLING)];
    let mut more = first.is_empty();
    if !more {
        for (place, protocol) in protocols.iter().enumerate() {
            match protocol.detect(first) {
                Detect::Yes => return Told::Speaks(place),
                Detect::No => {}
                Detect::More => more = true,
            }
        }
    }
    if more && first.len() < TELLING {
        Told::More
    } else {
        Told::Nothing
    }
}

/// Reads what it takes to tell which of `protocols` a connection speaks.
pub(crate) async fn tell(
    accepted: &mut Accepted,
    protocols: &[Arc<dyn Protocol>],
) -> Result<Arc<dyn Protocol>> {
    loop {
        match told(&accepted.first, protocols) {
            Told::Speaks(place) => return Ok(protocols[place].clone()),
            Told::Nothing => {
                let why = "it speaks no protocol that is known here";
                return Err(Error::unimplemented(why));
            }
            Told::More => {}
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

/// Tells any bytes by each of their beginnings, as a fuzz target does: once something is told, no more bytes
/// tell anything else. It gives the name of what they speak.
#[cfg(any(fuzzing, test))]
#[cfg_attr(
    not(fuzzing),
    allow(unreachable_pub, reason = "the fuzz target calls it")
)]
pub fn sniff(bytes: &[u8]) -> Option<String> {
    let protocols = crate::protocols::Socket::new().spoken();
    let mut before = Told::More;
    for end in 0..=bytes.len().min(2 * TELLING) {
        let now = told(&bytes[..end], &protocols);
        assert!(
            before == Told::More || before == now,
            "{before:?} becomes {now:?}: {:?}",
            &bytes[..end]
        );
        before = now;
    }
    match before {
        Told::Speaks(place) => Some(protocols[place].name().to_owned()),
        Told::More | Told::Nothing => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;
    use crate::random::Rng;
    use std::path::PathBuf;

    #[test]
    fn the_corpus_and_its_neighbours_are_told_the_same_in_any_portions() {
        let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/sniff");
        let rng = Rng::seeded(7);
        let mut files = 0;
        for file in std::fs::read_dir(corpus).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            sniff(&bytes);
            for _ in 0..500 {
                let mut near = bytes.clone();
                let at = rng.number() as usize % near.len();
                match rng.number() % 3 {
                    0 => near[at] = rng.number() as u8,
                    1 => near.insert(at, b"\r\n :A"[rng.number() as usize % 5]),
                    _ => drop(near.drain(..at)),
                }
                sniff(&near);
            }
            files += 1;
        }
        assert_eq!(files, 10);
    }

    #[test]
    fn what_nobody_speaks_is_told_as_nothing() {
        assert_eq!(sniff(b""), None);
        assert_eq!(sniff(b"\x16\x03\x01 a client's hello"), None);
        assert_eq!(sniff(b"{\"a\":1}"), None);
    }

    #[cfg(feature = "http")]
    #[test]
    fn http_is_told_from_its_next_version() {
        let first = sniff(b"POST /greeter.Hello HTTP/1.1\r\n");
        assert!(first.is_some());
        assert_eq!(sniff(b"PROPFIND / HTTP/1.1\r\n"), first);
        assert_ne!(sniff(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), first);
    }
}
