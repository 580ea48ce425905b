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
//! A service becomes a trait of its name, and the types `…Server` and `…Client`. Where the package has types of those
//! names already, `service Game` is `GameService`, `GameServiceServer` and `GameServiceClient`. Other names that are one
//! in Rust, such as `Foo_Bar` and `FooBar`, are an error that says which and where.
//!
//! - [`Builder`] has what may be chosen.
//! - `descriptors` compiles the files, and packs their descriptors for reflection.
//! - `prepare` and `recursion` mend what prost would make wrong code of, `google` chooses between its types and ours.
//! - `rust` and `collisions` know the names that Rust has for all, and find those that are one.
//! - `names` says what the derive cannot know of a field's name; `aliases` what it cannot know of an enumeration's.
//! - `service` writes the traits.
//! - `polish` makes the text readable.
//! - `tree` puts the packages into modules.

mod aliases;
mod builder;
mod collisions;
mod descriptors;
mod error;
mod google;
mod names;
mod polish;
mod prepare;
mod recursion;
mod rust;
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
