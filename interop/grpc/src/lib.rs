//! What the server and the client of gRPC's own interop tests have in common.
//!
//! - [`messages`] are those of `grpc.testing`, and the report of ORCA, with the fields that the cases use.
//! - [`flags`] reads command lines in the form that the official programs take.
//! - [`service`] is `grpc.testing.TestService`.
//! - [`answers`] makes a stream of what a handler sends, each message compressed or not.
//! - [`base64`] writes bytes as metadata carries them.
//!
//! What a case is to do stands in <https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md>.

pub mod answers;
pub mod base64;
pub mod flags;
pub mod messages;
pub mod service;

/// Metadata that is echoed before the messages of an answer.
pub const ECHO_INITIAL: &str = "x-grpc-test-echo-initial";
/// Metadata that is echoed after them.
pub const ECHO_TRAILING: &str = "x-grpc-test-echo-trailing-bin";
/// Metadata after an answer: a report of ORCA in Base64.
pub const ORCA: &str = "endpoint-load-metrics-bin";
