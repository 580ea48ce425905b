//! The answering side: one port, the router, handlers, and the way out.

mod assembly;
mod counted;
mod debug;
mod entrance;
mod handler;
mod ops;
mod report;
mod router;
mod stats;
mod subscriber;

pub use handler::{Blocking, Handler, Idempotent, ReadOnly};
pub use ops::Ops;
pub use router::{Router, Routes};
pub use stats::EndpointStats;

pub(crate) use assembly::{Assembly, Blueprint};
pub(crate) use debug::Status;
pub(crate) use subscriber::{Subscribers, Topic};
