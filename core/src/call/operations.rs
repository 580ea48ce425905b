//! The interface between protocols and a server's operational endpoints.

use std::{future::Future, pin::Pin, sync::Arc};

use super::Call;

/// The endpoint that answers `/metrics`. No other protocol serves it.
#[cfg(feature = "http")]
pub(crate) const METRICS: &str = "Debug.Metrics";

/// A kind of operational endpoint.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Operation {
    /// `/health`, and gRPC's health service.
    Health,
    /// `/ready`.
    Ready,
    /// `/metrics`.
    Metrics,
    /// `Debug.*`.
    Debug,
    /// gRPC's reflection service.
    Reflection,
}

impl Operation {
    /// All, in the order of their numbers.
    pub(crate) const ALL: [Operation; 5] = [
        Operation::Health,
        Operation::Ready,
        Operation::Metrics,
        Operation::Debug,
        Operation::Reflection,
    ];

    /// The name in settings.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Operation::Health => "health",
            Operation::Ready => "ready",
            Operation::Metrics => "metrics",
            Operation::Debug => "debug",
            Operation::Reflection => "reflection",
        }
    }
}

/// Why a request was refused before it reached an endpoint.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Refusal {
    /// The host is not one of the server's.
    Host,
    /// A page of another origin sent the request.
    Origin,
    /// The content type is missing or not accepted.
    ContentType,
    /// The content encoding is not accepted.
    ContentEncoding,
    /// The operational endpoint is at its limit of requests.
    Operations,
}

impl Refusal {
    /// All, in the order of their numbers.
    pub(crate) const ALL: [Refusal; 5] = [
        Refusal::Host,
        Refusal::Origin,
        Refusal::ContentType,
        Refusal::ContentEncoding,
        Refusal::Operations,
    ];

    /// The name in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Refusal::Host => "host",
            Refusal::Origin => "origin",
            Refusal::ContentType => "content_type",
            Refusal::ContentEncoding => "content_encoding",
            Refusal::Operations => "operations",
        }
    }
}

/// A server's operational endpoints, for protocols that have their own form of them.
#[doc(hidden)]
pub trait Operations: Send + Sync + 'static {
    /// The call that answers an operational endpoint within its limit; `None` if the endpoint is not served. It calls
    /// `own`, or else the `Debug` endpoints.
    fn serve(&self, operation: Operation, own: Option<Arc<dyn Call>>) -> Option<Arc<dyn Call>>;

    /// Hosts, in lower case, that a request over loopback may name besides those of loopback; `*` for any.
    fn hosts(&self) -> &[String];

    /// Counts a request that was refused.
    fn refused(&self, refusal: Refusal);

    /// Runs the user's health checks, unless they ran a moment ago; `None` if there are none. Afterwards, `Call::listing`
    /// includes their results.
    fn check_health(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        None
    }
}
