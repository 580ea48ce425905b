//! What the end of a call tells of its node.

use crate::{
    error::{Code, Error, Outcome},
    time,
};

/// The end of a call, as far as it tells something of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The node answered, possibly with an application's error: it is healthy.
    Answered {
        /// Thousandths of the server's concurrency limit in use, as it reported; 0 if unknown.
        server_load: u16,
    },
    /// The node refused the call for now: it is healthy, but should not be asked next.
    Overloaded {
        /// For how many nanoseconds the server asks callers to wait.
        retry_after: Option<u64>,
    },
    /// The call was not sent, not answered in time, or the node reported that it is unavailable.
    Failed,
    /// Another server answers at the node's address, so the node cannot be reached.
    WrongServer,
    /// The caller gave up: the call took at least this long, and nothing else is known.
    Cancelled,
}

impl Verdict {
    /// Judges a node by an error, or by none. The caller adds the server's load.
    pub fn of(error: Option<&Error>) -> Self {
        let Some(error) = error else {
            return Verdict::Answered { server_load: 0 };
        };
        let overloaded = Verdict::Overloaded {
            retry_after: error.retry_after().map(time::nanos),
        };
        if error.is_wrong_server() {
            return Verdict::WrongServer;
        }
        match (error.outcome(), error.code()) {
            // Too late, or a request for what the node does not have: not the node's fault.
            (Outcome::Rejected, Code::DeadlineExceeded | Code::NotFound) => {
                Verdict::Answered { server_load: 0 }
            }
            (Outcome::Rejected, _) | (Outcome::Answered, Code::ResourceExhausted) => overloaded,
            (Outcome::NotSent | Outcome::Unknown, Code::Cancelled) => Verdict::Cancelled,
            (Outcome::NotSent | Outcome::Unknown, _) => Verdict::Failed,
            (Outcome::Answered, Code::Unavailable) => Verdict::Failed,
            (Outcome::Answered, _) => Verdict::Answered { server_load: 0 },
        }
    }
}
