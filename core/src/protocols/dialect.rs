//! The trait of what answers HTTP requests.

use http::{Request, request::Parts};

use super::connection_context::ConnectionContext;
use crate::{
    http::{HttpAnswer, HttpBegun, HttpBody},
    time::{self, Nanos},
};

/// A way of calling endpoints by HTTP requests.
pub(crate) trait Dialect: Send + Sync + 'static {
    /// Whether a request with this head is of it. The first dialect to say so answers.
    fn speaks(&self, head: &Parts) -> bool;

    /// Answers a request in place if that takes no waiting, else hands back what is left to do; errors are answers
    /// too. `now` is when it was read. Dropping what is left cancels the work.
    fn begin(
        &self,
        request: Request<HttpBody>,
        connection: &ConnectionContext,
        now: Nanos,
    ) -> HttpBegun;

    /// Answers a request.
    fn answer(&self, request: Request<HttpBody>, connection: &ConnectionContext) -> HttpAnswer {
        match self.begin(request, connection, time::now()) {
            HttpBegun::Done(response) => Box::pin(async { response }),
            HttpBegun::Running(answer) => answer,
        }
    }
}
