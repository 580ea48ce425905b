//! What the one port speaks: each [`Protocol`] knows its own first bytes.

use std::{sync::Arc, task::Waker};

use async_trait::async_trait;

use crate::{call::Call, net::io::Io};

/// A protocol that a connection may speak, told by its first bytes. [`Socket::protocol`](crate::Socket::protocol) adds
/// one to the port of a service.
///
/// ```
/// use std::sync::Arc;
/// use async_trait::async_trait;
/// use micro::{Call, ContentType, Request, Socket, Target, net::protocol::{Accepted, Detect, Protocol}};
/// use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
///
/// /// `CALL ENDPOINT BODY`, a line each.
/// struct Lines;
///
/// #[async_trait]
/// impl Protocol for Lines {
///     fn name(&self) -> &str {
///         "lines"
///     }
///
///     fn detect(&self, first: &[u8]) -> Detect {
///         Detect::prefix(first, b"\x01CALL ")
///     }
///
///     fn examples(&self) -> &[&'static [u8]] {
///         &[b"\x01CALL "]
///     }
///
///     async fn serve(&self, connection: Accepted, call: Arc<dyn Call>) {
///         let (io, first, guard) = connection.into_parts();
///         let (reader, mut writer) = tokio::io::split(io);
///         let reader = tokio::io::AsyncReadExt::chain(&*first, reader);
///         let mut lines = BufReader::new(reader).lines();
///         loop {
///             let line = tokio::select! {
///                 line = lines.next_line() => line,
///                 () = guard.leaving() => return,
///             };
///             let Ok(Some(line)) = line else { return };
///             let mut words = line.splitn(3, ' ').skip(1);
///             let target = Target::new("", words.next().unwrap_or(""));
///             let body = words.next().unwrap_or("").to_owned().into_bytes();
///             let answer = match call.call(Request::new(target, ContentType::Json, body)).await {
///                 Ok(answer) => answer.into_parts().1.into_bytes(),
///                 Err(error) => Err(error),
///             };
///             let text = match answer {
///                 Ok(body) => format!("{}\n", String::from_utf8_lossy(&body)),
///                 Err(error) => format!("error: {error}\n"),
///             };
///             if writer.write_all(text.as_bytes()).await.is_err() {
///                 return;
///             }
///         }
///     }
/// }
///
/// let socket = Socket::new().protocol(Lines);
/// ```
#[async_trait]
pub trait Protocol: Send + Sync + 'static {
    /// Its name, such as `native`.
    fn name(&self) -> &str;

    /// Whether a connection that begins with these bytes speaks it. Bytes come in any portions; at most 64 are read.
    ///
    /// All protocols of a port are asked whenever more bytes have come, those that are built in first. The first to
    /// say [`Detect::Yes`] gets the connection: a new protocol gets those that it knows by fewer bytes than any other.
    fn detect(&self, first: &[u8]) -> Detect;

    /// First bytes of connections that speak it, as examples: a port refuses to listen where another of its protocols
    /// would get such a connection.
    fn examples(&self) -> &[&'static [u8]] {
        &[]
    }

    /// What it is called in TLS's negotiation (ALPN), those preferred first; nothing if unsaid.
    fn alpn(&self) -> &[&'static str] {
        &[]
    }

    /// Serves a connection until it ends. Dropping the future ends it at once.
    async fn serve(&self, connection: Accepted, call: Arc<dyn Call>);
}

/// What the first bytes of a connection tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detect {
    /// It is this protocol.
    Yes,
    /// It is not.
    No,
    /// It may be; more bytes are needed.
    More,
}

impl Detect {
    /// Whether `first` begins with `magic`.
    pub fn prefix(first: &[u8], magic: &[u8]) -> Self {
        let seen = first.len().min(magic.len());
        match first[..seen] == magic[..seen] {
            false => Detect::No,
            true if seen == magic.len() => Detect::Yes,
            true => Detect::More,
        }
    }
}

/// A connection that came in.
#[derive(Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// The connection.
    pub io: Io,
    /// What was read off it to tell its protocol.
    pub first: Vec<u8>,
    /// How the port tells it to come to an end.
    pub(crate) seat: ConnectionGuard,
}

impl Accepted {
    /// A connection of no port, of which `first` was read already: for tests of a protocol.
    pub fn new(io: Io, first: Vec<u8>) -> Self {
        let seat = ConnectionGuard::alone();
        Accepted { io, first, seat }
    }

    /// The connection, what was read off it to tell its protocol, and its guard, which is to be held until it ends.
    pub fn into_parts(self) -> (Io, Vec<u8>, ConnectionGuard) {
        // From now on the port waits for the connection to end when it goes away, also in the middle of a call.
        self.seat.listen(Waker::noop());
        (self.io, self.first, self.seat)
    }
}

mod tracker;

pub(crate) use tracker::ConnectionTracker;
pub use tracker::{BufferedBytes, ConnectionGuard};
