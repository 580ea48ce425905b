//! Adapters between tower and calls: a [`Call`] as a tower service, and a tower service as a [`Call`].

use std::{
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{BoxError, error};
use crate::{
    call::{Answer, Call},
    error::{Error, Result},
    message::{Request, Response},
};

/// The inner service of a layer: the further layers with the call inside them, as one tower service.
///
/// It is ready when they are, so that a load-shedding layer sees a concurrency limit inside it.
pub struct BoxService(Box<dyn Inner>);

/// A type-erased tower service.
trait Inner: Send + Sync {
    fn again(&self) -> Box<dyn Inner>;
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>>;
    fn call(&mut self, request: Request) -> Answer;
}

impl BoxService {
    /// The innermost call, which is always ready.
    pub(super) fn around(call: Arc<dyn Call>) -> Self {
        BoxService(Box::new(Innermost(call)))
    }

    /// The service of a layer.
    pub(super) fn of<S>(service: S) -> Self
    where
        S: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        BoxService(Box::new(Layered(service)))
    }
}

impl Clone for BoxService {
    fn clone(&self) -> Self {
        BoxService(self.0.again())
    }
}

impl Service<Request> for BoxService {
    type Response = Response;
    type Error = Error;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Answer {
        self.0.call(request)
    }
}

impl fmt::Debug for BoxService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxService")
    }
}

/// The outermost layer of a stack.
pub(super) struct Outermost(pub(super) BoxService);

impl Call for Outermost {
    fn call(&self, request: Request) -> Answer {
        // Each call gets a clone: readiness, such as a permit, belongs to the instance that was polled for it.
        let mut stack = self.0.clone();
        Box::pin(async move {
            poll_fn(|cx| stack.poll_ready(cx)).await?;
            stack.call(request).await
        })
    }
}

struct Innermost(Arc<dyn Call>);

impl Inner for Innermost {
    fn again(&self) -> Box<dyn Inner> {
        Box::new(Innermost(self.0.clone()))
    }

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Answer {
        self.0.call(request)
    }
}

struct Layered<S>(S);

impl<S> Inner for Layered<S>
where
    S: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    fn again(&self) -> Box<dyn Inner> {
        Box::new(Layered(self.0.clone()))
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.poll_ready(cx).map_err(error::of)
    }

    fn call(&mut self, request: Request) -> Answer {
        let answer = self.0.call(request);
        Box::pin(async { answer.await.map_err(error::of) })
    }
}
