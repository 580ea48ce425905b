//! Middleware: tower layers and async functions around the calls of a client or a service.
//!
//! A [`Layer`] is any [`tower_layer::Layer`] over a [`BoxService`], which includes those of tower; [`from_fn`] makes one
//! of an async function. `Service::layer` puts a layer around a service's
//! handlers, and `Plugins::layer` around a client's balance loop, where the layer sees
//! a call once, however many attempts it takes.
//!
//! **Order**: layers run in the order they are added, the first outermost. A request that the first one answers
//! itself does not reach the second.
//!
//! **Errors**: a [`micro::Error`](crate::Error) passes unchanged. Tower's `Elapsed` becomes
//! [`Code::DeadlineExceeded`](crate::Code::DeadlineExceeded) with
//! [`Outcome::Unknown`](crate::Outcome::Unknown), since the work was interrupted; its
//! `Overloaded` becomes [`Code::ResourceExhausted`](crate::Code::ResourceExhausted) with
//! [`Outcome::Rejected`](crate::Outcome::Rejected), so that callers try another node. Any other error becomes
//! [`Code::Internal`](crate::Code::Internal) with its source.
//!
//! Without layers, calls go directly to the inner call.

mod box_service;
mod error;
mod fault;
mod from_fn;

use std::{fmt, sync::Arc};

use tower_service::Service;

pub use box_service::BoxService;
use box_service::Outermost;
pub use fault::Fault;
pub use from_fn::{FromFn, Next, from_fn};

use crate::{
    call::Call,
    message::{Request, Response},
};

/// A boxed error, as in tower's layers.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A layer around calls: a tower layer whose service takes a [`Request`] and returns a [`Response`].
///
/// Implemented for every [`tower_layer::Layer`] of that kind; do not implement it yourself.
///
/// ```
/// use micro::{Request, Service, middleware::{Next, from_fn}};
/// use std::time::Duration;
/// use tower::{limit::ConcurrencyLimitLayer, load_shed::LoadShedLayer, timeout::TimeoutLayer};
///
/// # let _ =
/// Service::new("greeter")
///     .layer(from_fn(|request: Request, next: Next| async move {
///         let endpoint = request.endpoint().to_owned();
///         let answer = next.run(request).await;
///         tracing::debug!(endpoint, failed = answer.is_err());
///         answer
///     }))
///     .layer(TimeoutLayer::new(Duration::from_secs(2)))
///     .layer(LoadShedLayer::new())
///     .layer(ConcurrencyLimitLayer::new(100))
/// # ;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer over calls",
    note = "a layer is a `tower_layer::Layer<BoxService>` whose service is `Service<Request, Response = Response>`, \
            `Clone + Send + Sync`, with a `Send` future; or `middleware::from_fn(|request: Request, next: Next| …)`"
)]
pub trait Layer: Send + Sync + 'static {
    /// Wraps a call in the layer.
    #[doc(hidden)]
    fn wrap(&self, inner: BoxService) -> BoxService;
}

impl<L> Layer for L
where
    L: tower_layer::Layer<BoxService> + Send + Sync + 'static,
    L::Service: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request>>::Error: Into<BoxError>,
    <L::Service as Service<Request>>::Future: Send + 'static,
{
    fn wrap(&self, inner: BoxService) -> BoxService {
        BoxService::of(self.layer(inner))
    }
}

/// Layers in the order they were added, the first outermost. Cheap to clone.
#[derive(Clone, Default)]
pub struct Layers(Vec<Arc<dyn Layer>>);

impl Layers {
    /// Creates an empty stack.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a layer, inside those added before.
    pub fn with(mut self, layer: impl Layer) -> Self {
        self.0.push(Arc::new(layer));
        self
    }

    /// Adds a shared layer, inside those added before.
    pub fn push(&mut self, layer: Arc<dyn Layer>) {
        self.0.push(layer);
    }

    /// Adds the layers of `inner`, inside these.
    pub(crate) fn and(mut self, inner: Layers) -> Self {
        self.0.extend(inner.0);
        self
    }

    /// Whether there are no layers.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Wraps `call` in the layers; without layers, returns `call`.
    pub fn stack(&self, call: Arc<dyn Call>) -> Arc<dyn Call> {
        if self.0.is_empty() {
            return call;
        }
        let inside_out = self.0.iter().rev();
        let stack = inside_out.fold(BoxService::around(call), |inner, layer| layer.wrap(inner));
        Arc::new(Outermost(stack))
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} layers", self.0.len())
    }
}
