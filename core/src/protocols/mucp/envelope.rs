//! The envelopes of bodies, which go-micro used before 2019.

use bytes::Bytes;

use super::{
    content::{Id, ReplyContent, RequestContent},
    json_rpc, proto_rpc,
};
use crate::error::Result;

/// The envelope of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Envelope {
    /// None: the names are in headers.
    Bare,
    /// JSON-RPC 1.0.
    Json,
    /// Two lengths, each followed by a Protobuf message.
    Proto,
}

impl Envelope {
    /// Puts a request into this envelope; not for [`Envelope::Bare`], which has none.
    pub(super) fn read_request(self, bytes: &Bytes) -> Result<Option<RequestContent>> {
        match self {
            Envelope::Bare => Ok(None),
            Envelope::Json => json_rpc::read_request(bytes).map(Some),
            Envelope::Proto => proto_rpc::read_request(bytes).map(Some),
        }
    }

    /// A message to an endpoint; `number` counts the messages of a connection.
    pub(super) fn write_request(self, endpoint: &str, number: u64, body: Bytes) -> Bytes {
        match self {
            Envelope::Bare => body,
            Envelope::Json => json_rpc::write_request(endpoint, number, &body),
            Envelope::Proto => proto_rpc::write_request(endpoint, number, &body),
        }
    }

    /// Puts a reply into this envelope.
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

    /// A reply; with an error it has no body.
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
