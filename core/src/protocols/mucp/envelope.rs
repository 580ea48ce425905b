//! What a body is wrapped in: nothing, or the envelopes of before 2019.

use bytes::Bytes;

use super::{json_rpc, proto_rpc};
use crate::error::Result;

/// What a body is wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Envelope {
    /// Nothing: the names stand in headers.
    Bare,
    /// JSON-RPC 1.0.
    Json,
    /// Two lengths with a message of Protobuf after each.
    Proto,
}

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
pub(super) struct Asked {
    /// `Type.Method`.
    pub(super) endpoint: String,
    pub(super) id: Id,
    pub(super) body: Bytes,
}

/// A reply out of its envelope.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Why it failed, or `EOS`.
    pub(super) error: Option<String>,
    pub(super) body: Bytes,
}

impl Envelope {
    /// A request in this envelope; not for [`Envelope::Bare`], which says nothing.
    pub(super) fn read_request(self, bytes: &Bytes) -> Result<Option<Asked>> {
        match self {
            Envelope::Bare => Ok(None),
            Envelope::Json => json_rpc::read_request(bytes).map(Some),
            Envelope::Proto => proto_rpc::read_request(bytes).map(Some),
        }
    }

    /// A message to an endpoint; `number` counts them on their connection.
    pub(super) fn write_request(self, endpoint: &str, number: u64, body: Bytes) -> Bytes {
        match self {
            Envelope::Bare => body,
            Envelope::Json => json_rpc::write_request(endpoint, number, &body),
            Envelope::Proto => proto_rpc::write_request(endpoint, number, &body),
        }
    }

    /// A reply in this envelope.
    pub(super) fn read_reply(self, bytes: Bytes) -> Result<Told> {
        match self {
            Envelope::Bare => Ok(Told {
                error: None,
                body: bytes,
            }),
            Envelope::Json => json_rpc::read_reply(&bytes),
            Envelope::Proto => proto_rpc::read_reply(&bytes),
        }
    }

    /// A reply; with an error there is no body.
    pub(super) fn write_reply(
        self,
        endpoint: &str,
        id: &Id,
        reply: std::result::Result<Bytes, &str>,
    ) -> Bytes {
        match self {
            Envelope::Bare => reply.unwrap_or_default(),
            Envelope::Json => json_rpc::write_reply(id, reply),
            Envelope::Proto => proto_rpc::write_reply(endpoint, id, reply),
        }
    }
}
