//! What a body is wrapped in: nothing, or the envelopes of before 2019.

use bytes::Bytes;

use super::{
    content::{Id, ReplyContent, RequestContent},
    json_rpc, proto_rpc,
};
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

impl Envelope {
    /// A request in this envelope; not for [`Envelope::Bare`], which says nothing.
    pub(super) fn read_request(self, bytes: &Bytes) -> Result<Option<RequestContent>> {
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
    pub(super) fn read_reply(self, bytes: Bytes) -> Result<ReplyContent> {
        match self {
            Envelope::Bare => Ok(ReplyContent {
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
