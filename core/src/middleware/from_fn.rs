//! A layer made of an async function.

use std::{
    fmt,
    task::{Context, Poll},
};

use tower_service::Service;

use super::BoxService;
use crate::{
    call::Answer,
    error::{Error, Result},
    message::{Request, Response},
};

/// Makes a layer of an async function, which answers itself or calls [`Next::run`].
///
/// ```
/// use micro::{Error, Request, middleware::{Layers, Next, from_fn}};
///
/// let guard = from_fn(|request: Request, next: Next| async move {
///     if request.context().metadata().get("authorization").is_none() {
///         return Err(Error::unauthenticated("no `authorization` in the metadata; log in first"));
///     }
///     next.run(request).await
/// });
/// let layers = Layers::new().with(guard);
/// ```
pub fn from_fn<F, Fut>(function: F) -> FromFn<F>
where
    F: Fn(Request, Next) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Response>> + Send + 'static,
{
    FromFn(function)
}

/// The layer that [`from_fn`] makes.
#[derive(Clone)]
pub struct FromFn<F>(F);

impl<F: Clone> tower_layer::Layer<BoxService> for FromFn<F> {
    type Service = FromFnService<F>;

    fn layer(&self, inner: BoxService) -> FromFnService<F> {
        FromFnService {
            function: self.0.clone(),
            inner,
        }
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromFn")
    }
}

/// The service that runs the function.
#[derive(Clone)]
pub struct FromFnService<F> {
    function: F,
    inner: BoxService,
}

impl<F, Fut> Service<Request> for FromFnService<F>
where
    F: Fn(Request, Next) -> Fut,
    Fut: Future<Output = Result<Response>>,
{
    type Response = Response;
    type Error = Error;
    type Future = Fut;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Fut {
        // The instance that is ready is used; its clone must become ready first.
        let again = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, again);
        (self.function)(request, Next(ready))
    }
}

/// The inner layers and the call.
#[derive(Debug)]
pub struct Next(BoxService);

impl Next {
    /// Passes the request on, and returns the response. Dropping the future cancels the work.
    pub fn run(mut self, request: Request) -> Answer {
        self.0.call(request)
    }
}
