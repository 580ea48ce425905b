//! The content of an envelope.

use bytes::Bytes;

/// The number that a reply repeats unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Id {
    /// JSON, a number or a string.
    Json(Bytes),
    /// A number.
    Number(u64),
}

/// A request, taken from its envelope.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RequestContent {
    /// `Type.Method`.
    pub(super) endpoint: String,
    pub(super) id: Id,
    pub(super) body: Bytes,
}

/// A reply, taken from its envelope.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReplyContent {
    /// The error, or `EOS`.
    pub(super) error: Option<String>,
    pub(super) body: Bytes,
}
