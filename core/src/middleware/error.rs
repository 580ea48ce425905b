//! Converts the errors of tower's layers.

use tower::{load_shed::error::Overloaded, timeout::error::Elapsed};

use super::BoxError;
use crate::error::{Error, Outcome};

/// Converts the error of a layer. A `micro::Error` passes unchanged.
pub(super) fn of(error: impl Into<BoxError>) -> Error {
    let error = match error.into().downcast::<Error>() {
        Ok(ours) => return *ours,
        Err(error) => error,
    };
    if error.is::<Elapsed>() {
        // The work was interrupted at an unknown point.
        Error::deadline_exceeded("the call was broken off by a timeout layer")
            .with_outcome(Outcome::Unknown)
    } else if error.is::<Overloaded>() {
        Error::resource_exhausted("a load shedding layer refused the call")
            .with_outcome(Outcome::Rejected)
    } else {
        Error::internal("a layer failed").with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn micro_error_passes_unchanged() {
        let error = Error::not_found("x").with_outcome(Outcome::NotSent);
        let boxed: BoxError = Box::new(error);
        let error = of(boxed);
        assert_eq!(error.code(), Code::NotFound);
        assert_eq!(error.outcome(), Outcome::NotSent);
    }

    #[test]
    fn tower_errors_have_the_outcome_of_the_work() {
        let elapsed = of(Elapsed::new());
        assert_eq!(elapsed.code(), Code::DeadlineExceeded);
        assert_eq!(elapsed.outcome(), Outcome::Unknown);
        let overloaded = of(Overloaded::new());
        assert_eq!(overloaded.code(), Code::ResourceExhausted);
        assert_eq!(overloaded.outcome(), Outcome::Rejected);
    }

    #[test]
    fn another_error_is_internal_and_kept_as_the_source() {
        let error = of("the cat sat on it");
        assert_eq!(error.code(), Code::Internal);
        assert!(error.to_string().contains("the cat sat on it"));
    }
}
