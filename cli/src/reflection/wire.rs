//! The messages of `grpc/reflection/v1/reflection.proto` that the command uses. Of the fields that are a `oneof` in
//! the `.proto`, exactly one is set.

use micro::Message;

#[derive(Clone, PartialEq, prost::Message, Message)]
pub(super) struct ReflectionRequest {
    #[prost(string, optional, tag = "3")]
    pub(super) file_by_name: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub(super) file_containing: Option<String>,
    #[prost(string, optional, tag = "7")]
    pub(super) services: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message, Message)]
pub(super) struct ReflectionResponse {
    #[prost(message, optional, tag = "4")]
    pub(super) files: Option<FileDescriptors>,
    #[prost(message, optional, tag = "6")]
    pub(super) services: Option<ServiceList>,
    #[prost(message, optional, tag = "7")]
    pub(super) failed: Option<ErrorResponse>,
}

#[derive(Clone, PartialEq, prost::Message, Message)]
pub(super) struct FileDescriptors {
    /// Encoded `google.protobuf.FileDescriptorProto`s.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) files: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message, Message)]
pub(super) struct ServiceList {
    #[prost(message, repeated, tag = "1")]
    pub(super) services: Vec<Service>,
}

#[derive(Clone, PartialEq, prost::Message, Message)]
pub(super) struct Service {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, prost::Message, Message)]
pub(super) struct ErrorResponse {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
}
