//! What the one port speaks: each [`Protocol`] knows its own first bytes.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{call::Call, net::io::Io};

/// A protocol that a connection may speak, told by its first bytes.
#[async_trait]
pub trait Protocol: Send + Sync + 'static {
    /// Its name, such as `native`.
    fn name(&self) -> &str;

    /// Whether a connection that begins with these bytes speaks it. Bytes come in any portions.
    fn detect(&self, first: &[u8]) -> Detect;

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
    pub(crate) seat: Seat,
}

mod seat;

pub(crate) use seat::{Seat, Seats};
