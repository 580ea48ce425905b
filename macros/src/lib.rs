//! The macros of `micro-rs`; use them through `micro`.
