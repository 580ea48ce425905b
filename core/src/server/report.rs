//! Logs of failed requests. Causes are only logged: callers receive message, code and details.

use std::any::Any;

use crate::{
    context::Trace,
    error::{Code, Error},
};

/// Logs an error of a handler if it is a fault of the service, or has a cause that callers do not receive.
pub(super) fn failed(endpoint: &str, trace: &Trace, error: &Error) {
    if error.code() == Code::Internal {
        let trace_id = trace.hex_id();
        tracing::error!(endpoint, trace_id, %error, "a handler failed");
    } else if std::error::Error::source(error).is_some() {
        let trace_id = trace.hex_id();
        tracing::warn!(endpoint, trace_id, %error, "a handler failed");
    }
}

/// Logs a panic. Its text is not sent to the caller.
pub(super) fn panicked(endpoint: &str, trace: &Trace, panic: &(dyn Any + Send)) -> Error {
    let why = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let trace_id = trace.hex_id();
    tracing::error!(endpoint, trace_id, why, "a handler panicked");
    Error::internal(format!("the handler of `{endpoint}` panicked"))
}
