//! The error of a stream that the peer or the connection aborted.

use crate::error::{Error, Outcome};

/// The error of an aborted body, for its reader.
pub(super) fn broken(error: h2::Error) -> Error {
    let reason = error.reason();
    let error = match reason {
        Some(h2::Reason::CANCEL) => Error::cancelled("the other side cancelled the call"),
        Some(h2::Reason::ENHANCE_YOUR_CALM) => {
            Error::resource_exhausted("the other side finds this too much").with_source(error)
        }
        Some(h2::Reason::INADEQUATE_SECURITY) => {
            Error::permission_denied("the other side finds this too insecure").with_source(error)
        }
        Some(_) if error.is_reset() => {
            Error::internal("the other side broke the stream off").with_source(error)
        }
        _ => Error::unavailable("the connection broke").with_source(error),
    };
    error.with_outcome(Outcome::Unknown)
}
