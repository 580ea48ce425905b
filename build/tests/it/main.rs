//! What is generated, and that it works.
#![allow(clippy::unwrap_used, missing_docs, reason = "these are tests")]

mod calls;
mod collisions;
mod generated;
mod golden;
mod json;
mod known;
mod names;
mod oneofs;
mod recursive;
mod script;
