//! Generated code, compiled.
#![allow(dead_code, unreachable_pub, reason = "not every type is used here")]
#![allow(
    clippy::enum_variant_names,
    clippy::module_inception,
    reason = "contracts choose the names"
)]

#[rustfmt::skip]
pub(crate) mod everything;

#[rustfmt::skip]
pub(crate) mod groups;

#[rustfmt::skip]
pub(crate) mod legacy;

#[rustfmt::skip]
pub(crate) mod recursive;

#[rustfmt::skip]
#[path = "golden/acme/mod.rs"]
pub(crate) mod acme;

#[rustfmt::skip]
#[path = "golden/names/mod.rs"]
pub(crate) mod names;

#[rustfmt::skip]
#[path = "golden/reflected/mod.rs"]
pub(crate) mod reflected;

#[rustfmt::skip]
#[path = "golden/packages/mod.rs"]
pub(crate) mod packages;
