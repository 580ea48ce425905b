//! The library's tests through its public API, in one binary; a module a room.
#![allow(clippy::unwrap_used, missing_docs, reason = "these are tests")]

mod codec;
mod registry;
mod resilience;
mod ui;
mod transport;
