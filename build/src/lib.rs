//! Compiles `.proto` files to Rust, without `protoc`.
//!
//! A file becomes a Rust module, in readable code: a struct for each message, which supports Protobuf
//! and Protobuf's JSON form, and a trait for each service, of which `#[micro::service]` makes a server and
//! a client. The command `micro gen` writes the same text, to be committed; this crate writes it during
//! a build. The crate with the module needs `micro-rs`, `prost`, and `prost-types` if it uses well-known types.
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
//! A service becomes a trait with its name, and the types `…Server` and `…Client`. If the package has types with these
//! names already, `service Game` becomes `GameService`, `GameServiceServer` and `GameServiceClient`. Other names that are equal
//! in Rust, such as `Foo_Bar` and `FooBar`, are an error with names and positions.
//!
//! - [`Builder`] has the options.
//! - `descriptors` compiles the files, and packs their descriptors for reflection.
//! - `prepare` and `recursion` change what prost would generate wrong code for; `google` handles Protobuf's own types.
//! - `rust` and `collisions` compute the names in Rust, and find equal ones.
//! - `names` and `aliases` add attributes for names that the derive cannot compute.
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
/// Each Protobuf package becomes a file with its name, such as `greeter.rs` or `shop.v1.rs`. If there is more
/// than one, or one with a dot in its name, `mod.rs` has all of them as modules.
///
/// # Errors
/// An error in a file, with its position; or in reading and writing.
pub fn compile(protos: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<(), Error> {
    includes
        .iter()
        .fold(Builder::new(), Builder::include)
        .compile(protos)
        .map(drop)
}
