//! What is inside an envelope.

use bytes::Bytes;

/// The number that a reply repeats, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Id {
    /// JSON, a number or a string.
    Json(Bytes),
    /// A number.
    Number(u64),
}

/// A request out of its envelope.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RequestContent {
    /// `Type.Method`.
    pub(super) endpoint: String,
    pub(super) id: Id,
    pub(super) body: Bytes,
}

/// A reply out of its envelope.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReplyContent {
    /// Why it failed, or `EOS`.
    pub(super) error: Option<String>,
    pub(super) body: Bytes,
}
