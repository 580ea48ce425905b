//! The trait of what answers HTTP requests.

use http::{Request, request::Parts};

use super::site::Site;
use crate::{
    http::{HttpAnswer, HttpBegun, HttpBody},
    time::Nanos,
};

/// A way of calling endpoints by HTTP requests.
pub(crate) trait Dialect: Send + Sync + 'static {
    /// Whether a request with this head is of it. The first dialect to say so answers.
    fn speaks(&self, head: &Parts) -> bool;

    /// Answers a request; errors are answers too. Dropping the future cancels the work.
    fn answer(&self, request: Request<HttpBody>, site: &Site) -> HttpAnswer;

    /// Answers a request in place if that takes no waiting, else hands back what is left to do. `now` is
    /// when it was read.
    fn begin(&self, request: Request<HttpBody>, site: &Site, _now: Nanos) -> HttpBegun {
        HttpBegun::poll(self.answer(request, site))
    }
}
