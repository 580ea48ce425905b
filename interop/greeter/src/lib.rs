//! The greeter that interop tests run: the same service as peers in other languages and of other versions
//! have it, so that any two can be run against each other.
//!
//! - [`messages`] are what it takes and gives, as `greeter.proto` would have them.
//! - [`Greeter`] answers.

mod greeter;
pub mod messages;

pub use greeter::Greeter;

/// The topic whose events it remembers.
pub const EVENTS: &str = "greeter.events";
