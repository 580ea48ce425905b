//! A layer: what happens around each call, on either side.

use micro_core::{
    Request,
    middleware::{Layer, Next, from_fn},
};

/// Adds a metadata entry to each request that passes.
///
/// A type that implements `tower_layer::Layer` serves as well; this is the short way.
pub fn stamp(name: &'static str, value: &'static str) -> impl Layer + Clone {
    from_fn(move |mut request: Request, next: Next| async move {
        request.context_mut().metadata_mut().insert(name, value);
        next.run(request).await
    })
}
