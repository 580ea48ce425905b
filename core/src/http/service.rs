//! What answers the requests of a connection: the engines know no more of it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use http::{Request, Response, StatusCode};

use super::{HttpBody, intake::Intake};
use crate::{error::Error, net::Limits, time::Nanos};

/// A boxed future of the answer to an HTTP request.
pub(crate) type HttpAnswer = Pin<Box<dyn Future<Output = Response<HttpBody>> + Send>>;

/// Answers the HTTP requests of one connection.
pub(crate) trait HttpService: Send + Sync + 'static {
    /// What the connection keeps to.
    fn limits(&self) -> &Arc<Limits>;

    /// What reading a request's body has to keep to.
    fn intake(&self) -> Arc<Intake>;

    /// Answers a request; errors are answers too. Dropping the future cancels the work.
    fn answer(&self, request: Request<HttpBody>) -> HttpAnswer;

    /// Answers a request in place if that takes no waiting, else hands back what is left to do. `now` is when it was
    /// read.
    fn begin(&self, request: Request<HttpBody>, now: Nanos) -> HttpBegun;

    /// The answer to what the engine refuses before it is a request, or before it is begun.
    fn refusal(&self, error: &Error, status: StatusCode) -> Response<HttpBody>;
}

/// An HTTP request that was polled once.
pub(crate) enum HttpBegun {
    /// It is answered.
    Done(Response<HttpBody>),
    /// It waits for something; to be polled again by whoever takes it on.
    Running(HttpAnswer),
}

impl HttpBegun {
    /// Polls once, without asking to be woken: who takes on what is left polls it again.
    pub(crate) fn poll(mut answer: HttpAnswer) -> Self {
        let mut cx = Context::from_waker(Waker::noop());
        match answer.as_mut().poll(&mut cx) {
            Poll::Ready(response) => HttpBegun::Done(response),
            Poll::Pending => HttpBegun::Running(answer),
        }
    }

    /// Its response, once that is there.
    pub(crate) async fn response(self) -> Response<HttpBody> {
        match self {
            HttpBegun::Done(response) => response,
            HttpBegun::Running(answer) => answer.await,
        }
    }
}
