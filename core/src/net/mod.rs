//! Sockets and what listens on them: connections by TCP and Unix sockets, TLS in both directions, the one port that
//! tells protocols by their first bytes, and the limits of all of it.

pub(crate) mod buffered;
#[cfg(feature = "tls")]
pub(crate) mod certificates;
mod clash;
pub mod io;
mod limits;
mod listener;
pub(crate) mod per_worker;
pub(crate) mod pool;
pub(crate) mod port;
pub mod protocol;
pub(crate) mod sent;
pub(crate) mod sniff;
#[cfg(feature = "tls")]
pub mod tls;
pub(crate) mod unconnected;

pub use limits::Limits;
pub use listener::{Counters, Listener};
pub use port::Port;
#[cfg(feature = "tls")]
pub use tls::{Connector, Tls};
