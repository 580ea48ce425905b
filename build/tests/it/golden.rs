//! Generated code, compiled.
#![allow(dead_code, unreachable_pub, reason = "not every type is used here")]

#[rustfmt::skip]
pub(crate) mod everything;

#[rustfmt::skip]
pub(crate) mod legacy;

#[rustfmt::skip]
#[path = "golden/packages/mod.rs"]
pub(crate) mod packages;
