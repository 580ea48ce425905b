//! Load on any async function: closed loops, open loops, and their counts.
//!
//! - [`closed()`] runs a fixed number of callers, each with one call in flight.
//! - [`open()`] and [`open_detached`] begin calls at the times of a [`Pacer`], whether or
//!   not earlier ones have ended. Latency counts from the time when a call was due, so that it includes
//!   the wait behind slow calls.
//! - [`ConstantRate`] and [`Poisson`] are the times at which calls of an open loop are due.
//! - A [`Recorder`] counts the calls, their latencies and their errors; [`Counts`] are its figures.
//!
//! A [`Target`] makes the calls.

mod arrivals;
mod closed;
mod counts;
mod open;
mod pacer;
mod recorder;
mod target;

pub use arrivals::{ConstantRate, Poisson};
pub use closed::closed;
pub use counts::{Counts, Precision};
pub use open::{open, open_detached};
pub use pacer::{NOTIFY_INTERVAL, Pacer};
pub use recorder::{Recorder, Shard};
pub use target::Target;
