//! The one shape of every room between the caller and the handler: `Request → Result<Response>`.

use std::{future::Future, pin::Pin};

use crate::{
    error::Result,
    message::{Request, Response},
};

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
}

impl<C: Call + ?Sized> Call for std::sync::Arc<C> {
    fn call(&self, request: Request) -> Answer {
        (**self).call(request)
    }
}
