//! The library through its public API.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod codec;
mod ui;
