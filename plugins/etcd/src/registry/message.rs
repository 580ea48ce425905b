//! What is said to etcd and what it answers: those fields of its version 3 API that we need.
//!
//! Source: `api/etcdserverpb/rpc.proto` and `api/mvccpb/kv.proto` of etcd 3.6.

use bytes::Bytes;
use prost::Message;

/// A question, with the method that takes it.
pub(super) trait Question: Message {
    /// The method's path.
    const PATH: &'static str;
    /// What is answered.
    type Answer: Message + Default;
}

macro_rules! question {
    ($question:ty, $path:literal, $answer:ty) => {
        impl Question for $question {
            const PATH: &'static str = concat!("/etcdserverpb.", $path);
            type Answer = $answer;
        }
    };
}

question!(Range, "KV/Range", RangeResponse);
question!(Put, "KV/Put", PutResponse);
question!(DeleteIf, "KV/Txn", TxnResponse);
question!(Watch, "Watch/Watch", WatchResponse);
question!(Grant, "Lease/LeaseGrant", Lease);
question!(KeepAlive, "Lease/LeaseKeepAlive", Lease);
question!(TimeToLive, "Lease/LeaseTimeToLive", Lease);
question!(Authenticate, "Auth/Authenticate", AuthenticateResponse);

/// Who answers, and what the store's revision is by then.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Header {
    #[prost(uint64, tag = "1")]
    pub(super) cluster: u64,
    #[prost(int64, tag = "3")]
    pub(super) revision: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct KeyValue {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    /// The revision that wrote it.
    #[prost(int64, tag = "3")]
    pub(super) modified: i64,
    #[prost(bytes = "bytes", tag = "5")]
    pub(super) value: Bytes,
    /// The lease it goes with; 0 for none.
    #[prost(int64, tag = "6")]
    pub(super) lease: i64,
}

/// The keys from `key` up to `end`, without it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Range {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) end: Bytes,
    #[prost(int64, tag = "3")]
    pub(super) limit: i64,
    /// As of this revision; of now where it is 0.
    #[prost(int64, tag = "4")]
    pub(super) revision: i64,
    /// Whether a member may answer that has no contact with its leader.
    #[prost(bool, tag = "7")]
    pub(super) serializable: bool,
    #[prost(bool, tag = "8")]
    pub(super) keys_only: bool,
}

impl Range {
    /// One key as it is now.
    pub(super) fn of(key: &Bytes, keys_only: bool) -> Self {
        Range {
            key: key.clone(),
            end: Bytes::new(),
            limit: 1,
            revision: 0,
            serializable: false,
            keys_only,
        }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RangeResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<Header>,
    #[prost(message, repeated, tag = "2")]
    pub(super) kvs: Vec<KeyValue>,
    /// Whether there are more than the limit.
    #[prost(bool, tag = "3")]
    pub(super) more: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Put {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) value: Bytes,
    #[prost(int64, tag = "3")]
    pub(super) lease: i64,
}

/// A transaction that deletes a key where nobody has written it since a revision.
#[derive(Clone, PartialEq, Message)]
pub(super) struct DeleteIf {
    #[prost(message, optional, tag = "1")]
    compare: Option<Compare>,
    #[prost(message, optional, tag = "2")]
    success: Option<Operation>,
}

/// Whether the revision that last wrote a key is this one: by the number of its kind, which is 0 for equal.
#[derive(Clone, PartialEq, Message)]
struct Compare {
    #[prost(int32, tag = "2")]
    target: i32,
    #[prost(bytes = "bytes", tag = "3")]
    key: Bytes,
    #[prost(int64, tag = "6")]
    modified: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Operation {
    #[prost(message, optional, tag = "3")]
    delete: Option<Delete>,
}

#[derive(Clone, PartialEq, Message)]
struct Delete {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
}

impl DeleteIf {
    pub(super) fn unchanged(key: &Bytes, modified: i64) -> Self {
        /// What is compared: the revision of the last change.
        const MODIFIED: i32 = 2;
        DeleteIf {
            compare: Some(Compare {
                target: MODIFIED,
                key: key.clone(),
                modified,
            }),
            success: Some(Operation {
                delete: Some(Delete { key: key.clone() }),
            }),
        }
    }
}

/// Whether a transaction's condition held.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct TxnResponse {
    #[prost(bool, tag = "2")]
    pub(super) succeeded: bool,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct PutResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<Header>,
}

/// The first message of a stream of watches, of which we use one a stream.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Watch {
    #[prost(message, optional, tag = "1")]
    pub(super) create: Option<Create>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Create {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) end: Bytes,
    /// The first revision that is told.
    #[prost(int64, tag = "3")]
    pub(super) revision: i64,
    /// Whether an event has what was there before.
    #[prost(bool, tag = "6")]
    pub(super) before: bool,
    /// Whether what is large may come in pieces.
    #[prost(bool, tag = "8")]
    pub(super) pieces: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct WatchResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<Header>,
    #[prost(bool, tag = "4")]
    pub(super) canceled: bool,
    /// The oldest revision there still is, where one before it was asked for.
    #[prost(int64, tag = "5")]
    pub(super) compacted: i64,
    #[prost(string, tag = "6")]
    pub(super) reason: String,
    #[prost(message, repeated, tag = "11")]
    pub(super) events: Vec<Event>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    /// 0 for a key that was written, 1 for one that was deleted.
    #[prost(int32, tag = "1")]
    pub(super) kind: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) now: Option<KeyValue>,
    #[prost(message, optional, tag = "3")]
    pub(super) before: Option<KeyValue>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Grant {
    /// Seconds.
    #[prost(int64, tag = "1")]
    pub(super) ttl: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct KeepAlive {
    #[prost(int64, tag = "1")]
    pub(super) id: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct TimeToLive {
    #[prost(int64, tag = "1")]
    pub(super) id: i64,
}

/// A lease as it is now.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Lease {
    #[prost(int64, tag = "2")]
    pub(super) id: i64,
    /// Seconds left; none of a lease that is no more.
    #[prost(int64, tag = "3")]
    pub(super) ttl: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Authenticate {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) password: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AuthenticateResponse {
    #[prost(string, tag = "2")]
    pub(super) token: String,
}
