//! [`Call`], the one shape of every layer between caller and handler: `Request → Result<Response>`.

mod identity;
mod operations;
mod traced;

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use crate::{
    error::Result,
    message::{Request, Response},
    time::Nanos,
};
pub use identity::Identity;
pub(crate) use identity::wrong_server;

#[cfg(feature = "http")]
pub(crate) use operations::METRICS;
pub(crate) use operations::{Operation, Operations, Refusal};
pub(crate) use traced::{Traced, Watch};

/// A boxed future of a response.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response>> + Send>>;

/// Answers requests: a handler, a router, a middleware, the balance loop, a client.
///
/// Generic code ends here: behind `Arc<dyn Call>`, everything has one concrete type.
///
/// ```
/// use micro::{Answer, Call, ContentType, Request, Response};
///
/// struct Echo;
///
/// impl Call for Echo {
///     fn call(&self, mut request: Request) -> Answer {
///         let body = request.body_mut().take();
///         Box::pin(async move { Ok(Response::new(ContentType::Bytes, body)) })
///     }
/// }
/// ```
pub trait Call: Send + Sync + 'static {
    /// Answers a request. Dropping the future cancels the work.
    fn call(&self, request: Request) -> Answer;

    /// Answers a request in place if it need not wait, or returns the rest of the work.
    ///
    /// Most handlers finish at their first poll; a task for each would cost more than the handler.
    #[doc(hidden)]
    fn begin(&self, request: Request, _now: Nanos) -> Begun {
        Begun::poll(self.call(request))
    }

    /// The shape of an endpoint; `None` if there is no such endpoint, or nothing is known.
    ///
    /// The native protocol carries the shape in each request; protocols over HTTP do not.
    #[doc(hidden)]
    fn shape(&self, _endpoint: &str) -> Option<Shape> {
        None
    }

    /// The endpoints of this call; `None` if nothing is known.
    #[doc(hidden)]
    fn listing(&self) -> Option<Listing> {
        None
    }

    /// The operational endpoints; `None` if this is not a server.
    #[doc(hidden)]
    fn operations(&self) -> Option<&dyn Operations> {
        None
    }

    /// The node that answers, and its service; `None` if it is not a single node, or nothing is known.
    #[doc(hidden)]
    fn identity(&self) -> Option<&Identity> {
        None
    }

    /// Checks that requests for `node` are answered here. Returns `true` if this is certain, and `false` if nothing
    /// is known.
    ///
    /// # Errors
    /// An error of the reason `WRONG_SERVER` if this is another node, or a node of another service.
    #[doc(hidden)]
    fn is_meant(&self, meant: &Identity) -> Result<bool> {
        match self.identity() {
            Some(own) => own.check(meant).map(|()| true),
            None => Ok(false),
        }
    }
}

/// What a server reports about itself through health and reflection services.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Listing {
    /// The service's name.
    pub service: String,
    /// The names of its endpoints, such as `Greeter.Hello`.
    pub endpoints: Vec<Arc<str>>,
    /// Encoded `google.protobuf.FileDescriptorSet`s, for endpoints that come from `.proto` files.
    pub descriptors: Vec<&'static [u8]>,
    /// Whether the server is ready for requests.
    pub ready: bool,
}

/// Which sides of an endpoint are streams, and whether its work may be repeated.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shape {
    /// The request is a stream of messages.
    pub request_stream: bool,
    /// The response is a stream of messages.
    pub response_stream: bool,
    /// The work may be done twice without harm.
    pub idempotent: bool,
    /// The work changes nothing, so that a GET may request it.
    pub read_only: bool,
}

/// A request after its first poll.
#[doc(hidden)]
pub enum Begun {
    /// The response.
    Done(Result<Response>),
    /// The rest of the work, which the caller has to poll.
    Running(Answer),
}

impl Begun {
    /// Polls once without a waker, since the caller polls the rest again.
    pub(crate) fn poll(mut answer: Answer) -> Self {
        match answer
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(answer) => Begun::Done(answer),
            Poll::Pending => Begun::Running(answer),
        }
    }
}

impl<C: Call + ?Sized> Call for Arc<C> {
    fn call(&self, request: Request) -> Answer {
        (**self).call(request)
    }

    fn begin(&self, request: Request, now: Nanos) -> Begun {
        (**self).begin(request, now)
    }

    fn shape(&self, endpoint: &str) -> Option<Shape> {
        (**self).shape(endpoint)
    }

    fn listing(&self) -> Option<Listing> {
        (**self).listing()
    }

    fn operations(&self) -> Option<&dyn Operations> {
        (**self).operations()
    }

    fn identity(&self) -> Option<&Identity> {
        (**self).identity()
    }

    fn is_meant(&self, meant: &Identity) -> Result<bool> {
        (**self).is_meant(meant)
    }
}
