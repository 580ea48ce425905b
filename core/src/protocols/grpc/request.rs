//! Requests of the services that every gRPC server has.

use bytes::Bytes;
use prost::Message;

use crate::{
    error::{Error, Result},
    message::ContentType,
};

/// A message of these services, which use Protobuf only.
pub(super) fn decode<T: Message + Default>(content_type: &ContentType, bytes: &Bytes) -> Result<T> {
    if *content_type != ContentType::Protobuf {
        return Err(Error::unimplemented(format!(
            "this service speaks `application/grpc+proto`, not {content_type}"
        )));
    }
    T::decode(&**bytes)
        .map_err(|error| Error::invalid_argument("the request cannot be read").with_source(error))
}

/// The error for an unknown method of one of these services.
pub(super) fn no_method(endpoint: &str) -> Error {
    Error::unimplemented(format!("unknown method `{endpoint}`"))
}
