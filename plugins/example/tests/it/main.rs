//! Each plugin in its contract suite.
#![allow(clippy::unwrap_used, reason = "a test may end in a panic")]

mod broker;
mod codec;
mod protocol;
mod registry;
mod service;
mod strategy;
mod transport;
