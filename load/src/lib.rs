//! Load on anything that can be called: closed loops, open loops, and what is counted of them.
//!
//! - [`closed()`] runs a fixed number of callers, each with one call in flight.
//! - [`open()`] and [`open_detached`] begin calls when a [`Pacer`] says that they are due, whether or
//!   not earlier ones have ended. Latency counts from when a call was due, so that a call which
//!   waits behind a slow one is not flattered.
//! - [`ConstantRate`] and [`Poisson`] are the times at which calls of an open loop are due.
//! - A [`Recorder`] counts the calls, their latencies and their errors; [`Counts`] are its figures.
//!
//! What is called is a [`Target`]. How load is asked for and how figures are shown is left to the
//! programs that use this crate.

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
