//! Services that every gRPC server has.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use prost::Message;

use super::{
    health::Health,
    reflection::{Files, Reflection},
};
use crate::{
    call::{Call, Operation},
    error::{Error, Result},
    message::ContentType,
};

/// The `.proto` files of a listener's server, decoded when reflection is first asked for them.
pub(super) type Descriptors = Arc<OnceLock<Files>>;

/// The service of that package, which answers about `server`; `None` where it is not one of them, or is not
/// served here.
pub(super) fn of(
    package: &str,
    server: &Arc<dyn Call>,
    descriptors: &Descriptors,
) -> Option<Arc<dyn Call>> {
    let (operation, own): (_, Arc<dyn Call>) = match package {
        "grpc.health.v1" => (Operation::Health, Arc::new(Health(server.clone()))),
        // v1alpha is the same under its older name.
        "grpc.reflection.v1" | "grpc.reflection.v1alpha" => {
            let reflection = Reflection {
                server: server.clone(),
                descriptors: descriptors.clone(),
            };
            (Operation::Reflection, Arc::new(reflection))
        }
        _ => return None,
    };
    match server.operations() {
        Some(operations) => operations.serve(operation, Some(own)),
        None => Some(own),
    }
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
