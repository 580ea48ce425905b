//! Headers with credentials.

use http::HeaderValue;

use crate::error::{Error, Result};

/// Returns a header value that is never printed.
///
/// Fails with [`Code::InvalidArgument`](crate::Code::InvalidArgument) for characters that a header cannot contain.
pub fn secret(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Error::invalid_argument("the token or password has a character that no header can carry")
    })?;
    value.set_sensitive(true);
    Ok(value)
}
