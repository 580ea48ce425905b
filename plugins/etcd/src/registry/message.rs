//! Messages of the etcd version 3 API, with the fields that we need.
//!
//! Source: `api/etcdserverpb/rpc.proto` and `api/mvccpb/kv.proto` of etcd 3.6.

use bytes::Bytes;
use prost::Message;

/// A request message and its method.
pub(super) trait Question: Message {
    /// The path of the method.
    const PATH: &'static str;
    /// The response message.
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

/// The header of a response: cluster, member and revision of the store.
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
    /// The revision of the last write.
    #[prost(int64, tag = "3")]
    pub(super) modified: i64,
    #[prost(bytes = "bytes", tag = "5")]
    pub(super) value: Bytes,
    /// The lease; 0 for none.
    #[prost(int64, tag = "6")]
    pub(super) lease: i64,
}

/// The keys from `key` to `end`, exclusive.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Range {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) end: Bytes,
    #[prost(int64, tag = "3")]
    pub(super) limit: i64,
    /// The revision to read; 0 for the current one.
    #[prost(int64, tag = "4")]
    pub(super) revision: i64,
    /// Whether a member without contact to its leader may respond.
    #[prost(bool, tag = "7")]
    pub(super) serializable: bool,
    #[prost(bool, tag = "8")]
    pub(super) keys_only: bool,
}

impl Range {
    /// The current value of one key.
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
    /// Whether the limit cut off keys.
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

/// A transaction that deletes a key unless it was written after a revision.
#[derive(Clone, PartialEq, Message)]
pub(super) struct DeleteIf {
    #[prost(message, optional, tag = "1")]
    compare: Option<Compare>,
    #[prost(message, optional, tag = "2")]
    success: Option<Operation>,
}

/// Compares the revision of the last write; `result` 0 means equal.
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
        /// The compared value: the revision of the last write.
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

/// Whether the condition of a transaction held.
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

/// Creates a watch; we use one a stream.
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
    /// The first revision to report.
    #[prost(int64, tag = "3")]
    pub(super) revision: i64,
    /// Whether events contain the value before.
    #[prost(bool, tag = "6")]
    pub(super) before: bool,
    /// Whether large responses may be split.
    #[prost(bool, tag = "8")]
    pub(super) pieces: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct WatchResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<Header>,
    #[prost(bool, tag = "4")]
    pub(super) canceled: bool,
    /// The oldest revision left, if an older one was requested.
    #[prost(int64, tag = "5")]
    pub(super) compacted: i64,
    #[prost(string, tag = "6")]
    pub(super) reason: String,
    #[prost(message, repeated, tag = "11")]
    pub(super) events: Vec<Event>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    /// 0 for a put, 1 for a delete.
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

/// The state of a lease.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Lease {
    #[prost(int64, tag = "2")]
    pub(super) id: i64,
    /// Seconds left; not positive if the lease expired.
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
