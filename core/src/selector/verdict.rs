//! What a call's end says of the node that took it.

use crate::{
    error::{Code, Error, Outcome},
    time,
};

/// How a call ended, as far as it says something about the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It was answered, be it with an application's error: the node is well.
    Answered {
        /// Thousandths of its concurrency limit in use, as the server reported; 0 when it did not.
        server_load: u16,
    },
    /// The node refused it for now: no ill health, but better not the next to be asked.
    Overloaded {
        /// For how many nanoseconds the server asks callers to stay away.
        retry_after: Option<u64>,
    },
    /// It was not sent, not answered in time, or the node said that it is unavailable.
    Failed,
    /// Another server answers at the node's address: the node itself is not to be reached.
    WrongServer,
    /// The caller gave it up: it took at least this long, and says nothing more.
    Cancelled,
}

impl Verdict {
    /// What an error, or none, says of the node. What a server says of its load is added by who knows it.
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
            // It came too late, or asked for what the node does not have: no fault of the node's.
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
