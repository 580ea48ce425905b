//! Services that every gRPC server has.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;

use super::{health::Health, reflection::Reflection};
use crate::{
    call::Call,
    error::{Error, Result},
    message::ContentType,
};

/// The service of that package, which answers about `server`; `None` where it is not one of them.
pub(super) fn of(package: &str, server: &Arc<dyn Call>) -> Option<Arc<dyn Call>> {
    Some(match package {
        "grpc.health.v1" => Arc::new(Health(server.clone())),
        // v1alpha is the same under its older name.
        "grpc.reflection.v1" | "grpc.reflection.v1alpha" => Arc::new(Reflection(server.clone())),
        _ => return None,
    })
}

/// A message of these services, which speak Protobuf only.
pub(super) fn decode<T: Message + Default>(content_type: &ContentType, bytes: &Bytes) -> Result<T> {
    if *content_type != ContentType::Protobuf {
        return Err(Error::unimplemented(format!(
            "this service speaks `application/grpc+proto`, not {content_type}"
        )));
    }
    T::decode(&**bytes)
        .map_err(|error| Error::invalid_argument("the request cannot be read").with_source(error))
}

/// An error for a method that one of these services does not have.
pub(super) fn no_method(endpoint: &str) -> Error {
    Error::unimplemented(format!("unknown method `{endpoint}`"))
}
