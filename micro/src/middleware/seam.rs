//! Between tower and the rooms: a [`Call`] as a tower service, and a tower service as a [`Call`].

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

/// What a layer is put around: the rooms further in, as a tower service that is always ready.
#[derive(Clone)]
pub struct Seam(Arc<dyn Call>);

impl Seam {
    pub(super) fn new(call: Arc<dyn Call>) -> Self {
        Seam(call)
    }

    pub(super) fn answer(&self, request: Request) -> Answer {
        self.0.call(request)
    }
}

impl Service<Request> for Seam {
    type Response = Response;
    type Error = Error;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Answer {
        self.answer(request)
    }
}

impl fmt::Debug for Seam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seam")
    }
}

/// The service as a call.
pub(super) fn erase<S>(service: S) -> Arc<dyn Call>
where
    S: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    Arc::new(Erased(service))
}

struct Erased<S>(S);

impl<S> Call for Erased<S>
where
    S: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    fn call(&self, request: Request) -> Answer {
        // A clone a call: readiness, such as a permit, belongs to the one that was asked for it.
        let mut service = self.0.clone();
        Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx))
                .await
                .map_err(error::of)?;
            service.call(request).await.map_err(error::of)
        })
    }
}
