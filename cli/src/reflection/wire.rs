//! The messages of `grpc/reflection/v1/reflection.proto`, as far as they are asked for here. Of the fields
//! that stand in a `oneof` there, one is set.

use micro::Message;

#[derive(Clone, PartialEq, prost::Message, Message)]
pub(super) struct Question {
    #[prost(string, optional, tag = "3")]
    pub(super) file_by_name: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub(super) file_containing: Option<String>,
    #[prost(string, optional, tag = "7")]
    pub(super) services: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message, Message)]
pub(super) struct Told {
    #[prost(message, optional, tag = "4")]
    pub(super) files: Option<Files>,
    #[prost(message, optional, tag = "6")]
    pub(super) services: Option<Services>,
    #[prost(message, optional, tag = "7")]
    pub(super) failed: Option<Failed>,
}

#[derive(Clone, PartialEq, prost::Message, Message)]
pub(super) struct Files {
    /// Encoded `google.protobuf.FileDescriptorProto`s.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) files: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message, Message)]
pub(super) struct Services {
    #[prost(message, repeated, tag = "1")]
    pub(super) services: Vec<Service>,
}

#[derive(Clone, PartialEq, prost::Message, Message)]
pub(super) struct Service {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, prost::Message, Message)]
pub(super) struct Failed {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
}
