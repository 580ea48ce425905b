//! [`Dialect`], which answers HTTP requests.

use http::{Request, request::Parts};

use super::connection_context::ConnectionContext;
use crate::{
    http::{HttpAnswer, HttpBegun, HttpBody},
    time::{self, Nanos},
};

/// A way of calling endpoints by HTTP requests.
pub(crate) trait Dialect: Send + Sync + 'static {
    /// Whether a request with this head belongs to the dialect. The first dialect that returns `true` answers it.
    fn speaks(&self, head: &Parts) -> bool;

    /// Answers a request in place if it need not wait, or returns the rest of the work; errors are responses
    /// too. `now` is when the request was read. Dropping the rest cancels the work.
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
