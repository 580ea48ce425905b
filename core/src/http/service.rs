//! The interface between the engines and what answers the requests of a connection.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use http::{Request, Response, StatusCode};

use super::{HttpBody, intake::Intake};
use crate::{error::Error, net::Limits, time::Nanos};

/// A boxed future of an HTTP response.
pub(crate) type HttpAnswer = Pin<Box<dyn Future<Output = Response<HttpBody>> + Send>>;

/// Answers the HTTP requests of one connection.
pub(crate) trait HttpService: Send + Sync + 'static {
    /// The limits of the connection.
    fn limits(&self) -> &Arc<Limits>;

    /// The limits for reading the body of a request.
    fn intake(&self) -> Arc<Intake>;

    /// Answers a request; errors are responses, too. Dropping the future cancels the work.
    fn answer(&self, request: Request<HttpBody>) -> HttpAnswer;

    /// Answers a request in place if it need not wait, or returns the rest of the work. `now` is when it was
    /// read.
    fn begin(&self, request: Request<HttpBody>, now: Nanos) -> HttpBegun;

    /// The response to a request that the engine refuses.
    fn refusal(&self, error: &Error, status: StatusCode) -> Response<HttpBody>;
}

/// An HTTP request after its first poll.
pub(crate) enum HttpBegun {
    /// The response.
    Done(Response<HttpBody>),
    /// The rest of the work, which the caller has to poll.
    Running(HttpAnswer),
}

impl HttpBegun {
    /// Polls once without a waker, since the caller polls the rest again.
    pub(crate) fn poll(mut answer: HttpAnswer) -> Self {
        let mut cx = Context::from_waker(Waker::noop());
        match answer.as_mut().poll(&mut cx) {
            Poll::Ready(response) => HttpBegun::Done(response),
            Poll::Pending => HttpBegun::Running(answer),
        }
    }

    /// Returns the response when it is there.
    pub(crate) async fn response(self) -> Response<HttpBody> {
        match self {
            HttpBegun::Done(response) => response,
            HttpBegun::Running(answer) => answer.await,
        }
    }
}
