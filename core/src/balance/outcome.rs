//! Classifies the end of an attempt: whether work was done, what it tells of the node, and whether to retry.

use crate::{
    error::{Code, Error, Outcome, Result},
    message::Response,
    selector::Verdict,
};

/// Whether the work was certainly not done.
pub(super) fn is_harmless(error: &Error) -> bool {
    matches!(error.outcome(), Outcome::NotSent | Outcome::Rejected)
}

/// Whether every node would answer the same.
pub(super) fn is_local(error: &Error) -> bool {
    is_harmless(error)
        && matches!(
            error.code(),
            Code::InvalidArgument | Code::FailedPrecondition | Code::NotFound | Code::Unimplemented
        )
}

/// How a node is marked after an attempt.
pub(super) fn verdict(answer: &Result<Response>) -> Verdict {
    match answer {
        Ok(response) => Verdict::Answered {
            server_load: response.load,
        },
        // It failed on this side, before anything was sent.
        Err(error) if error.outcome() == Outcome::NotSent && is_local(error) => Verdict::Cancelled,
        Err(error) => Verdict::of(Some(error)),
    }
}
