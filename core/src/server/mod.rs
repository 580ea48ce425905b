//! The answering side: router, handlers, admission, operational endpoints.

mod admission;
mod assembly;
mod counted_stream;
mod debug;
#[cfg(feature = "http")]
mod exposition;
mod handler;
mod health;
mod in_flight;
pub mod metrics;
mod ops;
mod report;
mod router;
mod stats;
mod status;
mod subscriber;

pub use handler::{Blocking, Handler, Idempotent, Layered, ReadOnly};
pub use ops::Ops;
pub use router::{Router, Routes};
pub use stats::EndpointStats;

#[doc(hidden)]
pub use assembly::{Assembly, Blueprint};
#[doc(hidden)]
pub use health::HealthChecks;
#[doc(hidden)]
pub use status::Status;
#[doc(hidden)]
pub use subscriber::{Subscribers, Topic};
