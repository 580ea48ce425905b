//! Contracts from `.proto` files, in pure Rust: no `protoc`.
//!
//! A file becomes one module of Rust as a person would write it: a struct a message, which speaks Protobuf
//! and Protobuf's JSON form, and for each service the trait that `#[micro::service]` makes a server and
//! a client of. The `micro gen` command writes the same text, to be committed; here it is written as part of
//! a build. The crate that has the module needs `micro-rs`, `prost`, and `prost-types` if it uses well-known types.
//!
//! ```no_run
//! // build.rs
//! fn main() -> Result<(), micro_build::Error> {
//!     micro_build::compile(&["proto/greeter.proto"], &["proto"])
//! }
//! ```
//!
//! Then, for `package greeter`:
//!
//! ```ignore
//! mod greeter {
//!     include!(concat!(env!("OUT_DIR"), "/greeter.rs"));
//! }
//! ```
//!
//! - [`Builder`] has what may be chosen.
//! - `descriptors` compiles the files, and packs their descriptors for reflection.
//! - `names` says what the derive cannot know of a field's name.
//! - `service` writes the traits.
//! - `polish` makes the text readable.
//! - `tree` puts the packages into modules.

mod builder;
mod descriptors;
mod error;
mod names;
mod polish;
mod service;
mod tree;

use std::path::Path;

pub use builder::{Builder, Generated};
pub use error::Error;

/// Compiles `.proto` files, found in the directories `includes`, into `OUT_DIR`.
///
/// Each Protobuf package becomes a file of its name, such as `greeter.rs` or `shop.v1.rs`. Where there is more
/// than one, or one with a dot, `mod.rs` has them all as modules.
///
/// # Errors
/// What is wrong in a file, with its place; and what cannot be read or written.
pub fn compile(protos: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<(), Error> {
    includes
        .iter()
        .fold(Builder::new(), Builder::include)
        .compile(protos)
        .map(drop)
}
