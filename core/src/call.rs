//! The one shape of every layer between the caller and the handler: `Request → Result<Response>`.

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

/// A boxed future of an answer.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response>> + Send>>;

/// Whatever answers requests: a handler, a router, a middleware, the balance loop, a client.
///
/// Generic code ends here: behind `Arc<dyn Call>` everything is one concrete type.
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

    /// Answers a request in place if that takes no waiting, else hands back what is left to do.
    ///
    /// Most handlers end at their first poll; a task for each would cost more than they do.
    #[doc(hidden)]
    fn begin(&self, request: Request, _now: Nanos) -> Begun {
        Begun::poll(self.call(request))
    }

    /// The shape of the endpoint of that name; `None` where there is none, or nothing is known.
    ///
    /// The native protocol says it in each request; HTTP's do not.
    #[doc(hidden)]
    fn shape(&self, _endpoint: &str) -> Option<Shape> {
        None
    }

    /// What there is to call; `None` where nothing is known.
    #[doc(hidden)]
    fn listing(&self) -> Option<Listing> {
        None
    }

    /// The operational endpoints; `None` where this is no server of ours.
    #[doc(hidden)]
    fn operations(&self) -> Option<&dyn Operations> {
        None
    }

    /// The node that it is, of which service; `None` where it is no single node, or nothing is known.
    #[doc(hidden)]
    fn identity(&self) -> Option<&Identity> {
        None
    }

    /// Whether requests for that node are to be answered here: `true` where this is certain, `false` where nothing
    /// is known.
    ///
    /// # Errors
    /// For the reason `WRONG_SERVER` where this is another node, or a node of another service.
    #[doc(hidden)]
    fn is_meant(&self, meant: &Identity) -> Result<bool> {
        match self.identity() {
            Some(own) => own.check(meant).map(|()| true),
            None => Ok(false),
        }
    }
}

/// What a server says of itself to those who ask for it by health and reflection services.
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
    /// Whether it wants requests.
    pub ready: bool,
}

/// Which sides of an endpoint are streams, and whether its work may be done twice without harm.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shape {
    /// The request is a stream of messages.
    pub request_stream: bool,
    /// The response is a stream of messages.
    pub response_stream: bool,
    /// It may be done twice without harm.
    pub idempotent: bool,
    /// It changes nothing, so that whoever only looks may ask for it.
    pub read_only: bool,
}

/// A request that was polled once.
#[doc(hidden)]
pub enum Begun {
    /// It is answered.
    Done(Result<Response>),
    /// It waits for something; to be polled again by whoever takes it on.
    Running(Answer),
}

impl Begun {
    /// Polls once, without asking to be woken: who takes on what is left polls it again.
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
