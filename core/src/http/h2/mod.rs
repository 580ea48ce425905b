//! HTTP/2 over the `h2` crate: the server's side, and a client's connections.
//!
//! `h2` keeps the state of the protocol; this module decides what runs when, and what a peer may
//! cost ([`guard`]).

mod broken;
pub(crate) mod client;
mod guard;
mod head;
mod heartbeat;
mod incoming;
pub(crate) mod node;
mod peer;
mod respond;
mod send;
mod serve;
mod upload;

pub(crate) use serve::serve;

/// The first bytes of a client: RFC 9113, section 3.4.
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The name in the negotiation of TLS (ALPN).
pub(crate) const ALPN: [&str; 1] = ["h2"];

/// Names of headers that belong to a connection, which HTTP/2 forbids: RFC 9113, section 8.2.2.
pub(crate) fn is_of_connection(name: &http::HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" | "te"
    )
}
