//! The library through its public API.

mod codec;
mod ui;
