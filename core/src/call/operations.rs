//! What protocols know of a server's operational endpoints, and what they tell it.

use std::{future::Future, pin::Pin, sync::Arc};

use super::Call;

/// An operational endpoint, of those that every server has.
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
    /// Every one, in the order of their numbers.
    pub(crate) const ALL: [Operation; 5] = [
        Operation::Health,
        Operation::Ready,
        Operation::Metrics,
        Operation::Debug,
        Operation::Reflection,
    ];

    /// The name by which settings call it.
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
    /// It names a host that is none of the server's.
    Host,
    /// A page of another origin sent it.
    Origin,
    /// Its content type is missing, or not taken.
    ContentType,
    /// Its content encoding is not taken.
    ContentEncoding,
    /// As many requests of its operational endpoint are at work as may be.
    Operations,
}

impl Refusal {
    /// Every one, in the order of their numbers.
    pub(crate) const ALL: [Refusal; 5] = [
        Refusal::Host,
        Refusal::Origin,
        Refusal::ContentType,
        Refusal::ContentEncoding,
        Refusal::Operations,
    ];

    /// The name by which metrics call it.
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

/// A server's operational endpoints, for protocols that have forms of their own for them.
#[doc(hidden)]
pub trait Operations: Send + Sync + 'static {
    /// What answers an operational endpoint within its limit; `None` where it is not served. It is `own`, or
    /// else `Debug.Health` and `Debug.Stats`.
    fn serve(&self, operation: Operation, own: Option<Arc<dyn Call>>) -> Option<Arc<dyn Call>>;

    /// Names of the server, in lower case, that a request over loopback may be addressed to beside those of
    /// loopback itself; `*` stands for any.
    fn hosts(&self) -> &[String];

    /// Counts a request that was refused.
    fn refused(&self, refusal: Refusal);

    /// Runs the user's health checks, unless they have just run; `None` where there are none. What `Call::listing`
    /// returns afterwards has their results.
    fn check_health(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        None
    }
}
