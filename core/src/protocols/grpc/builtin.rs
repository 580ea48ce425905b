//! Services that every gRPC server has.

use std::sync::Arc;

use super::{
    health::Health,
    reflection::{Descriptors, Reflection},
};
use crate::call::{Call, Operation};

/// The built-in service of a package, which reports about `server`; `None` if there is none, or it is not served
/// here.
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
