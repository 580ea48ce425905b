//! [`Protocol`], a protocol of the port, detected by its first bytes.

use std::{sync::Arc, task::Waker};

use async_trait::async_trait;

use crate::{call::Call, net::io::Io};

/// A protocol of connections, detected by their first bytes. [`Socket::protocol`](crate::Socket::protocol) adds
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
    /// The name, such as `native`.
    fn name(&self) -> &str;

    /// Whether a connection that begins with these bytes speaks this protocol. At most 64 bytes are read, in any portions.
    ///
    /// All protocols of a port are asked whenever more bytes have arrived, the built-in ones first. The first that
    /// returns [`Detect::Yes`] gets the connection: a new protocol gets those that it recognises by fewer bytes than any other.
    fn detect(&self, first: &[u8]) -> Detect;

    /// Examples of first bytes: a port refuses to listen if another of its protocols
    /// would get such a connection.
    fn examples(&self) -> &[&'static [u8]] {
        &[]
    }

    /// The names in TLS's negotiation (ALPN), in order of preference; none by default.
    fn alpn(&self) -> &[&'static str] {
        &[]
    }

    /// Serves a connection until it ends. Dropping the future ends it at once.
    async fn serve(&self, connection: Accepted, call: Arc<dyn Call>);
}

/// The result of detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detect {
    /// The connection speaks this protocol.
    Yes,
    /// It does not.
    No,
    /// More bytes are needed.
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

/// An accepted connection.
#[derive(Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// The connection.
    pub io: Io,
    /// The bytes read for detection.
    pub first: Vec<u8>,
    /// How the port ends it.
    pub(crate) seat: ConnectionGuard,
}

impl Accepted {
    /// Creates a connection without a port, of which `first` was read already, for tests of a protocol.
    pub fn new(io: Io, first: Vec<u8>) -> Self {
        let seat = ConnectionGuard::alone();
        Accepted { io, first, seat }
    }

    /// Returns the connection, the bytes read for detection, and the guard, which must be held until the connection ends.
    pub fn into_parts(self) -> (Io, Vec<u8>, ConnectionGuard) {
        // From now on the port waits for the connection to end when it shuts down, also in the middle of a call.
        self.seat.listen(Waker::noop());
        (self.io, self.first, self.seat)
    }
}

mod tracker;

pub(crate) use tracker::ConnectionTracker;
pub use tracker::{BufferedBytes, ConnectionGuard};
