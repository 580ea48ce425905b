//! The messages of `grpc/reflection/v1/reflection.proto`.

use bytes::Bytes;
use prost::{Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub(super) struct Question {
    #[prost(string, tag = "1")]
    pub(super) host: String,
    #[prost(oneof = "Asked", tags = "3, 4, 5, 6, 7")]
    pub(super) asked: Option<Asked>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Asked {
    #[prost(string, tag = "3")]
    FileByName(String),
    #[prost(string, tag = "4")]
    FileContaining(String),
    #[prost(message, tag = "5")]
    FileContainingExtension(Extension),
    #[prost(string, tag = "6")]
    ExtensionsOf(String),
    #[prost(string, tag = "7")]
    Services(String),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Extension {
    #[prost(string, tag = "1")]
    pub(super) containing_type: String,
    #[prost(int32, tag = "2")]
    pub(super) number: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Told {
    #[prost(string, tag = "1")]
    pub(super) host: String,
    #[prost(message, optional, tag = "2")]
    pub(super) question: Option<Question>,
    #[prost(oneof = "Answered", tags = "4, 5, 6, 7")]
    pub(super) answered: Option<Answered>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Answered {
    #[prost(message, tag = "4")]
    Files(Found),
    #[prost(message, tag = "5")]
    Extensions(Extensions),
    #[prost(message, tag = "6")]
    Services(Services),
    #[prost(message, tag = "7")]
    Failed(Failed),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Found {
    /// Encoded `google.protobuf.FileDescriptorProto`s.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(super) files: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Extensions {
    #[prost(string, tag = "1")]
    pub(super) base: String,
    #[prost(int32, repeated, tag = "2")]
    pub(super) numbers: Vec<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Services {
    #[prost(message, repeated, tag = "1")]
    pub(super) services: Vec<Service>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Service {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Failed {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
}
