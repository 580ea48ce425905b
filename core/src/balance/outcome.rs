//! What the end of an attempt says: of the work, of its node, of another attempt.

use crate::{
    error::{Code, Error, Outcome, Result},
    message::Response,
    selector::Verdict,
};

/// Whether nothing can have been done.
pub(super) fn is_harmless(error: &Error) -> bool {
    matches!(error.outcome(), Outcome::NotSent | Outcome::Rejected)
}

/// Whether every node would say the same.
pub(super) fn is_local(error: &Error) -> bool {
    is_harmless(error)
        && matches!(
            error.code(),
            Code::InvalidArgument | Code::FailedPrecondition | Code::NotFound | Code::Unimplemented
        )
}

/// What the end of an attempt says about its node.
pub(super) fn verdict(answer: &Result<Response>) -> Verdict {
    match answer {
        Ok(response) => Verdict::Answered {
            server_load: response.load,
        },
        // It failed here, before there was anything to send.
        Err(error) if error.outcome() == Outcome::NotSent && is_local(error) => Verdict::Cancelled,
        Err(error) => Verdict::of(Some(error)),
    }
}
