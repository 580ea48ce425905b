//! HTTP, whichever its version: a connection of either makes requests of the same form, a [`Site`]
//! answers them, and each dialect of it (gRPC, Connect, plain JSON, …) is a [`Dialect`].

mod body;
mod travel;

use std::{future::Future, pin::Pin, sync::Arc};

use http::{Request, Response, request::Parts};

use crate::{call::Call, transport::Limits};

pub(crate) use body::{HttpBody, Piece, Pieces, too_large};

/// A boxed future of the answer to an HTTP request.
pub(crate) type HttpAnswer = Pin<Box<dyn Future<Output = Response<HttpBody>> + Send>>;

/// A way of calling endpoints by HTTP requests.
pub(crate) trait Dialect: Send + Sync + 'static {
    /// Whether a request with this head is of it. The first dialect to say so answers.
    fn speaks(&self, head: &Parts) -> bool;

    /// Answers a request; errors are answers too. Dropping the future cancels the work.
    fn answer(&self, request: Request<HttpBody>, site: &Site) -> HttpAnswer;
}

/// What answers the HTTP requests of a port.
pub(crate) struct Site {
    /// The server's rooms.
    pub(crate) call: Arc<dyn Call>,
    pub(crate) limits: Arc<Limits>,
    /// In the order in which they are asked; the last one takes what no other wants.
    pub(crate) dialects: Arc<[Arc<dyn Dialect>]>,
}

impl Site {
    /// Answers a request by the first dialect that it is of; 404 where there is none.
    pub(crate) fn answer(&self, request: Request<HttpBody>) -> HttpAnswer {
        let (head, body) = request.into_parts();
        let dialect = self.dialects.iter().find(|dialect| dialect.speaks(&head));
        match dialect {
            Some(dialect) => dialect.answer(Request::from_parts(head, body), self),
            None => Box::pin(async {
                let mut response = Response::new(HttpBody::empty());
                *response.status_mut() = http::StatusCode::NOT_FOUND;
                response
            }),
        }
    }
}
