//! The answering side: one port, the router, handlers, and the way out.

mod handler;
mod router;

pub use handler::{Blocking, Handler, Idempotent};
pub use router::{Router, Routes};
