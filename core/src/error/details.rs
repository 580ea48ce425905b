//! Typed details of an error: Protobuf messages that say more than its text.

use prost::Message;

use super::{Code, Error, Outcome};
use crate::base64;

/// The metadata of details: the Base64 of a `google.rpc.Status`, as in gRPC.
pub(crate) const DETAILS: &str = "grpc-status-details-bin";

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Any {
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Status {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) details: Vec<Any>,
}

/// `google.rpc.ErrorInfo`: a reason for programs.
#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
}

const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";

/// The domain of this library's reasons.
const DOMAIN: &str = "micro";

/// Reasons of this library; see [`Error::reason`].
pub mod reason {
    /// The service has no known node.
    pub(crate) const NO_NODES: &str = "NO_NODES";
    /// Another service, or another node of it, answers at the address.
    pub(crate) const WRONG_SERVER: &str = "WRONG_SERVER";
    /// Another instance has registered with the node's id.
    pub const ID_IN_USE: &str = "ID_IN_USE";
    /// The request names a host that is not one of the server's.
    #[cfg(feature = "http")]
    pub(crate) const HOST_NOT_ALLOWED: &str = "HOST_NOT_ALLOWED";
    /// Pages of this origin may not call.
    #[cfg(feature = "http")]
    pub(crate) const ORIGIN_NOT_ALLOWED: &str = "ORIGIN_NOT_ALLOWED";
}

impl Error {
    /// Adds a reason for programs, in upper snake case: a detail of type
    /// `google.rpc.ErrorInfo` in the domain `micro`.
    pub(crate) fn with_reason(self, reason: &str) -> Self {
        let info = ErrorInfo {
            reason: reason.to_owned(),
            domain: DOMAIN.to_owned(),
        };
        self.with_detail(ERROR_INFO, &info.encode_to_vec())
    }

    /// Returns the reason, if this library gave it, such as `NO_NODES` (the service has no known node), `WRONG_SERVER`
    /// (another service answers at the address) or `ID_IN_USE` (another instance has registered with the node's id). It is
    /// the `reason` of a detail `google.rpc.ErrorInfo` in the
    /// domain `micro`.
    pub fn reason(&self) -> Option<String> {
        self.details().into_iter().find_map(|(kind, value)| {
            let info = (kind == ERROR_INFO).then(|| ErrorInfo::decode(&*value))?;
            let info = info.ok().filter(|info| info.domain == DOMAIN)?;
            Some(info.reason)
        })
    }

    /// Whether the service called has no known node. `false` if a service that it called has none.
    pub(crate) fn has_no_nodes(&self) -> bool {
        self.outcome() == Outcome::NotSent && self.reason().as_deref() == Some(reason::NO_NODES)
    }

    /// Whether another server answered at the address and refused the request. `false` if a handler passes on such an
    /// error of a call of its own.
    pub(crate) fn is_wrong_server(&self) -> bool {
        self.code() == Code::Unavailable
            && matches!(self.outcome(), Outcome::Rejected | Outcome::NotSent)
            && self.reason().as_deref() == Some(reason::WRONG_SERVER)
    }

    /// Adds a detail: an encoded Protobuf message, and its type by a URL such as
    /// `type.googleapis.com/google.rpc.RetryInfo`.
    ///
    /// Details travel by every protocol, in the place that gRPC and Connect have for them.
    ///
    /// ```
    /// use micro::Error;
    ///
    /// let error = Error::not_found("no such book").with_detail("example.com/shop.Book", b"\x08\x07");
    /// let details: Vec<_> = error.details();
    /// assert_eq!(details, [("example.com/shop.Book".to_owned(), b"\x08\x07".to_vec())]);
    /// ```
    pub fn with_detail(mut self, type_url: impl Into<String>, value: &[u8]) -> Self {
        let mut status = self.status().unwrap_or_default();
        status.details.push(Any {
            type_url: type_url.into(),
            value: value.to_vec(),
        });
        let encoded = base64::unpadded(&status.encode_to_vec());
        self.metadata_mut().insert(DETAILS, &encoded);
        self
    }

    /// Returns the details: the URL of the type, and the encoded message of each.
    pub fn details(&self) -> Vec<(String, Vec<u8>)> {
        let details = self.status().unwrap_or_default().details;
        let pairs = details.into_iter().map(|any| (any.type_url, any.value));
        pairs.collect()
    }

    /// The status that holds the details; `None` if there is none, or it cannot be read.
    pub(crate) fn status(&self) -> Option<Status> {
        let bytes = base64::decode(self.metadata().get(DETAILS)?)?;
        Status::decode(&*bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_is_read_beside_other_details() {
        let error = Error::unavailable("x").with_detail("a", b"1");
        assert_eq!(error.reason(), None);
        let error = error.with_reason(reason::NO_NODES);
        assert_eq!(error.reason().as_deref(), Some("NO_NODES"));
    }

    #[test]
    fn details_add_up_and_malformed_ones_are_none() {
        let error = Error::internal("x")
            .with_detail("a", b"1")
            .with_detail("b", b"");
        let expected = [("a".to_owned(), b"1".to_vec()), ("b".to_owned(), vec![])];
        assert_eq!(error.details(), expected);
        let mut wrong = Error::internal("x");
        wrong.metadata_mut().insert(DETAILS, "!");
        assert!(wrong.details().is_empty());
        assert!(Error::internal("x").details().is_empty());
    }
}
